//! The difference of two versions as tables for people: cents; JSON holds all digits.

use std::collections::BTreeSet;

use super::recompute::short;
use super::report::{BreakdownReport, Change, DiffReport, VersionReport};
use crate::output::{amount, columns};

/// Every table of the report under one another.
pub(super) fn render(report: &DiffReport) -> String {
    let mut blocks = vec![head(report), inputs(report)];
    let currencies: BTreeSet<&str> = report.totals.iter().map(|total| total.currency.as_str()).collect();
    for currency in currencies {
        blocks.push(totals(report, currency));
        blocks.extend(report.breakdowns.iter().map(|breakdown| lines(report, breakdown, currency)));
    }
    if !report.notes.is_empty() {
        blocks.push(report.notes.iter().map(|note| format!("note: {note}")).collect::<Vec<_>>().join("\n"));
    }
    blocks.push(
        "Amounts are rounded to cents here; --format json has every digit, and there all causes sum to the change."
            .to_owned(),
    );
    blocks.join("\n\n")
}

fn head(report: &DiffReport) -> String {
    let version = |version: &VersionReport| {
        let current = if version.current { " (current)" } else { "" };
        let when =
            version.published_at.map_or_else(String::new, |time| format!(", {}", time.format("%Y-%m-%d %H:%M UTC")));
        format!("version {}{current}, run {}{when}", version.version, version.run_id)
    };
    format!(
        "Billing period {} of {} in {}\n  from {}\n  to   {}",
        report.billing_period,
        report.pipeline,
        report.destination,
        version(&report.from),
        version(&report.to)
    )
}

fn inputs(report: &DiffReport) -> String {
    let inputs = &report.inputs;
    let mut lines = vec!["What changed in the inputs".to_owned()];
    if let Some(telemetry) = &inputs.telemetry {
        lines.push(format!("  telemetry: {}", telemetry.describe()));
    }
    for charges in &inputs.charges {
        let version = |version: Option<u64>| version.map_or_else(|| "none".to_owned(), |number| number.to_string());
        let unknown = match (charges.from_version, charges.to_version) {
            (None, _) => "there were none before",
            (_, None) => "withdrawn",
            _ => "the ledger no longer names the objects",
        };
        let objects =
            charges.objects.as_ref().map_or_else(|| unknown.to_owned(), super::objects::ObjectChanges::describe);
        lines.push(format!(
            "  charges of {}: version {} -> {} ({}), {objects}",
            charges.source,
            version(charges.from_version),
            version(charges.to_version),
            charges.cause,
        ));
    }
    if let Some(configuration) = &inputs.configuration {
        lines.push(format!("  configuration: {} -> {}", short(&configuration.from), short(&configuration.to)));
    }
    if let Some(program) = &inputs.program {
        // Version, blank, digest.
        let shown = |text: &str| text.get(..20).unwrap_or(text).to_owned();
        lines.push(format!("  program: {} -> {}", shown(&program.from), shown(&program.to)));
    }
    if lines.len() == 1 {
        lines.push("  nothing that was recorded".to_owned());
    }
    lines.join("\n")
}

/// Name, old, new, change, and one cell per cause.
fn row(report: &DiffReport, name: String, change: &Change) -> Vec<String> {
    let mut cells = vec![name, amount(change.old.0), amount(change.new.0), amount(change.change.0)];
    cells.extend(report.causes.iter().map(|cause| amount(change.causes.get(cause).map_or(0, |it| it.0))));
    cells
}

fn header<'a>(report: &'a DiffReport, title: &'a str) -> Vec<&'a str> {
    let mut header = vec![title, "old", "new", "change"];
    header.extend(report.causes.iter().map(String::as_str));
    header
}

fn totals(report: &DiffReport, currency: &str) -> String {
    let totals: Vec<_> = report.totals.iter().filter(|total| total.currency == currency).collect();
    let rows: Vec<Vec<String>> =
        totals.iter().map(|total| row(report, total.ledger.to_owned(), &total.change)).collect();
    let title = format!("Total in {currency}");
    let mut text = columns(&header(report, &title), &rows);
    for total in totals {
        for (cause, sources) in total.change.by_source.iter().filter(|(_, sources)| sources.len() > 1) {
            let parts: Vec<String> = sources.iter().map(|(source, it)| format!("{source} {}", amount(it.0))).collect();
            text.push_str(&format!("\n{} {cause} by source: {}", total.ledger, parts.join(", ")));
        }
    }
    text
}

fn lines(report: &DiffReport, breakdown: &BreakdownReport, currency: &str) -> String {
    let title = format!("{} cost by {} in {currency}", breakdown.ledger, breakdown.by);
    let mut rows: Vec<Vec<String>> = breakdown
        .lines
        .iter()
        .filter(|line| line.currency == currency)
        .map(|line| row(report, line.value.clone().unwrap_or_else(|| "(none)".to_owned()), &line.change))
        .collect();
    for other in breakdown.other.iter().filter(|other| other.currency == currency) {
        rows.push(row(report, format!("other ({})", other.lines), &other.change));
    }
    if let Some(total) =
        report.totals.iter().find(|total| total.currency == currency && total.ledger == breakdown.ledger)
    {
        rows.push(row(report, "total".to_owned(), &total.change));
    }
    columns(&header(report, &title), &rows)
}
