//! `check`: everything that is wrong, at once.

use apportion_testkit::fixture::{ColumnType, ExportBuilder};

use super::{aws, hidden};
use crate::support::{Workspace, transcript};

/// One mistake of every stage: form, references, shares, expressions, the contract of a source, telemetry.
const WRONG: &str = "\
version: 1
name: bad
sources:
  bill: { format: aws_cur_2, location: export/ }
  misspelt: { format: aws_cur_3, location: elsewhere/ }
telemetry:
  requests: { location: telemetry/, time: ts, quantity: n, unit: Requests, target: customer }
  broken: { location: telemetry/, quantity: n, unit: Requests, target: customer }
dimensions:
  customer: tag('customer')
  service: lower(ServiecName)
allocation:
  target: custmer
  keep: [ServiceNam]
  rules:
    - { id: misspelt, when: customer is not null, methd: direct, to: customer }
    - { id: reference, when: \"service = 'a'\", method: proportional, driver: request }
    - { id: known, when: \"service = 'b'\", method: proportional, driver: broken }
    - { id: shares, when: \"service = 'c'\", method: fixed, shares: { acme: 0.6, lumen: 0.5 } }
    - { id: expression, when: custmer is not null, method: direct, to: customer }
    - { id: twice, when: \"service = 'a'\", method: direct, to: customer }
engine: { jobs: 0 }
destination: { location: tables/ }
";

fn wrong_workspace() -> Workspace {
    let workspace = Workspace::new();
    let export = aws::line(
        ExportBuilder::cur2()
            .without("line_item_unblended_cost")
            .column("line_item_unblended_costs", ColumnType::Double)
            .column("line_item_usage_amount", ColumnType::Text)
            .default_value("line_item_usage_amount", "1"),
    );
    workspace.write(&aws::key("2026-01"), &export.parquet());
    let telemetry = ExportBuilder::new().column("ts", ColumnType::Integer).column("m", ColumnType::Integer);
    workspace.write("telemetry/one.parquet", &telemetry.row([("ts", 1_i64.into())]).parquet());
    workspace.write("pipeline.yaml", WRONG.as_bytes());
    workspace
}

fn told(workspace: &Workspace, options: &[&str]) -> String {
    let output = workspace.run(&[&["check", "pipeline.yaml"], options].concat());
    let text = hidden(workspace, &[transcript(&output, &[])]);
    // How many models there are is not what this is about.
    let masked = text.lines().map(|line| match line.find(" models, ") {
        Some(_) => line.chars().map(|it| if it.is_ascii_digit() { '#' } else { it }).collect(),
        None => line.to_owned(),
    });
    masked.collect::<Vec<String>>().join("\n")
}

#[test]
fn mistakes_of_every_stage_are_reported_at_once() {
    let workspace = wrong_workspace();
    insta::assert_snapshot!("all_at_once", told(&workspace, &[]));
    insta::assert_snapshot!("all_at_once_offline", told(&workspace, &["--offline"]));
    insta::assert_snapshot!("all_at_once_in_run", workspace.transcript(&["run", "pipeline.yaml"]));
    assert!(!workspace.path("tables").exists(), "nothing was written");
}

#[test]
fn a_key_that_is_not_known_hides_no_other_mistake_and_causes_none() {
    let workspace = Workspace::new();
    let misspelt = WRONG.replace("telemetry:\n", "telemtry:\n").replace("dimensions:\n", "dimensons:\n");
    workspace.write("pipeline.yaml", misspelt.as_bytes());
    insta::assert_snapshot!("misspelt_sections", told(&workspace, &["--offline"]));
    for (name, text) in [("no_mapping", "- 1\n"), ("nothing", ""), ("only_a_name", "name: x\n")] {
        workspace.write("pipeline.yaml", text.as_bytes());
        insta::assert_snapshot!(name, told(&workspace, &["--offline"]));
    }
}

#[test]
fn a_good_pipeline_is_described_with_what_its_stores_hold() {
    let extra = "telemetry:\n  requests: { location: telemetry/, time: ts, quantity: n, unit: Requests, target: customer }\n\
                 dimensions:\n  customer: tag('customer')\nallocation:\n  target: customer\n  rules:\n    \
                 - { id: all, method: proportional, driver: requests }\n";
    let workspace = aws::workspace(&aws::good(), extra);
    let telemetry = ExportBuilder::new()
        .column("ts", ColumnType::Micros)
        .column("n", ColumnType::Integer)
        .column("customer", ColumnType::Text)
        .row([("ts", "2026-01-05T10:00:00Z".into()), ("n", 5_i64.into()), ("customer", "acme".into())]);
    workspace.write("telemetry/one.parquet", &telemetry.parquet());
    insta::assert_snapshot!("good", told(&workspace, &[]));
    insta::assert_snapshot!("good_json", told(&workspace, &["--format", "json"]));
    let output = workspace.run_ok(&["check", "pipeline.yaml", "--format", "json"]);
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).expect("findings");
    assert_eq!(findings.as_array().map(Vec::len), Some(6));
    std::fs::remove_dir_all(workspace.path("export")).expect("export");
    insta::assert_snapshot!("export_is_gone", told(&workspace, &[]));
}
