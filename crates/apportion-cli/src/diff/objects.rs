//! Which objects were added, removed or replaced between two versions, as the run ledger tells.

use std::collections::BTreeMap;

use apportion_sinks::ledger::{InputObject, UnitEntry};
use apportion_spec::Result;
use serde::Serialize;

use super::causes::{Cause, Step, changed_sources};
use super::recompute::Recomputation;
use super::versions::{ChargesVersion, Version, unit_of};
use crate::tables::FOCUS_CHARGES;

/// What differs between the inputs of two versions.
#[derive(Debug, Default, Serialize)]
pub(super) struct InputChanges {
    /// Telemetry objects, when the telemetry read is not the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) telemetry: Option<ObjectChanges>,
    /// Sources whose charges are another version.
    pub(super) charges: Vec<ChargesChange>,
    /// Digests of the pipeline file, when they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) configuration: Option<Replaced>,
    /// Version of the program and digest of its SQL, when they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) program: Option<Replaced>,
}

/// Charges of a source in two versions.
#[derive(Debug, Serialize)]
pub(super) struct ChargesChange {
    pub(super) source: String,
    /// Missing when the source had no charges.
    pub(super) from_version: Option<u64>,
    pub(super) to_version: Option<u64>,
    /// Why.
    pub(super) cause: String,
    /// Missing when the ledger no longer tells.
    pub(super) objects: Option<ObjectChanges>,
}

/// One text instead of another.
#[derive(Debug, Serialize)]
pub(super) struct Replaced {
    pub(super) from: String,
    pub(super) to: String,
}

/// Objects by what happened to them.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct ObjectChanges {
    pub(super) added: Vec<String>,
    pub(super) removed: Vec<String>,
    /// Same name, other content.
    pub(super) changed: Vec<String>,
}

/// Compares the inputs of two versions. `steps` are the causes found.
///
/// # Errors
/// Those of reading the ledger.
pub(super) async fn changes(
    recomputation: &Recomputation<'_>,
    older: &Version,
    newer: &Version,
    steps: &[Step],
) -> Result<InputChanges> {
    let (before, after) = (&older.provenance, &newer.provenance);
    let differs = |from: String, to: String| (from != to).then_some(Replaced { from, to });
    let mut inputs = InputChanges {
        telemetry: None,
        charges: Vec::new(),
        configuration: differs(before.configuration_digest.clone(), after.configuration_digest.clone()),
        program: differs(
            format!("{} {}", before.engine_version, before.sql_digest),
            format!("{} {}", after.engine_version, after.sql_digest),
        ),
    };
    if steps.iter().any(|step| step.causes.contains(&Cause::Telemetry)) {
        inputs.telemetry = compare(older.unit.as_ref(), newer.unit.as_ref());
    }
    for changed in changed_sources(older, newer) {
        let old = unit_that_published(recomputation, changed.old).await?;
        let new = unit_that_published(recomputation, changed.new).await?;
        let step = steps.iter().find(|step| step.sources.contains(changed.source));
        inputs.charges.push(ChargesChange {
            source: changed.source.to_owned(),
            from_version: changed.old.map(|charges| charges.number),
            to_version: changed.new.map(|charges| charges.number),
            cause: step.map(Step::name).unwrap_or_default(),
            objects: compare(old.as_ref(), new.as_ref()),
        });
    }
    Ok(inputs)
}

async fn unit_that_published(
    recomputation: &Recomputation<'_>,
    charges: Option<&ChargesVersion>,
) -> Result<Option<UnitEntry>> {
    let Some(ChargesVersion { source, provenance: Some(provenance), .. }) = charges else { return Ok(None) };
    unit_of(recomputation.destination, provenance, FOCUS_CHARGES, Some(source), recomputation.period).await
}

fn compare(old: Option<&UnitEntry>, new: Option<&UnitEntry>) -> Option<ObjectChanges> {
    let by_name = |unit: &UnitEntry| -> BTreeMap<String, InputObject> {
        unit.inputs.iter().map(|object| (object.object.clone(), object.clone())).collect()
    };
    let (old, new) = (by_name(old?), by_name(new?));
    let mut changes = ObjectChanges::default();
    for (name, object) in &new {
        match old.get(name) {
            None => changes.added.push(name.clone()),
            Some(before) if before == object => {}
            Some(_) => changes.changed.push(name.clone()),
        }
    }
    changes.removed.extend(old.into_keys().filter(|name| !new.contains_key(name)));
    Some(changes)
}

impl ObjectChanges {
    /// `2 objects changed (a, b), 1 added (c)`.
    pub(super) fn describe(&self) -> String {
        let kinds = [("changed", &self.changed), ("added", &self.added), ("removed", &self.removed)];
        let parts: Vec<String> = kinds
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(kind, names)| {
                let shown: Vec<&str> = names.iter().take(3).map(|name| short(name)).collect();
                let more = if names.len() > shown.len() { ", …" } else { "" };
                let objects = if names.len() == 1 { "object" } else { "objects" };
                format!("{} {objects} {kind} ({}{more})", names.len(), shown.join(", "))
            })
            .collect();
        if parts.is_empty() { "the same objects".to_owned() } else { parts.join(", ") }
    }
}

/// The last two parts of a location.
fn short(location: &str) -> &str {
    location.rmatch_indices('/').nth(1).and_then(|(index, _)| location.get(index + 1..)).unwrap_or(location)
}
