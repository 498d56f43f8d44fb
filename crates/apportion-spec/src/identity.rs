//! What of a pipeline file decides about figures, as canonical texts that digests are made of.
//!
//! A text is JSON with the words of the pipeline file: keys in order, nothing that is not declared,
//! amounts as written. So neither layout and comments nor the names of the code are part of it, and
//! an option that a later version adds changes nothing for those who do not use it. The trap
//! avoided: to rename a field and compute every month of every user again.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::document::wire::{self, Document};
use crate::pipeline::Pipeline;
use crate::{BillingPeriod, Error, ErrorKind, Result};

/// The parts of a pipeline file as canonical texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Identity {
    sources: BTreeMap<String, String>,
    allocation: String,
}

impl Identity {
    /// Those of a document, without what depends on the billing period: the cost basis, the periods that count
    /// and the rates.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when a part has no form in JSON.
    pub(crate) fn of(document: &Document) -> Result<Self> {
        let source = |(name, source): (&String, &wire::Source)| {
            let wire::Source {
                format,
                location,
                keep,
                null_words,
                store,
                cost_basis: _,
                cost_basis_by_period: _,
                from: _,
                to: _,
            } = source;
            let text = canonical(&json!({
                "format": value(format)?,
                "location": location,
                "keep": keep,
                "null_words": null_words,
                "store": value(store)?,
            }));
            Ok((name.clone(), text))
        };
        let allocation = canonical(&json!({
            "telemetry": value(&document.telemetry)?,
            "dimensions": document.dimensions,
            "allocation": value(&document.allocation)?,
            "unit_economics": value(&document.unit_economics)?,
        }));
        Ok(Self { sources: document.sources.iter().map(source).collect::<Result<_>>()?, allocation })
    }
}

impl Pipeline {
    /// Everything written about a source that decides about its charges of a billing period. Equal
    /// texts, equal charges; where a line stands and what a comment says is not part of it.
    #[must_use]
    pub fn source_identity(&self, source: &str, period: BillingPeriod) -> String {
        let declared = self.sources.iter().find(|it| it.name == source);
        let basis = declared.map_or("", |source| source.cost_basis_in(period).as_str());
        format!("{basis} {}", self.identity.sources.get(source).map_or("", String::as_str))
    }

    /// Everything written that decides about the allocation of a billing period: telemetry,
    /// dimensions, rules, unit metrics, the reporting currency and its rates up to the month after.
    #[must_use]
    pub fn allocation_identity(&self, period: BillingPeriod) -> String {
        let Some(reporting) = &self.reporting else { return self.identity.allocation.clone() };
        // The rate of a new month must not touch the years before it.
        let rates = reporting.rates.iter().filter(|rate| rate.month <= period.next());
        let rates: String = rates.map(|rate| format!(" {} {} {}", rate.currency, rate.month, rate.rate)).collect();
        format!("{} {}{rates}", self.identity.allocation, reporting.currency)
    }
}

fn value(part: &impl Serialize) -> Result<Value> {
    serde_json::to_value(part).map_err(|error| {
        Error::new(ErrorKind::Internal, "a part of the pipeline has no form in JSON").with_source(error)
    })
}

/// JSON with its keys in order and without what is null. Whether a map keeps the order of its keys depends on who
/// else is part of the program, so it is not asked.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<&String, &Value> = members.iter().filter(|(_, value)| !value.is_null()).collect();
            let member =
                |(name, value): (&String, &Value)| format!("{}:{}", Value::from(name.as_str()), canonical(value));
            format!("{{{}}}", members.into_iter().map(member).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}
