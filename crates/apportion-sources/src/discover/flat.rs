//! Billing periods of Parquet objects whose keys do not name one.
//!
//! The footer's statistics usually tell: smallest and largest billing period start are equal. Where
//! they are missing or differ, the one column is read.

use std::collections::BTreeSet;

use apportion_spec::{BillingPeriod, Error, ErrorKind, Result, did_you_mean};
use arrow::array::{Array, AsArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::TimestampMicrosecondType;
use chrono::DateTime;
use futures::TryStreamExt;
use object_store::ObjectMeta;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use crate::contract::{ColumnKind, SourceContract};
use crate::objects::{Footer, PinnedReader, footers};
use crate::store::Location;

pub(super) async fn periods(
    location: &Location,
    objects: Vec<ObjectMeta>,
    contract: &SourceContract,
) -> Result<Vec<(ObjectMeta, BTreeSet<BillingPeriod>)>> {
    let mut found = Vec::with_capacity(objects.len());
    for footer in footers(location, objects).await? {
        let name = location.name(&footer.meta.location);
        let periods = periods_of(location, &footer, contract).await.map_err(|error| error.with("object", name))?;
        found.push((footer.meta, periods));
    }
    Ok(found)
}

async fn periods_of(
    location: &Location,
    footer: &Footer,
    contract: &SourceContract,
) -> Result<BTreeSet<BillingPeriod>> {
    let wanted = contract.period_column;
    let fields = footer.schema.fields();
    let Some((index, field)) = fields.iter().enumerate().find(|(_, field)| contract.is_same(field.name(), wanted))
    else {
        let hint = did_you_mean(wanted, fields.iter().map(|field| field.name().as_str()));
        let message =
            format!("neither the key nor a column `{wanted}` says which billing period the object is of{hint}");
        return Err(Error::new(ErrorKind::ContractViolated, message));
    };
    if !ColumnKind::Time.accepts(field.data_type()) {
        let message = format!("column `{wanted}` is {}, accepted: {}", field.data_type(), ColumnKind::Time.accepted());
        return Err(Error::new(ErrorKind::ContractViolated, message));
    }
    match from_statistics(footer, field.name()) {
        Some(period) => Ok(BTreeSet::from([period])),
        None => from_values(location, footer, index).await,
    }
}

/// The period when every row group's statistics agree on it.
fn from_statistics(footer: &Footer, column: &str) -> Option<BillingPeriod> {
    let schema = footer.metadata.file_metadata().schema_descr();
    let converter = StatisticsConverter::try_new(column, &footer.schema, schema).ok()?;
    let groups = footer.metadata.row_groups();
    let smallest = cast(&converter.row_group_mins(groups).ok()?, &ColumnKind::Time.data_type()).ok()?;
    let largest = cast(&converter.row_group_maxes(groups).ok()?, &ColumnKind::Time.data_type()).ok()?;
    if smallest.is_empty() || smallest.null_count() + largest.null_count() > 0 {
        return None;
    }
    let ends = [periods_in(&smallest), periods_in(&largest)].concat();
    let first = *ends.first()?;
    ends.iter().all(|period| *period == first).then_some(first)
}

async fn from_values(location: &Location, footer: &Footer, column: usize) -> Result<BTreeSet<BillingPeriod>> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::ContractViolated, "the object cannot be read").with("cause", error)
    };
    let reader = PinnedReader::new(location, footer.meta.clone(), Some(footer.metadata.clone()), None);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|error| unreadable(&error))?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), [column]);
    let mut batches = builder.with_projection(mask).build().map_err(|error| unreadable(&error))?;
    let mut periods = BTreeSet::new();
    while let Some(batch) = batches.try_next().await.map_err(|error| unreadable(&error))? {
        let times = cast(batch.column(0), &ColumnKind::Time.data_type()).map_err(|error| unreadable(&error))?;
        periods.extend(periods_in(&times));
    }
    Ok(periods)
}

fn periods_in(times: &dyn Array) -> Vec<BillingPeriod> {
    let times: &TimestampMicrosecondArray = times.as_primitive::<TimestampMicrosecondType>();
    let mut values: Vec<i64> = times.iter().flatten().collect();
    values.dedup();
    let period = |micros: i64| Some(BillingPeriod::containing(DateTime::from_timestamp_micros(micros)?.date_naive()));
    values.into_iter().filter_map(period).collect()
}
