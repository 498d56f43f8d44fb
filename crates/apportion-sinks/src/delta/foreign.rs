//! Tells what lies in the folder of a Delta table apart: what our commits added, and the rest.
//!
//! The log is read only when the listing shows something that is not remembered as published, or a
//! commit newer than the last remembered one.

use std::collections::{BTreeMap, BTreeSet};

use object_store::path::Path;

use apportion_spec::Result;

use super::leftovers::{Referred, spellings};
use super::{ActiveFile, DeltaSink, active_files};
use crate::foreign::{ForeignObject, Listed, Strayed, digest_in_name};
use crate::parquet::parse_partition;
use crate::table::TableSpec;

/// Objects in the table's folder that no run published, and published ones that it no longer names.
pub(super) async fn find(
    sink: &DeltaSink,
    table: &TableSpec,
    listed: Listed<'_>,
    last_version: Option<u64>,
) -> Result<Strayed> {
    let candidates: Vec<_> = listed
        .unknown(&table.name)
        // Hidden folders (the log, indexes of other programs) are not ours to judge.
        .filter(|(_, folders, _, _)| !folders.first().is_some_and(|folder| folder.starts_with('_')))
        .collect();
    let mut strayed = Strayed::default();
    if candidates.is_empty() && newest_commit(table, listed) <= last_version {
        return Ok(strayed);
    }
    let Some(loaded) = sink.load(&table.name).await? else {
        let foreign = |(object, _, _, bytes): &(&String, Vec<String>, String, u64)| {
            ForeignObject::new(&table.name, object, *bytes)
        };
        strayed.foreign.extend(candidates.iter().map(foreign));
        return Ok(strayed);
    };
    let active = active_files(&loaded, table, &[]).await?;
    let named: BTreeSet<Path> = active.keys().flat_map(|path| spellings(path)).collect();
    // A checkpoint forgets what was removed long ago.
    let complete = !listed.sizes.keys().any(|object| object.starts_with(&log(table)) && object.contains(".checkpoint"));
    let mut removed: Option<Referred> = None;
    for (object, folders, file, bytes) in candidates {
        let path = Path::from(object.strip_prefix(&table.name).unwrap_or(object));
        let committed = named.contains(&path);
        let digest = digest_in_name(&file).filter(|_| parse_partition(table, &folders).is_some());
        let ours = if committed {
            digest.is_some()
        } else {
            if removed.is_none() {
                removed = Some(Referred::by(&loaded, table).await?);
            }
            // A superseded file belongs to earlier versions, whoever took it out; an upload of ours that was never
            // committed waits for the next attempt.
            removed.as_ref().is_some_and(|referred| referred.was_removed(&path))
                || digest.is_some_and(|digest| !is_copy(&active, &file, digest, complete))
        };
        if !ours {
            strayed.foreign.push(ForeignObject { committed, ..ForeignObject::new(&table.name, object, bytes) });
        }
    }
    let prefix = format!("{}/", table.name);
    let dropped = listed
        .known
        .iter()
        .filter(|object| object.strip_prefix(&prefix).is_some_and(|path| !named.contains(&Path::from(path))));
    strayed.dropped.extend(dropped.cloned());
    Ok(strayed)
}

/// Whether the table has a file with the content that this name promises: then the file with this name is a copy of
/// it. Two months may have the same content, so where the log does not tell any more what it removed, only a
/// part with another number is one.
fn is_copy(active: &BTreeMap<String, ActiveFile>, file: &str, digest: &str, complete: bool) -> bool {
    let names = active.keys().filter_map(|path| path.rsplit('/').next());
    names.into_iter().any(|name| digest_in_name(name) == Some(digest) && (complete || name != file))
}

/// Whether a file has a name that a commit of ours gives.
pub(super) fn is_ours(path: &str) -> bool {
    path.rsplit('/').next().and_then(digest_in_name).is_some()
}

fn log(table: &TableSpec) -> String {
    format!("{}/_delta_log/", table.name)
}

/// The number of the newest commit that was listed.
fn newest_commit(table: &TableSpec, listed: Listed<'_>) -> Option<u64> {
    let prefix = log(table);
    let number = |object: &String| object.strip_prefix(prefix.as_str())?.strip_suffix(".json")?.parse().ok();
    listed.sizes.keys().filter_map(number).max()
}
