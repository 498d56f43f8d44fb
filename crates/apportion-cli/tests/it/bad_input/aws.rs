//! Bad AWS exports.

use apportion_testkit::fixture::{ColumnType, ExportBuilder, Value};

use super::{outcome, pipeline};
use crate::support::Workspace;

/// The object of a month.
pub(super) fn key(month: &str) -> String {
    format!("export/data/BILLING_PERIOD={month}/bill-00001.snappy.parquet")
}

/// One line of usage.
pub(super) fn line(builder: ExportBuilder) -> ExportBuilder {
    line_called("line-1", builder)
}

fn line_called(id: &str, builder: ExportBuilder) -> ExportBuilder {
    builder.row_of(
        [
            ("bill_payer_account_id", "111111111111"),
            ("line_item_usage_account_id", "222222222222"),
            ("bill_billing_period_start_date", "2026-01-01T00:00:00Z"),
            ("bill_billing_period_end_date", "2026-02-01T00:00:00Z"),
            ("line_item_usage_start_date", "2026-01-05T00:00:00Z"),
            ("line_item_usage_end_date", "2026-01-06T00:00:00Z"),
            ("identity_line_item_id", id),
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

/// A month with this object, and a pipeline with `extra` sections.
pub(super) fn workspace(export: &[u8], extra: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write(&key("2026-01"), export);
    workspace.write("pipeline.yaml", pipeline("aws_cur_2", extra).as_bytes());
    workspace
}

fn costing(cost: f64) -> Vec<u8> {
    line(ExportBuilder::cur2().default_value("line_item_unblended_cost", Value::Number(cost))).parquet().to_vec()
}

/// One line of 1.5 for customer `acme`.
pub(super) fn good() -> Vec<u8> {
    let tags = Value::from([("user_customer", "acme")]);
    let builder = ExportBuilder::cur2().default_value("resource_tags", tags);
    line(builder.default_value("line_item_unblended_cost", Value::Number(1.5))).parquet().to_vec()
}

/// What a run says about a month of which nothing may be published.
fn failure(export: &[u8]) -> String {
    let workspace = workspace(export, "");
    let told = outcome(&workspace, &[]);
    assert!(!workspace.path("tables/focus_charges").exists(), "nothing was published");
    told
}

#[test]
fn a_wrong_physical_type_names_object_column_and_both_types() {
    let builder = ExportBuilder::cur2().column("line_item_unblended_cost", ColumnType::Text);
    let export = line(builder.default_value("line_item_unblended_cost", "1.5")).parquet();
    insta::assert_snapshot!(failure(&export));
}

#[test]
fn a_missing_required_column_is_named_with_the_nearest_delivered_one() {
    let builder = ExportBuilder::cur2().without("line_item_unblended_cost");
    let export = line(builder.column("line_item_unblended_costs", ColumnType::Double)).parquet();
    insta::assert_snapshot!(failure(&export));
}

#[test]
fn all_columns_of_an_object_that_do_not_fit_are_named_at_once() {
    let builder = ExportBuilder::cur2()
        .without("line_item_unblended_cost")
        .column("line_item_unblended_costs", ColumnType::Double)
        .without("line_item_line_item_type")
        .column("line_item_usage_amount", ColumnType::Text)
        .default_value("line_item_usage_amount", "1")
        .column("product_sku", ColumnType::Integer)
        .default_value("product_sku", 17_i64)
        .column("bill_payer_account_name", ColumnType::Boolean)
        .default_value("bill_payer_account_name", true);
    let export = builder.row([("bill_payer_account_id", "111111111111".into())]).parquet();
    insta::assert_snapshot!(failure(&export));
}

#[test]
fn an_unreadable_object_is_named() {
    let whole = good();
    insta::assert_snapshot!("truncated", failure(&whole[..whole.len() / 2]));
    insta::assert_snapshot!("not_parquet", failure(b"not parquet at all"));
    insta::assert_snapshot!("no_bytes", failure(b""));
    // The footer is whole, what it points to is not.
    let mut torn = whole;
    for byte in &mut torn[4..2000] {
        *byte = 0xff;
    }
    insta::assert_snapshot!("torn_pages", failure(&torn));
}

#[test]
fn a_cost_that_is_no_amount_is_named_with_its_column_row_and_object() {
    insta::assert_snapshot!("nan", failure(&costing(f64::NAN)));
    insta::assert_snapshot!("infinite", failure(&costing(f64::NEG_INFINITY)));
    insta::assert_snapshot!("huge", failure(&costing(1e27)));
}

#[test]
fn the_object_among_many_that_holds_the_value_is_named() {
    let workspace = workspace(&good(), "");
    let builder = ExportBuilder::cur2().default_value("line_item_unblended_cost", Value::Number(2.5));
    let rest: Vec<(String, Value)> = vec![
        ("bill_payer_account_id".to_owned(), "111111111111".into()),
        ("bill_billing_period_start_date".to_owned(), "2026-01-01T00:00:00Z".into()),
        ("reservation_effective_cost".to_owned(), Value::Number(f64::INFINITY)),
    ];
    let export = line(builder).row_of(rest).parquet();
    workspace.write("export/data/BILLING_PERIOD=2026-01/bill-00002.snappy.parquet", &export);
    insta::assert_snapshot!(outcome(&workspace, &[]));
}

#[test]
fn a_missing_cost_is_not_a_cost_of_zero() {
    let usage = line(ExportBuilder::cur2().default_value("line_item_unblended_cost", Value::Number(1.5)));
    let second = vec![
        ("bill_payer_account_id".to_owned(), "111111111111".into()),
        ("bill_billing_period_start_date".to_owned(), "2026-01-01T00:00:00Z".into()),
        ("bill_billing_period_end_date".to_owned(), "2026-02-01T00:00:00Z".into()),
        ("identity_line_item_id".to_owned(), "line-2".into()),
        ("identity_time_interval".to_owned(), "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z".into()),
        ("line_item_line_item_type".to_owned(), "Usage".into()),
        ("line_item_unblended_cost".to_owned(), Value::Null),
    ];
    insta::assert_snapshot!(failure(&usage.row_of(second).parquet()));
}

#[test]
fn an_empty_object_is_a_cut_one_wherever_it_lies() {
    let workspace = Workspace::new();
    workspace.write("pipeline.yaml", pipeline("aws_cur_legacy", "").as_bytes());
    workspace.write("export/flat-1.parquet", &good());
    workspace.write("export/flat-2.parquet", b"");
    let told = outcome(&workspace, &[]);
    assert!(told.contains("the object is empty (object: [folder]/export/flat-2.parquet, "), "{told}");
    assert!(!workspace.path("tables/focus_charges").exists(), "nothing was published");
}

#[test]
fn a_net_bill_without_net_costs_is_refused() {
    let workspace = workspace(&good(), "");
    let net = pipeline("aws_cur_2", "").replace("location: export/", "location: export/, cost_basis: net");
    workspace.write("pipeline.yaml", net.as_bytes());
    insta::assert_snapshot!(outcome(&workspace, &[]));
    assert!(!workspace.path("tables/focus_charges").exists(), "nothing was published");
}

#[test]
fn a_line_item_type_nobody_knows_is_published_and_told() {
    let builder = ExportBuilder::cur2().default_value("line_item_unblended_cost", Value::Number(1.5));
    let mut export = line(builder);
    export = export.row([
        ("bill_payer_account_id", "111111111111".into()),
        ("line_item_usage_account_id", "222222222222".into()),
        ("bill_billing_period_start_date", "2026-01-01T00:00:00Z".into()),
        ("bill_billing_period_end_date", "2026-02-01T00:00:00Z".into()),
        ("line_item_usage_start_date", "2026-01-05T00:00:00Z".into()),
        ("line_item_usage_end_date", "2026-01-06T00:00:00Z".into()),
        ("identity_line_item_id", "line-2".into()),
        ("identity_time_interval", "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z".into()),
        ("line_item_currency_code", "USD".into()),
        ("line_item_product_code", "AmazonEC2".into()),
        ("line_item_line_item_type", "SomethingNew".into()),
    ]);
    insta::assert_snapshot!(outcome(&workspace(&export.parquet(), ""), &[]));
}

#[test]
fn an_empty_month_is_published_and_told() {
    insta::assert_snapshot!(outcome(&workspace(&ExportBuilder::cur2().parquet(), ""), &[]));
}

#[test]
fn an_export_copied_into_its_month_is_refused() {
    let two = line(line(ExportBuilder::cur2().default_value("line_item_unblended_cost", Value::Number(1.5)))).parquet();
    let workspace = workspace(&two, "");
    workspace.write("export/data/BILLING_PERIOD=2026-01/bill-00002.snappy.parquet", &two);
    insta::assert_snapshot!(outcome(&workspace, &[]));
}

#[test]
fn objects_of_two_versions_in_one_folder_are_one_month() {
    let older =
        ["product", "discount", "savings_plan_used_commitment", "reservation_net_effective_cost", "cost_category"];
    let builder = older.iter().fold(ExportBuilder::cur2(), |builder, name| builder.without(name));
    let builder = builder.column("product_vcpu", ColumnType::Text).default_value("product_vcpu", "4");
    let old = line_called("line-2", builder.default_value("line_item_unblended_cost", Value::Number(2.25))).parquet();
    let workspace = workspace(&good(), "");
    workspace.write("export/data/BILLING_PERIOD=2026-01/bill-00002.snappy.parquet", &old);
    insta::assert_snapshot!(outcome(&workspace, &[]));
    assert_eq!(workspace.query("tables", "SELECT sum(BilledCost) FROM focus_charges"), [["3.750000000000"]]);
}
