//! Telemetry of a pipeline as the three relations that allocation reads: this period's, the
//! previous one's, and that of days elsewhere on which some of the period's charges lie. Listed once
//! per run, opened per period.

use std::sync::Arc;

use apportion_engine::allocation::Allocator;
use apportion_sources::telemetry::{self, TelemetryColumns, TelemetryFiles, TelemetryTable, TimeRange, Untimed};
use apportion_sources::{Location, StoreOptions};
use apportion_spec::pipeline::Telemetry;
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use chrono::{Days, NaiveDate, NaiveTime};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use crate::project::Project;
use crate::rows::{date, rows_with};
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
    /// The spans of time they cover, half open, in seconds since 1970.
    spans: Vec<(i64, i64)>,
    /// What a period should count and cannot, by telemetry.
    untimed: Vec<Untimed>,
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

    /// Registers everything the allocation of `period` reads over the charges of the context: the
    /// period, the one before, and the other days on which some of its charges lie. `needs_previous` says whether a rule
    /// falls back to the period before.
    ///
    /// # Errors
    /// When a relation cannot be planned, and those of opening telemetry of other days.
    pub(crate) async fn open(
        &self,
        context: &SessionContext,
        allocator: &Allocator,
        period: BillingPeriod,
        needs_previous: bool,
    ) -> Result<OpenTelemetry> {
        let mut open = OpenTelemetry::default();
        self.register(context, "src_telemetry", period, &mut open)?;
        match self.register(context, "src_telemetry_previous", period.previous(), &mut open) {
            // Telemetry of the month before that cannot be read is in nobody's way who does not read it.
            Err(_) if !needs_previous && !reaches_back(context, period).await? => {
                register(context, "src_telemetry_previous", Vec::new(), &mut open)?;
            }
            other => other?,
        }
        let elsewhere = spans_of(&allocator.days_elsewhere(context).await?);
        self.register_spans(context, "src_telemetry_elsewhere", &elsewhere, &mut open).await?;
        open.spans = spans_read(period, &elsewhere);
        for files in &self.files {
            open.untimed.extend(files.untimed(of(period)).await?);
        }
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
        let tables = self.files.iter().map(|files| files.table(Some(of(period)))).collect::<Result<Vec<_>>>()?;
        register(context, relation, tables, open)
    }

    /// Registers `relation` over all telemetry of the given spans of time, opening what is needed.
    ///
    /// # Errors
    /// Those of opening telemetry, for objects that no period of the run needed before.
    async fn register_spans(
        &self,
        context: &SessionContext,
        relation: &str,
        spans: &[TimeRange],
        open: &mut OpenTelemetry,
    ) -> Result<()> {
        let mut tables = Vec::new();
        if !spans.is_empty() {
            for files in &self.files {
                tables.push(files.spans(spans).await?);
            }
        }
        register(context, relation, tables, open)
    }
}

/// Whether charges of the context lie before their period, so that they are weighed by telemetry of then.
async fn reaches_back(context: &SessionContext, period: BillingPeriod) -> Result<bool> {
    let sql = "SELECT 1 FROM focus_charges WHERE CAST(ChargePeriodStart AS date) < $start LIMIT 1";
    let start = [("start", date(period.start().date_naive()))];
    Ok(!rows_with(context, sql, &start).await?.is_empty())
}

/// Registers `relation` over the rows of all `tables`, and keeps them.
fn register(
    context: &SessionContext,
    relation: &str,
    tables: Vec<TelemetryTable>,
    open: &mut OpenTelemetry,
) -> Result<()> {
    let mut union: Option<datafusion::dataframe::DataFrame> = None;
    for table in tables {
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

/// The calendar month of a billing period.
fn of(period: BillingPeriod) -> TimeRange {
    TimeRange { from: period.start(), to: period.end() }
}

/// Whole days as spans of time; days that follow each other become one. `days` are in order.
fn spans_of(days: &[NaiveDate]) -> Vec<TimeRange> {
    let mut spans: Vec<TimeRange> = Vec::new();
    for day in days {
        let from = day.and_time(NaiveTime::MIN).and_utc();
        let to = from.checked_add_days(Days::new(1)).unwrap_or(from);
        match spans.last_mut() {
            Some(last) if last.to == from => last.to = to,
            _ => spans.push(TimeRange { from, to }),
        }
    }
    spans
}

/// Every span of time whose telemetry the allocation of `period` reads, half open, in seconds since
/// 1970: the period, the one before, and the spans `elsewhere` on which some of its charges lie.
/// Telemetry that arrives for one of them is a reason to allocate the period again.
fn spans_read(period: BillingPeriod, elsewhere: &[TimeRange]) -> Vec<(i64, i64)> {
    let spans = [of(period), of(period.previous())].into_iter().chain(elsewhere.iter().copied());
    spans.map(|span| (span.from.timestamp(), span.to.timestamp())).collect()
}

impl OpenTelemetry {
    /// Every span of time whose telemetry the allocation reads, half open, in seconds since 1970.
    /// Telemetry that arrives for one of them is a reason to allocate again.
    pub(crate) fn spans(&self) -> &[(i64, i64)] {
        &self.spans
    }

    /// One note per telemetry that has rows without a time.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        self.untimed.iter().map(|it| {
            let Untimed { telemetry, column, rows, object } = it;
            format!(
                "driver {telemetry}: {} measurements without a time in `{column}` belong to no day and were not \
                 counted, the first in {object}",
                crate::output::grouped((*rows).into())
            )
        })
    }

    /// The error that tells more than `error`, of a query over these tables: which value cannot be read, and where.
    pub(crate) async fn explain(&self, error: Error) -> Error {
        if !matches!(error.kind(), ErrorKind::ContractViolated | ErrorKind::Internal) {
            return error;
        }
        for table in &self.tables {
            match table.offending_value().await {
                Ok(None) => {}
                Ok(Some(found)) => return found,
                Err(unreadable) => return unreadable,
            }
        }
        error
    }

    /// Objects of all tables.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &object_store::ObjectMeta> {
        self.tables.iter().flat_map(TelemetryTable::objects)
    }

    /// Objects of all tables, under the names the user knows them by.
    pub(crate) fn named_objects(&self) -> impl Iterator<Item = (String, &object_store::ObjectMeta)> {
        self.tables.iter().flat_map(TelemetryTable::named_objects)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(spans: &[TimeRange]) -> Vec<String> {
        let day = |span: &TimeRange| format!("{} {}", span.from.format("%Y-%m-%d"), span.to.format("%Y-%m-%d"));
        spans.iter().map(day).collect()
    }

    #[test]
    fn days_that_follow_each_other_are_one_span() {
        let days: Vec<NaiveDate> = ["2025-02-28", "2025-03-01", "2025-03-03", "2026-02-01"]
            .into_iter()
            .map(|day| day.parse().unwrap())
            .collect();
        let spans = spans_of(&days);
        assert_eq!(text(&spans), ["2025-02-28 2025-03-02", "2025-03-03 2025-03-04", "2026-02-01 2026-02-02"]);
        assert!(spans_of(&[]).is_empty());
        let period = "2026-01".parse().unwrap();
        let read = spans_read(period, &spans);
        assert_eq!(read[..2], [(1_767_225_600, 1_769_904_000), (1_764_547_200, 1_767_225_600)]);
        assert_eq!(read[4], (1_769_904_000, 1_769_990_400), "the first of February");
        assert_eq!(read.len(), 5);
    }
}
