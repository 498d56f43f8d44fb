//! `apportion query`: SQL over the written tables, wherever they lie and whatever their format.

use std::collections::BTreeSet;
use std::sync::Arc;

use apportion_engine::Engine;
use apportion_focus::{FocusVersion, catalog};
use apportion_sinks::{TableObject, TableSpec, certified_periods, objects_table, read_ledger};
use apportion_spec::{Error, ErrorKind, Result, did_you_mean};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::pretty::pretty_format_batches;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use object_store::ObjectMeta;

use crate::args::{FocusShape, QueryArgs, QueryFormat};
use crate::certificate::BILLING_PERIOD;
use crate::destination::OpenDestination;
use crate::output;
use crate::project::{EffectiveLimits, Project};
use crate::staging::query_error;
use crate::tables::{FOCUS_CHARGES, PUBLISHED, RUN_LEDGER, Tables};

/// Answers one question.
///
/// # Errors
/// [`ErrorKind::SqlInvalid`] for a statement that does not plan or is not a query,
/// [`ErrorKind::NotFound`] when the destination holds no tables.
pub(crate) async fn query(args: &QueryArgs) -> Result<()> {
    let project = args.pipeline.as_deref().map(Project::load).transpose()?;
    let limits = EffectiveLimits::new(&args.limits, project.as_ref().map(|project| &project.pipeline));
    let destination = OpenDestination::open(project.as_ref(), args.destination.as_deref(), None).await?;
    let engine = Engine::try_new(&crate::run::engine_options(&limits))?;
    let context = engine.new_context();
    let known = register_tables(&context, &destination, args.focus_version).await?;
    if known.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "there are no tables yet; `apportion run` writes them")
            .with("destination", &destination.shown));
    }
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let answer = context.sql_with_options(&args.sql, options).await.map_err(|error| {
        let text = error.to_string();
        let missing = text.split('\'').nth(1).filter(|_| text.contains("not found")).unwrap_or("");
        let name = missing.rsplit('.').next().unwrap_or("");
        let hint = if known.iter().any(|table| table == name) {
            String::new()
        } else {
            did_you_mean(name, known.iter().map(String::as_str))
        };
        // The nearest column is named before the list of all that a table has.
        let reason = text.split("\nValid fields are").next().unwrap_or(&text).to_owned();
        Error::new(ErrorKind::SqlInvalid, format!("the question does not plan{hint}"))
            .with("tables", known.join(", "))
            .with_source(std::io::Error::other(reason))
    })?;
    write_answer(args, answer).await
}

/// Registers every table that has objects; returns their names.
async fn register_tables(
    context: &SessionContext,
    destination: &OpenDestination,
    shape: FocusShape,
) -> Result<Vec<String>> {
    let tables = Tables::new(None);
    let mut known = Vec::new();
    let mut periods = BTreeSet::new();
    for name in PUBLISHED {
        let objects = destination.sink.read_objects(&tables.spec(name)?, &[]).await?;
        if objects.is_empty() {
            continue;
        }
        let period =
            |object: &TableObject| object.partition.iter().find(|(column, _)| column == BILLING_PERIOD).cloned();
        periods.extend(objects.iter().filter_map(period).map(|(_, period)| period));
        let spec = with_stored_columns(context, destination, tables.spec(name)?, &objects).await?;
        let table = objects_table(destination.sink.as_ref(), &spec, objects)?;
        let registered_as =
            if name == FOCUS_CHARGES && shape != FocusShape::V1_4 { "focus_charges_stored" } else { name };
        context.register_table(registered_as, table).map_err(query_error)?;
        known.push(name.to_owned());
    }
    warn_of_uncertified(destination, &periods).await?;
    let projection = match shape {
        FocusShape::V1_4 => None,
        FocusShape::V1_3 => Some(FocusVersion::V1_3),
        FocusShape::V1_2 => Some(FocusVersion::V1_2),
    };
    if let Some(version) = projection.filter(|_| known.iter().any(|name| name == FOCUS_CHARGES)) {
        let columns = catalog().projection(version).select_list();
        let view = context.sql(&format!("SELECT {columns} FROM focus_charges_stored")).await.map_err(query_error)?;
        context.register_table(FOCUS_CHARGES, view.into_view()).map_err(query_error)?;
    }
    let ledger = read_ledger(&destination.place).await?;
    if ledger.num_rows() > 0 {
        let table = MemTable::try_new(ledger.schema(), vec![vec![ledger]]).map_err(query_error)?;
        context.register_table(RUN_LEDGER, Arc::new(table)).map_err(query_error)?;
        known.push(RUN_LEDGER.to_owned());
    }
    Ok(known)
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
    let in_folders = spec.partition_by.iter().filter(|name| stored.column_with_name(name).is_none());
    let folders: Vec<Arc<Field>> = in_folders.map(|name| Arc::new(Field::new(name, DataType::Utf8, false))).collect();
    spec.schema = Arc::new(Schema::new(folders.into_iter().chain(stored.fields().iter().cloned()).collect::<Vec<_>>()));
    Ok(spec)
}

async fn write_answer(args: &QueryArgs, answer: DataFrame) -> Result<()> {
    match args.format {
        QueryFormat::Parquet => {
            let Some(file) = &args.output else {
                return Err(Error::new(ErrorKind::Config, "a Parquet answer needs a file; add --output FILE"));
            };
            let target = file.display().to_string();
            let options = datafusion::dataframe::DataFrameWriteOptions::new().with_single_file_output(true);
            answer.write_parquet(&target, options, None).await.map_err(query_error)?;
            output::note(&format!("wrote {target}"));
            Ok(())
        }
        format => {
            let text = render(format, answer).await?;
            match &args.output {
                // No row is no line of JSON.
                None if text.is_empty() => {}
                None => output::result(&text),
                Some(file) => {
                    std::fs::write(file, text).map_err(|error| {
                        Error::new(ErrorKind::Config, "the answer cannot be written")
                            .with("file", file.display())
                            .with_source(error)
                    })?;
                    output::note(&format!("wrote {}", file.display()));
                }
            }
            Ok(())
        }
    }
}

async fn render(format: QueryFormat, answer: DataFrame) -> Result<String> {
    let schema = answer.schema().inner().as_ref().clone();
    let mut stream = answer.execute_stream().await.map_err(query_error)?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch.map_err(query_error)?);
    }
    let failed = |error: arrow::error::ArrowError| {
        Error::new(ErrorKind::Internal, "the answer cannot be rendered").with_source(error)
    };
    match format {
        QueryFormat::Csv => {
            let mut bytes = Vec::new();
            let mut writer = arrow::csv::Writer::new(&mut bytes);
            if batches.is_empty() {
                batches.push(RecordBatch::new_empty(Arc::new(schema)));
            }
            for batch in &batches {
                writer.write(batch).map_err(failed)?;
            }
            drop(writer);
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        QueryFormat::Json => {
            let mut bytes = Vec::new();
            let mut writer = arrow::json::LineDelimitedWriter::new(&mut bytes);
            for batch in &batches {
                writer.write(&decimals_as_text(batch).map_err(failed)?).map_err(failed)?;
            }
            writer.finish().map_err(failed)?;
            drop(writer);
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        QueryFormat::Table | QueryFormat::Parquet => {
            if batches.is_empty() {
                batches.push(RecordBatch::new_empty(Arc::new(schema)));
            }
            Ok(pretty_format_batches(&batches).map_err(failed)?.to_string())
        }
    }
}

/// JSON numbers are floats to most readers, so decimals travel as text.
fn decimals_as_text(batch: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if matches!(field.data_type(), DataType::Decimal128(..) | DataType::Decimal256(..)) {
            let text = cast(column, &DataType::Utf8)?;
            debug_assert!(text.as_any().is::<StringArray>());
            fields.push(Field::new(field.name(), DataType::Utf8, field.is_nullable()));
            columns.push(text);
        } else {
            fields.push(field.as_ref().clone());
            columns.push(Arc::clone(column));
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}
