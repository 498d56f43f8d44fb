//! The run's own document in the ledger, and the digests that identify what a unit read.

use std::collections::BTreeMap;
use std::time::Instant;

use apportion_sinks::ledger::{ErrorEntry, InputObject, LedgerSum, RunEntry, RunLedger, UnitEntry, UnitStatus};
use apportion_sinks::{Extent, PartitionReference, Provenance};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use chrono::Utc;
use object_store::ObjectMeta;
use tokio::sync::Mutex;

use crate::changes;
use crate::report::LedgerTotals;
use crate::run::Run;
use crate::stop::Publishing;

/// The ledger of the run under way. Several units may report to it at the same time.
#[derive(Debug)]
pub(crate) struct Ledger {
    document: Mutex<RunLedger>,
    /// Name of the document.
    name: String,
}

/// A unit of work under way, with its entry.
#[derive(Debug)]
pub(crate) struct UnitWork {
    pub(crate) entry: UnitEntry,
    /// Set while its tables are being replaced.
    pub(crate) publishing: Publishing,
    /// Digest of what the listing showed of its billing period.
    pub(crate) listing_digest: Option<String>,
    /// Digest of the charges it was computed from, by source.
    pub(crate) charges: BTreeMap<String, String>,
    /// Spans of telemetry it read, half open, in seconds since 1970.
    pub(crate) telemetry_spans: Vec<(i64, i64)>,
    /// The most that the unit's charges had since a smaller version was accepted.
    pub(crate) mark: Option<Extent>,
    /// The published partitions that were read, in their versions.
    pub(crate) partitions_read: Vec<PartitionReference>,
    started: Instant,
    step: Instant,
}

impl UnitWork {
    /// Notes how long the step since the last call took.
    pub(crate) fn step(&mut self, name: &str) {
        let elapsed = u64::try_from(self.step.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.entry.milliseconds.insert(name.to_owned(), elapsed);
        self.step = Instant::now();
    }

    /// Seconds since the unit started.
    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Notes the objects read, under the names the user knows them by, and their digest.
    pub(crate) fn read<'a>(&mut self, objects: impl Iterator<Item = (String, &'a ObjectMeta)>) {
        let objects: Vec<(String, &ObjectMeta)> = objects.collect();
        self.entry.input_digest = Some(changes::of_objects(objects.iter().map(|(_, object)| *object)));
        for (name, object) in objects {
            self.entry.inputs.push(InputObject {
                object: name,
                bytes: object.size,
                e_tag: object.e_tag.clone(),
                last_modified: Some(object.last_modified),
            });
        }
    }

    /// Notes the sums of one currency.
    pub(crate) fn sums(&mut self, currency: &str, totals: &LedgerTotals) {
        let ledgers = [
            ("BilledCost", totals.billed),
            ("EffectiveCost", totals.effective),
            ("ListCost", totals.list),
            ("ContractedCost", totals.contracted),
        ];
        self.entry.sums.extend(ledgers.into_iter().map(|(ledger, amount)| LedgerSum {
            ledger: ledger.to_owned(),
            currency: currency.to_owned(),
            amount: amount.to_string(),
        }));
    }
}

impl Ledger {
    /// Writes the run's first document.
    ///
    /// # Errors
    /// Those of the destination's store.
    pub(crate) async fn start(run: &Run) -> Result<Self> {
        let entry = RunEntry {
            form: RunEntry::FORM,
            run_id: run.run_id.clone(),
            pipeline: run.project.pipeline.name.clone(),
            engine_version: changes::ENGINE_VERSION.to_owned(),
            libraries: changes::LIBRARIES.to_owned(),
            started_at: Utc::now(),
            finished_at: None,
            configuration_digest: run.project.digest.clone(),
            sql_digest: run.sql_digest.clone(),
            units: Vec::new(),
            units_up_to_date: 0,
        };
        let document = RunLedger::start(run.destination.place.clone(), entry).await?;
        Ok(Self { name: document.document(), document: Mutex::new(document) })
    }

    /// A unit starts.
    ///
    /// # Errors
    /// Those of the destination's store.
    pub(crate) async fn begin(
        &self,
        table: &str,
        source: Option<&str>,
        period: BillingPeriod,
        reasons: &[String],
    ) -> Result<UnitWork> {
        let entry = UnitEntry {
            table: table.to_owned(),
            source: source.map(str::to_owned),
            billing_period: period.to_string(),
            status: UnitStatus::Started,
            started_at: Utc::now(),
            finished_at: None,
            input_digest: None,
            inputs: Vec::new(),
            manifest: None,
            telemetry_fingerprint: None,
            computed_from: Vec::new(),
            rows: None,
            sums: Vec::new(),
            conversion_residuals: Vec::new(),
            milliseconds: BTreeMap::new(),
            published: Vec::new(),
            notes: Vec::new(),
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
            error: None,
        };
        self.document.lock().await.record(entry.clone()).await?;
        let now = Instant::now();
        Ok(UnitWork {
            entry,
            publishing: Publishing::default(),
            listing_digest: None,
            charges: BTreeMap::new(),
            telemetry_spans: Vec::new(),
            mark: None,
            partitions_read: Vec::new(),
            started: now,
            step: now,
        })
    }

    /// A unit ended.
    ///
    /// # Errors
    /// Those of the destination's store.
    pub(crate) async fn end(&self, mut unit: UnitWork, error: Option<&Error>) -> Result<()> {
        unit.entry.finished_at = Some(Utc::now());
        unit.entry.error = error.map(ErrorEntry::from);
        unit.entry.status = match error {
            Some(error) if error.kind() == ErrorKind::Stopped => UnitStatus::Stopped,
            Some(error) if error.kind() == ErrorKind::Held => UnitStatus::Held,
            Some(_) => UnitStatus::Failed,
            None if unit.entry.published.iter().any(|published| published.changed) => UnitStatus::Published,
            None => UnitStatus::Unchanged,
        };
        self.document.lock().await.record(unit.entry).await
    }

    /// A unit ended whose published content was taken away.
    ///
    /// # Errors
    /// Those of the destination's store.
    pub(crate) async fn end_withdrawn(&self, unit: UnitWork, error: Option<&Error>) -> Result<()> {
        if error.is_some() {
            return self.end(unit, error).await;
        }
        let entry = UnitEntry { finished_at: Some(Utc::now()), status: UnitStatus::Withdrawn, ..unit.entry };
        self.document.lock().await.record(entry).await
    }

    /// The run ended; so many units had nothing to be done.
    ///
    /// # Errors
    /// Those of the destination's store.
    pub(crate) async fn finish(&self, up_to_date: u64) -> Result<()> {
        let end = |entry: &mut RunEntry| {
            entry.finished_at = Some(Utc::now());
            entry.units_up_to_date = up_to_date;
        };
        self.document.lock().await.update(end).await
    }

    /// What is stored beside a publication of this unit.
    pub(crate) fn provenance(&self, run: &Run, unit: &UnitWork) -> Provenance {
        let allocates = unit.entry.source.is_none();
        Provenance {
            run_id: run.run_id.clone(),
            input_digest: unit.entry.input_digest.clone().unwrap_or_default(),
            configuration_digest: run.project.digest.clone(),
            ledger_entry: Some(self.name.clone()),
            computed_from: unit.entry.computed_from.clone(),
            partitions_read: unit.partitions_read.clone(),
            sql_digest: if allocates { run.sql_digest.clone() } else { run.mapping_digest.clone() },
            engine_version: changes::ENGINE_VERSION.to_owned(),
        }
    }
}
