//! Chooses the current run of every range of days: what the newest manifest names, or, without one,
//! the newest folder. Runs over other days of the period are laid over each other.
//!
//! A manifest is delivered after its data, so a data folder newer than every manifest is still
//! being written and is left for the next run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use super::coverage::{CoverageOrigin, Days};
use super::inventory::{Candidate, ManifestObject, PeriodKeys, csv_error, short_list};
use super::layers::{self, Layer, is_later, modified};
use super::{Classify, DayRange, DiscoveredUnit, content, is_csv, manifest};
use crate::contract::SourceContract;
use crate::store::{Location, store_error};

/// The unit of a location without any folders for periods.
pub(super) async fn flat_unit(
    location: &Location,
    layout: &Classify,
    contract: &SourceContract,
    period: BillingPeriod,
    keys: &PeriodKeys,
) -> Result<DiscoveredUnit> {
    let note = "the keys name no billing period; it was taken from the rows of each object";
    let mut runs: BTreeMap<String, Vec<ObjectMeta>> = BTreeMap::new();
    for meta in &keys.flat {
        if let Some(run) = layout.run.and_then(|run| run(meta.location.as_ref())) {
            let dataset = layout.dataset.and_then(|dataset| dataset(meta.location.as_ref())).unwrap_or_default();
            runs.entry(format!("{dataset}{run}")).or_default().push(meta.clone());
        }
    }
    let mut unit = match runs.values().map(Vec::len).sum::<usize>() == keys.flat.len() && runs.len() > 1 {
        true => by_names(location, layout, contract, period, runs).await?,
        false => DiscoveredUnit::new(period, keys.flat.clone()),
    };
    unit.mixed_periods = true;
    unit.notes.insert(0, note.to_owned());
    Ok(unit)
}

/// Runs of every dataset, told apart by the names of objects.
async fn by_names(
    location: &Location,
    layout: &Classify,
    contract: &SourceContract,
    period: BillingPeriod,
    runs: BTreeMap<String, Vec<ObjectMeta>>,
) -> Result<DiscoveredUnit> {
    let dataset = |objects: &[ObjectMeta]| layout.dataset?(objects.first()?.location.as_ref());
    let mut datasets: BTreeMap<Option<&'static str>, BTreeMap<String, Vec<ObjectMeta>>> = BTreeMap::new();
    for (run, objects) in runs {
        datasets.entry(dataset(&objects)).or_default().insert(run, objects);
    }
    let mut whole = DiscoveredUnit::new(period, Vec::new());
    for (dataset, runs) in datasets {
        let unit = layers::of_names(location, contract, period, runs).await?;
        let told = dataset.map(|dataset| format!("{dataset}: ")).unwrap_or_default();
        whole.notes.extend(unit.notes.iter().map(|note| format!("{told}{note}")));
        whole.objects.extend(unit.objects);
        whole.superseded.extend(unit.superseded);
        whole.deliveries.extend(unit.deliveries);
    }
    Ok(whole)
}

/// The unit of a location with folders for periods.
pub(super) async fn unit(
    location: &Location,
    layout: &Classify,
    contract: &'static SourceContract,
    period: BillingPeriod,
    keys: PeriodKeys,
) -> Result<DiscoveredUnit> {
    let mut ranges: BTreeMap<Option<DayRange>, PeriodKeys> = BTreeMap::new();
    for candidate in keys.data {
        ranges.entry(candidate.range).or_default().data.push(candidate);
    }
    for manifest in keys.manifests {
        ranges.entry(manifest.range).or_default().manifests.push(manifest);
    }
    let mut found = Vec::with_capacity(ranges.len());
    for (range, keys) in ranges {
        found.push(layer(location, layout, contract, period, range, keys).await?);
    }
    layers::lay(location, contract, period, found).await
}

/// The current run of a range of days.
async fn layer(
    location: &Location,
    layout: &Classify,
    contract: &'static SourceContract,
    period: BillingPeriod,
    range: Option<DayRange>,
    keys: PeriodKeys,
) -> Result<Layer> {
    let (unit, run, stated) = match newest(&keys.manifests) {
        Some(newest) => {
            let (unit, stated) = by_manifest(location, layout, period, &keys, newest).await?;
            (unit, newest.version.clone(), stated.filter(|_| range.is_some()))
        }
        None => {
            let unit = by_folder(location, contract, period, keys.data.clone()).await?;
            let chosen = |candidate: &&Candidate| unit.objects.contains(&candidate.meta);
            let run = keys.data.iter().find(chosen).and_then(|candidate| candidate.version.clone());
            (unit, run, None)
        }
    };
    let days = range.map_or_else(|| Days::of(period), |(first, last)| Days::between(first, last));
    let stated = stated.map(|(first, last)| Days::between(first, last).common(&days)).filter(|days| !days.is_empty());
    let origin = if stated.is_some() { CoverageOrigin::Manifest } else { CoverageOrigin::Folder };
    let stamp = run.clone().filter(|run| is_dated(Some(run)));
    let modified = modified(&unit.objects);
    Ok(Layer { days: stated.unwrap_or(days), origin, run, stamp, modified, unit })
}

fn newest(manifests: &[ManifestObject]) -> Option<&ManifestObject> {
    let current = manifests.iter().filter(|manifest| manifest.root_is_current && manifest.version.is_none());
    if let Some(root) = current.max_by_key(|manifest| manifest.meta.last_modified) {
        return Some(root);
    }
    let dated = manifests.iter().all(|manifest| is_dated(manifest.version.as_deref()));
    manifests.iter().max_by_key(|manifest| {
        let modified = (!dated).then_some(manifest.meta.last_modified);
        (modified, manifest.version.clone(), manifest.meta.last_modified)
    })
}

/// Whether a delivery's folder starts with a time, so that names sort by age. Copies of a bucket
/// keep names but not modification times.
fn is_dated(version: Option<&str>) -> bool {
    let Some(version) = version else { return false };
    let shape: String = version.chars().take(11).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "00000000000" || shape.starts_with("00000000T") || shape.starts_with("0000-00-00T")
}

async fn by_manifest(
    location: &Location,
    layout: &Classify,
    period: BillingPeriod,
    keys: &PeriodKeys,
    newest: &ManifestObject,
) -> Result<(DiscoveredUnit, Option<DayRange>)> {
    let manifest = manifest::read(location, &newest.meta).await?;
    if let Some(csv) = manifest.keys.iter().find(|key| is_csv(key) && !layout.is_data(key)) {
        return Err(csv_error(csv));
    }
    if manifest.keys.is_empty() {
        let message = "the manifest names no objects";
        return Err(Error::new(ErrorKind::NotFound, message).with("manifest", location.name(&manifest.identity.path)));
    }
    let by_key: HashMap<&str, &ObjectMeta> =
        keys.data.iter().map(|candidate| (candidate.meta.location.as_ref(), &candidate.meta)).collect();
    let by_part: HashMap<String, &ObjectMeta> = keys
        .data
        .iter()
        .filter_map(|candidate| Some((manifest::period_part(candidate.meta.location.as_ref())?, &candidate.meta)))
        .collect();
    let mut objects = Vec::with_capacity(manifest.keys.len());
    for key in &manifest.keys {
        let listed = by_key.get(key.as_str()).or_else(|| by_part.get(&manifest::period_part(key)?)).copied();
        match listed {
            Some(meta) => objects.push(meta.clone()),
            None => objects.push(unlisted(location, key, &manifest.identity.path).await?),
        }
    }
    let named: BTreeSet<&Path> = objects.iter().map(|meta| &meta.location).collect();
    let mut notes = Vec::new();
    if named.len() < objects.len() {
        let message = "the manifest names an object twice";
        return Err(
            Error::new(ErrorKind::ContractViolated, message).with("object", location.name(&manifest.identity.path))
        );
    }
    let folders: BTreeSet<&str> = objects.iter().filter_map(|meta| folder(&meta.location)).collect();
    let ignored = keys.data.iter().filter(|candidate| !named.contains(&candidate.meta.location));
    let (stale, superseded): (Vec<&Candidate>, Vec<&Candidate>) =
        ignored.partition(|candidate| folder(&candidate.meta.location).is_some_and(|name| folders.contains(name)));
    if !stale.is_empty() {
        let names = short_list(location, stale.iter().map(|candidate| &candidate.meta.location));
        notes.push(format!("ignored objects that the manifest does not name: {names}"));
    }
    notes.extend(superseded_note(&superseded, newest.version.as_deref()));
    notes.extend(refresh_note(location, &objects, &newest.meta));
    let unit = DiscoveredUnit {
        manifest: Some(manifest.identity),
        notes,
        is_named: true,
        ..DiscoveredUnit::new(period, objects)
    };
    Ok((unit, manifest.range))
}

/// Objects are rewritten first and the manifest last. Times of a local copy say nothing.
fn refresh_note(location: &Location, objects: &[ObjectMeta], manifest: &ObjectMeta) -> Option<String> {
    let newer = objects.iter().filter(|meta| meta.last_modified > manifest.last_modified).count();
    (newer > 0 && location.url.scheme() != "file").then(|| {
        format!("objects newer than the manifest that names them: {newer}; a refresh may be under way, run again later")
    })
}

fn superseded_note(ignored: &[&Candidate], current: Option<&str>) -> Option<String> {
    let versions: BTreeSet<&str> =
        ignored.iter().map(|candidate| candidate.version.as_deref().unwrap_or_default()).collect();
    let newer = versions.iter().filter(|version| current.is_some_and(|current| **version > current)).count();
    let older = versions.len() - newer;
    match (older, newer) {
        _ if ignored.is_empty() => None,
        (_, 0) => Some(superseded_text(older, ignored.len())),
        (_, _) => Some(format!(
            "ignored deliveries: {older} superseded, {newer} that no manifest names yet; objects in them: {}",
            ignored.len()
        )),
    }
}

pub(super) fn superseded_text(deliveries: usize, objects: usize) -> String {
    format!("ignored superseded deliveries: {deliveries}; objects in them: {objects}")
}

/// An object the listing did not show, because the location points elsewhere.
async fn unlisted(location: &Location, key: &str, manifest: &Path) -> Result<ObjectMeta> {
    let missing = || {
        Error::new(ErrorKind::NotFound, "the manifest names an object that does not exist")
            .with("object", key)
            .with("manifest", location.name(manifest))
    };
    let path = Path::parse(key).map_err(|_| missing())?;
    match location.store.head(&path).await {
        Ok(meta) => Ok(meta),
        Err(object_store::Error::NotFound { .. }) => Err(missing()),
        Err(error) => Err(store_error(error, location.name(&path))),
    }
}

async fn by_folder(
    location: &Location,
    contract: &'static SourceContract,
    period: BillingPeriod,
    data: Vec<Candidate>,
) -> Result<DiscoveredUnit> {
    let note = format!("no manifest names the objects of {period}: every current object is read");
    let folders: BTreeSet<String> = data.iter().map(|candidate| candidate.folder.clone()).collect();
    if folders.len() > 1 {
        let named = folders.iter().map(|folder| format!("`{folder}`")).collect::<Vec<_>>().join(", ");
        let message = format!("several folders claim billing period {period} and no manifest chooses: {named}");
        return Err(Error::new(ErrorKind::Config, message).with("location", location));
    }
    let mut versions: BTreeMap<Option<String>, Vec<ObjectMeta>> = BTreeMap::new();
    for candidate in data {
        versions.entry(candidate.version).or_default().push(candidate.meta);
    }
    let dated = versions.keys().all(|version| is_dated(version.as_deref()));
    let mut unit = if versions.len() > 1 && (contract.delivery.exported.is_some() || !in_order(&versions, dated)) {
        content::choose(location, contract, period, versions).await?
    } else {
        newest_folder(period, versions, dated)
    };
    unit.notes.insert(0, note);
    unit.notes.extend(content::missing_days(location, contract, &unit).await?);
    Ok(unit)
}

/// Whether names or times say which folder is the newest: runs of an exporter have a time in their names or an id.
fn in_order(versions: &BTreeMap<Option<String>, Vec<ObjectMeta>>, dated: bool) -> bool {
    let mut times: Vec<_> = versions.values().map(|objects| modified(objects)).collect();
    times.sort();
    let newest = times.pop().flatten();
    dated || (versions.keys().all(Option::is_some) && is_later(newest, times.pop().flatten()))
}

fn newest_folder(
    period: BillingPeriod,
    mut versions: BTreeMap<Option<String>, Vec<ObjectMeta>>,
    dated: bool,
) -> DiscoveredUnit {
    let age = |(version, objects): &(&Option<String>, &Vec<ObjectMeta>)| {
        ((!dated).then(|| modified(objects)).flatten(), (*version).clone())
    };
    let newest = versions.iter().max_by_key(age).map(|(version, _)| version.clone());
    let objects = newest.and_then(|version| versions.remove(&version)).unwrap_or_default();
    let mut unit = DiscoveredUnit::new(period, objects);
    if !versions.is_empty() {
        let count: usize = versions.values().map(Vec::len).sum();
        unit.notes.push(superseded_text(versions.len(), count));
    }
    unit
}

fn folder(path: &Path) -> Option<&str> {
    path.as_ref().rsplit_once('/').map(|(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_start_with_a_time_sort_by_age() {
        assert!(is_dated(Some("20260103T010203Z-1f2e")));
        assert!(is_dated(Some("2026-01-03T01:02:03.000Z-1f2e")));
        assert!(is_dated(Some("202601030102/1f2e0000")));
        assert!(!is_dated(Some("20260103-1f2e")));
        assert!(!is_dated(Some("1f2e0000-0000")));
        assert!(!is_dated(None));
    }
}
