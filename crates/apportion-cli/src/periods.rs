//! The work of a run, period by period: what changed is computed, the rest is left alone.

mod completeness;
mod listings;
mod withdrawals;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use apportion_sinks::units::{PublishedUnit, unit_key};
use apportion_sinks::{MissingSource, keep_configuration};
use apportion_spec::{BillingPeriod, Error, Result};
use futures::StreamExt;
use tokio::sync::Mutex;

use self::listings::{open_sources, remember_listings, take_survey};
use crate::agenda::{AllocationAgenda, PeriodAgenda, Situation};
use crate::allocate::Allocation;
use crate::args::RunArgs;
use crate::certificate::settle;
use crate::changes::{Decisive, ENGINE_VERSION, Published};
use crate::check::plan_rules;
use crate::documents;
use crate::foreign::ForeignReport;
use crate::ledger::{Ledger, UnitWork};
use crate::money::Money;
use crate::normalize::normalize;
use crate::progress::Progress;
use crate::project::PeriodSelection;
use crate::report::{AllocationReport, Failure, LedgerTotals, MissingReport, RunReport, SourceUnitReport, Status};
use crate::run::{Run, seconds};
use crate::survey::TelemetrySurvey;
use crate::tables::{ALLOCATED_CHARGES, FOCUS_CHARGES, PUBLISHED, REPORTING_CHARGES};
use crate::units::{Unit, Units};

/// What the periods of one run share.
struct Work<'a> {
    run: &'a Run,
    decisive: Decisive<'a>,
    published: Mutex<Published>,
    /// The pipeline's telemetry, or why it cannot be listed.
    telemetry: Result<TelemetrySurvey>,
    /// Sources that could not be listed.
    unlisted: BTreeSet<String>,
    allocation: Option<Allocation<'a>>,
    ledger: Ledger,
    progress: Progress,
}

/// What became of a period.
#[derive(Debug, Default)]
struct Outcome {
    sources: Vec<SourceUnitReport>,
    allocation: Option<AllocationReport>,
    /// What went wrong beside its units.
    failure: Option<Failure>,
    /// Sources that the period is published without.
    missing: Vec<MissingSource>,
    normalizing: f64,
    allocating: f64,
}

impl Outcome {
    /// Whether anything was not left alone.
    fn computed(&self) -> bool {
        let allocation = self.allocation.iter().map(|unit| unit.status);
        self.sources.iter().map(|unit| unit.status).chain(allocation).any(|status| status != Status::UpToDate)
    }

    /// Whether no unit failed.
    fn is_complete(&self) -> bool {
        let allocation = self.allocation.iter().map(|unit| &unit.error);
        self.sources.iter().map(|unit| &unit.error).chain(allocation).all(Option::is_none)
    }

    /// Whether the tables belong together: no unit failed, but for sources of which nothing ever was published.
    fn is_certifiable(&self) -> bool {
        let allocation = self.allocation.iter().all(|unit| unit.error.is_none());
        allocation && self.sources.iter().all(|unit| unit.error.is_none() || unit.absent)
    }
}

/// Does what is to be done for the selected periods, so many at the same time.
///
/// # Errors
/// What stops the run as a whole.
pub(crate) async fn work(run: &Run, args: &RunArgs, selection: &PeriodSelection, parallel: usize) -> Result<RunReport> {
    let started = Instant::now();
    let plan = plan_rules(&run.engine.new_context(), &run.project)?;
    let decisive = Decisive::try_new(&run.project.pipeline, &run.models, &run.tables)?;
    let mut notes = Vec::new();
    let sources = open_sources(run, &args.source, &mut notes).await?;
    let mut published = Published::read(&run.destination, args.force).await?;
    let units = sources.discover(selection, &published, &decisive).await?;
    let telemetry = if plan.is_some() { take_survey(run, &mut notes).await } else { Ok(TelemetrySurvey::default()) };
    let situation = Situation {
        pipeline: &run.project.pipeline,
        destination: &run.destination,
        tables: &run.tables,
        published: &published,
        decisive: &decisive,
        selection,
        telemetry: &telemetry,
        accepted: &run.accept_smaller,
    };
    let agenda = situation.agenda(&units).await?;
    for (source, period, mark) in published.marks() {
        run.certified.note_mark(&period.to_string(), source, mark);
    }
    let open = agenda.open();
    let allocation = match plan {
        Some(plan) if !open.is_empty() => Some(Allocation::open(run, plan, &open).await),
        _ => None,
    };
    let mut report = RunReport {
        pipeline: run.project.pipeline.name.clone(),
        run_id: run.run_id.clone(),
        destination: run.destination.shown.clone(),
        table_format: run.destination.format_name(),
        notes: units.notes.clone(),
        foreign: published.foreign.iter().map(ForeignReport::from).collect(),
        unlisted: units.unlisted.iter().map(|(name, error)| (name.clone(), Failure::from(error))).collect(),
        ..RunReport::default()
    };
    for (source, error) in units.unlisted {
        tracing::error!(source, "{error}");
    }
    report.seconds.insert("discover".to_owned(), seconds(started));
    report.notes.extend(notes);
    report.notes.extend(documents::heal(run, &published).await?);
    let mended = !published.documents.verbatim.is_empty();
    let strayed = mended || published.documents.whole != published.index.documents;
    let ledger = Ledger::start(run).await?;
    if let Err(error) = prepare(run, &units, &mut published, !open.is_empty()).await {
        // The run ends here; its document must not look like that of a run that was killed.
        if let Err(unfinished) = ledger.finish(0).await {
            tracing::warn!(%unfinished, "the run ledger could not be finished");
        }
        return Err(error);
    }
    let progress = Progress::new(&units, if allocation.is_some() { open.len() } else { 0 });
    let unlisted = units.unlisted.iter().map(|(name, _)| name.clone()).collect();
    let work =
        Work { run, decisive, published: Mutex::new(published), telemetry, unlisted, allocation, ledger, progress };
    let outcomes: Vec<(BillingPeriod, Outcome)> = futures::stream::iter(agenda.periods.values())
        .map(|agenda| work.period(agenda))
        .buffered(parallel)
        .collect()
        .await;
    work.progress.finish();
    let (mut normalizing, mut allocating, mut up_to_date) = (0.0, 0.0, 0);
    for (period, outcome) in outcomes {
        normalizing += outcome.normalizing;
        allocating += outcome.allocating;
        report.sources.extend(outcome.sources);
        report.allocations.extend(outcome.allocation);
        report.failures.extend(outcome.failure.map(|failure| (period.to_string(), failure)));
        report.missing.extend(outcome.missing.into_iter().map(|missing| MissingReport::new(period, missing)));
    }
    let statuses = report.sources.iter().map(|unit| unit.status);
    for status in statuses.chain(report.allocations.iter().map(|unit| unit.status)) {
        up_to_date += u64::from(status == Status::UpToDate);
    }
    if strayed || !open.is_empty() {
        let remembered = documents::remember(run, &mut *work.published.lock().await).await;
        report.failures.extend(remembered.err().map(|error| ("documents".to_owned(), Failure::from(&error))));
    }
    if let Err(error) = work.ledger.finish(up_to_date).await {
        tracing::error!(%error, "the run ledger could not be finished");
        report.failures.insert("run ledger".to_owned(), Failure::from(&error));
    }
    report.stopped = run.stop().is_asked();
    report.seconds.insert("normalize".to_owned(), normalizing);
    report.seconds.insert("allocate".to_owned(), allocating);
    report.seconds.insert("total".to_owned(), seconds(started));
    Ok(report)
}

/// Everything that is written before the first unit.
async fn prepare(run: &Run, units: &Units<'_>, published: &mut Published, is_open: bool) -> Result<()> {
    remember_listings(run, units, published).await?;
    if !is_open {
        return Ok(());
    }
    keep_configuration(&run.destination.place, &run.project.configuration()).await?;
    let reports = run.project.pipeline.reporting.is_some();
    for name in PUBLISHED.into_iter().filter(|name| reports || *name != REPORTING_CHARGES) {
        run.destination.sink.prepare(&run.tables.spec(name)?).await?;
    }
    Ok(())
}

impl Work<'_> {
    /// Works through what is to be done about a period. What goes wrong beside its units is the
    /// failure of this period: others may be in the middle of a publication.
    async fn period(&self, agenda: &PeriodAgenda<'_>) -> (BillingPeriod, Outcome) {
        let mut outcome = Outcome::default();
        if self.run.stop().is_asked() {
            return (agenda.period, outcome);
        }
        if let Err(error) = self.steps(agenda, &mut outcome).await {
            log(&error, None, agenda.period);
            outcome.failure = Some(Failure::from(&error));
            // Nothing to be certified any more; a certificate that was taken back without need returns.
            if let Err(error) = settle(self.run, agenda.period, false, agenda.is_certified).await {
                log(&error, None, agenda.period);
            }
        }
        (agenda.period, outcome)
    }

    /// Charges of every source, then the allocation, then the certificate.
    ///
    /// # Errors
    /// Those of the ledger, of a withdrawal, and of certifying.
    async fn steps(&self, agenda: &PeriodAgenda<'_>, outcome: &mut Outcome) -> Result<()> {
        let phase = Instant::now();
        if let Some(error) = &agenda.held {
            return self.hold(agenda, error, outcome).await;
        }
        for orphan in &agenda.orphans {
            outcome.sources.push(self.withdraw(orphan, agenda.period).await?);
        }
        for unit in &agenda.units {
            outcome.sources.push(self.charges(unit, agenda.period).await?);
        }
        outcome.normalizing = seconds(phase);
        let phase = Instant::now();
        if !self.run.stop().is_asked() {
            outcome.allocation = self.allocation(agenda, outcome.is_complete()).await?;
        }
        if !self.run.stop().is_asked() {
            outcome.missing = self.completeness(agenda.period, outcome).await?;
            self.run.certified.note_missing(agenda.period, outcome.missing.clone());
        }
        if outcome.computed() || self.run.certified.is_open(agenda.period) || !agenda.is_certified {
            let complete = outcome.is_certifiable() && !self.run.stop().is_asked();
            settle(self.run, agenda.period, complete, agenda.is_certified)
                .await
                .map_err(|error| Error::new(error.kind(), "the month has no certificate").with_source(error))?;
        }
        outcome.allocating = seconds(phase);
        Ok(())
    }

    async fn charges(&self, unit: &Unit<'_>, period: BillingPeriod) -> Result<SourceUnitReport> {
        let source = unit.source_name();
        let before = self.published.lock().await.charges(source, period).cloned();
        if let Some(before) = before.as_ref().filter(|_| unit.is_up_to_date()) {
            return Ok(SourceUnitReport {
                status: Status::UpToDate,
                rows: before.rows,
                totals: totals(before)?,
                ..SourceUnitReport::empty(source, period)
            });
        }
        self.progress.start(&format!("{period} {source}"));
        let (work, outcome) = loop {
            let mut work = self.ledger.begin(FOCUS_CHARGES, Some(source), period, unit.reasons()).await?;
            let (publishing, was_frugal) = (work.publishing.clone(), self.run.is_frugal());
            let normalized =
                normalize(self.run, unit, before.as_ref(), &self.published, &self.ledger, &mut work, &self.progress);
            let outcome = self.run.stop().or(&publishing, normalized).await;
            if !self.run.is_short(&outcome, was_frugal) {
                break (work, outcome);
            }
        };
        let seconds = work.seconds();
        let absent = before.is_none() && work.entry.published.is_empty();
        let noted = match &outcome {
            Ok(_) => {
                let decisive = &self.decisive;
                let configuration = decisive.charges_configuration(source, period);
                self.remember(&work, configuration, decisive.of_charges(unit.source.format), None).await
            }
            Err(_) => Ok(()),
        };
        let ended = self.ledger.end(work, outcome.as_ref().err().or(noted.as_ref().err())).await;
        let noted = noted.and(ended);
        let mut outcome = outcome.unwrap_or_else(|error| {
            log(&error, Some(source), period);
            SourceUnitReport {
                status: Status::from(&error),
                error: Some(Failure::from(&error)),
                reasons: unit.reasons().to_vec(),
                absent,
                ..SourceUnitReport::empty(source, period)
            }
        });
        // What is published is told as that, although nothing remembers it: the next run does it again.
        if let Err(error) = noted {
            log(&error, Some(source), period);
            outcome.error.get_or_insert_with(|| Failure::from(&error));
        }
        outcome.seconds = seconds;
        self.progress.done(outcome.bytes_read, outcome.rows);
        Ok(outcome)
    }

    /// Allocates a period, takes its allocation away, or leaves it alone. `complete` says whether the
    /// charges of every source are there.
    async fn allocation(&self, agenda: &PeriodAgenda<'_>, complete: bool) -> Result<Option<AllocationReport>> {
        let period = agenda.period;
        let mut reasons = match &agenda.allocation {
            AllocationAgenda::None => return Ok(None),
            AllocationAgenda::Withdraw(reason) => return self.withdraw_allocation(agenda, reason).await.map(Some),
            AllocationAgenda::Compute { reasons, .. } => reasons.clone(),
        };
        let (charges, before, has_charges) = {
            let published = self.published.lock().await;
            let changed = published.changed_charges(period, &[]);
            reasons.extend(changed.filter(|changed| !reasons.contains(changed)));
            let before = published.allocation(period).cloned();
            (published.charge_digests(period), before, published.has_charges(period, &[]))
        };
        if !has_charges && !self.table_has_charges(period).await? {
            // With a source that failed the allocation fails as well and says why.
            if !agenda.allocated.is_empty() {
                let reason = "no charges of this month are published any more";
                return self.withdraw_allocation(agenda, reason).await.map(Some);
            }
            if complete {
                return Ok(None);
            }
        }
        let Some(allocation) = self.allocation.as_ref().filter(|_| !reasons.is_empty()) else {
            let mut report = AllocationReport { status: Status::UpToDate, ..AllocationReport::empty(period) };
            if let Some(before) = before {
                remembered(&mut report, &before)?;
            }
            return Ok(Some(report));
        };
        self.progress.start(&format!("{period} allocation"));
        let (work, outcome) = loop {
            let mut work = self.ledger.begin(ALLOCATED_CHARGES, None, period, &reasons).await?;
            work.charges.clone_from(&charges);
            let (publishing, was_frugal) = (work.publishing.clone(), self.run.is_frugal());
            let allocated = allocation.period(period, before.as_ref(), &agenda.allocated, &self.ledger, &mut work);
            let outcome = self.run.stop().or(&publishing, allocated).await;
            if !self.run.is_short(&outcome, was_frugal) {
                break (work, outcome);
            }
        };
        let seconds = work.seconds();
        let noted = match &outcome {
            Ok(report) => {
                let configuration = self.decisive.allocation_configuration(period);
                self.remember(&work, configuration, self.decisive.of_allocation(), Some(report)).await
            }
            Err(_) => Ok(()),
        };
        let ended = self.ledger.end(work, outcome.as_ref().err().or(noted.as_ref().err())).await;
        let noted = noted.and(ended);
        let mut outcome = outcome.unwrap_or_else(|error| {
            log(&error, None, period);
            AllocationReport::failed(period, &error)
        });
        if let Err(error) = noted {
            log(&error, None, period);
            outcome.error.get_or_insert_with(|| Failure::from(&error));
        }
        outcome.seconds = seconds;
        outcome.reasons = reasons;
        self.progress.done(0, outcome.rows);
        Ok(Some(outcome))
    }

    /// Whether the table holds charges of a period, whatever the index says.
    async fn table_has_charges(&self, period: BillingPeriod) -> Result<bool> {
        let spec = self.run.tables.spec(FOCUS_CHARGES)?;
        let filter = [("x_BillingPeriod".to_owned(), period.to_string())];
        Ok(self.run.destination.sink.current_version(&spec, &filter).await?.is_some())
    }

    /// Notes in the index what is published now and what it was made from.
    async fn remember(
        &self,
        work: &UnitWork,
        configuration_digest: String,
        (sql, contracts): (&str, &str),
        allocation: Option<&AllocationReport>,
    ) -> Result<()> {
        let entry = &work.entry;
        let unit = PublishedUnit {
            run_id: self.run.run_id.clone(),
            listing_digest: work.listing_digest.clone(),
            input_digest: entry.input_digest.clone().unwrap_or_default(),
            delivery: entry.manifest.clone(),
            configuration_digest,
            sql_digest: sql.to_owned(),
            contract_digest: contracts.to_owned(),
            engine_version: ENGINE_VERSION.to_owned(),
            computed_from: work.charges.clone(),
            telemetry: match &self.telemetry {
                Ok(survey) => survey.fingerprints(&work.telemetry_spans),
                Err(_) => BTreeMap::new(),
            },
            telemetry_spans: work.telemetry_spans.clone(),
            withdrawn: false,
            high_water: work.mark.clone(),
            rows: entry.rows.unwrap_or_default(),
            sums: entry.sums.clone(),
            allocated: texts(allocation.map(|report| &report.allocated_effective)),
            unallocated: allocation
                .iter()
                .flat_map(|report| &report.unallocated_effective)
                .map(|(currency, reasons)| (currency.clone(), texts(Some(reasons))))
                .collect(),
            published: entry.published.clone(),
        };
        let key = unit_key(&entry.table, entry.source.as_deref(), &entry.billing_period);
        if let (Some(source), Some(mark)) = (&entry.source, &work.mark) {
            self.run.certified.note_mark(&entry.billing_period, source, mark.clone());
        }
        let mut published = self.published.lock().await;
        published.remember(key, unit);
        published.index.write(&self.run.destination.place).await
    }
}

fn log(error: &Error, source: Option<&str>, period: BillingPeriod) {
    match source {
        Some(source) => tracing::error!(source, billing_period = %period, "{error}"),
        None => tracing::error!(billing_period = %period, "{error}"),
    }
}

/// Amounts as exact text.
fn texts(amounts: Option<&BTreeMap<String, Money>>) -> BTreeMap<String, String> {
    amounts.into_iter().flatten().map(|(name, amount)| (name.clone(), amount.to_string())).collect()
}

/// Fills the report of an allocation that was left alone with the figures it was published with.
///
/// # Errors
/// [`apportion_spec::ErrorKind::ContractViolated`] when what is remembered of it cannot be read.
fn remembered(report: &mut AllocationReport, unit: &PublishedUnit) -> Result<()> {
    let amounts = |texts: &BTreeMap<String, String>| -> Result<BTreeMap<String, Money>> {
        texts.iter().map(|(name, text)| Ok((name.clone(), Money::read(text)?))).collect()
    };
    report.rows = unit.rows;
    report.totals = totals(unit)?;
    report.allocated_effective = amounts(&unit.allocated)?;
    let unallocated = unit.unallocated.iter().map(|(currency, reasons)| Ok((currency.clone(), amounts(reasons)?)));
    report.unallocated_effective = unallocated.collect::<Result<_>>()?;
    Ok(())
}

/// Totals of a published unit by currency.
///
/// # Errors
/// As [`remembered`].
fn totals(unit: &PublishedUnit) -> Result<BTreeMap<String, LedgerTotals>> {
    let mut totals: BTreeMap<String, LedgerTotals> = BTreeMap::new();
    for sum in &unit.sums {
        let amount = Money::read(&sum.amount)?;
        let currency = totals.entry(sum.currency.clone()).or_default();
        match sum.ledger.as_str() {
            "BilledCost" => currency.billed = amount,
            "EffectiveCost" => currency.effective = amount,
            "ListCost" => currency.list = amount,
            "ContractedCost" => currency.contracted = amount,
            _ => {}
        }
    }
    Ok(totals)
}
