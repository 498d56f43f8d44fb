//! What a delivery covers: the days its rows are charged on.
//!
//! Deliveries replace each other or add up, and only what they cover tells which. It is stated by
//! manifests, else by the names of folders, else by the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use apportion_spec::{BillingPeriod, Result};
use chrono::{DateTime, Days as Span, NaiveDate};
use object_store::ObjectMeta;

use super::{columns, is_csv};
use crate::contract::SourceContract;
use crate::csv::{self, Copies};
use crate::objects::{Footer, footers};
use crate::store::Location;

/// No export covers more; a longer range is a typing error in a folder's name.
const LONGEST: u64 = 366;

/// A set of days, in UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Days(BTreeSet<NaiveDate>);

impl Days {
    /// All days from the first to the last, both included; none when they are in the wrong order or too far apart.
    #[must_use]
    pub fn between(first: NaiveDate, last: NaiveDate) -> Self {
        let apart = u64::try_from((last - first).num_days()).ok().filter(|apart| *apart < LONGEST);
        Self(
            apart
                .into_iter()
                .flat_map(|apart| (0..=apart).filter_map(move |day| first.checked_add_days(Span::new(day))))
                .collect(),
        )
    }

    /// All days of a billing period.
    #[must_use]
    pub fn of(period: BillingPeriod) -> Self {
        let (first, end) = (period.start().date_naive(), period.end().date_naive());
        end.pred_opt().map(|last| Self::between(first, last)).unwrap_or_default()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every day is in `others` as well.
    #[must_use]
    pub fn is_within(&self, others: &Self) -> bool {
        self.0.is_subset(&others.0)
    }

    /// The days that both have.
    #[must_use]
    pub fn common(&self, others: &Self) -> Self {
        Self(self.0.intersection(&others.0).copied().collect())
    }

    /// The days that `others` has not.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        Self(self.0.difference(&others.0).copied().collect())
    }

    /// Adds the days of `others`.
    pub fn add(&mut self, others: &Self) {
        self.0.extend(&others.0);
    }

    /// The days, in order.
    pub fn iter(&self) -> impl Iterator<Item = NaiveDate> {
        self.0.iter().copied()
    }

    /// Runs of days that follow each other: first and last of each.
    #[must_use]
    pub fn ranges(&self) -> Vec<(NaiveDate, NaiveDate)> {
        let mut ranges: Vec<(NaiveDate, NaiveDate)> = Vec::new();
        for day in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if last.succ_opt() == Some(day) => *last = day,
                _ => ranges.push((day, day)),
            }
        }
        ranges
    }

    /// Days between the first and the last that are not there.
    #[must_use]
    pub fn gaps(&self) -> Self {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => Self::between(*first, *last).without(self),
            _ => Self::default(),
        }
    }
}

impl FromIterator<NaiveDate> for Days {
    fn from_iter<I: IntoIterator<Item = NaiveDate>>(days: I) -> Self {
        Self(days.into_iter().collect())
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = self.ranges();
        for (index, (first, last)) in ranges.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first} to {last}")?,
            }
        }
        if ranges.is_empty() { f.write_str("no day") } else { Ok(()) }
    }
}

/// Where it is known from what a delivery covers, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoverageOrigin {
    /// The provider's manifest.
    Manifest,
    /// The name of the delivery's folder.
    Folder,
    /// The rows themselves.
    Rows,
}

/// Objects of a unit that were exported together, and what they count for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The dataset, for exports that consist of two.
    pub dataset: Option<String>,
    /// The run that wrote it: a folder, or the provider's id.
    pub run: Option<String>,
    /// The days that count from it.
    pub days: Days,
    /// Where these are known from.
    pub origin: CoverageOrigin,
}

/// An object that was opened to look at its rows; a CSV object through its copy.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) meta: ObjectMeta,
    pub(crate) location: Location,
    pub(crate) footer: Footer,
    #[expect(dead_code, reason = "owns the copy")]
    copies: Option<Copies>,
}

/// Opens objects, in the order given.
pub(super) async fn open(location: &Location, objects: &[ObjectMeta]) -> Result<Vec<Opened>> {
    let mut opened = Vec::with_capacity(objects.len());
    for meta in objects {
        let copies = match is_csv(meta.location.as_ref()) {
            true => Some(csv::copies(location, std::slice::from_ref(meta)).await?),
            false => None,
        };
        let (place, read) = match &copies {
            Some(copies) => (&copies.location, copies.objects.clone()),
            None => (location, vec![meta.clone()]),
        };
        for footer in footers(place, read).await? {
            opened.push(Opened { meta: meta.clone(), location: place.clone(), footer, copies: copies.clone() });
        }
    }
    Ok(opened)
}

/// On which days the rows of a period are charged, by object; `None` is the day of rows that name none.
pub(super) async fn of_rows(
    location: &Location,
    objects: &[Opened],
    contract: &SourceContract,
    period: BillingPeriod,
) -> Result<BTreeMap<object_store::path::Path, Days>> {
    let mut covered = BTreeMap::new();
    for object in objects {
        let name = location.name(&object.meta.location);
        let mut days = BTreeSet::new();
        columns::visit(
            &object.location,
            &object.footer,
            &name,
            contract,
            &[contract.delivery.day, contract.period.name()],
            |batch| {
                let periods = batch.column(contract.period.name()).map(|found| columns::periods(&found));
                let moments =
                    batch.column(contract.delivery.day).map(|found| columns::moments(&found)).unwrap_or_default();
                for (row, moment) in moments.into_iter().enumerate() {
                    let of = periods.as_ref().and_then(|periods| periods.get(row).copied().flatten());
                    if of.is_none_or(|of| of == period) {
                        days.extend(moment.and_then(day));
                    }
                }
            },
        )
        .await?;
        covered.insert(object.meta.location.clone(), Days(days));
    }
    Ok(covered)
}

/// The day a moment in microseconds lies in.
pub(crate) fn day(micros: i64) -> Option<NaiveDate> {
    DateTime::from_timestamp_micros(micros).map(|moment| moment.date_naive())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(from: u32, to: u32) -> Days {
        let day = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
        Days::between(day(from), day(to))
    }

    #[test]
    fn days_are_sets_that_read_like_ranges() {
        let mut some = days(1, 3);
        some.add(&days(5, 5));
        some.add(&days(7, 8));
        assert_eq!(some.to_string(), "2026-01-01 to 2026-01-03, 2026-01-05, 2026-01-07 to 2026-01-08");
        assert_eq!(some.gaps().to_string(), "2026-01-04, 2026-01-06");
        assert_eq!(some.common(&days(3, 7)).to_string(), "2026-01-03, 2026-01-05, 2026-01-07");
        assert_eq!(some.without(&days(2, 31)).to_string(), "2026-01-01");
        assert!(days(2, 3).is_within(&some) && !days(3, 4).is_within(&some));
        assert_eq!(Days::default().to_string(), "no day");
        assert!(Days::between(NaiveDate::MIN, NaiveDate::MAX).is_empty() && days(3, 2).is_empty());
        assert_eq!(Days::of("2026-02".parse().unwrap()).ranges().len(), 1);
        assert_eq!(Days::of("2026-02".parse().unwrap()).iter().count(), 28);
    }
}
