//! `apportion plan`: what a run would read and write, and why. Nothing is written.

use std::collections::BTreeMap;

use apportion_sinks::units::{SourceIndex, TelemetryIndex};
use apportion_spec::{Error, Result};
use serde::Serialize;

use crate::accept::Accepted;
use crate::agenda::{Agenda, AllocationAgenda, PeriodAgenda, Situation, folder};
use crate::args::RunArgs;
use crate::changes::{Decisive, Published};
use crate::destination::OpenDestination;
use crate::exit::ExitStatus;
use crate::foreign::ForeignReport;
use crate::output::{self, columns, size};
use crate::owner;
use crate::project::{EffectiveLimits, PeriodSelection, Project};
use crate::survey::TelemetrySurvey;
use crate::tables::Tables;
use crate::units::{OpenSources, Unit, Units, bytes, version};
use crate::withdraw::Orphan;

#[derive(Debug, Serialize)]
struct PlannedUnit {
    billing_period: String,
    source: String,
    format: &'static str,
    cost_basis: &'static str,
    action: UnitAction,
    /// Why it is to be read; empty when it is up to date.
    reasons: Vec<String>,
    objects: Vec<String>,
    bytes: u64,
    manifest: Option<String>,
    notes: Vec<String>,
    error: Option<String>,
}

/// What would become of a unit of charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum UnitAction {
    /// It is left alone.
    None,
    /// It is read and, unless it fails or becomes too small, published.
    Read,
    /// Its month is held back.
    Wait,
    /// Its objects cannot be found.
    Fail,
}

#[derive(Debug, Serialize)]
struct PlanReport {
    pipeline: String,
    destination: String,
    units: Vec<PlannedUnit>,
    allocations: Vec<PlannedAllocation>,
    rules: Vec<PlannedRule>,
    /// Partitions that would be written.
    writes: Vec<String>,
    /// Partitions that would be emptied.
    empties: Vec<String>,
    /// Billing periods that would get a certificate.
    certifies: Vec<String>,
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
    action: AllocationAction,
    /// Why it would be computed or taken away; empty when it is up to date.
    reasons: Vec<String>,
    error: Option<String>,
}

/// What would become of an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum AllocationAction {
    /// It is left alone.
    None,
    /// It is computed.
    Compute,
    /// It is computed if the charges that are read again turn out otherwise.
    ComputeIfChargesChange,
    /// It is taken away.
    Withdraw,
    /// Its month is held back.
    Wait,
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
    let tables = Tables::new(Some(&project.pipeline));
    let decisive = Decisive::try_new(&project.pipeline, &models, &tables)?;
    let destination = OpenDestination::open(Some(&project), args.destination.as_deref(), args.table_format).await?;
    let owned = owner::check(&project, &destination.place, args.take_over).await?;
    let accepted = Accepted::try_new(&args.accept_smaller, &destination.place).await?;
    let limits = EffectiveLimits::try_new(&args.limits, Some(&project.pipeline))?;
    let known = SourceIndex::read(&destination.place).await?;
    let sources = OpenSources::open(&project, &args.source, &limits, &known).await?;
    let published = Published::read(&destination, args.force).await?;
    let units = sources.discover(&selection, &published, &decisive).await?;
    let telemetry = match &project.pipeline.allocation {
        Some(_) => TelemetrySurvey::take(&project, &TelemetryIndex::read(&destination.place).await?).await,
        None => Ok(TelemetrySurvey::default()),
    };
    let situation = Situation {
        pipeline: &project.pipeline,
        destination: &destination,
        tables: &tables,
        published: &published,
        decisive: &decisive,
        selection: &selection,
        telemetry: &telemetry,
        accepted: &accepted,
    };
    let agenda = situation.agenda(&units).await?;
    let mut report = describe(&project, &units, &agenda, telemetry.as_ref().err(), destination.shown.clone());
    report.foreign = published.foreign.iter().map(ForeignReport::from).collect();
    report.notes.splice(0..0, owned.notes);
    let printed = output::report(args.format, &report, render);
    let failed = !report.unlisted.is_empty()
        || report.units.iter().any(|unit| unit.error.is_some())
        || report.allocations.iter().any(|allocation| allocation.error.is_some());
    Ok(output::settled(if failed { ExitStatus::UnitFailed } else { ExitStatus::Success }, printed))
}

fn describe(
    project: &Project,
    units: &Units<'_>,
    agenda: &Agenda<'_>,
    telemetry: Option<&Error>,
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
    let periods = || agenda.periods.values();
    let reports = project.pipeline.reporting.is_some();
    PlanReport {
        pipeline: project.pipeline.name.clone(),
        destination,
        units: periods()
            .flat_map(|period| period.units.iter().map(|unit| planned(unit, period.held.is_some())))
            .collect(),
        allocations: periods().filter_map(|period| planned_allocation(period, telemetry)).collect(),
        rules: rules.collect(),
        writes: periods().flat_map(|period| period.writes(reports)).map(|it| folder(&it)).collect(),
        empties: periods().flat_map(|period| period.empties(reports)).map(|it| folder(&it)).collect(),
        certifies: periods().filter(|it| it.certifies()).map(|it| it.period.to_string()).collect(),
        withdrawals: periods().flat_map(withdrawals).collect(),
        foreign: Vec::new(),
        unlisted: units.unlisted.iter().map(|(name, error)| (name.clone(), error.to_string())).collect(),
        notes: units.notes.clone(),
    }
}

fn withdrawals(agenda: &PeriodAgenda<'_>) -> Vec<PlannedWithdrawal> {
    let planned = |orphan: &Orphan| PlannedWithdrawal {
        billing_period: agenda.period.to_string(),
        source: orphan.source.clone(),
        accepted: agenda.held.is_none(),
        message: match &agenda.held {
            Some(_) if orphan.waits => orphan.held(agenda.period).message().to_owned(),
            Some(waits) => waits.message().to_owned(),
            None => format!("what it published would be withdrawn, because {}", orphan.reason),
        },
    };
    agenda.orphans.iter().map(planned).collect()
}

fn planned(unit: &Unit<'_>, is_held: bool) -> PlannedUnit {
    let found = unit.found();
    PlannedUnit {
        billing_period: unit.period.to_string(),
        source: unit.source.name.clone(),
        format: unit.source.format.as_str(),
        cost_basis: unit.source.cost_basis_in(unit.period).as_str(),
        action: match found {
            _ if unit.is_up_to_date() => UnitAction::None,
            _ if is_held => UnitAction::Wait,
            Some(_) => UnitAction::Read,
            None => UnitAction::Fail,
        },
        reasons: unit.reasons().to_vec(),
        objects: found.map_or_else(Vec::new, |it| it.objects.iter().map(|object| unit.reader.name(object)).collect()),
        bytes: found.map_or(0, bytes),
        manifest: found.and_then(|it| it.manifest.as_ref().map(version)),
        notes: found.map_or_else(Vec::new, |it| it.notes.clone()),
        error: unit.unfound().map(str::to_owned),
    }
}

fn planned_allocation(agenda: &PeriodAgenda<'_>, telemetry: Option<&Error>) -> Option<PlannedAllocation> {
    let waits = agenda.held.as_ref().filter(|_| agenda.is_open());
    let (action, reasons) = match (&agenda.allocation, waits) {
        (AllocationAgenda::None, _) => return None,
        (_, Some(waits)) => (AllocationAction::Wait, vec![waits.message().to_owned()]),
        (AllocationAgenda::Withdraw(reason), None) => (AllocationAction::Withdraw, vec![reason.clone()]),
        (AllocationAgenda::Compute { reasons, read_again }, None) => {
            let mut all = reasons.clone();
            if !read_again.is_empty() {
                all.push(format!("the charges of {} are read again and may change", read_again.join(", ")));
            }
            let action = match (reasons.is_empty(), read_again.is_empty()) {
                (true, true) => AllocationAction::None,
                (true, false) => AllocationAction::ComputeIfChargesChange,
                (false, _) => AllocationAction::Compute,
            };
            (action, all)
        }
    };
    let fails = telemetry.filter(|_| action == AllocationAction::Compute);
    Some(PlannedAllocation {
        billing_period: agenda.period.to_string(),
        action,
        reasons,
        error: fails.map(ToString::to_string),
    })
}

fn render(report: &PlanReport) -> String {
    let (to_read, rest): (Vec<&PlannedUnit>, Vec<&PlannedUnit>) =
        report.units.iter().partition(|unit| matches!(unit.action, UnitAction::Read | UnitAction::Fail));
    let (waiting, rest): (Vec<&PlannedUnit>, Vec<&PlannedUnit>) =
        rest.into_iter().partition(|unit| unit.action == UnitAction::Wait);
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
    for unit in waiting {
        text.push_str(&format!("\n  {} {}: waits with its month", unit.billing_period, unit.source));
    }
    for allocation in report.allocations.iter().filter(|allocation| !allocation.reasons.is_empty()) {
        let lead = match allocation.action {
            AllocationAction::Withdraw => "would be withdrawn, because ",
            AllocationAction::Wait => "",
            _ => "because ",
        };
        let because = allocation.reasons.join("; ");
        text.push_str(&format!("\n  {} allocation: {lead}{because}", allocation.billing_period));
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
    if !report.empties.is_empty() {
        text.push_str(&format!("\n\nWould empty\n  {}", report.empties.join("\n  ")));
    }
    let writes = if report.writes.is_empty() { "nothing".to_owned() } else { report.writes.join("\n  ") };
    text.push_str(&format!("\n\nWould write to {}\n  {writes}\nNothing was written.", report.destination));
    text
}
