//! Exports that consist of two datasets: one delivery of each makes a billing period.

use std::collections::{BTreeMap, BTreeSet};

use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use object_store::ObjectMeta;
use object_store::path::Path;

use super::coverage::Days;
use super::inventory::PeriodKeys;
use super::{Classify, Delivery, DiscoveredUnit, layers, resolve};
use crate::contract::SourceContract;
use crate::store::Location;

/// Days that a delivery states, and the day of its run.
type Stated = Vec<(Days, Option<String>)>;

/// The datasets that the paths of objects speak of.
pub(super) fn of_paths(layout: &Classify, objects: &[ObjectMeta]) -> BTreeMap<Path, String> {
    let Some(dataset) = layout.dataset else { return BTreeMap::new() };
    let labelled = |meta: &ObjectMeta| Some((meta.location.clone(), dataset(meta.location.as_ref())?.to_owned()));
    objects.iter().filter_map(labelled).collect()
}

/// The current deliveries of every dataset of a period.
///
/// # Errors
/// [`ErrorKind::Config`] when two exports deliver the same dataset, [`ErrorKind::Conflict`] when the
/// datasets cover other days or were exported on different days, and those of choosing a delivery.
pub(super) async fn unit(
    location: &Location,
    layout: &Classify,
    contract: &'static SourceContract,
    roots: &BTreeSet<String>,
    period: BillingPeriod,
    keys: &PeriodKeys,
) -> Result<DiscoveredUnit> {
    let mut whole = DiscoveredUnit { is_named: true, ..DiscoveredUnit::new(period, Vec::new()) };
    let mut seen: BTreeMap<String, (String, Stated)> = BTreeMap::new();
    for root in roots {
        let keys = PeriodKeys {
            data: keys.data.iter().filter(|candidate| candidate.root == *root).cloned().collect(),
            manifests: keys.manifests.iter().filter(|manifest| manifest.root == *root).cloned().collect(),
            flat: Vec::new(),
        };
        if keys.data.is_empty() {
            continue;
        }
        let unit = resolve::unit(location, layout, contract, period, keys).await?;
        let stated = unit.manifest.as_ref().and_then(|manifest| manifest.dataset.clone());
        let spoken = || unit.objects.iter().find_map(|meta| layout.dataset?(meta.location.as_ref()));
        let Some(dataset) = stated.or_else(|| spoken().map(str::to_owned)) else {
            whole.objects.extend(unit.objects);
            whole.notes.extend(unit.notes);
            whole.deliveries.extend(unit.deliveries);
            whole.superseded.extend(unit.superseded);
            whole.is_named = false;
            continue;
        };
        if layout.dataset.is_some_and(|known| known(&dataset).is_none()) {
            whole.notes.push(format!("ignored the {dataset} export `{root}`: it states the same charges again"));
            continue;
        }
        let mut stated: Stated =
            unit.deliveries.iter().map(|of| (of.days.clone(), of.run.as_deref().and_then(day))).collect();
        stated.sort();
        if let Some((other, _)) = seen.insert(dataset.clone(), (root.clone(), stated)) {
            let message = format!("two exports deliver {dataset}: `{other}` and `{root}`; name a location with one");
            return Err(Error::new(ErrorKind::Config, message).with("location", location));
        }
        let told = unit.notes.iter().map(|note| format!("{dataset}: {note}"));
        whole.notes.extend(told);
        whole.datasets.extend(unit.objects.iter().map(|meta| (meta.location.clone(), dataset.clone())));
        whole.manifest = layers::joined(whole.manifest.take(), unit.manifest);
        whole.is_named &= unit.is_named;
        whole.superseded.extend(unit.superseded);
        let of = |delivery: Delivery| Delivery { dataset: Some(dataset.clone()), ..delivery };
        whole.deliveries.extend(unit.deliveries.into_iter().map(of));
        whole.objects.extend(unit.objects);
    }
    match_each_other(location, period, &seen)?;
    Ok(whole)
}

/// Both datasets state the same charges, so they must cover the same days, as of the same day.
fn match_each_other(
    location: &Location,
    period: BillingPeriod,
    seen: &BTreeMap<String, (String, Stated)>,
) -> Result<()> {
    let covered = |stated: &[(Days, Option<String>)]| {
        let mut days = Days::default();
        stated.iter().for_each(|(of, _)| days.add(of));
        days
    };
    let all: BTreeSet<Days> = seen.values().map(|(_, stated)| covered(stated)).collect();
    if all.len() > 1 {
        let told = seen.iter().map(|(dataset, (_, stated))| format!("{dataset} {}", covered(stated)));
        let told = told.collect::<Vec<_>>().join("; ");
        let message = format!("the datasets of {period} cover different days ({told}); export the same days of both");
        return Err(Error::new(ErrorKind::Conflict, message).with("location", location));
    }
    let runs: BTreeSet<Vec<&String>> = seen
        .values()
        .map(|(_, stated)| stated.iter().filter_map(|(_, day)| day.as_ref()).collect::<Vec<_>>())
        .filter(|days| !days.is_empty())
        .collect();
    if runs.len() > 1 {
        let told = seen.iter().map(|(dataset, (_, stated))| {
            let days: Vec<&str> = stated.iter().filter_map(|(_, day)| day.as_deref()).collect();
            format!("{dataset} {}", if days.is_empty() { "unknown".to_owned() } else { days.join(" and ") })
        });
        let told = told.collect::<Vec<_>>().join(", ");
        let message =
            format!("the datasets of {period} were exported on different days ({told}); run again when both are");
        return Err(Error::new(ErrorKind::Conflict, message).with("location", location));
    }
    Ok(())
}
/// The day in the name of a run's folder.
fn day(version: &str) -> Option<String> {
    let day = version.get(..8).filter(|day| day.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(day.to_owned())
}
