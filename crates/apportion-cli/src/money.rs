//! An exact amount for reports: units of 10^-12, shown with all its decimals.

use std::fmt;

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

impl std::ops::AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl Money {
    /// Reads a plain decimal with at most twelve decimals.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let decimals = decimals.trim_end_matches('0');
        if decimals.len() > 12 {
            return None;
        }
        format!("{whole}{decimals:0<12}").parse::<i128>().ok().map(|units| Self(units * sign))
    }
}
