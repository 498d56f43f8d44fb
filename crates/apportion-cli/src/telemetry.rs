//! Telemetry of a pipeline as the two relations that allocation reads: this period's and the
//! previous one's. Listed once per run, opened per period.

use std::sync::Arc;

use apportion_sources::telemetry::{self, TelemetryColumns, TelemetryFiles, TelemetryTable, TimeRange};
use apportion_sources::{Location, StoreOptions};
use apportion_spec::pipeline::Telemetry;
use apportion_spec::{BillingPeriod, Result};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use crate::project::Project;
use crate::staging::query_error;

/// All telemetry a run may need, listed and checked.
#[derive(Debug)]
pub(crate) struct ListedTelemetry {
    files: Vec<TelemetryFiles>,
}

/// Telemetry tables of one period, kept so that they can be checked for changes after reading.
#[derive(Debug, Default)]
pub(crate) struct OpenTelemetry {
    tables: Vec<TelemetryTable>,
}

impl ListedTelemetry {
    /// Lists the telemetry of the given billing periods and of the period before them.
    ///
    /// # Errors
    /// Those of opening telemetry: missing columns, wrong types, no objects.
    pub(crate) async fn list(project: &Project, periods: &[BillingPeriod]) -> Result<Self> {
        let within = periods.iter().min().zip(periods.iter().max());
        let within = within.map(|(first, last)| TimeRange { from: first.previous().start(), to: last.end() });
        let mut files = Vec::new();
        for declared in &project.pipeline.telemetry {
            files.push(list(project, declared, within).await?);
        }
        Ok(Self { files })
    }

    /// Registers everything the allocation of `period` reads.
    ///
    /// # Errors
    /// When a relation cannot be planned.
    pub(crate) fn open(&self, context: &SessionContext, period: BillingPeriod) -> Result<OpenTelemetry> {
        let mut open = OpenTelemetry::default();
        self.register(context, "src_telemetry", period, &mut open)?;
        self.register(context, "src_telemetry_previous", period.previous(), &mut open)?;
        Ok(open)
    }

    /// Registers `relation` over all telemetry of `period`.
    ///
    /// # Errors
    /// When the relation cannot be planned.
    fn register(
        &self,
        context: &SessionContext,
        relation: &str,
        period: BillingPeriod,
        open: &mut OpenTelemetry,
    ) -> Result<()> {
        let range = TimeRange { from: period.start(), to: period.end() };
        let mut union: Option<datafusion::dataframe::DataFrame> = None;
        for files in &self.files {
            let table = files.table(Some(range))?;
            let rows = context.read_table(Arc::clone(&table.table)).map_err(query_error)?;
            union = Some(match union {
                None => rows,
                Some(earlier) => earlier.union(rows).map_err(query_error)?,
            });
            open.tables.push(table);
        }
        let table: Arc<dyn TableProvider> = match union {
            Some(rows) => rows.into_view(),
            None => Arc::new(MemTable::try_new(telemetry::schema(), vec![Vec::new()]).map_err(query_error)?),
        };
        context.register_table(relation, table).map_err(query_error)?;
        Ok(())
    }
}

impl OpenTelemetry {
    /// Objects of all tables.
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

async fn list(project: &Project, declared: &Telemetry, within: Option<TimeRange>) -> Result<TelemetryFiles> {
    let location = Location::open(&declared.location, &project.base, &StoreOptions::from(&declared.store)).await?;
    TelemetryFiles::open(&location, &TelemetryColumns::from(declared), within).await
}

/// One line for `check`.
///
/// # Errors
/// Those of opening the telemetry.
pub(crate) async fn describe(project: &Project, declared: &Telemetry) -> Result<String> {
    let table = list(project, declared, None).await?.table(None)?;
    Ok(format!("{} objects, {} rows, unit {}", table.objects().len(), table.rows, declared.unit))
}
