//! The summary a person reads after a run: per period what was billed, where it went, what a unit
//! cost, where the tables are, and what to do next.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::money::Money;
use crate::output::{amount, columns, grouped, size, unit_cost};
use crate::report::{AllocationReport, RunReport, Status};

/// Renders a run.
#[must_use]
pub(crate) fn render(report: &RunReport) -> String {
    let mut text = String::new();
    up_to_date(&mut text, report);
    sources(&mut text, report);
    allocations(&mut text, report);
    let computed = |allocation: &&AllocationReport| !allocation.top_targets.is_empty();
    for allocation in report.allocations.iter().filter(computed).rev().take(1) {
        targets(&mut text, allocation);
        unit_costs(&mut text, allocation);
    }
    notes(&mut text, report);
    failures(&mut text, report);
    next_steps(&mut text, report);
    text
}

const fn status(status: Status) -> &'static str {
    match status {
        Status::Published => "published",
        Status::Unchanged => "unchanged",
        Status::UpToDate => "up to date",
        Status::Withdrawn => "withdrawn",
        Status::Held => "HELD BACK",
        Status::Stopped => "stopped",
        Status::Failed => "FAILED",
    }
}

/// What became of a unit; a month in which nothing was charged says so.
const fn outcome(status: Status, rows: u64) -> &'static str {
    match status {
        Status::Published | Status::Unchanged if rows == 0 => "empty",
        other => self::status(other),
    }
}

/// Units that were left alone are counted, not listed: a destination holds years of them.
fn up_to_date(text: &mut String, report: &RunReport) {
    let sources = report.sources.iter().filter(|unit| unit.status == Status::UpToDate).count();
    let allocations = report.allocations.iter().filter(|unit| unit.status == Status::UpToDate).count();
    if sources + allocations > 0 {
        let all = sources == report.sources.len()
            && allocations == report.allocations.len()
            && report.unlisted.is_empty()
            && report.failures.is_empty()
            && report.foreign.is_empty();
        let lead = if all { "Everything is up to date" } else { "Up to date" };
        let _ = writeln!(text, "{lead}: {sources} months of charges, {allocations} allocations\n");
    }
}

fn sources(text: &mut String, report: &RunReport) {
    let mut rows = Vec::new();
    for unit in report.sources.iter().filter(|unit| unit.status != Status::UpToDate) {
        let lead = |currency: &str| {
            vec![
                format!("{} {}", unit.billing_period, unit.source),
                outcome(unit.status, unit.rows).to_owned(),
                size(unit.bytes_read),
                grouped(unit.rows.into()),
                currency.to_owned(),
            ]
        };
        if unit.totals.is_empty() {
            let mut row = lead("");
            row.extend(["".to_owned(), "".to_owned(), "".to_owned()]);
            rows.push(row);
        }
        for (currency, totals) in &unit.totals {
            let mut row = lead(currency);
            row.extend([totals.billed, totals.effective, totals.list].map(|money| amount(money.0)));
            rows.push(row);
        }
    }
    if !rows.is_empty() {
        let header = ["Charges", "", "read", "rows", "", "billed", "effective", "list"];
        let _ = writeln!(text, "{}\n", columns(&header, &rows));
    }
}

fn allocations(text: &mut String, report: &RunReport) {
    let mut rows = Vec::new();
    for unit in report.allocations.iter().filter(|unit| unit.status != Status::UpToDate) {
        for (currency, totals) in &unit.totals {
            let allocated = unit.allocated_effective.get(currency).copied().unwrap_or_default();
            let rest = totals.effective.minus(allocated).ok();
            let shown = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
            rows.push(vec![
                unit.billing_period.clone(),
                status(unit.status).to_owned(),
                grouped(unit.rows.into()),
                currency.clone(),
                amount(totals.effective.0),
                amount(allocated.0),
                shown(rest.map(|rest| amount(rest.0))),
                shown(rest.and_then(|rest| percent(rest, totals.effective))),
            ]);
        }
        if unit.totals.is_empty() {
            let mut row = vec![unit.billing_period.clone(), outcome(unit.status, unit.rows).to_owned()];
            row.extend(std::iter::repeat_n(String::new(), 6));
            rows.push(row);
        }
    }
    if !rows.is_empty() {
        let header = ["Allocation", "", "rows", "", "effective", "allocated", "unallocated", ""];
        let _ = writeln!(text, "{}\n", columns(&header, &rows));
    }
}

/// A share in per cent with one decimal, for people; none of nothing.
fn percent(part: Money, whole: Money) -> Option<String> {
    let tenths = part.0.checked_mul(1000)?.checked_div(whole.0)?;
    Some(format!("{}{}.{} %", if tenths < 0 { "-" } else { "" }, tenths.abs() / 10, tenths.abs() % 10))
}

fn targets(text: &mut String, allocation: &AllocationReport) {
    let mut rows: Vec<Vec<String>> = allocation
        .top_targets
        .iter()
        .map(|top| vec![top.target.clone(), top.currency.clone(), amount(top.effective.0)])
        .collect();
    for (currency, reasons) in &allocation.unallocated_effective {
        for (reason, money) in reasons {
            rows.push(vec![format!("({reason})"), currency.clone(), amount(money.0)]);
        }
    }
    if !rows.is_empty() {
        let title = format!("Top targets {}", allocation.billing_period);
        let _ = writeln!(text, "{}\n", columns(&[&title, "", "effective"], &rows));
    }
}

fn unit_costs(text: &mut String, allocation: &AllocationReport) {
    let rows: Vec<Vec<String>> = allocation
        .unit_costs
        .iter()
        .map(|unit| {
            let quantity = grouped((unit.quantity.0 / 1_000_000_000_000).unsigned_abs());
            let cost = unit.unit_cost.as_ref().and_then(|text| text.replace('.', "").parse::<i128>().ok());
            let per_unit = cost.map_or_else(|| "–".to_owned(), unit_cost);
            vec![unit.metric.clone(), unit.currency.clone(), amount(unit.cost.0), quantity, unit.unit.clone(), per_unit]
        })
        .collect();
    if !rows.is_empty() {
        let title = format!("Unit costs {}", allocation.billing_period);
        let _ = writeln!(text, "{}\n", columns(&[&title, "", "cost", "quantity", "unit", "cost per unit"], &rows));
    }
}

fn notes(text: &mut String, report: &RunReport) {
    let sources = report.sources.iter().flat_map(|unit| {
        unit.notes.iter().map(move |note| format!("  {} {}: {}", unit.billing_period, unit.source, first_line(note)))
    });
    let allocations = report.allocations.iter().flat_map(|unit| {
        unit.notes.iter().map(move |note| format!("  {} allocation: {}", unit.billing_period, first_line(note)))
    });
    let run = report.notes.iter().map(|note| format!("  {note}"));
    let foreign = report.foreign.iter().filter(|it| !it.counted).map(|it| format!("  {}: {}", it.object, it.message));
    let lines: Vec<String> = run.chain(missing(report)).chain(foreign).chain(sources).chain(allocations).collect();
    if !lines.is_empty() {
        let _ = writeln!(text, "Worth knowing\n{}\n", lines.join("\n"));
    }
}

/// Months that lack a source, one line per source and reason.
fn missing(report: &RunReport) -> Vec<String> {
    let mut months: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for missing in &report.missing {
        months.entry((&missing.source, &missing.reason)).or_default().push(&missing.billing_period);
    }
    let line = |((source, reason), months): ((&str, &str), Vec<&str>)| {
        let shown = months.iter().take(6).copied().collect::<Vec<_>>().join(", ");
        let more = months.len().saturating_sub(6);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("  {shown}{more} without {source}: {reason} (table completeness)")
    };
    months.into_iter().map(line).collect()
}

/// Samples of rows stay in the JSON report and the ledger.
fn first_line(note: &str) -> &str {
    note.lines().next().unwrap_or_default()
}

fn failures(text: &mut String, report: &RunReport) {
    let sources = report.sources.iter().filter_map(|unit| {
        unit.error.as_ref().map(|error| format!("  {} {}: {}", unit.billing_period, unit.source, error.message))
    });
    let allocations = report.allocations.iter().filter_map(|unit| {
        unit.error.as_ref().map(|error| format!("  {} allocation: {}", unit.billing_period, error.message))
    });
    let unlisted = report.unlisted.iter().map(|(source, error)| format!("  {source}: {}", error.message));
    let foreign = report.foreign.iter().filter(|it| it.counted).map(|it| format!("  {}: {}", it.object, it.message));
    let others = report.failures.iter().map(|(what, error)| format!("  {what}: {}", error.message));
    let lines: Vec<String> = foreign.chain(unlisted).chain(sources).chain(allocations).chain(others).collect();
    if !lines.is_empty() {
        let lead = if report.stopped { "Stopped or failed" } else { "Failed or held back" };
        let _ = writeln!(text, "{lead}; what was published before is untouched\n{}\n", lines.join("\n"));
    }
}

fn next_steps(text: &mut String, report: &RunReport) {
    let destination = report.destination.trim_end_matches('/');
    let _ = writeln!(text, "Tables ({}) in {destination}/", report.table_format);
    if report.stopped {
        let _ = writeln!(text, "The run was asked to stop; run again to do the rest");
    }
    if report.allocations.iter().any(|unit| unit.error.is_none() && unit.status != Status::Withdrawn) {
        let question = "SELECT x_AllocationTargetId, BillingCurrency, sum(EffectiveCost) AS EffectiveCost FROM allocated_charges GROUP BY ALL ORDER BY 3 DESC";
        let _ = writeln!(text, "Next: apportion query --destination {destination} \"{question}\"");
    }
}
