//! Bounds and null counts per column, taken from what the Parquet writer already computed.
//!
//! Bounds are bounds: a truncated text maximum is rounded up by the writer. Decimals have no
//! bounds here, because Delta stores them as JSON numbers, which readers parse as doubles.

use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;

/// What is known about one top-level column of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnStatistics {
    /// Column name.
    pub name: String,
    /// Nulls in the file, if counted.
    pub null_count: Option<u64>,
    /// A value no row is below.
    pub minimum: Option<StatisticsValue>,
    /// A value no row is above.
    pub maximum: Option<StatisticsValue>,
}

/// A bound.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum StatisticsValue {
    /// A text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01 UTC.
    Timestamp(i64),
}

pub(super) fn collect(metadata: &ParquetMetaData, schema: &SchemaRef) -> Vec<ColumnStatistics> {
    let descriptor = metadata.file_metadata().schema_descr();
    let mut columns = Vec::new();
    for (leaf, description) in descriptor.columns().iter().enumerate() {
        let field = schema.field(descriptor.get_column_root_idx(leaf));
        if description.path().parts().len() != 1 {
            continue;
        }
        let groups: Option<Vec<&Statistics>> =
            metadata.row_groups().iter().map(|group| group.column(leaf).statistics()).collect();
        columns.push(summarise(field.name(), field.data_type(), &groups.unwrap_or_default()));
    }
    columns
}

fn summarise(name: &str, data_type: &DataType, groups: &[&Statistics]) -> ColumnStatistics {
    let null_count = groups.iter().map(|group| group.null_count_opt()).sum::<Option<u64>>();
    let mut summary = ColumnStatistics {
        name: name.to_owned(),
        null_count: null_count.filter(|_| !groups.is_empty()),
        minimum: None,
        maximum: None,
    };
    for group in groups {
        let (Some(minimum), Some(maximum)) = (bound(group, data_type, true), bound(group, data_type, false)) else {
            // A row group of nulls has no bounds and needs none; anything else leaves the file
            // without bounds.
            if has_no_bounds(group) {
                continue;
            }
            return ColumnStatistics { minimum: None, maximum: None, ..summary };
        };
        if summary.minimum.as_ref().is_none_or(|current| minimum < *current) {
            summary.minimum = Some(minimum);
        }
        if summary.maximum.as_ref().is_none_or(|current| maximum > *current) {
            summary.maximum = Some(maximum);
        }
    }
    summary
}

/// All values are null: the only case in which the writer leaves bounds out of a statistic that
/// it does keep for the type.
fn has_no_bounds(group: &Statistics) -> bool {
    group.min_bytes_opt().is_none() && group.max_bytes_opt().is_none()
}

fn bound(group: &Statistics, data_type: &DataType, minimum: bool) -> Option<StatisticsValue> {
    match (data_type, group) {
        (DataType::Utf8, Statistics::ByteArray(values)) => {
            let value = if minimum { values.min_opt() } else { values.max_opt() }?;
            value.as_utf8().ok().map(|text| StatisticsValue::Text(text.to_owned()))
        }
        (DataType::Date32, Statistics::Int32(values)) => {
            let value = if minimum { values.min_opt() } else { values.max_opt() }?;
            Some(StatisticsValue::Date(*value))
        }
        (DataType::Int32, Statistics::Int32(values)) => {
            let value = if minimum { values.min_opt() } else { values.max_opt() }?;
            Some(StatisticsValue::Integer(i64::from(*value)))
        }
        (DataType::Int64, Statistics::Int64(values)) => {
            let value = if minimum { values.min_opt() } else { values.max_opt() }?;
            Some(StatisticsValue::Integer(*value))
        }
        (DataType::Timestamp(TimeUnit::Microsecond, _), Statistics::Int64(values)) => {
            let value = if minimum { values.min_opt() } else { values.max_opt() }?;
            Some(StatisticsValue::Timestamp(*value))
        }
        _ => None,
    }
}
