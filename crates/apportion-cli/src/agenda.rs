//! What a run is going to do, worked out before anything is read or written.
//!
//! `plan` prints this value and `run` works through it, so the one cannot say what the other does not
//! do. What only reading can tell stays open: whether charges that are read again turn out the same,
//! and whether a month becomes smaller than may be.

use std::collections::{BTreeMap, BTreeSet};

use apportion_sinks::PartitionValues;
use apportion_spec::{BillingPeriod, Error, ErrorKind, Pipeline, Result};

use crate::accept::Accepted;
use crate::changes::{Decisive, Published};
use crate::completeness::{digest, source_states};
use crate::destination::OpenDestination;
use crate::foreign;
use crate::project::PeriodSelection;
use crate::survey::TelemetrySurvey;
use crate::tables::{COMPLETENESS, FOCUS_CHARGES, PUBLISHED, RECONCILIATION, REPORTING_CHARGES, Tables};
use crate::units::{Unit, Units};
use crate::withdraw::{Orphan, Partition, Unaccounted, names};

/// Everything that decides what is to be done.
#[derive(Debug)]
pub(crate) struct Situation<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) destination: &'a OpenDestination,
    pub(crate) tables: &'a Tables,
    pub(crate) published: &'a Published,
    pub(crate) decisive: &'a Decisive<'a>,
    pub(crate) selection: &'a PeriodSelection,
    /// The pipeline's telemetry, or why it cannot be listed.
    pub(crate) telemetry: &'a Result<TelemetrySurvey>,
    /// What a person accepted to become smaller.
    pub(crate) accepted: &'a Accepted,
}

/// What is to be done, by billing period.
#[derive(Debug)]
pub(crate) struct Agenda<'a> {
    pub(crate) periods: BTreeMap<BillingPeriod, PeriodAgenda<'a>>,
}

/// What is to be done about one billing period.
#[derive(Debug)]
pub(crate) struct PeriodAgenda<'a> {
    pub(crate) period: BillingPeriod,
    /// Published charges that the pipeline does not account for.
    pub(crate) orphans: Vec<Orphan>,
    /// Why the month stays as it is, if it does: somebody has to decide what becomes of such charges, or
    /// of objects that no run published.
    pub(crate) held: Option<Error>,
    /// Its sources.
    pub(crate) units: Vec<&'a Unit<'a>>,
    pub(crate) allocation: AllocationAgenda,
    /// Partitions of its allocation that hold something.
    pub(crate) allocated: Vec<Partition>,
    /// Whether it has a certificate.
    pub(crate) is_certified: bool,
    /// Whether it is to be published anew which sources it holds, whatever becomes of its units.
    completes: bool,
}

/// What is to be done about the allocation of a billing period.
#[derive(Debug)]
pub(crate) enum AllocationAgenda {
    /// There is none and there is to be none.
    None,
    /// It is taken away, and why.
    Withdraw(String),
    /// It is computed.
    Compute {
        /// Why, whatever becomes of the charges; empty when it is up to date without them.
        reasons: Vec<String>,
        /// Sources whose charges are read again; if they turn out otherwise, that is a reason.
        read_again: Vec<String>,
    },
}

impl Situation<'_> {
    /// Works out what is to be done about the units that were found.
    ///
    /// # Errors
    /// Those of the destination's store.
    pub(crate) async fn agenda<'a>(&self, units: &'a Units<'a>) -> Result<Agenda<'a>> {
        let unaccounted = Unaccounted::find(self).await?;
        let certified = self.published.documents.certified();
        let mut periods: BTreeSet<BillingPeriod> = units.periods().into_iter().collect();
        periods.extend(unaccounted.charges.keys());
        periods.extend(self.allocated_without_reason(&unaccounted).await?);
        self.accepted.check(&periods, &names(self.pipeline, &unaccounted.charges))?;
        let unlisted = units.unlisted.iter().map(|(name, _)| name.clone()).collect();
        let agenda = periods.into_iter().map(|period| {
            let orphans = unaccounted.charges.get(&period).cloned().unwrap_or_default();
            let of_period = units.of(period).collect();
            let is_certified = certified.contains(&period.to_string());
            (
                period,
                PeriodAgenda {
                    completes: self.completes(period, &unlisted),
                    ..self.of_period(
                        period,
                        orphans,
                        of_period,
                        unaccounted.allocated(self.published, period),
                        is_certified,
                    )
                },
            )
        });
        Ok(Agenda { periods: agenda.collect() })
    }

    /// Periods that no source has, whose allocation must go all the same: the pipeline declares none any
    /// more, or a run was killed after it had taken the last charges away.
    async fn allocated_without_reason(&self, unaccounted: &Unaccounted) -> Result<Vec<BillingPeriod>> {
        let mut periods = self.published.periods_allocated();
        periods.extend(unaccounted.partitions.keys());
        periods.retain(|period| self.selection.includes(*period, true));
        let mut found = Vec::new();
        for period in periods {
            if self.pipeline.allocation.is_none() || !self.has_charges(period).await? {
                found.push(period);
            }
        }
        Ok(found)
    }

    /// Whether charges of a period are published, as far as the index or the table can tell.
    async fn has_charges(&self, period: BillingPeriod) -> Result<bool> {
        if self.published.has_charges(period, &[]) {
            return Ok(true);
        }
        if !self.published.charges_listed().iter().any(|(_, listed)| *listed == period) {
            return Ok(false);
        }
        let filter = [("x_BillingPeriod".to_owned(), period.to_string())];
        let spec = self.tables.spec(FOCUS_CHARGES)?;
        match self.destination.sink.current_version(&spec, &filter).await {
            // Half published is not gone.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(true),
            version => Ok(version?.is_some()),
        }
    }

    fn of_period<'a>(
        &self,
        period: BillingPeriod,
        orphans: Vec<Orphan>,
        units: Vec<&'a Unit<'a>>,
        allocated: Vec<Partition>,
        is_certified: bool,
    ) -> PeriodAgenda<'a> {
        let held = foreign::refusal(&self.published.foreign, period).or_else(|| undecided(&orphans));
        let allocation = self.allocation(period, &orphans, &units, &allocated);
        PeriodAgenda { period, orphans, held, units, allocation, allocated, is_certified, completes: false }
    }

    /// Whether what is published of the sources of a month is not what the table of completeness says.
    fn completes(&self, period: BillingPeriod, unlisted: &BTreeSet<String>) -> bool {
        let states = source_states(self.pipeline, self.published, period, &BTreeMap::new(), unlisted);
        !self.published.completeness_reasons(period, &digest(&states), states.is_empty()).is_empty()
    }

    fn allocation(
        &self,
        period: BillingPeriod,
        orphans: &[Orphan],
        units: &[&Unit<'_>],
        allocated: &[Partition],
    ) -> AllocationAgenda {
        let withdraw = |reason: &str| match allocated {
            [] => AllocationAgenda::None,
            _ => AllocationAgenda::Withdraw(reason.to_owned()),
        };
        if self.pipeline.allocation.is_none() {
            return withdraw("the pipeline declares no allocation");
        }
        let withdrawn: Vec<&str> = orphans.iter().map(|orphan| orphan.source.as_str()).collect();
        let of_units = units.iter().any(|unit| !unit.is_up_to_date());
        if !of_units && !self.published.has_charges(period, &withdrawn) {
            return withdraw("no charges of this month are published any more");
        }
        let (reasons, again) = match self.published.allocation(period) {
            None => (vec!["it was never published".to_owned()], Vec::new()),
            Some(_) => {
                let mut reasons = self.published.allocation_reasons(self.decisive, period, self.telemetry);
                reasons.extend(self.published.changed_charges(period, &withdrawn));
                (reasons, units.iter().filter(|unit| unit.found().is_some()).collect())
            }
        };
        AllocationAgenda::Compute {
            reasons,
            read_again: again.into_iter().map(|unit| unit.source_name().to_owned()).collect(),
        }
    }
}

impl Agenda<'_> {
    /// The periods of which anything is to be done.
    pub(crate) fn open(&self) -> Vec<BillingPeriod> {
        self.periods.values().filter(|agenda| agenda.is_open()).map(|agenda| agenda.period).collect()
    }
}

impl PeriodAgenda<'_> {
    /// Whether anything is to be done.
    pub(crate) fn is_open(&self) -> bool {
        let computes = match &self.allocation {
            AllocationAgenda::None => false,
            AllocationAgenda::Withdraw(_) => true,
            AllocationAgenda::Compute { reasons, .. } => !reasons.is_empty(),
        };
        computes || !self.orphans.is_empty() || self.units.iter().any(|unit| !unit.is_up_to_date())
    }

    /// Whether it would be certified, if nothing fails.
    pub(crate) fn certifies(&self) -> bool {
        self.held.is_none() && (self.is_open() || !self.is_certified)
    }

    /// The partitions that would be written, where what is to be read has charges.
    pub(crate) fn writes(&self, reports: bool) -> Vec<Partition> {
        let mut writes = Vec::new();
        if self.held.is_some() {
            return writes;
        }
        let read = self.units.iter().filter(|unit| unit.found().is_some()).map(|unit| unit.source_name());
        for source in read.clone() {
            writes.push((FOCUS_CHARGES, partition(None, Some(source), self.period)));
            writes.push((RECONCILIATION, partition(Some("normalization"), Some(source), self.period)));
        }
        let changes = !self.orphans.is_empty() || self.units.iter().any(|unit| !unit.is_up_to_date());
        if self.completes || changes {
            writes.push((COMPLETENESS, partition(None, None, self.period)));
        }
        if !self.computes() {
            return writes;
        }
        let whole = |table: &&str| !matches!(*table, FOCUS_CHARGES | RECONCILIATION | COMPLETENESS);
        let tables = PUBLISHED.into_iter().filter(whole).filter(|table| reports || *table != REPORTING_CHARGES);
        writes.extend(tables.map(|table| (table, partition(None, None, self.period))));
        let withdrawn = |source: &str| self.orphans.iter().any(|orphan| orphan.source == source);
        let before = self.allocated.iter().filter(|(table, _)| *table == RECONCILIATION);
        let before = before.filter_map(|(_, partition)| source_of(partition)).filter(|source| !withdrawn(source));
        let sources: BTreeSet<&str> = before.chain(self.units.iter().map(|unit| unit.source_name())).collect();
        let proofs = sources.into_iter().map(|source| partition(Some("allocation"), Some(source), self.period));
        writes.extend(proofs.map(|partition| (RECONCILIATION, partition)));
        writes
    }

    /// The partitions that would be emptied, in the order in which that happens.
    pub(crate) fn empties(&self, reports: bool) -> Vec<Partition> {
        if self.held.is_some() {
            return Vec::new();
        }
        let mut empties: Vec<Partition> =
            self.orphans.iter().flat_map(|orphan| orphan.partitions(self.period)).collect();
        let writes = self.writes(reports);
        let withdraws = matches!(self.allocation, AllocationAgenda::Withdraw(_));
        for partition in
            self.allocated.iter().filter(|partition| withdraws || (self.computes() && !writes.contains(partition)))
        {
            if !empties.contains(partition) {
                empties.push(partition.clone());
            }
        }
        empties
    }

    fn computes(&self) -> bool {
        match &self.allocation {
            AllocationAgenda::Compute { reasons, read_again } => !reasons.is_empty() || !read_again.is_empty(),
            AllocationAgenda::None | AllocationAgenda::Withdraw(_) => false,
        }
    }
}

/// Why a month waits in which published charges are not accounted for and nobody decided about them.
fn undecided(orphans: &[Orphan]) -> Option<Error> {
    let names: Vec<&str> = orphans.iter().filter(|orphan| orphan.waits).map(|orphan| orphan.source.as_str()).collect();
    (!names.is_empty()).then(|| {
        Error::new(
            ErrorKind::Held,
            format!("waits until it is decided what becomes of the published charges of {}", names.join(", ")),
        )
    })
}

/// The values of a partition, in the order of the columns of its table.
fn partition(stage: Option<&str>, source: Option<&str>, period: BillingPeriod) -> PartitionValues {
    let stage = stage.map(|stage| ("x_Stage".to_owned(), stage.to_owned()));
    let source = source.map(|source| ("x_Source".to_owned(), source.to_owned()));
    let period = ("x_BillingPeriod".to_owned(), period.to_string());
    stage.into_iter().chain(source).chain([period]).collect()
}

/// The source that a partition belongs to.
fn source_of(partition: &PartitionValues) -> Option<&str> {
    partition.iter().find(|(column, _)| column == "x_Source").map(|(_, source)| source.as_str())
}

/// A partition as its folder is called.
pub(crate) fn folder((table, partition): &Partition) -> String {
    let values: Vec<String> = partition.iter().map(|(column, value)| format!("{column}={value}/")).collect();
    format!("{table}/{}", values.concat())
}
