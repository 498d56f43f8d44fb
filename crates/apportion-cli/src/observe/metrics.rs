//! The metrics of one run, before they are written as OpenMetrics or OTLP.
//!
//! Every metric describes the last run and is a gauge, except the count of runs. Amounts keep
//! their exact decimal text: what turns them into floats is the reader's choice, not ours.

use chrono::{DateTime, Utc};

use crate::report::RunReport;

/// When a run was, and how it ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
    pub(super) exit_code: u8,
}

impl Moment {
    /// The outcome in a word, by the process exit code.
    pub(super) const fn outcome(&self) -> &'static str {
        match self.exit_code {
            0 => "success",
            1 => "unit_failed",
            2 => "usage",
            3 => "check_failed",
            4 => "stopped",
            75 => "locked",
            _ => "other",
        }
    }
}

/// How values of a metric behave over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    /// Only grows; OpenMetrics appends `_total` to the name of its samples.
    Counter,
}

/// A metric with all its values.
#[derive(Debug, Clone)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Unit in OpenMetrics words; then also the last word of the name.
    pub(super) unit: Option<&'static str>,
    pub(super) help: &'static str,
    pub(super) samples: Vec<Sample>,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: Value,
}

/// A number as text; never a binary float.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Integer(u64),
    Decimal(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Decimal(text) => f.write_str(text),
        }
    }
}

/// Name of the count of runs, which carries on over runs.
pub(super) const RUNS: &str = "apportion_runs";
/// Name of the time of the last success, which carries on over runs that fail.
pub(super) const LAST_SUCCESS: &str = "apportion_last_success_timestamp_seconds";

/// Everything about a run: how it ended, then `of_report`; each with the pipeline as first label.
pub(super) fn of_run(pipeline: &str, moment: &Moment, of_report: Vec<Family>) -> Vec<Family> {
    let ended = timestamp(moment.ended_at);
    let mut last_success =
        Family::gauge(LAST_SUCCESS, Some("seconds"), "When the last run without any failure ended, in Unix time.");
    if moment.exit_code == 0 {
        last_success.add(Vec::new(), ended.clone());
    }
    let mut families = vec![
        Family {
            kind: Kind::Counter,
            ..Family::gauge(RUNS, None, "Runs by outcome since the metrics file was created.")
        }
        .with(vec![("outcome", moment.outcome().to_owned())], Value::Integer(1)),
        Family::gauge(
            "apportion_last_run_timestamp_seconds",
            Some("seconds"),
            "When the last run ended, in Unix time.",
        )
        .with(Vec::new(), ended),
        last_success,
        Family::gauge("apportion_run_exit_code", None, "Exit code of the last run; 0 is success.")
            .with(Vec::new(), Value::Integer(moment.exit_code.into())),
    ];
    families.extend(of_report);
    for sample in families.iter_mut().flat_map(|family| &mut family.samples) {
        sample.labels.insert(0, ("pipeline", pipeline.to_owned()));
    }
    families.retain(|family| !family.samples.is_empty());
    families
}

/// What the report of a run says.
pub(super) fn of_report(report: &RunReport) -> Vec<Family> {
    let mut families = work(report);
    families.extend(money(report));
    families
}

fn work(report: &RunReport) -> Vec<Family> {
    let mut units = Family::gauge("apportion_run_units", None, "Units of work of the last run by stage and status.");
    let mut rows = Family::gauge("apportion_run_rows", None, "Rows of the last run's tables, by stage and period.");
    let mut bytes =
        Family::gauge("apportion_run_read_bytes", Some("bytes"), "Bytes of export objects the last run read.");
    let mut seconds =
        Family::gauge("apportion_run_phase_seconds", Some("seconds"), "Wall time of the last run by phase.");
    for unit in &report.sources {
        units.count(vec![("stage", "normalization".to_owned()), ("status", unit.status.as_str().to_owned())]);
        let labels = vec![("source", unit.source.clone()), ("billing_period", unit.billing_period.clone())];
        bytes.add(labels.clone(), Value::Integer(unit.bytes_read));
        let stage = ("stage", "normalization".to_owned());
        rows.add([vec![stage], labels].concat(), Value::Integer(unit.rows));
    }
    for unit in &report.allocations {
        units.count(vec![("stage", "allocation".to_owned()), ("status", unit.status.as_str().to_owned())]);
        // The same labels as above: a series without a source has an empty one.
        let labels = [("stage", "allocation"), ("source", ""), ("billing_period", &unit.billing_period)];
        rows.add(labels.map(|(name, value)| (name, value.to_owned())).to_vec(), Value::Integer(unit.rows));
    }
    for (phase, duration) in &report.seconds {
        seconds.add(vec![("phase", phase.clone())], Value::Decimal(format!("{duration:.3}")));
    }
    vec![units, rows, bytes, seconds]
}

fn money(report: &RunReport) -> Vec<Family> {
    let gauge = |name, help| Family::gauge(name, None, help);
    let mut billed =
        gauge("apportion_billed_cost", "Billed cost by source and billing period, in the currency of the label.");
    let mut effective =
        gauge("apportion_effective_cost", "Effective cost by source and billing period, in the currency of the label.");
    let mut allocated =
        gauge("apportion_allocated_effective_cost", "Effective cost that reached a target, by billing period.");
    let mut unallocated = gauge(
        "apportion_unallocated_effective_cost",
        "Effective cost that reached no target, by billing period and reason.",
    );
    for unit in &report.sources {
        for (currency, totals) in &unit.totals {
            let labels = vec![
                ("source", unit.source.clone()),
                ("billing_period", unit.billing_period.clone()),
                ("currency", currency.clone()),
            ];
            billed.add(labels.clone(), Value::Decimal(totals.billed.to_string()));
            effective.add(labels, Value::Decimal(totals.effective.to_string()));
        }
    }
    for unit in &report.allocations {
        let labels =
            |currency: &String| vec![("billing_period", unit.billing_period.clone()), ("currency", currency.clone())];
        for (currency, amount) in &unit.allocated_effective {
            allocated.add(labels(currency), Value::Decimal(amount.to_string()));
        }
        for (currency, reasons) in &unit.unallocated_effective {
            for (reason, amount) in reasons {
                // The report words it as `target: reason`.
                let (target, reason) = reason.split_once(": ").unwrap_or(("", reason));
                let mut labels = labels(currency);
                labels.extend([("target", target.to_owned()), ("reason", reason.to_owned())]);
                unallocated.add(labels, Value::Decimal(amount.to_string()));
            }
        }
    }
    vec![billed, effective, allocated, unallocated]
}

/// Unix time in seconds with milliseconds.
fn timestamp(time: DateTime<Utc>) -> Value {
    Value::Decimal(format!("{}.{:03}", time.timestamp(), time.timestamp_subsec_millis()))
}

impl Family {
    fn gauge(name: &'static str, unit: Option<&'static str>, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, unit, help, samples: Vec::new() }
    }

    fn with(mut self, labels: Vec<(&'static str, String)>, value: Value) -> Self {
        self.add(labels, value);
        self
    }

    fn add(&mut self, labels: Vec<(&'static str, String)>, value: Value) {
        self.samples.push(Sample { labels, value });
    }

    /// Adds one to the value with these labels.
    fn count(&mut self, labels: Vec<(&'static str, String)>) {
        match self.samples.iter_mut().find(|sample| sample.labels == labels) {
            Some(Sample { value: Value::Integer(number), .. }) => *number += 1,
            _ => self.add(labels, Value::Integer(1)),
        }
    }
}
