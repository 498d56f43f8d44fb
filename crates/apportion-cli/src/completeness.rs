//! Which sources a month holds and which it is published without: a table of its own, because whoever compares
//! months must see that one of them lacks a bill.

use std::collections::{BTreeMap, BTreeSet};

use apportion_spec::{BillingPeriod, Pipeline};

use crate::changes::{Published, of_texts};

/// A source of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceState {
    pub(crate) source: String,
    /// `published`, `missing`, `failed` or `unlisted`.
    pub(crate) status: &'static str,
    /// Charges of it that are published.
    pub(crate) charges: u64,
    /// Why it is not part of the month.
    pub(crate) reason: Option<String>,
}

/// The sources of a month by name, or none when nothing of it is published. `failed` says why sources failed in this
/// run, `unlisted` names those that could not be listed.
pub(crate) fn source_states(
    pipeline: &Pipeline,
    published: &Published,
    period: BillingPeriod,
    failed: &BTreeMap<&str, &str>,
    unlisted: &BTreeSet<String>,
) -> Vec<SourceState> {
    let mut states = Vec::new();
    for source in pipeline.sources.iter().filter(|source| source.covers(period)) {
        // The index notes an acceptance before anything is published.
        let unit = published.charges(&source.name, period).filter(|it| !it.withdrawn && !it.published.is_empty());
        let (status, reason) = match (unit, failed.get(source.name.as_str())) {
            (Some(_), _) => ("published", None),
            (None, Some(&"held")) => ("failed", Some("its charges are held back".to_owned())),
            (None, Some(kind)) => ("failed", Some(format!("its charges could not be published ({kind})"))),
            (None, None) if unlisted.contains(&source.name) => {
                ("unlisted", Some("its export could not be listed".to_owned()))
            }
            (None, None) => ("missing", Some("nothing of it was published for this month".to_owned())),
        };
        let charges = unit.map_or(0, |unit| unit.rows);
        states.push(SourceState { source: source.name.clone(), status, charges, reason });
    }
    // A month without any charge has no rows anywhere, and so none that could lack a source.
    if states.iter().all(|state| state.charges == 0) {
        return Vec::new();
    }
    states.sort_by(|a, b| a.source.cmp(&b.source));
    states
}

/// What identifies the rows of a month.
pub(crate) fn digest(states: &[SourceState]) -> String {
    let texts: Vec<String> = states
        .iter()
        .map(|state| {
            let SourceState { source, status, charges, reason } = state;
            format!("{source} {status} {charges} {}", reason.as_deref().unwrap_or_default())
        })
        .collect();
    of_texts(texts.iter().map(String::as_str))
}
