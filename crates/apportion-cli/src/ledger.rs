//! The run's own document in the ledger, and the digests that identify what a unit read.

use std::time::Instant;

use apportion_sinks::ledger::{ErrorEntry, InputObject, LedgerSum, RunEntry, RunLedger, UnitEntry, UnitStatus};
use apportion_sinks::{PartitionReference, Provenance};
use apportion_spec::{BillingPeriod, Error, Result};
use chrono::Utc;
use object_store::ObjectMeta;
use sha2::{Digest, Sha256};

use crate::project::hex;
use crate::report::LedgerTotals;
use crate::run::Run;

/// The ledger of the run under way.
#[derive(Debug)]
pub(crate) struct Ledger {
    document: RunLedger,
}

/// Digest over the identity of objects: location, size and entity tag.
pub(crate) fn digest_of(objects: &[&ObjectMeta]) -> String {
    let mut digest = Sha256::new();
    for object in objects {
        digest.update(format!("{}\n{}\n{:?}\n", object.location, object.size, object.e_tag));
    }
    hex(&digest.finalize())
}

/// A unit of work under way, with its entry.
#[derive(Debug)]
pub(crate) struct UnitWork {
    pub(crate) entry: UnitEntry,
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

    /// Notes the objects read and their digest.
    pub(crate) fn read<'a>(&mut self, objects: impl Iterator<Item = &'a ObjectMeta>) {
        let objects: Vec<&ObjectMeta> = objects.collect();
        self.entry.input_digest = Some(digest_of(&objects));
        for object in objects {
            self.entry.inputs.push(InputObject {
                object: object.location.to_string(),
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
            form: 0,
            run_id: run.run_id.clone(),
            pipeline: run.project.pipeline.name.clone(),
            engine_version: env!("CARGO_PKG_VERSION").to_owned(),
            reason: None,
            started_at: Utc::now(),
            finished_at: None,
            configuration_digest: run.project.digest.clone(),
            sql_digest: run.sql_digest.clone(),
            rules_digest: None,
            units: Vec::new(),
        };
        Ok(Self { document: RunLedger::start(run.destination.place.clone(), entry).await? })
    }

    /// A unit starts.
    ///
    /// # Errors
    /// Those of the destination's store.
    pub(crate) async fn begin(&mut self, table: &str, source: Option<&str>, period: BillingPeriod) -> Result<UnitWork> {
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
            milliseconds: std::collections::BTreeMap::new(),
            published: Vec::new(),
            notes: Vec::new(),
            reason: None,
            error: None,
        };
        self.document.record(entry.clone()).await?;
        let now = Instant::now();
        Ok(UnitWork { entry, partitions_read: Vec::new(), started: now, step: now })
    }

    /// A unit ended.
    ///
    /// # Errors
    /// Those of the destination's store.
    pub(crate) async fn end(&mut self, mut unit: UnitWork, error: Option<&Error>) -> Result<()> {
        unit.entry.finished_at = Some(Utc::now());
        unit.entry.error = error.map(ErrorEntry::from);
        unit.entry.status = match error {
            Some(_) => UnitStatus::Failed,
            None if unit.entry.published.iter().any(|published| published.changed) => UnitStatus::Published,
            None => UnitStatus::Unchanged,
        };
        self.document.record(unit.entry).await
    }

    /// The run ended.
    ///
    /// # Errors
    /// Those of the destination's store.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        self.document.update(|entry| entry.finished_at = Some(Utc::now())).await
    }

    /// What is stored beside a publication of this unit.
    pub(crate) fn provenance(&self, run: &Run, unit: &UnitWork) -> Provenance {
        let allocates = unit.entry.source.is_none();
        Provenance {
            run_id: run.run_id.clone(),
            input_digest: unit.entry.input_digest.clone().unwrap_or_default(),
            configuration_digest: run.project.digest.clone(),
            rules_digest: allocates.then(|| run.project.digest.clone()),
            ledger_entry: Some(self.document.document()),
            computed_from: unit.entry.computed_from.clone(),
            partitions_read: unit.partitions_read.clone(),
            sql_digest: run.sql_digest.clone(),
            engine_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
