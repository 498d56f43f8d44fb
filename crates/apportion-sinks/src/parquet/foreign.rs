//! Tells what lies in the folder of a Parquet table apart: what its state documents name, and the rest.

use std::collections::BTreeMap;

use apportion_spec::Result;

use super::state::{self, PartitionState};
use super::{Place, parse_partition};
use crate::destination::Destination;
use crate::foreign::{ForeignObject, Listed, Strayed, is_part_name};
use crate::table::TableSpec;

/// Objects in the table's folder that no run published.
pub(super) async fn find(destination: &Destination, table: &TableSpec, listed: Listed<'_>) -> Result<Strayed> {
    // Where anything is remembered, a part that is not and that no state names is none of ours.
    let lost = listed.known.is_empty();
    let mut states: BTreeMap<Vec<String>, Option<PartitionState>> = BTreeMap::new();
    let mut strayed = Strayed::default();
    for (object, folders, file, bytes) in listed.unknown(&table.name) {
        let place = parse_partition(table, &folders).and_then(|partition| Place::try_new(table, &partition).ok());
        let ours = match place {
            None => false,
            Some(place) => {
                if !states.contains_key(&folders) {
                    states.insert(folders.clone(), state::read(destination, &place).await?);
                }
                is_ours(states.get(&folders).and_then(Option::as_ref), &file, lost)
            }
        };
        if !ours {
            strayed.foreign.push(ForeignObject::new(&table.name, object, bytes));
        }
    }
    Ok(strayed)
}

/// Whether a file of a partition is what its state says it holds. While it is being replaced that is every file with
/// a name of ours, and so it is when there is no state and nothing else remembers the partition (`lost`).
pub(super) fn is_ours(state: Option<&PartitionState>, file: &str, lost: bool) -> bool {
    match state {
        Some(state) => {
            state.parts.iter().any(|part| part.name == file) || (state.publishing.is_some() && is_part_name(file))
        }
        None => lost && is_part_name(file),
    }
}
