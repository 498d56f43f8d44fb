//! Types of declared telemetry columns: what is accepted and how it is scanned.

use std::collections::BTreeMap;
use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result, did_you_mean};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use chrono::{Days, NaiveDate};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use super::{QUANTITY_PRECISION, QUANTITY_SCALE, TelemetryColumns, TimeRange};
use crate::contract::is_text;
use crate::objects::Footer;
use crate::store::Location;
use crate::violations::Violations;

/// What a declared column is for; decides which types it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Time,
    Quantity,
    Name,
    Identity,
}

impl Role {
    fn of(columns: &TelemetryColumns, name: &str) -> Self {
        if name == columns.time {
            Self::Time
        } else if name == columns.quantity {
            Self::Quantity
        } else if columns.target.as_deref() == Some(name) || columns.match_columns.iter().any(|column| column == name) {
            Self::Name
        } else {
            Self::Identity
        }
    }

    /// The type the scan reads a delivered type as; `None` when it is not accepted.
    fn scanned(self, found: &DataType) -> Option<DataType> {
        let plain = match found {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        match self {
            Self::Time => match plain {
                DataType::Timestamp(..) => Some(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
                DataType::Date32 | DataType::Date64 => Some(DataType::Date32),
                text if is_text(text) => Some(DataType::Utf8),
                _ => None,
            },
            Self::Quantity => match plain {
                DataType::UInt64 | DataType::Null => Some(decimal()),
                integer if integer.is_integer() => Some(DataType::Int64),
                float if float.is_floating() => Some(DataType::Float64),
                other if other.is_decimal() => Some(decimal()),
                _ => None,
            },
            Self::Name => {
                let printable = plain.is_integer() || matches!(plain, DataType::Boolean | DataType::Date32);
                (is_text(plain) || printable).then_some(DataType::Utf8)
            }
            Self::Identity => Some(if is_text(plain) { DataType::Utf8 } else { plain.clone() }),
        }
    }

    const fn accepted(self) -> &'static str {
        match self {
            Self::Time => "timestamp, date or ISO 8601 text",
            Self::Quantity => "integer, double or decimal",
            Self::Name => "string, integer, boolean or date",
            Self::Identity => "any type",
        }
    }

    /// One type for objects that deliver a column differently.
    fn common(self, left: &DataType, right: &DataType) -> Option<DataType> {
        match (self, left, right) {
            _ if left == right => Some(left.clone()),
            (Self::Quantity, DataType::Int64, other) | (Self::Quantity, other, DataType::Int64) => Some(other.clone()),
            (Self::Identity, ..) => Some(DataType::Utf8),
            _ => None,
        }
    }
}

fn decimal() -> DataType {
    DataType::Decimal128(QUANTITY_PRECISION, QUANTITY_SCALE)
}

/// Schema of the scan: every declared column in the type it is read as.
pub(super) fn check(location: &Location, footers: &[Footer], columns: &TelemetryColumns) -> Result<SchemaRef> {
    let mut types: BTreeMap<&str, DataType> = BTreeMap::new();
    for footer in footers {
        let mut violations = Violations::default();
        for name in columns.all() {
            violations.note(add(&footer.schema, columns, name, &mut types));
        }
        violations.into_result().map_err(|error| error.with("object", location.name(&footer.meta.location)))?;
    }
    let field = |name: &str| {
        let data_type = types.get(name).cloned().unwrap_or(DataType::Utf8);
        Field::new(name, data_type, true)
    };
    Ok(Arc::new(Schema::new(columns.all().into_iter().map(field).collect::<Vec<_>>())))
}

fn add<'a>(
    schema: &Schema,
    columns: &TelemetryColumns,
    name: &'a str,
    types: &mut BTreeMap<&'a str, DataType>,
) -> Result<()> {
    let role = Role::of(columns, name);
    let violated = |message: String| Error::new(ErrorKind::ContractViolated, message).with("column", name);
    let Ok(field) = schema.field_with_name(name) else {
        let hint = did_you_mean(name, schema.fields().iter().map(|field| field.name().as_str()));
        return Err(violated(format!("declared column `{name}` is missing{hint}")));
    };
    let found = field.data_type();
    let scanned = role
        .scanned(found)
        .ok_or_else(|| violated(format!("column `{name}` is {found}, accepted: {}", role.accepted())))?;
    let common = match types.get(name) {
        Some(other) => role.common(other, &scanned).ok_or_else(|| {
            violated(format!("column `{name}` is {found} here and something else in other objects; write one type"))
        })?,
        None => scanned,
    };
    types.insert(name, common);
    Ok(())
}

/// Whether an object in a folder named by date can hold rows of the range. A day on either side is
/// kept, because folders may be named by local dates.
pub(super) fn may_hold(key: &str, range: TimeRange) -> bool {
    let date = key.split('/').find_map(|segment| segment.split_once('=')?.1.parse::<NaiveDate>().ok());
    let Some(date) = date else { return true };
    let day_after = date.checked_add_days(Days::new(1)).unwrap_or(date);
    let day_before = date.checked_sub_days(Days::new(1)).unwrap_or(date);
    day_after >= range.from.date_naive() && day_before <= range.to.date_naive()
}

/// Whether the statistics of an object allow rows of the range; without statistics they do.
pub(super) fn statistics_reach(footer: &Footer, time: &str, range: TimeRange) -> bool {
    ends(footer, time)
        .is_none_or(|(first, last)| last >= range.from.timestamp_micros() && first < range.to.timestamp_micros())
}

/// Earliest and latest time in microseconds, when every row group has statistics of a real time.
pub(super) fn ends(footer: &Footer, time: &str) -> Option<(i64, i64)> {
    let field = footer.schema.field_with_name(time).ok()?;
    if !matches!(field.data_type(), DataType::Timestamp(..) | DataType::Date32) {
        return None;
    }
    let schema = footer.metadata.file_metadata().schema_descr();
    let converter = StatisticsConverter::try_new(time, &footer.schema, schema).ok()?;
    let groups = footer.metadata.row_groups();
    let micros = |values: parquet::errors::Result<ArrayRef>| {
        let values = cast(&values.ok()?, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))).ok()?;
        (values.null_count() == 0).then(|| values.as_primitive::<TimestampMicrosecondType>().clone())
    };
    let smallest = micros(converter.row_group_mins(groups))?;
    let largest = micros(converter.row_group_maxes(groups))?;
    Some((min(&smallest)?, max(&largest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_of_several_objects_agree_on_one_type() {
        let role = Role::Quantity;
        assert_eq!(role.common(&DataType::Int64, &DataType::Float64), Some(DataType::Float64));
        assert_eq!(role.common(&decimal(), &DataType::Int64), Some(decimal()));
        assert_eq!(role.common(&decimal(), &DataType::Float64), None);
        assert_eq!(role.scanned(&DataType::Utf8), None);
    }

    #[test]
    fn folders_named_by_date_are_left_out_with_a_day_to_spare() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
        let range = TimeRange { from: day("2026-02-01"), to: day("2026-03-01") };
        for (key, kept) in [
            ("t/date=2026-01-30/a.parquet", false),
            ("t/date=2026-01-31/a.parquet", true),
            ("t/date=2026-03-01/a.parquet", true),
            ("t/date=2026-03-03/a.parquet", false),
            ("t/a.parquet", true),
        ] {
            assert_eq!(may_hold(key, range), kept, "{key}");
        }
    }
}
