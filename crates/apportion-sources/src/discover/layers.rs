//! Deliveries over other days of one period, laid over each other: of every day the newest counts.
//!
//! A month may be exported in two halves, a window of days again, or a few days after the whole. The
//! newest delivery that covers a day states it, whatever older ones said of it. Which one is newer must
//! be known, and rows must lie in the days their delivery covers; else the month is refused.

use std::collections::BTreeMap;

use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use chrono::{DateTime, TimeDelta, Utc};
use object_store::ObjectMeta;

use super::coverage::{self, CoverageOrigin, Days, Delivery, Opened};
use super::{DiscoveredUnit, ManifestIdentity};
use crate::contract::SourceContract;
use crate::store::Location;

/// Times of modification that lie closer were set by copying, and say nothing of which run is newer.
const TELLING_APART: TimeDelta = TimeDelta::seconds(60);

/// The current run of a folder, and what it covers.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) unit: DiscoveredUnit,
    /// The run's folder or id.
    pub(super) run: Option<String>,
    pub(super) days: Days,
    pub(super) origin: CoverageOrigin,
    /// The time in the name of the run's folder.
    pub(super) stamp: Option<String>,
    pub(super) modified: Option<DateTime<Utc>>,
}

impl Layer {
    /// The name a message calls it by.
    fn name(&self, location: &Location) -> String {
        let object = self.unit.objects.first().map(|meta| location.name(&meta.location));
        format!("`{}`", object.or_else(|| self.run.clone()).unwrap_or_default())
    }
}

/// The newest time of modification.
pub(super) fn modified(objects: &[ObjectMeta]) -> Option<DateTime<Utc>> {
    objects.iter().map(|meta| meta.last_modified).max()
}

/// Whether the first time is later by more than copying takes.
pub(super) fn is_later(left: Option<DateTime<Utc>>, right: Option<DateTime<Utc>>) -> bool {
    left.zip(right).is_some_and(|(left, right)| left - right >= TELLING_APART)
}

/// Lays runs over each other.
///
/// # Errors
/// [`ErrorKind::ContractViolated`] naming objects and days where the newer of two runs cannot be told, or rows lie
/// outside the days of their run and inside those of another.
pub(super) async fn lay(
    location: &Location,
    contract: &SourceContract,
    period: BillingPeriod,
    mut layers: Vec<Layer>,
) -> Result<DiscoveredUnit> {
    let dated = layers.iter().all(|layer| layer.stamp.is_some());
    layers.sort_by(|left, right| match dated {
        true => right.stamp.cmp(&left.stamp),
        false => right.modified.cmp(&left.modified),
    });
    let is_newer = |newer: &Layer, older: &Layer| match dated {
        true => newer.stamp > older.stamp,
        false => is_later(newer.modified, older.modified),
    };
    let mut kept: Vec<(Layer, Days)> = Vec::new();
    let mut superseded = Vec::new();
    for layer in layers {
        let mut counting = layer.days.clone();
        for (newer, _) in &kept {
            let common = newer.days.common(&layer.days);
            if !common.is_empty() && !is_newer(newer, &layer) {
                return Err(undecided(location, newer, &layer, &common));
            }
            counting = counting.without(&newer.days);
        }
        match counting.is_empty() && !layer.days.is_empty() {
            true => superseded.push(layer),
            false => kept.push((layer, counting)),
        }
    }
    if kept.len() > 1 {
        rows_lie_in_their_days(location, contract, period, &kept).await?;
    }
    Ok(one_unit(period, kept, &superseded))
}

fn undecided(location: &Location, left: &Layer, right: &Layer, days: &Days) -> Error {
    let message = format!(
        "two runs cover {days}, and neither their names nor their times say which is newer: {} and {}; keep the \
         files of one of them",
        left.name(location),
        right.name(location)
    );
    Error::new(ErrorKind::ContractViolated, message).with("location", location)
}

/// Rows of days that another delivery covers would count twice, or replace what they do not repeat.
async fn rows_lie_in_their_days(
    location: &Location,
    contract: &SourceContract,
    period: BillingPeriod,
    kept: &[(Layer, Days)],
) -> Result<()> {
    for (index, (layer, _)) in kept.iter().enumerate().filter(|(_, (layer, _))| layer.origin != CoverageOrigin::Rows) {
        let opened: Vec<Opened> = coverage::open(location, &layer.unit.objects).await?;
        for (object, days) in coverage::of_rows(location, &opened, contract, period).await? {
            let outside = days.without(&layer.days);
            let others = kept.iter().enumerate().filter(|(other, _)| *other != index);
            for (_, (other, counting)) in others {
                let common = outside.common(counting);
                if !common.is_empty() {
                    let message = format!(
                        "rows are of {common}, but the delivery covers {}, and {} covers these days; export the days \
                         once, or the whole month",
                        layer.days,
                        other.name(location)
                    );
                    let error = Error::new(ErrorKind::ContractViolated, message);
                    return Err(error.with("object", location.name(&object)));
                }
            }
        }
    }
    Ok(())
}

fn one_unit(period: BillingPeriod, kept: Vec<(Layer, Days)>, superseded: &[Layer]) -> DiscoveredUnit {
    let mut whole = DiscoveredUnit { is_named: true, ..DiscoveredUnit::new(period, Vec::new()) };
    if kept.len() > 1 {
        let told = kept.iter().map(|(layer, days)| match &layer.run {
            Some(run) => format!("{days} from run {run}"),
            None => days.to_string(),
        });
        whole.notes.push(format!("several deliveries make up the month: {}", told.collect::<Vec<_>>().join("; ")));
    }
    if !superseded.is_empty() {
        let objects: usize = superseded.iter().map(|layer| layer.unit.objects.len()).sum();
        whole.notes.push(super::resolve::superseded_text(superseded.len(), objects));
    }
    let mut covered = Days::default();
    kept.iter().for_each(|(_, days)| covered.add(days));
    let missing = covered.gaps();
    if !missing.is_empty() {
        whole.notes.push(format!("no delivery covers {missing}, though later days are covered; was one missed?"));
    }
    for (layer, counting) in kept {
        let hidden = layer.days.without(&counting);
        if !hidden.is_empty() {
            let of = layer.unit.objects.iter().map(|meta| (meta.location.clone(), hidden.clone()));
            whole.superseded.extend(of);
        }
        whole.deliveries.push(Delivery { dataset: None, run: layer.run, days: counting, origin: layer.origin });
        whole.is_named &= layer.unit.is_named;
        whole.mixed_periods |= layer.unit.mixed_periods;
        whole.notes.extend(layer.unit.notes);
        whole.objects.extend(layer.unit.objects);
        whole.manifest = joined(whole.manifest.take(), layer.unit.manifest);
    }
    whole
}

/// Both manifests as one identity.
pub(super) fn joined(first: Option<ManifestIdentity>, second: Option<ManifestIdentity>) -> Option<ManifestIdentity> {
    let (Some(first), Some(second)) = (&first, &second) else { return first.or(second) };
    let both = |left: &Option<String>, right: &Option<String>| {
        Some([left.as_deref(), right.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("+"))
    };
    Some(ManifestIdentity {
        path: first.path.clone(),
        e_tag: both(&first.e_tag, &second.e_tag),
        delivery: both(&first.delivery, &second.delivery),
        dataset: first.dataset.clone().filter(|dataset| Some(dataset) == second.dataset.as_ref()),
    })
}

/// Runs whose ids stand in the names of objects that lie in no folder for their period, by what their rows cover.
///
/// # Errors
/// As [`lay`], and those of reading.
pub(super) async fn of_names(
    location: &Location,
    contract: &SourceContract,
    period: BillingPeriod,
    runs: BTreeMap<String, Vec<ObjectMeta>>,
) -> Result<DiscoveredUnit> {
    let mut layers = Vec::new();
    for (run, objects) in runs {
        let opened = coverage::open(location, &objects).await?;
        let mut days = Days::default();
        for of in coverage::of_rows(location, &opened, contract, period).await?.values() {
            days.add(of);
        }
        let modified = modified(&objects);
        let unit = DiscoveredUnit { mixed_periods: true, ..DiscoveredUnit::new(period, objects) };
        let origin = CoverageOrigin::Rows;
        layers.push(Layer { unit, run: Some(run), days, origin, stamp: None, modified });
    }
    lay(location, contract, period, layers).await
}
