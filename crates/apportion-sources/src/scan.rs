//! Parquet objects as one DataFusion table, read exactly in the versions discovered.
//!
//! A listing table would list again and could see other objects; this one is given its objects.
//! Columns an object lacks are NULL and types are cast per object by the engine's own adapter,
//! after [`crate::conform`] and [`crate::telemetry`] have checked that each cast is wanted.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Result as DataFusionResult;
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::projection::ProjectionExec;
use object_store::ObjectMeta;
use object_store::path::Path;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::ParquetMetaData;

use crate::objects::{Footer, PinnedReader};
use crate::store::Location;

/// Footers are kept in memory up to this much in all; beyond it they are read again.
const KEPT_FOOTERS: usize = 128 << 20;

/// A fixed set of Parquet objects under one schema.
#[derive(Debug)]
pub(crate) struct ObjectTable {
    location: Location,
    /// Columns as the objects have them.
    schema: SchemaRef,
    /// The same columns under the names queries see.
    exposed: SchemaRef,
    objects: Vec<ObjectMeta>,
    reader: Arc<PinnedReaderFactory>,
}

/// The name under which [`ObjectTable::apart`] shows a column.
pub(crate) fn name_apart(name: &str) -> String {
    format!("delivered {name}")
}

impl ObjectTable {
    pub(crate) fn new(location: &Location, schema: SchemaRef, footers: &[Footer]) -> Self {
        let size: usize = footers.iter().map(|footer| footer.metadata.memory_size()).sum();
        let kept = if size > KEPT_FOOTERS { &[] } else { footers };
        let reader = PinnedReaderFactory {
            location: location.clone(),
            footers: kept.iter().map(|footer| (footer.meta.location.clone(), Arc::clone(&footer.metadata))).collect(),
        };
        Self {
            location: location.clone(),
            exposed: Arc::clone(&schema),
            schema,
            objects: footers.iter().map(|footer| footer.meta.clone()).collect(),
            reader: Arc::new(reader),
        }
    }

    /// Shows every column under a name that no model uses. A native export has the very columns that
    /// are computed from it, and the optimizer cannot carry both under one name.
    pub(crate) fn apart(mut self) -> Self {
        let fields =
            self.schema.fields().iter().map(|field| field.as_ref().clone().with_name(name_apart(field.name())));
        self.exposed = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        self
    }

    /// Renames the columns of a scan from what objects call them to what queries see.
    fn renamed(&self, scan: Arc<dyn ExecutionPlan>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        if self.exposed == self.schema {
            return Ok(scan);
        }
        let scanned = scan.schema();
        let columns = scanned.fields().iter().enumerate().map(|(index, field)| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
            (column, name_apart(field.name()))
        });
        Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), scan)?))
    }
}

#[async_trait]
impl TableProvider for ObjectTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.exposed)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let url = self.location.scan_url();
        state.runtime_env().register_object_store(url.as_ref(), Arc::clone(&self.location.store));
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let source = ParquetSource::new(Arc::clone(&self.schema))
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::clone(&self.reader) as Arc<dyn ParquetFileReaderFactory>);
        let files = self.objects.iter().cloned().map(PartitionedFile::new_from_meta).collect();
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(url.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        self.renamed(DataSourceExec::from_data_source(config))
    }
}

/// Opens [`PinnedReader`]s for the engine.
struct PinnedReaderFactory {
    location: Location,
    footers: HashMap<Path, Arc<ParquetMetaData>>,
}

impl fmt::Debug for PinnedReaderFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedReaderFactory").field("location", &self.location.text).finish_non_exhaustive()
    }
}

impl ParquetFileReaderFactory for PinnedReaderFactory {
    fn create_reader(
        &self,
        partition_index: usize,
        partitioned_file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> DataFusionResult<Box<dyn AsyncFileReader + Send>> {
        let meta = partitioned_file.object_meta;
        let metrics = ParquetFileMetrics::new(partition_index, meta.location.as_ref(), metrics);
        let footer = self.footers.get(&meta.location).cloned();
        Ok(Box::new(PinnedReader::new(&self.location, meta, footer, Some(metrics))))
    }
}
