//! Plain Parquet tables: deterministic keys, replaced partition by partition.
//!
//! One object can be replaced atomically, a partition of several cannot. So a small state
//! document per partition, outside the table's folder, says what the partition holds and whether
//! a replacement is under way. The order of steps, each of which may be repeated:
//!
//! 1. copy the current parts to `_apportion/versions/…/<version>/`, then write its `version.json`;
//! 2. mark the partition as being replaced in its state document;
//! 3. write the new parts (on a local disk: temporary name, sync, rename);
//! 4. delete every other object of the partition;
//! 5. write the state document with the new version and no mark;
//! 6. delete versions beyond the number to keep.
//!
//! After a crash in 1 the old content is intact. After a crash in 2 to 5 the mark makes our own
//! readers refuse the partition, and the next publication writes all parts again. Readers that
//! only list objects see, during step 3 and 4, old and new parts side by side.
//!
//! The partition columns are in the names of folders and in the metadata of files, and not among
//! their columns: readers of such folders take them from there, and several refuse a column that
//! comes from both. Files of earlier versions have them; they are read by their folder as well.

mod foreign;
mod leftovers;
mod state;
mod versions;

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use object_store::ObjectMeta;

use apportion_spec::{Error, ErrorKind, Result};

use crate::destination::Destination;
use crate::foreign::{Listed, Strayed, is_counted, is_part_name, is_temporary, refusal};
use crate::sink::TableSink;
use crate::table::{
    Format, PartitionValues, PartitionVersion, PublishUnit, Published, TableObject, TableSpec, TableVersion, matches,
};
use crate::vacuum::{Retention, Vacuumed};
use crate::writer::part_name;
use crate::{columns, digest};

pub(crate) use state::read_document as read_state_document;
use state::{PartState, PartitionState};

/// Publishes plain Parquet tables.
#[derive(Debug)]
pub struct ParquetSink {
    destination: Destination,
    keep_versions: usize,
}

impl ParquetSink {
    /// A sink that keeps `keep_versions` superseded versions of each partition.
    #[must_use]
    pub fn new(destination: Destination, keep_versions: usize) -> Self {
        Self { destination, keep_versions }
    }

    /// The states of the matching partitions, none of which is half published. One that is marked and
    /// has no object holds nothing: its first publication, or the last step of a withdrawal, never came.
    async fn whole(
        &self,
        table: &TableSpec,
        filter: &[(String, String)],
    ) -> Result<Vec<(PartitionValues, PartitionState)>> {
        let mut whole = Vec::new();
        for (partition, state) in state::read_matching(&self.destination, table, filter).await? {
            let Some(provenance) = &state.publishing else {
                whole.push((partition, state));
                continue;
            };
            let place = Place::try_new(table, &partition)?;
            let is_part = |object: &ObjectMeta| object.location.extension() == Some("parquet");
            if self.destination.list(&place.folder).await?.iter().any(is_part) {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "the partition is being published or a run left it half published; publish it again",
                )
                .with("table", &table.name)
                .with("partition", display(&partition))
                .with("run", &provenance.run_id));
            }
        }
        Ok(whole)
    }

    /// Steps 1 and 2.
    async fn begin(&self, place: &Place, state: &mut PartitionState, unit: &PublishUnit) -> Result<()> {
        let same_content = state.parts.iter().map(|part| &part.sha256).eq(unit.parts.iter().map(|part| &part.sha256));
        if state.publishing.is_none() && state.version > 0 && !same_content {
            versions::archive(&self.destination, place, state).await?;
        }
        state.publishing = Some(unit.provenance.clone());
        state::write(&self.destination, place, state).await
    }

    /// Step 3.
    async fn replace(&self, place: &Place, unit: &PublishUnit, intact: &BTreeSet<String>) -> Result<()> {
        for (index, part) in unit.parts.iter().enumerate() {
            let name = part_name(index);
            if !intact.contains(&name) {
                self.destination.upload(&part.path, &place.object(&name)).await?;
            }
        }
        Ok(())
    }

    /// Step 4. Returns what is left, in part order. What others put there and no reader counts stays.
    async fn delete_others(&self, place: &Place, parts: usize) -> Result<(Vec<ObjectMeta>, Vec<String>)> {
        let wanted: BTreeSet<String> = (0..parts).map(part_name).collect();
        let mut kept = Vec::new();
        let mut deleted = Vec::new();
        for object in self.destination.list(&place.folder).await? {
            if object.location.filename().is_some_and(|name| wanted.contains(name)) {
                kept.push(object);
            } else if object.location.filename().is_some_and(|name| is_part_name(name) || is_temporary(name)) {
                self.destination.delete(&object.location).await?;
                deleted.push(self.destination.relative(&object.location));
            }
        }
        Ok((kept, deleted))
    }

    /// Step 5.
    async fn finish(
        &self,
        place: &Place,
        state: &PartitionState,
        unit: &PublishUnit,
        objects: &[ObjectMeta],
    ) -> Result<PartitionState> {
        let mut parts = Vec::with_capacity(unit.parts.len());
        for (index, part) in unit.parts.iter().enumerate() {
            let name = part_name(index);
            let object = objects.iter().find(|object| object.location.filename() == Some(name.as_str()));
            let Some(object) = object.filter(|object| object.size == part.bytes) else {
                return Err(Error::new(ErrorKind::Conflict, "an object just written is not what was written")
                    .with("object", place.object(&name)));
            };
            parts.push(PartState {
                name,
                rows: part.rows,
                bytes: part.bytes,
                sha256: part.sha256.clone(),
                e_tag: object.e_tag.clone(),
            });
        }
        let same_content = state.parts.iter().map(|part| &part.sha256).eq(parts.iter().map(|part| &part.sha256));
        let repaired = same_content && state.version > 0;
        let finished = PartitionState {
            version: if repaired { state.version } else { state.version + 1 },
            provenance: if repaired { state.provenance.clone() } else { unit.provenance.clone() },
            parts,
            publishing: None,
        };
        state::write(&self.destination, place, &finished).await?;
        Ok(finished)
    }
}

/// Where a partition lives, relative to the destination.
#[derive(Debug)]
pub(super) struct Place {
    table: String,
    /// `<table>/<column>=<value>/…`
    folder: String,
}

impl Place {
    fn try_new(table: &TableSpec, partition: &[(String, String)]) -> Result<Self> {
        let path = table.partition_path(partition)?;
        let folder = if path.is_empty() { table.name.clone() } else { format!("{}/{path}", table.name) };
        Ok(Self { table: table.name.clone(), folder })
    }

    fn object(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }
}

#[async_trait]
impl TableSink for ParquetSink {
    fn format(&self) -> Format {
        Format::Parquet
    }

    fn destination(&self) -> &Destination {
        &self.destination
    }

    async fn prepare(&self, table: &TableSpec) -> Result<()> {
        // A Delta table read as Parquet files counts superseded files too.
        let log = self.destination.list(&format!("{}/_delta_log", table.name)).await?;
        if !log.is_empty() {
            let message = "the table's folder already holds a Delta table";
            return Err(Error::new(ErrorKind::Config, message).with("table", &table.name));
        }
        columns::remember(&self.destination, table).await
    }

    async fn publish(&self, unit: &PublishUnit) -> Result<Published> {
        let place = Place::try_new(&unit.table, &unit.partition)?;
        let state = state::read(&self.destination, &place).await?;
        let listed = self.destination.list(&place.folder).await?;
        let ours = |object: &&ObjectMeta| {
            object.location.filename().is_some_and(|file| foreign::is_ours(state.as_ref(), file, true))
        };
        // Readers would count it beside what is published here, and deleting it would be somebody's loss.
        let counted = |object: &&ObjectMeta| is_counted(object.location.as_ref());
        if let Some(object) = listed.iter().filter(counted).find(|object| !ours(object)) {
            return Err(refusal(&self.destination.relative(&object.location)));
        }
        let found: Vec<ObjectMeta> = listed.iter().filter(ours).cloned().collect();
        let mut state = match state {
            Some(state) => state,
            None => state::lost(&self.destination, &place).await?,
        };
        let names: Vec<String> = (0..unit.parts.len()).map(part_name).collect();
        let objects: Vec<String> = names.iter().map(|name| place.object(name)).collect();
        let intact = state::intact(&state, &found, unit);
        if state.publishing.is_none()
            && intact.len() == unit.parts.len()
            && found.len() == unit.parts.len()
            && state.parts.len() == unit.parts.len()
            && (state.version > 0 || unit.parts.is_empty())
        {
            return Ok(Published { version: state.version, changed: false, objects, replaced: Vec::new() });
        }
        let mut replaced: Vec<String> = found
            .iter()
            .filter(|object| {
                object
                    .location
                    .filename()
                    .is_some_and(|name| names.iter().any(|wanted| wanted == name) && !intact.contains(name))
            })
            .map(|object| self.destination.relative(&object.location))
            .collect();
        self.begin(&place, &mut state, unit).await?;
        self.replace(&place, unit, &intact).await?;
        let (kept, deleted) = self.delete_others(&place, unit.parts.len()).await?;
        replaced.extend(deleted);
        let finished = self.finish(&place, &state, unit, &kept).await?;
        versions::prune(&self.destination, &place, finished.version, self.keep_versions).await?;
        Ok(Published { version: finished.version, changed: true, objects, replaced })
    }

    async fn columns(&self, table: &TableSpec) -> Result<Option<SchemaRef>> {
        columns::read(&self.destination, &table.name).await
    }

    async fn read_objects(&self, table: &TableSpec, filter: &[(String, String)]) -> Result<Vec<TableObject>> {
        let states: BTreeMap<PartitionValues, PartitionState> = self.whole(table, filter).await?.into_iter().collect();
        let folder = self.destination.location(&table.name);
        let mut objects = Vec::new();
        for meta in self.destination.list(&table.name).await? {
            let Some(rest) = meta.location.prefix_match(&folder) else { continue };
            let segments: Vec<String> = rest.map(|part| part.as_ref().to_owned()).collect();
            let Some((file, folders)) = segments.split_last() else { continue };
            let Some(partition) = parse_partition(table, folders) else { continue };
            // What no run published is not part of the table.
            let state = states.get(&partition);
            if matches(&partition, filter) && foreign::is_ours(state, file, true) {
                let part = state.and_then(|state| state.parts.iter().find(|part| part.name == *file));
                objects.push(TableObject { meta, rows: part.map(|part| part.rows), partition });
            }
        }
        Ok(objects)
    }

    async fn current_version(&self, table: &TableSpec, filter: &[(String, String)]) -> Result<Option<TableVersion>> {
        let mut states = self.whole(table, filter).await?;
        states.retain(|(_, state)| !state.parts.is_empty());
        let number = match states.as_slice() {
            [] => return Ok(None),
            [(_, state)] => Some(state.version),
            _ => None,
        };
        let mut texts = Vec::new();
        let mut partitions = Vec::new();
        for (partition, state) in &states {
            texts.push(display(partition));
            texts.extend(state.parts.iter().map(|part| part.sha256.clone()));
            partitions.push((partition.clone(), state.version));
        }
        Ok(Some(TableVersion { number, digest: digest::of_texts(texts.iter().map(String::as_str)), partitions }))
    }

    async fn versions(&self, table: &TableSpec, partition: &PartitionValues) -> Result<Vec<PartitionVersion>> {
        let place = Place::try_new(table, partition)?;
        versions::list(&self.destination, &place).await
    }

    async fn version_objects(
        &self,
        table: &TableSpec,
        partition: &PartitionValues,
        version: u64,
    ) -> Result<Vec<TableObject>> {
        let place = Place::try_new(table, partition)?;
        let current = state::read(&self.destination, &place).await?;
        let folder = match current {
            Some(state) if state.version == version && state.publishing.is_none() => place.folder,
            _ => versions::folder_of(&self.destination, &place, version).await?,
        };
        let objects = self.destination.list(&folder).await?;
        let parts = objects.into_iter().filter(|meta| meta.location.extension() == Some("parquet"));
        Ok(parts.map(|meta| TableObject { meta, partition: partition.clone(), rows: None }).collect())
    }

    async fn leftovers(&self, table: &TableSpec, retention: &Retention) -> Result<Vacuumed> {
        leftovers::find(&self.destination, table, retention).await
    }

    async fn strayed(&self, table: &TableSpec, listed: Listed<'_>, _last_version: Option<u64>) -> Result<Strayed> {
        foreign::find(&self.destination, table, listed).await
    }

    async fn ledger_entries_in_use(&self, table: &TableSpec) -> Result<BTreeSet<String>> {
        leftovers::ledger_entries(&self.destination, table).await
    }
}

/// The partition of the folders between a table and a file, or `None` if they are none.
pub(crate) fn parse_partition(table: &TableSpec, folders: &[String]) -> Option<PartitionValues> {
    if folders.len() != table.partition_by.len() {
        return None;
    }
    let mut partition = Vec::with_capacity(folders.len());
    for (column, folder) in table.partition_by.iter().zip(folders) {
        let value = folder.strip_prefix(column.as_str())?.strip_prefix('=')?;
        partition.push((column.clone(), value.to_owned()));
    }
    Some(partition)
}

/// A partition for people: `column=value, …`.
pub(crate) fn display(partition: &[(String, String)]) -> String {
    let pairs: Vec<String> = partition.iter().map(|(column, value)| format!("{column}={value}")).collect();
    pairs.join(", ")
}
