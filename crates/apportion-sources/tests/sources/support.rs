//! What the tests share: a bucket with exports and SQL over opened units.

use std::path::Path;
use std::time::Duration;

use apportion_sources::{
    DiscoveredUnit, ExportFormat, Location, Reading, SourceTable, StaticCredentials, StoreOptions, format, inventory,
    open_unit,
};
use apportion_spec::wire::SourceFormat;
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use apportion_store::Cause;
use apportion_testkit::{ExportBuilder, S3Server, Value};
use arrow::util::pretty::pretty_format_batches;
use bytes::Bytes;
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};

pub(crate) const BUCKET: &str = "bills";

pub(crate) fn options(server: &S3Server) -> StoreOptions {
    StoreOptions {
        region: Some(server.region().to_owned()),
        endpoint: Some(server.endpoint()),
        credentials: Some(StaticCredentials::new(server.access_key(), server.secret_key())),
        retry_timeout: Duration::from_secs(20),
        ..StoreOptions::default()
    }
}

pub(crate) async fn location(server: &S3Server, prefix: &str) -> Location {
    server.create_bucket(BUCKET);
    Location::open(&format!("s3://{BUCKET}/{prefix}"), Path::new("."), &options(server)).await.unwrap()
}

pub(crate) fn cur2() -> &'static dyn ExportFormat {
    format(SourceFormat::AwsCur2)
}

pub(crate) fn legacy() -> &'static dyn ExportFormat {
    format(SourceFormat::AwsCurLegacy)
}

pub(crate) fn period(text: &str) -> BillingPeriod {
    text.parse().unwrap()
}

/// A builder with values for the required columns of a bill of the given month.
pub(crate) fn bill(builder: ExportBuilder, month: &str) -> ExportBuilder {
    let next = period(month).end().to_rfc3339();
    builder
        .default_value("bill_billing_period_start_date", format!("{month}-01T00:00:00Z"))
        .default_value("bill_billing_period_end_date", next)
        .default_value("bill_payer_account_id", "012345678901")
        .default_value("identity_line_item_id", "item")
        .default_value("identity_time_interval", format!("{month}-01T00:00:00Z/{month}-01T01:00:00Z"))
        .default_value("line_item_currency_code", "USD")
        .default_value("line_item_line_item_type", "Usage")
        .default_value("line_item_product_code", "AmazonEC2")
        .default_value("line_item_usage_account_id", "012345678901")
        .default_value("line_item_usage_start_date", format!("{month}-01T00:00:00Z"))
        .default_value("line_item_usage_end_date", format!("{month}-01T01:00:00Z"))
}

/// One CUR 2.0 object with one row of the given cost.
pub(crate) fn object(month: &str, cost: f64) -> Bytes {
    bill(ExportBuilder::cur2(), month).row([("line_item_unblended_cost", Value::Number(cost))]).parquet()
}

pub(crate) async fn unit(format: &dyn ExportFormat, location: &Location, month: &str) -> Result<DiscoveredUnit> {
    inventory(format, location).await?.unit(period(month)).await
}

pub(crate) async fn open(format: &dyn ExportFormat, location: &Location, month: &str) -> Result<SourceTable> {
    open_unit(format, location, unit(format, location, month).await?, &Reading::default()).await
}

pub(crate) fn keys(unit: &DiscoveredUnit) -> Vec<&str> {
    unit.objects.iter().map(|meta| meta.location.as_ref()).collect()
}

/// A session as the engine configures it.
pub(crate) fn session() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2);
    config.options_mut().sql_parser.enable_ident_normalization = false;
    SessionContext::new_with_config(config)
}

/// What failed, found again below what wraps it.
pub(crate) fn read_error(error: DataFusionError) -> Error {
    match apportion_store::cause(&error) {
        Some(Cause::Ours(ours)) => {
            let copy = Error::new(ours.kind(), ours.message());
            ours.context().iter().fold(copy, |copy, (key, value)| copy.with(key, value))
        }
        _ => Error::new(ErrorKind::ContractViolated, "the source could not be read").with_source(error),
    }
}

/// Runs SQL over a source and prints the result.
pub(crate) async fn query(source: &SourceTable, sql: &str) -> Result<String> {
    let context = session();
    context.register_table(source.relation, source.table.clone()).map_err(read_error)?;
    let frame = context.sql(sql).await.map_err(read_error)?;
    let batches = frame.collect().await.map_err(read_error)?;
    Ok(pretty_format_batches(&batches).unwrap().to_string())
}

/// Rows of a printed table as text, cells joined by `|`.
pub(crate) fn rows(table: &str) -> Vec<String> {
    let lines = table.lines().filter(|line| line.starts_with('|')).skip(1);
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join("|")).collect()
}

pub(crate) async fn total(source: &SourceTable) -> Result<String> {
    let sql = format!("select cast(sum(line_item_unblended_cost) as decimal(20, 4)) as cost from {}", source.relation);
    Ok(rows(&query(source, &sql).await?).concat())
}

#[track_caller]
pub(crate) fn assert_contains(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
