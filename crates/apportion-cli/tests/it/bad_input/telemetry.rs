//! Bad telemetry: the charges are published in any case, the allocation where it can be.

use apportion_testkit::fixture::{ColumnType, ExportBuilder, Value};

use super::{aws, outcome};
use crate::support::Workspace;

fn workspace(quantity: &str, objects: &[(&str, ExportBuilder)]) -> Workspace {
    let extra = format!(
        "telemetry:\n  requests: {{ location: telemetry/, time: ts, quantity: {quantity}, unit: Requests, target: customer }}\n\
         dimensions:\n  customer: tag('customer')\nallocation:\n  target: customer\n  rules:\n    \
         - {{ id: all, method: proportional, driver: requests }}\n"
    );
    let workspace = aws::workspace(&aws::good(), &extra);
    for (name, builder) in objects {
        workspace.write(&format!("telemetry/{name}"), &builder.parquet());
    }
    workspace
}

fn builder(time: ColumnType, quantity: ColumnType) -> ExportBuilder {
    ExportBuilder::new().column("ts", time).column("requests", quantity).column("customer", ColumnType::Text)
}

fn row(time: &str, requests: impl Into<Value>) -> Vec<(String, Value)> {
    let time = if time.is_empty() { Value::Null } else { time.into() };
    vec![("ts".to_owned(), time), ("requests".to_owned(), requests.into()), ("customer".to_owned(), "acme".into())]
}

const DAY: &str = "2026-01-05T10:00:00Z";

#[test]
fn telemetry_that_does_not_fit_leaves_the_charges_published() {
    let good = builder(ColumnType::Micros, ColumnType::Integer).row_of(row(DAY, 5_i64));
    insta::assert_snapshot!("misspelt_column", outcome(&workspace("reqests", &[("one.parquet", good)]), &[]));
    let wrong = builder(ColumnType::Integer, ColumnType::Text).row([("customer", "acme".into())]);
    insta::assert_snapshot!("wrong_types", outcome(&workspace("requests", &[("one.parquet", wrong)]), &[]));
    insta::assert_snapshot!("no_telemetry", outcome(&workspace("requests", &[]), &[]));
}

#[test]
fn an_empty_object_is_not_taken_for_no_measurements() {
    let good = builder(ColumnType::Micros, ColumnType::Integer).row_of(row(DAY, 5_i64));
    let workspace = workspace("requests", &[("one.parquet", good)]);
    workspace.write("telemetry/two.parquet", b"");
    let told = outcome(&workspace, &[]);
    assert!(told.contains("the object is empty (object: [folder]/telemetry/two.parquet, "), "{told}");
}

#[test]
fn a_value_that_cannot_be_read_is_named_with_its_column_row_and_object() {
    let good = || builder(ColumnType::Text, ColumnType::Double).row_of(row("2026-01-04", 5.0));
    let wrong_time = good().row_of(row("yesterday", 5.0));
    let objects = [("a.parquet", good()), ("b.parquet", wrong_time)];
    insta::assert_snapshot!("unreadable_time", outcome(&workspace("requests", &objects), &[]));
    let nan = good().row_of(row(DAY, f64::NAN));
    let objects = [("a.parquet", good()), ("b.parquet", nan)];
    insta::assert_snapshot!("quantity_is_not_a_number", outcome(&workspace("requests", &objects), &[]));
}

#[test]
fn measurements_without_time_or_quantity_and_negative_ones_are_told() {
    let odd = builder(ColumnType::Micros, ColumnType::Integer)
        .row_of(row(DAY, 5_i64))
        .row_of(row("", 7_i64))
        .row_of(row("", 8_i64))
        .row_of(row(DAY, Value::Null))
        .row_of(row("2026-01-06T10:00:00Z", -3_i64));
    insta::assert_snapshot!("odd_measurements", outcome(&workspace("requests", &[("one.parquet", odd)]), &[]));
    let texts = builder(ColumnType::Text, ColumnType::Integer).row_of(row(DAY, 5_i64));
    let texts =
        texts.row([("ts", Value::Text(String::new())), ("requests", 7_i64.into()), ("customer", "acme".into())]);
    insta::assert_snapshot!("empty_time_text", outcome(&workspace("requests", &[("one.parquet", texts)]), &[]));
    let all = builder(ColumnType::Micros, ColumnType::Integer).row_of(row(DAY, 5_i64));
    assert!(!outcome(&workspace("requests", &[("one.parquet", all)]), &[]).contains("without a time"));
}

#[test]
fn a_late_measurement_is_a_reason_and_a_repeated_one_counts_once() {
    let declared = "quantity: requests, unit: Requests, target: customer";
    let file = |workspace: &Workspace| {
        let text = std::fs::read_to_string(workspace.path("pipeline.yaml")).expect("pipeline");
        let once = text.replace(declared, &format!("{declared}, unique_by: [ts, customer]"));
        assert!(once != text, "the telemetry is declared as it is here");
        workspace.write("pipeline.yaml", once.as_bytes());
    };
    let good = || builder(ColumnType::Micros, ColumnType::Integer).row_of(row(DAY, 5_i64));
    let workspace = workspace("requests", &[("one.parquet", good())]);
    file(&workspace);
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let late = good().row_of(row("2026-01-05T11:00:00Z", 2_i64));
    workspace.write("telemetry/two.parquet", &late.parquet());
    insta::assert_snapshot!("late_measurement", workspace.transcript(&["plan", "pipeline.yaml"]));
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let quantity = workspace.query("tables", "SELECT sum(x_DriverQuantity) FROM driver_quantities");
    assert_eq!(quantity, [["7.000000000000"]], "five once, and two");
}
