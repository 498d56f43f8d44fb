//! The checks of `sql/checks`: each plans against the contracts, finds nothing in nothing, and
//! those that repeat the catalog in SQL agree with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use apportion_engine::{Engine, EngineOptions, Model, ModelGraph};
use apportion_focus::{TableContract, catalog};
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;

use crate::repository;

fn graph() -> ModelGraph {
    ModelGraph::from_dir(&repository().join("sql")).unwrap()
}

fn check<'a>(graph: &'a ModelGraph, name: &str) -> &'a Model {
    graph.checks().find(|check| check.name == name).unwrap_or_else(|| panic!("no check `{name}`"))
}

/// Checks over tables that only the allocation builds are run by its own tests.
fn reads_only_written_tables(check: &Model) -> bool {
    check.inputs.iter().all(|input| catalog().table(input).is_some())
}

#[tokio::test]
async fn every_check_plans_and_finds_nothing_in_empty_tables() {
    let graph = graph();
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::try_new(&EngineOptions::new(directory.path())).unwrap();
    let mut findings = Vec::new();
    for check in graph.checks().filter(|check| reads_only_written_tables(check)) {
        let context = engine.new_context();
        for table in catalog().tables() {
            let empty = MemTable::try_new(table.schema(), vec![vec![]]).unwrap();
            context.register_table(TableReference::bare(table.name.as_str()), Arc::new(empty)).unwrap();
        }
        match graph.run_one(&context, check, &BTreeMap::new()).await {
            Ok(outcome) if outcome.passed() => {}
            Ok(outcome) => findings.push(format!("{} finds rows in nothing:\n{}", check.name, outcome.sample)),
            Err(error) => findings.push(error.to_string()),
        }
    }
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// Every column of a contract with what the check must say about it; returns what it does not say.
fn unsaid(check: &Model, table: &TableContract, says: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let text: String = check.sql.split_whitespace().collect::<Vec<_>>().join(" ");
    table.columns.iter().flat_map(|column| says(&column.name)).filter(|phrase| !text.contains(phrase)).collect()
}

#[test]
fn required_columns_are_those_of_the_contract() {
    let graph = graph();
    let check = check(&graph, "focus_charges__required_columns_are_filled");
    let table = catalog().focus();
    let missing = unsaid(check, table, |name| {
        // The identity is computed by `charge_id`, which is never NULL.
        let required = name != "x_ChargeId" && table.column(name).is_some_and(|column| !column.nullable);
        required.then(|| format!("{name} is null")).into_iter().collect()
    });
    assert!(missing.is_empty(), "{} does not say {missing:?}", check.path);
}

#[test]
fn allowed_values_are_those_of_the_contract() {
    let graph = graph();
    let check = check(&graph, "focus_charges__values_are_allowed");
    let table = catalog().focus();
    let missing = unsaid(check, table, |name| {
        // Categories of services are a check of their own.
        let classified = matches!(name, "ServiceCategory" | "ServiceSubcategory");
        let values = table.column(name).filter(|_| !classified).map(|column| column.allowed_values.as_slice());
        let values = values.unwrap_or_default();
        values.iter().map(|value| format!("'{}'", value.replace('\'', "''"))).collect()
    });
    assert!(missing.is_empty(), "{} does not say {missing:?}", check.path);
}

#[test]
fn the_taxonomy_is_that_of_the_catalog() {
    let graph = graph();
    let check = check(&graph, "focus_charges__subcategory_belongs_to_category");
    let taxonomy = catalog().taxonomy();
    let missing: Vec<String> = taxonomy
        .subcategories()
        .map(|subcategory| format!("('{}', '{subcategory}')", taxonomy.category_of(subcategory).unwrap()))
        .filter(|pair| !check.sql.contains(pair))
        .collect();
    assert!(missing.is_empty(), "{} does not say {missing:?}", check.path);
}
