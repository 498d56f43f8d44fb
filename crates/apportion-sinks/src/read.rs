//! Staged and published tables as tables a query can read.
//!
//! The columns are the table's, in the table's order. The partition columns come from where an
//! object lies, never from what is in it: files of earlier versions have them too, newer ones do
//! not, and a table may hold both. Columns added after a file was written read as null.

mod partitions;
mod stored;

use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result as QueryResult, ScalarValue, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use apportion_spec::Result;

pub use self::stored::StoredTable;
use crate::sink::TableSink;
use crate::table::{PartitionValues, TableObject, TableSpec};
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

/// Opens objects a sink listed, for example those of a superseded version. The list is fixed: a
/// query sees one version, whatever is published meanwhile.
///
/// # Errors
///
/// `Internal` if the table's description contradicts itself.
pub fn objects_table(
    sink: &dyn TableSink,
    table: &TableSpec,
    objects: Vec<TableObject>,
) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(ObjectsTable { shape: Shape::of_sink(sink, table)?, objects }))
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
        objects.push(TableObject { meta, partition: partition.clone(), rows: Some(part.rows) });
    }
    let store = Arc::new(LocalFileSystem::new());
    Ok(Arc::new(ObjectsTable { shape: Shape::try_new(store, store_url("staging")?, table)?, objects }))
}

/// A name for a store in the query engine's registry.
fn store_url(root: &str) -> Result<ObjectStoreUrl> {
    let name: String = digest::of_texts([root]).chars().take(16).collect();
    ObjectStoreUrl::parse(format!("apportion://{name}")).map_err(error::query)
}

/// How objects of a table are read.
#[derive(Debug)]
struct Shape {
    store: Arc<dyn ObjectStore>,
    url: ObjectStoreUrl,
    /// The table's columns in its order.
    schema: SchemaRef,
    /// The partition columns among them.
    partition_by: Vec<FieldRef>,
    /// File columns, then partition columns.
    scan_schema: TableSchema,
}

impl Shape {
    fn of_sink(sink: &dyn TableSink, table: &TableSpec) -> Result<Self> {
        let store = Arc::clone(sink.destination().store());
        let url = store_url(sink.destination().root_url().as_str())?;
        Self::try_new(store, url, table)
    }

    fn try_new(store: Arc<dyn ObjectStore>, url: ObjectStoreUrl, table: &TableSpec) -> Result<Self> {
        let schema = table.table_schema()?;
        let partition_by: Vec<FieldRef> = table
            .partition_by
            .iter()
            .filter_map(|column| schema.fields().find(column).map(|(_, field)| Arc::clone(field)))
            .collect();
        let scan_schema =
            TableSchema::builder(table.file_schema()?).with_table_partition_cols(partition_by.clone()).build();
        Ok(Self { store, url, schema, partition_by, scan_schema })
    }

    /// Whether a filter is decided by where objects lie, so that no row needs to be asked.
    fn pushdown(&self, filters: &[&Expr]) -> Vec<TableProviderFilterPushDown> {
        let decided = |filter: &&Expr| match partitions::decide(&self.partition_by, filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        filters.iter().map(decided).collect()
    }

    /// A plan that reads the objects. With `estimate` it tells how many rows they were published with.
    fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        objects: Vec<TableObject>,
        limit: Option<usize>,
        estimate: bool,
    ) -> QueryResult<Arc<dyn ExecutionPlan>> {
        if objects.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => SchemaRef::clone(&self.schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        state.runtime_env().register_object_store(self.url.as_ref(), Arc::clone(&self.store));
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let source = ParquetSource::new(self.scan_schema.clone()).with_table_parquet_options(options);
        let mut statistics = Statistics::new_unknown(self.scan_schema.table_schema());
        if let Some(rows) = objects.iter().map(|object| object.rows).sum::<Option<u64>>().filter(|_| estimate) {
            // Never exact: how many rows there are is answered by the objects, not by what was noted.
            statistics.num_rows = Precision::Inexact(usize::try_from(rows).unwrap_or(usize::MAX));
        }
        let files = objects.into_iter().map(|object| self.file(object)).collect::<QueryResult<Vec<_>>>()?;
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(self.url.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(Some(self.scan_indices(projection)?))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn file(&self, object: TableObject) -> QueryResult<PartitionedFile> {
        let values = self.partition_by.iter().map(|field| {
            let value = object.partition.iter().find(|(column, _)| column == field.name()).map(|(_, it)| it.as_str());
            ScalarValue::from(value).cast_to(field.data_type())
        });
        let values = values.collect::<QueryResult<Vec<_>>>()?;
        Ok(PartitionedFile::new_from_meta(object.meta).with_partition_values(values))
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

/// A fixed list of objects.
#[derive(Debug)]
struct ObjectsTable {
    shape: Shape,
    objects: Vec<TableObject>,
}

#[async_trait]
impl TableProvider for ObjectsTable {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.shape.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> QueryResult<Vec<TableProviderFilterPushDown>> {
        Ok(self.shape.pushdown(filters))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> QueryResult<Arc<dyn ExecutionPlan>> {
        let objects = partitions::matching(state, &self.shape.partition_by, filters, self.objects.clone())?;
        // The sides of the joins of our own models are decided in their SQL.
        self.shape.scan(state, projection, objects, limit, false)
    }
}
