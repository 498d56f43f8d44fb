//! Exact integer arithmetic behind the money functions, with no Arrow in sight.
//!
//! Everything works on unscaled integers (`i128`, as `Decimal128` stores them) with 256-bit
//! intermediates where the product of two of them may not fit. Rounding is always half away
//! from zero: rounding half up is not symmetric, so a refund would not mirror its charge.
//! The trap avoided: a product or a sum that wraps. Every operation here is checked, and a
//! result that does not fit `DECIMAL(38, s)` is an error, never a different number.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::float_cmp
)]

pub(crate) use apportion_spec::decimal_text::{Inexact, fits};
use arrow::datatypes::i256;

/// 10^12, one unit of a weight.
const WEIGHT_UNIT: i128 = 1_000_000_000_000;

/// 10^18, the factor between a price and a whole unit.
const PRICE_UNIT: i128 = 1_000_000_000_000_000_000;

/// An unscaled decimal of `from` decimals as one of `to` decimals, rounded half away from zero.
pub(crate) fn rescale(unscaled: i128, from: i64, to: i64) -> Result<i128, Inexact> {
    let factor = |digits: i64| {
        let digits = u32::try_from(digits).map_err(|_| Inexact::Overflow)?;
        10_i128.checked_pow(digits).ok_or(Inexact::Overflow)
    };
    if from <= to {
        if unscaled == 0 {
            return Ok(0);
        }
        unscaled.checked_mul(factor(to.saturating_sub(from))?).ok_or(Inexact::Overflow).and_then(fits)
    } else {
        divide_narrow(unscaled, factor(from.saturating_sub(to))?).ok_or(Inexact::Overflow)
    }
}

/// The part of `cost` that belongs to the weights in `(before, upto]` of `total`.
///
/// `R(cost * upto / total) - R(cost * before / total)` with `R` rounding half away from zero:
/// the parts of consecutive ranges telescope, so they always add up to `cost`.
pub(crate) fn apportion(cost: i128, before: i128, upto: i128, total: i128) -> Result<i128, Inexact> {
    if total <= 0 || before < 0 || before > upto || upto > total {
        return Err(Inexact::Weights);
    }
    if before == upto {
        return Ok(0);
    }
    share(cost, upto, total)?.checked_sub(share(cost, before, total)?).ok_or(Inexact::Overflow).and_then(fits)
}

/// `R(cost * weight / total)` for `0 <= weight <= total`.
fn share(cost: i128, weight: i128, total: i128) -> Result<i128, Inexact> {
    if weight == 0 || cost == 0 {
        return Ok(0);
    }
    if weight == total {
        return Ok(cost);
    }
    if let Some(product) = cost.checked_mul(weight) {
        return divide_narrow(product, total).ok_or(Inexact::Overflow);
    }
    // Whole numbers carry twelve zeros each; without them the product mostly fits 128 bits.
    match (whole(weight), whole(total)) {
        (Some(weight), Some(total)) => multiply_divide(cost, weight, total),
        _ => multiply_divide(cost, weight, total),
    }
}

/// The integer that a weight of 12 decimals stands for, if it is one.
fn whole(weight: i128) -> Option<i128> {
    let rest = weight.checked_rem(WEIGHT_UNIT)?;
    if rest == 0 { weight.checked_div(WEIGHT_UNIT) } else { None }
}

/// `numerator / denominator` of two amounts as an unscaled price; `None` for a zero denominator.
pub(crate) fn divide_round(numerator: i128, denominator: i128) -> Result<Option<i128>, Inexact> {
    if denominator == 0 {
        return Ok(None);
    }
    multiply_divide(numerator, PRICE_UNIT, denominator).and_then(fits).map(Some)
}

/// `price * quantity` as an unscaled amount.
pub(crate) fn multiply_round(price: i128, quantity: i128) -> Result<i128, Inexact> {
    multiply_divide(price, quantity, PRICE_UNIT).and_then(fits)
}

/// `left * right / divisor`, rounded half away from zero, through 256 bits where 128 are too few.
fn multiply_divide(left: i128, right: i128, divisor: i128) -> Result<i128, Inexact> {
    if let Some(product) = left.checked_mul(right) {
        return divide_narrow(product, divisor).ok_or(Inexact::Overflow);
    }
    let product = i256::from_i128(left).checked_mul(i256::from_i128(right)).ok_or(Inexact::Overflow)?;
    divide_wide(product, i256::from_i128(divisor)).and_then(i256::to_i128).ok_or(Inexact::Overflow)
}

fn divide_narrow(numerator: i128, denominator: i128) -> Option<i128> {
    let quotient = numerator.checked_div(denominator)?;
    let remainder = numerator.checked_sub(quotient.checked_mul(denominator)?)?.unsigned_abs();
    let missing = denominator.unsigned_abs().checked_sub(remainder)?;
    if remainder < missing {
        return Some(quotient);
    }
    if (numerator < 0) == (denominator < 0) { quotient.checked_add(1) } else { quotient.checked_sub(1) }
}

fn divide_wide(numerator: i256, denominator: i256) -> Option<i256> {
    let quotient = numerator.checked_div(denominator)?;
    let remainder = numerator.checked_sub(quotient.checked_mul(denominator)?)?.checked_abs()?;
    let missing = denominator.checked_abs()?.checked_sub(remainder)?;
    if remainder < missing {
        return Some(quotient);
    }
    if numerator.is_negative() == denominator.is_negative() {
        quotient.checked_add(i256::ONE)
    } else {
        quotient.checked_sub(i256::ONE)
    }
}

#[cfg(test)]
#[path = "exact_tests.rs"]
mod tests;
