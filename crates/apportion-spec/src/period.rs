//! Billing periods: the provider's invoice month, written `YYYY-MM`.
//!
//! Half-open in UTC: a period starts at the first instant of its month and ends before the first
//! instant of the next. Nothing here reads a clock.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use crate::{Error, ErrorKind, Result};

/// One invoice month. Orders by time; displays as `YYYY-MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BillingPeriod {
    year: i32,
    month: u32,
}

impl BillingPeriod {
    /// Creates a period from a year (1970–9999) and a month (1–12).
    ///
    /// # Errors
    /// [`ErrorKind::Config`] outside those ranges.
    pub fn try_new(year: i32, month: u32) -> Result<Self> {
        if (1970..=9999).contains(&year) && (1..=12).contains(&month) {
            Ok(Self { year, month })
        } else {
            Err(Error::new(ErrorKind::Config, format!("`{year}-{month}` is not a billing period; write YYYY-MM")))
        }
    }

    /// The period a date lies in.
    #[must_use]
    pub fn containing(date: NaiveDate) -> Self {
        Self { year: date.year(), month: date.month() }
    }

    /// The calendar year.
    #[must_use]
    pub const fn year(self) -> i32 {
        self.year
    }

    /// The month, 1 to 12.
    #[must_use]
    pub const fn month(self) -> u32 {
        self.month
    }

    /// The month after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.month == 12 {
            Self { year: self.year + 1, month: 1 }
        } else {
            Self { year: self.year, month: self.month + 1 }
        }
    }

    /// The month before this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        if self.month == 1 {
            Self { year: self.year - 1, month: 12 }
        } else {
            Self { year: self.year, month: self.month - 1 }
        }
    }

    /// First instant of the period, inclusive.
    #[must_use]
    pub fn start(self) -> DateTime<Utc> {
        NaiveDate::from_ymd_opt(self.year, self.month, 1)
            .and_then(|date| date.and_hms_opt(0, 0, 0))
            .unwrap_or_default()
            .and_utc()
    }

    /// First instant after the period, exclusive.
    #[must_use]
    pub fn end(self) -> DateTime<Utc> {
        self.next().start()
    }

    /// Every period from `first` to `last`, both included; empty when `last` is earlier.
    pub fn range(first: Self, last: Self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(first), |period| Some(period.next())).take_while(move |period| *period <= last)
    }
}

impl fmt::Display for BillingPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for BillingPeriod {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(
                ErrorKind::Config,
                format!("`{text}` is not a billing period; write YYYY-MM, for example 2026-03"),
            )
        };
        let (year, month) = text.split_once('-').ok_or_else(wrong)?;
        if year.len() != 4 || month.is_empty() || month.len() > 2 {
            return Err(wrong());
        }
        Self::try_new(year.parse().map_err(|_| wrong())?, month.parse().map_err(|_| wrong())?).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(text: &str) -> BillingPeriod {
        text.parse().unwrap()
    }

    #[test]
    fn neighbours_cross_the_year() {
        assert_eq!(period("2025-12").next(), period("2026-01"));
        assert_eq!(period("2026-01").previous(), period("2025-12"));
        assert_eq!(period("2024-02").end().to_rfc3339(), "2024-03-01T00:00:00+00:00");
    }

    #[test]
    fn range_includes_both_ends_and_may_be_empty() {
        let months: Vec<String> =
            BillingPeriod::range(period("2025-11"), period("2026-02")).map(|p| p.to_string()).collect();
        assert_eq!(months, ["2025-11", "2025-12", "2026-01", "2026-02"]);
        assert_eq!(BillingPeriod::range(period("2026-02"), period("2026-01")).count(), 0);
    }

    #[test]
    fn wrong_text_names_itself() {
        for text in ["2026", "2026-13", "26-01", "2026-00", "2026-1a", "2026-"] {
            let message = text.parse::<BillingPeriod>().unwrap_err().to_string();
            assert!(message.contains(&format!("`{text}`")), "{message}");
        }
        assert_eq!(period("2026-3"), period("2026-03"), "unpadded months are what AWS writes");
    }
}
