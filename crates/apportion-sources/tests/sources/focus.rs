//! Native FOCUS exports.

use apportion_sources::{ExportFormat, Reading, format, open_unit};
use apportion_spec::ErrorKind;
use apportion_spec::wire::SourceFormat;
use apportion_testkit::{ColumnType, ExportBuilder, S3Server, Value};

use crate::support::{BUCKET, assert_contains, location, open, query, rows, unit};

fn focus() -> &'static dyn ExportFormat {
    format(SourceFormat::Focus)
}

fn export(builder: ExportBuilder) -> ExportBuilder {
    builder
        .default_value("BillingPeriodStart", "2026-01-01T00:00:00Z")
        .default_value("BillingPeriodEnd", "2026-02-01T00:00:00Z")
        .default_value("ChargePeriodStart", "2026-01-05T00:00:00Z")
        .default_value("ChargePeriodEnd", "2026-01-05T01:00:00Z")
        .default_value("ServiceName", "Compute")
        .default_value("SubAccountName", "")
}

#[tokio::test]
async fn a_native_export_is_read_and_its_version_recognised() {
    let server = S3Server::start().await;
    let content = export(ExportBuilder::focus()).row([
        ("BilledCost", 1.25.into()),
        ("Tags", [("team", "core")].into()),
        ("x_Discounts", [("edp", -0.5)].into()),
        ("x_Operation", "RunInstances".into()),
    ]);
    server.put(BUCKET, "f/e/data/billing_period=2026-01/e-1.parquet", content.parquet());
    let source = open(focus(), &location(&server, "f").await, "2026-01").await.unwrap();
    assert_eq!(source.relation, "src_focus__charges");
    assert_eq!(source.report.version.as_deref(), Some("1.2"));
    assert!(source.report.unknown_columns.is_empty(), "{:?}", source.report.unknown_columns);
    let sql = "select BilledCost, Tags, x_Discounts, x_Operation, SubAccountName, ProviderName, InvoiceDetailId, \
               ChargePeriodStart from src_focus__charges";
    assert_eq!(
        rows(&query(&source, sql).await.unwrap()),
        ["1.25|{team: core}|{edp: -0.5}|RunInstances||||2026-01-05T00:00:00Z"]
    );
}

#[tokio::test]
async fn lower_case_names_decimals_and_json_tags_are_read_too() {
    let server = S3Server::start().await;
    let mut builder = ExportBuilder::new();
    for name in [
        "billingaccountid",
        "billingcurrency",
        "chargecategory",
        "servicecategory",
        "servicename",
        "tags",
        "x_discounts",
    ] {
        builder = builder.column(name, ColumnType::Text);
    }
    for name in ["billedcost", "contractedcost", "effectivecost", "listcost"] {
        builder = builder.column(name, ColumnType::Decimal(38, 18));
    }
    for name in ["billingperiodstart", "billingperiodend", "chargeperiodstart", "chargeperiodend"] {
        builder = builder.column(name, ColumnType::LocalMicros).default_value(name, "2026-01-01T00:00:00Z");
    }
    let rows_in = builder
        .row([
            ("billedcost", "12345678.123456789012345678".into()),
            ("tags", r#"{"team":"core"}"#.into()),
            ("x_discounts", r#"{"edp":-1}"#.into()),
        ])
        .row([("billedcost", "0.2".into())]);
    server.put(BUCKET, "f/bill.parquet", rows_in.parquet());
    let source = open(focus(), &location(&server, "f").await, "2026-01").await.unwrap();
    assert_eq!(source.report.version.as_deref(), Some("1.0"));
    let sql = "select BilledCost, Tags, x_Discounts, BillingPeriodStart from src_focus__charges order by 1";
    assert_eq!(
        rows(&query(&source, sql).await.unwrap()),
        [
            "0.200000000000000000|||2026-01-01T00:00:00Z",
            "12345678.123456789012345678|{team: core}|{edp: -1.0}|2026-01-01T00:00:00Z"
        ]
    );
}

#[tokio::test]
async fn a_cost_as_text_is_read_and_one_as_something_else_refused() {
    let server = S3Server::start().await;
    let put = |folder: &str, kind: ColumnType, value: Value| {
        let content = export(ExportBuilder::focus().column("BilledCost", kind)).row([("BilledCost", value)]);
        server.put(BUCKET, &format!("{folder}/data/BILLING_PERIOD=2026-01/e.parquet"), content.parquet());
    };
    put("f", ColumnType::Text, "12345678901234567.123456789012".into());
    let source = open(focus(), &location(&server, "f").await, "2026-01").await.unwrap();
    let sql = "select BilledCost from src_focus__charges";
    assert_eq!(rows(&query(&source, sql).await.unwrap()), ["12345678901234567.123456789012"]);
    put("g", ColumnType::Boolean, true.into());
    let error = open(focus(), &location(&server, "g").await, "2026-01").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContractViolated);
    assert_contains(
        &error,
        &["`BilledCost` is Boolean, accepted: double, integer, decimal or text of a number", "e.parquet"],
    );
}

#[tokio::test]
async fn columns_of_the_export_s_own_are_kept_on_request() {
    let server = S3Server::start().await;
    let builder = ExportBuilder::focus()
        .default_value("BillingPeriodStart", "2026-01-01T00:00:00Z")
        .column("x_AccountName", ColumnType::Text)
        .column("x_Rate", ColumnType::Double)
        .column("x_Other", ColumnType::Text)
        .row([("x_AccountName", "Core".into()), ("x_Rate", 0.5.into()), ("x_Other", "left out".into())])
        .row([("x_AccountName", "".into())]);
    server.put(BUCKET, "f/bill.parquet", builder.parquet());
    let location = location(&server, "f").await;
    let found = unit(focus(), &location, "2026-01").await.unwrap();
    let kept = ["x_accountname".to_owned(), "x_Rate".to_owned(), "x_Othr".to_owned()];
    let source =
        open_unit(focus(), &location, found, &Reading { kept: kept.to_vec(), ..Reading::default() }).await.unwrap();
    let sql = "select x_SourceColumns from src_focus__charges order by 1";
    assert_eq!(rows(&query(&source, sql).await.unwrap()), ["{}", "{x_AccountName: Core, x_Rate: 0.5}"]);
    assert_eq!(source.report.unknown_columns, ["x_Other"]);
    let note = "column `x_Othr` is to be kept, but no object has it, did you mean `x_Other`?";
    assert_eq!(source.report.notes.last().map(String::as_str), Some(note));
}
