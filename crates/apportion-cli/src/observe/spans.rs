//! The trace of a run: one span for the run, one for each unit of work.
//!
//! Times come from the run's ledger document, so the trace says what the ledger says. Identifiers
//! are digests of the run id: whoever knows a run finds its trace.

use apportion_sinks::RunEntry;
use apportion_sinks::ledger::{UnitEntry, UnitStatus};
use apportion_spec::Error;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::metrics::Moment;
use crate::project::hex;
use crate::report::RunReport;
use crate::tables::COMPLETENESS;

/// The span of somebody else that started the run, from `TRACEPARENT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parent {
    trace_id: String,
    span_id: String,
}

impl Parent {
    /// Reads a `traceparent` of the W3C recommendation.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace_id, span_id) = (parts.next()?, parts.next()?, parts.next()?);
        let valid = |id: &str, digits: usize| {
            id.len() == digits && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) && id.chars().any(|c| c != '0')
        };
        (version.len() == 2 && version != "ff" && valid(trace_id, 32) && valid(span_id, 16))
            .then(|| Self { trace_id: trace_id.to_owned(), span_id: span_id.to_owned() })
    }
}

/// Something that took time.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) trace_id: String,
    pub(super) span_id: String,
    pub(super) parent_span_id: Option<String>,
    pub(super) name: String,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
    pub(super) attributes: Vec<(String, Attribute)>,
    /// What went wrong, if anything did.
    pub(super) error: Option<String>,
}

/// Value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attribute {
    Text(String),
    Integer(u64),
}

/// The spans of a run that came to its end.
pub(super) fn of_run(
    report: &RunReport,
    entry: Option<&RunEntry>,
    moment: &Moment,
    parent: Option<&Parent>,
) -> Vec<Span> {
    let mut root = root(&report.pipeline, &report.run_id, moment, parent);
    root.attributes.extend([
        text("apportion.run_id", &report.run_id),
        text("apportion.destination", &report.destination),
        text("apportion.table_format", &report.table_format),
    ]);
    root.started_at = entry.map_or(root.started_at, |entry| root.started_at.min(entry.started_at));
    if moment.exit_code != 0 {
        root.error = Some(moment.outcome().to_owned());
    }
    // What a month lacks is noted with its other tables; it is no work worth a span.
    let units = entry.into_iter().flat_map(|entry| &entry.units).filter(|unit| unit.table != COMPLETENESS);
    let units: Vec<Span> = units.map(|unit| of_unit(unit, &root, &report.run_id)).collect();
    std::iter::once(root).chain(units).collect()
}

/// The span of a run that stopped as a whole.
pub(super) fn of_failure(pipeline: &str, moment: &Moment, error: &Error, parent: Option<&Parent>) -> Vec<Span> {
    let identity = format!("{pipeline} {}", moment.started_at.to_rfc3339());
    let mut root = root(pipeline, &identity, moment, parent);
    root.attributes.push(text("error.type", error.kind().as_str()));
    root.error = Some(error.to_string());
    vec![root]
}

fn root(pipeline: &str, identity: &str, moment: &Moment, parent: Option<&Parent>) -> Span {
    Span {
        trace_id: parent.map_or_else(|| digest(identity, "", 16), |parent| parent.trace_id.clone()),
        span_id: digest(identity, "run", 8),
        parent_span_id: parent.map(|parent| parent.span_id.clone()),
        name: "apportion run".to_owned(),
        started_at: moment.started_at,
        ended_at: moment.ended_at,
        attributes: vec![
            text("apportion.pipeline", pipeline),
            text("apportion.outcome", moment.outcome()),
            ("apportion.exit_code".to_owned(), Attribute::Integer(moment.exit_code.into())),
        ],
        error: None,
    }
}

fn of_unit(unit: &UnitEntry, root: &Span, run_id: &str) -> Span {
    let stage = if unit.source.is_some() { "normalize" } else { "allocate" };
    let subject = unit.source.iter().chain(std::iter::once(&unit.billing_period));
    let name = subject.fold(stage.to_owned(), |name, part| format!("{name} {part}"));
    let mut attributes = vec![
        text("apportion.table", &unit.table),
        text("apportion.billing_period", &unit.billing_period),
        text("apportion.status", unit.status.as_str()),
    ];
    attributes.extend(unit.source.iter().map(|source| text("apportion.source", source)));
    attributes.extend(unit.rows.map(|rows| ("apportion.rows".to_owned(), Attribute::Integer(rows))));
    let bytes = unit.inputs.iter().map(|input| input.bytes).sum();
    attributes.push(("apportion.read_bytes".to_owned(), Attribute::Integer(bytes)));
    for (step, milliseconds) in &unit.milliseconds {
        attributes.push((format!("apportion.step.{step}.milliseconds"), Attribute::Integer(*milliseconds)));
    }
    attributes.extend(unit.error.iter().map(|error| text("error.type", &error.kind)));
    let error = unit.error.as_ref().map(|error| error.message.clone());
    Span {
        trace_id: root.trace_id.clone(),
        span_id: digest(run_id, &name, 8),
        parent_span_id: Some(root.span_id.clone()),
        started_at: unit.started_at,
        ended_at: unit.finished_at.unwrap_or(root.ended_at),
        attributes,
        error: error.or_else(|| (unit.status == UnitStatus::Failed).then(|| "failed".to_owned())),
        name,
    }
}

fn text(name: &str, value: &str) -> (String, Attribute) {
    (name.to_owned(), Attribute::Text(value.to_owned()))
}

/// The first bytes of a digest, in hexadecimal.
fn digest(identity: &str, part: &str, bytes: usize) -> String {
    let digest = Sha256::digest(format!("apportion\n{identity}\n{part}"));
    hex(&digest).chars().take(bytes * 2).collect()
}
