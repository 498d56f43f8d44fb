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

use crate::agenda::Situation;
use crate::changes::Published;
use crate::ledger::UnitWork;
use crate::money::Money;
use crate::output::{amount, grouped};
use crate::run::Run;
use crate::tables::{COMPLETENESS, FOCUS_CHARGES, PUBLISHED, RECONCILIATION};

/// Charges of one source in one billing period that nothing accounts for.
#[derive(Debug, Clone)]
pub(crate) struct Orphan {
    /// The source that published them.
    pub(crate) source: String,
    /// Why nothing accounts for them.
    pub(crate) reason: String,
    /// What they are, as far as it is remembered.
    what: String,
    /// Whether a person has to decide what becomes of them: their withdrawal did not begin, they are
    /// there, and nobody accepted it.
    pub(crate) waits: bool,
}

/// A table, and one of its partitions.
pub(crate) type Partition = (&'static str, PartitionValues);

/// What is published and not accounted for.
#[derive(Debug, Default)]
pub(crate) struct Unaccounted {
    /// The published charges of the selected periods that the pipeline does not account for.
    pub(crate) charges: BTreeMap<BillingPeriod, Vec<Orphan>>,
    /// Partitions of allocations that the index does not account for.
    pub(crate) partitions: BTreeMap<BillingPeriod, Vec<Partition>>,
}

impl Unaccounted {
    /// Compares what lies there with the pipeline and the index.
    ///
    /// # Errors
    /// Those of the destination's store.
    pub(crate) async fn find(situation: &Situation<'_>) -> Result<Self> {
        Ok(Self { charges: orphans(situation).await?, partitions: partitions(situation).await? })
    }

    /// The partitions that hold something of the allocation of a period.
    pub(crate) fn allocated(&self, published: &Published, period: BillingPeriod) -> Vec<Partition> {
        let mut all = published.allocation(period).map(held).unwrap_or_default();
        all.extend(self.partitions.get(&period).into_iter().flatten().cloned());
        all
    }
}

/// The partitions that hold a unit.
fn held(unit: &PublishedUnit) -> Vec<Partition> {
    let entries = unit.published.iter().filter(|entry| !entry.objects.is_empty());
    let table = |name: &str| PUBLISHED.into_iter().find(|table| *table == name);
    entries.filter_map(|entry| Some((table(&entry.table)?, entry.partition.clone()))).collect()
}

async fn partitions(situation: &Situation<'_>) -> Result<BTreeMap<BillingPeriod, Vec<Partition>>> {
    let Situation { destination, published, .. } = situation;
    let of_allocation = |(table, partition): &Partition| match *table {
        FOCUS_CHARGES | COMPLETENESS => false,
        RECONCILIATION => partition.iter().any(|(column, stage)| column == "x_Stage" && stage == "allocation"),
        _ => true,
    };
    let mut unaccounted = BTreeMap::new();
    let mut current: BTreeMap<&str, BTreeSet<PartitionValues>> = BTreeMap::new();
    for (table, partition) in published.partitions_listed().into_iter().filter(of_allocation) {
        let value = partition.iter().find(|(column, _)| column == "x_BillingPeriod");
        let Some(period) = value.and_then(|(_, period)| period.parse().ok()) else { continue };
        let known = published.allocation(period).map(held).unwrap_or_default();
        if known.contains(&(table, partition.clone())) {
            continue;
        }
        // Objects of a Delta table stay for a while after no version holds them any more.
        if destination.sink.format() == Format::Delta {
            if !current.contains_key(table) {
                let objects = destination.sink.read_objects(&situation.tables.spec(table)?, &[]).await?;
                current.insert(table, objects.into_iter().map(|object| object.partition).collect());
            }
            if !current.get(table).is_some_and(|partitions| partitions.contains(&partition)) {
                continue;
            }
        }
        unaccounted.entry(period).or_insert_with(Vec::new).push((table, partition));
    }
    Ok(unaccounted)
}

async fn orphans(situation: &Situation<'_>) -> Result<BTreeMap<BillingPeriod, Vec<Orphan>>> {
    let Situation { pipeline, destination, tables, published, selection, .. } = situation;
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
            let waits = !decided && !situation.accepted.accepts(period, &source);
            let what = unit.map_or_else(|| Ok("charges".to_owned()), described)?;
            orphans.entry(period).or_default().push(Orphan { source, reason, what, waits });
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
///
/// # Errors
/// [`ErrorKind::ContractViolated`] when what is remembered of them cannot be read.
fn described(unit: &PublishedUnit) -> Result<String> {
    Ok(format!("{} charges, billed {}", grouped(unit.rows.into()), sums(unit, "BilledCost")?))
}

/// The allocation of a month in words.
///
/// # Errors
/// As [`described`].
pub(crate) fn described_allocation(unit: &PublishedUnit) -> Result<String> {
    Ok(format!("{} allocated charges, effective {}", grouped(unit.rows.into()), sums(unit, "EffectiveCost")?))
}

/// What a unit adds up to in a ledger, by currency.
fn sums(unit: &PublishedUnit, ledger: &str) -> Result<String> {
    let sums = unit.sums.iter().filter(|sum| sum.ledger == ledger);
    let sums = sums.map(|sum| Ok(format!("{} {}", sum.currency, amount(Money::read(&sum.amount)?.0))));
    Ok(sums.collect::<Result<Vec<_>>>()?.join(" and "))
}

/// Everything that may be accepted to become smaller, beside the allocation.
pub(crate) fn names(pipeline: &Pipeline, orphans: &BTreeMap<BillingPeriod, Vec<Orphan>>) -> BTreeSet<String> {
    let orphans = orphans.values().flatten().map(|orphan| orphan.source.clone());
    pipeline.sources.iter().map(|source| source.name.clone()).chain(orphans).collect()
}

impl Orphan {
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
    pub(crate) fn partitions(&self, period: BillingPeriod) -> Vec<Partition> {
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

/// Those of the partitions that hold something which this unit did not fill again.
pub(crate) fn left_over(allocated: &[Partition], work: &UnitWork) -> Vec<Partition> {
    let filled = |(table, partition): &Partition| {
        work.entry.published.iter().any(|entry| entry.table == *table && entry.partition == *partition)
    };
    allocated.iter().filter(|partition| !filled(partition)).cloned().collect()
}

/// Empties partitions, each in one step.
///
/// # Errors
/// Those of publishing.
pub(crate) async fn empty(
    run: &Run,
    partitions: Vec<Partition>,
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
