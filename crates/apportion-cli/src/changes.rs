//! What has to be done and why: compares what is published with what it would be made from today.
//!
//! A unit is left alone only when everything that decides about it is known to be the same: the
//! objects of the export, its part of the pipeline file, the SQL it goes through, the program, for
//! an allocation also the charges and the telemetry it reads; and when its tables are still there.
//! Whatever cannot be compared is done again, which changes nothing when nothing changed.

use std::collections::{BTreeMap, BTreeSet};

use apportion_engine::ModelGraph;
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
use crate::tables::{ALLOCATED_CHARGES, FOCUS_CHARGES, PUBLISHED};
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

/// The program that computes: its version and a digest of its sources.
pub(crate) const ENGINE_VERSION: &str = env!("APPORTION_BUILD");

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
        let mut reasons = self.common(unit, &decisive.charges_sql(format));
        if unit.configuration_digest != decisive.charges_configuration(source, period) {
            reasons.push("the source's part of the pipeline file changed".to_owned());
        }
        reasons
    }

    /// Why the allocation of a period must be computed again; empty when it need not.
    pub(crate) fn allocation_reasons(
        &self,
        decisive: &Decisive<'_>,
        period: BillingPeriod,
        telemetry: Option<&TelemetrySurvey>,
    ) -> Vec<String> {
        let Some(unit) = self.allocation(period) else { return vec!["it was never published".to_owned()] };
        let mut reasons = self.common(unit, &decisive.allocation_sql());
        if unit.configuration_digest != decisive.allocation_configuration(period) {
            reasons.push("telemetry, dimensions, rules or rates of the pipeline file changed".to_owned());
        }
        let charges = self.charge_digests(period);
        let changed: Vec<&str> = charges
            .iter()
            .filter(|(source, digest)| unit.computed_from.get(*source) != Some(digest))
            .map(|(source, _)| source.as_str())
            .chain(unit.computed_from.keys().filter(|source| !charges.contains_key(*source)).map(String::as_str))
            .collect();
        if !changed.is_empty() {
            reasons.push(format!("the charges of {} changed", changed.join(", ")));
        }
        match telemetry {
            Some(survey) => {
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
            None => reasons.push("its telemetry cannot be listed".to_owned()),
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
        let folder = |object: &str| {
            let mut folders = object.strip_prefix(FOCUS_CHARGES)?.split('/').skip(1);
            let source = folders.next()?.strip_prefix("x_Source=")?;
            let period = folders.next()?.strip_prefix("x_BillingPeriod=")?;
            Some((source.to_owned(), period.parse().ok()?))
        };
        self.sizes.keys().filter_map(|object| folder(object)).collect()
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

    fn common(&self, unit: &PublishedUnit, sql_digest: &str) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.forced {
            reasons.push("it was asked for with --force".to_owned());
        }
        if unit.withdrawn {
            reasons.push("its withdrawal was begun".to_owned());
        }
        if unit.engine_version != ENGINE_VERSION {
            reasons.push(format!("apportion {ENGINE_VERSION} follows {}", unit.engine_version));
        }
        if unit.sql_digest != sql_digest {
            reasons.push("the SQL models or seeds changed".to_owned());
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

/// Digests of what decides about units today.
#[derive(Debug)]
pub(crate) struct Decisive<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) models: &'a ModelGraph,
}

impl Decisive<'_> {
    /// The part of the pipeline file that decides about a source's charges.
    pub(crate) fn charges_configuration(&self, source: &str, period: BillingPeriod) -> String {
        of_texts([self.pipeline.source_identity(source, period).as_str()])
    }

    /// The part of the pipeline file that decides about an allocation.
    pub(crate) fn allocation_configuration(&self, period: BillingPeriod) -> String {
        of_texts([self.pipeline.allocation_identity(period).as_str()])
    }

    /// The SQL that charges of a format go through, checks and control included.
    pub(crate) fn charges_sql(&self, format: SourceFormat) -> String {
        let provider = models_of(format);
        let roots = [Some(provider.charges), Some(provider.control), provider.repairs];
        let hashes = roots.into_iter().flatten().chain([FOCUS_CHARGES, "reconciliation__normalization"]);
        let hashes = hashes.map(|root| self.models.model_hash(root).unwrap_or_default());
        let checks = self.models.checks_of(FOCUS_CHARGES).map(|check| check.sql.clone());
        // It reads the seeds of every provider; those that decide are part of the provider's own models.
        let unmapped = self.models.model(UNMAPPED_VALUES).map(|control| control.sql.clone());
        of_texts(hashes.chain(checks).chain(unmapped).collect::<Vec<_>>().iter().map(String::as_str))
    }

    /// The SQL that an allocation goes through, checks and control included.
    pub(crate) fn allocation_sql(&self) -> String {
        const FOLDERS: [&str; 5] = [
            "sql/staging/telemetry/",
            "sql/intermediate/allocation/",
            "sql/intermediate/drivers/",
            "sql/intermediate/unit_economics/",
            "sql/marts/",
        ];
        let models = self.models.models().filter(|model| {
            model.name == "reconciliation__allocation"
                || (model.name != FOCUS_CHARGES && FOLDERS.iter().any(|folder| model.path.starts_with(folder)))
        });
        let charges = format!("{FOCUS_CHARGES}__");
        let checks = self.models.checks().filter(|check| !check.name.starts_with(&charges));
        of_texts(models.chain(checks).map(|model| model.sql.as_str()))
    }
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
