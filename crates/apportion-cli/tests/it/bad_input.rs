//! What a user reads when something is wrong: which file, line, object or column, the nearest valid
//! choice, and that nothing was lost. Every text is a snapshot.

use apportion_testkit::fixture::{ColumnType, ExportBuilder, Value};

use crate::support::Workspace;

const OBJECT: &str = "export/data/BILLING_PERIOD=2026-01/bill-00001.snappy.parquet";

fn pipeline(extra: &str) -> String {
    format!(
        "version: 1\nname: bad\nsources:\n  bill: {{ format: aws_cur_2, location: export/ }}\n{extra}destination: {{ location: tables/ }}\n"
    )
}

/// One line of usage of 1.5 for customer `acme`.
fn line(builder: ExportBuilder) -> ExportBuilder {
    builder.row_of(
        [
            ("bill_payer_account_id", "111111111111"),
            ("line_item_usage_account_id", "222222222222"),
            ("bill_billing_period_start_date", "2026-01-01T00:00:00Z"),
            ("bill_billing_period_end_date", "2026-02-01T00:00:00Z"),
            ("line_item_usage_start_date", "2026-01-05T00:00:00Z"),
            ("line_item_usage_end_date", "2026-01-06T00:00:00Z"),
            ("identity_line_item_id", "line-1"),
            ("identity_time_interval", "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z"),
            ("line_item_currency_code", "USD"),
            ("line_item_product_code", "AmazonEC2"),
            ("line_item_line_item_type", "Usage"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::Text(value.to_owned())))
        .collect(),
    )
}

fn workspace(export: &[u8], extra: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write(OBJECT, export);
    workspace.write("pipeline.yaml", pipeline(extra).as_bytes());
    workspace
}

fn good() -> Vec<u8> {
    let cost = ("line_item_unblended_cost", Value::Number(1.5));
    line(ExportBuilder::cur2().default_value(cost.0, cost.1)).parquet().to_vec()
}

#[test]
fn the_command_line_and_the_file_are_checked_before_anything_is_read() {
    let workspace = workspace(&good(), "");
    insta::assert_snapshot!("missing_file", workspace.transcript(&["run", "pipelin.yaml"]));
    insta::assert_snapshot!("unknown_source", workspace.transcript(&["run", "pipeline.yaml", "--source", "bil"]));
    insta::assert_snapshot!("wrong_period", workspace.transcript(&["run", "pipeline.yaml", "--period", "2026-13"]));
    workspace.write("broken.yaml", b"version: 1\nname: [broken\n");
    insta::assert_snapshot!("malformed_yaml", workspace.transcript(&["run", "broken.yaml"]));
}

#[test]
fn a_period_without_files_names_those_that_exist() {
    let workspace = workspace(&good(), "");
    insta::assert_snapshot!(
        workspace
            .transcript(&["run", "pipeline.yaml", "--period", "2026-02", "--format", "json"])
            .lines()
            .filter(|line| line.contains("message") || line.contains("exit"))
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
fn expressions_name_their_place_and_the_nearest_column() {
    let rules = "dimensions:\n  customer: tag('customer')\n  service: lower(ServiecName)\nallocation:\n  target: customer\n  rules:\n    \
                 - { id: direct, when: custmer is not null, method: direct, to: customer }\n    \
                 - { id: volatile, when: random() > 0.5, method: direct, to: customer }\n    \
                 - { id: text, when: ServiceName, method: direct, to: customer }\n";
    let workspace = workspace(&good(), rules);
    insta::assert_snapshot!(workspace.transcript(&["run", "pipeline.yaml"]));
}

fn failure(workspace: &Workspace) -> String {
    let output = workspace.run(&["run", "pipeline.yaml", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("report");
    let folder = workspace.path("").canonicalize().expect("folder").display().to_string();
    let message = report["sources"][0]["error"]["message"].as_str().expect("message");
    assert!(!workspace.path("tables/focus_charges").exists(), "nothing was published");
    format!("exit code {}\n{}", output.status.code().unwrap_or(-1), message.replace(&folder, "[folder]"))
}

#[test]
fn a_wrong_physical_type_names_object_column_and_both_types() {
    let export = line(ExportBuilder::cur2().column("line_item_unblended_cost", ColumnType::Text)).parquet();
    insta::assert_snapshot!(failure(&workspace(&export, "")));
}

#[test]
fn a_missing_required_column_is_named_with_the_nearest_delivered_one() {
    let export = line(
        ExportBuilder::cur2()
            .without("line_item_unblended_cost")
            .column("line_item_unblended_costs", ColumnType::Double),
    )
    .parquet();
    insta::assert_snapshot!(failure(&workspace(&export, "")));
}

#[test]
fn an_unreadable_object_is_named() {
    let whole = good();
    insta::assert_snapshot!("truncated", failure(&workspace(&whole[..whole.len() / 2], "")));
    insta::assert_snapshot!("not_parquet", failure(&workspace(b"not parquet at all", "")));
}

#[test]
fn a_net_bill_without_net_costs_is_refused() {
    let workspace = workspace(&good(), "");
    workspace.write(
        "pipeline.yaml",
        pipeline("").replace("location: export/", "location: export/, cost_basis: net").as_bytes(),
    );
    let text = failure(&workspace);
    assert!(text.starts_with("exit code 3") || text.starts_with("exit code 1"), "{text}");
    assert!(text.contains("net"), "{text}");
}

#[test]
fn telemetry_that_does_not_fit_leaves_the_charges_published() {
    let extra = "telemetry:\n  requests: { location: telemetry/, time: ts, quantity: reqests, unit: Requests, target: customer }\n\
                 dimensions:\n  customer: tag('customer')\nallocation:\n  target: customer\n  rules:\n    \
                 - { id: all, method: proportional, driver: requests }\n";
    let workspace = workspace(&good(), extra);
    let telemetry = ExportBuilder::new()
        .column("ts", ColumnType::Micros)
        .column("requests", ColumnType::Integer)
        .column("customer", ColumnType::Text)
        .row([("ts", "2026-01-05T10:00:00Z".into()), ("requests", 5_i64.into()), ("customer", "acme".into())]);
    workspace.write("telemetry/one.parquet", &telemetry.parquet());
    let output = workspace.run(&["run", "pipeline.yaml", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("report");
    assert_eq!(report["sources"][0]["status"], "published");
    let folder = workspace.path("").canonicalize().expect("folder").display().to_string();
    let message = report["allocations"][0]["error"]["message"].as_str().expect("message").replace(&folder, "[folder]");
    insta::assert_snapshot!(message);
}

#[test]
fn a_question_that_does_not_plan_names_the_tables() {
    let workspace = workspace(&good(), "");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    insta::assert_snapshot!(
        "unknown_table",
        workspace.transcript(&["query", "--destination", "tables", "SELECT * FROM focus_charge"])
    );
    insta::assert_snapshot!(
        "not_a_question",
        workspace.transcript(&["query", "--destination", "tables", "DROP TABLE focus_charges"])
    );
    insta::assert_snapshot!("no_tables", workspace.transcript(&["query", "--destination", "nowhere", "SELECT 1"]));
}

#[test]
fn the_template_is_a_valid_pipeline_and_is_never_overwritten() {
    let workspace = Workspace::new();
    workspace.run_ok(&["init"]);
    workspace.run_ok(&["check", "pipeline.yaml", "--offline"]);
    let before = std::fs::read(workspace.path("pipeline.yaml")).expect("pipeline");
    assert_eq!(workspace.run(&["init"]).status.code(), Some(2));
    assert_eq!(std::fs::read(workspace.path("pipeline.yaml")).expect("pipeline"), before);
}
