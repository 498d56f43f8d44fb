//! `apportion run`: the order of work of one run.
//!
//! Discover everything first, so that wrong names and missing periods are known before anything
//! is written. Then, period by period: normalise each source, then allocate the period over all
//! published sources. A unit that fails leaves the others running; the report and the exit code
//! say so.

use std::path::Path;
use std::time::Instant;

use apportion_engine::{Engine, EngineOptions, ModelGraph};
use apportion_spec::{BillingPeriod, Result};
use sha2::{Digest, Sha256};

use crate::allocate::Allocation;
use crate::args::{ReportFormat, RunArgs};
use crate::certificate::{self, Certified};
use crate::check::plan_rules;
use crate::destination::OpenDestination;
use crate::exit::ExitStatus;
use crate::ledger::Ledger;
use crate::normalize::normalize;
use crate::output;
use crate::plan::{OpenSources, Units};
use crate::progress::Progress;
use crate::project::{EffectiveLimits, PeriodSelection, Project, hex};
use crate::report::{AllocationReport, Failure, RunReport, SourceUnitReport, Status};
use crate::summary;
use crate::tables::{ALLOCATED_CHARGES, FOCUS_CHARGES, Tables};

/// Everything the units of one run share.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) project: Project,
    pub(crate) limits: EffectiveLimits,
    pub(crate) engine: Engine,
    pub(crate) models: ModelGraph,
    pub(crate) destination: OpenDestination,
    pub(crate) tables: Tables,
    pub(crate) run_id: String,
    /// Digest of every SQL model.
    pub(crate) sql_digest: String,
    /// What was published so far and is not certified yet.
    pub(crate) certified: Certified,
}

/// Sorts, joins and aggregations get one part in so many of the memory limit. The engine counts what
/// they hold, not the buffers of readers, merges and writers, which were measured to need twice as much.
const OPERATOR_SHARE: usize = 3;

/// Engine options for the limits of a command.
pub(crate) fn engine_options(limits: &EffectiveLimits) -> EngineOptions {
    EngineOptions {
        memory_limit_bytes: limits.memory_bytes.map(|bytes| bytes / OPERATOR_SHARE),
        target_partitions: limits.jobs,
        ..EngineOptions::new(&limits.work_directory)
    }
}

/// Runs a pipeline and prints what happened.
///
/// # Errors
/// Only what stops the command as a whole: configuration, an unknown source or period, a
/// destination that cannot be opened. Failed units are in the report.
pub(crate) async fn run(args: &RunArgs) -> Result<ExitStatus> {
    let project = Project::load(&args.pipeline)?;
    project.check_sources(&args.source)?;
    let selection = PeriodSelection::try_new(args)?;
    let limits = EffectiveLimits::new(&args.limits, Some(&project.pipeline));
    let models = ModelGraph::embedded()?;
    let engine = Engine::try_new(&engine_options(&limits))?;
    let destination = OpenDestination::open(Some(&project), args.destination.as_deref(), args.table_format).await?;
    let tables = Tables::new(Some(&project.pipeline));
    let run_id = new_run_id();
    let sql_digest = sql_digest(&models);
    let certified = Certified::default();
    let run = Run { project, limits, engine, models, destination, tables, run_id, sql_digest, certified };
    let report = run.execute(args, &selection).await?;
    match args.format {
        ReportFormat::Json => output::result(&serde_json::to_string_pretty(&report).unwrap_or_default()),
        ReportFormat::Table => output::result(&summary::render(&report)),
    }
    Ok(report.exit_status())
}

impl Run {
    async fn execute(&self, args: &RunArgs, selection: &PeriodSelection) -> Result<RunReport> {
        let started = Instant::now();
        let plan = plan_rules(&self.engine.new_context(), &self.project)?;
        let sources = OpenSources::open(&self.project, &args.source).await?;
        let units = sources.discover(selection).await?;
        let allocation = match plan {
            Some(plan) => Some(Allocation::open(self, plan, &units.periods()).await),
            None => None,
        };
        let mut report = RunReport {
            pipeline: self.project.pipeline.name.clone(),
            run_id: self.run_id.clone(),
            destination: self.destination.shown.clone(),
            table_format: format!("{:?}", self.destination.sink.format()).to_lowercase(),
            ..RunReport::default()
        };
        report.seconds.insert("discover".to_owned(), seconds(started));
        let mut ledger = Ledger::start(self).await?;
        self.prepare_tables().await?;
        let progress = Progress::new(&units, allocation.is_some());
        let (mut normalizing, mut allocating) = (0.0, 0.0);
        for period in units.periods() {
            let phase = Instant::now();
            self.normalize_period(&units, period, &mut ledger, &progress, &mut report).await?;
            normalizing += seconds(phase);
            let phase = Instant::now();
            if let Some(allocation) = &allocation {
                report.allocations.push(self.allocate_period(allocation, period, &mut ledger, &progress).await?);
            }
            allocating += seconds(phase);
            certificate::settle(self, period, report.is_complete(period)).await?;
        }
        progress.finish();
        ledger.finish().await?;
        report.seconds.insert("normalize".to_owned(), normalizing);
        report.seconds.insert("allocate".to_owned(), allocating);
        report.seconds.insert("total".to_owned(), seconds(started));
        Ok(report)
    }

    async fn prepare_tables(&self) -> Result<()> {
        for name in crate::tables::PUBLISHED {
            self.destination.sink.prepare(&self.tables.spec(name)?).await?;
        }
        Ok(())
    }

    async fn normalize_period(
        &self,
        units: &Units<'_>,
        period: BillingPeriod,
        ledger: &mut Ledger,
        progress: &Progress,
        report: &mut RunReport,
    ) -> Result<()> {
        for unit in units.of(period) {
            progress.start(&format!("{period} {}", unit.source_name()));
            let mut work = ledger.begin(FOCUS_CHARGES, Some(unit.source_name()), period).await?;
            let outcome = normalize(self, unit, ledger, &mut work, progress).await;
            let seconds = work.seconds();
            ledger.end(work, outcome.as_ref().err()).await?;
            let mut outcome = outcome.unwrap_or_else(|error| {
                tracing::error!(source = unit.source_name(), billing_period = %period, "{error}");
                SourceUnitReport {
                    status: Status::Failed,
                    error: Some(Failure::from(&error)),
                    ..SourceUnitReport::empty(unit.source_name(), period)
                }
            });
            outcome.seconds = seconds;
            progress.done(outcome.bytes_read, outcome.rows);
            report.sources.push(outcome);
        }
        Ok(())
    }

    async fn allocate_period(
        &self,
        allocation: &Allocation<'_>,
        period: BillingPeriod,
        ledger: &mut Ledger,
        progress: &Progress,
    ) -> Result<AllocationReport> {
        progress.start(&format!("{period} allocation"));
        let mut work = ledger.begin(ALLOCATED_CHARGES, None, period).await?;
        let outcome = allocation.period(period, ledger, &mut work).await;
        let seconds = work.seconds();
        ledger.end(work, outcome.as_ref().err()).await?;
        let mut outcome = outcome.unwrap_or_else(|error| {
            tracing::error!(billing_period = %period, "{error}");
            AllocationReport::failed(period, &error)
        });
        outcome.seconds = seconds;
        progress.done(0, outcome.rows);
        Ok(outcome)
    }

    /// Where a unit may be put together.
    pub(crate) fn staging(&self) -> Result<crate::staging::Staging> {
        crate::staging::Staging::try_new(Path::new(&self.limits.work_directory), self.limits.jobs)
    }
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

/// Digest of every SQL model.
pub(crate) fn sql_digest(models: &ModelGraph) -> String {
    let mut digest = Sha256::new();
    for model in models.models() {
        digest.update(&model.name);
        digest.update(&model.sql);
    }
    hex(&digest.finalize())
}

/// Sortable by time, unique enough for one writer per destination.
fn new_run_id() -> String {
    let now = chrono::Utc::now();
    format!("{}-{:08x}", now.format("%Y%m%dT%H%M%S%3fZ"), std::process::id())
}
