//! What a run would read and write: the discovered units, and `apportion plan`, which prints them.

use std::collections::BTreeSet;

use apportion_sources::{self as sources, inventory};
use apportion_sources::{DiscoveredUnit, Inventory, Location, ManifestIdentity, SourceTable, StoreOptions};
use apportion_spec::pipeline::{Source, SourceFormat};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use serde::Serialize;

use crate::args::{ReportFormat, RunArgs};
use crate::exit::ExitStatus;
use crate::output::{self, columns, size};
use crate::project::{PeriodSelection, Project};
use crate::tables::PUBLISHED;

/// One source, opened and listed.
#[derive(Debug)]
pub(crate) struct OpenSource {
    format: SourceFormat,
    location: Location,
    inventory: Inventory,
    /// Delivered columns to keep.
    kept: Vec<String>,
}

impl OpenSource {
    async fn open(source: &Source, project: &Project) -> Result<Self> {
        let location = Location::open(&source.location, &project.base, &StoreOptions::from(&source.store)).await?;
        let inventory = inventory(sources::format(source.format), &location).await?;
        Ok(Self { format: source.format, location, inventory, kept: source.keep.clone() })
    }

    /// Opens discovered objects as the relation of their format.
    ///
    /// # Errors
    /// Those of conforming: wrong types, missing columns, unreadable objects.
    pub(crate) async fn table(&self, unit: DiscoveredUnit) -> Result<SourceTable> {
        sources::open_unit(sources::format(self.format), &self.location, unit, &self.kept).await
    }
}

/// One source in one billing period, found or not.
#[derive(Debug)]
pub(crate) struct Unit<'a> {
    pub(crate) source: &'a Source,
    pub(crate) reader: &'a OpenSource,
    pub(crate) period: BillingPeriod,
    found: Result<DiscoveredUnit, Unfound>,
}

/// Why a unit was not found, kept so that the run can report it beside the others.
#[derive(Debug, Clone)]
pub(crate) struct Unfound {
    kind: ErrorKind,
    message: String,
}

impl Unfound {
    pub(crate) fn to_error(&self) -> Error {
        Error::new(self.kind, self.message.clone())
    }
}

impl Unit<'_> {
    pub(crate) fn source_name(&self) -> &str {
        &self.source.name
    }

    pub(crate) const fn discovered(&self) -> Result<&DiscoveredUnit, &Unfound> {
        self.found.as_ref()
    }
}

/// All units of a run.
#[derive(Debug)]
pub(crate) struct Units<'a> {
    units: Vec<Unit<'a>>,
}

impl<'a> Units<'a> {
    /// Billing periods in order.
    pub(crate) fn periods(&self) -> Vec<BillingPeriod> {
        let periods: BTreeSet<BillingPeriod> = self.units.iter().map(|unit| unit.period).collect();
        periods.into_iter().collect()
    }

    /// The units of one period, by source name.
    pub(crate) fn of(&self, period: BillingPeriod) -> impl Iterator<Item = &Unit<'a>> {
        self.units.iter().filter(move |unit| unit.period == period)
    }

    pub(crate) fn count(&self) -> usize {
        self.units.len()
    }

    /// Bytes of all objects.
    pub(crate) fn bytes(&self) -> u64 {
        self.units.iter().filter_map(|unit| unit.found.as_ref().ok()).map(bytes).sum()
    }
}

/// The manifest's own name for what it delivers, else its path.
pub(crate) fn version(manifest: &ManifestIdentity) -> String {
    manifest.delivery.clone().unwrap_or_else(|| manifest.path.to_string())
}

/// Bytes of a unit's objects.
pub(crate) fn bytes(unit: &DiscoveredUnit) -> u64 {
    unit.objects.iter().map(|object| object.size).sum()
}

/// The sources of a run, opened.
#[derive(Debug)]
pub(crate) struct OpenSources<'a> {
    sources: Vec<(&'a Source, OpenSource)>,
}

impl<'a> OpenSources<'a> {
    /// Opens the named sources, or all.
    ///
    /// # Errors
    /// Those of opening a store: every source must be reachable before anything is written.
    pub(crate) async fn open(project: &'a Project, names: &[String]) -> Result<Self> {
        let mut sources = Vec::new();
        for source in &project.pipeline.sources {
            if names.is_empty() || names.contains(&source.name) {
                let reader =
                    OpenSource::open(source, project).await.map_err(|error| error.with("source", &source.name))?;
                sources.push((source, reader));
            }
        }
        Ok(Self { sources })
    }

    /// Finds the units of the selected periods.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when no source has any selected period.
    pub(crate) async fn discover(&self, selection: &PeriodSelection) -> Result<Units<'_>> {
        let mut units = Vec::new();
        for (source, reader) in &self.sources {
            let existing = reader.inventory.periods();
            let mut periods: BTreeSet<BillingPeriod> = existing.filter(|period| selection.includes(*period)).collect();
            if let PeriodSelection::Named(named) = selection {
                periods.extend(named);
            }
            for period in periods {
                let found = reader
                    .inventory
                    .unit(period)
                    .await
                    .map_err(|error| Unfound { kind: error.kind(), message: error.to_string() });
                units.push(Unit { source, reader, period, found });
            }
        }
        if units.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "no source has a billing period in the selected range"));
        }
        units.sort_by(|a, b| (a.period, &a.source.name).cmp(&(b.period, &b.source.name)));
        Ok(Units { units })
    }
}

#[derive(Debug, Serialize)]
struct PlannedUnit {
    billing_period: String,
    source: String,
    format: &'static str,
    cost_basis: &'static str,
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
    rules: Vec<PlannedRule>,
    writes: Vec<String>,
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
    let selection = PeriodSelection::try_new(args)?;
    let sources = OpenSources::open(&project, &args.source).await?;
    let units = sources.discover(&selection).await?;
    let report = describe(&project, &units, args.destination.as_deref());
    match args.format {
        ReportFormat::Json => output::result(&serde_json::to_string_pretty(&report).unwrap_or_default()),
        ReportFormat::Table => output::result(&render(&report)),
    }
    let failed = report.units.iter().any(|unit| unit.error.is_some());
    Ok(if failed { ExitStatus::UnitFailed } else { ExitStatus::Success })
}

fn describe(project: &Project, units: &Units<'_>, destination: Option<&str>) -> PlanReport {
    let planned = units.units.iter().map(|unit| {
        let found = unit.found.as_ref();
        PlannedUnit {
            billing_period: unit.period.to_string(),
            source: unit.source.name.clone(),
            format: unit.source.format.as_str(),
            cost_basis: unit.source.cost_basis_in(unit.period).as_str(),
            objects: found.map_or_else(
                |_| Vec::new(),
                |it| it.objects.iter().map(|object| object.location.to_string()).collect(),
            ),
            bytes: found.map_or(0, bytes),
            manifest: found.ok().and_then(|it| it.manifest.as_ref().map(version)),
            notes: found.map_or_else(|_| Vec::new(), |it| it.notes.clone()),
            error: found.err().map(|error| error.message.clone()),
        }
    });
    let allocation = project.pipeline.allocation.as_ref();
    let rules = allocation.into_iter().flat_map(|allocation| allocation.rules()).map(|(stage, rule)| PlannedRule {
        stage: stage.name.clone(),
        rule: rule.id.clone(),
        method: rule.method.as_str(),
        when: rule.when.as_ref().map_or_else(|| "always".to_owned(), |when| when.text.clone()),
        drivers: rule.method.drivers().into_iter().map(str::to_owned).collect(),
    });
    let mut writes = Vec::new();
    for table in PUBLISHED {
        let by_source = matches!(table, "focus_charges" | "reconciliation");
        if by_source || allocation.is_some() {
            for period in units.periods() {
                for unit in units.of(period).filter(|unit| unit.found.is_ok()) {
                    let source = if by_source { format!("x_Source={}/", unit.source.name) } else { String::new() };
                    writes.push(format!("{table}/{source}x_BillingPeriod={period}/"));
                }
            }
        }
    }
    writes.dedup();
    PlanReport {
        pipeline: project.pipeline.name.clone(),
        destination: destination.unwrap_or(&project.pipeline.destination.location).to_owned(),
        units: planned.collect(),
        rules: rules.collect(),
        writes,
    }
}

fn render(report: &PlanReport) -> String {
    let rows: Vec<Vec<String>> = report
        .units
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
    let mut text = columns(&["Would read", "format", "basis", "objects", "size", "version"], &rows);
    for unit in &report.units {
        for note in unit.notes.iter().chain(&unit.error) {
            text.push_str(&format!("\n  {} {}: {note}", unit.billing_period, unit.source));
        }
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
    text.push_str(&format!(
        "\n\nWould write to {}\n  {}\nNothing was written.",
        report.destination,
        report.writes.join("\n  ")
    ));
    text
}
