//! Small helpers over data frames: errors in our words, views by name, columns by contract.

use std::sync::Arc;

use apportion_focus::TableContract;
use apportion_spec::{Error, ErrorKind, Result};
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, ScalarUDF, cast, ident};
use datafusion::prelude::SessionContext;

use super::Barrier;
use crate::fault::from_datafusion;

/// Turns an engine error into ours; `step` says what was being done.
pub(super) fn failed(step: &'static str) -> impl Fn(DataFusionError) -> Error {
    move |error| from_datafusion(&error).with("step", step)
}

/// Registers a table, in place of the one of that name.
pub(super) fn register(context: &SessionContext, name: &'static str, table: Arc<dyn TableProvider>) -> Result<()> {
    context.deregister_table(name).map_err(failed(name))?;
    context.register_table(name, table).map_err(failed(name))?;
    Ok(())
}

/// Computes a frame through the barrier and registers it.
pub(super) async fn settle(
    context: &SessionContext,
    barrier: &dyn Barrier,
    stage: &str,
    name: &'static str,
    frame: DataFrame,
) -> Result<Arc<dyn TableProvider>> {
    let table = barrier.materialize(&format!("{stage}__{name}"), frame).await?;
    register(context, name, Arc::clone(&table))?;
    Ok(table)
}

/// The frame with further columns.
pub(super) fn extend(frame: DataFrame, added: Vec<Expr>) -> Result<DataFrame, DataFusionError> {
    let mut columns: Vec<Expr> = frame.schema().fields().iter().map(|field| ident(field.name())).collect();
    columns.extend(added);
    frame.select(columns)
}

/// One of the engine's own functions.
pub(super) fn function(name: &'static str) -> Result<ScalarUDF, DataFusionError> {
    crate::udf::named(name).ok_or_else(|| DataFusionError::Internal(format!("there is no function {name}")))
}

/// A SQL expression over the columns of a frame, under a name.
pub(super) fn sql(
    context: &SessionContext,
    frame: &DataFrame,
    text: &str,
    name: &str,
) -> Result<Expr, DataFusionError> {
    Ok(context.parse_sql_expr(text, frame.schema())?.alias(name))
}

/// Brings a frame into the columns, order and types of a contract. `origin` says where a column
/// comes from when it is not a column of the frame.
pub(super) fn conform(
    frame: DataFrame,
    contract: &TableContract,
    origin: impl Fn(&str) -> Option<Expr>,
) -> Result<DataFrame, DataFusionError> {
    let columns: Vec<Expr> = contract
        .columns
        .iter()
        .map(|column| {
            let value = origin(&column.name).unwrap_or_else(|| ident(&column.name));
            cast(value, column.data_type.clone()).alias(&column.name)
        })
        .collect();
    frame.select(columns)
}

/// The contract of a written table.
pub(super) fn contract(name: &'static str) -> Result<&'static TableContract> {
    apportion_focus::catalog()
        .table(name)
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a written table has no contract").with("table", name))
}
