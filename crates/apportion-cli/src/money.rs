//! An exact amount for reports: units of 10^-12, shown with all its decimals.

use std::fmt;

use apportion_spec::{Error, ErrorKind, Result};
use serde::{Serialize, Serializer};

/// A decimal with twelve decimals, as the tables hold it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Money(pub(crate) i128);

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:013}", self.0.unsigned_abs());
        let (whole, decimals) = digits.split_at(digits.len() - 12);
        write!(f, "{}{whole}.{decimals}", if self.0 < 0 { "-" } else { "" })
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Money {
    /// Reads a plain decimal with at most twelve decimals.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let kept = decimals.trim_end_matches('0');
        if !are_digits(whole) || !are_digits(decimals) || kept.len() > 12 {
            return None;
        }
        format!("{whole}{kept:0<12}").parse::<i128>().ok().map(|units| Self(units * sign))
    }

    /// Reads an amount that must be one: what cannot be read is no zero.
    ///
    /// # Errors
    /// [`ErrorKind::ContractViolated`] when it is none.
    pub(crate) fn read(text: &str) -> Result<Self> {
        Self::parse(text).ok_or_else(|| {
            Error::new(ErrorKind::ContractViolated, format!("`{text}` is no amount of at most twelve decimals"))
        })
    }

    /// The sum, exact or none.
    ///
    /// # Errors
    /// [`ErrorKind::ContractViolated`] when it is more than an amount can be.
    pub(crate) fn plus(self, other: Self) -> Result<Self> {
        self.0.checked_add(other.0).map(Self).ok_or_else(|| beyond(self, "+", other))
    }

    /// The difference, exact or none.
    ///
    /// # Errors
    /// [`ErrorKind::ContractViolated`] when it is more than an amount can be.
    pub(crate) fn minus(self, other: Self) -> Result<Self> {
        self.0.checked_sub(other.0).map(Self).ok_or_else(|| beyond(self, "-", other))
    }

    /// Adds another amount to this one.
    ///
    /// # Errors
    /// As [`Money::plus`].
    pub(crate) fn add(&mut self, other: Self) -> Result<()> {
        *self = self.plus(other)?;
        Ok(())
    }
}

fn beyond(left: Money, sign: &str, right: Money) -> Error {
    Error::new(ErrorKind::ContractViolated, format!("{left} {sign} {right} is more than an amount can be"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_exactly_or_not_at_all() {
        for (text, units) in [
            ("0", 0),
            ("-0.5", -500_000_000_000),
            ("12.000000000001", 12_000_000_000_001),
            ("1.50000000000000", 1_500_000_000_000),
        ] {
            assert_eq!(Money::parse(text), Some(Money(units)), "{text}");
        }
        let too_large = "9".repeat(40);
        for text in ["", "-", "--5", "+5", "5.", ".5", "1e3", " 1", "1,5", "0.1234567890123", "NaN", &too_large] {
            assert_eq!(Money::parse(text), None, "{text}");
            assert_eq!(Money::read(text).unwrap_err().kind(), ErrorKind::ContractViolated);
        }
    }

    #[test]
    fn a_sum_is_exact_or_an_error() {
        assert_eq!(Money(1).plus(Money(-3)).unwrap(), Money(-2));
        assert!(Money(i128::MAX).plus(Money(1)).is_err());
        assert!(Money(i128::MIN).minus(Money(1)).is_err());
    }
}
