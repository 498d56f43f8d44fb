//! What a Delta table leaves behind: files no version refers to, and files of old versions.
//!
//! The library's own vacuum is not used: it commits two entries to the log, so that every vacuum
//! would look like two new versions of the table; it does not say how large the files were; and
//! its search cannot be shown without its clock. The rule is the protocol's: a file may go when
//! the current version does not refer to it and the version that removed it is older than the age.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use deltalake_core::DeltaTable;
use futures::TryStreamExt;
use object_store::path::Path;

use apportion_spec::{Error, ErrorKind, Result};

use super::DeltaSink;
use crate::error;
use crate::foreign::{ForeignObject, digest_in_name};
use crate::table::TableSpec;
use crate::vacuum::{Leftover, LeftoverKind, Retention, Vacuumed, is_unfinished_write, undescribed};

/// Every file of a table that the retention does not keep.
pub(super) async fn find(sink: &DeltaSink, table: &TableSpec, retention: &Retention) -> Result<Vacuumed> {
    if retention.older_than < Retention::SHORTEST_FOR_DELTA && !retention.force {
        return Err(Error::new(
            ErrorKind::Config,
            "files of a Delta table younger than 168 hours may still be read, or wait for the commit of a run; \
             choose at least 168h, or add --force when nobody reads or writes the table",
        )
        .with("older_than_hours", retention.older_than.num_hours()));
    }
    // Listed before the log is read: a file committed in between is then seen as referred to.
    let objects = sink.destination.list(&table.name).await?;
    let Some(loaded) = sink.load(&table.name).await? else {
        return if objects.is_empty() {
            Ok(Vacuumed::default())
        } else {
            Err(undescribed(table, "the table has objects, but is no Delta table"))
        };
    };
    let referred = Referred::by(&loaded, table).await?;
    let root = sink.destination.location(&table.name);
    let cutoff = retention.cutoff();
    let mut found = Vacuumed::default();
    for meta in objects.into_iter().filter(|meta| meta.last_modified < cutoff) {
        let Some(parts) = meta.location.prefix_match(&root) else { continue };
        let path = Path::from_iter(parts);
        // Hidden folders (the log, indexes of other programs) are not ours to judge.
        if path.as_ref().starts_with('_') || referred.now.contains(&path) {
            continue;
        }
        let kind = match referred.removed.get(&path) {
            Some(removed) if removed.is_some_and(|time| time < cutoff) => LeftoverKind::SupersededVersion,
            Some(_) => continue,
            None if is_unfinished_write(&meta) => LeftoverKind::UnfinishedWrite,
            // Named as an upload of ours that was never committed; what else lies there is somebody else's.
            None if referred.is_upload(&path) => LeftoverKind::Orphan,
            None => {
                let object = ForeignObject::new(&table.name, &sink.destination.relative(&meta.location), meta.size);
                found.notes.push(format!("{}: {}", object.object, object.message()));
                continue;
            }
        };
        found.objects.push(Leftover { kind, meta });
    }
    Ok(found)
}

/// What the log says about files, by path within the table.
#[derive(Debug, Default)]
pub(super) struct Referred {
    /// Files of the current version.
    now: BTreeSet<Path>,
    /// Files of earlier versions, with the time they were removed if the log says it.
    removed: BTreeMap<Path, Option<DateTime<Utc>>>,
}

impl Referred {
    /// Whether a file is called as an upload of ours, and is no copy of a file in use.
    fn is_upload(&self, path: &Path) -> bool {
        let digest = |path: &Path| path.filename().and_then(digest_in_name).map(str::to_owned);
        digest(path).is_some_and(|found| !self.now.iter().any(|used| digest(used).as_ref() == Some(&found)))
    }

    /// Whether the file belonged to an earlier version.
    pub(super) fn was_removed(&self, path: &Path) -> bool {
        self.removed.contains_key(path)
    }

    pub(super) async fn by(loaded: &DeltaTable, table: &TableSpec) -> Result<Self> {
        let failed = |cause| error::delta(cause, "list the files of the Delta table", &table.name);
        let mut referred = Self::default();
        let views: Vec<_> = loaded.get_active_add_actions_by_partitions(&[]).try_collect().await.map_err(failed)?;
        for view in views {
            referred.now.extend(spellings(&view.path()));
        }
        let log_store = loaded.log_store();
        let snapshot = loaded.snapshot().map_err(failed)?;
        let tombstones: Vec<_> = snapshot.all_tombstones(log_store.as_ref()).try_collect().await.map_err(failed)?;
        for tombstone in tombstones {
            let removed = tombstone.deletion_timestamp().and_then(DateTime::from_timestamp_millis);
            for path in spellings(&tombstone.path()) {
                referred.removed.insert(path, removed);
            }
        }
        Ok(referred)
    }
}

/// A path of the log as object keys: as it is, and with its percent escapes undone. Both are
/// protected, because programs differ in what they escape.
pub(super) fn spellings(path: &str) -> impl Iterator<Item = Path> {
    [Path::parse(path).ok(), Path::from_url_path(path).ok(), Some(Path::from(path))].into_iter().flatten()
}
