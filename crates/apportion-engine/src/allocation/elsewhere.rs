//! Days far away: those outside of the billing period and of the one before that some charge of the
//! bill has to be weighed by.
//!
//! A correction names the month it corrects, and an invoice month need not end with the month in
//! UTC. Asked of the charges, so that telemetry is opened for days that matter and for no others.
//! The trap avoided: a day that is missing here looks like a driver that nobody measured.

use apportion_spec::{BillingPeriod, Result};
use arrow::array::AsArray;
use arrow::datatypes::Date32Type;
use chrono::NaiveDate;
use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::prelude::SessionContext;

use super::cells;
use super::frames::{failed, function};
use super::plan::AllocationPlan;

/// The days, in order.
pub(super) async fn days(
    context: &SessionContext,
    plan: &AllocationPlan,
    period: BillingPeriod,
) -> Result<Vec<NaiveDate>> {
    let step = failed("find days outside of the period");
    let measured: Vec<Expr> =
        cells::numbered(plan).filter(|(_, rule)| rule.is_measured()).map(|(ordinal, _)| lit(ordinal)).collect();
    if measured.is_empty() {
        return Ok(Vec::new());
    }
    let charges = context.table("focus_charges").await.map_err(&step)?;
    let charges = outside(context, charges, period).map_err(&step)?;
    let charges = cells::routed(context, charges, plan, &[]).map_err(&step)?;
    let charges = cells::keyed(context, charges, plan).map_err(&step)?;
    let charges = charges.filter(ident("RuleOrdinal").in_list(measured, false)).map_err(&step)?;
    let found = distinct_days(context, charges, period).map_err(&step)?.collect().await.map_err(&step)?;
    let mut days = Vec::new();
    for batch in &found {
        let dates = batch.column(0).as_primitive::<Date32Type>();
        days.extend(dates.iter().flatten().filter_map(Date32Type::to_naive_date_opt));
    }
    days.sort_unstable();
    Ok(days)
}

/// Charges that cost something and may have a day outside. On plain columns, so that whole row
/// groups are passed over; exact days are found later.
fn outside(context: &SessionContext, charges: DataFrame, period: BillingPeriod) -> Result<DataFrame, DataFusionError> {
    let (first, end) = known(period);
    let wanted = format!(
        "(ChargePeriodStart < timestamp '{first}' or ChargePeriodStart >= timestamp '{end}' \
         or ChargePeriodEnd > timestamp '{end}') \
         and (BilledCost <> 0 or EffectiveCost <> 0 or ListCost <> 0 or ContractedCost <> 0)"
    );
    let wanted = context.parse_sql_expr(&wanted, charges.schema())?;
    charges.filter(wanted)
}

fn distinct_days(
    context: &SessionContext,
    charges: DataFrame,
    period: BillingPeriod,
) -> Result<DataFrame, DataFusionError> {
    let spans = charges.select(vec![ident("SpanStart"), ident("SpanEnd")])?.distinct()?;
    let days = function("charge_days")?.call(vec![ident("SpanStart"), ident("SpanEnd")]);
    // in lower case, because `unnest_columns` reads a name as an unquoted one
    let days = spans.select(vec![days.alias("day")])?.unnest_columns(&["day"])?;
    let days = days.select(vec![get_field(ident("day"), "ChargeDate").alias("ChargeDate")])?;
    let (first, end) = known(period);
    let elsewhere = format!("ChargeDate < date '{first}' or ChargeDate >= date '{end}'");
    let elsewhere = context.parse_sql_expr(&elsewhere, days.schema())?;
    days.filter(elsewhere)?.distinct()
}

/// First day of the period before, and first day after the period: what is in between is known.
fn known(period: BillingPeriod) -> (NaiveDate, NaiveDate) {
    (period.previous().start().date_naive(), period.end().date_naive())
}
