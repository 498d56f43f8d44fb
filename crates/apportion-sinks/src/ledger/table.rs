//! The ledger as a table: one row per run and unit of work.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::{DataFusionError, Result as QueryResult};
use datafusion::datasource::TableType;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use apportion_spec::Result;

use super::{RunEntry, UnitEntry, read_runs};
use crate::destination::Destination;
use crate::{digest, error};

/// Reads the whole ledger of a destination as the table `run_ledger`.
///
/// # Errors
///
/// Store errors.
pub async fn read_ledger(destination: &Destination) -> Result<RecordBatch> {
    batch(&read_runs(destination).await?)
}

/// The table `run_ledger`, whose documents are read when a query scans it.
#[derive(Debug)]
pub struct LedgerTable {
    destination: Destination,
    schema: SchemaRef,
}

impl LedgerTable {
    /// The ledger of a destination.
    ///
    /// # Errors
    ///
    /// `Internal` if the table contradicts itself.
    pub fn try_new(destination: Destination) -> Result<Self> {
        Ok(Self { destination, schema: batch(&[])?.schema() })
    }
}

#[async_trait]
impl TableProvider for LedgerTable {
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
        filters: &[Expr],
        limit: Option<usize>,
    ) -> QueryResult<Arc<dyn ExecutionPlan>> {
        let rows = read_ledger(&self.destination).await.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let table = MemTable::try_new(self.schema(), vec![vec![rows]])?;
        table.scan(state, projection, filters, limit).await
    }
}

fn batch(runs: &[RunEntry]) -> Result<RecordBatch> {
    let rows: Vec<(&RunEntry, &UnitEntry)> =
        runs.iter().flat_map(|run| run.units.iter().map(move |unit| (run, unit))).collect();
    let texts = |value: &dyn Fn(&RunEntry, &UnitEntry) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(|(run, unit)| value(run, unit)).collect::<StringArray>())
    };
    let times = |value: &dyn Fn(&UnitEntry) -> Option<DateTime<Utc>>| -> ArrayRef {
        let micros = rows.iter().map(|(_, unit)| value(unit).map(|time| time.timestamp_micros()));
        Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let counts = rows.iter().map(|(_, unit)| unit.rows.and_then(|rows| i64::try_from(rows).ok()));
    let first = |unit: &UnitEntry| unit.published.iter().find(|entry| entry.table == unit.table).cloned();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("x_BillingPeriod", texts(&|_, unit| Some(unit.billing_period.clone()))),
        ("x_RunId", texts(&|run, _| Some(run.run_id.clone()))),
        ("x_Pipeline", texts(&|run, _| Some(run.pipeline.clone()))),
        ("x_Table", texts(&|_, unit| Some(unit.table.clone()))),
        ("x_Source", texts(&|_, unit| unit.source.clone())),
        ("x_Status", texts(&|_, unit| Some(unit.status.as_str().to_owned()))),
        ("x_StartedAt", times(&|unit| Some(unit.started_at))),
        ("x_FinishedAt", times(&|unit| unit.finished_at)),
        ("x_RowCount", Arc::new(counts.collect::<Int64Array>())),
        ("x_InputDigest", texts(&|_, unit| unit.input_digest.clone())),
        ("x_ConfigurationDigest", texts(&|run, _| Some(configuration(run)))),
        ("x_OutputDigest", texts(&|_, unit| first(unit).map(|entry| entry.digest))),
        ("x_TableVersion", texts(&|_, unit| first(unit).map(|entry| entry.version.to_string()))),
        ("x_Reason", texts(&|_, unit| unit.reason.clone())),
        ("x_Error", texts(&|_, unit| unit.error.as_ref().map(|error| error.message.clone()))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .map_err(|cause| error::internal("cannot build the ledger table").with_source(cause))
}

/// Configuration and SQL decide together what a run computes.
fn configuration(run: &RunEntry) -> String {
    digest::of_texts([run.configuration_digest.as_str(), run.sql_digest.as_str()])
}
