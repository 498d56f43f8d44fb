//! Unit economics: what one request, order or token cost, by target, dimensions and day.
//!
//! Each unit metric is summed on both sides to its own keys, the target and declared dimensions as
//! one match key, before cost meets quantity; so no join can multiply cost.

use apportion_spec::{BillingPeriod, Result};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::{max, sum};
use datafusion::logical_expr::{Expr, ident, lit, when};
use datafusion::prelude::SessionContext;

use super::Barrier;
use super::frames::{conform, contract, failed, function, register, settle};
use super::plan::{AllocationPlan, MetricPlan};
use super::{model, stages};

/// The two tables of unit economics; lazy, in contract order and types, not sorted.
#[derive(Debug)]
pub struct UnitEconomics {
    /// Rows of `unit_economics_daily`.
    pub daily: DataFrame,
    /// Rows of `unit_economics_monthly`.
    pub monthly: DataFrame,
}

pub(super) async fn run(
    context: &SessionContext,
    barrier: &dyn Barrier,
    plan: &AllocationPlan,
    period: BillingPeriod,
) -> Result<UnitEconomics> {
    stages::telemetry(context, barrier).await?;
    let step = failed("relate cost to quantities");
    let charges = context.table("allocated_charges").await.map_err(&step)?;
    let quantities = context.table("telemetry_quantities").await.map_err(&step)?;
    let currencies = charges.clone().select(vec![ident("BillingCurrency")]).and_then(DataFrame::distinct);
    register(context, "unit_currencies", currencies.map_err(&step)?.into_view())?;

    let (mut costs, mut counts) = (Vec::new(), Vec::new());
    for metric in &plan.metrics {
        costs.push(cost_side(charges.clone(), metric).map_err(&step)?);
        counts.push(quantity_side(quantities.clone(), metric).map_err(&step)?);
    }
    // A pipeline without unit metrics has the tables too, without rows.
    let nobody = MetricPlan::nothing();
    let empty = |frame: DataFrame| frame.limit(0, Some(0));
    let costs = union(costs, cost_side(charges, &nobody).and_then(empty)).map_err(&step)?;
    let counts = union(counts, quantity_side(quantities, &nobody).and_then(empty)).map_err(&step)?;
    register(context, "unit_costs", costs.into_view())?;
    register(context, "unit_quantities", counts.into_view())?;
    let days = model::UNIT_DAYS.frame(context, &[]).await?;
    settle(context, barrier, "period", "unit_days", days).await?;

    let kept = plan.unit_dimension_columns();
    let period = period.to_string();
    let parameters = [("billing_period", period.as_str())];
    let mut tables = Vec::new();
    for (name, model) in [
        ("unit_economics_daily", model::UNIT_ECONOMICS_DAILY),
        ("unit_economics_monthly", model::UNIT_ECONOMICS_MONTHLY),
    ] {
        let frame = model.frame(context, &parameters).await?;
        let mut values = Vec::new();
        for column in &kept {
            values.push((column.name.clone(), dimension(plan, &column.name).map_err(&step)?));
        }
        let wanted = contract(name)?.with_dimensions(kept.clone());
        let origin = |name: &str| values.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        tables.push(conform(frame, &wanted, origin).map_err(&step)?);
    }
    let mut tables = tables.into_iter();
    match (tables.next(), tables.next()) {
        (Some(daily), Some(monthly)) => Ok(UnitEconomics { daily, monthly }),
        _ => Err(step(DataFusionError::Internal("two models give two tables".to_owned()))),
    }
}

impl MetricPlan {
    fn nothing() -> Self {
        Self {
            name: String::new(),
            telemetry: String::new(),
            unit: String::new(),
            ledger: apportion_spec::pipeline::Ledger::Effective,
            by_target: false,
            by: Vec::new(),
        }
    }
}

fn union(frames: Vec<DataFrame>, empty: Result<DataFrame, DataFusionError>) -> Result<DataFrame, DataFusionError> {
    frames.into_iter().try_fold(empty?, DataFrame::union)
}

/// The columns both sides carry about their metric.
fn labels(metric: &MetricPlan) -> Vec<Expr> {
    vec![
        lit(metric.name.clone()).alias("UnitMetric"),
        lit(metric.telemetry.clone()).alias("Metric"),
        lit(metric.ledger.as_str()).alias("Ledger"),
        lit(metric.unit.clone()).alias("QuantityUnit"),
    ]
}

/// Target (or NULL) and dimensions as one key.
fn unit_key(metric: &MetricPlan, target: Expr, values: Vec<Expr>) -> Result<Expr, DataFusionError> {
    let target = if metric.by_target { target } else { lit(ScalarValue::Utf8(None)) };
    let mut all = vec![target];
    all.extend(values);
    Ok(function("match_key")?.call(all).alias("UnitKey"))
}

fn cost_side(charges: DataFrame, metric: &MetricPlan) -> Result<DataFrame, DataFusionError> {
    let values = metric.by.iter().map(|(column, _)| ident(column)).collect();
    let key = unit_key(metric, ident("x_AllocationTargetId"), values)?;
    let charges = charges.select(vec![
        key,
        ident("BillingCurrency"),
        ident("x_ChargeDate").alias("ChargeDate"),
        ident(metric.ledger.column()).alias("Part"),
        ident("x_Finality"),
    ])?;
    let group = vec![ident("UnitKey"), ident("BillingCurrency"), ident("ChargeDate")];
    let charges = charges.aggregate(group, vec![sum(ident("Part")).alias("Cost"), provisional_if_any()])?;
    let mut columns = labels(metric);
    columns.extend(["UnitKey", "BillingCurrency", "ChargeDate", "Cost", "Finality"].map(ident));
    charges.select(columns)
}

/// `final` only where every part is. Of the two words, `provisional` is the later one in the alphabet.
fn provisional_if_any() -> Expr {
    max(ident("x_Finality")).alias("Finality")
}

fn quantity_side(quantities: DataFrame, metric: &MetricPlan) -> Result<DataFrame, DataFusionError> {
    let value = function("match_value")?;
    let values =
        metric.by.iter().map(|(_, position)| value.call(vec![ident("MatchKey"), lit(position.to_string())])).collect();
    let key = unit_key(metric, ident("TargetId"), values)?;
    let quantities = quantities
        .filter(ident("Telemetry").eq(lit(metric.telemetry.clone())).and(ident("Quantity").is_not_null()))?
        .select(vec![key, ident("ChargeDate"), ident("Quantity")])?
        .aggregate(vec![ident("UnitKey"), ident("ChargeDate")], vec![sum(ident("Quantity")).alias("Quantity")])?;
    let mut columns = labels(metric);
    columns.extend(["UnitKey", "ChargeDate", "Quantity"].map(ident));
    quantities.select(columns)
}

/// The value of a dimension in the rows of the metrics that are broken down by it.
fn dimension(plan: &AllocationPlan, column: &str) -> Result<Expr, DataFusionError> {
    let value = function("match_value")?;
    let mut result = lit(ScalarValue::Utf8(None));
    for metric in &plan.metrics {
        if let Some(index) = metric.by.iter().position(|(known, _)| known == column) {
            // the target comes first in the key
            let part = value.call(vec![ident("UnitKey"), lit((index + 2).to_string())]);
            result = when(ident("x_UnitMetric").eq(lit(metric.name.clone())), part).otherwise(result)?;
        }
    }
    Ok(result)
}
