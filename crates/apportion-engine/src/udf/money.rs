//! `decimal_from_double`, `decimal_residual`, `decimal_from_text`, `divide_round` and
//! `multiply_round`: how numbers of a bill become exact decimals, and the only two places where
//! a price meets an amount.
//!
//! SQL's own `cast(double as decimal)` rounds the binary number, and its decimal division loses
//! digits or overflows by the types involved, so neither is used on money. A value that does not
//! fit is an error that names it, never NULL.

use std::sync::Arc;

use apportion_spec::decimal_text::{DecimalText, MONEY_SCALE, PRICE_SCALE, without_debris};
use arrow::array::{ArrayRef, Decimal128Array};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, internal_err};

use super::column::{DecimalColumn, TextColumn};
use super::exact::{Inexact, divide_round, multiply_round};
use super::function::{Argument, Arguments, Function, MONEY, Nullability, PRICE, RESIDUAL};
use super::numbers::{Form, convert};

/// The functions of this file.
pub(super) fn functions() -> Vec<Function> {
    use Argument::{Double, Money, Price, Text};
    use Nullability::{Possible, WhenAnArgumentIs};
    vec![
        Function::new("decimal_from_double", &[Double], MONEY, WhenAnArgumentIs, |arguments| {
            convert(arguments, MONEY, Form::Rounded(MONEY_SCALE))
        }),
        Function::new("decimal_residual", &[Double], RESIDUAL, WhenAnArgumentIs, |arguments| {
            convert(arguments, RESIDUAL, Form::Residual)
        }),
        Function::new("decimal_from_text", &[Text], PRICE, Possible, of_text),
        Function::new("divide_round", &[Money, Money], PRICE, Possible, |arguments| {
            of_decimals(arguments, PRICE, divide_round)
        }),
        Function::new("multiply_round", &[Price, Money], MONEY, WhenAnArgumentIs, |arguments| {
            of_decimals(arguments, MONEY, |price, quantity| multiply_round(price, quantity).map(Some))
        }),
    ]
}

fn of_text(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let values = TextColumn::of(arguments.get(0)?)?;
    let converted = (0..arguments.rows)
        .map(|row| {
            let Some(number) = values.get(row).and_then(DecimalText::parse) else {
                return Ok(None);
            };
            match number.rounded(PRICE_SCALE).map(without_debris) {
                Ok(converted) => Ok(Some(converted)),
                Err(reason) => exec_err!("{}('{}'): {reason}", arguments.function, values.get(row).unwrap_or_default()),
            }
        })
        .collect::<Result<Decimal128Array>>()?;
    finish(converted, PRICE)
}

fn of_decimals(
    arguments: &Arguments<'_>,
    returns: DataType,
    combine: fn(i128, i128) -> Result<Option<i128>, Inexact>,
) -> Result<ArrayRef> {
    let left = DecimalColumn::of(arguments.get(0)?)?;
    let right = DecimalColumn::of(arguments.get(1)?)?;
    let combined = (0..arguments.rows)
        .map(|row| {
            let (Some(left), Some(right)) = (left.get(row), right.get(row)) else {
                return Ok(None);
            };
            match combine(left, right) {
                Ok(combined) => Ok(combined),
                Err(reason) => exec_err!("{}: {reason} (unscaled arguments {left} and {right})", arguments.function),
            }
        })
        .collect::<Result<Decimal128Array>>()?;
    finish(combined, returns)
}

/// Gives unscaled values the precision and scale of a result.
pub(super) fn finish(values: Decimal128Array, returns: DataType) -> Result<ArrayRef> {
    if matches!(returns, DataType::Decimal128(..)) {
        Ok(Arc::new(values.with_data_type(returns)))
    } else {
        internal_err!("{returns} is not a decimal")
    }
}
