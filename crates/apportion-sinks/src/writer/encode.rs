//! Encodes batches into Parquet files, columns in parallel.
//!
//! Each worker owns some columns of the current row group and gets every batch; the finished
//! column chunks are appended in column order, so the number of workers does not show in the
//! bytes. While a row group is appended to its file, the next one is already being encoded.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, SchemaDescPtr, TypePtr};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use apportion_spec::Result;

use super::order::sort_columns;
use super::{StagedPart, WriterOptions, part_name, statistics};
use crate::digest::HashingWriter;
use crate::error;
use crate::table::TableSpec;

/// Batches a worker may lag behind.
const QUEUED_BATCHES: usize = 4;
/// Bytes of a text kept in bounds.
const BOUND_BYTES: usize = 64;
/// Metadata of a file: the table it belongs to.
const TABLE_KEY: &str = "apportion.table";
/// Metadata of a file: the partition it belongs to, as its folders are named.
const PARTITION_KEY: &str = "apportion.partition";

type FileWriter = SerializedFileWriter<HashingWriter<File>>;

#[derive(Debug)]
pub(super) struct PartsEncoder {
    directory: PathBuf,
    schema: SchemaRef,
    root: TypePtr,
    properties: WriterPropertiesPtr,
    options: WriterOptions,
    rows_in_file: usize,
    row_group: Option<RowGroup>,
    file: Option<OpenFile>,
    appending: JoinSet<Result<OpenFile>>,
    parts: Vec<StagedPart>,
}

struct OpenFile {
    writer: FileWriter,
    path: PathBuf,
}

impl std::fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct RowGroup {
    queues: Vec<mpsc::Sender<RecordBatch>>,
    workers: JoinSet<Result<Vec<(usize, ArrowColumnChunk)>>>,
    rows: usize,
}

impl PartsEncoder {
    pub(super) fn try_new(
        directory: &Path,
        table: &TableSpec,
        partition: &[(String, String)],
        schema: &SchemaRef,
        options: &WriterOptions,
    ) -> Result<Self> {
        let parquet = ArrowSchemaConverter::new().convert(schema).map_err(error::encode)?;
        let properties = Arc::new(properties(table, partition, schema, options)?);
        Ok(Self {
            directory: directory.to_path_buf(),
            schema: SchemaRef::clone(schema),
            root: parquet.root_schema_ptr(),
            properties,
            options: *options,
            rows_in_file: 0,
            row_group: None,
            file: None,
            appending: JoinSet::new(),
            parts: Vec::new(),
        })
    }

    /// Takes one batch of exactly `batch_rows` rows, fewer only at the end of the stream.
    pub(super) async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let mut row_group = match self.row_group.take() {
            Some(row_group) => row_group,
            None => self.start_row_group()?,
        };
        for queue in &row_group.queues {
            if queue.send(batch.clone()).await.is_err() {
                // The worker ended early; its error is the one worth reporting.
                row_group.queues.clear();
                finish_workers(row_group.workers).await?;
                return Err(error::internal("an encoder ended early"));
            }
        }
        row_group.rows += rows;
        self.rows_in_file += rows;
        let complete = row_group.rows >= self.options.row_group_rows;
        self.row_group = Some(row_group);
        if complete {
            self.finish_row_group().await?;
        }
        if self.rows_in_file >= self.options.file_rows {
            self.finish_file().await?;
        }
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<Vec<StagedPart>> {
        self.finish_row_group().await?;
        self.finish_file().await?;
        Ok(self.parts)
    }

    fn start_row_group(&mut self) -> Result<RowGroup> {
        if self.file.is_none() && self.appending.is_empty() {
            self.file = Some(self.open_file()?);
        }
        let descriptor: SchemaDescPtr = Arc::new(parquet::schema::types::SchemaDescriptor::new(Arc::clone(&self.root)));
        // The factory only needs the schema and properties of the file, which all files share.
        let shape = SerializedFileWriter::new(std::io::sink(), Arc::clone(&self.root), Arc::clone(&self.properties))
            .map_err(error::encode)?;
        let writers = ArrowRowGroupWriterFactory::new(&shape, SchemaRef::clone(&self.schema))
            .create_column_writers(0)
            .map_err(error::encode)?;
        let mut shares: Vec<Vec<Column>> = (0..self.options.encoders).map(|_| Vec::new()).collect();
        for column in group_by_field(writers, &descriptor, self.schema.fields().len()) {
            let share = column.field % self.options.encoders;
            if let Some(share) = shares.get_mut(share) {
                share.push(column);
            }
        }
        let mut row_group = RowGroup { queues: Vec::new(), workers: JoinSet::new(), rows: 0 };
        for share in shares.into_iter().filter(|share| !share.is_empty()) {
            let (queue, batches) = mpsc::channel(QUEUED_BATCHES);
            let schema = SchemaRef::clone(&self.schema);
            row_group.queues.push(queue);
            row_group.workers.spawn_blocking(move || encode(share, &schema, batches));
        }
        Ok(row_group)
    }

    fn open_file(&self) -> Result<OpenFile> {
        let path = self.directory.join(part_name(self.parts.len()));
        let file = File::create_new(&path).map_err(|cause| error::file(cause, "stage a file", &path))?;
        let writer =
            SerializedFileWriter::new(HashingWriter::new(file), Arc::clone(&self.root), Arc::clone(&self.properties))
                .map_err(error::encode)?;
        Ok(OpenFile { writer, path })
    }

    async fn finish_row_group(&mut self) -> Result<()> {
        let Some(row_group) = self.row_group.take() else { return Ok(()) };
        let mut file = self.settled_file().await?;
        let RowGroup { queues, workers, .. } = row_group;
        drop(queues);
        self.appending.spawn(async move {
            let chunks = finish_workers(workers).await?;
            tokio::task::spawn_blocking(move || {
                append(&mut file, chunks)?;
                Ok(file)
            })
            .await
            .map_err(|cause| error::internal("an encoder ended early").with_source(cause))?
        });
        Ok(())
    }

    async fn finish_file(&mut self) -> Result<()> {
        if self.file.is_none() && self.appending.is_empty() {
            return Ok(());
        }
        let file = self.settled_file().await?;
        let schema = SchemaRef::clone(&self.schema);
        let part = tokio::task::spawn_blocking(move || close(file, &schema))
            .await
            .map_err(|cause| error::internal("an encoder ended early").with_source(cause))??;
        self.parts.push(part);
        self.rows_in_file = 0;
        Ok(())
    }

    /// The current file, once the row group before is appended.
    async fn settled_file(&mut self) -> Result<OpenFile> {
        if let Some(appended) = self.appending.join_next().await {
            return appended.map_err(|cause| error::internal("an encoder ended early").with_source(cause))?;
        }
        self.file.take().ok_or_else(|| error::internal("no file is open"))
    }
}

fn properties(
    table: &TableSpec,
    partition: &[(String, String)],
    schema: &SchemaRef,
    options: &WriterOptions,
) -> Result<WriterProperties> {
    // A single file says what it is, whatever folder it lies in.
    let mut about = vec![KeyValue::new(TABLE_KEY.to_owned(), table.name.clone())];
    if !table.partition_by.is_empty() {
        about.push(KeyValue::new(PARTITION_KEY.to_owned(), table.partition_path(partition)?));
    }
    let level = ZstdLevel::try_new(options.compression_level).map_err(error::encode)?;
    let sorting = sort_columns(table, schema)
        .into_iter()
        .filter_map(|index| leaf_index(schema, index))
        .map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: false })
        .collect();
    let mut builder = WriterProperties::builder();
    if let Some(key) = table.sort_by.last() {
        // The order ends in a unique key: its dictionary would be as large as the column.
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(key.as_str()), false);
    }
    Ok(builder
        .set_created_by(concat!("apportion version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(about))
        .set_compression(Compression::ZSTD(level))
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_statistics_truncate_length(Some(BOUND_BYTES))
        .set_column_index_truncate_length(Some(BOUND_BYTES))
        .set_bloom_filter_enabled(false)
        .set_sorting_columns(Some(sorting))
        .build())
}

/// Parquet numbers leaves, not top-level columns; only a plain column can be a sort column.
fn leaf_index(schema: &SchemaRef, field: usize) -> Option<i32> {
    let before: usize = schema.fields().iter().take(field).map(|field| leaves(field.data_type())).sum();
    i32::try_from(before).ok()
}

fn leaves(data_type: &arrow::datatypes::DataType) -> usize {
    use arrow::datatypes::DataType as T;
    match data_type {
        T::Struct(fields) => fields.iter().map(|field| leaves(field.data_type())).sum(),
        T::List(field) | T::LargeList(field) | T::FixedSizeList(field, _) | T::Map(field, _) => {
            leaves(field.data_type())
        }
        _ => 1,
    }
}

/// The leaf writers of one top-level column.
struct Column {
    field: usize,
    first_leaf: usize,
    writers: Vec<ArrowColumnWriter>,
}

fn group_by_field(writers: Vec<ArrowColumnWriter>, descriptor: &SchemaDescPtr, fields: usize) -> Vec<Column> {
    let mut columns: Vec<Column> =
        (0..fields).map(|field| Column { field, first_leaf: 0, writers: Vec::new() }).collect();
    for (leaf, writer) in writers.into_iter().enumerate() {
        if let Some(column) = columns.get_mut(descriptor.get_column_root_idx(leaf)) {
            if column.writers.is_empty() {
                column.first_leaf = leaf;
            }
            column.writers.push(writer);
        }
    }
    columns
}

fn encode(
    mut columns: Vec<Column>,
    schema: &SchemaRef,
    mut batches: mpsc::Receiver<RecordBatch>,
) -> Result<Vec<(usize, ArrowColumnChunk)>> {
    while let Some(batch) = batches.blocking_recv() {
        for column in &mut columns {
            let leaves =
                compute_leaves(schema.field(column.field), batch.column(column.field)).map_err(error::encode)?;
            for (writer, leaf) in column.writers.iter_mut().zip(&leaves) {
                writer.write(leaf).map_err(error::encode)?;
            }
        }
    }
    let mut chunks = Vec::new();
    for column in columns {
        for (offset, writer) in column.writers.into_iter().enumerate() {
            chunks.push((column.first_leaf + offset, writer.close().map_err(error::encode)?));
        }
    }
    Ok(chunks)
}

async fn finish_workers(
    mut workers: JoinSet<Result<Vec<(usize, ArrowColumnChunk)>>>,
) -> Result<Vec<(usize, ArrowColumnChunk)>> {
    let mut chunks = Vec::new();
    while let Some(worker) = workers.join_next().await {
        let encoded = worker.map_err(|cause| error::internal("an encoder ended early").with_source(cause))??;
        chunks.extend(encoded);
    }
    chunks.sort_by_key(|(leaf, _)| *leaf);
    Ok(chunks)
}

fn append(file: &mut OpenFile, chunks: Vec<(usize, ArrowColumnChunk)>) -> Result<()> {
    let mut row_group = file.writer.next_row_group().map_err(error::encode)?;
    for (_, chunk) in chunks {
        chunk.append_to_row_group(&mut row_group).map_err(error::encode)?;
    }
    row_group.close().map_err(error::encode)?;
    Ok(())
}

fn close(mut file: OpenFile, schema: &SchemaRef) -> Result<StagedPart> {
    // Not `into_inner`: that would write the footer a second time.
    let metadata: ParquetMetaData = file.writer.finish().map_err(error::encode)?;
    let (bytes, sha256) = file.writer.inner().result();
    Ok(StagedPart {
        path: file.path,
        rows: u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default(),
        bytes,
        sha256,
        statistics: statistics::collect(&metadata, schema),
    })
}
