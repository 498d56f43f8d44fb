//! The JSON encoding of OTLP: identifiers in hexadecimal, 64-bit integers and doubles as text.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use crate::observe::metrics::{Family, Kind, Moment, Sample, Value};
use crate::observe::spans::{Attribute, Span};

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: u8 = 1;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;
/// `AGGREGATION_TEMPORALITY_DELTA`: each run tells of itself alone.
const DELTA: u8 = 1;

type Resource = [(String, String)];

/// An `ExportTraceServiceRequest`.
pub(super) fn traces(spans: &[Span], resource: &Resource) -> String {
    let spans: Vec<Json> = spans.iter().map(span).collect();
    let scope_spans = json!([{ "scope": scope(), "spans": spans }]);
    json!({ "resourceSpans": [{ "resource": attributes_of(resource), "scopeSpans": scope_spans }] }).to_string()
}

/// An `ExportMetricsServiceRequest`.
pub(super) fn metrics(families: &[Family], moment: &Moment, resource: &Resource) -> String {
    let metrics: Vec<Json> = families.iter().map(|family| metric(family, moment)).collect();
    let scope_metrics = json!([{ "scope": scope(), "metrics": metrics }]);
    json!({ "resourceMetrics": [{ "resource": attributes_of(resource), "scopeMetrics": scope_metrics }] }).to_string()
}

fn span(span: &Span) -> Json {
    let attributes: Vec<Json> = span
        .attributes
        .iter()
        .map(|(name, value)| match value {
            Attribute::Text(text) => json!({ "key": name, "value": { "stringValue": text } }),
            Attribute::Integer(number) => json!({ "key": name, "value": { "intValue": number.to_string() } }),
        })
        .collect();
    let status = span.error.as_ref().map_or(json!({}), |message| json!({ "code": ERROR, "message": message }));
    json!({
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_span_id.as_deref().unwrap_or_default(),
        "name": span.name,
        "kind": INTERNAL,
        "startTimeUnixNano": nanoseconds(span.started_at),
        "endTimeUnixNano": nanoseconds(span.ended_at.max(span.started_at)),
        "attributes": attributes,
        "status": status,
    })
}

fn metric(family: &Family, moment: &Moment) -> Json {
    let points: Vec<Json> = family.samples.iter().map(|sample| point(sample, moment)).collect();
    // UCUM, as the protocol wants units.
    let unit = match family.unit {
        Some("seconds") => "s",
        Some("bytes") => "By",
        _ => "",
    };
    let mut metric = json!({ "name": family.name.replacen('_', ".", 1), "description": family.help, "unit": unit });
    let (key, data) = match family.kind {
        Kind::Gauge => ("gauge", json!({ "dataPoints": points })),
        Kind::Counter => ("sum", json!({ "dataPoints": points, "aggregationTemporality": DELTA, "isMonotonic": true })),
    };
    if let Some(metric) = metric.as_object_mut() {
        metric.insert(key.to_owned(), data);
    }
    metric
}

fn point(sample: &Sample, moment: &Moment) -> Json {
    let attributes: Vec<Json> =
        sample.labels.iter().map(|(name, value)| json!({ "key": name, "value": { "stringValue": value } })).collect();
    let (key, value) = match &sample.value {
        Value::Integer(number) => ("asInt", number.to_string()),
        Value::Decimal(text) => ("asDouble", text.clone()),
    };
    let mut point = json!({
        "attributes": attributes,
        "startTimeUnixNano": nanoseconds(moment.started_at),
        "timeUnixNano": nanoseconds(moment.ended_at),
    });
    if let Some(point) = point.as_object_mut() {
        point.insert(key.to_owned(), Json::String(value));
    }
    point
}

fn scope() -> Json {
    json!({ "name": "apportion", "version": env!("CARGO_PKG_VERSION") })
}

fn attributes_of(resource: &Resource) -> Json {
    let attributes: Vec<Json> =
        resource.iter().map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } })).collect();
    json!({ "attributes": attributes })
}

/// A moment as the protocol writes it; times outside its range do not occur.
fn nanoseconds(time: DateTime<Utc>) -> String {
    time.timestamp_nanos_opt().unwrap_or_default().to_string()
}
