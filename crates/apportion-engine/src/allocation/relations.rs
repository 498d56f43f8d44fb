//! The rules as small tables, for SQL to join: parts, declared shares, fallbacks.
//!
//! The only place where rows are made from the plan. They pass through the barrier like every
//! other intermediate result, so that no engine has to accept tables in memory.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::Result;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;

use super::plan::{AllocationPlan, PartPlan, RulePlan};

fn text<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn whole(values: impl Iterator<Item = Option<usize>>) -> ArrayRef {
    Arc::new(values.map(|value| value.and_then(|value| i64::try_from(value).ok())).collect::<Int64Array>())
}

fn decimal(values: impl Iterator<Item = i128>) -> Result<ArrayRef, DataFusionError> {
    Ok(Arc::new(values.map(Some).collect::<Decimal128Array>().with_precision_and_scale(38, 12)?))
}

fn frame(context: &SessionContext, columns: Vec<(&str, ArrayRef)>) -> Result<DataFrame> {
    context.read_batch(RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, values)| (name, values, true)),
    )?)
}

/// One row per rule and part.
pub(super) fn parts(context: &SessionContext, plan: &AllocationPlan) -> Result<DataFrame> {
    let rows: Vec<(&RulePlan, usize, &PartPlan)> = plan
        .rules
        .iter()
        .flat_map(|rule| rule.parts.iter().enumerate().map(move |(index, part)| (rule, index + 1, part)))
        .collect();
    let split = |rule: &RulePlan| rule.split.as_ref().and_then(|split| split.driver.clone());
    let split_drivers: Vec<_> = rows.iter().map(|(rule, ..)| split(rule)).collect();
    frame(
        context,
        vec![
            ("Stage", text(rows.iter().map(|(rule, ..)| Some(rule.stage.as_str())))),
            ("RuleId", text(rows.iter().map(|(rule, ..)| Some(rule.id.as_str())))),
            ("Part", whole(rows.iter().map(|(_, part, _)| Some(*part)))),
            ("PartName", text(rows.iter().map(|(.., part)| Some(part.name.as_str())))),
            ("Kind", text(rows.iter().map(|(.., part)| Some(part.kind.as_str())))),
            ("Activity", text(rows.iter().map(|(.., part)| part.is_activity.then_some(part.name.as_str())))),
            ("Driver", text(rows.iter().map(|(.., part)| part.driver.as_ref().map(|keyed| keyed.name.as_str())))),
            ("KeyPosition", whole(rows.iter().map(|(.., part)| part.driver.as_ref().map(|keyed| keyed.key_position)))),
            ("Ledger", text(rows.iter().map(|(.., part)| part.ledger))),
            ("ActivityKind", text(rows.iter().map(|(rule, ..)| rule.split.as_ref().map(|split| split.kind.as_str())))),
            ("ActivityDriver", text(split_drivers.iter().map(|keyed| keyed.as_ref().map(|keyed| keyed.name.as_str())))),
            (
                "ActivityKeyPosition",
                whole(split_drivers.iter().map(|keyed| keyed.as_ref().map(|keyed| keyed.key_position))),
            ),
        ],
    )
}

/// Declared weights of activities and targets.
pub(super) fn shares(context: &SessionContext, plan: &AllocationPlan) -> Result<DataFrame> {
    let rows: Vec<_> = plan
        .rules
        .iter()
        .flat_map(|rule| rule.shares.iter().map(move |(level, target, units)| (level, rule, target, units)))
        .collect();
    frame(
        context,
        vec![
            ("Level", text(rows.iter().map(|(level, ..)| Some(level.as_str())))),
            ("RuleId", text(rows.iter().map(|(_, rule, ..)| Some(rule.id.as_str())))),
            ("TargetId", text(rows.iter().map(|(_, _, target, _)| Some(target.as_str())))),
            ("Quantity", decimal(rows.iter().map(|(.., units)| **units))?),
        ],
    )
}

/// Fallbacks by rule, in order.
pub(super) fn fallbacks(context: &SessionContext, plan: &AllocationPlan) -> Result<DataFrame> {
    let rows: Vec<_> = plan
        .rules
        .iter()
        .flat_map(|rule| rule.fallback.iter().enumerate().map(move |(index, fallback)| (rule, index + 1, fallback)))
        .collect();
    frame(
        context,
        vec![
            ("RuleId", text(rows.iter().map(|(rule, ..)| Some(rule.id.as_str())))),
            ("Position", whole(rows.iter().map(|(_, position, _)| Some(*position)))),
            ("Fallback", text(rows.iter().map(|(.., fallback)| Some(fallback.as_str())))),
        ],
    )
}

/// Pools that a stage assigns to cells itself; none to begin with.
pub(super) fn no_cell_pools(context: &SessionContext) -> Result<DataFrame> {
    let columns = ["CellId", "PoolId", "Level", "LevelKey", "Inherits"];
    frame(context, columns.iter().map(|name| (*name, text(std::iter::empty()))).collect())
}

/// Weights by cost before any stage gave some.
pub(super) fn no_cost_weights(context: &SessionContext) -> Result<DataFrame> {
    let columns = ["Ledger", "BillingCurrency", "TargetId"];
    let mut columns: Vec<(&str, ArrayRef)> = columns.iter().map(|name| (*name, text(std::iter::empty()))).collect();
    columns.push(("Quantity", decimal(std::iter::empty())?));
    frame(context, columns)
}

/// Quantities before any stage has delivered some.
pub(super) fn no_quantities(context: &SessionContext) -> Result<DataFrame> {
    let none = || text(std::iter::empty());
    let texts = ["PoolId", "Level", "Stage", "RuleId", "Activity", "Driver", "DriverKey"];
    let mut columns: Vec<(&str, ArrayRef)> = texts.iter().map(|name| (*name, none())).collect();
    columns.push(("ChargeDate", Arc::new(Date32Array::from(Vec::<i32>::new()))));
    columns.push(("TargetId", none()));
    columns.push(("Inherited", none()));
    columns.push(("DriverSource", none()));
    columns.push(("IsEstimated", Arc::new(BooleanArray::from(Vec::<bool>::new()))));
    columns.push(("Reason", none()));
    for name in ["Quantity", "QuantityBefore", "QuantityUpTo", "QuantityTotal"] {
        columns.push((name, decimal(std::iter::empty())?));
    }
    frame(context, columns)
}

/// Telemetry of a pipeline that declares none.
pub(super) fn no_telemetry(context: &SessionContext) -> Result<DataFrame> {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema = Schema::new(vec![
        Field::new("Telemetry", DataType::Utf8, false),
        Field::new("MatchKey", DataType::Utf8, true),
        Field::new("Time", time, true),
        Field::new("Target", DataType::Utf8, true),
        Field::new("Quantity", DataType::Decimal128(38, 12), true),
    ]);
    context.read_batch(RecordBatch::new_empty(Arc::new(schema)))
}
