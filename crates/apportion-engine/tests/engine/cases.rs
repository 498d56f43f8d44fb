//! Model cases: a few input rows per table, and the rows a model must make of them.
//!
//! `testdata/models/<model>/<case>/` holds `inputs/<table>.csv`, `params.yaml` and `expect.csv`.
//! Only the columns that `expect.csv` names are compared, so a case shows what it is about.
//! `UPDATE_EXPECT=1 cargo test -p apportion-engine` rewrites expectations for review.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apportion_engine::{Engine, EngineOptions, ModelGraph};
use datafusion::common::{ScalarValue, TableReference};
use datafusion::datasource::MemTable;

use crate::case_table::{TextTable, parameter, text_rows};
use crate::repository;

#[tokio::test]
async fn every_model_case_gives_its_expected_rows() {
    let root = repository().join("testdata/models");
    let graph = ModelGraph::from_dir(&repository().join("sql")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut options = EngineOptions::new(directory.path());
    options.target_partitions = 2;
    let engine = Engine::try_new(&options).unwrap();
    let mut failures = Vec::new();
    let mut count = 0;
    for model in directories(&root).into_iter().filter(|path| !path.ends_with("schemas")) {
        for case in directories(&model) {
            count += 1;
            if let Err(failure) = run(&engine, &graph, &root, &model, &case).await {
                failures.push(format!("{}\n{failure}", case.display()));
            }
        }
    }
    assert!(count > 0, "no cases under {}", root.display());
    assert!(failures.is_empty(), "{} of {count} cases failed\n\n{}", failures.len(), failures.join("\n\n"));
}

/// Models without a case of their own, and where they are held against something instead.
const ELSEWHERE: [(&str, &str); 1] =
    [("focus_charges", "it only names columns: plans::every_provider_map_keeps_the_contract_of_focus_charges")];

#[test]
fn every_model_has_a_case() {
    let root = repository().join("testdata/models");
    let graph = ModelGraph::from_dir(&repository().join("sql")).unwrap();
    let has_case = |name: &str| directories(&root.join(name)).iter().any(|case| case.join("expect.csv").exists());
    let is_elsewhere = |name: &str| ELSEWHERE.iter().any(|(model, _)| *model == name);
    let missing: Vec<&str> =
        graph.models().map(|model| model.name.as_str()).filter(|name| !has_case(name) && !is_elsewhere(name)).collect();
    assert!(missing.is_empty(), "models without a case in testdata/models/<model>/<case>/: {missing:?}");
    let known = |name: &str| graph.model(name).is_some();
    let stale: Vec<PathBuf> = directories(&root)
        .into_iter()
        .filter(|path| {
            !path.ends_with("schemas") && !path.file_name().is_some_and(|name| known(&name.to_string_lossy()))
        })
        .collect();
    assert!(stale.is_empty(), "cases of models that are gone: {stale:?}");
    assert!(ELSEWHERE.iter().all(|(name, _)| known(name) && !has_case(name)), "the list of exceptions is stale");
}

async fn run(engine: &Engine, graph: &ModelGraph, root: &Path, model: &Path, case: &Path) -> Result<(), String> {
    let model = model.file_name().unwrap().to_string_lossy().into_owned();
    let context = engine.new_context();
    for file in files(&case.join("inputs")) {
        let table = file.file_stem().unwrap().to_string_lossy().into_owned();
        let batch = TextTable::read(&file).typed(&table, root);
        let table_provider = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(|error| error.to_string())?;
        context
            .register_table(TableReference::bare(table), Arc::new(table_provider))
            .map_err(|error| error.to_string())?;
    }
    let frame = graph
        .dataframe(&context, &model, &parameters(&case.join("params.yaml")))
        .await
        .map_err(|error| error.to_string())?;
    let columns: Vec<String> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
    let batches = frame.collect().await.map_err(|error| error.to_string())?;
    let path = case.join("expect.csv");
    let expected = if path.exists() {
        TextTable::read(&path)
    } else {
        TextTable { header: columns.clone(), ..TextTable::default() }
    };
    let positions = expected
        .header
        .iter()
        .map(|name| columns.iter().position(|column| column == name).ok_or_else(|| format!("no column `{name}`")))
        .collect::<Result<Vec<_>, _>>()?;
    let found = TextTable {
        comments: expected.comments.clone(),
        header: expected.header.clone(),
        rows: batches
            .iter()
            .flat_map(text_rows)
            .map(|row| positions.iter().map(|position| row[*position].clone()).collect())
            .collect(),
    };
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return fs::write(&path, found.print()).map_err(|error| error.to_string());
    }
    difference(&expected.sorted_rows(), &found.sorted_rows())
}

/// Lines that are only in one of two sorted lists.
fn difference(expected: &[String], found: &[String]) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let mut lines = Vec::new();
    let mut rest: Vec<&String> = found.iter().collect();
    for line in expected {
        match rest.iter().position(|found| *found == line) {
            Some(position) => {
                rest.remove(position);
            }
            None => lines.push(format!("- {line}")),
        }
    }
    lines.extend(rest.into_iter().map(|line| format!("+ {line}")));
    Err(lines.join("\n"))
}

fn parameters(path: &Path) -> BTreeMap<String, ScalarValue> {
    let Ok(text) = fs::read_to_string(path) else {
        return BTreeMap::new();
    };
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.trim().to_owned(), parameter(value.trim().trim_matches(['\'', '"']))))
        .collect()
}

fn directories(path: &Path) -> Vec<PathBuf> {
    list(path).into_iter().filter(|path| path.is_dir()).collect()
}

fn files(path: &Path) -> Vec<PathBuf> {
    list(path).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "csv")).collect()
}

fn list(path: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(path).map(|entries| entries.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default();
    entries.sort();
    entries
}
