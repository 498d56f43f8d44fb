//! The certificate of a billing period, put together from what was just published.
//!
//! Digests of objects come from the staged files they were published from, totals from the published
//! reconciliation, numbers from the published tables. What this run did not publish is taken over
//! from the existing certificate where the table still holds it, and read once where it is unknown.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use apportion_sinks::{
    AllocationStatement, Certificate, CertifiedObject, CertifiedPartition, Destination, Extent, MissingSource,
    PartitionValues, PublishUnit, Published, SourceStatement, StageTotal, TableObject, TableSpec, hash_object,
    keep_configuration, objects_table, read_certificate, withdraw_certificate, write_certificate,
};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use chrono::Utc;
use datafusion::common::ScalarValue;
use datafusion::prelude::SessionContext;

use crate::changes::{ENGINE_VERSION, LIBRARIES};
use crate::destination::OpenDestination;
use crate::extent;
use crate::money::Money;
use crate::rows::{Row, rows};
use crate::run::Run;
use crate::staging::query_error;
use crate::tables::{ALLOCATED_CHARGES, FOCUS_CHARGES, PUBLISHED, RECONCILIATION};

/// The column that says which billing period a partition belongs to.
pub(crate) const BILLING_PERIOD: &str = "x_BillingPeriod";

/// What the units of a run published or confirmed, by billing period, until it is certified.
#[derive(Debug, Default)]
pub(crate) struct Certified {
    periods: Mutex<BTreeMap<String, Noted>>,
    /// Sources that a billing period is published without.
    missing: Mutex<BTreeMap<String, Vec<MissingSource>>>,
    /// The most that the charges of a billing period and source had since a smaller version was accepted.
    marks: Mutex<BTreeMap<(String, String), Extent>>,
}

/// What is known of one billing period.
#[derive(Debug, Default)]
struct Noted {
    /// The certificate that the period had before this run.
    earlier: Option<Certificate>,
    published: Vec<CertifiedPartition>,
    /// Whether any table holds something else than before.
    changed: bool,
}

impl Certified {
    fn periods(&self) -> MutexGuard<'_, BTreeMap<String, Noted>> {
        self.periods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The certificate that a billing period had before this run.
    ///
    /// # Errors
    /// Those of the destination's store; one that cannot be read is none.
    pub(crate) async fn earlier(&self, place: &Destination, period: BillingPeriod) -> Result<Option<Certificate>> {
        if let Some(noted) = self.periods().get(&period.to_string()) {
            return Ok(noted.earlier.clone());
        }
        match read_certificate(place, &period.to_string()).await {
            Err(error) if error.kind() == ErrorKind::ContractViolated => Ok(None),
            other => other,
        }
    }

    /// Notes which sources a billing period is published without, which its certificate is to state.
    pub(crate) fn note_missing(&self, period: BillingPeriod, missing: Vec<MissingSource>) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).insert(period.to_string(), missing);
    }

    fn missing(&self, period: BillingPeriod) -> Vec<MissingSource> {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.get(&period.to_string()).cloned().unwrap_or_default()
    }

    /// Whether anything of a billing period was published or confirmed that is not certified yet.
    pub(crate) fn is_open(&self, period: BillingPeriod) -> bool {
        self.periods().contains_key(&period.to_string())
    }

    /// Notes the mark of a source's charges, which their certificate is to state.
    pub(crate) fn note_mark(&self, period: &str, source: &str, mark: Extent) {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.insert((period.to_owned(), source.to_owned()), mark);
    }

    fn mark(&self, period: BillingPeriod, source: &str) -> Option<Extent> {
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.get(&(period.to_string(), source.to_owned())).cloned()
    }

    /// Publishes a partition and notes it. The certificate of its billing period is withdrawn first:
    /// whatever happens from now on, there is none that says something else than the tables.
    ///
    /// # Errors
    /// Those of publishing and of the destination's store.
    pub(crate) async fn publish(&self, destination: &OpenDestination, unit: &PublishUnit) -> Result<Published> {
        let period = unit.partition.iter().find(|(name, _)| name == BILLING_PERIOD).map(|(_, value)| value.clone());
        let period = period.unwrap_or_default();
        let known = self.periods().contains_key(&period);
        if !known {
            let earlier = withdraw_certificate(&destination.place, &period).await?;
            self.periods().insert(period.clone(), Noted { earlier, ..Noted::default() });
        }
        let published = destination.sink.publish(unit).await?;
        let mut periods = self.periods();
        let noted = periods.entry(period).or_default();
        noted.changed |= published.changed;
        noted.published.push(CertifiedPartition::new(unit, &published));
        Ok(published)
    }
}

/// Certifies a billing period whose units are done. When one of them failed, its tables need not
/// belong together: then it has no certificate, unless nothing changed and it keeps the one it had.
/// So it does when nothing was computed.
///
/// # Errors
/// [`ErrorKind::CheckFailed`] when the tables do not tie; those of reading the published tables and of
/// the destination's store.
///
/// `certified` says whether the certificate it had can be read, with the configuration it names.
pub(crate) async fn settle(run: &Run, period: BillingPeriod, complete: bool, certified: bool) -> Result<()> {
    let place = &run.destination.place;
    run.is_ours().await?;
    let noted = run.certified.periods().remove(&period.to_string());
    match noted {
        Some(noted) if complete => certify(run, period, &noted.published, noted.earlier.as_ref()).await,
        Some(Noted { earlier: Some(earlier), changed: false, .. }) => write_certificate(place, &earlier).await,
        None if complete && !certified => {
            let earlier = run.certified.earlier(place, period).await?;
            certify(run, period, &[], earlier.as_ref()).await
        }
        _ => Ok(()),
    }
}

async fn certify(
    run: &Run,
    period: BillingPeriod,
    published: &[CertifiedPartition],
    earlier: Option<&Certificate>,
) -> Result<()> {
    let place = &run.destination.place;
    let known: Vec<&CertifiedPartition> =
        published.iter().chain(earlier.into_iter().flat_map(|certificate| &certificate.partitions)).collect();
    let context = run.context();
    let mut partitions = Vec::new();
    for name in PUBLISHED {
        let spec = run.tables.spec(name)?;
        let filter = [(BILLING_PERIOD.to_owned(), period.to_string())];
        let objects = run.destination.sink.read_objects(&spec, &filter).await?;
        if objects.is_empty() {
            continue;
        }
        let table = objects_table(run.destination.sink.as_ref(), &spec, objects.clone())?;
        context.register_table(name, table).map_err(query_error)?;
        for (partition, objects) in by_partition(objects) {
            partitions.push(certified(run, &spec, partition, &objects, &known).await?);
        }
    }
    if partitions.is_empty() {
        return Ok(());
    }
    refuse_untied(run, &context, period).await?;
    let totals = totals(&context).await?;
    let mut differences = 0;
    for total in &totals {
        differences += u64::from(Money::read(&total.difference)? != Money::default());
    }
    let certificate = Certificate {
        form: Certificate::FORM,
        billing_period: period.to_string(),
        pipeline: run.project.pipeline.name.clone(),
        run_id: run.run_id.clone(),
        engine_version: ENGINE_VERSION.to_owned(),
        libraries: LIBRARIES.to_owned(),
        configuration_digest: keep_configuration(place, &run.project.configuration()).await?,
        sql_digest: run.sql_digest.clone(),
        certified_at: Utc::now(),
        missing: run.certified.missing(period),
        sources: sources(run, &context, period, &partitions, earlier).await?,
        allocation: allocation(&context).await?,
        differences,
        totals,
        partitions,
    };
    write_certificate(place, &certificate).await
}

/// Compares what the tables add up to now with each other and with what was stated when each was
/// published: `verify` would do the same, and it must not find what was just certified to be wrong.
async fn refuse_untied(run: &Run, context: &SessionContext, period: BillingPeriod) -> Result<()> {
    let has = |table: &str| context.table_exist(table).map_err(query_error);
    let parameters = BTreeMap::from([("billing_period".to_owned(), ScalarValue::from(period.to_string()))]);
    let mut found = Vec::new();
    if has(FOCUS_CHARGES)? && !has(RECONCILIATION)? {
        found.push("no total of the charges is stated".to_owned());
    }
    let stated =
        [(FOCUS_CHARGES, "verification__charge_totals"), (ALLOCATED_CHARGES, "verification__allocated_totals")];
    for (table, model) in stated {
        if has(table)? && has(RECONCILIATION)? {
            run.models.register(context, &[model], &parameters).await?;
            let sql = format!(
                "SELECT x_Source, x_Ledger, BillingCurrency, Stated, Found, x_Stage FROM {model} ORDER BY 1, 3, 2, 6"
            );
            let untied = |row: &Row| {
                let of = [row.text(0), row.text(1), row.text(2)].join(" ");
                format!("{of}: {table} add up to {}, the {} stated {}", row.text(4), row.text(5), row.text(3))
            };
            found.extend(rows(context, &sql).await?.iter().map(untied));
        }
    }
    if has(ALLOCATED_CHARGES)? {
        if !has(FOCUS_CHARGES)? {
            found.push("there are allocated charges, and no charges".to_owned());
        } else {
            let model = "reconciliation__allocation";
            run.models.register(context, &[model], &parameters).await?;
            let sql = format!(
                "SELECT x_Source, x_Ledger, BillingCurrency, x_NormalizedTotal, x_AllocatedTotal FROM {model} \
                 WHERE x_Difference <> 0 ORDER BY 1, 3, 2"
            );
            let untied = |row: &Row| {
                let of = [row.text(0), row.text(1), row.text(2)].join(" ");
                format!("{of}: charges of {}, allocated {}", row.text(3), row.text(4))
            };
            found.extend(rows(context, &sql).await?.iter().map(untied));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the published tables do not tie; `apportion verify` locates every difference, and `run --force` computes the \
         month again\n  {}",
        found.join("\n  ")
    );
    Err(Error::new(ErrorKind::CheckFailed, message).with("billing_period", period))
}

/// Objects by the partition they belong to.
pub(crate) fn by_partition(objects: Vec<TableObject>) -> BTreeMap<PartitionValues, Vec<TableObject>> {
    let mut grouped: BTreeMap<PartitionValues, Vec<TableObject>> = BTreeMap::new();
    for object in objects {
        grouped.entry(object.partition.clone()).or_default().push(object);
    }
    grouped
}

/// What is known of a partition, or what reading it tells.
async fn certified(
    run: &Run,
    spec: &TableSpec,
    partition: PartitionValues,
    objects: &[TableObject],
    known: &[&CertifiedPartition],
) -> Result<CertifiedPartition> {
    let place = &run.destination.place;
    let version = run.destination.sink.current_version(spec, &partition).await?;
    let digest = version.map(|version| version.digest).unwrap_or_default();
    let names: Vec<String> = objects.iter().map(|object| place.relative(&object.meta.location)).collect();
    let same = |candidate: &&&CertifiedPartition| {
        candidate.table == spec.name
            && sorted(&candidate.partition) == sorted(&partition)
            && candidate.objects.iter().map(|object| &object.object).eq(&names)
            && (candidate.digest.is_empty() || candidate.digest == digest)
    };
    if let Some(found) = known.iter().find(same) {
        return Ok(CertifiedPartition { digest, partition, ..(*found).clone() });
    }
    let mut read = Vec::new();
    for (object, name) in objects.iter().zip(names) {
        let (bytes, sha256) = hash_object(place, &object.meta.location).await?;
        read.push(CertifiedObject { object: name, bytes, sha256 });
    }
    let versions = run.destination.sink.versions(spec, &partition).await?;
    let provenance = versions.into_iter().find(|version| version.current).map(|version| version.provenance);
    let provenance = provenance.unwrap_or_default();
    Ok(CertifiedPartition {
        table: spec.name.clone(),
        partition,
        digest,
        run_id: provenance.run_id,
        input_digest: provenance.input_digest,
        objects: read,
    })
}

/// A partition whose columns may come in any order.
pub(crate) fn sorted(partition: &PartitionValues) -> PartitionValues {
    let mut partition = partition.clone();
    partition.sort();
    partition
}

fn number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::new(ErrorKind::Internal, format!("`{text}` is not a number of rows")))
}

async fn sources(
    run: &Run,
    context: &SessionContext,
    period: BillingPeriod,
    partitions: &[CertifiedPartition],
    earlier: Option<&Certificate>,
) -> Result<Vec<SourceStatement>> {
    let sql = "SELECT x_Source, count(*) FROM focus_charges GROUP BY x_Source ORDER BY x_Source";
    let mut sources = Vec::new();
    for row in rows(context, sql).await? {
        let (source, charges) = (row.text(0), number(&row.text(1))?);
        let published = partitions.iter().find(|partition| {
            partition.table == FOCUS_CHARGES && partition.partition.iter().any(|(_, value)| *value == source)
        });
        let (run_id, input_digest) =
            published.map(|found| (found.run_id.clone(), found.input_digest.clone())).unwrap_or_default();
        let stated = || earlier?.sources.iter().find(|it| it.source == source)?.high_water.clone();
        let high_water = match run.certified.mark(period, &source).or_else(stated) {
            Some(mark) => Some(mark),
            None => extent::of_published(run, &source, period).await?,
        };
        sources.push(SourceStatement { source, run_id, input_digest, charges, high_water });
    }
    Ok(sources)
}

/// Numbers of what is allocated, or `None` when nothing is.
///
/// # Errors
/// When a table cannot be read.
pub(crate) async fn allocation(context: &SessionContext) -> Result<Option<AllocationStatement>> {
    if !context.table_exist(ALLOCATED_CHARGES).map_err(query_error)? {
        return Ok(None);
    }
    let parts = "SELECT count(*), count(*) FILTER (WHERE x_PoolId IS NOT NULL OR x_ActivityPoolId IS NOT NULL) \
                 FROM allocated_charges";
    let cells = "SELECT count(*) FROM (SELECT x_CellId FROM allocated_charges GROUP BY x_CellId)";
    let parts = rows(context, parts).await?;
    let parts = parts.first();
    let count = |column| number(&parts.map(|row| row.text(column)).unwrap_or_default());
    Ok(Some(AllocationStatement {
        charges: one_number(context, "SELECT count(*) FROM focus_charges").await?,
        cells: one_number(context, cells).await?,
        parts: count(0)?,
        splits_recomputed: count(1)?,
    }))
}

async fn one_number(context: &SessionContext, sql: &str) -> Result<u64> {
    number(&rows(context, sql).await?.first().map(|row| row.text(0)).unwrap_or_default())
}

/// The rows of the registered `reconciliation`.
///
/// # Errors
/// When the table cannot be read.
pub(crate) async fn totals(context: &SessionContext) -> Result<Vec<StageTotal>> {
    if !context.table_exist(RECONCILIATION).map_err(query_error)? {
        return Ok(Vec::new());
    }
    let sql = "SELECT x_Stage, x_Source, x_Ledger, BillingCurrency, x_SourceTotal, x_LeftOutTotal, x_NormalizedTotal, \
               x_AllocatedTotal, x_ConversionResidual, x_Difference, x_RowCount FROM reconciliation \
               ORDER BY x_Stage DESC, x_Source, BillingCurrency, x_Ledger";
    let mut totals = Vec::new();
    for row in rows(context, sql).await? {
        totals.push(StageTotal {
            stage: row.text(0),
            source: row.text(1),
            ledger: row.text(2),
            currency: row.text(3),
            source_total: row.text(4),
            left_out: row.text(5),
            normalized: row.text(6),
            allocated: row.optional(7),
            conversion_residual: row.text(8),
            difference: row.text(9),
            rows: number(&row.text(10))?,
        });
    }
    Ok(totals)
}
