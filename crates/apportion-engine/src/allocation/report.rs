//! What an allocation has to say besides its rows: which rules matched what, and what is notable
//! about each driver.
//!
//! Both are aggregates of relations that exist anyway: charges were grouped by the rules that match
//! them before they became cells, so conflicts cost no further scan of the charges.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type};
use datafusion::common::DataFusionError;
use datafusion::prelude::SessionContext;

use super::plan::{AllocationPlan, FOLLOWERS, UNMATCHED};

/// Charges of one rule, of one kind of follower, or without a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleReport {
    /// Stage: a declared one, `unmatched` or `followers`.
    pub stage: String,
    /// Rule, kind of follower, or nothing for unmatched charges.
    pub rule: Option<String>,
    /// Charges the rule took.
    pub charges: i64,
    /// Their effective cost by currency, in units of 10^-12.
    pub effective_cost: BTreeMap<String, i128>,
    /// Charges that later rules match as well, by rule: the earlier rule won.
    pub also_matched_by: BTreeMap<String, i64>,
}

/// What is notable about one driver in the billing period.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriverReport {
    /// Telemetry name.
    pub driver: String,
    /// Measurements without a quantity; they count for nothing.
    pub missing_quantities: i64,
    /// Days, keys and targets whose net quantity is negative; they weigh nothing.
    pub negative_quantities: i64,
    /// Their sum, in units of 10^-12.
    pub negative_total: i128,
    /// Quantity that belongs to no target, in units of 10^-12.
    pub without_target: i128,
    /// Pools by the source their quantities came from.
    pub pools: BTreeMap<String, i64>,
}

async fn rows(context: &SessionContext, query: &str) -> Result<Vec<RecordBatch>, DataFusionError> {
    context.sql(query).await?.collect().await
}

fn text(batch: &RecordBatch, column: usize, row: usize) -> Result<Option<String>, DataFusionError> {
    let values = arrow::compute::cast(batch.column(column), &DataType::Utf8)?;
    let values = values.as_string::<i32>();
    Ok(values.is_valid(row).then(|| values.value(row).to_owned()))
}

fn count(batch: &RecordBatch, column: usize, row: usize) -> Result<i64, DataFusionError> {
    let values = arrow::compute::cast(batch.column(column), &DataType::Int64)?;
    let values = values.as_primitive::<Int64Type>();
    Ok(if values.is_valid(row) { values.value(row) } else { 0 })
}

fn units(batch: &RecordBatch, column: usize, row: usize) -> Result<i128, DataFusionError> {
    let values = arrow::compute::cast(batch.column(column), &DataType::Decimal128(38, 12))?;
    let values = values.as_primitive::<Decimal128Type>();
    Ok(if values.is_valid(row) { values.value(row) } else { 0 })
}

/// Reports every rule of the plan, then unmatched charges and followers where there are some.
pub(super) async fn rules(context: &SessionContext, plan: &AllocationPlan) -> Result<Vec<RuleReport>, DataFusionError> {
    let batches = rows(
        context,
        "select CellRuleOrdinal, CellFollowerKind, CellRuleMatches, CellBillingCurrency, sum(ChargeCount), \
         sum(EffectiveCost) from allocation_matched_cells \
         group by CellRuleOrdinal, CellFollowerKind, CellRuleMatches, CellBillingCurrency",
    )
    .await?;
    let empty = |stage: &str, rule: Option<&str>| RuleReport {
        stage: stage.to_owned(),
        rule: rule.map(str::to_owned),
        charges: 0,
        effective_cost: BTreeMap::new(),
        also_matched_by: BTreeMap::new(),
    };
    let mut declared: Vec<RuleReport> = plan.rules.iter().map(|rule| empty(&rule.stage, Some(&rule.id))).collect();
    let mut others: BTreeMap<(String, Option<String>), RuleReport> = BTreeMap::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let ordinal = count(batch, 0, row)?;
            let kind = text(batch, 1, row)?;
            let matches = text(batch, 2, row)?.unwrap_or_default();
            let currency = text(batch, 3, row)?.unwrap_or_default();
            let charges = count(batch, 4, row)?;
            let taken = usize::try_from(ordinal).ok().and_then(|ordinal| ordinal.checked_sub(1));
            let known = taken.and_then(|index| declared.get_mut(index));
            let is_declared = known.is_some();
            let (stage, rule) = if ordinal < 0 { (FOLLOWERS, kind) } else { (UNMATCHED, None) };
            let report = match known {
                Some(report) => report,
                None => others.entry((stage.to_owned(), rule.clone())).or_insert_with(|| empty(stage, rule.as_deref())),
            };
            report.charges += charges;
            *report.effective_cost.entry(currency).or_default() += units(batch, 5, row)?;
            if is_declared {
                let later = plan.rules.iter().zip(matches.bytes()).filter(|(_, mark)| *mark == b'1').skip(1);
                for (other, _) in later {
                    *report.also_matched_by.entry(other.id.clone()).or_default() += charges;
                }
            }
        }
    }
    declared.extend(others.into_values().rev());
    Ok(declared)
}

/// Reports every driver that telemetry or a pool names.
pub(super) async fn drivers(context: &SessionContext) -> Result<Vec<DriverReport>, DataFusionError> {
    let mut reports: BTreeMap<String, DriverReport> = BTreeMap::new();
    let measured = rows(
        context,
        "select Telemetry, sum(MissingCount), sum(case when Quantity < 0 then 1 else 0 end), \
         sum(case when Quantity < 0 then Quantity end), \
         sum(case when TargetId = 'unallocated' then Quantity end) \
         from telemetry_quantities group by Telemetry",
    )
    .await?;
    for batch in &measured {
        for row in 0..batch.num_rows() {
            let driver = text(batch, 0, row)?.unwrap_or_default();
            let report = DriverReport {
                driver: driver.clone(),
                missing_quantities: count(batch, 1, row)?,
                negative_quantities: count(batch, 2, row)?,
                negative_total: units(batch, 3, row)?,
                without_target: units(batch, 4, row)?,
                pools: BTreeMap::new(),
            };
            reports.insert(driver, report);
        }
    }
    let pools = rows(
        context,
        "select Driver, DriverSource, count(distinct PoolId) from allocation_quantities \
         where Driver is not null and DriverSource <> 'cost' group by Driver, DriverSource",
    )
    .await?;
    for batch in &pools {
        for row in 0..batch.num_rows() {
            let driver = text(batch, 0, row)?.unwrap_or_default();
            let source = text(batch, 1, row)?.unwrap_or_default();
            let report =
                reports.entry(driver.clone()).or_insert_with(|| DriverReport { driver, ..DriverReport::default() });
            report.pools.insert(source, count(batch, 2, row)?);
        }
    }
    Ok(reports.into_values().collect())
}
