//! `decimal_from_number`, `price_from_number` and `number_residual`: exact decimals from numbers in
//! whatever form an export delivers them.
//!
//! One provider writes doubles, another decimals of 18 places, a CSV text; a column keeps the form
//! it was delivered in until one of these functions reads it, so no decimal passes through a
//! double. The trap avoided: text that is not a number becoming NULL, and with it lost money.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::float_cmp
)]

use apportion_spec::decimal_text::{
    DecimalText, MONEY_SCALE, PRICE_SCALE, RESIDUAL_SCALE, double_at_scale, residual_of_double, without_debris,
};
use arrow::array::{ArrayRef, Decimal128Array};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use super::column::{DecimalColumn, DoubleColumn, TextColumn};
use super::exact::{Inexact, rescale};
use super::function::{Argument, Arguments, Function, MONEY, Nullability, PRICE, RESIDUAL};
use super::money::finish;

/// The functions of this file.
pub(super) fn functions() -> Vec<Function> {
    let argument = &[Argument::Number];
    let nullable = Nullability::Possible;
    vec![
        Function::new("decimal_from_number", argument, MONEY, nullable, |arguments| {
            convert(arguments, MONEY, Form::Rounded(MONEY_SCALE))
        }),
        Function::new("price_from_number", argument, PRICE, nullable, |arguments| {
            convert(arguments, PRICE, Form::Price)
        }),
        Function::new("number_residual", argument, RESIDUAL, nullable, |arguments| {
            convert(arguments, RESIDUAL, Form::Residual)
        }),
    ]
}

/// What is made of a number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// The number with so many decimals.
    Rounded(i64),
    /// A price.
    Price,
    /// What an amount lacks of the number.
    Residual,
}

pub(super) fn convert(arguments: &Arguments<'_>, returns: DataType, form: Form) -> Result<ArrayRef> {
    let argument = arguments.get(0)?;
    let failed = |number: &dyn std::fmt::Display, reason| exec_err!("{}({number}): {reason}", arguments.function);
    let rows = 0..arguments.rows;
    let converted = match argument.data_type() {
        DataType::Float64 | DataType::Null => {
            let values = DoubleColumn::of(argument)?;
            rows.map(|row| match values.get(row) {
                None => Ok(None),
                Some(value) => of_double(value, form).map(Some).or_else(|reason| failed(&format!("{value:e}"), reason)),
            })
            .collect::<Result<Decimal128Array>>()?
        }
        DataType::Decimal128(_, scale) => {
            let values = DecimalColumn::of(argument)?;
            rows.map(|row| match values.get(row) {
                None => Ok(None),
                Some(value) => of_decimal(value, scale, form).map(Some).or_else(|reason| failed(&value, reason)),
            })
            .collect::<Result<Decimal128Array>>()?
        }
        _ => {
            let values = TextColumn::of(argument)?;
            rows.map(|row| match values.get(row) {
                None | Some("") => Ok(None),
                Some(text) => match DecimalText::parse(text) {
                    None => exec_err!("{}: `{text}` is not a number", arguments.function),
                    Some(number) => of_text(&number, form).map(Some).or_else(|reason| failed(&text, reason)),
                },
            })
            .collect::<Result<Decimal128Array>>()?
        }
    };
    finish(converted, returns)
}

fn of_double(value: f64, form: Form) -> Result<i128, Inexact> {
    match form {
        Form::Rounded(scale) => double_at_scale(value, scale),
        Form::Price => double_at_scale(value, PRICE_SCALE).map(without_debris),
        Form::Residual => residual_of_double(value),
    }
}

fn of_text(number: &DecimalText<'_>, form: Form) -> Result<i128, Inexact> {
    match form {
        Form::Rounded(scale) => number.rounded(scale),
        Form::Price => number.rounded(PRICE_SCALE).map(without_debris),
        Form::Residual => number.residual(),
    }
}

fn of_decimal(unscaled: i128, scale: i8, form: Form) -> Result<i128, Inexact> {
    let scale = i64::from(scale);
    match form {
        Form::Rounded(wanted) => rescale(unscaled, scale, wanted),
        Form::Price => rescale(unscaled, scale, PRICE_SCALE).map(without_debris),
        Form::Residual if scale <= MONEY_SCALE => Ok(0),
        Form::Residual => {
            let amount = rescale(unscaled, scale, MONEY_SCALE)?;
            let rest = unscaled.checked_sub(rescale(amount, MONEY_SCALE, scale)?).ok_or(Inexact::Overflow)?;
            rescale(rest, scale, RESIDUAL_SCALE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_number_gives_the_same_decimal() {
        let text = |text: &str, form| of_text(&DecimalText::parse(text).unwrap(), form).unwrap();
        for form in [Form::Rounded(12), Form::Rounded(18), Form::Residual] {
            assert_eq!(of_double(-0.1, form), of_decimal(-1, 1, form));
            assert_eq!(text("-0.1", form), of_decimal(-1, 1, form).unwrap());
            assert_eq!(text("7.84e-13", form), of_decimal(784_000, 18, form).unwrap());
        }
    }

    #[test]
    fn a_price_has_no_debris_of_doubles_in_any_form() {
        let text = |text: &str| of_text(&DecimalText::parse(text).unwrap(), Form::Price).unwrap();
        let tenth = 100_000_000_000_000_000;
        assert_eq!(of_double(0.1, Form::Price), Ok(tenth));
        // 0.30000000000000004, and what is a little less than 0.7.
        assert_eq!(of_double(0.1 + 0.2, Form::Price), Ok(3 * tenth));
        assert_eq!(of_double(0.1 * 7.0, Form::Price), Ok(7 * tenth));
        assert_eq!(of_double(-(0.1 + 0.2), Form::Price), Ok(-3 * tenth));
        assert_eq!(text("0.10000000000000001"), tenth);
        assert_eq!(text("0.09999999999999999"), tenth);
        assert_eq!(of_decimal(100_000_000_000_000_006, 18, Form::Price), Ok(tenth));
        for price in ["0.0000166667", "0.123456789012345678", "0.1234567890126789", "0.000000000000000001", "0"] {
            let whole = of_text(&DecimalText::parse(price).unwrap(), Form::Rounded(18)).unwrap();
            assert_eq!(text(price), whole, "{price}");
        }
    }

    #[test]
    fn a_decimal_keeps_digits_that_no_double_has() {
        // 123456789.123456789012345678 has 27 digits.
        let unscaled = 123_456_789_123_456_789_012_345_678;
        assert_eq!(of_decimal(unscaled, 18, Form::Rounded(12)), Ok(123_456_789_123_456_789_012));
        assert_eq!(of_decimal(unscaled, 18, Form::Residual), Ok(345_678_000_000_000_000_000_000));
        assert_eq!(of_decimal(5, 13, Form::Rounded(12)), Ok(1));
        assert_eq!(of_decimal(-5, 13, Form::Rounded(12)), Ok(-1));
        assert_eq!(of_decimal(-5, 13, Form::Residual), Ok(500_000_000_000_000_000_000_000));
    }
}
