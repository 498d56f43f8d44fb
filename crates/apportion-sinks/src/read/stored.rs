//! A published table that is listed when a query scans it, and only as far as the query asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result as QueryResult};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use tokio::sync::Mutex;

use apportion_spec::Result;

use super::{Shape, partitions};
use crate::sink::TableSink;
use crate::table::{Format, PartitionValues, TableObject, TableSpec, matches};

/// A table whose objects are listed when it is scanned. A partition is listed once: a query that
/// scans the table twice sees the same objects both times.
#[derive(Debug)]
pub struct StoredTable {
    sink: Arc<dyn TableSink>,
    table: TableSpec,
    shape: Shape,
    listed: Mutex<Listed>,
}

#[derive(Debug, Default)]
struct Listed {
    /// What was listed, by the filter it was listed with.
    objects: Vec<(PartitionValues, Vec<TableObject>)>,
    /// The partitions that scans were left with.
    scanned: BTreeSet<PartitionValues>,
}

impl StoredTable {
    /// The table with the columns that `table` describes; nothing is read yet.
    ///
    /// # Errors
    ///
    /// `Internal` if the table's description contradicts itself.
    pub fn try_new(sink: Arc<dyn TableSink>, table: TableSpec) -> Result<Self> {
        let shape = Shape::of_sink(sink.as_ref(), &table)?;
        Ok(Self { sink, table, shape, listed: Mutex::default() })
    }

    /// The partitions that queries read so far.
    pub async fn scanned(&self) -> BTreeSet<PartitionValues> {
        self.listed.lock().await.scanned.clone()
    }

    async fn objects(&self, filters: &[Expr]) -> Result<Vec<TableObject>> {
        let demanded = match self.sink.format() {
            Format::Parquet => partitions::demanded(&self.shape.partition_by, filters),
            // All of a Delta table is listed at once, and is of one version.
            Format::Delta => PartitionValues::new(),
        };
        let mut listed = self.listed.lock().await;
        let within = |listed: &PartitionValues| listed.iter().all(|pair| demanded.contains(pair));
        if let Some((_, objects)) = listed.objects.iter().find(|(listed, _)| within(listed)) {
            return Ok(objects.iter().filter(|object| matches(&object.partition, &demanded)).cloned().collect());
        }
        let mut objects = self.sink.read_objects(&self.table, &demanded).await?;
        for (filter, known) in &listed.objects {
            objects.retain(|object| !matches(&object.partition, filter));
            objects.extend(known.iter().filter(|object| matches(&object.partition, &demanded)).cloned());
        }
        listed.objects.push((demanded, objects.clone()));
        Ok(objects)
    }
}

#[async_trait]
impl TableProvider for StoredTable {
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
        let objects = self.objects(filters).await.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let objects = partitions::matching(state, &self.shape.partition_by, filters, objects)?;
        self.listed.lock().await.scanned.extend(objects.iter().map(|object| object.partition.clone()));
        self.shape.scan(state, projection, objects, limit, true)
    }
}
