//! Exports that consist of two datasets: one delivery of each makes a billing period.

use std::collections::{BTreeMap, BTreeSet};

use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use object_store::ObjectMeta;
use object_store::path::Path;

use super::inventory::PeriodKeys;
use super::{Classify, DiscoveredUnit, ManifestIdentity, resolve};
use crate::store::Location;

/// The datasets that the paths of objects speak of.
pub(super) fn of_paths(layout: &Classify, objects: &[ObjectMeta]) -> BTreeMap<Path, String> {
    let Some(dataset) = layout.dataset else { return BTreeMap::new() };
    let labelled = |meta: &ObjectMeta| Some((meta.location.clone(), dataset(meta.location.as_ref())?.to_owned()));
    objects.iter().filter_map(labelled).collect()
}

/// The current delivery of every dataset of a period.
///
/// # Errors
/// [`ErrorKind::Config`] when two exports deliver the same dataset, [`ErrorKind::Conflict`] when the
/// datasets were exported on different days, and those of choosing a delivery.
pub(super) async fn unit(
    location: &Location,
    layout: &Classify,
    roots: &BTreeSet<String>,
    period: BillingPeriod,
    keys: &PeriodKeys,
) -> Result<DiscoveredUnit> {
    let mut whole = DiscoveredUnit {
        billing_period: period,
        objects: Vec::new(),
        manifest: None,
        notes: Vec::new(),
        mixed_periods: false,
        datasets: BTreeMap::new(),
    };
    let mut seen: BTreeMap<String, (String, Option<String>)> = BTreeMap::new();
    for root in roots {
        let keys = PeriodKeys {
            data: keys.data.iter().filter(|candidate| candidate.root == *root).cloned().collect(),
            manifests: keys.manifests.iter().filter(|manifest| manifest.root == *root).cloned().collect(),
            flat: Vec::new(),
        };
        if keys.data.is_empty() {
            continue;
        }
        let versions: BTreeMap<Path, Option<String>> =
            keys.data.iter().map(|candidate| (candidate.meta.location.clone(), candidate.version.clone())).collect();
        let unit = resolve::unit(location, layout, period, keys).await?;
        let stated = unit.manifest.as_ref().and_then(|manifest| manifest.dataset.clone());
        let spoken = || unit.objects.iter().find_map(|meta| layout.dataset?(meta.location.as_ref()));
        let Some(dataset) = stated.or_else(|| spoken().map(str::to_owned)) else {
            whole.objects.extend(unit.objects);
            whole.notes.extend(unit.notes);
            continue;
        };
        if layout.dataset.is_some_and(|known| known(&dataset).is_none()) {
            whole.notes.push(format!("ignored the {dataset} export `{root}`: it states the same charges again"));
            continue;
        }
        let day = unit.objects.iter().find_map(|meta| day(versions.get(&meta.location)?.as_deref()?));
        if let Some((other, _)) = seen.insert(dataset.clone(), (root.clone(), day)) {
            let message = format!("two exports deliver {dataset}: `{other}` and `{root}`; name a location with one");
            return Err(Error::new(ErrorKind::Config, message).with("location", location));
        }
        let told = unit.notes.iter().map(|note| format!("{dataset}: {note}"));
        whole.notes.extend(told);
        whole.datasets.extend(unit.objects.iter().map(|meta| (meta.location.clone(), dataset.clone())));
        whole.manifest = joined(whole.manifest.take(), unit.manifest);
        whole.objects.extend(unit.objects);
    }
    let days: BTreeSet<&String> = seen.values().filter_map(|(_, day)| day.as_ref()).collect();
    if days.len() > 1 {
        let told = seen.iter().map(|(dataset, (_, day))| format!("{dataset} {}", day.as_deref().unwrap_or("unknown")));
        let told = told.collect::<Vec<_>>().join(", ");
        let message =
            format!("the datasets of {period} were exported on different days ({told}); run again when both are");
        return Err(Error::new(ErrorKind::Conflict, message).with("location", location));
    }
    Ok(whole)
}

/// The day in the name of a run's folder.
fn day(version: &str) -> Option<String> {
    let day = version.get(..8).filter(|day| day.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(day.to_owned())
}

/// Both manifests as one identity.
fn joined(first: Option<ManifestIdentity>, second: Option<ManifestIdentity>) -> Option<ManifestIdentity> {
    let (Some(first), Some(second)) = (&first, &second) else { return first.or(second) };
    let both = |left: &Option<String>, right: &Option<String>| {
        Some([left.as_deref(), right.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("+"))
    };
    Some(ManifestIdentity {
        path: first.path.clone(),
        e_tag: both(&first.e_tag, &second.e_tag),
        delivery: both(&first.delivery, &second.delivery),
        dataset: None,
    })
}
