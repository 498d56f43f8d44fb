//! `apportion diff`: what changed between two versions of a billing period, and why.
//!
//! The older and the newer version are read as they were written. The states between them, with
//! one input after the other swapped, are allocated again; each cause is the difference of two
//! neighbouring states, so the causes sum to the whole change by construction. Where only one
//! input differs nothing is recomputed, and where a state cannot be recomputed the causes around
//! it are told as one.

mod causes;
mod objects;
mod recompute;
mod render;
mod report;
mod snapshot;
mod versions;

use std::collections::BTreeSet;

use apportion_engine::{Engine, ModelGraph};
use apportion_spec::{Error, ErrorKind, Result};

use self::causes::{Cause, Step};
use self::recompute::{Configured, Recomputation, mixed};
use self::report::DiffReport;
use self::snapshot::{Breakdown, Snapshot, breakdowns, position, written};
use self::versions::{Version, choose, objects, partition};
use crate::args::{DiffArgs, ReportFormat};
use crate::destination::OpenDestination;
use crate::output;
use crate::project::{EffectiveLimits, Project};
use crate::run::{engine_options, sql_digest};
use crate::staging::query_error;
use crate::tables::{ALLOCATED_CHARGES, Tables};

/// Lines of each table when the person does not say.
const LINES: usize = 10;

/// The states from the older to the newer version and the steps between them, one fewer.
#[derive(Debug)]
struct Chain {
    states: Vec<Snapshot>,
    steps: Vec<Step>,
}

/// Compares two versions of a billing period and prints the difference with its causes.
///
/// # Errors
/// [`ErrorKind::NotFound`] when a version is not kept, [`ErrorKind::Config`] for a name that means
/// nothing, and whatever reading or recomputing runs into.
pub(crate) async fn diff(args: &DiffArgs) -> Result<()> {
    let project = Project::load(&args.pipeline)?;
    let limits = EffectiveLimits::try_new(&args.limits, Some(&project.pipeline))?;
    let destination = OpenDestination::open(Some(&project), args.destination.as_deref(), args.table_format).await?;
    let engine = Engine::try_new(&engine_options(&limits))?;
    // Columns are those of the files: the two versions may have other dimensions than the pipeline.
    let tables = Tables::new(None);
    let (older, newer) = choose(&destination, &tables, args.period, args.from.as_deref(), &args.to).await?;
    let recomputation = Recomputation {
        engine: &engine,
        limits: &limits,
        destination: &destination,
        tables: &tables,
        base: project.base.clone(),
        period: args.period,
        sql_digest: sql_digest(&ModelGraph::embedded()?),
    };
    let (breakdowns, old, new) = read_both(&recomputation, &older, &newer, &args.by).await?;
    let mut notes = Vec::new();
    let steps = causes::steps(&recomputation, &older, &newer, &mut notes).await?;
    let chain = Box::pin(chain(&recomputation, (&older, old), (&newer, new), &steps, &breakdowns, &mut notes)).await?;
    conserved(&chain)?;
    let inputs = objects::changes(&recomputation, &older, &newer, &steps).await?;
    let top = args.top.or((args.format == ReportFormat::Table).then_some(LINES));
    let mut report = DiffReport::new(&chain.states, &chain.steps, &breakdowns, position(args.ledger), top)?;
    report.pipeline.clone_from(&project.pipeline.name);
    report.destination.clone_from(&destination.shown);
    report.billing_period = args.period.to_string();
    report.from = (&older).into();
    report.to = (&newer).into();
    report.inputs = inputs;
    report.notes = notes;
    output::report(args.format, &report, render::render)
}

/// The sums of both written versions.
async fn read_both(
    recomputation: &Recomputation<'_>,
    older: &Version,
    newer: &Version,
    by: &[String],
) -> Result<(Vec<Breakdown>, Snapshot, Snapshot)> {
    let Recomputation { destination, tables, engine, .. } = recomputation;
    let spec = tables.spec(ALLOCATED_CHARGES)?;
    let mut opened = Vec::new();
    for version in [older, newer] {
        let context = engine.new_context();
        let parts = objects(destination, &spec, &partition(recomputation.period), version.number).await?;
        let table = written(&context, destination, tables, parts).await?;
        context.register_table(ALLOCATED_CHARGES, std::sync::Arc::clone(&table)).map_err(query_error)?;
        opened.push((context, table));
    }
    let [(old_context, old), (new_context, new)] = opened.as_slice() else {
        return Err(Error::new(ErrorKind::Internal, "two versions were not opened"));
    };
    let breakdowns = breakdowns(by, old.as_ref(), new.as_ref())?;
    let old = Snapshot::of(old_context, &breakdowns).await?;
    let new = Snapshot::of(new_context, &breakdowns).await?;
    Ok((breakdowns, old, new))
}

/// Computes the states between the versions, as far as they can be computed.
async fn chain(
    recomputation: &Recomputation<'_>,
    (older, old): (&Version, Snapshot),
    (newer, new): (&Version, Snapshot),
    steps: &[Step],
    breakdowns: &[Breakdown],
    notes: &mut Vec<String>,
) -> Result<Chain> {
    let configured = if steps.len() > 1 { between(recomputation, older, newer, notes).await? } else { None };
    let mut chain = Chain { states: vec![old], steps: Vec::new() };
    let mut switched = BTreeSet::new();
    let mut pending = Step::default();
    let between = steps.len().saturating_sub(1);
    for step in steps.iter().take(between) {
        pending.merge(step);
        switched.extend(step.sources.iter().cloned());
        let Some(configured) = &configured else { continue };
        let charges = mixed(older, newer, &switched);
        match recomputation.allocate(configured, &charges, breakdowns).await? {
            Ok(state) => {
                chain.states.push(state);
                chain.steps.push(std::mem::take(&mut pending));
            }
            Err(reason) => notes.push(format!("causes are told as one where a state cannot be recomputed: {reason}")),
        }
    }
    for step in steps.iter().skip(between) {
        pending.merge(step);
    }
    chain.states.push(new);
    chain.steps.push(pending);
    Ok(chain)
}

/// The older rules, ready to be applied; `None` with a note when no state can be recomputed.
async fn between(
    recomputation: &Recomputation<'_>,
    older: &Version,
    newer: &Version,
    notes: &mut Vec<String>,
) -> Result<Option<Configured>> {
    let reason = match recomputation.obstacle(older, newer).await? {
        Some(reason) => reason,
        None => match recomputation.configured(&older.provenance.configuration_digest).await? {
            Ok(configured) => return Ok(Some(configured)),
            Err(reason) => reason,
        },
    };
    notes.push(format!("all causes are told as one: {reason}"));
    Ok(None)
}

/// Telemetry and rules move cost between lines and never change a total: a recomputation in which
/// they did would be wrong, and none of its figures could be believed.
fn conserved(chain: &Chain) -> Result<()> {
    for (states, step) in chain.states.windows(2).zip(&chain.steps) {
        let [before, after] = states else { continue };
        if chain.steps.len() == 1 || !step.sources.is_empty() || step.causes.contains(&Cause::Bill) {
            continue;
        }
        let of = |state: &Snapshot, key| state.totals.get(key).copied().unwrap_or_default();
        for key in before.totals.keys().chain(after.totals.keys()) {
            if of(after, key) != of(before, key) {
                return Err(Error::new(ErrorKind::Internal, "a recomputed allocation does not keep the total")
                    .with("cause", step.name())
                    .with("currency", &key.0));
            }
        }
    }
    Ok(())
}
