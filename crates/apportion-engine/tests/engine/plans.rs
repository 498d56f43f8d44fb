//! The models plan against the relations they are given, and keep their contracts.
//!
//! Nothing is executed: a wrong column, type or function shows here first.

use std::collections::BTreeMap;
use std::sync::Arc;

use apportion_engine::{Engine, EngineOptions, ModelGraph, contract};
use apportion_focus::catalog;
use datafusion::common::{ScalarValue, TableReference};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use crate::case_table::{TextTable, parameter};
use crate::repository;

/// Each provider's source relation and the model that maps it to charges.
pub(crate) const PROVIDERS: [(&str, &str); 4] = [
    ("src_aws__cur", "int_focus__aws"),
    ("src_gcp__line_items", "int_focus__gcp"),
    ("src_azure__line_items", "int_focus__azure"),
    ("src_focus__charges", "int_focus__native"),
];

pub(crate) fn parameters() -> BTreeMap<String, ScalarValue> {
    [
        ("source", "aws-main"),
        ("billing_period", "2026-01"),
        ("billing_period_start", "2026-01-01T00:00:00Z"),
        ("billing_period_end", "2026-02-01T00:00:00Z"),
        ("cost_basis", "net"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), parameter(value)))
    .collect()
}

/// Registers the relation `name` without rows, as its schema file describes it.
fn register_empty(context: &SessionContext, name: &str) {
    let models = repository().join("testdata/models");
    let batch = TextTable::default().typed(name, &models);
    let table = MemTable::try_new(batch.schema(), vec![vec![]]).unwrap();
    context.register_table(TableReference::bare(name), Arc::new(table)).unwrap();
}

#[tokio::test]
async fn every_provider_map_keeps_the_contract_of_focus_charges() {
    let graph = ModelGraph::from_dir(&repository().join("sql")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::try_new(&EngineOptions::new(directory.path())).unwrap();
    let contract = catalog().table("focus_charges").unwrap().schema();
    for (source, map) in PROVIDERS {
        let context = engine.new_context();
        register_empty(&context, source);
        let charges = graph.dataframe(&context, map, &parameters()).await.unwrap_or_else(|error| panic!("{error}"));
        context.register_table(TableReference::bare("int_focus__charges"), charges.into_view()).unwrap();
        let frame =
            graph.dataframe(&context, "focus_charges", &parameters()).await.unwrap_or_else(|error| panic!("{error}"));
        let planned = frame.schema().as_arrow();
        contract::check("focus_charges", planned, &contract).unwrap_or_else(|error| panic!("{source}: {error}"));
        let batches = frame.collect().await.unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 0);
    }
}
