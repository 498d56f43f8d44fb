//! The reporting currency: declared rates as a relation, and the refusals around them.
//!
//! Rates are data of the pipeline file. One that is missing is never guessed, and one that published
//! figures were computed with is never replaced by accident.

use std::sync::Arc;

use apportion_sinks::{PartitionValues, TableObject, TableSink, TableSpec, objects_table};
use apportion_spec::pipeline::Reporting;
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::functions::core::expr_fn::{get_field, named_struct};
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::{SessionContext, col};

use crate::rows::rows_with;
use crate::run::Run;
use crate::staging::{query_error, quoted};
use crate::tables::{ALLOCATED_CHARGES, REPORTING_CHARGES};

/// The relation of declared rates that `sql/marts/reporting_charges.sql` reads.
const EXCHANGE_RATES: &str = "exchange_rates";
/// The relation of the same rates as they are written in the pipeline.
const DECLARED_RATES: &str = "declared_rates";

/// The relation of allocated charges that the model reads.
const ALLOCATED_PARTS: &str = "allocated_parts";
/// Its column with everything a pipeline added to the table.
pub(crate) const DIMENSIONS: &str = "Dimensions";

/// Registers the allocated charges with the columns `own` to the pipeline in one.
///
/// # Errors
/// [`ErrorKind::Internal`] when the relation does not plan.
pub(crate) async fn register_parts(context: &SessionContext, own: &[String]) -> Result<()> {
    let allocated = context.table(ALLOCATED_CHARGES).await.map_err(query_error)?;
    let named = own.iter().flat_map(|name| [lit(name.as_str()), col(quoted(name))]).collect();
    let packed = if own.is_empty() { lit(true) } else { named_struct(named) };
    let parts = allocated.with_column(DIMENSIONS, packed).map_err(query_error)?;
    context.register_table(ALLOCATED_PARTS, parts.into_view()).map_err(query_error)?;
    Ok(())
}

/// A column of the written table in the model's rows.
pub(crate) fn column(name: &str, own: &[String]) -> Expr {
    if own.iter().any(|own| own == name) {
        get_field(col(quoted(DIMENSIONS)), name).alias(name)
    } else {
        col(quoted(name))
    }
}

/// Registers the declared rates and demands that the allocated charges of the context need no other,
/// and that none differs from the one the period was published with.
///
/// # Errors
/// [`ErrorKind::Config`] naming every currency and month without a rate, [`ErrorKind::Conflict`]
/// naming a rate that changed after it was used.
pub(crate) async fn register_rates(
    run: &Run,
    context: &SessionContext,
    reporting: &Reporting,
    period: BillingPeriod,
) -> Result<()> {
    context.register_table(DECLARED_RATES, declared(reporting)?).map_err(query_error)?;
    let rates = "SELECT BillingCurrency, CAST(ChargeMonth AS timestamp) AS ChargeMonth, decimal_from_text(Rate) AS Rate \
                 FROM declared_rates";
    let rates = context.sql(rates).await.map_err(query_error)?;
    context.register_table(EXCHANGE_RATES, rates.into_view()).map_err(query_error)?;
    let missing = "SELECT DISTINCT a.BillingCurrency, to_char(a.x_ChargeDate, '%Y-%m') FROM allocated_charges a \
                   LEFT ANTI JOIN exchange_rates r ON a.BillingCurrency = r.BillingCurrency \
                   AND date_trunc('month', a.x_ChargeDate) = r.ChargeMonth \
                   WHERE a.BillingCurrency <> $currency ORDER BY 1, 2";
    let missing = rows_with(context, missing, &currency(reporting)).await?;
    let missing: Vec<String> = missing.iter().map(|row| format!("{} in {}", row.text(0), row.text(1))).collect();
    if !missing.is_empty() {
        let message = format!(
            "no rate into {} is declared for {}; add it under `reporting.rates`",
            reporting.currency,
            missing.join(", ")
        );
        return Err(Error::new(ErrorKind::Config, message));
    }
    frozen(run, context, reporting, period).await
}

/// The reporting currency as the parameter of a query.
fn currency(reporting: &Reporting) -> [(&'static str, ScalarValue); 1] {
    [("currency", ScalarValue::from(reporting.currency.as_str()))]
}

/// The declared rates as the pipeline states them, in text.
///
/// # Errors
/// [`ErrorKind::Internal`] when they are no table.
fn declared(reporting: &Reporting) -> Result<Arc<MemTable>> {
    let text = |values: Vec<String>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let rates = &reporting.rates;
    let rows = RecordBatch::try_from_iter([
        ("BillingCurrency", text(rates.iter().map(|rate| rate.currency.clone()).collect())),
        ("ChargeMonth", text(rates.iter().map(|rate| rate.month.start().format("%Y-%m-%d").to_string()).collect())),
        ("Rate", text(rates.iter().map(|rate| rate.rate.clone()).collect())),
    ]);
    let rows = rows.map_err(|error| query_error(error.into()))?;
    Ok(Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]]).map_err(query_error)?))
}

/// The objects of the newest version of a partition that is kept whole; none when there is none.
async fn last_whole(sink: &dyn TableSink, spec: &TableSpec, partition: &PartitionValues) -> Result<Vec<TableObject>> {
    match sink.versions(spec, partition).await?.first() {
        Some(newest) => sink.version_objects(spec, partition, newest.version).await,
        None => Ok(Vec::new()),
    }
}

/// Compares the declared rates with those the period was published with.
async fn frozen(run: &Run, context: &SessionContext, reporting: &Reporting, period: BillingPeriod) -> Result<()> {
    let sink = run.destination.sink.as_ref();
    let spec = run.tables.spec(REPORTING_CHARGES)?;
    let filter = vec![("x_BillingPeriod".to_owned(), period.to_string())];
    let objects = match sink.read_objects(&spec, &filter).await {
        // A run was killed while it published them: the last whole version says what was used.
        Err(error) if error.kind() == ErrorKind::Conflict => last_whole(sink, &spec, &filter).await?,
        objects => objects?,
    };
    if objects.is_empty() {
        return Ok(());
    }
    let published = objects_table(sink, &spec, objects)?;
    context.register_table("published_reporting_charges", published).map_err(query_error)?;
    let changed = "SELECT DISTINCT p.BillingCurrency, to_char(p.x_ChargeDate, '%Y-%m'), p.x_ExchangeRate, r.Rate \
                   FROM published_reporting_charges p JOIN exchange_rates r ON p.BillingCurrency = r.BillingCurrency \
                   AND date_trunc('month', p.x_ChargeDate) = r.ChargeMonth \
                   WHERE p.x_ReportingCurrency = $currency AND p.x_ExchangeRate <> r.Rate ORDER BY 1, 2";
    let changed = rows_with(context, changed, &currency(reporting)).await?;
    let accepted = |month: &str| reporting.restated_months.iter().any(|it| it.to_string() == month);
    let named: Vec<String> = changed
        .iter()
        .filter(|row| !accepted(&row.text(1)))
        .map(|row| {
            let plain = |rate: String| rate.trim_end_matches('0').trim_end_matches('.').to_owned();
            format!(
                "{} of {}: published with {}, now {}",
                row.text(0),
                row.text(1),
                plain(row.text(2)),
                plain(row.text(3))
            )
        })
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let message = format!(
        "a rate into {} changed after it was used ({}); restore it, or name the month under `reporting.restated_months`",
        reporting.currency,
        named.join("; ")
    );
    Err(Error::new(ErrorKind::Conflict, message))
}
