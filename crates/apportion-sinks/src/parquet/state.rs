//! The state document of a partition: what it holds, and whether a replacement is under way.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use serde::{Deserialize, Serialize};

use apportion_spec::{ErrorKind, Result};

use super::{Place, parse_partition, versions};
use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::table::{PartitionValues, Provenance, PublishUnit, TableSpec, matches};

/// Content of `_apportion/tables/<table>/<partition>/state.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PartitionState {
    /// Counts contents; 0 before the first.
    pub(super) version: u64,
    pub(super) provenance: Provenance,
    pub(super) parts: Vec<PartState>,
    /// Set while objects are being replaced: what is being written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) publishing: Option<Provenance>,
}

/// One object of the partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PartState {
    pub(super) name: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) e_tag: Option<String>,
}

const DOCUMENT: &str = "state.json";
/// Documents read at the same time.
const READS_IN_FLIGHT: usize = 16;

fn document(place: &Place) -> String {
    format!("{INTERNAL_FOLDER}/tables/{}/{DOCUMENT}", place.folder)
}

/// The state of a partition. One that cannot be read is none: the partition is then published again.
pub(super) async fn read(destination: &Destination, place: &Place) -> Result<Option<PartitionState>> {
    match destination.read_json(&document(place)).await {
        Err(error) if error.kind() == ErrorKind::ContractViolated => {
            tracing::warn!(%error, "the state of a partition cannot be read");
            Ok(None)
        }
        other => other,
    }
}

/// Whether a state document is there; for a listing that names it.
pub(crate) async fn read_document(destination: &Destination, name: &str) -> Result<bool> {
    Ok(destination.read_json::<PartitionState>(name).await?.is_some())
}

/// The state of a partition whose document is missing or cannot be read: what it holds is not known, and the kept
/// versions say how far it was counted.
pub(super) async fn lost(destination: &Destination, place: &Place) -> Result<PartitionState> {
    let version = versions::newest(destination, place).await?;
    // As if it were half published: what is there is written again, and no copy of it is kept.
    let publishing = version.map(|_| Provenance::default());
    Ok(PartitionState { version: version.unwrap_or_default(), publishing, ..PartitionState::default() })
}

pub(super) async fn write(destination: &Destination, place: &Place, state: &PartitionState) -> Result<()> {
    destination.write_json(&document(place), state).await
}

/// The states of every published partition that matches, in partition order.
pub(super) async fn read_matching(
    destination: &Destination,
    table: &TableSpec,
    filter: &[(String, String)],
) -> Result<Vec<(PartitionValues, PartitionState)>> {
    let folder = format!("{INTERNAL_FOLDER}/tables/{}", table.name);
    let root = destination.location(&folder);
    let mut places = Vec::new();
    for object in destination.list(&folder).await? {
        let Some(rest) = object.location.prefix_match(&root) else { continue };
        let segments: Vec<String> = rest.map(|part| part.as_ref().to_owned()).collect();
        let Some((DOCUMENT, folders)) = segments.split_last().map(|(name, folders)| (name.as_str(), folders)) else {
            continue;
        };
        let Some(partition) = parse_partition(table, folders) else { continue };
        if matches(&partition, filter) {
            places.push((Place::try_new(table, &partition)?, partition));
        }
    }
    let states = futures::stream::iter(places)
        .map(|(place, partition)| async move { Ok((partition, read(destination, &place).await?)) })
        .buffered(READS_IN_FLIGHT);
    let states: Vec<(PartitionValues, Option<PartitionState>)> = states.try_collect().await?;
    let known = |state: &PartitionState| state.version > 0 || state.publishing.is_some();
    Ok(states.into_iter().filter_map(|(partition, state)| Some((partition, state.filter(known)?))).collect())
}

/// Names of the parts that already are in place with the staged content.
pub(super) fn intact(state: &PartitionState, found: &[ObjectMeta], unit: &PublishUnit) -> BTreeSet<String> {
    if state.publishing.is_some() {
        return BTreeSet::new();
    }
    let in_place = |part: &PartState| {
        found.iter().any(|object| {
            object.location.filename() == Some(part.name.as_str())
                && object.size == part.bytes
                && object.e_tag == part.e_tag
        })
    };
    state
        .parts
        .iter()
        .zip(&unit.parts)
        .filter(|(part, staged)| part.sha256 == staged.sha256 && in_place(part))
        .map(|(part, _)| part.name.clone())
        .collect()
}
