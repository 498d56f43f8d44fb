//! What tables in Delta format promise beyond what every table promises.

use serde_json::Value as Json;

use crate::estate::{change, estate};
use crate::support::{Workspace, transcript};

/// The columns of a Delta table as its log declares them: name, and what other engines show as comment.
fn columns(workspace: &Workspace, table: &str) -> Vec<(String, String)> {
    let log = workspace.path(&format!("tables/{table}/_delta_log"));
    let mut commits: Vec<_> = std::fs::read_dir(log).expect("log").map(|entry| entry.expect("entry").path()).collect();
    commits.sort();
    commits.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    let text: Vec<String> = commits.iter().map(|path| std::fs::read_to_string(path).expect("commit")).collect();
    let lines = text.iter().flat_map(|commit| commit.lines());
    let actions = lines.map(|line| serde_json::from_str::<Json>(line).expect("action"));
    let metadata = actions.filter_map(|action| action.get("metaData").cloned()).next_back().expect("metadata");
    let schema: Json = serde_json::from_str(metadata["schemaString"].as_str().expect("schema")).expect("schema");
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    let fields = schema["fields"].as_array().expect("fields").iter();
    fields.map(|field| (text(&field["name"]), text(&field["metadata"]["comment"]))).collect()
}

#[test]
fn every_table_and_column_says_what_it_is() {
    let workspace = estate("");
    change(&workspace, "format: parquet", "format: delta");
    workspace.run_ok(&["run", "pipeline.yaml", "--period", "2026-01"]);
    let mut tables: Vec<String> = std::fs::read_dir(workspace.path("tables"))
        .expect("tables")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("name"))
        .filter(|name| !name.starts_with('_'))
        .collect();
    tables.sort();
    // Without a reporting currency there is no table of it, not even an empty one.
    let expected = ["allocated_charges", "completeness", "driver_quantities", "focus_charges", "reconciliation"];
    assert_eq!(tables, [&expected[..], &["unit_economics_daily", "unit_economics_monthly"]].concat());
    for table in tables {
        for (column, comment) in columns(&workspace, &table) {
            assert!(comment.len() > 10, "{table}.{column} has no comment: `{comment}`");
        }
    }
    let billed =
        columns(&workspace, "focus_charges").into_iter().find(|(name, _)| name == "BilledCost").expect("column");
    assert!(billed.1.to_lowercase().contains("invoice"), "{billed:?}");
}

#[test]
fn a_column_that_is_no_longer_kept_stays_and_is_empty_from_then_on() {
    let workspace = estate("");
    change(&workspace, "format: parquet", "format: delta");
    change(&workspace, "  keep: [account]\n", "  keep: [account, RegionId]\n");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    change(&workspace, "  keep: [account, RegionId]\n", "  keep: [account]\n");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let names: Vec<String> = columns(&workspace, "allocated_charges").into_iter().map(|(name, _)| name).collect();
    assert!(names.iter().any(|name| name == "RegionId"), "older versions still have the column: {names:?}");
    workspace.run_ok(&["verify", "pipeline.yaml"]);
    let billed = workspace.query("tables", "SELECT sum(BilledCost) FROM allocated_charges");
    assert_eq!(billed, workspace.query("tables", "SELECT sum(BilledCost) FROM focus_charges"));
    // And it may come back.
    change(&workspace, "  keep: [account]\n", "  keep: [account, RegionId]\n");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    workspace.run_ok(&["verify", "pipeline.yaml"]);
}

#[test]
fn a_delta_file_that_is_gone_is_written_again() {
    let workspace = estate("");
    change(&workspace, "format: parquet", "format: delta");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    for table in ["allocated_charges/x_BillingPeriod=2026-02", "focus_charges/x_Source=bill/x_BillingPeriod=2026-03"] {
        let folder = workspace.path(&format!("tables/{table}"));
        let file = std::fs::read_dir(folder).expect("folder").next().expect("file").expect("entry").path();
        std::fs::remove_file(&file).expect("published");
        workspace.run_ok(&["run", "pipeline.yaml"]);
        assert!(file.exists(), "{} is still gone", file.display());
        workspace.run_ok(&["verify", "pipeline.yaml"]);
    }
    // A destination keeps its format.
    change(&workspace, "format: delta", "format: parquet");
    let output = workspace.run(&["run", "pipeline.yaml"]);
    let told = transcript(&output, &[]);
    assert!(output.status.code() == Some(2) && told.contains("the tables here are delta"), "{told}");
    let output = workspace.run(&["run", "pipeline.yaml", "--destination", ""]);
    assert_eq!(output.status.code(), Some(2), "{}", transcript(&output, &[]));
}
