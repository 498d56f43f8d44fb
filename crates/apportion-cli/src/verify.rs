//! `apportion verify`: proves from the written tables alone that they still tell the truth.
//!
//! Period by period: objects against the certificate, every check of the tables again, totals
//! against the reconciliation, and every split made again from charges and driver quantities. A
//! period that cannot be read is a finding; the others go on. The trap avoided: to trust what a run
//! said about itself.

mod objects;
mod period;
mod report;
mod splits;

pub(crate) use self::report::Finding;

use apportion_engine::{Engine, ModelGraph};
use apportion_sinks::ForeignObject;
use apportion_spec::Result;

use self::report::VerifyReport;
use crate::args::VerifyArgs;
use crate::changes::Published;
use crate::destination::OpenDestination;
use crate::exit::ExitStatus;
use crate::output;
use crate::project::{EffectiveLimits, Project};
use crate::published::selected_periods;

/// What all periods of a verification share.
#[derive(Debug)]
struct Verifier {
    engine: Engine,
    models: ModelGraph,
    destination: OpenDestination,
    limits: EffectiveLimits,
    project: Option<Project>,
    /// What lies among the tables and no run published.
    foreign: Vec<ForeignObject>,
    /// Digest of every SQL model of this program.
    sql_digest: String,
}

/// Verifies the written tables and prints what was found.
///
/// # Errors
/// Only what stops the command as a whole: no tables, an unknown period, a destination that cannot
/// be opened, refused access or exhausted memory.
pub(crate) async fn verify(args: &VerifyArgs) -> Result<ExitStatus> {
    let project = args.pipeline.as_deref().map(Project::load).transpose()?;
    let limits = EffectiveLimits::try_new(&args.limits, project.as_ref().map(|project| &project.pipeline))?;
    let destination = OpenDestination::open(project.as_ref(), args.destination.as_deref(), None).await?;
    let models = ModelGraph::embedded()?;
    let engine = Engine::try_new(&crate::run::engine_options(&limits))?;
    let sql_digest = crate::run::sql_digest(&models);
    let periods = selected_periods(&destination, &args.period).await?;
    let foreign = Published::read(&destination, false).await?.foreign;
    let placed =
        |object: &&ForeignObject| periods.iter().any(|period| object.billing_period == Some(period.to_string()));
    let elsewhere: Vec<Finding> = foreign
        .iter()
        .filter(|object| object.counted && args.period.is_empty() && !placed(object))
        .map(Finding::from)
        .collect();
    let verifier = Verifier { engine, models, destination, limits, project, sql_digest, foreign };
    let mut report = VerifyReport {
        destination: verifier.destination.shown.clone(),
        table_format: verifier.destination.format_name(),
        ties: elsewhere.is_empty(),
        foreign: elsewhere,
        periods: Vec::new(),
    };
    for period in periods {
        tracing::info!(%period, "verify");
        let verified = verifier.period(period).await?;
        // Objects that no table holds any more, such as those a Delta table has superseded.
        if verified.tables.is_empty() && verified.differences == 0 {
            continue;
        }
        report.ties &= verified.differences == 0;
        report.periods.push(verified);
    }
    let printed = output::report(args.format, &report, report::render);
    let status = if report.ties { ExitStatus::Success } else { ExitStatus::CheckFailed };
    Ok(output::settled(status, printed))
}
