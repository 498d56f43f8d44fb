//! Expressions from declared telemetry columns to the telemetry relation.

use arrow::datatypes::{DataType, Schema, TimeUnit};
use chrono::{NaiveDate, TimeDelta};
use datafusion::common::{Column, DataFusionError, Result};
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ScalarUDF, cast, lit};
use datafusion::scalar::ScalarValue;

use super::match_key::MatchKey;
use super::number::DecimalFromDouble;
use super::{QUANTITY_PRECISION, QUANTITY_SCALE, TelemetryColumns, TimeRange};

fn scanned(name: &str) -> Expr {
    Expr::Column(Column::new(Some("objects"), name))
}

fn data_type<'a>(raw: &'a Schema, name: &str) -> Result<&'a DataType> {
    Ok(raw.field_with_name(name).map_err(DataFusionError::from)?.data_type())
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn text(name: &str) -> Expr {
    nullif(cast(scanned(name), DataType::Utf8), lit(""))
}

/// The columns of the telemetry relation.
pub(super) fn output(raw: &Schema, columns: &TelemetryColumns) -> Result<Vec<Expr>> {
    let target = match &columns.target {
        Some(target) => text(target),
        None => lit(ScalarValue::Utf8(None)),
    };
    let key = if columns.match_columns.is_empty() {
        lit("")
    } else {
        let values = columns.match_columns.iter().map(|name| text(name)).collect();
        ScalarUDF::from(MatchKey::new(columns.match_columns.len())).call(values)
    };
    Ok(vec![
        lit(columns.name.as_str()).alias("Telemetry"),
        time(raw, &columns.time)?.alias("Time"),
        quantity(raw, &columns.quantity)?.alias("Quantity"),
        target.alias("Target"),
        key.alias("MatchKey"),
    ])
}

fn time(raw: &Schema, name: &str) -> Result<Expr> {
    Ok(match data_type(raw, name)? {
        DataType::Date32 => cast(cast(scanned(name), DataType::Timestamp(TimeUnit::Microsecond, None)), utc()),
        DataType::Utf8 => cast(nullif(scanned(name), lit("")), utc()),
        _ => scanned(name),
    })
}

fn quantity(raw: &Schema, name: &str) -> Result<Expr> {
    Ok(match data_type(raw, name)? {
        DataType::Float64 => ScalarUDF::from(DecimalFromDouble::new()).call(vec![scanned(name)]),
        DataType::Int64 => cast(scanned(name), DataType::Decimal128(QUANTITY_PRECISION, QUANTITY_SCALE)),
        _ => scanned(name),
    })
}

/// A filter on the scanned time column itself, so that statistics can be used: the time lies in one
/// of the spans.
pub(super) fn in_spans(raw: &Schema, name: &str, spans: &[TimeRange]) -> Result<Expr> {
    let mut filters = spans.iter().map(|span| in_range(raw, name, *span)).collect::<Result<Vec<_>>>()?;
    // joined pair by pair: a chain of many would be as deep as it is long
    while filters.len() > 1 {
        let mut pairs = Vec::with_capacity(filters.len().div_ceil(2));
        let mut rest = filters.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => left.or(right),
                None => left,
            });
        }
        filters = pairs;
    }
    Ok(filters.pop().unwrap_or_else(|| lit(false)))
}

fn in_range(raw: &Schema, name: &str, range: TimeRange) -> Result<Expr> {
    let instant = |micros: i64| lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())));
    if *data_type(raw, name)? == DataType::Date32 {
        let last = (range.to - TimeDelta::microseconds(1)).date_naive();
        let start = range.from.date_naive();
        let midnight = start.and_time(chrono::NaiveTime::MIN).and_utc();
        let first = if midnight < range.from { start.succ_opt().unwrap_or(start) } else { start };
        return Ok(scanned(name).gt_eq(day(first)).and(scanned(name).lt_eq(day(last))));
    }
    let value = time(raw, name)?;
    let from = value.clone().gt_eq(instant(range.from.timestamp_micros()));
    Ok(from.and(value.lt(instant(range.to.timestamp_micros()))))
}

fn day(date: NaiveDate) -> Expr {
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    lit(ScalarValue::Date32(i32::try_from(days).ok()))
}

/// Keeps one row per measurement: of repetitions that differ, the one that sorts first.
pub(super) fn once(plan: LogicalPlanBuilder, columns: &TelemetryColumns) -> Result<LogicalPlanBuilder> {
    let all: Vec<Expr> = columns.all().into_iter().map(scanned).collect();
    let identity: Vec<Expr> = columns.unique_by.iter().map(|name| scanned(name)).collect();
    let rest = all.iter().filter(|column| !identity.contains(column));
    let order = identity.iter().chain(rest).map(|column| column.clone().sort(true, false)).collect();
    plan.distinct_on(identity.clone(), all, Some(order))
}
