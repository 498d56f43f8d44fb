//! `apportion run`: the order of work of one run.
//!
//! Take the destination's lock, then discover everything, so that wrong names and missing periods
//! are known before anything is written, and so is what changed since it was published. Then,
//! period by period: normalise each source, then allocate the period over all published sources.
//! A unit that fails leaves the others running; the report and the exit code say so.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use apportion_engine::{Engine, EngineOptions, ModelGraph};
use apportion_sinks::ledger::PublishedEntry;
use apportion_sinks::{Destination, DestinationLock, LockOwner, LockTiming, PublishUnit, Published as Publication};
use apportion_spec::{Error, ErrorKind, Result};
use datafusion::prelude::SessionContext;

use crate::accept::Accepted;
use crate::args::{BackfillArgs, Outputs, RunArgs};
use crate::certificate::Certified;
use crate::destination::OpenDestination;
use crate::exit::ExitStatus;
use crate::ledger::UnitWork;
use crate::observe;
use crate::output;
use crate::owner;
use crate::periods;
use crate::project::{EffectiveLimits, PeriodSelection, Project};
use crate::report::RunReport;
use crate::stop::Stop;
use crate::summary;
use crate::tables::Tables;
use crate::vacuum;

/// Everything the units of one run share.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) project: Project,
    pub(crate) limits: EffectiveLimits,
    pub(crate) engine: Engine,
    /// Set when memory was short once: from then on units are computed in small batches.
    frugal: AtomicBool,
    pub(crate) models: ModelGraph,
    pub(crate) destination: OpenDestination,
    pub(crate) tables: Tables,
    pub(crate) run_id: String,
    /// Digest of every SQL model.
    pub(crate) sql_digest: String,
    /// The same with the seeds, which decide about charges and not about their allocation.
    pub(crate) mapping_digest: String,
    /// What may become suspiciously small.
    pub(crate) accept_smaller: Accepted,
    /// The destination is ours as long as this is held.
    lock: DestinationLock,
    stop: Stop,
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

/// Runs a pipeline, so many billing periods at the same time, and prints what happened.
///
/// # Errors
/// As [`work`].
pub(crate) async fn run(args: &RunArgs, outputs: &Outputs, parallel: usize) -> Result<ExitStatus> {
    let (report, place) = work(args, parallel, Stop::listen()).await?;
    let printed = output::report(args.format, &report, summary::render);
    // What the run did stays done and is reported to all others, whoever could not be told.
    let observed = observe::finished(&place, outputs, &report).await;
    let status = report.exit_status().max(observed);
    Ok(output::settled(status, printed))
}

/// Runs a pipeline, so many billing periods at the same time; what happened, and where.
///
/// # Errors
/// Only what stops the command as a whole: configuration, an unknown source or period, a
/// destination that cannot be opened or that another run holds. Failed units are in the report.
pub(crate) async fn work(args: &RunArgs, parallel: usize, stop: Stop) -> Result<(RunReport, Destination)> {
    let project = Project::load(&args.pipeline)?;
    project.check_sources(&args.source)?;
    let selection = PeriodSelection::try_new(args, &project.pipeline, chrono::Utc::now().date_naive())?;
    let limits = EffectiveLimits::try_new(&args.limits, Some(&project.pipeline))?;
    vacuum::remove_abandoned(&limits.work_directory);
    let (models, _) = project.models()?;
    let engine = Engine::try_new(&engine_options(&limits))?;
    let destination = OpenDestination::open(Some(&project), args.destination.as_deref(), args.table_format).await?;
    let owned = owner::check(&project, &destination.place, args.take_over).await?;
    let accept_smaller = Accepted::try_new(&args.accept_smaller, &destination.place).await?;
    let tables = Tables::new(Some(&project.pipeline));
    let run_id = new_run_id();
    let sql_digest = sql_digest(&models);
    let mapping_digest = mapping_digest(&models);
    let owner = LockOwner::this_process(&run_id);
    let lock = DestinationLock::take(&destination.place, owner, LockTiming::default()).await?;
    let certified = Certified::default();
    let run = Run {
        project,
        limits,
        engine,
        frugal: AtomicBool::new(false),
        models,
        destination,
        tables,
        run_id,
        sql_digest,
        mapping_digest,
        accept_smaller,
        lock,
        stop,
        certified,
    };
    let outcome = async {
        let owned = owned.claim(&run.project, &run.destination.place, args.take_over).await?;
        let mut report = periods::work(&run, args, &selection, parallel).await?;
        report.notes.splice(0..0, owned.notes);
        Ok(report)
    };
    let outcome: Result<RunReport> = outcome.await;
    if let Err(error) = run.lock.release().await {
        tracing::warn!(%error, "the lock of the destination could not be given back; it expires by itself");
    }
    Ok((outcome?, run.destination.place))
}

/// Runs a pipeline for a range of billing periods.
///
/// # Errors
/// As [`run`]; [`ErrorKind::Config`] without both ends of the range.
pub(crate) async fn backfill(args: &BackfillArgs) -> Result<ExitStatus> {
    if args.run.from.is_none() || args.run.to.is_none() {
        let message = "a backfill needs both ends of the range: --from YYYY-MM --to YYYY-MM";
        return Err(Error::new(ErrorKind::Config, message));
    }
    if args.parallel == 0 {
        return Err(Error::new(ErrorKind::Config, "--parallel must be at least 1"));
    }
    observe::run(&args.run, &args.outputs, args.parallel).await
}

impl Run {
    /// Whether and when the process was asked to stop.
    pub(crate) const fn stop(&self) -> &Stop {
        &self.stop
    }

    /// A session for the work of a unit.
    pub(crate) fn context(&self) -> SessionContext {
        if self.is_frugal() { self.engine.frugal_context() } else { self.engine.new_context() }
    }

    /// Whether a unit that ended like this should be done again in small batches. What several sorts hold at the
    /// same time depends on how they are scheduled, so a limit that was enough may not be the next night.
    /// `was_frugal` says whether it was computed so already.
    pub(crate) fn is_short<T>(&self, outcome: &Result<T>, was_frugal: bool) -> bool {
        let short = |error: &Error| error.kind() == ErrorKind::MemoryExhausted;
        if !outcome.as_ref().err().is_some_and(short) || was_frugal {
            return false;
        }
        if !self.frugal.swap(true, Ordering::SeqCst) {
            tracing::warn!("memory is short: the unit is done again in small batches, and so is the rest of the run");
        }
        true
    }

    /// Whether units are computed in small batches.
    pub(crate) fn is_frugal(&self) -> bool {
        self.frugal.load(Ordering::SeqCst)
    }

    /// Checks that no other run took the destination over.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when one did.
    pub(crate) async fn is_ours(&self) -> Result<()> {
        self.lock.verify().await
    }

    /// Publishes a checked partition, as long as the destination is ours, and notes it.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when another run took over, and those of publishing.
    pub(crate) async fn publish(&self, unit: &PublishUnit, digest: String, work: &mut UnitWork) -> Result<Publication> {
        self.lock.verify().await?;
        work.publishing.begin();
        let published = self.certified.publish(&self.destination, unit).await?;
        work.entry.published.push(PublishedEntry::new(unit, &published, digest));
        Ok(published)
    }

    /// Where a unit may be put together.
    pub(crate) fn staging(&self) -> Result<crate::staging::Staging> {
        crate::staging::Staging::try_new(Path::new(&self.limits.work_directory), self.limits.jobs)
    }
}

/// Seconds that passed.
pub(crate) fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

/// Digest of every SQL model.
pub(crate) fn sql_digest(models: &ModelGraph) -> String {
    models.digest_of(models.models().map(|model| model.name.as_str()))
}

/// Digest of every SQL model and seed.
fn mapping_digest(models: &ModelGraph) -> String {
    models.digest_of(models.models().map(|model| model.name.as_str()).chain(models.seeds()))
}

/// Sortable by time, unique enough for one writer per destination.
fn new_run_id() -> String {
    let now = chrono::Utc::now();
    format!("{}-{:08x}", now.format("%Y%m%dT%H%M%S%3fZ"), std::process::id())
}
