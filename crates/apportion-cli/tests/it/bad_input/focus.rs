//! Bad native FOCUS exports.

use apportion_testkit::fixture::{ColumnType, ExportBuilder, Value};

use super::{outcome, workspace};

const FORMAT: &str = "focus";

/// A charge of usage.
fn charge(cost: f64) -> Vec<(String, Value)> {
    let mut values: Vec<(String, Value)> = [
        ("BillingAccountId", "111111111111"),
        ("BillingCurrency", "USD"),
        ("BillingPeriodStart", "2026-01-01T00:00:00Z"),
        ("BillingPeriodEnd", "2026-02-01T00:00:00Z"),
        ("ChargePeriodStart", "2026-01-05T00:00:00Z"),
        ("ChargePeriodEnd", "2026-01-06T00:00:00Z"),
        ("ChargeCategory", "Usage"),
        ("ServiceName", "Amazon Elastic Compute Cloud"),
        ("ServiceCategory", "Compute"),
        ("ProviderName", "AWS"),
        ("PublisherName", "AWS"),
        ("InvoiceIssuerName", "AWS"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Value::Text(value.to_owned())))
    .collect();
    let costs = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"];
    values.extend(costs.map(|name| (name.to_owned(), Value::Number(cost))));
    values
}

fn of(export: &[u8]) -> String {
    outcome(&workspace(FORMAT, &[("part.parquet", export)]), &[])
}

#[test]
fn wrong_types_and_missing_columns_are_named() {
    let builder = ExportBuilder::focus().column("ListCost", ColumnType::Boolean).column("Tags", ColumnType::Integer);
    let mut row = charge(1.5);
    row.retain(|(name, _)| name != "ListCost" && name != "ServiceName");
    row.extend([("ListCost".to_owned(), true.into()), ("Tags".to_owned(), 17_i64.into())]);
    let export = builder.without("ServiceName").column("ServiceNam", ColumnType::Text).row_of(row).parquet();
    insta::assert_snapshot!(of(&export));
}

#[test]
fn a_cost_that_is_no_amount_is_named() {
    let export = ExportBuilder::focus().row_of(charge(1.5)).row_of(charge(f64::NAN)).parquet();
    insta::assert_snapshot!("focus_nan", of(&export));
    let header = "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,ChargeCategory,\
                  ChargePeriodEnd,ChargePeriodStart,EffectiveCost,ListCost,ServiceName";
    let line = "1.5,1,USD,2026-02-01,2026-01-01,Usage,2026-01-06,2026-01-05,1.5,n/a,Storage";
    let csv = format!("{header}\n{}\n{line}\n", line.replace("n/a", "1.5"));
    insta::assert_snapshot!("focus_text_in_csv", outcome(&workspace(FORMAT, &[("part.csv", csv.as_bytes())]), &[]));
}

#[test]
fn objects_of_two_versions_in_one_folder_are_one_month() {
    let mut old = charge(2.25);
    let newer = ["ServiceSubcategory", "CapacityReservationId", "CapacityReservationStatus", "BillingAccountType"];
    old.retain(|(name, _)| !newer.contains(&name.as_str()));
    let builder = newer.iter().fold(ExportBuilder::focus(), |builder, name| builder.without(name));
    let (old, new) = (builder.row_of(old).parquet(), ExportBuilder::focus().row_of(charge(1.5)).parquet());
    let workspace = workspace(FORMAT, &[("new.parquet", &new), ("old.parquet", &old)]);
    insta::assert_snapshot!(outcome(&workspace, &[]));
    assert_eq!(workspace.query("tables", "SELECT sum(BilledCost) FROM focus_charges"), [["3.750000000000"]]);
}

#[test]
fn two_runs_of_one_export_are_refused() {
    let export = ExportBuilder::focus().row_of(charge(1.5)).row_of(charge(2.5)).parquet();
    let copied = workspace(FORMAT, &[("run-1/part.parquet", &export), ("run-2/part.parquet", &export)]);
    insta::assert_snapshot!(outcome(&copied, &[]));
}

#[test]
fn an_empty_month_is_published_and_told() {
    let export = ExportBuilder::focus().parquet();
    insta::assert_snapshot!(
        "focus_empty",
        outcome(&workspace(FORMAT, &[("data/BILLING_PERIOD=2026-01/part.parquet", &export)]), &[])
    );
    insta::assert_snapshot!("focus_empty_flat", of(&export));
}

#[test]
fn a_truncated_object_is_named() {
    let export = ExportBuilder::focus().row_of(charge(1.5)).parquet();
    let half = &export[..export.len() / 2];
    insta::assert_snapshot!(
        "focus_truncated",
        outcome(&workspace(FORMAT, &[("data/BILLING_PERIOD=2026-01/part.parquet", half)]), &[])
    );
    insta::assert_snapshot!("focus_truncated_flat", of(half));
}
