//! The difference of two versions as data. Amounts are text with all twelve decimals.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::causes::Step;
use super::objects::InputChanges;
use super::snapshot::{Breakdown, LEDGERS, LineKey, Lines, Snapshot};
use super::versions::Version;
use apportion_spec::Result;

use crate::money::Money;

/// Two versions of a billing period, compared.
#[derive(Debug, Serialize)]
pub(super) struct DiffReport {
    pub(super) pipeline: String,
    pub(super) destination: String,
    pub(super) billing_period: String,
    pub(super) from: VersionReport,
    pub(super) to: VersionReport,
    pub(super) inputs: InputChanges,
    /// Names of the causes, in the order in which they were swapped.
    pub(super) causes: Vec<String>,
    /// By currency and ledger.
    pub(super) totals: Vec<Total>,
    /// By what lines are about.
    pub(super) breakdowns: Vec<BreakdownReport>,
    pub(super) notes: Vec<String>,
}

/// A version, as far as it is known.
#[derive(Debug, Default, Serialize)]
pub(super) struct VersionReport {
    pub(super) version: u64,
    pub(super) current: bool,
    pub(super) run_id: String,
    pub(super) published_at: Option<DateTime<Utc>>,
    pub(super) configuration_digest: String,
    pub(super) telemetry_digest: String,
    pub(super) sql_digest: String,
    pub(super) engine_version: String,
}

impl From<&Version> for VersionReport {
    fn from(version: &Version) -> Self {
        let provenance = &version.provenance;
        Self {
            version: version.number,
            current: version.current,
            run_id: provenance.run_id.clone(),
            published_at: version.published_at,
            configuration_digest: provenance.configuration_digest.clone(),
            telemetry_digest: provenance.input_digest.clone(),
            sql_digest: provenance.sql_digest.clone(),
            engine_version: provenance.engine_version.clone(),
        }
    }
}

/// An amount before and after, and what the change is made of.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Change {
    pub(super) old: Money,
    pub(super) new: Money,
    pub(super) change: Money,
    /// By cause; sums to `change`.
    pub(super) causes: BTreeMap<String, Money>,
    /// The causes that lie in charges, by source: cause, sources, amount.
    pub(super) by_source: BTreeMap<String, BTreeMap<String, Money>>,
}

/// The total of a ledger.
#[derive(Debug, Serialize)]
pub(super) struct Total {
    pub(super) currency: String,
    pub(super) ledger: &'static str,
    #[serde(flatten)]
    pub(super) change: Change,
}

/// All lines about one column.
#[derive(Debug, Serialize)]
pub(super) struct BreakdownReport {
    pub(super) by: String,
    pub(super) column: String,
    pub(super) ledger: &'static str,
    /// The lines that moved most, in this order within a currency.
    pub(super) lines: Vec<Line>,
    /// The sum of the lines that are not shown, by currency.
    pub(super) other: Vec<OtherLines>,
}

/// One line; `value` is missing where the column is empty.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) currency: String,
    pub(super) value: Option<String>,
    #[serde(flatten)]
    pub(super) change: Change,
}

/// Lines that are not shown.
#[derive(Debug, Serialize)]
pub(super) struct OtherLines {
    pub(super) currency: String,
    pub(super) lines: usize,
    #[serde(flatten)]
    pub(super) change: Change,
}

impl DiffReport {
    /// Compares neighbouring states. What identifies the versions is filled in by the caller.
    pub(super) fn new(
        states: &[Snapshot],
        steps: &[Step],
        breakdowns: &[Breakdown],
        ledger: usize,
        top: Option<usize>,
    ) -> Result<Self> {
        let mut causes: Vec<String> = Vec::new();
        for name in steps.iter().map(Step::name) {
            if !causes.contains(&name) {
                causes.push(name);
            }
        }
        let of_totals: Vec<&Lines> = states.iter().map(|state| &state.totals).collect();
        let mut totals = Vec::new();
        for key in keys(&of_totals) {
            for (index, (name, _)) in LEDGERS.iter().enumerate() {
                let change = Change::of(&of_totals, steps, &key, index)?;
                totals.push(Total { currency: key.0.clone(), ledger: name, change });
            }
        }
        let tables = breakdowns.iter().enumerate().map(|(index, breakdown)| {
            let lines: Vec<&Lines> = states.iter().filter_map(|state| state.lines.get(index)).collect();
            table(breakdown, &lines, steps, ledger, top)
        });
        Ok(Self {
            pipeline: String::new(),
            destination: String::new(),
            billing_period: String::new(),
            from: VersionReport::default(),
            to: VersionReport::default(),
            inputs: InputChanges::default(),
            causes,
            totals,
            breakdowns: tables.collect::<Result<_>>()?,
            notes: Vec::new(),
        })
    }
}

/// Every key of any state, also of those that exist only in between.
fn keys(states: &[&Lines]) -> BTreeSet<LineKey> {
    states.iter().flat_map(|lines| lines.keys().cloned()).collect()
}

fn table(
    breakdown: &Breakdown,
    states: &[&Lines],
    steps: &[Step],
    ledger: usize,
    top: Option<usize>,
) -> Result<BreakdownReport> {
    let mut by_currency: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for key in keys(states) {
        let change = Change::of(states, steps, &key, ledger)?;
        let (currency, value) = key;
        by_currency.entry(currency.clone()).or_default().push(Line { currency, value, change });
    }
    let mut report = BreakdownReport {
        by: breakdown.name.clone(),
        column: breakdown.column.clone(),
        ledger: LEDGERS.get(ledger).map_or("", |(name, _)| name),
        lines: Vec::new(),
        other: Vec::new(),
    };
    for (currency, mut lines) in by_currency {
        // The sort is stable, so lines that moved alike stay in the order of their values.
        lines.sort_by_key(|line| std::cmp::Reverse(line.change.moved()));
        let moved = lines.iter().filter(|line| line.change.moved() > 0).count();
        let others = top.map_or_else(Vec::new, |top| lines.split_off(top.min(moved)));
        report.lines.append(&mut lines);
        if !others.is_empty() {
            let mut sum = Change::default();
            for line in &others {
                sum.add(&line.change)?;
            }
            report.other.push(OtherLines { currency, lines: others.len(), change: sum });
        }
    }
    Ok(report)
}

impl Change {
    fn of(states: &[&Lines], steps: &[Step], key: &LineKey, ledger: usize) -> Result<Self> {
        let amount = |lines: &&Lines| lines.get(key).map_or(Money::default(), |costs| costs.of(ledger));
        let old = states.first().map_or(Money::default(), amount);
        let new = states.last().map_or(Money::default(), amount);
        let mut change = Self { old, new, change: new.minus(old)?, ..Self::default() };
        for (pair, step) in states.windows(2).zip(steps) {
            let [before, after] = pair else { continue };
            let moved = amount(after).minus(amount(before))?;
            change.causes.entry(step.name()).or_default().add(moved)?;
            if !step.sources.is_empty() {
                let sources = step.sources.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                change.by_source.entry(step.name()).or_default().entry(sources).or_default().add(moved)?;
            }
        }
        Ok(change)
    }

    /// How much moved, also where causes cancel.
    fn moved(&self) -> u128 {
        self.causes.values().map(|amount| amount.0.unsigned_abs()).sum()
    }

    fn add(&mut self, other: &Self) -> Result<()> {
        self.old.add(other.old)?;
        self.new.add(other.new)?;
        self.change.add(other.change)?;
        for (cause, amount) in &other.causes {
            self.causes.entry(cause.clone()).or_default().add(*amount)?;
        }
        for (cause, sources) in &other.by_source {
            for (source, amount) in sources {
                self.by_source.entry(cause.clone()).or_default().entry(source.clone()).or_default().add(*amount)?;
            }
        }
        Ok(())
    }
}
