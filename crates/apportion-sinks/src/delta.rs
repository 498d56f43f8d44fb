//! Delta tables: one commit replaces one partition.
//!
//! The steps of a publication, each of which may be repeated:
//!
//! 1. upload the staged files into the partition's folder under names that carry their digest;
//!    a file that is there already is not uploaded again;
//! 2. one commit adds them and removes the partition's previous files.
//!
//! Readers see the old or the new partition, never both. A crash between the steps leaves files
//! no version refers to, which the next attempt uses or a full vacuum deletes. If the store loses
//! the acknowledgement of a commit, the table itself is asked what it holds, because a retried
//! commit looks like a conflict with oneself.

mod actions;
mod commit;
mod foreign;
mod history;
mod leftovers;
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::Remove;
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use futures::TryStreamExt;
use object_store::ObjectMeta;
use object_store::prefix::PrefixStore;
use tokio::sync::OnceCell;

use apportion_spec::{Error, ErrorKind, Result};

use crate::destination::Destination;
use crate::foreign::{Listed, Strayed};
use crate::sink::TableSink;
use crate::table::{
    Format, PartitionValues, PartitionVersion, PublishUnit, Published, TableObject, TableSpec, TableVersion, matches,
};
use crate::vacuum::{Retention, Vacuumed};
use crate::{digest, error, preflight};

/// Publishes Delta tables.
#[derive(Debug)]
pub struct DeltaSink {
    destination: Destination,
    conditional_put: OnceCell<()>,
}

impl DeltaSink {
    /// A sink for Delta tables below a destination.
    #[must_use]
    pub fn new(destination: Destination) -> Self {
        Self { destination, conditional_put: OnceCell::new() }
    }

    fn log_store(&self, table: &str) -> Result<LogStoreRef> {
        let url = self.destination.table_url(table)?;
        let root = Arc::clone(self.destination.store());
        let prefixed = PrefixStore::new(Arc::clone(&root), self.destination.location(table));
        Ok(default_logstore(Arc::new(prefixed), root, &url, &StorageConfig::default()))
    }

    /// The table at its latest version, or `None` if it does not exist.
    async fn load(&self, table: &str) -> Result<Option<DeltaTable>> {
        let log_store = self.log_store(table)?;
        let failed = |cause| error::delta(cause, "load the Delta table", table);
        if !log_store.is_delta_table_location().await.map_err(failed)? {
            return Ok(None);
        }
        let mut loaded = DeltaTable::new(log_store);
        loaded.load().await.map_err(failed)?;
        Ok(Some(loaded))
    }
}

/// A file the loaded version of a table consists of.
#[derive(Debug)]
struct ActiveFile {
    path: String,
    size: u64,
    modified: chrono::DateTime<chrono::Utc>,
    partition: PartitionValues,
    rows: Option<u64>,
    remove: Remove,
}

/// The files of the matching partitions, in path order.
async fn active_files(
    loaded: &DeltaTable,
    table: &TableSpec,
    filter: &[(String, String)],
) -> Result<BTreeMap<String, ActiveFile>> {
    let failed = |cause| error::delta(cause, "list the files of the Delta table", &table.name);
    let views: Vec<_> = loaded.get_active_add_actions_by_partitions(&[]).try_collect().await.map_err(failed)?;
    let mut files = BTreeMap::new();
    for view in views {
        let mut values = view.partition_values_map();
        let partition: PartitionValues = table
            .partition_by
            .iter()
            .map(|column| (column.clone(), values.remove(column).flatten().unwrap_or_default()))
            .collect();
        if !matches(&partition, filter) {
            continue;
        }
        let path = view.path().into_owned();
        let file = ActiveFile {
            size: u64::try_from(view.size()).unwrap_or_default(),
            modified: view.modification_datetime().map_err(failed)?,
            rows: view.num_records().and_then(|rows| u64::try_from(rows).ok()),
            remove: view.remove_action(true),
            path: path.clone(),
            partition,
        };
        files.insert(path, file);
    }
    Ok(files)
}

#[async_trait]
impl TableSink for DeltaSink {
    fn format(&self) -> Format {
        Format::Delta
    }

    fn destination(&self) -> &Destination {
        &self.destination
    }

    async fn prepare(&self, table: &TableSpec) -> Result<()> {
        self.conditional_put.get_or_try_init(|| preflight::require_conditional_put(&self.destination)).await?;
        match self.load(&table.name).await? {
            Some(_) => schema::evolve(self, table).await,
            None => {
                let objects = self.destination.list(&table.name).await?;
                if let Some(object) = objects.iter().find(|object| !object.location.as_ref().contains("_delta_log")) {
                    return Err(Error::new(ErrorKind::Config, "the table's folder holds objects but no Delta table")
                        .with("table", &table.name)
                        .with("object", &object.location));
                }
                schema::create(self, table).await?;
                schema::evolve(self, table).await
            }
        }
    }

    async fn publish(&self, unit: &PublishUnit) -> Result<Published> {
        commit::publish(self, unit).await
    }

    async fn columns(&self, table: &TableSpec) -> Result<Option<SchemaRef>> {
        let Some(loaded) = self.load(&table.name).await? else { return Ok(None) };
        schema::columns(&loaded, table).map(Some)
    }

    async fn read_objects(&self, table: &TableSpec, filter: &[(String, String)]) -> Result<Vec<TableObject>> {
        match self.load(&table.name).await? {
            Some(loaded) => Ok(self.objects(table, active_files(&loaded, table, filter).await?)),
            None => Ok(Vec::new()),
        }
    }

    async fn current_version(&self, table: &TableSpec, filter: &[(String, String)]) -> Result<Option<TableVersion>> {
        let Some(loaded) = self.load(&table.name).await? else { return Ok(None) };
        // File names carry partition and digest, so names identify content.
        let files = active_files(&loaded, table, filter).await?;
        if files.is_empty() {
            return Ok(None);
        }
        let digest = digest::of_texts(files.keys().map(String::as_str));
        let mut partitions: Vec<(PartitionValues, u64)> =
            files.into_values().map(|file| (file.partition, loaded.version().unwrap_or_default())).collect();
        partitions.dedup();
        Ok(Some(TableVersion { number: loaded.version(), digest, partitions }))
    }

    async fn versions(&self, table: &TableSpec, partition: &PartitionValues) -> Result<Vec<PartitionVersion>> {
        match self.load(&table.name).await? {
            Some(loaded) => history::versions(&loaded, table, partition).await,
            None => Ok(Vec::new()),
        }
    }

    async fn version_objects(
        &self,
        table: &TableSpec,
        partition: &PartitionValues,
        version: u64,
    ) -> Result<Vec<TableObject>> {
        let not_kept = || {
            Error::new(ErrorKind::NotFound, "this version of the table is not kept")
                .with("table", &table.name)
                .with("version", version)
        };
        let latest = self.load(&table.name).await?;
        if latest.is_none_or(|latest| latest.version().unwrap_or_default() < version) {
            return Err(not_kept());
        }
        let mut loaded = DeltaTable::new(self.log_store(&table.name)?);
        if let Err(cause) = loaded.load_version(version).await {
            let failed = error::delta(cause, "load a version of the Delta table", &table.name);
            // Only a log that is gone says that the version is; a store that refuses or is busy does not.
            return Err(if failed.kind() == ErrorKind::NotFound { not_kept().with_source(failed) } else { failed });
        }
        Ok(self.objects(table, active_files(&loaded, table, partition).await?))
    }

    async fn leftovers(&self, table: &TableSpec, retention: &Retention) -> Result<Vacuumed> {
        leftovers::find(self, table, retention).await
    }

    async fn strayed(&self, table: &TableSpec, listed: Listed<'_>, last_version: Option<u64>) -> Result<Strayed> {
        foreign::find(self, table, listed, last_version).await
    }

    async fn ledger_entries_in_use(&self, table: &TableSpec) -> Result<BTreeSet<String>> {
        match self.load(&table.name).await? {
            Some(loaded) => history::ledger_entries(&loaded, table).await,
            None => Ok(BTreeSet::new()),
        }
    }
}

impl DeltaSink {
    fn objects(&self, table: &TableSpec, files: BTreeMap<String, ActiveFile>) -> Vec<TableObject> {
        let object = |file: ActiveFile| TableObject {
            meta: ObjectMeta {
                location: self.destination.location(&format!("{}/{}", table.name, file.path)),
                last_modified: file.modified,
                size: file.size,
                e_tag: None,
                version: None,
            },
            partition: file.partition,
            rows: file.rows,
        };
        files.into_values().map(object).collect()
    }
}

fn paths(files: &BTreeMap<String, ActiveFile>) -> BTreeSet<String> {
    files.keys().cloned().collect()
}
