//! Published charges that the pipeline no longer accounts for: their source was renamed or removed, or
//! its `from` and `to` leave their month out.
//!
//! Left where they are they would count beside what replaces them, taken away they may be lost. Only a
//! person knows which, so a month with such charges is held back as it is until withdrawing them is
//! accepted. A withdrawal that began is finished by whoever comes next.

use std::collections::{BTreeMap, BTreeSet};

use apportion_sinks::units::PublishedUnit;
use apportion_sinks::{Format, PartitionValues, Provenance, PublishUnit};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Pipeline, Result, did_you_mean};

use crate::accept::Accepted;
use crate::changes::Published;
use crate::destination::OpenDestination;
use crate::ledger::UnitWork;
use crate::money::Money;
use crate::output::{amount, grouped};
use crate::project::PeriodSelection;
use crate::run::Run;
use crate::tables::{FOCUS_CHARGES, PUBLISHED, RECONCILIATION, Tables};

/// Charges of one source in one billing period that nothing accounts for.
#[derive(Debug, Clone)]
pub(crate) struct Orphan {
    /// The source that published them.
    pub(crate) source: String,
    /// Why nothing accounts for them.
    pub(crate) reason: String,
    /// What they are, as far as it is remembered.
    what: String,
    /// Whether nothing is to be decided: their withdrawal began, or they are gone already.
    pub(crate) decided: bool,
}

/// The published charges of the selected periods that the pipeline does not account for.
///
/// # Errors
/// Those of the destination's store.
pub(crate) async fn orphans(
    pipeline: &Pipeline,
    destination: &OpenDestination,
    tables: &Tables,
    published: &Published,
    selection: &PeriodSelection,
) -> Result<BTreeMap<BillingPeriod, Vec<Orphan>>> {
    let mut orphans: BTreeMap<BillingPeriod, Vec<Orphan>> = BTreeMap::new();
    let listed = published.charges_listed();
    let found: BTreeSet<(String, BillingPeriod)> =
        listed.iter().cloned().chain(published.charges_remembered()).collect();
    let mut candidates = Vec::new();
    for (source, period) in found {
        if let Some(reason) = unaccounted(pipeline, &source, period).filter(|_| selection.includes(period, true)) {
            candidates.push((source, period, reason));
        }
    }
    if candidates.is_empty() {
        return Ok(orphans);
    }
    let current = match destination.sink.format() {
        Format::Parquet => listed,
        // Objects of a Delta table stay for a while after no version holds them any more.
        Format::Delta => {
            let objects = destination.sink.read_objects(&tables.spec(FOCUS_CHARGES)?, &[]).await?;
            let values = |partition: &PartitionValues| match partition.as_slice() {
                [(_, source), (_, period)] => Some((source.clone(), period.parse().ok()?)),
                _ => None,
            };
            objects.iter().filter_map(|object| values(&object.partition)).collect()
        }
    };
    for (source, period, reason) in candidates {
        let unit = published.charges(&source, period);
        let there = current.contains(&(source.clone(), period));
        if there || unit.is_some() {
            let decided = !there || unit.is_some_and(|unit| unit.withdrawn);
            let what = unit.map_or_else(|| "charges".to_owned(), described);
            orphans.entry(period).or_default().push(Orphan { source, reason, what, decided });
        }
    }
    Ok(orphans)
}

/// Why no source accounts for what was published, or `None` if one does.
fn unaccounted(pipeline: &Pipeline, name: &str, period: BillingPeriod) -> Option<String> {
    match pipeline.sources.iter().find(|source| source.name == name) {
        Some(source) if source.covers(period) => None,
        Some(_) => Some("`from` and `to` of the source leave this month out".to_owned()),
        None => {
            let hint = did_you_mean(name, pipeline.sources.iter().map(|source| source.name.as_str()));
            Some(format!("the pipeline has no source `{name}`{hint}"))
        }
    }
}

/// The charges in words: how many, and what they add up to.
fn described(unit: &PublishedUnit) -> String {
    let billed: Vec<String> = unit
        .sums
        .iter()
        .filter(|sum| sum.ledger == "BilledCost")
        .map(|sum| format!("{} {}", sum.currency, amount(Money::parse(&sum.amount).unwrap_or_default().0)))
        .collect();
    format!("{} charges, billed {}", grouped(unit.rows.into()), billed.join(" and "))
}

/// Everything that may be accepted to become smaller, beside the allocation.
pub(crate) fn names(pipeline: &Pipeline, orphans: &BTreeMap<BillingPeriod, Vec<Orphan>>) -> BTreeSet<String> {
    let orphans = orphans.values().flatten().map(|orphan| orphan.source.clone());
    pipeline.sources.iter().map(|source| source.name.clone()).chain(orphans).collect()
}

impl Orphan {
    /// Whether a person has to decide what becomes of it.
    pub(crate) fn waits(&self, accepted: &Accepted, period: BillingPeriod) -> bool {
        !self.decided && !accepted.accepts(period, &self.source)
    }

    /// Why the month is held back.
    pub(crate) fn held(&self, period: BillingPeriod) -> Error {
        Error::new(
            ErrorKind::Held,
            format!(
                "{} are published, but {}: left there they would count beside what replaces them, so the month is \
                 held back as it is. Put the source back, or withdraw its charges with --accept-smaller {period}/{}",
                self.what, self.reason, self.source
            ),
        )
    }

    /// What a withdrawal takes away.
    pub(crate) fn note(&self) -> String {
        format!("withdrew what it had published ({}), because {}", self.what, self.reason)
    }

    /// The partitions that only its charges fill.
    pub(crate) fn partitions(&self, period: BillingPeriod) -> Vec<(&'static str, PartitionValues)> {
        let of = |more: Option<&str>| {
            let stage = more.map(|stage| ("x_Stage".to_owned(), stage.to_owned()));
            let own = [("x_Source", self.source.clone()), ("x_BillingPeriod", period.to_string())];
            stage.into_iter().chain(own.map(|(name, value)| (name.to_owned(), value))).collect::<PartitionValues>()
        };
        vec![
            (FOCUS_CHARGES, of(None)),
            (RECONCILIATION, of(Some("normalization"))),
            (RECONCILIATION, of(Some("allocation"))),
        ]
    }
}

/// The partitions of a period's allocation that an earlier run filled and this one did not.
pub(crate) fn left_over(before: &PublishedUnit, work: &UnitWork) -> Vec<(&'static str, PartitionValues)> {
    let filled = |table: &str, partition: &PartitionValues| {
        work.entry.published.iter().any(|entry| entry.table == table && entry.partition == *partition)
    };
    let mut left = Vec::new();
    for entry in before.published.iter().filter(|entry| !entry.objects.is_empty()) {
        let table = PUBLISHED.into_iter().find(|table| *table == entry.table);
        if let Some(table) = table.filter(|table| !filled(table, &entry.partition)) {
            left.push((table, entry.partition.clone()));
        }
    }
    left
}

/// Empties partitions, each in one step.
///
/// # Errors
/// Those of publishing.
pub(crate) async fn empty(
    run: &Run,
    partitions: Vec<(&'static str, PartitionValues)>,
    provenance: &Provenance,
    work: &mut UnitWork,
) -> Result<()> {
    for (table, partition) in partitions {
        let unit = PublishUnit {
            table: run.tables.spec(table)?,
            partition,
            parts: Vec::new(),
            provenance: provenance.clone(),
        };
        run.publish(&unit, String::new(), work).await?;
    }
    Ok(())
}
