//! Reads back who committed what.

use std::collections::BTreeSet;

use deltalake_core::DeltaTable;
use deltalake_core::kernel::{Action, CommitInfo};
use deltalake_core::logstore::get_actions;
use serde::{Deserialize, Serialize};

use apportion_spec::Result;

use crate::error;
use crate::table::{PartitionValues, PartitionVersion, Provenance, TableSpec};

/// Commits looked through at most; older versions are still in the log.
const COMMITS: u64 = 1_000;

/// What a commit says about itself, as JSON in its user metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct CommitNote {
    pub(super) partition: PartitionValues,
    pub(super) provenance: Provenance,
}

/// The version committed with this note among those after `base`.
pub(super) async fn find_own(
    loaded: &DeltaTable,
    table: &TableSpec,
    note: &CommitNote,
    base: u64,
) -> Result<Option<u64>> {
    let latest = loaded.version().unwrap_or_default();
    for version in (base.saturating_add(1)..=latest).rev() {
        if read_note(loaded, table, version).await?.as_ref() == Some(note) {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// The versions in which the partition was published, newest first.
pub(super) async fn versions(
    loaded: &DeltaTable,
    table: &TableSpec,
    partition: &PartitionValues,
) -> Result<Vec<PartitionVersion>> {
    let latest = loaded.version().unwrap_or_default();
    let mut versions = Vec::new();
    for version in (latest.saturating_sub(COMMITS)..=latest).rev() {
        let Some(note) = read_note(loaded, table, version).await? else { continue };
        if note.partition == *partition {
            let current = versions.is_empty();
            versions.push(PartitionVersion { version, provenance: note.provenance, current });
        }
    }
    Ok(versions)
}

/// The ledger documents that the commits of the table name, as far back as the log is kept.
pub(super) async fn ledger_entries(loaded: &DeltaTable, table: &TableSpec) -> Result<BTreeSet<String>> {
    let latest = loaded.version().unwrap_or_default();
    let mut entries = BTreeSet::new();
    for version in (latest.saturating_sub(COMMITS)..=latest).rev() {
        let note = read_note(loaded, table, version).await?;
        entries.extend(note.and_then(|note| note.provenance.ledger_entry));
    }
    Ok(entries)
}

async fn read_note(loaded: &DeltaTable, table: &TableSpec, version: u64) -> Result<Option<CommitNote>> {
    let failed = |cause| error::delta(cause, "read the history of the Delta table", &table.name);
    let Some(content) = loaded.log_store().read_commit_entry(version).await.map_err(failed)? else {
        return Ok(None);
    };
    let actions = get_actions(version, &content).map_err(failed)?;
    let text = actions.into_iter().find_map(|action| match action {
        Action::CommitInfo(CommitInfo { user_metadata, .. }) => user_metadata,
        _ => None,
    });
    // A commit of another program has no note of ours.
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}
