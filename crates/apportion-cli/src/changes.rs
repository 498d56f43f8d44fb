//! What has to be done and why: compares what is published with what it would be made from today.
//!
//! A unit is left alone only when everything that decides about it is known to be the same: the
//! objects of the export, its part of the pipeline file, the SQL it goes through, the contracts of
//! its tables, the functions of the program, for an allocation also the charges and the telemetry it reads; and when its tables are still there.
//! Whatever cannot be compared is done again, which changes nothing when nothing changed.

use std::collections::{BTreeMap, BTreeSet};

use apportion_engine::ModelGraph;
use apportion_sinks::PartitionValues;
use apportion_sinks::units::{PublishedUnit, UnitIndex, object_sizes};
use apportion_sinks::{Documents, Extent, ForeignObject, Format};
use apportion_spec::pipeline::SourceFormat;
use apportion_spec::{BillingPeriod, Error, ErrorKind, Pipeline, Result};
use object_store::ObjectMeta;
use sha2::{Digest, Sha256};

use crate::destination::OpenDestination;
use crate::foreign;
use crate::normalize::models_of;
use crate::project::hex;
use crate::survey::TelemetrySurvey;
use crate::tables::{ALLOCATED_CHARGES, COMPLETENESS, FOCUS_CHARGES, PUBLISHED, RECONCILIATION, Tables};
use crate::unmapped::UNMAPPED_VALUES;

/// What is published, and the digests of what would decide about it today.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) index: UnitIndex,
    /// Sizes of the objects that are there.
    sizes: BTreeMap<String, u64>,
    /// What lies beside the tables.
    pub(crate) documents: Documents,
    /// Whether every partition has a document that says what it holds.
    described: bool,
    /// What lies in the folders of the tables and was published by no run.
    pub(crate) foreign: Vec<ForeignObject>,
    /// Every unit is done, changed or not.
    forced: bool,
}

/// The program that computes: its version and a digest of the functions that compute values.
pub(crate) const ENGINE_VERSION: &str = env!("APPORTION_BUILD");
/// The libraries that read, compute and write, in their versions. They are recorded; none of them
/// makes anything stale.
pub(crate) const LIBRARIES: &str = env!("APPORTION_LIBRARIES");

/// Whether two programs compute the same. Where a version says no more than its number, the number counts.
pub(crate) fn same_functions(one: &str, other: &str) -> bool {
    functions(one) == functions(other)
}

/// What of a version says which functions compute the values.
pub(crate) fn functions(version: &str) -> &str {
    version.split_once('+').map_or(version, |(_, functions)| functions)
}

impl Published {
    /// Reads the index of units and lists the tables.
    ///
    /// # Errors
    /// Those of the destination's store; [`ErrorKind::Config`] when the tables have another format.
    pub(crate) async fn read(opened: &OpenDestination, forced: bool) -> Result<Self> {
        let format = opened.format_name();
        let destination = &opened.place;
        let mut index = UnitIndex::read(destination).await?;
        if !index.table_format.is_empty() && index.table_format != format {
            let message = format!(
                "the tables here are {}, the pipeline wants {format}; write to another destination, or keep the format",
                index.table_format
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        index.table_format = format;
        let mut sizes = object_sizes(destination, &PUBLISHED).await?;
        let strayed = foreign::find(opened, &index, &sizes).await?;
        // Objects of a Delta table lie there for a while after no version holds them any more.
        sizes.retain(|object, _| !strayed.dropped.contains(object));
        let documents = Documents::survey(destination, &index.documents).await?;
        let described = opened.sink.format() == Format::Parquet;
        Ok(Self { index, sizes, documents, described, foreign: strayed.foreign, forced })
    }

    /// A destination without anything.
    pub(crate) fn nothing() -> Self {
        Self {
            index: UnitIndex::default(),
            sizes: BTreeMap::new(),
            documents: Documents::default(),
            described: false,
            foreign: Vec::new(),
            forced: false,
        }
    }

    /// The published charges of a source.
    pub(crate) fn charges(&self, source: &str, period: BillingPeriod) -> Option<&PublishedUnit> {
        self.index.unit(FOCUS_CHARGES, Some(source), &period.to_string())
    }

    /// Billing periods of a source that are published.
    pub(crate) fn periods_of(&self, source: &str) -> impl Iterator<Item = BillingPeriod> {
        let prefix = format!("{FOCUS_CHARGES}/{source}/");
        self.index.units.keys().filter_map(move |key| key.strip_prefix(&prefix)?.parse().ok())
    }

    /// The published allocation of a period.
    pub(crate) fn allocation(&self, period: BillingPeriod) -> Option<&PublishedUnit> {
        self.index.unit(ALLOCATED_CHARGES, None, &period.to_string())
    }

    /// Why the charges of a source must be computed again, its export aside; empty when they need not.
    pub(crate) fn reasons_beside_export(
        &self,
        decisive: &Decisive<'_>,
        source: &str,
        format: SourceFormat,
        period: BillingPeriod,
    ) -> Vec<String> {
        let Some(unit) = self.charges(source, period) else { return vec!["it was never published".to_owned()] };
        let mut reasons = self.common(unit, decisive.of_charges(format));
        if unit.configuration_digest != decisive.charges_configuration(source, period) {
            reasons.push("the source's part of the pipeline file changed".to_owned());
        }
        reasons
    }

    /// Why the published allocation of a period must be computed again, its charges aside; empty when it
    /// need not.
    pub(crate) fn allocation_reasons(
        &self,
        decisive: &Decisive<'_>,
        period: BillingPeriod,
        telemetry: &Result<TelemetrySurvey>,
    ) -> Vec<String> {
        let Some(unit) = self.allocation(period) else { return vec!["it was never published".to_owned()] };
        let mut reasons = self.common(unit, decisive.of_allocation());
        if unit.configuration_digest != decisive.allocation_configuration(period) {
            reasons.push("telemetry, dimensions, rules or rates of the pipeline file changed".to_owned());
        }
        match telemetry {
            Ok(survey) => {
                let now = survey.fingerprints(&unit.telemetry_spans);
                let changed: Vec<&str> = now
                    .iter()
                    .filter(|(name, digest)| unit.telemetry.get(*name) != Some(digest))
                    .map(|(name, _)| name.as_str())
                    .collect();
                if !changed.is_empty() {
                    reasons.push(format!("telemetry of days it reads changed: {}", changed.join(", ")));
                }
            }
            Err(error) => reasons.push(format!("its telemetry cannot be listed: {error}")),
        }
        reasons
    }

    /// Which published charges are not those the published allocation was computed from, as a reason. The
    /// charges of sources that are `withdrawn` count as gone.
    pub(crate) fn changed_charges(&self, period: BillingPeriod, withdrawn: &[&str]) -> Option<String> {
        let unit = self.allocation(period)?;
        let mut charges = self.charge_digests(period);
        charges.retain(|source, _| !withdrawn.contains(&source.as_str()));
        let changed: Vec<&str> = charges
            .iter()
            .filter(|(source, digest)| unit.computed_from.get(*source) != Some(digest))
            .map(|(source, _)| source.as_str())
            .chain(unit.computed_from.keys().filter(|source| !charges.contains_key(*source)).map(String::as_str))
            .collect();
        (!changed.is_empty()).then(|| format!("the charges of {} changed", changed.join(", ")))
    }

    /// Whether the charges of any source but those left out are published, however few they are.
    pub(crate) fn has_charges(&self, period: BillingPeriod, left_out: &[&str]) -> bool {
        let units = self.index.sources(FOCUS_CHARGES, &period.to_string()).collect::<Vec<_>>();
        units.iter().any(|(source, unit)| !unit.withdrawn && !left_out.contains(source))
    }

    /// Billing periods of which the index remembers an allocation.
    pub(crate) fn periods_allocated(&self) -> BTreeSet<BillingPeriod> {
        let prefix = format!("{ALLOCATED_CHARGES}/");
        self.index.units.keys().filter_map(|key| key.strip_prefix(&prefix)?.parse().ok()).collect()
    }

    /// Why the completeness of a period must be published again; empty when it need not. `nothing` says that no source
    /// has published anything.
    pub(crate) fn completeness_reasons(&self, period: BillingPeriod, digest: &str, nothing: bool) -> Vec<String> {
        let Some(unit) = self.index.unit(COMPLETENESS, None, &period.to_string()) else {
            return if nothing { Vec::new() } else { vec!["it was never published".to_owned()] };
        };
        let mut reasons = self.common(unit, ("", ""));
        if unit.input_digest != digest {
            reasons.push("the sources of the month changed".to_owned());
        }
        reasons
    }

    /// Digest of the published charges of a period by source.
    pub(crate) fn charge_digests(&self, period: BillingPeriod) -> BTreeMap<String, String> {
        let units = self.index.sources(FOCUS_CHARGES, &period.to_string()).collect::<Vec<_>>();
        units
            .into_iter()
            .map(|(source, unit)| (source.to_owned(), unit.digest_of(FOCUS_CHARGES).unwrap_or_default().to_owned()))
            .collect()
    }

    /// Sources and billing periods of which the index remembers charges.
    pub(crate) fn charges_remembered(&self) -> impl Iterator<Item = (String, BillingPeriod)> {
        self.index.units.keys().filter_map(|key| {
            let (source, period) = key.strip_prefix(FOCUS_CHARGES)?.strip_prefix('/')?.split_once('/')?;
            Some((source.to_owned(), period.parse().ok()?))
        })
    }

    /// The mark of the charges of every source and billing period that the index remembers.
    pub(crate) fn marks(&self) -> impl Iterator<Item = (&str, BillingPeriod, Extent)> {
        self.index.units.iter().filter_map(|(key, unit)| {
            let (source, period) = key.strip_prefix(FOCUS_CHARGES)?.strip_prefix('/')?.split_once('/')?;
            Some((source, period.parse().ok()?, unit.high_water.clone()?))
        })
    }

    /// Sources and billing periods that have, or in a Delta table had, charges whose objects lie there.
    pub(crate) fn charges_listed(&self) -> BTreeSet<(String, BillingPeriod)> {
        let charges = self.partitions_listed().into_iter().filter(|(table, _)| *table == FOCUS_CHARGES);
        let values = |partition: PartitionValues| match partition.as_slice() {
            [(_, source), (_, period)] => Some((source.clone(), period.parse().ok()?)),
            _ => None,
        };
        charges.filter_map(|(_, partition)| values(partition)).collect()
    }

    /// Partitions of all tables that have, or in a Delta table had, objects.
    pub(crate) fn partitions_listed(&self) -> BTreeSet<(&'static str, PartitionValues)> {
        let listed = |object: &str| {
            let mut folders: Vec<&str> = object.split('/').collect();
            folders.pop();
            let table = PUBLISHED.into_iter().find(|table| folders.first() == Some(table))?;
            let value = |folder: &&str| folder.split_once('=').map(|(column, it)| (column.to_owned(), it.to_owned()));
            let partition: PartitionValues = folders.get(1..)?.iter().map(value).collect::<Option<_>>()?;
            (!partition.is_empty()).then_some((table, partition))
        };
        self.sizes.keys().filter_map(|object| listed(object)).collect()
    }

    /// Forgets a unit that was withdrawn.
    pub(crate) fn forget(&mut self, key: &str) {
        self.index.units.remove(key);
    }

    /// Takes note of a unit that was just published.
    pub(crate) fn remember(&mut self, key: String, unit: PublishedUnit) {
        for entry in &unit.published {
            self.sizes.extend(entry.objects.iter().cloned().zip(entry.bytes.iter().copied()));
            self.documents.states.extend(entry.objects.iter().filter_map(|object| folder(object)).map(str::to_owned));
        }
        self.index.units.insert(key, unit);
    }

    fn common(&self, unit: &PublishedUnit, (sql, contracts): (&str, &str)) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.forced {
            reasons.push("it was asked for with --force".to_owned());
        }
        if unit.withdrawn {
            reasons.push("its withdrawal was begun".to_owned());
        }
        if !same_functions(&unit.engine_version, ENGINE_VERSION) {
            reasons.push(format!("apportion {ENGINE_VERSION} follows {}", unit.engine_version));
        }
        if unit.sql_digest != sql {
            reasons.push("the SQL models or seeds changed".to_owned());
        }
        if unit.contract_digest != contracts {
            reasons.push("the contracts of the tables changed".to_owned());
        }
        let gone = unit
            .published
            .iter()
            .flat_map(|entry| entry.objects.iter().zip(&entry.bytes))
            .find(|(object, bytes)| self.sizes.get(*object) != Some(bytes));
        if let Some((object, _)) = gone {
            reasons.push(format!("`{object}` is no longer what was published"));
        }
        let mut folders = unit.published.iter().filter_map(|entry| folder(entry.objects.first()?));
        let lost = folders.find(|folder| self.described && !self.documents.states.contains(*folder));
        if let Some(folder) = lost {
            reasons.push(format!("the document that says what `{folder}` holds is missing or cannot be read"));
        }
        reasons
    }
}

/// The folder of an object.
fn folder(object: &str) -> Option<&str> {
    object.rsplit_once('/').map(|(folder, _)| folder)
}

/// Models that only readers of the written tables use: no table is computed from them.
const READERS: [&str; 8] = [
    "charge_targets",
    "charge_targets__parts_add_up",
    "explanation__splits",
    "verification__allocated_totals",
    "verification__charge_totals",
    "verification__follow_quantities",
    "verification__parts",
    "verification__quantities",
];

/// Digests of what decides about units today.
#[derive(Debug)]
pub(crate) struct Decisive<'a> {
    pipeline: &'a Pipeline,
    /// SQL, checks and control included, by the format of the source.
    charges_sql: BTreeMap<&'static str, String>,
    allocation_sql: String,
    charges_contracts: String,
    allocation_contracts: String,
}

impl<'a> Decisive<'a> {
    /// Puts together what a run of the pipeline would go by.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when a model that is asked for by name does not exist.
    pub(crate) fn try_new(pipeline: &'a Pipeline, models: &ModelGraph, tables: &Tables) -> Result<Self> {
        let mut charges_sql = BTreeMap::new();
        let mut all = Vec::new();
        let declared = pipeline.sources.iter().map(|source| source.format);
        for format in declared.chain(SourceFormat::ALL) {
            let roots = charges_roots(models, format);
            let mut names = models.closure(roots.iter().copied(), &[])?;
            // It reads the seeds of every provider; those that decide are part of the provider's own models.
            names.insert(UNMAPPED_VALUES.to_owned());
            charges_sql.insert(format.as_str(), models.digest_of(names.iter().map(String::as_str)));
            all.extend(roots);
        }
        all.push(UNMAPPED_VALUES);
        let allocation = models.beside(&all, &READERS, &[FOCUS_CHARGES])?;
        let contracts = |of_charges: bool| {
            let wanted = |name: &&str| *name == RECONCILIATION || (*name == FOCUS_CHARGES) == of_charges;
            let texts = PUBLISHED.into_iter().filter(wanted).map(|name| Ok(tables.contract(name)?.identity()));
            Ok::<_, Error>(of_texts(texts.collect::<Result<Vec<_>>>()?.iter().map(String::as_str)))
        };
        Ok(Self {
            pipeline,
            charges_sql,
            allocation_sql: models.digest_of(allocation.iter().map(String::as_str)),
            charges_contracts: contracts(true)?,
            allocation_contracts: contracts(false)?,
        })
    }

    /// The part of the pipeline file that decides about a source's charges.
    pub(crate) fn charges_configuration(&self, source: &str, period: BillingPeriod) -> String {
        of_texts([self.pipeline.source_identity(source, period).as_str()])
    }

    /// The part of the pipeline file that decides about an allocation.
    pub(crate) fn allocation_configuration(&self, period: BillingPeriod) -> String {
        allocation_configuration(self.pipeline, period)
    }

    /// Models, seeds and contracts that decide about charges of a format.
    pub(crate) fn of_charges(&self, format: SourceFormat) -> (&str, &str) {
        (self.charges_sql.get(format.as_str()).map_or("", String::as_str), &self.charges_contracts)
    }

    /// Models, seeds and contracts that decide about an allocation.
    pub(crate) fn of_allocation(&self) -> (&str, &str) {
        (&self.allocation_sql, &self.allocation_contracts)
    }
}

/// Digest of the part of a pipeline file that decides about an allocation.
pub(crate) fn allocation_configuration(pipeline: &Pipeline, period: BillingPeriod) -> String {
    of_texts([pipeline.allocation_identity(period).as_str()])
}

/// The models that are asked for by name to compute charges of a format, with their checks.
fn charges_roots(models: &ModelGraph, format: SourceFormat) -> Vec<&str> {
    let provider = models_of(format);
    let named = [Some(provider.charges), Some(provider.control), provider.repairs];
    let checks = models.checks_of(FOCUS_CHARGES).map(|check| check.name.as_str());
    named.into_iter().flatten().chain([FOCUS_CHARGES, "reconciliation__normalization"]).chain(checks).collect()
}

/// Digest of what a listing showed.
pub(crate) fn of_objects<'a>(objects: impl IntoIterator<Item = &'a ObjectMeta>) -> String {
    let mut digest = Sha256::new();
    for object in objects {
        digest.update(format!("{}\n{}\n", object.location, object.size));
        match &object.e_tag {
            Some(tag) => digest.update(format!("{tag}\n")),
            None => digest.update(format!("{}\n", object.last_modified.to_rfc3339())),
        }
    }
    hex(&digest.finalize())
}

/// Digest of length-prefixed texts.
pub(crate) fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    hex(&digest.finalize())
}
