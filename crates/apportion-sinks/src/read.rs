//! Staged and published tables as tables a query can read.
//!
//! The list of files is fixed when the table is opened: a query sees one version, whatever is
//! published meanwhile. The columns are the table's, in the table's order, whether the format
//! keeps the partition columns in the files or not; columns added after a file was written read
//! as null.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result as QueryResult, ScalarValue};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use apportion_spec::Result;

use crate::sink::TableSink;
use crate::table::{ColumnLayout, PartitionValues, TableObject, TableSpec};
use crate::writer::StagedTable;
use crate::{digest, error};

/// Opens the current version of the matching partitions of a published table.
///
/// # Errors
///
/// `Conflict` if a matching partition is half published; store errors.
pub async fn published_table(
    sink: &dyn TableSink,
    table: &TableSpec,
    filter: &[(String, String)],
) -> Result<Arc<dyn TableProvider>> {
    let objects = sink.read_objects(table, filter).await?;
    objects_table(sink, table, objects)
}

/// Opens objects a sink listed, for example those of a superseded version.
///
/// # Errors
///
/// `Internal` if the table's description contradicts itself.
pub fn objects_table(
    sink: &dyn TableSink,
    table: &TableSpec,
    objects: Vec<TableObject>,
) -> Result<Arc<dyn TableProvider>> {
    let store = Arc::clone(sink.destination().store());
    let url = store_url(sink.destination().root_url().as_str())?;
    Ok(Arc::new(ObjectsTable::try_new(store, url, table, sink.layout(), objects)?))
}

/// Opens a staged partition, as it will read when it is published.
///
/// # Errors
///
/// `Internal` if the table's description contradicts itself.
pub fn staged_table(
    staged: &StagedTable,
    table: &TableSpec,
    partition: &PartitionValues,
    layout: ColumnLayout,
) -> Result<Arc<dyn TableProvider>> {
    let mut objects = Vec::with_capacity(staged.parts.len());
    for part in &staged.parts {
        let absolute =
            std::path::absolute(&part.path).map_err(|cause| error::file(cause, "find a staged file", &part.path))?;
        let location = Path::from_absolute_path(&absolute)
            .map_err(|cause| error::internal("a staged file has no valid path").with_source(cause))?;
        let meta = ObjectMeta {
            location,
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: part.bytes,
            e_tag: None,
            version: None,
        };
        objects.push(TableObject { meta, partition: partition.clone() });
    }
    let store = Arc::new(LocalFileSystem::new());
    Ok(Arc::new(ObjectsTable::try_new(store, store_url("staging")?, table, layout, objects)?))
}

/// A name for a store in the query engine's registry.
fn store_url(root: &str) -> Result<ObjectStoreUrl> {
    let name: String = digest::of_texts([root]).chars().take(16).collect();
    ObjectStoreUrl::parse(format!("apportion://{name}")).map_err(error::query)
}

#[derive(Debug)]
struct ObjectsTable {
    store: Arc<dyn ObjectStore>,
    url: ObjectStoreUrl,
    /// The table's columns in its order.
    schema: SchemaRef,
    /// File columns, then partition columns.
    scan_schema: TableSchema,
    files: Vec<PartitionedFile>,
}

impl ObjectsTable {
    fn try_new(
        store: Arc<dyn ObjectStore>,
        url: ObjectStoreUrl,
        table: &TableSpec,
        layout: ColumnLayout,
        objects: Vec<TableObject>,
    ) -> Result<Self> {
        let schema = table.file_schema(ColumnLayout::AllColumns)?;
        let mut folders: Vec<FieldRef> = Vec::new();
        if layout == ColumnLayout::WithoutPartitionColumns {
            for column in &table.partition_by {
                let found = schema.fields().find(column).map(|(_, field)| Arc::clone(field));
                folders.push(found.ok_or_else(|| error::internal("a partition column is missing"))?);
            }
        }
        let in_folders = !folders.is_empty();
        let scan_schema = TableSchema::builder(table.file_schema(layout)?).with_table_partition_cols(folders).build();
        let files = objects
            .into_iter()
            .map(|object| {
                let file = PartitionedFile::new_from_meta(object.meta);
                if !in_folders {
                    return file;
                }
                let values = object.partition.into_iter().map(|(_, value)| ScalarValue::Utf8(Some(value)));
                file.with_partition_values(values.collect())
            })
            .collect();
        Ok(Self { store, url, schema, scan_schema, files })
    }

    /// Indices into file-then-partition columns for a projection of the table's columns.
    fn scan_indices(&self, projection: Option<&Vec<usize>>) -> QueryResult<Vec<usize>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        projection
            .unwrap_or(&all)
            .iter()
            .map(|index| Ok(self.scan_schema.table_schema().index_of(self.schema.field(*index).name())?))
            .collect()
    }
}

#[async_trait]
impl TableProvider for ObjectsTable {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> QueryResult<Arc<dyn ExecutionPlan>> {
        let indices = self.scan_indices(projection)?;
        if self.files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        state.runtime_env().register_object_store(self.url.as_ref(), Arc::clone(&self.store));
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let source = ParquetSource::new(self.scan_schema.clone()).with_table_parquet_options(options);
        let groups = FileGroup::new(self.files.clone()).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(self.url.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(Some(indices))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
