//! `apportion query`: SQL over the written tables, wherever they lie and whatever their format.

mod answer;
mod charge_targets;
mod unplanned;

use std::collections::BTreeSet;
use std::sync::Arc;

use apportion_engine::Engine;
use apportion_engine::sql_depth::refuse_too_deep;
use apportion_focus::{FocusVersion, catalog};
use apportion_sinks::{
    LedgerTable, StoredTable, TableObject, TableSpec, certified_periods, read_ledger, stored_periods,
};
use apportion_spec::{Error, ErrorKind, Result};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::TableReference;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;
use object_store::ObjectMeta;

use crate::args::{FocusShape, QueryArgs};
use crate::certificate::BILLING_PERIOD;
use crate::destination::OpenDestination;
use crate::output;
use crate::project::{EffectiveLimits, Project};
use crate::staging::query_error;
use crate::tables::{
    ALLOCATED_CHARGES, CHARGE_TARGETS, DRIVER_QUANTITIES, FOCUS_CHARGES, PUBLISHED, RUN_LEDGER, Tables,
};

/// The charges as they are stored, where `focus_charges` shows an older version of FOCUS.
const STORED_CHARGES: &str = "focus_charges_stored";

/// Answers one question.
///
/// # Errors
/// [`ErrorKind::SqlInvalid`] for a statement that does not plan or is not a query,
/// [`ErrorKind::NotFound`] when the destination holds no tables.
pub(crate) async fn query(args: &QueryArgs) -> Result<()> {
    let project = args.pipeline.as_deref().map(Project::load).transpose()?;
    let limits = EffectiveLimits::try_new(&args.limits, project.as_ref().map(|project| &project.pipeline))?;
    let destination = OpenDestination::open(project.as_ref(), args.destination.as_deref(), None).await?;
    refuse_too_deep(&args.sql)
        .map_err(|reason| Error::new(ErrorKind::SqlInvalid, format!("the question cannot be asked: {reason}")))?;
    let engine = Engine::try_new(&crate::run::engine_options(&limits))?;
    let context = engine.new_context();
    let asked = asked_tables(&context, &args.sql);
    let opened = OpenedTables::register(&context, &destination, args.focus_version, &asked).await?;
    if opened.is_empty() && !destination.place.is_used().await? {
        return Err(no_tables(&destination));
    }
    if asked.contains(&CHARGE_TARGETS) && context.table_exist(ALLOCATED_CHARGES).map_err(query_error)? {
        let stored = if args.focus_version == FocusShape::V1_4 { FOCUS_CHARGES } else { STORED_CHARGES };
        let periods = stored_periods(&destination.place, &[ALLOCATED_CHARGES]).await?;
        charge_targets::register(&context, &destination, project.as_ref(), stored, &periods).await?;
    }
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let answer = match context.sql_with_options(&args.sql, options).await {
        Ok(answer) => answer,
        Err(error) => return Err(unplanned(&context, &args.sql, &error, &destination).await?),
    };
    answer::write(args, answer, &opened).await
}

/// Why a question does not plan, with the tables there are.
async fn unplanned(
    context: &SessionContext,
    sql: &str,
    error: &DataFusionError,
    destination: &OpenDestination,
) -> Result<Error> {
    let known = stored_tables(destination).await?;
    if known.is_empty() {
        return Ok(no_tables(destination));
    }
    Ok(unplanned::explain(error, &named_tables(context, sql), &known))
}

fn no_tables(destination: &OpenDestination) -> Error {
    Error::new(ErrorKind::NotFound, "there are no tables yet; `apportion run` writes them")
        .with("destination", &destination.shown)
}

async fn is_stored(destination: &OpenDestination, name: &str) -> Result<bool> {
    let spec = Tables::new(None).spec(name)?;
    Ok(!destination.sink.read_objects(&spec, &[]).await?.is_empty())
}

/// The tables that have objects.
async fn stored_tables(destination: &OpenDestination) -> Result<Vec<&'static str>> {
    let mut known = Vec::new();
    for name in PUBLISHED {
        if is_stored(destination, name).await? {
            known.push(name);
        }
    }
    if known.contains(&ALLOCATED_CHARGES) {
        known.push(CHARGE_TARGETS);
    }
    if read_ledger(&destination.place).await?.num_rows() > 0 {
        known.push(RUN_LEDGER);
    }
    Ok(known)
}

/// What a question names as tables; what does not parse names nothing and is explained by planning it.
fn named_tables(context: &SessionContext, sql: &str) -> Vec<TableReference> {
    let state = context.state();
    let dialect = state.config_options().sql_parser.dialect;
    let named = state.sql_to_statement(sql, &dialect).and_then(|it| state.resolve_table_references(&it));
    named.unwrap_or_default()
}

/// The tables a question names, with those behind a view, and all where it asks what there is. Every other one need
/// not be opened.
fn asked_tables(context: &SessionContext, sql: &str) -> Vec<&'static str> {
    let all = || PUBLISHED.into_iter().chain([RUN_LEDGER]);
    let named = named_tables(context, sql);
    if named.iter().any(|table| table.schema() == Some("information_schema")) {
        return all().collect();
    }
    let is_named = |known: &str| named.iter().any(|table| table.table() == known);
    let behind = [FOCUS_CHARGES, DRIVER_QUANTITIES, ALLOCATED_CHARGES];
    let is_asked = |known: &&str| is_named(known) || (is_named(CHARGE_TARGETS) && behind.contains(known));
    all().chain([CHARGE_TARGETS]).filter(is_asked).collect()
}

/// The tables a question names. None is listed, and no object of one opened, before the question scans it.
#[derive(Debug)]
struct OpenedTables<'a> {
    destination: &'a OpenDestination,
    tables: Vec<Arc<StoredTable>>,
    has_ledger: bool,
}

impl<'a> OpenedTables<'a> {
    /// Registers those of the asked tables that there are.
    async fn register(
        context: &SessionContext,
        destination: &'a OpenDestination,
        shape: FocusShape,
        asked: &[&str],
    ) -> Result<Self> {
        let specs = Tables::new(None);
        let mut opened = Self { destination, tables: Vec::new(), has_ledger: false };
        let mut has_charges = false;
        for name in PUBLISHED.into_iter().filter(|name| asked.contains(name)) {
            let Some(spec) = stored(context, destination, specs.spec(name)?).await? else { continue };
            has_charges |= name == FOCUS_CHARGES;
            let table = Arc::new(StoredTable::try_new(Arc::clone(&destination.sink), spec)?);
            let registered_as = if name == FOCUS_CHARGES && shape != FocusShape::V1_4 { STORED_CHARGES } else { name };
            opened.tables.push(Arc::clone(&table));
            context.register_table(registered_as, table).map_err(query_error)?;
        }
        let projection = match shape {
            FocusShape::V1_4 => None,
            FocusShape::V1_3 => Some(FocusVersion::V1_3),
            FocusShape::V1_2 => Some(FocusVersion::V1_2),
        };
        if let Some(version) = projection.filter(|_| has_charges) {
            let columns = catalog().projection(version).select_list();
            let view = context.sql(&format!("SELECT {columns} FROM {STORED_CHARGES}")).await.map_err(query_error)?;
            context.register_table(FOCUS_CHARGES, view.into_view()).map_err(query_error)?;
        }
        if asked.contains(&RUN_LEDGER) && destination.place.is_used().await? {
            let ledger = LedgerTable::try_new(destination.place.clone())?;
            context.register_table(RUN_LEDGER, Arc::new(ledger)).map_err(query_error)?;
            opened.has_ledger = true;
        }
        Ok(opened)
    }

    fn is_empty(&self) -> bool {
        self.tables.is_empty() && !self.has_ledger
    }

    /// Warns of billing periods that the planned question reads and nothing certifies.
    async fn warn_of_uncertified(&self) -> Result<()> {
        let mut periods = BTreeSet::new();
        for table in &self.tables {
            for partition in table.scanned().await {
                periods.extend(partition.into_iter().filter(|(name, _)| name == BILLING_PERIOD).map(|(_, it)| it));
            }
        }
        if periods.is_empty() { Ok(()) } else { warn_of_uncertified(self.destination, &periods).await }
    }
}

/// A table with the columns it has, or `None` if there is none. Where nothing says the columns, as in
/// destinations of earlier versions, every object is asked.
async fn stored(
    context: &SessionContext,
    destination: &OpenDestination,
    mut spec: TableSpec,
) -> Result<Option<TableSpec>> {
    if let Some(columns) = destination.sink.columns(&spec).await? {
        // As views, texts are compared and grouped without being copied.
        let column = |field: &Arc<Field>| match field.data_type() {
            DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
            _ => Arc::clone(field),
        };
        spec.schema = Arc::new(Schema::new(columns.fields().iter().map(column).collect::<Vec<_>>()));
        return Ok(Some(spec));
    }
    let objects = destination.sink.read_objects(&spec, &[]).await?;
    if objects.is_empty() {
        Ok(None)
    } else {
        with_stored_columns(context, destination, spec, &objects).await.map(Some)
    }
}

/// Several tables are not one transaction. A billing period has its certificate taken back before a
/// table of it changes and is certified again when all belong together.
async fn warn_of_uncertified(destination: &OpenDestination, periods: &BTreeSet<String>) -> Result<()> {
    let certified = certified_periods(&destination.place).await?;
    let missing: Vec<&str> = periods.difference(&certified).map(String::as_str).collect();
    if !missing.is_empty() {
        output::note(&format!(
            "note: the tables of {} may not belong together: a run is under way, was interrupted or failed for them",
            missing.join(", ")
        ));
    }
    Ok(())
}

/// The table with the columns its files really have: dimensions differ between pipelines, and the
/// question may come without one.
pub(crate) async fn with_stored_columns(
    context: &SessionContext,
    destination: &OpenDestination,
    mut spec: TableSpec,
    objects: &[TableObject],
) -> Result<TableSpec> {
    let metas: Vec<ObjectMeta> = objects.iter().map(|object| object.meta.clone()).collect();
    let state = context.state();
    let stored =
        ParquetFormat::default().infer_schema(&state, destination.place.store(), &metas).await.map_err(query_error)?;
    let mut columns: Vec<Arc<Field>> = stored.fields().iter().cloned().collect();
    // Partition columns are in the files of earlier versions only; they stand where the contract has them.
    columns.retain(|column| !spec.partition_by.contains(column.name()));
    for (place, field) in spec.schema.fields().iter().enumerate() {
        if spec.partition_by.contains(field.name()) {
            let partition = Field::new(field.name(), DataType::Utf8, false);
            columns.insert(place.min(columns.len()), Arc::new(partition));
        }
    }
    spec.schema = Arc::new(Schema::new(columns));
    Ok(spec)
}
