//! OpenMetrics text, and what of the previous file carries on in the next.
//!
//! The text is also valid for Prometheus' older parser, which node_exporter uses: it takes `UNIT`
//! and `EOF` lines for comments and refuses timestamps, so there are none.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::metrics::{Family, Kind, LAST_SUCCESS, Moment, RUNS, Sample, Value};

/// Writes families as one exposition.
pub(super) fn render(families: &[Family]) -> String {
    let mut text = String::new();
    for family in families {
        let kind = match family.kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# TYPE {} {kind}", family.name);
        if let Some(unit) = family.unit {
            let _ = writeln!(text, "# UNIT {} {unit}", family.name);
        }
        let _ = writeln!(text, "# HELP {} {}", family.name, escape(family.help));
        let suffix = if family.kind == Kind::Counter { "_total" } else { "" };
        for sample in &family.samples {
            let labels: Vec<String> =
                sample.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
            let _ = writeln!(text, "{}{suffix}{{{}}} {}", family.name, labels.join(","), sample.value);
        }
    }
    text.push_str("# EOF\n");
    text
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

/// What the file of the previous run says and this run cannot know.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    runs: BTreeMap<String, u64>,
    last_success: Option<String>,
}

impl History {
    /// Reads it from a file this module wrote; what is not such a file has no history.
    pub(super) fn read(text: &str, pipeline: &str) -> Self {
        let label = format!("pipeline=\"{}\"", escape(pipeline));
        let runs = format!("{RUNS}_total{{{label},outcome=\"");
        let success = format!("{LAST_SUCCESS}{{{label}}} ");
        let mut history = Self::default();
        for line in text.lines() {
            if let Some((outcome, count)) = line.strip_prefix(&runs).and_then(|rest| rest.split_once("\"} ")) {
                history.runs.extend(count.parse().ok().map(|count| (outcome.to_owned(), count)));
            } else if let Some(time) = line.strip_prefix(&success) {
                let digits = time.chars().all(|c| c.is_ascii_digit() || c == '.');
                history.last_success = (digits && !time.is_empty()).then(|| time.to_owned());
            }
        }
        history
    }

    /// Adds it to the families of this run.
    pub(super) fn carry_on(self, families: &mut Vec<Family>, pipeline: &str, moment: &Moment) {
        let pipeline = ("pipeline", pipeline.to_owned());
        if let Some(runs) = families.iter_mut().find(|family| family.name == RUNS) {
            let mut counts = self.runs;
            let count = counts.entry(moment.outcome().to_owned()).or_default();
            *count = count.saturating_add(1);
            let sample = |(outcome, count)| Sample {
                labels: vec![pipeline.clone(), ("outcome", outcome)],
                value: Value::Integer(count),
            };
            runs.samples = counts.into_iter().map(sample).collect();
        }
        let Some(time) = self.last_success else { return };
        if families.iter().all(|family| family.name != LAST_SUCCESS) {
            families.push(Family {
                name: LAST_SUCCESS,
                kind: Kind::Gauge,
                unit: Some("seconds"),
                help: "When the last run without any failure ended, in Unix time.",
                samples: vec![Sample { labels: vec![pipeline], value: Value::Decimal(time) }],
            });
        }
    }
}
