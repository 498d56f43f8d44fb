//! `charge_days(start, end)`: the UTC days a charge touches, with how much of it lies in each.
//!
//! A monthly fee is split over its days before drivers apply, by the same `apportion` as
//! everything else: each day carries the seconds before it, up to its end and in total.
//! A charge without duration belongs to the day it starts, whole. The trap avoided: splitting by
//! a number of days, which is wrong for charges that start or end within a day.

use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{ArrayRef, Date32Builder, Decimal128Builder, ListArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, exec_err};

use super::column::TimeColumn;
use super::function::{Argument, Arguments, Function, MONEY, Nullability};

const DAY_MICROS: i64 = 86_400_000_000;
/// One microsecond as an unscaled number of seconds with 12 decimals.
const MICRO_UNSCALED: i128 = 1_000_000;
/// One second as an unscaled number of seconds with 12 decimals.
const SECOND_UNSCALED: i128 = 1_000_000_000_000;
/// More days than any billing period has; a longer charge was not clipped to one.
const MOST_DAYS: i64 = 3_660;

/// The functions of this file.
pub(super) fn functions() -> Vec<Function> {
    vec![Function::new(
        "charge_days",
        &[Argument::Timestamp, Argument::Timestamp],
        DataType::List(item()),
        Nullability::WhenAnArgumentIs,
        kernel,
    )]
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Struct(day_fields()), false))
}

fn day_fields() -> Fields {
    Fields::from(vec![
        Field::new("ChargeDate", DataType::Date32, false),
        Field::new("SecondsBefore", MONEY, false),
        Field::new("SecondsUpTo", MONEY, false),
        Field::new("SecondsTotal", MONEY, false),
    ])
}

/// One day of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChargeDay {
    date: i32,
    before: i128,
    upto: i128,
    total: i128,
}

/// The days of a charge from `start` to `end`, in microseconds; `Err` says what is wrong.
fn charge_days(start: i64, end: i64) -> Result<impl Iterator<Item = ChargeDay>, &'static str> {
    if end < start {
        return Err("the charge period ends before it starts");
    }
    let first = start.div_euclid(DAY_MICROS);
    let last = if end == start {
        first
    } else {
        // The end is not part of the period, so midnight does not touch the next day.
        (end - 1).div_euclid(DAY_MICROS)
    };
    if last - first >= MOST_DAYS {
        return Err("the charge period is longer than ten years, clip it to the billing period");
    }
    let (Ok(first_date), Ok(_)) = (i32::try_from(first), i32::try_from(last)) else {
        return Err("the charge period lies outside the range of dates");
    };
    let duration = i128::from(end) - i128::from(start);
    let elapsed = move |micros: i64| (i128::from(micros) - i128::from(start)).clamp(0, duration) * MICRO_UNSCALED;
    Ok((first..=last).zip(first_date..).map(move |(day, date)| {
        if duration == 0 {
            return ChargeDay { date, before: 0, upto: SECOND_UNSCALED, total: SECOND_UNSCALED };
        }
        ChargeDay {
            date,
            before: elapsed(day.saturating_mul(DAY_MICROS)),
            upto: elapsed((day + 1).saturating_mul(DAY_MICROS)),
            total: duration * MICRO_UNSCALED,
        }
    }))
}

fn kernel(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let starts = TimeColumn::of(arguments.get(0)?)?;
    let ends = TimeColumn::of(arguments.get(1)?)?;
    let mut dates = Date32Builder::with_capacity(arguments.rows);
    let decimals = || Decimal128Builder::with_capacity(arguments.rows).with_data_type(MONEY);
    let (mut before, mut upto, mut total) = (decimals(), decimals(), decimals());
    let mut valid = NullBufferBuilder::new(arguments.rows);
    let mut lengths = Vec::with_capacity(arguments.rows);
    for row in 0..arguments.rows {
        let (Some(start), Some(end)) = (starts.get(row), ends.get(row)) else {
            valid.append_null();
            lengths.push(0);
            continue;
        };
        let days = match charge_days(start, end) {
            Ok(days) => days,
            Err(reason) => {
                return exec_err!("charge_days: {reason} (microseconds {start} to {end})");
            }
        };
        let mut length = 0_usize;
        for day in days {
            dates.append_value(day.date);
            before.append_value(day.before);
            upto.append_value(day.upto);
            total.append_value(day.total);
            length += 1;
        }
        valid.append_non_null();
        lengths.push(length);
    }
    let columns: Vec<ArrayRef> =
        vec![Arc::new(dates.finish()), Arc::new(before.finish()), Arc::new(upto.finish()), Arc::new(total.finish())];
    let days = StructArray::try_new(day_fields(), columns, None)?;
    Ok(Arc::new(ListArray::try_new(item(), OffsetBuffer::from_lengths(lengths), Arc::new(days), valid.finish())?))
}

#[cfg(test)]
#[path = "days_tests.rs"]
mod tests;
