//! What a verification found, as data and as text. Amounts are exact text with twelve decimals.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use apportion_sinks::{AllocationStatement, StageTotal};
use apportion_spec::printable::line;
use serde::Serialize;

use crate::money::Money;
use crate::output::{columns, grouped, size};

/// Outcome of a verification.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct VerifyReport {
    /// Where the tables are.
    pub(crate) destination: String,
    /// Their format.
    pub(crate) table_format: String,
    /// Whether every period ties.
    pub(crate) ties: bool,
    /// Objects in the folders of the tables that belong to no billing period and that no run published.
    pub(crate) foreign: Vec<Finding>,
    /// The periods, oldest first.
    pub(crate) periods: Vec<PeriodReport>,
}

/// Outcome for one billing period.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct PeriodReport {
    /// `YYYY-MM`.
    pub(crate) billing_period: String,
    /// The run that certified the period; empty when there is no certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<String>,
    /// What was read.
    pub(crate) tables: Vec<TableReport>,
    /// Numbers counted again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allocation: Option<AllocationStatement>,
    /// How splits were made again.
    pub(crate) splits: String,
    /// Totals as stated by the reconciliation, which the tables were held against.
    pub(crate) totals: Vec<StageTotal>,
    /// Number of findings, also those that are not listed.
    pub(crate) differences: u64,
    /// What does not tie, and where.
    pub(crate) findings: Vec<Finding>,
    /// What the reader should know.
    pub(crate) notes: Vec<String>,
}

/// A table of a period.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TableReport {
    /// Its name.
    pub(crate) table: String,
    /// Objects that hold it.
    pub(crate) objects: u64,
    /// Their size.
    pub(crate) bytes: u64,
    /// Objects whose digest was compared with the certificate.
    pub(crate) hashed: u64,
    /// Rows in them.
    pub(crate) rows: u64,
    /// Checks that ran.
    pub(crate) checks: u64,
}

/// An amount that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Amount {
    /// `billed`, `effective`, `list`, `contracted`, or what else is counted.
    pub(crate) of: String,
    /// What it should be.
    pub(crate) expected: String,
    /// What it is.
    pub(crate) found: String,
    /// Found less expected, where both are amounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) difference: Option<Money>,
}

impl Amount {
    /// A decimal with twelve decimals.
    pub(crate) fn money(of: &str, expected: Money, found: Money) -> Self {
        Self {
            of: of.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
            difference: found.minus(expected).ok(),
        }
    }

    /// Anything else.
    pub(crate) fn text(of: &str, expected: impl Display, found: impl Display) -> Self {
        Self { of: of.to_owned(), expected: expected.to_string(), found: found.to_string(), difference: None }
    }
}

/// One thing that does not tie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// `unreadable`, `object`, `total`, `cell`, `part`, `quantity`, `check` or `certificate`.
    pub(crate) kind: &'static str,
    /// The table it was found in.
    pub(crate) table: String,
    /// Where in the table: pairs of column or `object` and value.
    #[serde(rename = "where")]
    pub(crate) place: Vec<(&'static str, String)>,
    /// What is wrong, in words.
    pub(crate) message: String,
    /// What was expected and what was found.
    pub(crate) amounts: Vec<Amount>,
}

impl Finding {
    /// A finding in `table`.
    pub(crate) fn new(kind: &'static str, table: &str, message: impl Into<String>) -> Self {
        Self { kind, table: table.to_owned(), place: Vec::new(), message: message.into(), amounts: Vec::new() }
    }

    /// Adds where it is; an empty value is left out.
    #[must_use]
    pub(crate) fn at(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.place.push((name, value));
        }
        self
    }

    /// Adds an amount.
    #[must_use]
    pub(crate) fn amount(mut self, amount: Amount) -> Self {
        self.amounts.push(amount);
        self
    }

    fn render(&self) -> String {
        let mut text = format!("  {} {}: {}", self.kind, self.table, self.message);
        for (name, value) in &self.place {
            let _ = write!(text, "\n      {name} {}", line(value));
        }
        for Amount { of, expected, found, difference } in &self.amounts {
            let difference = difference.map(|amount| format!(", difference {amount}")).unwrap_or_default();
            let _ = write!(text, "\n      {of}: expected {expected}, found {found}{difference}");
        }
        text
    }
}

/// Renders a verification for people.
#[must_use]
pub(crate) fn render(report: &VerifyReport) -> String {
    let mut text = String::new();
    for period in &report.periods {
        render_period(&mut text, period);
    }
    for finding in &report.foreign {
        let _ = writeln!(text, "{}\n", finding.render());
    }
    let failed = report.periods.iter().filter(|period| period.differences > 0).count();
    let verdict = if report.ties {
        format!("Everything ties: {} billing periods in {}", report.periods.len(), report.destination)
    } else if failed == 0 {
        format!("Objects that no run published lie among the tables in {}", report.destination)
    } else {
        format!("{failed} of {} billing periods do not tie in {}", report.periods.len(), report.destination)
    };
    let _ = writeln!(text, "{verdict}");
    text
}

fn render_period(text: &mut String, period: &PeriodReport) {
    let rows: Vec<Vec<String>> = period
        .tables
        .iter()
        .map(|table| {
            vec![
                table.table.clone(),
                grouped(table.objects.into()),
                grouped(table.hashed.into()),
                size(table.bytes),
                grouped(table.rows.into()),
                grouped(table.checks.into()),
            ]
        })
        .collect();
    let header = [period.billing_period.as_str(), "objects", "hashed", "size", "rows", "checks"];
    let _ = writeln!(text, "{}\n", columns(&header, &rows));
    let totals = last_stage(&period.totals);
    if !totals.is_empty() {
        let header = ["Total of", "", "billed", "effective", "list", "contracted"];
        let _ = writeln!(text, "{}\n", columns(&header, &totals));
    }
    if let Some(numbers) = &period.allocation {
        let _ = writeln!(
            text,
            "Charges {}, cells {}, parts {}, splits recomputed {} ({})",
            grouped(numbers.charges.into()),
            grouped(numbers.cells.into()),
            grouped(numbers.parts.into()),
            grouped(numbers.splits_recomputed.into()),
            period.splits
        );
    }
    let certificate = period.certificate.as_ref().map_or_else(|| "no certificate".to_owned(), Clone::clone);
    let _ = writeln!(text, "Certificate: {certificate}\nDifferences: {}", period.differences);
    for note in &period.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    for finding in &period.findings {
        let _ = writeln!(text, "{}", finding.render());
    }
    let listed = period.findings.len() as u64;
    if period.differences > listed {
        let _ = writeln!(text, "  and {} more", period.differences - listed);
    }
    text.push('\n');
}

/// One row per source and currency with its four totals, as the last stage states them.
fn last_stage(totals: &[StageTotal]) -> Vec<Vec<String>> {
    let last = if totals.iter().any(|total| total.stage == "allocation") { "allocation" } else { "normalization" };
    let mut rows: BTreeMap<(&str, &str), BTreeMap<&str, &str>> = BTreeMap::new();
    for total in totals.iter().filter(|total| total.stage == last) {
        let stated = total.allocated.as_ref().unwrap_or(&total.normalized);
        rows.entry((&total.source, &total.currency)).or_default().insert(&total.ledger, stated);
    }
    rows.into_iter()
        .map(|((source, currency), ledgers)| {
            let stated = |ledger| ledgers.get(ledger).copied().unwrap_or_default().to_owned();
            let ledgers = ["billed", "effective", "list", "contracted"].map(stated);
            [source.to_owned(), currency.to_owned()].into_iter().chain(ledgers).collect()
        })
        .collect()
}
