//! `apportion plan`: what a run would read and write, and why. Nothing is written.

use std::collections::BTreeMap;

use apportion_sinks::units::{SourceIndex, TelemetryIndex};
use apportion_spec::{BillingPeriod, Result};
use serde::Serialize;

use crate::accept::Accepted;
use crate::args::RunArgs;
use crate::changes::{Decisive, Published};
use crate::destination::OpenDestination;
use crate::exit::ExitStatus;
use crate::foreign::ForeignReport;
use crate::output::{self, columns, size};
use crate::owner;
use crate::project::{EffectiveLimits, PeriodSelection, Project};
use crate::survey::TelemetrySurvey;
use crate::tables::{FOCUS_CHARGES, PUBLISHED, RECONCILIATION, REPORTING_CHARGES, Tables};
use crate::units::{OpenSources, Unit, Units, bytes, version};
use crate::withdraw::{Orphan, names, orphans};

#[derive(Debug, Serialize)]
struct PlannedUnit {
    billing_period: String,
    source: String,
    format: &'static str,
    cost_basis: &'static str,
    /// Why it would be read; empty when it is up to date.
    reasons: Vec<String>,
    objects: Vec<String>,
    bytes: u64,
    manifest: Option<String>,
    notes: Vec<String>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct PlanReport {
    pipeline: String,
    destination: String,
    units: Vec<PlannedUnit>,
    allocations: Vec<PlannedAllocation>,
    rules: Vec<PlannedRule>,
    writes: Vec<String>,
    withdrawals: Vec<PlannedWithdrawal>,
    /// Objects in the folders of the tables that no run published; what would be published beside them waits.
    foreign: Vec<ForeignReport>,
    /// Sources that could not be listed, and why.
    unlisted: BTreeMap<String, String>,
    notes: Vec<String>,
}

/// Published charges that the pipeline does not account for.
#[derive(Debug, Serialize)]
struct PlannedWithdrawal {
    billing_period: String,
    source: String,
    /// Whether they would be withdrawn; else their month would be held back as it is.
    accepted: bool,
    message: String,
}

#[derive(Debug, Serialize)]
struct PlannedAllocation {
    billing_period: String,
    /// Why it would be computed; empty when it is up to date.
    reasons: Vec<String>,
}

#[derive(Debug, Serialize)]
struct PlannedRule {
    stage: String,
    rule: String,
    method: &'static str,
    when: String,
    drivers: Vec<String>,
}

/// `apportion plan`.
///
/// # Errors
/// As for a run, before it writes.
pub(crate) async fn plan(args: &RunArgs) -> Result<ExitStatus> {
    let project = Project::load(&args.pipeline)?;
    project.check_sources(&args.source)?;
    crate::check::expressions(&project)?;
    let selection = PeriodSelection::try_new(args, &project.pipeline, chrono::Utc::now().date_naive())?;
    let (models, _) = project.models()?;
    let decisive = Decisive { pipeline: &project.pipeline, models: &models };
    let destination = OpenDestination::open(Some(&project), args.destination.as_deref(), args.table_format).await?;
    let owned = owner::check(&project, &destination.place, args.take_over).await?;
    let accepted = Accepted::try_new(&args.accept_smaller, &destination.place).await?;
    let limits = EffectiveLimits::try_new(&args.limits, Some(&project.pipeline))?;
    let known = SourceIndex::read(&destination.place).await?;
    let sources = OpenSources::open(&project, &args.source, &limits, &known).await?;
    let published = Published::read(&destination, args.force).await?;
    let units = sources.discover(&selection, &published, &decisive).await?;
    let remembered = TelemetryIndex::read(&destination.place).await?;
    let survey = TelemetrySurvey::take(&project, &remembered).await.ok();
    let tables = Tables::new(Some(&project.pipeline));
    let orphans = orphans(&project.pipeline, &destination, &tables, &published, &selection).await?;
    let periods = units.periods().into_iter().chain(orphans.keys().copied()).collect();
    accepted.check(&periods, &names(&project.pipeline, &orphans))?;
    let mut report = describe(&project, &units, &published, &decisive, survey.as_ref(), destination.shown);
    report.notes.splice(0..0, owned.notes);
    report.withdrawals = withdrawals(&orphans, &accepted);
    let printed = output::report(args.format, &report, render);
    let failed = !report.unlisted.is_empty() || report.units.iter().any(|unit| unit.error.is_some());
    Ok(output::settled(if failed { ExitStatus::UnitFailed } else { ExitStatus::Success }, printed))
}

fn describe(
    project: &Project,
    units: &Units<'_>,
    published: &Published,
    decisive: &Decisive<'_>,
    survey: Option<&TelemetrySurvey>,
    destination: String,
) -> PlanReport {
    let allocation = project.pipeline.allocation.as_ref();
    let rules = allocation.into_iter().flat_map(|allocation| allocation.rules()).map(|(stage, rule)| PlannedRule {
        stage: stage.name.clone(),
        rule: rule.id.clone(),
        method: rule.method.as_str(),
        when: rule.when.as_ref().map_or_else(|| "always".to_owned(), |when| when.text.clone()),
        drivers: rule.method.drivers().into_iter().map(str::to_owned).collect(),
    });
    let mut allocations = Vec::new();
    for period in units.periods().into_iter().filter(|_| allocation.is_some()) {
        let mut reasons = published.allocation_reasons(decisive, period, survey);
        let read: Vec<&str> = units.of(period).filter(|it| it.found().is_some()).map(Unit::source_name).collect();
        if !read.is_empty() && published.allocation(period).is_some() {
            reasons.push(format!("the charges of {} are read again and may change", read.join(", ")));
        }
        allocations.push(PlannedAllocation { billing_period: period.to_string(), reasons });
    }
    PlanReport {
        pipeline: project.pipeline.name.clone(),
        destination,
        writes: writes(units, &allocations, project.pipeline.reporting.is_some()),
        units: units.all().iter().map(planned).collect(),
        allocations,
        rules: rules.collect(),
        withdrawals: Vec::new(),
        foreign: published.foreign.iter().map(ForeignReport::from).collect(),
        unlisted: units.unlisted.iter().map(|(name, error)| (name.clone(), error.to_string())).collect(),
        notes: units.notes.clone(),
    }
}

fn withdrawals(orphans: &BTreeMap<BillingPeriod, Vec<Orphan>>, given: &Accepted) -> Vec<PlannedWithdrawal> {
    let all = orphans.iter().flat_map(|(period, orphans)| orphans.iter().map(move |orphan| (period, orphan)));
    all.map(|(period, orphan)| {
        let accepted = !orphan.waits(given, *period);
        PlannedWithdrawal {
            billing_period: period.to_string(),
            source: orphan.source.clone(),
            accepted,
            message: if accepted {
                format!("what it published would be withdrawn, because {}", orphan.reason)
            } else {
                orphan.held(*period).message().to_owned()
            },
        }
    })
    .collect()
}

fn planned(unit: &Unit<'_>) -> PlannedUnit {
    let found = unit.found();
    PlannedUnit {
        billing_period: unit.period.to_string(),
        source: unit.source.name.clone(),
        format: unit.source.format.as_str(),
        cost_basis: unit.source.cost_basis_in(unit.period).as_str(),
        reasons: unit.reasons().to_vec(),
        objects: found.map_or_else(Vec::new, |it| it.objects.iter().map(|object| unit.reader.name(object)).collect()),
        bytes: found.map_or(0, bytes),
        manifest: found.and_then(|it| it.manifest.as_ref().map(version)),
        notes: found.map_or_else(Vec::new, |it| it.notes.clone()),
        error: unit.unfound().map(str::to_owned),
    }
}

/// Partitions that would be written.
fn writes(units: &Units<'_>, allocations: &[PlannedAllocation], reports: bool) -> Vec<String> {
    let mut writes = Vec::new();
    for unit in units.all().iter().filter(|unit| unit.found().is_some()) {
        writes.push(format!("{FOCUS_CHARGES}/x_Source={}/x_BillingPeriod={}/", unit.source.name, unit.period));
        let place = format!("x_Source={}/x_BillingPeriod={}/", unit.source.name, unit.period);
        writes.push(format!("{RECONCILIATION}/x_Stage=normalization/{place}"));
    }
    for allocation in allocations.iter().filter(|allocation| !allocation.reasons.is_empty()) {
        let period = &allocation.billing_period;
        let tables = PUBLISHED.iter().filter(|table| !matches!(**table, FOCUS_CHARGES | RECONCILIATION));
        let tables = tables.filter(|table| reports || **table != REPORTING_CHARGES);
        writes.extend(tables.map(|table| format!("{table}/x_BillingPeriod={period}/")));
        writes.push(format!("{RECONCILIATION}/x_Stage=allocation/x_Source=*/x_BillingPeriod={period}/"));
    }
    writes
}

fn render(report: &PlanReport) -> String {
    let (to_read, rest): (Vec<&PlannedUnit>, Vec<&PlannedUnit>) =
        report.units.iter().partition(|unit| !unit.reasons.is_empty() || unit.error.is_some());
    let rows: Vec<Vec<String>> = to_read
        .iter()
        .map(|unit| {
            vec![
                format!("{} {}", unit.billing_period, unit.source),
                unit.format.to_owned(),
                unit.cost_basis.to_owned(),
                unit.objects.len().to_string(),
                size(unit.bytes),
                unit.manifest.clone().unwrap_or_else(|| "no manifest".to_owned()),
            ]
        })
        .collect();
    let mut text = if rows.is_empty() {
        "Would read nothing: no export changed".to_owned()
    } else {
        columns(&["Would read", "format", "basis", "objects", "size", "version"], &rows)
    };
    for unit in &to_read {
        let because = (!unit.reasons.is_empty()).then(|| format!("because {}", unit.reasons.join("; ")));
        for note in because.iter().chain(&unit.notes).chain(&unit.error) {
            text.push_str(&format!("\n  {} {}: {note}", unit.billing_period, unit.source));
        }
    }
    for allocation in report.allocations.iter().filter(|allocation| !allocation.reasons.is_empty()) {
        let because = allocation.reasons.join("; ");
        text.push_str(&format!("\n  {} allocation: because {because}", allocation.billing_period));
    }
    let allocated = report.allocations.iter().filter(|allocation| allocation.reasons.is_empty()).count();
    if !rest.is_empty() || allocated > 0 {
        text.push_str(&format!("\n\nUp to date: {} units of charges, {allocated} allocations", rest.len()));
    }
    for (source, error) in &report.unlisted {
        text.push_str(&format!("\n  {source}: could not be listed: {error}"));
    }
    for foreign in &report.foreign {
        text.push_str(&format!("\n  {}: {}", foreign.object, foreign.message));
    }
    for withdrawal in &report.withdrawals {
        text.push_str(&format!("\n  {} {}: {}", withdrawal.billing_period, withdrawal.source, withdrawal.message));
    }
    for note in &report.notes {
        text.push_str(&format!("\n  {note}"));
    }
    if !report.rules.is_empty() {
        let rows: Vec<Vec<String>> = report
            .rules
            .iter()
            .enumerate()
            .map(|(index, rule)| {
                vec![
                    format!("{}. {}", index + 1, rule.rule),
                    rule.stage.clone(),
                    rule.method.to_owned(),
                    rule.drivers.join(", "),
                    rule.when.clone(),
                ]
            })
            .collect();
        text.push_str("\n\n");
        text.push_str(&columns(&["Rules, first match wins", "stage", "method", "drivers", "when"], &rows));
    }
    let writes = if report.writes.is_empty() { "nothing".to_owned() } else { report.writes.join("\n  ") };
    text.push_str(&format!("\n\nWould write to {}\n  {writes}\nNothing was written.", report.destination));
    text
}
