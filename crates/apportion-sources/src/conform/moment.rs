//! `moment(text)`: a moment from the text of a CSV export.
//!
//! Accepted are `MM/DD/YYYY`, `YYYY-MM-DD` and ISO 8601 with or without seconds and offset; without
//! an offset it is UTC. Anything else is an error that shows it: a guessed date moves money.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::contract::ColumnKind;
use crate::words::NullWords;

const DATES: [&str; 3] = ["%m/%d/%Y", "%Y-%m-%d", "%Y%m%d"];
const TIMES: [&str; 6] = [
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
];

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Moment {
    words: NullWords,
    signature: Signature,
}

impl Moment {
    pub(super) fn new(words: NullWords) -> Self {
        Self { words, signature: Signature::uniform(1, vec![DataType::Utf8], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Moment {
    fn name(&self) -> &'static str {
        "moment"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(ColumnKind::Time.data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(texts) = arrays.first().and_then(|array| array.as_string_opt::<i32>()) else {
            return exec_err!("moment takes one string column");
        };
        let mut previous: Option<(&str, i64)> = None;
        let mut moments = Vec::with_capacity(texts.len());
        for text in texts {
            moments.push(match (text, previous) {
                (None, _) => None,
                (Some(text), Some((last, micros))) if last == text => Some(micros),
                (Some(text), _) => match self.words.value(text).map(|value| (value, parse(value))) {
                    None => None,
                    Some((_, Some(micros))) => {
                        previous = Some((text, micros));
                        Some(micros)
                    }
                    Some((value, None)) => return exec_err!("`{value}` is not a date or time"),
                },
            });
        }
        let moments = TimestampMicrosecondArray::from(moments).with_timezone("UTC");
        Ok(ColumnarValue::Array(Arc::new(moments) as ArrayRef))
    }
}

/// Years that a bill is of; a year of two digits is in none of them, and nobody says its century.
const YEARS: RangeInclusive<i32> = 1970..=2199;

/// Microseconds since 1970.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let moment = moment(text)?;
    YEARS.contains(&moment.year()).then(|| moment.timestamp_micros())
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    let local = text.strip_suffix('Z').unwrap_or(text);
    let midnight = |date: NaiveDate| date.and_hms_opt(0, 0, 0);
    let date = DATES.iter().find_map(|format| midnight(NaiveDate::parse_from_str(local, format).ok()?));
    let time = || TIMES.iter().find_map(|format| NaiveDateTime::parse_from_str(local, format).ok());
    date.or_else(time).map(|moment| moment.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_write_dates_in_many_ways() {
        let january = parse("2026-01-31T00:00:00Z").unwrap();
        for text in
            ["01/31/2026", "2026-01-31", "2026-01-31T00:00Z", "2026-01-31 00:00:00", "2026-01-31T01:00:00+01:00"]
        {
            assert_eq!(parse(text), Some(january), "{text}");
        }
        assert_eq!(parse("1/5/2026"), parse("2026-01-05"), "no zeros in front");
        for wrong in ["31/01/2026", "13/01/2026", "2026-02-30", "soon", "1/6/26", "01/06/26", "26-01-06", "0026-01-06"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
