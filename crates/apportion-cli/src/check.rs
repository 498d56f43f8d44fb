//! `apportion check`: everything that can be known to be wrong before a run, in one report.

use std::sync::Arc;

use apportion_engine::allocation::AllocationPlan;
use apportion_engine::{Engine, ModelGraph, SeedExtension};
use apportion_sinks::require_conditional_put;
use apportion_sinks::units::SourceIndex;
use apportion_sources::{Location, StoreOptions};
use apportion_spec::pipeline::{Store, TableFormat};
use apportion_spec::{Error, ErrorKind, Result};
use datafusion::prelude::SessionContext;
use serde::Serialize;

use crate::args::CheckArgs;
use crate::changes::{Decisive, Published};
use crate::destination::OpenDestination;
use crate::exit::ExitStatus;
use crate::output;
use crate::project::{EffectiveLimits, PeriodSelection, Project};
use crate::tables::Tables;
use crate::units::OpenSources;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    ok: bool,
    detail: String,
}

impl Finding {
    /// One line, or a heading above the lines of a longer detail.
    fn line(&self) -> String {
        let lead = if self.ok { "ok   " } else { "WRONG" };
        let detail: Vec<&str> = self.detail.lines().map(str::trim).collect();
        match detail.as_slice() {
            [only] => format!("{lead} {}: {only}", self.what),
            // Several mistakes of a file each start with their place.
            several if !self.ok && !self.detail.contains("\n      ") => {
                format!("{lead} {}:\n      {}", self.what, several.join("\n      "))
            }
            several => format!("{lead} {}: {}", self.what, several.join("\n      ")),
        }
    }
}

/// Checks a pipeline file, its SQL, and unless offline its sources and destination. A mistake in one place hides
/// none in another: what is right in form is checked further, whatever is wrong beside it.
///
/// # Errors
/// [`ErrorKind::Config`] when nothing of the file can be understood.
pub(crate) async fn check(args: &CheckArgs) -> Result<ExitStatus> {
    let (project, survey) = Project::survey(&args.pipeline)?;
    let mut findings = Vec::new();
    let mut note = |what: &str, outcome: Result<String>| {
        let (ok, detail) = match outcome {
            Ok(detail) => (true, detail),
            Err(error) => (false, error.to_string()),
        };
        findings.push(Finding { what: what.to_owned(), ok, detail });
    };
    let file = if survey.mistakes.is_empty() {
        Ok(describe(&project))
    } else {
        Err(Error::new(ErrorKind::Config, survey.mistakes.join("\n")))
    };
    note("pipeline file", file);
    note("SQL models", models(&project));
    if project.pipeline.seeds.is_some() {
        note("seeds", seeds(&project));
    }
    if survey.knows_dimensions {
        note("expressions", expressions(&project));
    }
    if !args.offline {
        for source in &project.pipeline.sources {
            note(&format!("source {}", source.name), source_contract(&project, &source.name).await);
        }
        for telemetry in &project.pipeline.telemetry {
            let outcome = match reach(&project, &telemetry.location, &telemetry.store).await {
                Ok(_) => crate::telemetry::describe(&project, telemetry).await,
                Err(error) => Err(error),
            };
            note(&format!("telemetry {}", telemetry.name), outcome);
        }
        if survey.knows_destination {
            note("destination", destination(&project).await);
        }
    }
    let failed = findings.iter().any(|finding| !finding.ok);
    let lines = |findings: &Vec<Finding>| findings.iter().map(Finding::line).collect::<Vec<_>>().join("\n");
    let printed = output::report(args.format, &findings, lines);
    Ok(output::settled(if failed { ExitStatus::Usage } else { ExitStatus::Success }, printed))
}

fn describe(project: &Project) -> String {
    let pipeline = &project.pipeline;
    let rules = pipeline.allocation.as_ref().map_or(0, |allocation| allocation.rules().count());
    format!(
        "{} sources, {} telemetry, {} dimensions, {rules} rules, {} unit metrics",
        pipeline.sources.len(),
        pipeline.telemetry.len(),
        pipeline.dimensions.len(),
        pipeline.unit_metrics.len()
    )
}

/// The models that a run of the project uses, with its own seeds.
fn models(project: &Project) -> Result<String> {
    // What is wrong with its seeds is told as theirs.
    let models = project.models().map(|(models, _)| models).or_else(|_| ModelGraph::embedded())?;
    let mistakes = models.verify();
    if mistakes.is_empty() {
        Ok(format!("{} models, {} checks", models.models().count(), models.checks().count()))
    } else {
        Err(Error::new(ErrorKind::SqlInvalid, mistakes.join("\n")))
    }
}

/// What the pipeline's own rows do to the built-in seeds.
fn seeds(project: &Project) -> Result<String> {
    let (_, extensions) = project.models()?;
    let rows = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 row {what}")),
        _ => Some(format!("{count} rows {what}")),
    };
    let line = |seed: &SeedExtension| {
        let facts = [rows(seed.added, "added"), rows(seed.replaced, "replaced")];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        format!("{}.csv: {}", seed.seed, if facts.is_empty() { "no rows".to_owned() } else { facts.join(", ") })
    };
    let lines: Vec<String> = extensions.iter().map(line).collect();
    Ok(if lines.is_empty() { "the folder holds no CSV files".to_owned() } else { lines.join("; ") })
}

/// Plans every expression of the pipeline against the columns of `focus_charges`.
///
/// # Errors
/// As [`plan_rules`].
pub(crate) fn expressions(project: &Project) -> Result<String> {
    let limits = EffectiveLimits::try_new(&crate::args::Limits::default(), Some(&project.pipeline))?;
    let engine = Engine::try_new(&crate::run::engine_options(&limits))?;
    let plan = plan_rules(&engine.new_context(), project)?;
    Ok(plan.map_or_else(|| "no allocation is declared".to_owned(), |_| "all plan".to_owned()))
}

/// Plans the pipeline's rules; `None` when it declares no allocation.
///
/// # Errors
/// [`ErrorKind::SqlInvalid`] or [`ErrorKind::Config`] with every mistake and its place.
pub(crate) fn plan_rules(context: &SessionContext, project: &Project) -> Result<Option<AllocationPlan>> {
    if project.pipeline.allocation.is_none() {
        return Ok(None);
    }
    let (models, _) = project.models()?;
    let plan = AllocationPlan::try_new(context, Arc::new(models), &project.file, &project.pipeline)?;
    let conflicts: Vec<String> =
        plan.conflicts().iter().map(|conflict| format!("{}:{}: {conflict}", project.file, conflict.place)).collect();
    if conflicts.is_empty() { Ok(Some(plan)) } else { Err(Error::new(ErrorKind::Config, conflicts.join("\n"))) }
}

/// Asks the store of a location what only the store can say: whether it is there, in this region, and may be listed by
/// these credentials. What lies on disk says so itself when it is read.
async fn reach(project: &Project, location: &str, store: &Store) -> Result<Location> {
    let location = Location::open(location, &project.base, &StoreOptions::from(store)).await?;
    if location.url.scheme() != "file" {
        location.preflight().await?;
    }
    Ok(location)
}

/// Opens the destination, and asks its store for what a run of the pipeline needs of it.
async fn destination(project: &Project) -> Result<String> {
    let declared = &project.pipeline.destination;
    let place = reach(project, &declared.location, &declared.store).await?;
    let opened = OpenDestination::open(Some(project), None, None).await?;
    // A folder on disk may not exist yet, and is not made by a command that only looks.
    if declared.format == TableFormat::Delta && place.url.scheme() != "file" {
        require_conditional_put(&opened.place).await?;
    }
    Ok(opened.shown)
}

/// Reads the footers of a source's newest period.
async fn source_contract(project: &Project, name: &str) -> Result<String> {
    let names = [name.to_owned()];
    let limits = EffectiveLimits::try_new(&crate::args::Limits::default(), Some(&project.pipeline))?;
    let declared = project.pipeline.sources.iter().find(|source| source.name == name);
    if let Some(source) = declared {
        reach(project, &source.location, &source.store).await?;
    }
    let sources = OpenSources::open(project, &names, &limits, &SourceIndex::default()).await?;
    let (models, _) = project.models()?;
    let decisive = Decisive::try_new(&project.pipeline, &models, &Tables::new(Some(&project.pipeline)))?;
    let units = sources.discover(&PeriodSelection::All, &Published::nothing(), &decisive).await?;
    let periods = units.periods();
    let mut detail = format!("{} billing periods", periods.len());
    for unit in periods.last().into_iter().flat_map(|period| units.of(*period)) {
        let discovered = unit.discovered()?;
        let table = unit.reader.table(discovered.clone()).await?;
        detail = format!(
            "{detail}, newest {}: {} objects, {} rows",
            unit.period,
            discovered.objects.len(),
            table.report.rows
        );
        if let Some(version) = unit.focus_version(&table) {
            detail.push_str(&format!(", FOCUS {version}"));
        }
        for note in &table.report.notes {
            detail.push_str("\n      ");
            detail.push_str(note);
        }
    }
    Ok(detail)
}
