//! One listing of a location, sorted by billing period.
//!
//! A run asks for several periods; the location is listed once, page by page, and only keys that
//! matter are kept.

use std::collections::{BTreeMap, BTreeSet};

use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use futures::TryStreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::{Classify, DayRange, DiscoveredUnit, KeyKind, content, datasets, flat, resolve};
use crate::contract::SourceContract;
use crate::objects;
use crate::store::{Location, store_error};

/// An object of a period before the current delivery is chosen.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) meta: ObjectMeta,
    pub(super) root: String,
    pub(super) folder: String,
    pub(super) version: Option<String>,
    pub(super) range: Option<DayRange>,
}

/// A manifest of a period.
#[derive(Debug, Clone)]
pub(super) struct ManifestObject {
    pub(super) meta: ObjectMeta,
    pub(super) root: String,
    pub(super) version: Option<String>,
    pub(super) root_is_current: bool,
    pub(super) range: Option<DayRange>,
}

/// Everything known about one period.
#[derive(Debug, Clone, Default)]
pub(super) struct PeriodKeys {
    pub(super) data: Vec<Candidate>,
    pub(super) manifests: Vec<ManifestObject>,
    pub(super) flat: Vec<ObjectMeta>,
}

/// Billing periods of an object as an earlier listing found them in its rows; `None` where it must be looked into.
pub type PeriodsOf<'a> = dyn Fn(&ObjectMeta) -> Option<BTreeSet<BillingPeriod>> + Send + Sync + 'a;

/// What a location holds, by billing period.
#[derive(Debug, Clone)]
pub struct Inventory {
    location: Location,
    layout: Classify,
    contract: &'static SourceContract,
    /// Exports below the location; several only where an export consists of several datasets.
    roots: BTreeSet<String>,
    periods: BTreeMap<BillingPeriod, PeriodKeys>,
    /// Objects whose keys name no period, with those of their rows.
    flat: Vec<(ObjectMeta, BTreeSet<BillingPeriod>)>,
    notes: Vec<String>,
}

impl Inventory {
    /// Lists `location` and sorts its keys by the provider's layout.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when nothing lies there, [`ErrorKind::Config`] when it holds several
    /// exports or only CSV, and errors of the store.
    pub async fn take(location: &Location, layout: Classify, contract: &'static SourceContract) -> Result<Self> {
        Self::take_with(location, layout, contract, &|_| None).await
    }

    /// As [`Self::take`], with what is remembered of objects whose keys name no period.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub async fn take_with(
        location: &Location,
        layout: Classify,
        contract: &'static SourceContract,
        remembered: &PeriodsOf<'_>,
    ) -> Result<Self> {
        let mut inventory = Self {
            location: location.clone(),
            layout,
            contract,
            roots: BTreeSet::new(),
            periods: BTreeMap::new(),
            flat: Vec::new(),
            notes: Vec::new(),
        };
        let mut roots = BTreeSet::new();
        let mut flat = Vec::new();
        let (mut seen, mut csv) = (0_usize, Vec::new());
        if let Some(meta) = objects::single(location, &layout).await? {
            inventory.add_flat(vec![meta], remembered).await?;
            return Ok(inventory);
        }
        let mut listing = location.store.list(Some(&location.prefix));
        while let Some(meta) = listing.try_next().await.map_err(|error| store_error(error, location))? {
            seen += 1;
            match (layout.kind)(meta.location.as_ref()) {
                KeyKind::Data { root, period, folder, version, range } => {
                    roots.insert(root.clone());
                    let candidate = Candidate { meta, root, folder, version, range };
                    inventory.periods.entry(period).or_default().data.push(candidate);
                }
                KeyKind::Manifest { root, period, version, root_is_current, range } => {
                    let manifest = ManifestObject { meta, root, version, root_is_current, range };
                    inventory.periods.entry(period).or_default().manifests.push(manifest);
                }
                KeyKind::Flat => flat.push(meta),
                KeyKind::Csv => csv.push(meta.location),
                KeyKind::Other => {}
            }
        }
        if seen == 0 {
            return Err(Error::new(ErrorKind::NotFound, "nothing lies at the location").with("location", location));
        }
        inventory.set_roots(roots)?;
        inventory.add_flat(objects::without_folder_markers(flat), remembered).await?;
        inventory.check_not_empty(csv.first())?;
        if !csv.is_empty() {
            let names = short_list(location, csv.iter());
            inventory.notes.push(format!("ignored CSV objects, this format is read from Parquet only: {names}"));
        }
        Ok(inventory)
    }

    fn set_roots(&mut self, roots: BTreeSet<String>) -> Result<()> {
        self.roots = roots;
        if self.layout.dataset.is_some() {
            return Ok(());
        }
        if self.roots.len() > 1 {
            let named = self.roots.iter().map(|root| format!("`{root}`")).collect::<Vec<_>>().join(", ");
            let message = format!("the location holds several exports; name one of {named}");
            return Err(Error::new(ErrorKind::Config, message).with("location", &self.location));
        }
        if let Some(root) = self.roots.first() {
            // Reports beside this one deliver manifests for the same months.
            let ours = |manifest: &ManifestObject| is_at_or_above(&manifest.root, root);
            self.periods.values_mut().for_each(|keys| keys.manifests.retain(ours));
        }
        self.periods.retain(|_, keys| !keys.data.is_empty() || !keys.manifests.is_empty());
        Ok(())
    }

    async fn add_flat(&mut self, objects: Vec<ObjectMeta>, remembered: &PeriodsOf<'_>) -> Result<()> {
        if objects.is_empty() {
            return Ok(());
        }
        if !self.roots.is_empty() {
            let names = short_list(&self.location, objects.iter().map(|meta| &meta.location));
            self.notes.push(format!("ignored objects outside the period folders: {names}"));
            return Ok(());
        }
        let names = short_list(&self.location, objects.iter().map(|meta| &meta.location));
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for meta in objects {
            match remembered(&meta) {
                Some(periods) => found.push((meta, periods)),
                None => unknown.push(meta),
            }
        }
        found.extend(flat::periods(&self.location, unknown, self.contract).await?);
        found.sort_by(|(left, _), (right, _)| left.location.cmp(&right.location));
        for (meta, periods) in found {
            for period in &periods {
                self.periods.entry(*period).or_default().flat.push(meta.clone());
            }
            self.flat.push((meta, periods));
        }
        if self.periods.is_empty() {
            let message = format!(
                "no object holds a row, and neither path nor manifest says which billing period they are of: {names}"
            );
            return Err(Error::new(ErrorKind::NotFound, message).with("location", &self.location));
        }
        Ok(())
    }

    fn check_not_empty(&self, csv: Option<&Path>) -> Result<()> {
        let has_data = self.periods.values().any(|keys| !keys.data.is_empty() || !keys.flat.is_empty());
        match csv {
            Some(csv) if !has_data => Err(csv_error(&self.location.name(csv))),
            None if !has_data && self.periods.is_empty() => {
                let message = "no objects of a bill lie at the location";
                Err(Error::new(ErrorKind::NotFound, message).with("location", &self.location))
            }
            _ => Ok(()),
        }
    }

    /// Objects whose keys name no billing period, and the periods of their rows: what to remember for the next
    /// listing.
    #[must_use]
    pub fn looked_into(&self) -> &[(ObjectMeta, BTreeSet<BillingPeriod>)] {
        &self.flat
    }

    /// Billing periods with objects, oldest first.
    pub fn periods(&self) -> impl Iterator<Item = BillingPeriod> {
        self.periods
            .iter()
            .filter(|(_, keys)| !keys.data.is_empty() || !keys.flat.is_empty())
            .map(|(period, _)| *period)
    }

    /// Everything the listing showed of a billing period, manifests and superseded objects included,
    /// in path order. As long as it stays the same, [`Self::unit`] has the same answer.
    ///
    /// `None` when that cannot be said: the period is unknown, or its manifests lie outside the location.
    #[must_use]
    pub fn listed(&self, period: BillingPeriod) -> Option<Vec<&ObjectMeta>> {
        let keys = self.periods.get(&period)?;
        let manifests_elsewhere = keys.manifests.is_empty() && !keys.data.is_empty() && {
            let folders = self.roots.iter().flat_map(|root| (self.layout.manifests)(root, period));
            let mut folders = folders.filter_map(|folder| Path::parse(&folder).ok());
            folders.any(|folder| !folder.prefix_matches(&self.location.prefix))
        };
        if manifests_elsewhere {
            return None;
        }
        let data = keys.data.iter().map(|candidate| &candidate.meta);
        let manifests = keys.manifests.iter().map(|manifest| &manifest.meta);
        let mut listed: Vec<&ObjectMeta> = data.chain(manifests).chain(&keys.flat).collect();
        listed.sort_by(|left, right| left.location.cmp(&right.location));
        Some(listed)
    }

    /// The current objects of a billing period.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the period has no objects (the nearest periods that exist are
    /// named) or a manifest names an object that is missing.
    pub async fn unit(&self, period: BillingPeriod) -> Result<DiscoveredUnit> {
        let Some(keys) = self
            .periods
            .get(&period)
            .filter(|keys| !keys.data.is_empty() || !keys.manifests.is_empty() || !keys.flat.is_empty())
        else {
            return Err(self.no_period(period));
        };
        let mut unit = if keys.data.is_empty() && keys.manifests.is_empty() {
            let mut unit = resolve::flat_unit(&self.location, &self.layout, self.contract, period, keys).await?;
            unit.datasets = datasets::of_paths(&self.layout, &unit.objects);
            unit.notes.extend(content::missing_days(&self.location, self.contract, &unit).await?);
            unit
        } else if self.layout.dataset.is_some() {
            datasets::unit(&self.location, &self.layout, self.contract, &self.roots, period, keys).await?
        } else {
            let mut keys = keys.clone();
            let mut notes = Vec::new();
            if keys.manifests.is_empty() {
                keys.manifests = self.manifests_outside(period, &mut notes).await;
            }
            let mut unit = resolve::unit(&self.location, &self.layout, self.contract, period, keys).await?;
            unit.notes.extend(notes);
            unit
        };
        unit.notes.extend(self.notes.iter().cloned());
        unit.objects.sort_by(|left, right| left.location.cmp(&right.location));
        Ok(unit)
    }

    /// Manifests beside the location, when it points below the export's root.
    async fn manifests_outside(&self, period: BillingPeriod, notes: &mut Vec<String>) -> Vec<ManifestObject> {
        let Some(root) = self.roots.first() else { return Vec::new() };
        let mut found = Vec::new();
        for folder in (self.layout.manifests)(root, period) {
            let Ok(folder) = Path::parse(&folder) else { continue };
            if folder.prefix_matches(&self.location.prefix) {
                continue;
            }
            match self.location.store.list(Some(&folder)).try_collect::<Vec<_>>().await {
                Ok(objects) => found.extend(objects),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    notes.push(format!("manifests at `{folder}` could not be listed: {}", store_error(error, &folder)))
                }
            }
        }
        let manifest = |meta: ObjectMeta| match (self.layout.kind)(meta.location.as_ref()) {
            KeyKind::Manifest { root, period: of, version, root_is_current, range } if of == period => {
                Some(ManifestObject { meta, root, version, root_is_current, range })
            }
            _ => None,
        };
        found.into_iter().filter_map(manifest).collect()
    }

    fn no_period(&self, period: BillingPeriod) -> Error {
        let distance = |other: &BillingPeriod| (months(*other) - months(period)).abs();
        let mut existing: Vec<BillingPeriod> = self.periods().collect();
        existing.sort_by_key(|other| (distance(other), std::cmp::Reverse(*other)));
        let shown = existing.iter().take(6).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let more = existing.len().saturating_sub(6);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = format!("the location has no objects of billing period {period}; it has {shown}{more}");
        Error::new(ErrorKind::NotFound, message).with("location", &self.location)
    }
}

/// Whether `folder` is `root` or a folder above it.
fn is_at_or_above(folder: &str, root: &str) -> bool {
    root.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || folder.is_empty() || rest.starts_with('/'))
}

fn months(period: BillingPeriod) -> i64 {
    i64::from(period.year()) * 12 + i64::from(period.month())
}

pub(super) fn csv_error(object: &str) -> Error {
    Error::new(ErrorKind::Config, "the export is delivered as CSV; change its file format to Parquet")
        .with("object", object)
}

/// The first few objects, and how many more.
pub(super) fn short_list<'a>(location: &Location, paths: impl ExactSizeIterator<Item = &'a Path>) -> String {
    let more = paths.len().saturating_sub(5);
    let shown = paths.take(5).map(|path| format!("`{}`", location.name(path))).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
