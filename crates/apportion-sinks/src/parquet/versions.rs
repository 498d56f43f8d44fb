//! Superseded versions of a partition, kept outside the table's folder.

use apportion_spec::{Error, ErrorKind, Result};

use super::Place;
use super::state::{self, PartitionState};
use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::table::PartitionVersion;

/// Name of the document that makes a version complete.
pub(super) const DOCUMENT: &str = "version.json";

fn root(place: &Place) -> String {
    format!("{INTERNAL_FOLDER}/versions/{}", place.folder)
}

fn folder(place: &Place, version: u64) -> String {
    // Padded, so that a listing is in order.
    format!("{}/{version:08}", root(place))
}

/// Copies the current content aside. The document comes last: a version without it is incomplete
/// and ignored.
pub(super) async fn archive(destination: &Destination, place: &Place, state: &PartitionState) -> Result<()> {
    let folder = folder(place, state.version);
    for part in &state.parts {
        let from = place.object(&part.name);
        match destination.copy(&from, &format!("{folder}/{}", part.name)).await {
            // Somebody deleted the object by hand; there is nothing left to keep of it.
            Err(missing) if missing.kind() == ErrorKind::NotFound => {
                tracing::warn!(object = from, "object to be superseded is missing, its version is not kept");
                return Ok(());
            }
            other => other?,
        }
    }
    destination.write_json(&format!("{folder}/{DOCUMENT}"), state).await
}

/// Deletes versions other than the newest `keep` superseded ones.
pub(super) async fn prune(destination: &Destination, place: &Place, current: u64, keep: usize) -> Result<()> {
    let oldest = current.saturating_sub(u64::try_from(keep).unwrap_or(u64::MAX));
    let root_location = destination.location(&root(place));
    for object in destination.list(&root(place)).await? {
        let version = object
            .location
            .prefix_match(&root_location)
            .and_then(|mut rest| rest.next().and_then(|part| part.as_ref().parse::<u64>().ok()));
        if version.is_some_and(|version| version < oldest) {
            destination.delete(&object.location).await?;
        }
    }
    Ok(())
}

/// The highest number under which a version is kept.
pub(super) async fn newest(destination: &Destination, place: &Place) -> Result<Option<u64>> {
    let root_location = destination.location(&root(place));
    let objects = destination.list(&root(place)).await?;
    let number = |object: &object_store::ObjectMeta| {
        object.location.prefix_match(&root_location)?.next()?.as_ref().parse::<u64>().ok()
    };
    Ok(objects.iter().filter_map(number).max())
}

/// Every version that can be read, newest first.
pub(super) async fn list(destination: &Destination, place: &Place) -> Result<Vec<PartitionVersion>> {
    let mut versions = Vec::new();
    if let Some(state) = state::read(destination, place).await?.filter(|state| state.version > 0) {
        let current = state.publishing.is_none();
        if current {
            let PartitionState { version, provenance, .. } = state;
            versions.push(PartitionVersion { version, provenance, current });
        }
    }
    for object in destination.list(&root(place)).await?.into_iter().rev() {
        if object.location.filename() != Some(DOCUMENT) {
            continue;
        }
        let relative = destination.relative(&object.location);
        // A damaged document is a version that cannot be read, not a reason to read none.
        let found = match destination.read_json(&relative).await {
            Err(error) if error.kind() == ErrorKind::ContractViolated => {
                tracing::warn!(%error, "a kept version cannot be read");
                None
            }
            other => other?,
        };
        if let Some(PartitionState { version, provenance, .. }) = found {
            versions.push(PartitionVersion { version, provenance, current: false });
        }
    }
    versions.dedup_by_key(|version| version.version);
    Ok(versions)
}

/// The folder of a complete superseded version.
pub(super) async fn folder_of(destination: &Destination, place: &Place, version: u64) -> Result<String> {
    let folder = folder(place, version);
    if destination.head(&format!("{folder}/{DOCUMENT}")).await?.is_some() {
        return Ok(folder);
    }
    Err(Error::new(ErrorKind::NotFound, "this version of the table is not kept")
        .with("table", &place.table)
        .with("version", version))
}
