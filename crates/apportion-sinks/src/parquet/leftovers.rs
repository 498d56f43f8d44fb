//! What a Parquet table leaves behind: superseded versions, and objects no state document names.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;

use apportion_spec::{ErrorKind, Result};

use super::state::{self, PartitionState};
use super::versions;
use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::foreign::ForeignObject;
use crate::table::TableSpec;
use crate::vacuum::{Leftover, LeftoverKind, Retention, Vacuumed, is_unfinished_write, undescribed};

/// States by partition path (`column=value/…`).
type States = BTreeMap<String, PartitionState>;

/// Every object of a table that the retention does not keep.
pub(super) async fn find(destination: &Destination, table: &TableSpec, retention: &Retention) -> Result<Vacuumed> {
    let mut states = States::new();
    for (partition, state) in state::read_matching(destination, table, &[]).await? {
        states.insert(table.partition_path(&partition)?, state);
    }
    let objects = destination.list(&table.name).await?;
    if objects.iter().any(|meta| meta.location.as_ref().contains("/_delta_log/")) {
        return Err(undescribed(table, "the table's folder holds a Delta table"));
    }
    if states.is_empty() && !objects.is_empty() {
        return Err(undescribed(table, "the table has objects, but no state document says which belong to it"));
    }
    let mut found = Vacuumed::default();
    for (path, _) in states.iter().filter(|(_, state)| state.publishing.is_some()) {
        found.notes.push(format!(
            "{} {path} is being published or was left half published; it was not touched: publish it again",
            table.name
        ));
    }
    orphans(destination, table, &states, objects, retention, &mut found);
    found.objects.extend(superseded(destination, table, &states, retention).await?);
    Ok(found)
}

/// The ledger documents that current and kept versions name.
pub(super) async fn ledger_entries(destination: &Destination, table: &TableSpec) -> Result<BTreeSet<String>> {
    let mut entries = BTreeSet::new();
    for (_, state) in state::read_matching(destination, table, &[]).await? {
        let provenances = [Some(state.provenance), state.publishing].into_iter().flatten();
        entries.extend(provenances.filter_map(|provenance| provenance.ledger_entry));
    }
    for object in destination.list(&versions_folder(table)).await? {
        if object.location.filename() != Some(versions::DOCUMENT) {
            continue;
        }
        let kept: Option<PartitionState> = match destination.read_json(&destination.relative(&object.location)).await {
            // What it says is not known, and neither is what it needs.
            Err(error) if error.kind() == ErrorKind::ContractViolated => None,
            other => other?,
        };
        entries.extend(kept.and_then(|state| state.provenance.ledger_entry));
    }
    Ok(entries)
}

fn versions_folder(table: &TableSpec) -> String {
    format!("{INTERNAL_FOLDER}/versions/{}", table.name)
}

/// Folders and file name of an object below `root`.
fn below(meta: &ObjectMeta, root: &Path) -> Option<(Vec<String>, String)> {
    let mut segments: Vec<String> = meta.location.prefix_match(root)?.map(|part| part.as_ref().to_owned()).collect();
    let file = segments.pop()?;
    Some((segments, file))
}

fn orphans(
    destination: &Destination,
    table: &TableSpec,
    states: &States,
    objects: Vec<ObjectMeta>,
    retention: &Retention,
    found: &mut Vacuumed,
) {
    let root = destination.location(&table.name);
    for meta in objects {
        let Some((folders, file)) = below(&meta, &root) else { continue };
        let state = states.get(&folders.join("/"));
        if state.is_some_and(|state| state.publishing.is_some() || state.parts.iter().any(|part| part.name == file)) {
            continue;
        }
        if !is_unfinished_write(&meta) {
            // A run marks a partition before it writes to it, so this is none of ours.
            let object = ForeignObject::new(&table.name, &destination.relative(&meta.location), meta.size);
            found.notes.push(format!("{}: {}", object.object, object.message()));
        } else if meta.last_modified < retention.cutoff() {
            found.objects.push(Leftover { kind: LeftoverKind::UnfinishedWrite, meta });
        }
    }
}

/// One version of one partition under the versions folder.
#[derive(Debug, Default)]
struct KeptVersion {
    objects: Vec<ObjectMeta>,
    /// When its document was written: the copied files may carry the time of their original.
    superseded: Option<DateTime<Utc>>,
}

async fn superseded(
    destination: &Destination,
    table: &TableSpec,
    states: &States,
    retention: &Retention,
) -> Result<Vec<Leftover>> {
    let root = destination.location(&versions_folder(table));
    let mut kept: BTreeMap<(String, u64), KeptVersion> = BTreeMap::new();
    for meta in destination.list(&versions_folder(table)).await? {
        let Some((mut folders, file)) = below(&meta, &root) else { continue };
        let Some(version) = folders.pop().and_then(|number| number.parse().ok()) else { continue };
        let entry = kept.entry((folders.join("/"), version)).or_default();
        if file == versions::DOCUMENT {
            entry.superseded = Some(meta.last_modified);
        }
        entry.objects.push(meta);
    }
    let mut leftovers = Vec::new();
    for ((path, version), entry) in kept {
        // Without a state nothing says which version is current; while a partition is being
        // published, and for a copy of the current version, the publication is not over.
        let Some(state) = states.get(&path).filter(|state| state.publishing.is_none() && version < state.version)
        else {
            continue;
        };
        let beyond = retention
            .keep_versions
            .is_some_and(|keep| version < state.version.saturating_sub(u64::try_from(keep).unwrap_or(u64::MAX)));
        let kind = match entry.superseded {
            Some(since) if beyond || since < retention.cutoff() => LeftoverKind::SupersededVersion,
            None if entry.objects.iter().all(|meta| meta.last_modified < retention.cutoff()) => {
                LeftoverKind::IncompleteVersion
            }
            _ => continue,
        };
        leftovers.extend(entry.objects.into_iter().map(|meta| Leftover { kind, meta }));
    }
    Ok(leftovers)
}
