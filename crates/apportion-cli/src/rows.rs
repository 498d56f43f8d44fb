//! Small answers of SQL as text cells, for reports. Never used on charge-sized results.

use apportion_spec::{Error, ErrorKind, Result};
use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type};
use chrono::NaiveDate;
use datafusion::common::ScalarValue;
use datafusion::prelude::SessionContext;

use crate::money::Money;
use crate::staging::query_error;

/// One row of text cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row(Vec<Option<String>>);

impl Row {
    /// The text of a cell, empty for NULL.
    pub(crate) fn text(&self, index: usize) -> String {
        self.0.get(index).and_then(Clone::clone).unwrap_or_default()
    }

    /// The text of a cell, or `None` for NULL.
    pub(crate) fn optional(&self, index: usize) -> Option<String> {
        self.0.get(index).and_then(Clone::clone)
    }

    /// A decimal with twelve decimals; zero for NULL, which a sum over no rows is.
    ///
    /// # Errors
    /// [`ErrorKind::ContractViolated`] for anything else: what cannot be read is no zero.
    pub(crate) fn money(&self, index: usize) -> Result<Money> {
        self.0.get(index).and_then(Option::as_ref).map_or(Ok(Money::default()), |text| Money::read(text))
    }

    /// A number of rows.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when it is none.
    pub(crate) fn count(&self, index: usize) -> Result<u64> {
        let text = self.text(index);
        text.parse().map_err(|_| Error::new(ErrorKind::Internal, format!("`{text}` is no number of rows")))
    }
}

/// A day as the parameter of a query.
pub(crate) fn date(day: NaiveDate) -> ScalarValue {
    ScalarValue::Date32(Some(Date32Type::from_naive_date(day)))
}

/// Runs a query and returns all its rows.
///
/// # Errors
/// When it does not plan or run.
pub(crate) async fn rows(context: &SessionContext, sql: &str) -> Result<Vec<Row>> {
    rows_with(context, sql, &[]).await
}

/// As [`rows`], with values for the parameters of the query: `$currency` is `("currency", …)`.
///
/// # Errors
/// When it does not plan or run.
pub(crate) async fn rows_with(
    context: &SessionContext,
    sql: &str,
    parameters: &[(&str, ScalarValue)],
) -> Result<Vec<Row>> {
    let mut query = context.sql(sql).await.map_err(query_error)?;
    if !parameters.is_empty() {
        query = query.with_param_values(parameters.to_vec()).map_err(query_error)?;
    }
    let batches = query.collect().await.map_err(query_error)?;
    let mut rows = Vec::new();
    for batch in batches {
        let mut columns = Vec::new();
        for column in batch.columns() {
            let text = cast(column, &DataType::Utf8).map_err(|error| {
                Error::new(ErrorKind::Internal, "a report column has no text form").with_source(error)
            })?;
            columns.push(text);
        }
        for index in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| {
                let column = column.as_string::<i32>();
                arrow::array::Array::is_valid(column, index).then(|| column.value(index).to_owned())
            });
            rows.push(Row(cells.collect()));
        }
    }
    Ok(rows)
}
