//! Decimal numbers as text, and doubles by their shortest decimal text.
//!
//! A bill's double `0.1` means the decimal 0.1, not the binary number nearest to it, so doubles
//! are converted by the shortest text that reads back as the same double. Digits are taken from
//! the text by position and never pass through floating point; the one shortcut that does is
//! proven below. Bills and telemetry are read by the same functions. The traps avoided: Arrow's own
//! string parser refuses `2e-7`, and two conversions of one double that differ in the last digit.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::float_cmp
)]

use std::fmt::{self, Write as _};

/// Decimals of a stored amount.
pub const MONEY_SCALE: i64 = 12;
/// Decimals of a price.
pub const PRICE_SCALE: i64 = 18;
/// Decimals of a recorded residual.
pub const RESIDUAL_SCALE: i64 = 36;
/// 10^24: one unit of an amount, counted in units of a residual.
const MONEY_IN_RESIDUALS: i128 = 1_000_000_000_000_000_000_000_000;
/// Integers below this have at most 15 digits, which every double tells apart.
const EXACT_DIGITS: f64 = 1e15;

/// The largest unscaled value of a decimal with 38 digits.
pub const MAX_UNSCALED: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;

/// Why an exact operation has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inexact {
    /// The result needs more than 38 digits.
    Overflow,
    /// The value is NaN or infinite.
    NotFinite,
    /// The weights of a split are not `0 <= before <= upto <= total` with `total > 0`.
    Weights,
}

impl fmt::Display for Inexact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Overflow => "the result does not fit a decimal of 38 digits",
            Self::NotFinite => "the value is not a finite number",
            Self::Weights => "weights must satisfy 0 <= before <= upto <= total and total must be positive",
        })
    }
}

/// Returns `value` when 38 digits hold it.
///
/// # Errors
/// [`Inexact::Overflow`] when they do not.
pub fn fits(value: i128) -> Result<i128, Inexact> {
    if (-MAX_UNSCALED..=MAX_UNSCALED).contains(&value) { Ok(value) } else { Err(Inexact::Overflow) }
}

/// A decimal number in text form: digits, where the point stands, and a sign.
#[derive(Debug, Clone, Copy)]
pub struct DecimalText<'a> {
    negative: bool,
    /// ASCII digits, with at most one `.` among them, which is skipped when counting.
    digits: &'a [u8],
    /// How many digits stand before the decimal point; may lie outside the digits.
    point: i64,
}

impl<'a> DecimalText<'a> {
    /// Reads `[+-]digits[.digits][e[+-]digits]`; anything else is not a number.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let bytes = text.trim_ascii().as_bytes();
        let (negative, bytes) = match bytes.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, bytes),
        };
        let (digits, exponent) = match bytes.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(position) => {
                let (digits, rest) = bytes.split_at_checked(position)?;
                let exponent = std::str::from_utf8(rest.get(1..)?).ok()?;
                (digits, exponent.parse::<i32>().ok()?)
            }
            None => (bytes, 0),
        };
        let dot = digits.iter().position(|byte| *byte == b'.');
        let count = digits.len().checked_sub(usize::from(dot.is_some()))?;
        let valid = |byte: &u8| byte.is_ascii_digit();
        let after_dot = match dot {
            Some(dot) => digits.get(dot.checked_add(1)?..)?,
            None => &[],
        };
        let before_dot = digits.get(..dot.unwrap_or(digits.len()))?;
        if count == 0 || !before_dot.iter().all(valid) || !after_dot.iter().all(valid) {
            return None;
        }
        let point = i64::try_from(before_dot.len()).ok()?.checked_add(i64::from(exponent))?;
        Some(Self { negative, digits, point })
    }

    /// The number times 10^`scale`, rounded half away from zero.
    ///
    /// # Errors
    /// When it needs more than 38 digits.
    pub fn rounded(&self, scale: i64) -> Result<i128, Inexact> {
        let end = self.point.checked_add(scale).ok_or(Inexact::Overflow)?;
        let kept = self.integer(0, end)?;
        let rounded = if self.digit(end) >= 5 { kept.checked_add(1).ok_or(Inexact::Overflow)? } else { kept };
        self.signed(fits(rounded)?)
    }

    /// What rounding to an amount leaves over, in units of 10^-36 (rounded there).
    ///
    /// It is exact for every double of 10^-20 and above; below that a double may have digits
    /// beyond the 36th decimal, where the sum of a billion of them is still under 10^-27.
    ///
    /// # Errors
    /// When it needs more than 38 digits.
    pub fn residual(&self) -> Result<i128, Inexact> {
        let digits = RESIDUAL_SCALE.checked_sub(MONEY_SCALE).ok_or(Inexact::Overflow)?;
        let start = self.point.checked_add(MONEY_SCALE).ok_or(Inexact::Overflow)?;
        let end = start.checked_add(digits).ok_or(Inexact::Overflow)?;
        let mut left_over = self.integer(start, end)?;
        if self.digit(end) >= 5 {
            left_over = left_over.checked_add(1).ok_or(Inexact::Overflow)?;
        }
        if self.digit(start) >= 5 {
            left_over = left_over.checked_sub(MONEY_IN_RESIDUALS).ok_or(Inexact::Overflow)?;
        }
        self.signed(left_over)
    }

    fn signed(&self, magnitude: i128) -> Result<i128, Inexact> {
        if self.negative { magnitude.checked_neg().ok_or(Inexact::Overflow) } else { Ok(magnitude) }
    }

    fn plain_digits(&self) -> impl Iterator<Item = u8> + 'a {
        self.digits.iter().filter(|byte| **byte != b'.').map(|byte| byte.wrapping_sub(b'0'))
    }

    /// The digit at `position`, counted from the first one; zero outside the text.
    fn digit(&self, position: i64) -> u8 {
        usize::try_from(position).ok().and_then(|position| self.plain_digits().nth(position)).unwrap_or(0)
    }

    /// The digits at the positions `from..end` as one integer, zeros outside the text.
    fn integer(&self, from: i64, end: i64) -> Result<i128, Inexact> {
        let Ok(end) = usize::try_from(end) else {
            return Ok(0);
        };
        let skipped = usize::try_from(from).unwrap_or(0);
        let mut value = 0_i128;
        let mut position = skipped;
        for digit in self.plain_digits().take(end).skip(skipped) {
            value = push_digit(value, digit)?;
            position = position.checked_add(1).ok_or(Inexact::Overflow)?;
        }
        while value != 0 && position < end {
            value = push_digit(value, 0)?;
            position = position.checked_add(1).ok_or(Inexact::Overflow)?;
        }
        Ok(value)
    }
}

fn push_digit(value: i128, digit: u8) -> Result<i128, Inexact> {
    value.checked_mul(10).and_then(|value| value.checked_add(i128::from(digit))).ok_or(Inexact::Overflow)
}

/// Digits that every double tells apart.
const DOUBLE_DIGITS: u32 = 15;
/// Zeros at the end of them that no price has by chance.
const ROUND: u128 = 1_000;

/// A price without what arithmetic on doubles left behind: `0.10000000000000001`, and the same as a decimal or
/// text, is 0.1. Digits beyond the fifteenth are no price's own where the last three before them are zeros.
#[must_use]
pub fn without_debris(price: i128) -> i128 {
    let clean = || {
        let digits = price.unsigned_abs();
        let beyond = digits.checked_ilog10()?.checked_sub(DOUBLE_DIGITS.checked_sub(1)?)?;
        let unit = 10_u128.checked_pow(beyond)?;
        let kept = digits.checked_add(unit.checked_div(2)?)?.checked_div(unit)?;
        if kept.checked_rem(ROUND)? != 0 {
            return None;
        }
        let clean = i128::try_from(kept.checked_mul(unit)?).ok()?;
        if price < 0 { clean.checked_neg() } else { Some(clean) }
    };
    clean().unwrap_or(price)
}

/// The double as an unscaled amount (12 decimals).
///
/// # Errors
/// When it is not finite, or needs more than 38 digits.
pub fn amount_of_double(value: f64) -> Result<i128, Inexact> {
    if let Some(amount) = amount_by_arithmetic(value) {
        return Ok(amount);
    }
    amount_by_text(value)
}

/// The double as an unscaled amount, by way of its shortest text.
fn amount_by_text(value: f64) -> Result<i128, Inexact> {
    by_text(value, MONEY_SCALE)
}

/// The double with `scale` decimals, as an unscaled decimal.
///
/// # Errors
/// When it is not finite, or needs more than 38 digits.
pub fn double_at_scale(value: f64, scale: i64) -> Result<i128, Inexact> {
    if scale == MONEY_SCALE { amount_of_double(value) } else { by_text(value, scale) }
}

fn by_text(value: f64, scale: i64) -> Result<i128, Inexact> {
    let mut buffer = ShortText::default();
    buffer.print(value)?.rounded(scale)
}

/// What [`amount_of_double`] leaves over, in units of 10^-36.
///
/// # Errors
/// When it is not finite, or needs more than 38 digits.
pub fn residual_of_double(value: f64) -> Result<i128, Inexact> {
    if amount_by_arithmetic(value).is_some() {
        return Ok(0);
    }
    let mut buffer = ShortText::default();
    buffer.print(value)?.residual()
}

/// The shortcut for doubles whose shortest text has few digits, which is nearly all of a bill.
///
/// If an integer `r` below 10^15 gives `r / 10^k == value` after correct rounding, then the
/// decimal `r * 10^-k` has at most 15 digits and reads back as `value`. Two different decimals
/// of at most 15 digits never read back as the same double, so it *is* the shortest text.
#[expect(
    clippy::float_arithmetic,
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    reason = "exact by the argument above; a property test compares it with the text path"
)]
fn amount_by_arithmetic(value: f64) -> Option<i128> {
    // Larger amounts have fewer decimals within 15 digits: thousands keep 9, millions keep 6.
    let (scale, rest) = match value.abs() {
        below if below < 1e3 => (1e12, 1),
        below if below < 1e6 => (1e9, 1_000),
        below if below < 1e9 => (1e6, 1_000_000),
        _ => return None,
    };
    let scaled = (value * scale).round();
    if scaled.abs() < EXACT_DIGITS && scaled / scale == value {
        i128::from(scaled as i64).checked_mul(rest)
    } else {
        None
    }
}

/// Room for the shortest scientific text of a double (`-1.2345678901234567e-308`).
#[derive(Debug, Default)]
struct ShortText {
    bytes: [u8; 32],
    length: usize,
}

impl ShortText {
    fn print(&mut self, value: f64) -> Result<DecimalText<'_>, Inexact> {
        if !value.is_finite() {
            return Err(Inexact::NotFinite);
        }
        write!(self, "{value:e}").map_err(|_| Inexact::NotFinite)?;
        self.bytes
            .get(..self.length)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .and_then(DecimalText::parse)
            .ok_or(Inexact::NotFinite)
    }
}

impl fmt::Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length.checked_add(text.len()).ok_or(fmt::Error)?;
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
#[path = "decimal_text_tests.rs"]
mod tests;
