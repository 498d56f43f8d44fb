//! Why two versions differ: the inputs that are not the same, in the order in which they are swapped.
//!
//! Telemetry first, then the charges of each source, then the rules: the order of time in which a
//! month usually changes. Each step swaps one input and keeps what was swapped before it, so the
//! steps telescope: their changes sum to the whole change, whatever the order.

use std::collections::BTreeSet;

use apportion_sinks::Provenance;
use apportion_spec::Result;
use apportion_spec::pipeline::Source;

use super::recompute::Recomputation;
use super::versions::{ChargesVersion, Version};
use crate::changes::functions;

/// What may make a number change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// Telemetry arrived late or was corrected.
    Telemetry,
    /// The provider restated the bill.
    Bill,
    /// The SQL models or the program changed.
    Mapping,
    /// The pipeline's configuration changed.
    Rules,
}

impl Cause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::Bill => "bill",
            Self::Mapping => "mapping",
            Self::Rules => "rules",
        }
    }
}

/// One or several causes that are swapped together.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    pub(super) causes: BTreeSet<Cause>,
    /// The sources whose charges are swapped.
    pub(super) sources: BTreeSet<String>,
}

impl Step {
    fn new(causes: impl IntoIterator<Item = Cause>) -> Self {
        Self { causes: causes.into_iter().collect(), sources: BTreeSet::new() }
    }

    /// `telemetry`, `bill_and_mapping`, …
    pub(super) fn name(&self) -> String {
        self.causes.iter().map(|cause| cause.as_str()).collect::<Vec<_>>().join("_and_")
    }

    /// Both in one, because nothing is known between them.
    pub(super) fn merge(&mut self, other: &Self) {
        self.causes.extend(&other.causes);
        self.sources.extend(other.sources.iter().cloned());
    }
}

/// The charges of one source in both versions, where they differ.
#[derive(Debug, Clone)]
pub(super) struct ChangedSource<'a> {
    pub(super) source: &'a str,
    pub(super) old: Option<&'a ChargesVersion>,
    pub(super) new: Option<&'a ChargesVersion>,
}

/// Sources whose charges are another version, by name.
pub(super) fn changed_sources<'a>(older: &'a Version, newer: &'a Version) -> Vec<ChangedSource<'a>> {
    let names: BTreeSet<&str> =
        older.charges.iter().chain(&newer.charges).map(|charges| charges.source.as_str()).collect();
    let of = |version: &'a Version, name: &str| version.charges.iter().find(|charges| charges.source == name);
    names
        .into_iter()
        .map(|source| ChangedSource { source, old: of(older, source), new: of(newer, source) })
        .filter(|it| it.old.map(|charges| charges.number) != it.new.map(|charges| charges.number))
        .collect()
}

/// What a unit was computed with, apart from its input.
fn program(provenance: &Provenance) -> (&str, &str) {
    (&provenance.sql_digest, functions(&provenance.engine_version))
}

/// The steps from the older to the newer version; at least one. Adds to `notes` what is uncertain.
///
/// # Errors
/// Those of the store.
pub(super) async fn steps(
    recomputation: &Recomputation<'_>,
    older: &Version,
    newer: &Version,
    notes: &mut Vec<String>,
) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut sources = changed_sources(older, newer);
    if older.charges.is_empty() || newer.charges.is_empty() {
        // Written before versions of charges were recorded: known is only whether they are the same.
        sources.clear();
    }
    let rules_changed = older.provenance.configuration_digest != newer.provenance.configuration_digest;
    let telemetry_changed =
        telemetry_changed(recomputation, older, newer, rules_changed || !sources.is_empty(), notes).await?;
    let program_changed = program(&older.provenance) != program(&newer.provenance);
    let first = Step::new(
        telemetry_changed.then_some(Cause::Telemetry).into_iter().chain(program_changed.then_some(Cause::Mapping)),
    );
    if !first.causes.is_empty() {
        steps.push(first);
    }
    for changed in &sources {
        steps.push(Step {
            causes: of_source(recomputation, changed, (older, newer), notes).await?,
            sources: BTreeSet::from([changed.source.to_owned()]),
        });
    }
    let unrecorded = older.charges.is_empty() || newer.charges.is_empty();
    if unrecorded && older.provenance.computed_from != newer.provenance.computed_from {
        steps.push(Step::new([Cause::Bill, Cause::Mapping]));
    }
    if rules_changed {
        steps.push(Step::new([Cause::Rules]));
    }
    if steps.is_empty() {
        notes.push("no recorded input differs, so the program must have changed without a new version".to_owned());
        steps.push(Step::new([Cause::Mapping]));
    }
    Ok(steps)
}

/// Whether the telemetry that the older version read is not what it was. Its fingerprint also differs
/// when other rules or other charges ask for other telemetry; then today's telemetry is asked.
async fn telemetry_changed(
    recomputation: &Recomputation<'_>,
    older: &Version,
    newer: &Version,
    something_else_changed: bool,
    notes: &mut Vec<String>,
) -> Result<bool> {
    if older.provenance.input_digest == newer.provenance.input_digest {
        return Ok(false);
    }
    if !something_else_changed {
        return Ok(true);
    }
    match recomputation.fingerprint(older).await? {
        Ok(today) => Ok(today != older.provenance.input_digest),
        Err(obstacle) => {
            notes.push(format!("whether the telemetry itself changed cannot be told: {obstacle}"));
            Ok(true)
        }
    }
}

/// Why the charges of a source are another version.
async fn of_source(
    recomputation: &Recomputation<'_>,
    changed: &ChangedSource<'_>,
    (older, newer): (&Version, &Version),
    notes: &mut Vec<String>,
) -> Result<BTreeSet<Cause>> {
    let source = changed.source;
    let (Some(old), Some(new)) = (changed.old, changed.new) else {
        // A source that one of the configurations does not declare is a change of configuration.
        let without = if changed.old.is_none() { older } else { newer };
        let without = recomputation.declared(&without.provenance.configuration_digest).await?;
        let covers = |it: &Source| it.name == source && it.covers(recomputation.period);
        let declared = without.is_none_or(|pipeline| pipeline.sources.iter().any(covers));
        return Ok(BTreeSet::from([if declared { Cause::Bill } else { Cause::Rules }]));
    };
    let (Some(old), Some(new)) = (&old.provenance, &new.provenance) else {
        let pruned = if old.provenance.is_none() { old.number } else { new.number };
        notes.push(format!(
            "version {pruned} of the charges of {source} is no longer kept, so what changed in them is unknown"
        ));
        return Ok(BTreeSet::from([Cause::Bill, Cause::Mapping]));
    };
    let mut causes = BTreeSet::new();
    if old.input_digest != new.input_digest {
        causes.insert(Cause::Bill);
    }
    if program(old) != program(new) {
        causes.insert(Cause::Mapping);
    }
    if old.configuration_digest != new.configuration_digest {
        let before = recomputation.declared(&old.configuration_digest).await?;
        let after = recomputation.declared(&new.configuration_digest).await?;
        let of = |pipeline: &Option<apportion_spec::Pipeline>| {
            pipeline.as_ref().map(|pipeline| pipeline.source_identity(source, recomputation.period))
        };
        if of(&before) != of(&after) {
            causes.insert(Cause::Rules);
        }
    }
    if causes.is_empty() {
        notes.push(format!(
            "the charges of {source} changed although no recorded input did: the program changed without a new version"
        ));
        causes.insert(Cause::Mapping);
    }
    Ok(causes)
}
