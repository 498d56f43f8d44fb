//! Writes a sorted stream of rows as Parquet files into a local staging folder.
//!
//! The bytes depend on the rows only: whatever batch sizes the query produced, rows are cut again
//! into fixed batches, row groups and files, and nothing that varies between runs (clock, run id,
//! map order of metadata) is written. Columns are encoded on worker threads while the query
//! continues; memory holds at most two encoded row groups and a few batches.
//!
//! The stream must already be in the table's total order; this is checked while writing, because
//! a lost sort would silently cost byte identity.

mod conform;
mod encode;
mod order;
mod statistics;

use std::path::{Path, PathBuf};

use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use apportion_spec::{Error, ErrorKind, Result};

use crate::table::TableSpec;
use crate::{digest, error};

pub use statistics::{ColumnStatistics, StatisticsValue};

use conform::Conform;
use encode::PartsEncoder;
use order::OrderCheck;

/// Sizes of what is written. Changing any of them changes the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterOptions {
    /// Rows per batch handed to the encoder.
    pub batch_rows: usize,
    /// Rows per row group; a multiple of `batch_rows`.
    pub row_group_rows: usize,
    /// Rows per file; a multiple of `row_group_rows`.
    pub file_rows: usize,
    /// Zstandard level. Level 3 costs a fifth more time and saves nothing on cost data.
    pub compression_level: i32,
    /// Threads that encode columns. Does not change the bytes.
    pub encoders: usize,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            batch_rows: 8_192,
            row_group_rows: 131_072,
            file_rows: 2_097_152,
            compression_level: 1,
            encoders: std::thread::available_parallelism().map_or(2, |threads| threads.get().clamp(1, 8)),
        }
    }
}

impl WriterOptions {
    fn validate(&self) -> Result<()> {
        let multiple = |whole: usize, part: usize| part > 0 && whole > 0 && whole.is_multiple_of(part);
        if multiple(self.row_group_rows, self.batch_rows)
            && multiple(self.file_rows, self.row_group_rows)
            && self.encoders > 0
        {
            return Ok(());
        }
        Err(error::internal("rows per file, row group and batch must be multiples of each other"))
    }
}

/// A finished file in the staging folder.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedPart {
    /// The file.
    pub path: PathBuf,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// Bounds and null counts per top-level column, in column order.
    pub statistics: Vec<ColumnStatistics>,
}

/// Everything one stream was written to.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedTable {
    /// The files in order; none if the stream had no rows.
    pub parts: Vec<StagedPart>,
    /// Rows in all of them.
    pub rows: u64,
    /// The columns in the files.
    pub schema: SchemaRef,
}

impl StagedTable {
    /// Digest over the content of all parts, the same on every machine.
    #[must_use]
    pub fn digest(&self) -> String {
        digest::of_texts(self.parts.iter().map(|part| part.sha256.as_str()))
    }
}

/// Writes `stream` into `directory` as `part-00000.parquet`, `part-00001.parquet`, …
///
/// Columns are taken by name and written in the table's order, without the partition columns: each
/// file says in its metadata which partition it belongs to. The directory is created; parts of an
/// earlier attempt in it are removed.
///
/// # Errors
///
/// `ContractViolated` if a column is missing, has another type, holds a null it must not, if a row
/// belongs to another partition, or if the rows are not in the table's order; the kind of the query's own error if the stream fails;
/// `ResourcesExhausted` if the disk is full.
pub async fn write_staged(
    stream: SendableRecordBatchStream,
    directory: &Path,
    table: &TableSpec,
    partition: &[(String, String)],
    options: &WriterOptions,
) -> Result<StagedTable> {
    let staged = stage(stream, directory, table, partition, options).await;
    staged.map_err(|error| match error.kind() {
        ErrorKind::ResourcesExhausted => error.with("folder", directory.display()),
        _ => error,
    })
}

async fn stage(
    mut stream: SendableRecordBatchStream,
    directory: &Path,
    table: &TableSpec,
    partition: &[(String, String)],
    options: &WriterOptions,
) -> Result<StagedTable> {
    options.validate()?;
    clear_directory(directory).await?;
    let conform = Conform::try_new(&stream.schema(), table, partition)?;
    let mut order = OrderCheck::try_new(table, conform.file_schema())?;
    let mut coalescer = BatchCoalescer::new(SchemaRef::clone(conform.file_schema()), options.batch_rows);
    let mut encoder = PartsEncoder::try_new(directory, table, partition, conform.file_schema(), options)?;
    while let Some(batch) = stream.next().await {
        let batch = conform.apply(&batch.map_err(error::query)?)?;
        order.check(&batch)?;
        coalescer.push_batch(batch).map_err(error::encode)?;
        while let Some(ready) = coalescer.next_completed_batch() {
            encoder.write(ready).await?;
        }
    }
    coalescer.finish_buffered_batch().map_err(error::encode)?;
    while let Some(ready) = coalescer.next_completed_batch() {
        encoder.write(ready).await?;
    }
    let parts = encoder.finish().await?;
    let rows = parts.iter().map(|part| part.rows).sum();
    Ok(StagedTable { parts, rows, schema: SchemaRef::clone(conform.file_schema()) })
}

/// Name of the file at `index`.
pub(crate) fn part_name(index: usize) -> String {
    format!("part-{index:05}.parquet")
}

async fn clear_directory(directory: &Path) -> Result<()> {
    let failed = |cause| error::file(cause, "prepare the staging folder", directory);
    tokio::fs::create_dir_all(directory).await.map_err(failed)?;
    let mut entries = tokio::fs::read_dir(directory).await.map_err(failed)?;
    while let Some(entry) = entries.next_entry().await.map_err(failed)? {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("part-") && name.ends_with(".parquet") {
            // Removed, not truncated: a published file may be a link to the same content.
            tokio::fs::remove_file(entry.path()).await.map_err(failed)?;
        }
    }
    Ok(())
}

pub(crate) fn contract(message: &str, table: &str) -> Error {
    Error::new(ErrorKind::ContractViolated, message).with("table", table)
}
