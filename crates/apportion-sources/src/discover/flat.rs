//! Billing periods that the rows of an object name.
//!
//! They decide where the key names none; where it does, they must be of the same period, because rows
//! of another one would be in no unit at all. Rows that name none are an error for the same reason.
//!
//! The footer's statistics usually tell: smallest and largest billing period start are equal. Where
//! they are missing or differ, the one column is read.

use std::collections::BTreeSet;
use std::sync::Arc;

use apportion_spec::{BillingPeriod, Error, ErrorKind, Result, did_you_mean};
use arrow::array::{Array, AsArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use chrono::DateTime;
use futures::TryStreamExt;
use object_store::ObjectMeta;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use super::{compact_month, is_csv};
use crate::conform::moment;
use crate::contract::{ColumnKind, PeriodColumn, SourceColumn, SourceContract};
use crate::csv;
use crate::objects::{Footer, batches, footers};
use crate::store::Location;

pub(super) async fn periods(
    location: &Location,
    objects: Vec<ObjectMeta>,
    contract: &SourceContract,
) -> Result<Vec<(ObjectMeta, BTreeSet<BillingPeriod>)>> {
    let (written, plain): (Vec<_>, Vec<_>) = objects.into_iter().partition(|meta| is_csv(meta.location.as_ref()));
    let mut found = Vec::with_capacity(plain.len() + written.len());
    for footer in footers(location, plain).await? {
        let name = location.name(&footer.meta.location);
        let periods = periods_of(location, &footer, contract, &name).await?;
        found.push((footer.meta, periods));
    }
    for meta in written {
        let name = location.name(&meta.location);
        let copies = csv::copies(location, std::slice::from_ref(&meta)).await?;
        let mut periods = BTreeSet::new();
        for footer in footers(&copies.location, copies.objects.clone()).await? {
            periods.extend(periods_of(&copies.location, &footer, contract, &name).await?);
        }
        found.push((meta, periods));
    }
    Ok(found)
}

/// Refuses an object of a period's folder with rows of other periods, which no unit would read; `object` is what the
/// user calls it.
///
/// # Errors
/// [`ErrorKind::ContractViolated`] naming the other periods.
pub(crate) async fn only_of(
    period: BillingPeriod,
    location: &Location,
    footer: &Footer,
    contract: &SourceContract,
    object: &str,
) -> Result<()> {
    let held = periods_of(location, footer, contract, object).await?;
    let others: Vec<String> = held.iter().filter(|held| **held != period).map(ToString::to_string).collect();
    if others.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the path says billing period {period}, but rows are of {}; they would be lost, so nothing of this period \
         is read. Move the object to its period, or to a folder whose name says none",
        others.join(", ")
    );
    Err(Error::new(ErrorKind::ContractViolated, message).with("object", object))
}

async fn periods_of(
    location: &Location,
    footer: &Footer,
    contract: &SourceContract,
    object: &str,
) -> Result<BTreeSet<BillingPeriod>> {
    let violated = |message| Error::new(ErrorKind::ContractViolated, message).with("object", object);
    let Some(wanted) = contract.column(contract.period.name()) else {
        return Err(Error::new(ErrorKind::Internal, "the contract has no column for the billing period"));
    };
    let fields = footer.schema.fields();
    let ranked =
        fields.iter().enumerate().filter_map(|(index, field)| Some((contract.rank(field.name(), wanted)?, index)));
    let Some((index, field)) = ranked.min().and_then(|(_, index)| Some((index, fields.get(index)?))) else {
        let name = wanted.delivered_name();
        let hint = did_you_mean(&name, fields.iter().map(|field| field.name().as_str()));
        return Err(violated(format!(
            "neither the key nor a column `{name}` says which billing period the object is of{hint}"
        )));
    };
    if let PeriodColumn::Month(_) = contract.period {
        return from_values(location, footer, index, wanted, object).await;
    }
    // Text is what CSV copies have.
    if !ColumnKind::Time.accepts(field.data_type()) && *field.data_type() != DataType::Utf8 {
        let message =
            format!("column `{}` is {}, accepted: {}", field.name(), field.data_type(), ColumnKind::Time.accepted());
        return Err(violated(message));
    }
    match from_statistics(footer, field.name()) {
        Some(period) => Ok(BTreeSet::from([period])),
        None => from_values(location, footer, index, wanted, object).await,
    }
}

/// Rows without a period are in no unit.
fn nameless(rows: usize, wanted: &SourceColumn) -> Error {
    let name = wanted.delivered_name();
    let message = format!("{rows} rows have no `{name}`, so nothing says which billing period they are of");
    Error::new(ErrorKind::ContractViolated, message)
}

/// The period when every row group's statistics agree on it, and that every row has one.
fn from_statistics(footer: &Footer, column: &str) -> Option<BillingPeriod> {
    let schema = footer.metadata.file_metadata().schema_descr();
    let converter = StatisticsConverter::try_new(column, &footer.schema, schema).ok()?;
    let groups = footer.metadata.row_groups();
    let missing = converter.row_group_null_counts(groups).ok()?;
    if missing.null_count() > 0 || missing.values().iter().any(|rows| *rows > 0) {
        return None;
    }
    let smallest = cast(&converter.row_group_mins(groups).ok()?, &ColumnKind::Time.data_type()).ok()?;
    let largest = cast(&converter.row_group_maxes(groups).ok()?, &ColumnKind::Time.data_type()).ok()?;
    if smallest.is_empty() || smallest.null_count() + largest.null_count() > 0 {
        return None;
    }
    let ends = [periods_in(&smallest), periods_in(&largest)].concat();
    let first = *ends.first()?;
    ends.iter().all(|period| *period == first).then_some(first)
}

async fn from_values(
    location: &Location,
    footer: &Footer,
    column: usize,
    wanted: &SourceColumn,
    object: &str,
) -> Result<BTreeSet<BillingPeriod>> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::ContractViolated, "the object cannot be read").with("cause", error).with("object", object)
    };
    let mut batches = Box::pin(batches(location, footer, vec![column], object)?);
    let mut periods = BTreeSet::new();
    while let Some(batch) = batches.try_next().await? {
        let mut values = Arc::clone(batch.column(0));
        for name in wanted.path.iter().skip(1) {
            let inner = values.as_struct_opt().and_then(|record| record.column_by_name(name));
            values = Arc::clone(inner.ok_or_else(|| unreadable(&format!("no field `{}`", wanted.delivered_name())))?);
        }
        if values.null_count() > 0 {
            return Err(nameless(values.null_count(), wanted).with("object", object));
        }
        if matches!(values.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            let texts = cast(&values, &DataType::Utf8).map_err(|error| unreadable(&error))?;
            let texts = texts.as_string::<i32>();
            let empty = texts.iter().flatten().filter(|text| text.is_empty()).count();
            if empty > 0 {
                return Err(nameless(empty, wanted).with("object", object));
            }
            let mut texts: Vec<&str> = texts.iter().flatten().collect();
            texts.dedup();
            for text in texts {
                let wrong = || unreadable(&format!("`{text}` in column `{}` is no date", wanted.delivered_name()));
                periods.insert(month_of(text).ok_or_else(wrong)?);
            }
        } else {
            let times = cast(&values, &ColumnKind::Time.data_type()).map_err(|error| unreadable(&error))?;
            periods.extend(periods_in(&times));
        }
    }
    Ok(periods)
}

/// The billing period of `YYYYMM` or of a date.
fn month_of(text: &str) -> Option<BillingPeriod> {
    if text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return compact_month(text);
    }
    Some(BillingPeriod::containing(DateTime::from_timestamp_micros(moment::parse(text)?)?.date_naive()))
}

fn periods_in(times: &dyn Array) -> Vec<BillingPeriod> {
    let times: &TimestampMicrosecondArray = times.as_primitive::<TimestampMicrosecondType>();
    let mut values: Vec<i64> = times.iter().flatten().collect();
    values.dedup();
    let period = |micros: i64| Some(BillingPeriod::containing(DateTime::from_timestamp_micros(micros)?.date_naive()));
    values.into_iter().filter_map(period).collect()
}
