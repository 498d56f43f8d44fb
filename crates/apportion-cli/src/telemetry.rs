//! Telemetry of a pipeline as the two relations that allocation reads: this period's and the
//! previous one's.

use std::sync::Arc;

use apportion_sources::telemetry::{self, TelemetryColumns, TelemetryTable, TimeRange};
use apportion_sources::{Location, StoreOptions};
use apportion_spec::pipeline::Telemetry;
use apportion_spec::{BillingPeriod, Result};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use crate::project::Project;
use crate::staging::query_error;

/// Opened telemetry of one period, kept so that it can be checked for changes after reading.
#[derive(Debug, Default)]
pub(crate) struct OpenTelemetry {
    tables: Vec<TelemetryTable>,
}

impl OpenTelemetry {
    /// Registers `relation` over all telemetry of `period`.
    ///
    /// # Errors
    /// Those of opening telemetry: missing columns, wrong types, no objects.
    pub(crate) async fn register(
        &mut self,
        context: &SessionContext,
        project: &Project,
        relation: &str,
        period: BillingPeriod,
    ) -> Result<()> {
        let range = TimeRange { from: period.start(), to: period.end() };
        let mut union: Option<datafusion::dataframe::DataFrame> = None;
        for declared in &project.pipeline.telemetry {
            let opened = open(project, declared, Some(range)).await?;
            let rows = context.read_table(Arc::clone(&opened.table)).map_err(query_error)?;
            union = Some(match union {
                None => rows,
                Some(earlier) => earlier.union(rows).map_err(query_error)?,
            });
            self.tables.push(opened);
        }
        let table: Arc<dyn TableProvider> = match union {
            Some(rows) => rows.into_view(),
            None => Arc::new(MemTable::try_new(telemetry::schema(), vec![Vec::new()]).map_err(query_error)?),
        };
        context.register_table(relation, table).map_err(query_error)?;
        Ok(())
    }

    /// Objects of all telemetry: count and bytes.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &object_store::ObjectMeta> {
        self.tables.iter().flat_map(TelemetryTable::objects)
    }

    /// Checks after reading that nothing was replaced meanwhile.
    ///
    /// # Errors
    /// `Conflict` naming the object.
    pub(crate) async fn verify_unchanged(&self) -> Result<()> {
        for table in &self.tables {
            table.verify_unchanged().await?;
        }
        Ok(())
    }
}

async fn open(project: &Project, declared: &Telemetry, range: Option<TimeRange>) -> Result<TelemetryTable> {
    let options = StoreOptions::from(&declared.store);
    let location = Location::open(&declared.location, &project.base, &options).await?;
    telemetry::open(&location, &TelemetryColumns::from(declared), range).await
}

/// One line for `check`.
///
/// # Errors
/// Those of opening the telemetry.
pub(crate) async fn describe(project: &Project, declared: &Telemetry) -> Result<String> {
    let opened = open(project, declared, None).await?;
    Ok(format!("{} objects, {} rows, unit {}", opened.objects().len(), opened.rows, declared.unit))
}
