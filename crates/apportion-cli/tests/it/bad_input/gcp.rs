//! Bad Google Cloud exports.

use std::sync::Arc;

use apportion_testkit::bigquery::{detailed, parquet, without};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use serde_json::{Value, json};

use super::{outcome, workspace};

const FORMAT: &str = "gcp_billing_export";

fn row(service: &Value) -> Value {
    json!({
        "billing_account_id": "0123AB-4567CD-89EF01",
        "service": service,
        "sku": {"id": "CF4E-A0C7-E3BF", "description": "N2 Instance Core running in Frankfurt"},
        "project": {"id": "acme-core", "number": "1001", "name": "Acme Core"},
        "location": {"location": "europe-west3", "country": "DE", "region": "europe-west3"},
        "usage_start_time": "2026-01-05T10:00:00", "usage_end_time": "2026-01-05T11:00:00",
        "export_time": "2026-01-06T04:00:00",
        "cost": 1.5, "currency": "USD", "currency_conversion_rate": 1.0, "cost_type": "regular",
        "transaction_type": "GOOGLE", "seller_name": "Google",
        "usage": {"amount": 3600.0, "unit": "seconds", "amount_in_pricing_units": 1.0, "pricing_unit": "hour"},
        "invoice": {"month": "202601"}, "credits": [], "labels": [], "system_labels": [], "tags": [],
    })
}

fn good_row() -> Value {
    row(&json!({"id": "6F81-5844-456A", "description": "Compute Engine"}))
}

/// The schema of the export with some top-level columns exchanged.
fn with(fields: &[Field]) -> Schema {
    let all = detailed();
    let exchanged = all.fields().iter().map(|field| {
        fields
            .iter()
            .find(|other| other.name() == field.name())
            .map_or_else(|| Arc::clone(field), |it| it.clone().into())
    });
    Schema::new(exchanged.collect::<Vec<_>>())
}

#[test]
fn a_wrong_type_inside_a_record_is_named_with_its_path() {
    let id = vec![Field::new("id", DataType::Int64, true), Field::new("description", DataType::Utf8, true)];
    let schema = with(&[
        Field::new("service", DataType::Struct(Fields::from(id)), true),
        Field::new("project", DataType::Utf8, true),
    ]);
    let mut wrong = row(&json!({"id": 6, "description": "Compute Engine"}));
    wrong["project"] = "acme-core".into();
    insta::assert_snapshot!(outcome(&workspace(FORMAT, &[("0.parquet", &parquet(schema, &[wrong]))]), &[]));
}

#[test]
fn missing_columns_are_named() {
    let mut row = good_row();
    let members = row.as_object_mut().expect("row");
    members.remove("cost");
    members.remove("invoice");
    let schema = without(&detailed(), &["cost", "credits"]);
    members.remove("credits");
    let export = parquet(schema, &[row]);
    insta::assert_snapshot!(outcome(&workspace(FORMAT, &[("invoice_month=202601/0.parquet", &export)]), &[]));
}

#[test]
fn a_cost_that_is_no_amount_is_named() {
    let mut huge = good_row();
    huge["cost"] = json!(1e27);
    let export = parquet(detailed(), &[good_row(), huge]);
    insta::assert_snapshot!("gcp_huge_cost", outcome(&workspace(FORMAT, &[("0.parquet", &export)]), &[]));
    let mut credited = good_row();
    credited["credits"] = json!([{"name": "a", "amount": -0.5, "type": "PROMOTION"}, {"name": "b", "amount": -1e28, "type": "PROMOTION"}]);
    let export = parquet(detailed(), &[good_row(), credited]);
    insta::assert_snapshot!("gcp_huge_credit", outcome(&workspace(FORMAT, &[("0.parquet", &export)]), &[]));
}

#[test]
fn a_missing_cost_is_not_a_cost_of_zero() {
    let mut row = good_row();
    row["cost"] = Value::Null;
    let export = parquet(detailed(), &[good_row(), row]);
    insta::assert_snapshot!("gcp_no_cost", outcome(&workspace(FORMAT, &[("0.parquet", &export)]), &[]));
}

#[test]
fn objects_of_two_versions_in_one_folder_are_one_month() {
    let mut standard = good_row();
    standard["cost"] = json!(2.25);
    let old = parquet(without(&detailed(), &["price", "resource", "consumption_model"]), &[standard]);
    let new = parquet(detailed(), &[good_row()]);
    let workspace = workspace(FORMAT, &[("0.parquet", &old), ("1.parquet", &new)]);
    insta::assert_snapshot!(outcome(&workspace, &[]));
    assert_eq!(workspace.query("tables", "SELECT sum(BilledCost) FROM focus_charges"), [["3.750000000000"]]);
}

#[test]
fn two_runs_of_one_export_are_refused() {
    let export = parquet(detailed(), &[good_row(), good_row()]);
    let copied = workspace(FORMAT, &[("0.parquet", &export), ("again/0.parquet", &export)]);
    insta::assert_snapshot!("gcp_copied", outcome(&copied, &[]));
    let mut later = good_row();
    later["cost"] = json!(2.25);
    let later = parquet(detailed(), &[good_row(), later]);
    let folders = [
        ("invoice_month=202601/run-1/0.parquet", export.as_ref()),
        ("invoice_month=202601/run-2/0.parquet", later.as_ref()),
    ];
    insta::assert_snapshot!("gcp_two_runs", outcome(&workspace(FORMAT, &folders), &[]));
}

#[test]
fn an_empty_month_is_published_and_told() {
    let export = parquet(detailed(), &[]);
    insta::assert_snapshot!(outcome(&workspace(FORMAT, &[("invoice_month=202601/0.parquet", &export)]), &[]));
}

#[test]
fn a_truncated_object_is_named() {
    let export = parquet(detailed(), &[good_row()]);
    let half = &export[..export.len() / 2];
    insta::assert_snapshot!(
        "gcp_truncated",
        outcome(&workspace(FORMAT, &[("invoice_month=202601/0.parquet", half)]), &[])
    );
    // Without a folder that names the month, the rows would have to.
    insta::assert_snapshot!("gcp_truncated_flat", outcome(&workspace(FORMAT, &[("0.parquet", half)]), &[]));
}
