//! An explanation as data and as text. Every amount is shown with all its digits, so that the lines
//! of a list add up to the line above it.

use std::fmt::Write;

use apportion_spec::printable::line;
use serde::Serialize;

use crate::money::Money;
use crate::output::{columns, grouped, size};

/// What a number consists of.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Explanation {
    /// `YYYY-MM`.
    pub(crate) billing_period: String,
    /// The target that bears the cost.
    pub(crate) target: String,
    /// `billed`, `effective`, `list` or `contracted`.
    pub(crate) ledger: String,
    /// The condition on allocated charges, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<String>,
    /// Cost per unit, when a unit metric is asked for.
    pub(crate) unit_costs: Vec<UnitCost>,
    /// What the target bears, by currency.
    pub(crate) totals: Vec<Total>,
    /// The totals by how they came about.
    pub(crate) causes: Vec<Cause>,
    /// The cells that cost most.
    pub(crate) cells: Vec<Cell>,
    /// The rest of each total.
    pub(crate) other_cells: Vec<Rest>,
    /// The exports the charges were read from.
    pub(crate) exports: Vec<Export>,
    /// What the reader should know.
    pub(crate) notes: Vec<String>,
}

/// A total in one currency.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Total {
    /// Currency code.
    pub(crate) currency: String,
    /// The total.
    pub(crate) cost: Money,
}

/// Cost per unit of output of the target.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UnitCost {
    /// Unit metric.
    pub(crate) metric: String,
    /// Currency code.
    pub(crate) currency: String,
    /// Cost.
    pub(crate) cost: Money,
    /// Units of output; missing when nothing was measured.
    pub(crate) quantity: Option<Money>,
    /// Their unit.
    pub(crate) unit: String,
    /// Cost divided by quantity, with 18 decimals.
    pub(crate) unit_cost: Option<String>,
}

/// One way in which a target came to bear cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cause {
    pub(crate) currency: String,
    pub(crate) stage: String,
    pub(crate) rule: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) activity: Option<String>,
    pub(crate) driver: Option<String>,
    pub(crate) driver_source: Option<String>,
    pub(crate) estimated: bool,
    pub(crate) reason: Option<String>,
    pub(crate) cells: u64,
    pub(crate) cost: Money,
}

/// Charges that share dimensions and rule, of which the target bears a part.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cell {
    pub(crate) cell: String,
    pub(crate) source: String,
    pub(crate) currency: String,
    pub(crate) rule: Option<String>,
    pub(crate) method: Option<String>,
    /// Kept columns and dimensions that are not empty.
    pub(crate) values: Vec<(String, String)>,
    /// What the target bears.
    pub(crate) cost: Money,
    /// What the charges cost all targets together.
    pub(crate) whole: Money,
    /// How the part came about, day by day, the largest first.
    pub(crate) splits: Vec<Split>,
    /// The splits that are not listed.
    pub(crate) other_splits: Option<Rest>,
    /// Number of charges in the cell.
    pub(crate) charge_count: u64,
    /// The charges that cost most.
    pub(crate) charges: Vec<Charge>,
    /// The charges that are not listed.
    pub(crate) other_charges: Option<Rest>,
}

/// The part of one day and pool.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Split {
    pub(crate) charge_date: String,
    pub(crate) driver: Option<String>,
    pub(crate) driver_key: Option<String>,
    pub(crate) driver_source: Option<String>,
    pub(crate) estimated: bool,
    pub(crate) reason: Option<String>,
    /// Dimensions that came with the part from the usage it follows, as a JSON object.
    pub(crate) inherited: Option<String>,
    /// Part of the pool, between 0 and 1.
    pub(crate) share: Option<String>,
    /// The split over activities or weighted drivers that came before.
    pub(crate) activity: Option<Step>,
    /// The split over targets; missing where the whole went to one.
    pub(crate) targets: Option<Step>,
    /// What the target bears of it.
    pub(crate) cost: Money,
}

/// `whole × quantity / total = part`, made again from the written quantities.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    /// Name of the activity or driver that takes the part; empty where targets do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) whole: Money,
    pub(crate) quantity: Money,
    pub(crate) total: Money,
    pub(crate) part: Money,
}

/// One row of the bill.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Charge {
    pub(crate) charge: String,
    pub(crate) charge_period_start: String,
    pub(crate) category: String,
    pub(crate) service: String,
    pub(crate) sub_account: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) cost: Money,
}

/// What a list leaves out.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Rest {
    pub(crate) currency: String,
    pub(crate) count: u64,
    pub(crate) cost: Money,
}

/// The objects that the charges of a source were read from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Export {
    pub(crate) source: String,
    /// The run that read them.
    pub(crate) run_id: String,
    pub(crate) objects: Vec<ExportObject>,
}

/// One object of an export.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ExportObject {
    pub(crate) object: String,
    pub(crate) bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) e_tag: Option<String>,
}

/// An amount with its digits, without trailing zeros beyond cents.
pub(super) fn exact(money: Money) -> String {
    let text = money.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let decimals = decimals.trim_end_matches('0');
    format!("{whole}.{decimals:0<2}")
}

/// A quantity without trailing zeros.
fn quantity(money: Money) -> String {
    exact(money).trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn named(text: Option<&String>) -> String {
    text.map_or_else(|| "–".to_owned(), |text| line(text).into_owned())
}

/// Renders an explanation for people.
#[must_use]
pub(crate) fn render(explanation: &Explanation) -> String {
    let mut text = String::new();
    let condition = explanation.condition.as_ref().map(|it| format!(" where {it}")).unwrap_or_default();
    let _ = writeln!(
        text,
        "{} in {}, {} cost{condition}\n",
        line(&explanation.target),
        explanation.billing_period,
        explanation.ledger
    );
    for unit in &explanation.unit_costs {
        let per_unit = match (unit.quantity, &unit.unit_cost) {
            (Some(measured), Some(cost)) => {
                let cost = cost.trim_end_matches('0').trim_end_matches('.');
                format!(
                    "{} {} / {} {} = {cost} {} per unit",
                    exact(unit.cost),
                    unit.currency,
                    quantity(measured),
                    unit.unit,
                    unit.currency
                )
            }
            _ => format!("{} {}, and no quantity to divide it by", exact(unit.cost), unit.currency),
        };
        let _ = writeln!(text, "{}: {per_unit}\n", unit.metric);
    }
    causes(&mut text, explanation);
    for (index, cell) in explanation.cells.iter().enumerate() {
        render_cell(&mut text, index + 1, cell);
    }
    for rest in explanation.other_cells.iter().filter(|rest| rest.count > 0) {
        let _ = writeln!(text, "other {} cells: {} {}\n", grouped(rest.count.into()), exact(rest.cost), rest.currency);
    }
    for export in &explanation.exports {
        let _ = writeln!(text, "{} was read by run {} from", export.source, export.run_id);
        for object in &export.objects {
            let _ = writeln!(text, "  {} ({})", object.object, size(object.bytes));
        }
    }
    for note in &explanation.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

fn causes(text: &mut String, explanation: &Explanation) {
    let mut rows: Vec<Vec<String>> = explanation
        .causes
        .iter()
        .map(|cause| {
            let source = match (&cause.driver_source, &cause.reason) {
                (source, Some(reason)) => format!("{} ({reason})", named(source.as_ref())),
                (source, None) => named(source.as_ref()),
            };
            let driver = match (&cause.activity, &cause.driver) {
                (Some(activity), driver) => format!("{activity}: {}", named(driver.as_ref())),
                (None, driver) => named(driver.as_ref()),
            };
            vec![
                named(cause.rule.as_ref()),
                named(cause.method.as_ref()),
                driver,
                source,
                if cause.estimated { "estimated" } else { "" }.to_owned(),
                grouped(cause.cells.into()),
                exact(cause.cost),
                cause.currency.clone(),
            ]
        })
        .collect();
    for total in &explanation.totals {
        let mut row = vec!["total".to_owned()];
        row.extend(std::iter::repeat_n(String::new(), 5));
        row.extend([exact(total.cost), total.currency.clone()]);
        rows.push(row);
    }
    let header = ["Rule", "method", "driver", "driver source", "", "cells", "cost", ""];
    let _ = writeln!(text, "{}\n", columns(&header, &rows));
}

fn render_cell(text: &mut String, number: usize, cell: &Cell) {
    let _ = writeln!(
        text,
        "{number}. {} {} of a cell of {} {} (rule {}, {})",
        exact(cell.cost),
        cell.currency,
        exact(cell.whole),
        cell.currency,
        named(cell.rule.as_ref()),
        named(cell.method.as_ref())
    );
    let values: Vec<String> = cell.values.iter().map(|(name, value)| format!("{name} {}", line(value))).collect();
    let _ = writeln!(text, "   cell {}: {} {}", cell.cell, cell.source, values.join(", "));
    for split in &cell.splits {
        render_split(text, split);
    }
    if let Some(rest) = cell.other_splits.as_ref().filter(|rest| rest.count > 0) {
        let _ = writeln!(text, "   other {} splits: {}", rest.count, exact(rest.cost));
    }
    let noun = if cell.charge_count == 1 { "charge" } else { "charges" };
    let _ = writeln!(text, "   {} {noun}", grouped(cell.charge_count.into()));
    for charge in &cell.charges {
        let parts = [
            Some(charge.service.clone()),
            charge.sub_account.clone(),
            charge.resource.clone(),
            charge.description.clone(),
        ];
        let shown: Vec<String> = parts.into_iter().flatten().map(|part| line(&part).into_owned()).collect();
        let _ = writeln!(
            text,
            "     {} {} {} {} {}",
            charge.charge_period_start,
            charge.charge,
            exact(charge.cost),
            charge.category,
            shown.join(", ")
        );
    }
    if let Some(rest) = cell.other_charges.as_ref().filter(|rest| rest.count > 0) {
        let _ = writeln!(text, "     other {} charges: {}", grouped(rest.count.into()), exact(rest.cost));
    }
    text.push('\n');
}

fn render_split(text: &mut String, split: &Split) {
    let formula = |step: &Step| {
        format!("{} × {} / {} = {}", exact(step.whole), quantity(step.quantity), quantity(step.total), exact(step.part))
    };
    if let Some(step) = &split.activity {
        let _ = writeln!(text, "   {} {}: {}", split.charge_date, named(step.name.as_ref()), formula(step));
    }
    let mut facts: Vec<String> = Vec::new();
    facts.extend(split.driver.as_ref().map(|driver| {
        line(format!("{driver} {}", split.driver_key.as_deref().unwrap_or_default()).trim_end()).into_owned()
    }));
    facts.extend(split.driver_source.clone());
    facts.extend(
        split
            .share
            .as_ref()
            .filter(|_| split.targets.is_some())
            .map(|share| format!("share {}", share.trim_end_matches('0').trim_end_matches('.'))),
    );
    facts.extend(split.estimated.then(|| "estimated".to_owned()));
    facts.extend(split.reason.clone());
    facts.extend(split.inherited.as_ref().map(|values| line(values).into_owned()));
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
    let sum = split.targets.as_ref().map_or_else(|| format!("{} undivided", exact(split.cost)), formula);
    let _ = writeln!(text, "   {} {sum}{facts}", split.charge_date);
}
