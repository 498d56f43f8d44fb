//! The units of a run: every source in every selected billing period, found and compared with what
//! is published, before anything is read.

use std::collections::BTreeSet;

use apportion_sinks::units::{ObjectPeriods, SourceIndex};
use apportion_sources::{self as sources, inventory_with};
use apportion_sources::{DiscoveredUnit, Inventory, Location, ManifestIdentity, Reading, SourceTable, StoreOptions};
use apportion_spec::pipeline::{Source, SourceFormat};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use object_store::ObjectMeta;

use crate::changes::{self, Decisive, ENGINE_VERSION, Published};
use crate::project::{EffectiveLimits, PeriodSelection, Project};

/// One source, opened and listed.
#[derive(Debug)]
pub(crate) struct OpenSource {
    format: SourceFormat,
    location: Location,
    inventory: Inventory,
    reading: Reading,
}

impl OpenSource {
    async fn open(source: &Source, location: Location, remembered: &SourceIndex) -> Result<Self> {
        let known = remembered.objects.get(&source.name).filter(|_| remembered.engine_version == ENGINE_VERSION);
        let periods = |meta: &ObjectMeta| {
            let known = known?.get(meta.location.as_ref())?;
            // Without a tag a rewritten object of the same size would go unnoticed.
            let same = known.bytes == meta.size && known.e_tag == meta.e_tag && meta.e_tag.is_some();
            if same { known.billing_periods.iter().map(|period| period.parse().ok()).collect() } else { None }
        };
        let inventory = inventory_with(sources::format(source.format), &location, &periods).await?;
        let reading = Reading { kept: source.keep.clone(), null_words: source.null_words.clone() };
        Ok(Self { format: source.format, location, inventory, reading })
    }

    /// An object as the user knows it: with its bucket, or as a path on disk.
    pub(crate) fn name(&self, object: &ObjectMeta) -> String {
        self.location.name(&object.location)
    }

    /// Opens discovered objects as the relation of their format.
    ///
    /// # Errors
    /// Those of conforming: wrong types, missing columns, unreadable objects.
    pub(crate) async fn table(&self, unit: DiscoveredUnit) -> Result<SourceTable> {
        sources::open_unit(sources::format(self.format), &self.location, unit, &self.reading).await
    }
}

/// One source in one billing period, and what is to be done about it.
#[derive(Debug)]
pub(crate) struct Unit<'a> {
    pub(crate) source: &'a Source,
    pub(crate) reader: &'a OpenSource,
    pub(crate) period: BillingPeriod,
    /// Digest of what the listing showed; `None` when it cannot decide anything.
    pub(crate) listing_digest: Option<String>,
    finding: Finding,
}

/// What was found out about a unit before anything is read.
#[derive(Debug)]
enum Finding {
    /// Nothing it is made from changed.
    UpToDate,
    /// Its objects, and why they are to be read.
    ToDo { unit: Box<DiscoveredUnit>, reasons: Vec<String> },
    /// Why its objects were not found, kept so that the run can report it beside the others.
    Unfound { kind: ErrorKind, message: String },
}

impl Unit<'_> {
    pub(crate) fn source_name(&self) -> &str {
        &self.source.name
    }

    /// Whether there is nothing to be done.
    pub(crate) const fn is_up_to_date(&self) -> bool {
        matches!(self.finding, Finding::UpToDate)
    }

    /// Why it is to be done; empty when it is not.
    pub(crate) fn reasons(&self) -> &[String] {
        match &self.finding {
            Finding::ToDo { reasons, .. } => reasons,
            Finding::UpToDate | Finding::Unfound { .. } => &[],
        }
    }

    /// Why its objects were not found.
    pub(crate) fn unfound(&self) -> Option<&str> {
        match &self.finding {
            Finding::Unfound { message, .. } => Some(message),
            Finding::UpToDate | Finding::ToDo { .. } => None,
        }
    }

    /// The version of FOCUS that a native export was read as.
    pub(crate) fn focus_version(&self, table: &SourceTable) -> Option<String> {
        table.report.version.clone().filter(|_| self.source.format == SourceFormat::Focus)
    }

    /// The objects to read.
    ///
    /// # Errors
    /// What finding them said.
    pub(crate) fn discovered(&self) -> Result<&DiscoveredUnit> {
        match &self.finding {
            Finding::ToDo { unit, .. } => Ok(unit),
            Finding::UpToDate => Err(Error::new(ErrorKind::Internal, "a unit that is up to date was opened")),
            Finding::Unfound { kind, message } => Err(Error::new(*kind, message.clone())),
        }
    }

    /// The objects to read, if any.
    pub(crate) const fn found(&self) -> Option<&DiscoveredUnit> {
        match &self.finding {
            Finding::ToDo { unit, .. } => Some(unit),
            Finding::UpToDate | Finding::Unfound { .. } => None,
        }
    }
}

/// All units of a run.
#[derive(Debug)]
pub(crate) struct Units<'a> {
    units: Vec<Unit<'a>>,
    /// What the reader should know about periods that are not looked at.
    pub(crate) notes: Vec<String>,
    /// Sources that could not be listed at all, and why.
    pub(crate) unlisted: &'a [(String, Error)],
}

impl<'a> Units<'a> {
    /// Billing periods in order.
    pub(crate) fn periods(&self) -> Vec<BillingPeriod> {
        let periods: BTreeSet<BillingPeriod> = self.units.iter().map(|unit| unit.period).collect();
        periods.into_iter().collect()
    }

    /// The units of one period, by source name.
    pub(crate) fn of(&self, period: BillingPeriod) -> impl Iterator<Item = &Unit<'a>> {
        self.units.iter().filter(move |unit| unit.period == period)
    }

    /// How many are to be done.
    pub(crate) fn to_do(&self) -> usize {
        self.units.iter().filter(|unit| !unit.is_up_to_date()).count()
    }

    /// Bytes of all objects to read.
    pub(crate) fn bytes(&self) -> u64 {
        self.units.iter().filter_map(Unit::found).map(bytes).sum()
    }

    /// What the listings showed of units that are up to date, by source and period.
    pub(crate) fn listings_up_to_date(&self) -> impl Iterator<Item = (&str, BillingPeriod, &Option<String>)> {
        let known = self.units.iter().filter(|unit| unit.is_up_to_date());
        known.map(|unit| (unit.source_name(), unit.period, &unit.listing_digest))
    }
}

/// The manifest's own name for what it delivers, else its path.
pub(crate) fn version(manifest: &ManifestIdentity) -> String {
    manifest.delivery.clone().unwrap_or_else(|| manifest.path.to_string())
}

/// Bytes of a unit's objects.
pub(crate) fn bytes(unit: &DiscoveredUnit) -> u64 {
    unit.objects.iter().map(|object| object.size).sum()
}

/// The sources of a run, opened.
#[derive(Debug)]
pub(crate) struct OpenSources<'a> {
    sources: Vec<(&'a Source, OpenSource)>,
    /// Sources that could not be listed, and why; the others go on.
    unlisted: Vec<(String, Error)>,
    /// Whether sources were chosen by name: then each must have the named periods.
    chosen: bool,
}

impl<'a> OpenSources<'a> {
    /// Opens the named sources, or all.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for locations that cannot be understood, and what listing said when no source could be
    /// listed at all.
    pub(crate) async fn open(
        project: &'a Project,
        names: &[String],
        limits: &EffectiveLimits,
        remembered: &SourceIndex,
    ) -> Result<Self> {
        let mut sources = Vec::new();
        let mut unlisted = Vec::new();
        for source in &project.pipeline.sources {
            if !names.is_empty() && !names.contains(&source.name) {
                continue;
            }
            let of_source = |error: Error| error.with("source", &source.name);
            let location = Location::open(&source.location, &project.base, &StoreOptions::from(&source.store)).await;
            let opened = match location {
                Ok(location) => {
                    let location = location.with_work_directory(&limits.work_directory);
                    OpenSource::open(source, location, remembered).await
                }
                Err(error) if error.kind() == ErrorKind::Config => return Err(of_source(error)),
                Err(error) => Err(error),
            };
            match opened {
                Ok(reader) => sources.push((source, reader)),
                Err(error) => unlisted.push((source.name.clone(), of_source(error))),
            }
        }
        if sources.is_empty() && !unlisted.is_empty() {
            return Err(unlisted.swap_remove(0).1);
        }
        Ok(Self { sources, unlisted, chosen: !names.is_empty() })
    }

    /// What to remember of the listings: the periods of objects that had to be looked into.
    pub(crate) fn to_remember(&self, remembered: &SourceIndex) -> SourceIndex {
        let mut index = match remembered.engine_version == ENGINE_VERSION {
            true => remembered.clone(),
            false => SourceIndex { engine_version: ENGINE_VERSION.to_owned(), ..SourceIndex::default() },
        };
        for (source, reader) in &self.sources {
            let objects = reader.inventory.looked_into().iter().map(|(meta, periods)| {
                let billing_periods = periods.iter().map(ToString::to_string).collect();
                let known = ObjectPeriods { bytes: meta.size, e_tag: meta.e_tag.clone(), billing_periods };
                (meta.location.to_string(), known)
            });
            index.objects.insert(source.name.clone(), objects.collect());
        }
        index.objects.retain(|_, objects| !objects.is_empty());
        index
    }

    /// Whether another source than `name` has objects of a period.
    fn somewhere_else(&self, name: &str, period: BillingPeriod) -> bool {
        let has = |reader: &OpenSource| reader.inventory.periods().any(|existing| existing == period);
        let others = self.sources.iter().filter(|(source, _)| source.name != name);
        others.into_iter().any(|(source, reader)| source.covers(period) && has(reader))
    }

    /// Finds the units of the selected periods and what is to be done about each.
    ///
    /// Manifests are read only where the listing differs from what is published.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when no source has any selected period.
    pub(crate) async fn discover(
        &self,
        selection: &PeriodSelection,
        published: &Published,
        decisive: &Decisive<'_>,
    ) -> Result<Units<'_>> {
        let mut units = Vec::new();
        let mut notes = Vec::new();
        for (source, reader) in &self.sources {
            let existing: BTreeSet<BillingPeriod> =
                reader.inventory.periods().filter(|period| source.covers(*period)).collect();
            let is_published = |period: BillingPeriod| published.charges(&source.name, period).is_some();
            let (mut periods, others): (BTreeSet<BillingPeriod>, BTreeSet<BillingPeriod>) =
                existing.iter().partition(|period| selection.includes(**period, is_published(**period)));
            if let PeriodSelection::Named(named) = selection {
                for period in named.iter().filter(|period| source.covers(**period) && !existing.contains(period)) {
                    if self.chosen || !self.somewhere_else(&source.name, *period) {
                        periods.insert(*period);
                    } else if !is_published(*period) {
                        notes.push(format!("{}: the export has nothing of {period}", source.name));
                    }
                }
            }
            notes.extend(not_looked_at(source, selection, &existing, &others, published));
            for period in periods {
                units.push(find(source, reader, period, published, decisive).await);
            }
        }
        if units.is_empty() {
            let message = "no source has a billing period in the selected range";
            let more = notes.iter().map(|note| format!("; {note}")).collect::<String>();
            return Err(Error::new(ErrorKind::NotFound, format!("{message}{more}")));
        }
        units.sort_by(|a, b| (a.period, &a.source.name).cmp(&(b.period, &b.source.name)));
        Ok(Units { units, notes, unlisted: &self.unlisted })
    }
}

/// Finds one unit and compares it with what is published.
async fn find<'a>(
    source: &'a Source,
    reader: &'a OpenSource,
    period: BillingPeriod,
    published: &Published,
    decisive: &Decisive<'_>,
) -> Unit<'a> {
    let listing_digest = reader.inventory.listed(period).map(changes::of_objects);
    let mut reasons = published.reasons_beside_export(decisive, &source.name, source.format, period);
    let before = published.charges(&source.name, period);
    let same_listing = listing_digest.is_some() && before.is_some_and(|it| it.listing_digest == listing_digest);
    let finding = if reasons.is_empty() && same_listing {
        Finding::UpToDate
    } else {
        match reader.inventory.unit(period).await {
            Ok(unit) => {
                let digest = changes::of_objects(&unit.objects);
                if before.is_some_and(|before| before.input_digest != digest) {
                    reasons.push("the export was delivered again".to_owned());
                }
                // A superseded delivery was removed, or something else that does not count.
                if reasons.is_empty() { Finding::UpToDate } else { Finding::ToDo { unit: Box::new(unit), reasons } }
            }
            Err(error) => Finding::Unfound { kind: error.kind(), message: error.to_string() },
        }
    };
    Unit { source, reader, period, listing_digest, finding }
}

/// Periods a person may have expected and that the selection leaves out.
fn not_looked_at(
    source: &Source,
    selection: &PeriodSelection,
    existing: &BTreeSet<BillingPeriod>,
    others: &BTreeSet<BillingPeriod>,
    published: &Published,
) -> Vec<String> {
    let Source { name, .. } = source;
    let mut notes = Vec::new();
    if let PeriodSelection::Open { current, .. } = selection {
        let older: Vec<&BillingPeriod> = others.iter().filter(|period| *period <= current).collect();
        if let (Some(first), Some(last)) = (older.first(), older.last()) {
            notes.push(format!(
                "{name}: {} older billing periods were never published; publish them with \
                 `apportion backfill … --from {first} --to {last}`",
                older.len()
            ));
        }
    }
    let gone: Vec<String> = published
        .periods_of(name)
        .filter(|period| source.covers(*period) && selection.includes(*period, true) && !existing.contains(period))
        .map(|period| period.to_string())
        .collect();
    if !gone.is_empty() {
        notes.push(format!("{name}: the export no longer has {}; what is published of it stays", gone.join(", ")));
    }
    notes
}
