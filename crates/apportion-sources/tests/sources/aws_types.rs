//! Columns and types of the AWS contract: absent, unknown, wrong, and what is read.

use std::sync::Arc;

use apportion_sources::SourceTable;
use apportion_spec::{ErrorKind, Result};
use apportion_testkit::{ColumnType, ExportBuilder, S3Server};
use arrow::array::{MapBuilder, RecordBatch, StringBuilder, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;

use crate::support::{
    BUCKET, assert_contains, bill, cur2, location, object, open, period, query, rows, session, total,
};

async fn with_objects(server: &S3Server, objects: &[Bytes]) -> Result<SourceTable> {
    for (index, content) in objects.iter().enumerate() {
        server.put(BUCKET, &format!("e/data/BILLING_PERIOD=2026-01/e-{index}.parquet"), content.clone());
    }
    open(cur2(), &location(server, "e").await, "2026-01").await
}

#[tokio::test]
async fn absent_columns_are_null_and_unknown_ones_reported_once() {
    let server = S3Server::start().await;
    let odd = bill(ExportBuilder::cur2(), "2026-01")
        .names(&["line_item_mood"])
        .without("pricing_unit")
        .row([("line_item_unblended_cost", 2.0.into()), ("line_item_mood", "fine".into())]);
    let source = with_objects(&server, &[object("2026-01", 1.0), odd.parquet(), odd.parquet()]).await.unwrap();
    assert_eq!(source.report.unknown_columns, ["line_item_mood"]);
    assert!(!source.report.absent_columns.contains(&"pricing_unit".to_owned()), "one object has it");
    assert!(source.report.absent_columns.contains(&"split_line_item_split_cost".to_owned()));
    assert_eq!(total(&source).await.unwrap(), "5.0000");
    let table = query(&source, "select count(*), count(pricing_unit), count(tags) from src_aws__cur").await.unwrap();
    assert_eq!(rows(&table), ["3|0|0"]);
    let schema = source.table.schema();
    assert_eq!(schema.fields().len(), cur2().contract().columns.len());
}

#[tokio::test]
async fn a_wrong_type_names_object_column_and_types() {
    let server = S3Server::start().await;
    let wrong = bill(ExportBuilder::cur2(), "2026-01").column("line_item_usage_account_id", ColumnType::Integer);
    let wrong = wrong.default_value("line_item_usage_account_id", 12_345_678_901_i64);
    let wrong = wrong.row([("line_item_usage_account_id", 1_i64.into())]).parquet();
    let error = with_objects(&server, &[object("2026-01", 1.0), wrong]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContractViolated);
    assert_contains(&error, &["`line_item_usage_account_id` is Int64, accepted: string", "e-1.parquet"]);
}

#[tokio::test]
async fn a_missing_required_column_suggests_the_nearest() {
    let server = S3Server::start().await;
    let missing = bill(ExportBuilder::cur2(), "2026-01")
        .without("line_item_unblended_cost")
        .column("line_item_unblended_costs", ColumnType::Double)
        .row([("line_item_unblended_costs", 1.0.into())]);
    let error = with_objects(&server, &[missing.parquet()]).await.unwrap_err();
    assert_contains(&error, &["`line_item_unblended_cost` is missing", "did you mean `line_item_unblended_costs`?"]);
}

#[tokio::test]
async fn a_truncated_or_empty_object_is_named() {
    let server = S3Server::start().await;
    let whole = object("2026-01", 1.0);
    for (content, part) in [(whole.slice(..whole.len() / 2), "truncated or not Parquet"), (Bytes::new(), "is empty")] {
        let error = with_objects(&server, &[whole.clone(), content]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContractViolated);
        assert_contains(&error, &[part, "s3://bills/e/data/BILLING_PERIOD=2026-01/e-1.parquet"]);
    }
}

#[tokio::test]
async fn integers_decimals_and_other_time_units_are_read_exactly() {
    let server = S3Server::start().await;
    let odd = bill(ExportBuilder::cur2(), "2026-01")
        .column("line_item_usage_amount", ColumnType::Integer)
        .column("line_item_unblended_cost", ColumnType::Decimal(20, 6))
        .column("line_item_usage_start_date", ColumnType::LocalMicros)
        .row([("line_item_usage_amount", 3_i64.into()), ("line_item_unblended_cost", "0.125".into())]);
    let source = with_objects(&server, &[odd.parquet(), object("2026-01", 0.5)]).await.unwrap();
    let sql = "select line_item_usage_amount, line_item_unblended_cost, line_item_usage_start_date, \
               bill_payer_account_id from src_aws__cur order by 2";
    assert_eq!(
        rows(&query(&source, sql).await.unwrap()),
        ["3.0|0.125|2026-01-01T00:00:00Z|012345678901", "|0.5|2026-01-01T00:00:00Z|012345678901"]
    );
}

#[tokio::test]
async fn maps_of_cur2_are_passed_through() {
    let server = S3Server::start().await;
    let tagged = bill(ExportBuilder::cur2(), "2026-01").row([
        ("resource_tags", [("user_team", "core")].into()),
        ("product", [("product_name", "Compute")].into()),
        ("discount", [("edp", -0.25)].into()),
        ("product_sku", "SKU1".into()),
    ]);
    let source = with_objects(&server, &[tagged.parquet()]).await.unwrap();
    let sql = "select resource_tags, product, discount, product_sku from src_aws__cur";
    assert_eq!(
        rows(&query(&source, sql).await.unwrap()),
        ["{user_team: core}|{product_name: Compute}|{edp: -0.25}|SKU1"]
    );
}

#[tokio::test]
async fn only_used_columns_and_matching_row_groups_are_read() {
    let server = S3Server::start().await;
    let mut builder = bill(ExportBuilder::cur2(), "2026-01").rows_per_group(100);
    for row in 0..1000 {
        let day = row / 100 + 1;
        builder = builder.row_of(vec![
            ("line_item_usage_start_date".to_owned(), format!("2026-01-{day:02}T00:00:00Z").into()),
            ("line_item_line_item_description".to_owned(), format!("a long description {row}").repeat(20).into()),
            ("line_item_unblended_cost".to_owned(), 1.0.into()),
        ]);
    }
    let content = builder.parquet();
    let source = with_objects(&server, &[content]).await.unwrap();
    let context = session();
    context.register_table("src_aws__cur", source.table.clone()).unwrap();
    let sql = "explain analyze select sum(line_item_unblended_cost) from src_aws__cur \
               where line_item_usage_start_date >= timestamp '2026-01-03' and line_item_usage_start_date < timestamp '2026-01-04'";
    let plan = context.sql(sql).await.unwrap().to_string().await.unwrap();
    assert!(plan.contains("row_groups_pruned_statistics=10 total → 1 matched"), "{plan}");
    let scanned = plan.split("bytes_scanned=").nth(1).unwrap().split([',', ']']).next().unwrap();
    assert!(scanned.contains(" B") || scanned.parse::<u64>().is_ok_and(|bytes| bytes < 5_000), "{scanned}: {plan}");
    assert!(period("2026-01").start() < period("2026-01").end());
}

/// The same rows as other writers would store them.
fn as_other_writer(batch: &RecordBatch, text: &DataType) -> Bytes {
    let mut columns = Vec::new();
    let mut fields = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let column = match field.data_type() {
            DataType::Utf8 => cast(column, text).unwrap(),
            DataType::Map(..) if field.name() == "resource_tags" => {
                // Field names of maps are not part of the format: each writer has its own.
                let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
                map.keys().append_value("user_team");
                map.values().append_value("web");
                map.append(true).unwrap();
                Arc::new(map.finish())
            }
            DataType::Map(..) => new_null_array(&DataType::Null, column.len()),
            _ => Arc::clone(column),
        };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let mut content = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut content, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    content.into()
}

#[tokio::test]
async fn strings_and_maps_of_other_writers_are_read_beside_each_other() {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    for text in [dictionary, DataType::LargeUtf8, DataType::Utf8View] {
        let server = S3Server::start().await;
        let tagged = |cost: f64| {
            bill(ExportBuilder::cur2(), "2026-01").row([
                ("line_item_unblended_cost", cost.into()),
                ("line_item_operation", "".into()),
                ("resource_tags", [("user_team", "core")].into()),
            ])
        };
        let objects = [tagged(1.0).parquet(), as_other_writer(&tagged(2.0).batch(), &text)];
        let source = with_objects(&server, &objects).await.unwrap();
        let sql = "select resource_tags, bill_payer_account_id, line_item_operation, product, discount \
                   from src_aws__cur order by line_item_unblended_cost";
        let expected = ["{user_team: core}|012345678901|||", "{user_team: web}|012345678901|||"];
        assert_eq!(rows(&query(&source, sql).await.unwrap()), expected, "{text}");
    }
}
