//! Writes tables: from a sorted stream of rows to what a BI tool reads.
//!
//! Publishing has two halves with checks in between. [`write_staged`] writes a stream as
//! deterministic Parquet files into a local folder; [`staged_table`] lets checks query them. Then
//! [`TableSink::publish`] replaces one partition of a table by them, as plain Parquet
//! ([`ParquetSink`]) or as one commit of a Delta table ([`DeltaSink`]).
//!
//! Why not the writers of DataFusion or Delta: they choose file names, sizes and row order by
//! themselves, so neither byte identity nor a fixed set of objects per partition can be promised.
//!
//! Everything that is not table data (state of partitions, superseded versions, run ledger) lives
//! under [`INTERNAL_FOLDER`], outside every table's folder.

mod amount;
mod certificate;
mod columns;
mod configuration;
mod delta;
mod destination;
mod digest;
mod documents;
mod error;
mod extent;
mod foreign;
pub mod ledger;
mod lock;
mod owner;
mod parquet;
mod preflight;
mod read;
mod sink;
mod table;
pub mod units;
mod vacuum;
mod writer;

pub use self::certificate::{
    AllocationStatement, Certificate, CertifiedObject, CertifiedPartition, MissingSource, SourceStatement, StageTotal,
    certified_periods, hash_object, read_certificate, stored_periods, withdraw_certificate, write_certificate,
};
pub use self::configuration::{Configuration, keep_configuration, read_configuration, rewrite_configuration};
pub use self::delta::DeltaSink;
pub use self::destination::{Destination, INTERNAL_FOLDER};
pub use self::documents::{Documents, KnownDocument, damaged_runs, set_aside};
pub use self::extent::Extent;
pub use self::foreign::{ForeignObject, Listed, Strayed};
pub use self::ledger::{LedgerTable, RunEntry, RunLedger, newest_run, read_ledger, read_run, read_runs};
pub use self::lock::{DestinationLock, LockOwner, LockTiming};
pub use self::owner::{DestinationOwner, sources_listed};
pub use self::parquet::ParquetSink;
pub use self::preflight::require_conditional_put;
pub use self::read::{StoredTable, objects_table, published_table, staged_table};
pub use self::sink::{TableSink, open_sink};
pub use self::table::{
    DESCRIPTION_KEY, Format, PartitionReference, PartitionValues, PartitionVersion, Provenance, PublishUnit, Published,
    TableObject, TableSpec, TableVersion,
};
pub use self::vacuum::{Leftover, LeftoverKind, Retention, Vacuumed, vacuum};
pub use self::writer::{ColumnStatistics, StagedPart, StagedTable, StatisticsValue, WriterOptions, write_staged};
