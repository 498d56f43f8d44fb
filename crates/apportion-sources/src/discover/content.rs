//! Folders of one period that neither a manifest nor a time in their names puts in order: slices of the
//! month, copies of it, or runs that follow each other. Only their rows tell.
//!
//! Google's exports are whatever a query wrote: a nightly slice by `export_time` adds up, a full copy
//! repeats. Their rows never change, so a folder adds up when none of its rows is in another one, is
//! left out when all are, and anything between is refused.

use std::collections::BTreeMap;

use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use object_store::ObjectMeta;

use super::DiscoveredUnit;
use super::coverage::{self, CoverageOrigin, Days, Delivery, Opened};
use super::layers::{is_later, modified};
use super::resolve::superseded_text;
use crate::contract::SourceContract;
use crate::repeats::{Candidate, Relation, relation};
use crate::store::Location;

/// Objects of one folder.
struct Slice {
    version: Option<String>,
    objects: Vec<ObjectMeta>,
    candidates: Vec<Candidate>,
    opened: Vec<Opened>,
}

impl Slice {
    /// The name a message calls it by.
    fn name(&self, location: &Location) -> String {
        self.objects.first().map(|meta| format!("`{}`", location.name(&meta.location))).unwrap_or_default()
    }
}

/// Chooses among folders by their rows.
///
/// # Errors
/// [`ErrorKind::ContractViolated`] naming folders that repeat rows in part, and those of reading.
pub(super) async fn choose(
    location: &Location,
    contract: &'static SourceContract,
    period: BillingPeriod,
    versions: BTreeMap<Option<String>, Vec<ObjectMeta>>,
) -> Result<DiscoveredUnit> {
    let mut slices = Vec::with_capacity(versions.len());
    for (version, objects) in versions {
        let opened = coverage::open(location, &objects).await?;
        let candidate = |object: &Opened| {
            let name = location.name(&object.meta.location);
            Candidate::new(&object.location, &object.footer, name, None, contract)
        };
        let candidates = opened.iter().map(candidate).collect();
        slices.push(Slice { version, objects, candidates, opened });
    }
    // Rows that never change are equal in every copy; others may have been rated again.
    let exact = contract.delivery.exported.is_some();
    slices.sort_by_key(|slice| std::cmp::Reverse((modified(&slice.objects), slice.version.clone())));
    let mut kept: Vec<Slice> = Vec::new();
    let mut superseded: Vec<Slice> = Vec::new();
    for slice in slices {
        let mut is_within = false;
        let mut torn = None;
        // Copying sets times in any order, so what was kept may as well lie within this one.
        let mut within_this = Vec::new();
        for (index, other) in kept.iter().enumerate() {
            match relation(&slice.candidates, &other.candidates, exact).await? {
                Relation::Apart => {}
                Relation::Within if exact || is_later(modified(&other.objects), modified(&slice.objects)) => {
                    is_within = true;
                }
                Relation::Within => match rated_alike(&slice, other).await? {
                    true => is_within = true,
                    false => return Err(undecided(location, &slice, other)),
                },
                Relation::Torn(days) => match relation(&other.candidates, &slice.candidates, exact).await? {
                    Relation::Within if exact => within_this.push(index),
                    _ => torn = Some((index, days)),
                },
            }
        }
        if let Some((other, days)) = torn.and_then(|(index, days)| Some((kept.get(index)?, days))) {
            return Err(overlap(location, &slice, other, &days));
        }
        if is_within {
            superseded.push(slice);
            continue;
        }
        for index in within_this.into_iter().rev() {
            superseded.push(kept.remove(index));
        }
        kept.push(slice);
    }
    let mut unit = DiscoveredUnit::new(period, Vec::new());
    if !superseded.is_empty() {
        unit.notes.push(superseded_text(superseded.len(), superseded.iter().map(|slice| slice.objects.len()).sum()));
    }
    if kept.len() > 1 {
        unit.notes.push(format!("{} folders of other rows make up the month", kept.len()));
    }
    for slice in kept {
        let mut days = Days::default();
        for of in coverage::of_rows(location, &slice.opened, contract, period).await?.values() {
            days.add(of);
        }
        unit.deliveries.push(Delivery { dataset: None, run: slice.version, days, origin: CoverageOrigin::Rows });
        unit.objects.extend(slice.objects);
    }
    Ok(unit)
}

/// Whether it does not matter which of two runs counts: they say the same, or one goes further and so is the later.
async fn rated_alike(slice: &Slice, other: &Slice) -> Result<bool> {
    let goes_further = relation(&other.candidates, &slice.candidates, false).await? != Relation::Within;
    Ok(goes_further || relation(&slice.candidates, &other.candidates, true).await? == Relation::Within)
}

fn undecided(location: &Location, left: &Slice, right: &Slice) -> Error {
    let message = format!(
        "two runs state the same charges with other amounts, and neither their names nor their times say which is \
         newer: {} and {}; keep the files of one of them",
        left.name(location),
        right.name(location)
    );
    Error::new(ErrorKind::ContractViolated, message)
}

fn overlap(location: &Location, left: &Slice, right: &Slice, days: &Days) -> Error {
    let days = if days.is_empty() { String::new() } else { format!(" of {days}") };
    let message = format!(
        "rows{days} lie in {} and in {} as well, and each has rows of its own; exports that overlap would count \
         twice: keep those that state each row once",
        left.name(location),
        right.name(location)
    );
    Error::new(ErrorKind::ContractViolated, message)
}

/// A note about days that no row is of, where rows are added as they come: an extract may have been missed.
///
/// # Errors
/// When an object cannot be read.
pub(super) async fn missing_days(
    location: &Location,
    contract: &SourceContract,
    unit: &DiscoveredUnit,
) -> Result<Option<String>> {
    if contract.delivery.exported.is_none() {
        return Ok(None);
    }
    let mut days = Days::default();
    if unit.deliveries.is_empty() || unit.deliveries.iter().any(|delivery| delivery.origin != CoverageOrigin::Rows) {
        let opened = coverage::open(location, &unit.objects).await?;
        for of in coverage::of_rows(location, &opened, contract, unit.billing_period).await?.values() {
            days.add(of);
        }
    } else {
        // The rows were looked at to choose among them.
        unit.deliveries.iter().for_each(|delivery| days.add(&delivery.days));
    }
    let missing = days.common(&Days::of(unit.billing_period)).gaps();
    Ok((!missing.is_empty())
        .then(|| format!("no row is of {missing}, though later days have some; was the export of these days missed?")))
}
