//! Google Cloud exports: nested records of every age become one flat relation.

use apportion_sources::{ExportFormat, format};
use apportion_spec::ErrorKind;
use apportion_spec::wire::SourceFormat;
use apportion_testkit::{S3Server, bigquery};
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Value, json};

use crate::support::{BUCKET, assert_contains, location, open, query, rows, unit};

fn gcp() -> &'static dyn ExportFormat {
    format(SourceFormat::GcpBillingExport)
}

fn row(month: &str, cost: f64) -> Value {
    json!({
        "billing_account_id": "01-02", "service": {"id": "6F81", "description": "Compute Engine"},
        "sku": {"id": "S1", "description": "Core"}, "currency": "USD", "cost": cost, "cost_type": "regular",
        "usage_start_time": "2026-01-05T10:00:00", "usage_end_time": "2026-01-05T11:00:00",
        "invoice": {"month": month},
        "project": {"id": "acme", "labels": [{"key": "team", "value": "core"}]},
        "labels": [{"key": "env", "value": "test"}, {"key": "env", "value": "prod"}],
        "price": {"effective_price": 0.031611000, "pricing_unit_quantity": 1000},
        "credits": [{"type": "DISCOUNT", "amount": -0.1}, {"type": "PROMOTION", "amount": -0.2, "id": "p"}],
    })
}

#[tokio::test]
async fn records_become_columns_and_every_credit_is_kept() {
    let server = S3Server::start().await;
    server.put(BUCKET, "g/000000000000.parquet", bigquery::parquet(bigquery::detailed(), &[row("202601", 0.5)]));
    let source = open(gcp(), &location(&server, "g").await, "2026-01").await.unwrap();
    assert_eq!(source.report.version.as_deref(), Some("detailed"));
    let sql = "select service_id, project_id, project_labels, labels, usage_start_time, price_effective_price, cost, \
               credits, location_region from src_gcp__line_items";
    let credits = "[{name: , full_name: , id: , type: DISCOUNT, amount: -0.1}, \
                   {name: , full_name: , id: p, type: PROMOTION, amount: -0.2}]";
    let expected = format!("6F81|acme|{{team: core}}|{{env: prod}}|2026-01-05T10:00:00Z|0.031611000|0.5|{credits}|");
    assert_eq!(rows(&query(&source, sql).await.unwrap()), [expected]);
}

#[tokio::test]
async fn files_with_other_records_are_read_side_by_side() {
    let server = S3Server::start().await;
    let old = bigquery::without(
        &bigquery::detailed(),
        &["price", "tags", "consumption_model", "cost_at_list", "resource", "subscription"],
    );
    let mut narrow: Vec<Field> = old.fields().iter().map(|field| field.as_ref().clone()).collect();
    for field in &mut narrow {
        if field.name() == "project" {
            let id = Field::new("id", DataType::Utf8, true);
            *field = Field::new("project", DataType::Struct(vec![id].into()), true);
        }
    }
    server.put(BUCKET, "g/0.parquet", bigquery::parquet(bigquery::detailed(), &[row("202601", 0.5)]));
    server.put(BUCKET, "g/1.parquet", bigquery::parquet(Schema::new(narrow), &[row("202601", 0.25)]));
    server.put(BUCKET, "g/2.parquet", bigquery::parquet(old, &[row("202601", 0.125), row("202602", 9.0)]));
    let source = open(gcp(), &location(&server, "g").await, "2026-01").await.unwrap();
    let sql = "select cost, project_id, project_labels, price_pricing_unit_quantity, invoice_month \
               from src_gcp__line_items order by cost";
    assert_eq!(
        rows(&query(&source, sql).await.unwrap()),
        ["0.125|acme|{team: core}||202601", "0.25|acme|||202601", "0.5|acme|{team: core}|1000.000000000|202601"]
    );
}

#[tokio::test]
async fn folders_and_rows_name_the_invoice_month() {
    let server = S3Server::start().await;
    let object = |cost| bigquery::parquet(bigquery::detailed(), &[row("202601", cost)]);
    server.put(BUCKET, "g/invoice_month=202601/0.parquet", object(1.0));
    server.put(BUCKET, "g/invoice_month=202602/0.parquet", object(2.0));
    let found = unit(gcp(), &location(&server, "g").await, "2026-01").await.unwrap();
    assert_eq!(found.objects.len(), 1);
    let error = unit(gcp(), &location(&server, "g").await, "2026-03").await.unwrap_err();
    assert_contains(&error, &["no objects of billing period 2026-03; it has 2026-02, 2026-01"]);
}

#[tokio::test]
async fn a_wrong_or_missing_nested_column_is_named_with_its_path() {
    let server = S3Server::start().await;
    let change = |name: &str, data_type: DataType| {
        let detailed = bigquery::detailed();
        let fields = detailed.fields().iter().map(|field| {
            let keep = field.name() != name;
            if keep { field.as_ref().clone() } else { Field::new(name, data_type.clone(), true) }
        });
        Schema::new(fields.collect::<Vec<_>>())
    };
    let month = DataType::Struct(vec![Field::new("month", DataType::Int64, true)].into());
    let nothing = DataType::Struct(vec![Field::new("publisher_type", DataType::Utf8, true)].into());
    for (folder, data_type, invoice, parts) in [
        (
            "invoice_month=202601",
            month,
            json!({ "month": 202_601 }),
            ["`invoice.month` is Int64, accepted: string", "0.parquet"],
        ),
        (
            "invoice_month=202602",
            nothing,
            json!({ "publisher_type": "GOOGLE" }),
            ["required column `invoice.month` is missing", "0.parquet"],
        ),
        (
            "invoice_month=202603",
            DataType::Utf8,
            json!("202603"),
            ["column `invoice.month` lies in a record", "0.parquet"],
        ),
    ] {
        server.put(
            BUCKET,
            &format!("g/{folder}/0.parquet"),
            bigquery::parquet(change("invoice", data_type), &[json!({ "invoice": invoice })]),
        );
        let period = folder.trim_start_matches("invoice_month=");
        let period = format!("{}-{}", &period[..4], &period[4..]);
        let error = open(gcp(), &location(&server, "g").await, &period).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContractViolated);
        assert_contains(&error, &parts);
    }
}
