//! Telemetry: Parquet of any column names as the relation the drivers are made from.
//!
//! The pipeline says which column is the time, the quantity and the target. One file or thousands,
//! on disk or in a bucket, become rows of (Telemetry, Time, Quantity, Target, MatchKey). A NULL
//! quantity stays NULL: unknown is not zero.

mod broken;
mod check;
mod expressions;
mod match_key;
mod number;
mod spans;
mod untimed;

use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result, pipeline};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, Utc};
use datafusion::catalog::view::ViewTable;
use datafusion::common::DataFusionError;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{TableProvider, provider_as_source};
use datafusion::logical_expr::LogicalPlanBuilder;
use futures::TryStreamExt;
use object_store::ObjectMeta;

use crate::discover::{data_exports, is_parquet};
use crate::objects::{self, Footer, footers};
use crate::offender::{self, Suspect};
use crate::scan::ObjectTable;
use crate::store::{Location, store_error};
use crate::words::NullWords;

use broken::Broken;
pub use spans::{ListedObject, Span, spans};
pub use untimed::Untimed;

/// Precision of telemetry quantities.
pub const QUANTITY_PRECISION: u8 = 38;
/// Decimals of telemetry quantities.
pub const QUANTITY_SCALE: i8 = 12;

/// Which columns of a telemetry data set mean what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryColumns {
    /// Declared name; the value of the `Telemetry` column.
    pub name: String,
    /// When the quantity was used.
    pub time: String,
    /// The quantity.
    pub quantity: String,
    /// Who used it.
    pub target: Option<String>,
    /// Columns whose values make up the match key, in declared order.
    pub match_columns: Vec<String>,
    /// Columns that identify a measurement; repetitions count once.
    pub unique_by: Vec<String>,
}

impl From<&pipeline::Telemetry> for TelemetryColumns {
    fn from(telemetry: &pipeline::Telemetry) -> Self {
        Self {
            name: telemetry.name.clone(),
            time: telemetry.time.clone(),
            quantity: telemetry.quantity.clone(),
            target: Some(telemetry.target.clone()),
            match_columns: telemetry.match_columns.iter().map(|(_, column)| column.clone()).collect(),
            unique_by: telemetry.unique_by.clone(),
        }
    }
}

impl TelemetryColumns {
    /// Every declared column, once.
    fn all(&self) -> Vec<&str> {
        let mut all = vec![self.time.as_str(), self.quantity.as_str()];
        all.extend(self.target.as_deref());
        all.extend(self.match_columns.iter().map(String::as_str));
        all.extend(self.unique_by.iter().map(String::as_str));
        let mut once: Vec<&str> = Vec::new();
        for name in all {
            if !once.contains(&name) {
                once.push(name);
            }
        }
        once
    }
}

/// A half-open span of time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// First instant inside.
    pub from: DateTime<Utc>,
    /// First instant after.
    pub to: DateTime<Utc>,
}

/// A telemetry data set as a relation.
#[derive(Debug, Clone)]
pub struct TelemetryTable {
    /// The relation, with the columns of [`schema`].
    pub table: Arc<dyn TableProvider>,
    /// Rows of its objects according to their footers.
    pub rows: u64,
    location: Location,
    objects: Vec<ObjectMeta>,
    columns: TelemetryColumns,
}

impl TelemetryTable {
    /// The error that names the first quantity or time that cannot be read: its column, row and object. `None` when
    /// all can be. For a query that failed; it reads those columns once more.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub async fn offending_value(&self) -> Result<Option<Error>> {
        let mut suspects = vec![Suspect::quantity(&self.columns.quantity), Suspect::time(&self.columns.time)];
        suspects.extend(self.columns.all().into_iter().map(Suspect::any));
        for meta in &self.objects {
            let object = self.location.name(&meta.location);
            for footer in footers(&self.location, vec![meta.clone()]).await? {
                if let Some(found) =
                    offender::first(&self.location, &footer, &suspects, &NullWords::none(), &object).await?
                {
                    return Ok(Some(found.with("telemetry", &self.columns.name)));
                }
            }
        }
        Ok(None)
    }

    /// The objects it was made from, ordered by path.
    #[must_use]
    pub fn objects(&self) -> &[ObjectMeta] {
        &self.objects
    }

    /// The objects under the names the user knows them by: with their bucket, or as paths on disk.
    pub fn named_objects(&self) -> impl Iterator<Item = (String, &ObjectMeta)> {
        self.objects.iter().map(|object| (self.location.name(&object.location), object))
    }

    /// Checks after reading that no object was replaced or removed meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] naming the object.
    pub async fn verify_unchanged(&self) -> Result<()> {
        objects::verify_unchanged(&self.location, &self.objects).await
    }
}

/// Columns of every telemetry relation.
#[must_use]
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("Telemetry", DataType::Utf8, false),
        Field::new("Time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("Quantity", DataType::Decimal128(QUANTITY_PRECISION, QUANTITY_SCALE), true),
        Field::new("Target", DataType::Utf8, true),
        Field::new("MatchKey", DataType::Utf8, false),
    ]))
}

/// Telemetry objects with their footers, listed and checked once for several spans of time.
#[derive(Debug, Clone)]
pub struct TelemetryFiles {
    location: Location,
    columns: TelemetryColumns,
    footers: Vec<Footer>,
    scanned: SchemaRef,
    /// Objects that cannot be read: they fail the spans of time that would read them.
    broken: Arc<Vec<Broken>>,
    /// Listed objects that were not opened, because their folders are named by other dates.
    closed: Arc<Vec<ObjectMeta>>,
}

impl TelemetryFiles {
    /// Lists the telemetry at `location` and checks the declared columns in every object. Folders
    /// named by date (`…/date=2026-01-05/…`) outside `within` are left out.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there are no Parquet objects, [`ErrorKind::ContractViolated`] for columns of
    /// several types, and errors of the store. An object that cannot be read, or has not the declared columns, is an
    /// error of the spans of time that would read it.
    pub async fn open(location: &Location, columns: &TelemetryColumns, within: Option<TimeRange>) -> Result<Self> {
        let named = |error: Error| error.with("telemetry", &columns.name);
        // an object that the location names itself is read whatever its folders are called
        let may_hold = |meta: &ObjectMeta| {
            meta.location == location.prefix
                || within.is_none_or(|within| check::may_hold(meta.location.as_ref(), within))
        };
        let (objects, closed) = list(location).await.map_err(named)?.into_iter().partition(may_hold);
        let (footers, broken) = broken::open(location, objects, columns).await.map_err(named)?;
        let scanned = check::check(location, &footers, columns).map_err(named)?;
        let (broken, closed) = (Arc::new(broken), Arc::new(closed));
        Ok(Self { location: location.clone(), columns: columns.clone(), footers, scanned, broken, closed })
    }

    /// The rows of one span of time, or all.
    ///
    /// The restriction is applied below everything else: objects whose statistics lie outside are
    /// not part of the table, and row groups outside are not read even when repeated measurements
    /// have to be found.
    ///
    /// # Errors
    /// [`ErrorKind::ContractViolated`] naming an object of the span that cannot be read, [`ErrorKind::Internal`] when
    /// the relation cannot be planned.
    pub fn table(&self, range: Option<TimeRange>) -> Result<TelemetryTable> {
        self.whole(range.as_ref().map(std::slice::from_ref))?;
        let footers = match range {
            Some(range) => self.reached(&[range]),
            None => self.footers.clone(),
        };
        self.over(&footers, &self.scanned, range.as_ref().map(std::slice::from_ref))
    }

    /// The rows of several spans of time that lie apart, also outside of what was opened.
    ///
    /// Nothing is listed again. Of the objects that were left out, those are opened whose folder is
    /// named by a date of a span, so that a few old days cost a few requests.
    ///
    /// # Errors
    /// Those of [`Self::open`] for the objects that are opened now, and those of [`Self::table`].
    pub async fn spans(&self, spans: &[TimeRange]) -> Result<TelemetryTable> {
        let named = |error: Error| error.with("telemetry", &self.columns.name);
        self.whole(Some(spans))?;
        let may_hold = |meta: &&ObjectMeta| spans.iter().any(|span| check::may_hold(meta.location.as_ref(), *span));
        let more: Vec<ObjectMeta> = self.closed.iter().filter(may_hold).cloned().collect();
        let mut all = self.clone();
        all.footers.extend(footers(&self.location, more).await.map_err(named)?);
        let mut footers = all.reached(spans);
        footers.sort_by(|left, right| left.meta.location.cmp(&right.meta.location));
        let scanned = check::check(&self.location, &footers, &self.columns).map_err(named)?;
        self.over(&footers, &scanned, Some(spans))
    }

    /// Demands that every object of some spans, or of all, can be read.
    fn whole(&self, spans: Option<&[TimeRange]>) -> Result<()> {
        let reaches = |it: &&Broken| spans.is_none_or(|spans| spans.iter().any(|span| it.reaches(*span)));
        match self.broken.iter().find(reaches) {
            Some(broken) => Err(broken.error().with("telemetry", &self.columns.name)),
            None => Ok(()),
        }
    }

    /// Opened objects whose statistics allow rows of some span.
    fn reached(&self, spans: &[TimeRange]) -> Vec<Footer> {
        let reaches =
            |footer: &&Footer| spans.iter().any(|span| check::statistics_reach(footer, &self.columns.time, *span));
        self.footers.iter().filter(reaches).cloned().collect()
    }

    /// The relation over some opened objects, restricted to spans of time or not.
    fn over(&self, footers: &[Footer], scanned: &SchemaRef, spans: Option<&[TimeRange]>) -> Result<TelemetryTable> {
        let rows = footers.iter().map(|footer| footer.metadata.file_metadata().num_rows());
        let rows = rows.filter_map(|rows| u64::try_from(rows).ok()).sum();
        let objects = footers.iter().map(|footer| footer.meta.clone()).collect();
        let table: Arc<dyn TableProvider> = if footers.is_empty() {
            Arc::new(EmptyTable::new(schema()))
        } else {
            let scan = ObjectTable::new(&self.location, Arc::clone(scanned), footers);
            view(scan, scanned, &self.columns, spans).map_err(|error| {
                Error::new(ErrorKind::Internal, "the telemetry relation cannot be planned")
                    .with("telemetry", &self.columns.name)
                    .with_source(error)
            })?
        };
        Ok(TelemetryTable { table, rows, location: self.location.clone(), objects, columns: self.columns.clone() })
    }
}

/// Opens the telemetry at `location`, restricted to `range` when one is given.
///
/// For several spans of one location keep [`TelemetryFiles`].
///
/// # Errors
/// See [`TelemetryFiles::open`] and [`TelemetryFiles::table`].
pub async fn open(location: &Location, columns: &TelemetryColumns, range: Option<TimeRange>) -> Result<TelemetryTable> {
    TelemetryFiles::open(location, columns, range).await?.table(range)
}

fn view(
    scan: ObjectTable,
    raw: &Schema,
    columns: &TelemetryColumns,
    spans: Option<&[TimeRange]>,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let mut plan = LogicalPlanBuilder::scan("objects", provider_as_source(Arc::new(scan)), None)?;
    if let Some(spans) = spans {
        plan = plan.filter(expressions::in_spans(raw, &columns.time, spans)?)?;
    }
    if !columns.unique_by.is_empty() {
        plan = expressions::once(plan, columns)?;
    }
    let plan = plan.project(expressions::output(raw, columns)?)?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Parquet objects below the location, ordered by path.
async fn list(location: &Location) -> Result<Vec<ObjectMeta>> {
    if let Some(meta) = objects::single(location, &data_exports::LAYOUT).await? {
        return Ok(vec![meta]);
    }
    let mut objects = Vec::new();
    let mut listing = location.store.list(Some(&location.prefix));
    while let Some(meta) = listing.try_next().await.map_err(|error| store_error(error, location))? {
        if is_parquet(meta.location.as_ref()) {
            objects.push(meta);
        }
    }
    let mut objects = objects::without_folder_markers(objects);
    if objects.is_empty() {
        let message = "no Parquet objects lie at the location";
        return Err(Error::new(ErrorKind::NotFound, message).with("location", location));
    }
    objects.sort_by(|left, right| left.location.cmp(&right.location));
    Ok(objects)
}
