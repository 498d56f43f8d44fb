//! The one interface of all table formats.

use std::collections::BTreeSet;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use apportion_spec::Result;

use crate::destination::Destination;
use crate::foreign::{Listed, Strayed};
use crate::table::{
    Format, PartitionValues, PartitionVersion, PublishUnit, Published, TableObject, TableSpec, TableVersion,
};
use crate::vacuum::{Retention, Vacuumed};
use crate::{DeltaSink, ParquetSink};

/// Publishes staged partitions and finds what is published.
///
/// Every method may be repeated: publishing what is already there changes nothing, and
/// publishing after a crash finishes what the crash left half done.
#[async_trait]
pub trait TableSink: std::fmt::Debug + Send + Sync {
    /// The format.
    fn format(&self) -> Format;

    /// Where it publishes.
    fn destination(&self) -> &Destination;

    /// Makes sure the table can be published to: creates it, adopts new columns, and checks once
    /// that the store keeps the promises the format needs.
    ///
    /// # Errors
    ///
    /// `Config` if the store cannot hold this format; `ContractViolated` if the existing table
    /// has columns that the new one does not have in the same form.
    async fn prepare(&self, table: &TableSpec) -> Result<()>;

    /// Replaces one partition by the staged parts. [`Self::prepare`] must have been called.
    ///
    /// # Errors
    ///
    /// `Conflict` if somebody else published the same partition in between; what the store
    /// reports otherwise. After an error the call may be repeated.
    async fn publish(&self, unit: &PublishUnit) -> Result<Published>;

    /// The columns of the table with the partition columns among them, whatever pipeline it was last
    /// published by, or `None` if nothing says them. No data object is opened.
    ///
    /// # Errors
    ///
    /// Store errors.
    async fn columns(&self, table: &TableSpec) -> Result<Option<SchemaRef>>;

    /// The data objects of the current version, in partition and part order. `filter` may name
    /// some partition columns; a table that does not exist has no objects.
    ///
    /// # Errors
    ///
    /// `Conflict` if a matching partition is half published.
    async fn read_objects(&self, table: &TableSpec, filter: &[(String, String)]) -> Result<Vec<TableObject>>;

    /// Identity of the current content of the matching partitions, or `None` if no object matches.
    ///
    /// # Errors
    ///
    /// `Conflict` if a matching partition is half published.
    async fn current_version(&self, table: &TableSpec, filter: &[(String, String)]) -> Result<Option<TableVersion>>;

    /// The versions of a partition that can still be read, newest first.
    async fn versions(&self, table: &TableSpec, partition: &PartitionValues) -> Result<Vec<PartitionVersion>>;

    /// The data objects a partition had in a version from [`Self::versions`].
    ///
    /// # Errors
    ///
    /// `NotFound` if the version is unknown or no longer kept.
    async fn version_objects(
        &self,
        table: &TableSpec,
        partition: &PartitionValues,
        version: u64,
    ) -> Result<Vec<TableObject>>;

    /// Every object of the table that `retention` does not keep; nothing is deleted here, see
    /// [`crate::vacuum()`].
    ///
    /// # Errors
    ///
    /// `Config` if the retention is too short for the format, or if nothing says what the objects
    /// in the table's folder are.
    async fn leftovers(&self, table: &TableSpec, retention: &Retention) -> Result<Vacuumed>;

    /// What lies in the table's folder and was not published by us, and what was and is no longer part of the table.
    /// `last_version` is the table's version after the last publication that is remembered, where the format has one.
    ///
    /// # Errors
    ///
    /// Store errors.
    async fn strayed(&self, table: &TableSpec, listed: Listed<'_>, last_version: Option<u64>) -> Result<Strayed>;

    /// The ledger documents, relative to the destination, that versions of the table name as
    /// their origin.
    async fn ledger_entries_in_use(&self, table: &TableSpec) -> Result<BTreeSet<String>>;
}

/// Opens a destination in a format.
#[must_use]
pub fn open_sink(format: Format, destination: Destination, keep_versions: usize) -> Box<dyn TableSink> {
    match format {
        Format::Parquet => Box::new(ParquetSink::new(destination, keep_versions)),
        Format::Delta => Box::new(DeltaSink::new(destination)),
    }
}
