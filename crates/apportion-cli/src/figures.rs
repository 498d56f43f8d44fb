//! The figures of a summary, asked of the staged tables in SQL.

use std::collections::BTreeMap;

use apportion_engine::allocation::{DriverReport, RuleReport};
use apportion_sinks::ledger::LedgerSum;
use apportion_spec::{BillingPeriod, Result};
use datafusion::prelude::SessionContext;

use crate::money::Money;
use crate::output::{amount, grouped};
use crate::report::{AllocationReport, LedgerTotals, RuleOutcome, Status, TargetCost, UnitCost};
use crate::rows::{Row, rows};

/// How many targets the summary names of each currency.
const TOP_TARGETS: usize = 8;

impl AllocationReport {
    /// A report without figures.
    pub(crate) fn empty(period: BillingPeriod) -> Self {
        Self {
            billing_period: period.to_string(),
            status: Status::Unchanged,
            rows: 0,
            totals: BTreeMap::new(),
            allocated_effective: BTreeMap::new(),
            unallocated_effective: BTreeMap::new(),
            top_targets: Vec::new(),
            unit_costs: Vec::new(),
            rules: Vec::new(),
            reasons: Vec::new(),
            notes: Vec::new(),
            error: None,
            seconds: 0.0,
        }
    }
}

/// Totals of `focus_charges` by currency.
///
/// # Errors
/// When the table cannot be read.
pub(crate) async fn charge_totals(context: &SessionContext) -> Result<BTreeMap<String, LedgerTotals>> {
    let sql = "SELECT BillingCurrency, sum(BilledCost), sum(EffectiveCost), sum(ListCost), sum(ContractedCost) \
               FROM focus_charges GROUP BY BillingCurrency ORDER BY BillingCurrency";
    rows(context, sql).await?.iter().map(|row| Ok((row.text(0), totals(row, 1)?))).collect()
}

/// What the conversion of delivered floats left over, by ledger and currency, of a reconciled unit.
///
/// # Errors
/// When the reconciliation cannot be read.
pub(crate) async fn conversion_residuals(context: &SessionContext) -> Result<Vec<LedgerSum>> {
    let sql = "SELECT x_Ledger, BillingCurrency, x_ConversionResidual FROM reconciliation \
               WHERE x_ConversionResidual <> 0 ORDER BY x_Ledger, BillingCurrency";
    let residual = |row: &Row| LedgerSum { ledger: row.text(0), currency: row.text(1), amount: row.text(2) };
    Ok(rows(context, sql).await?.iter().map(residual).collect())
}

fn totals(row: &Row, from: usize) -> Result<LedgerTotals> {
    Ok(LedgerTotals {
        billed: row.money(from)?,
        effective: row.money(from + 1)?,
        list: row.money(from + 2)?,
        contracted: row.money(from + 3)?,
    })
}

/// Figures of one allocated period.
///
/// # Errors
/// When a staged table cannot be read.
pub(crate) async fn allocation(context: &SessionContext, period: BillingPeriod) -> Result<AllocationReport> {
    let mut report = AllocationReport::empty(period);
    let by_target = "SELECT BillingCurrency, x_AllocationTargetId, x_AllocationReason, \
                     sum(BilledCost), sum(EffectiveCost), sum(ListCost), sum(ContractedCost) FROM allocated_charges \
                     GROUP BY BillingCurrency, x_AllocationTargetId, x_AllocationReason \
                     ORDER BY BillingCurrency, sum(EffectiveCost) DESC, x_AllocationTargetId";
    for row in rows(context, by_target).await? {
        let (currency, target, reason) = (row.text(0), row.text(1), row.optional(2));
        let cost = totals(&row, 3)?;
        let sum = report.totals.entry(currency.clone()).or_default();
        sum.billed.add(cost.billed)?;
        sum.effective.add(cost.effective)?;
        sum.list.add(cost.list)?;
        sum.contracted.add(cost.contracted)?;
        if target == "unallocated" || target == "idle" {
            let reason = reason.map_or_else(|| target.clone(), |reason| format!("{target}: {reason}"));
            let by_reason = report.unallocated_effective.entry(currency).or_default();
            by_reason.entry(reason).or_default().add(cost.effective)?;
        } else {
            report.allocated_effective.entry(currency.clone()).or_default().add(cost.effective)?;
            if report.top_targets.iter().filter(|top| top.currency == currency).count() < TOP_TARGETS {
                report.top_targets.push(TargetCost { target, currency, effective: cost.effective });
            }
        }
    }
    report.unit_costs = unit_costs(context).await?;
    Ok(report)
}

async fn unit_costs(context: &SessionContext) -> Result<Vec<UnitCost>> {
    let sql = "SELECT x_UnitMetric, BillingCurrency, sum(x_Cost), sum(x_Quantity), max(x_QuantityUnit), \
               divide_round(sum(x_Cost), sum(x_Quantity)) FROM unit_economics_monthly \
               GROUP BY x_UnitMetric, BillingCurrency HAVING sum(x_Quantity) > 0 ORDER BY x_UnitMetric, BillingCurrency";
    let answer = rows(context, sql).await?;
    let unit = |row: &Row| {
        Ok(UnitCost {
            metric: row.text(0),
            currency: row.text(1),
            cost: row.money(2)?,
            quantity: row.money(3)?,
            unit: row.text(4),
            unit_cost: row.optional(5),
        })
    };
    answer.iter().map(unit).collect()
}

impl From<&RuleReport> for RuleOutcome {
    fn from(rule: &RuleReport) -> Self {
        let count = |charges: i64| u64::try_from(charges).unwrap_or(0);
        Self {
            rule: rule.rule.clone().unwrap_or_else(|| "(no rule)".to_owned()),
            charges: count(rule.charges),
            effective: rule.effective_cost.iter().map(|(currency, units)| (currency.clone(), Money(*units))).collect(),
            also_matched_by: rule
                .also_matched_by
                .iter()
                .map(|(other, charges)| (other.clone(), count(*charges)))
                .collect(),
        }
    }
}

/// One line about a driver, when there is something to say.
pub(crate) fn driver_note(driver: &DriverReport) -> Option<String> {
    let mut facts = Vec::new();
    for (source, pools) in &driver.pools {
        let what = match source.as_str() {
            "actual" => continue,
            "idle" => "measured as zero, so that their cost is idle",
            "unallocated" => "not measured and without a fallback that was, so that their cost stays unallocated",
            "previous_period" => "not measured and split by the previous billing period",
            "even" => "split evenly",
            other => other,
        };
        facts.push(format!("{pools} pools {what}"));
    }
    if driver.missing_quantities > 0 {
        let count = u128::try_from(driver.missing_quantities).unwrap_or(0);
        facts.push(format!("{} measurements without a quantity were not counted", grouped(count)));
    }
    if driver.negative_quantities > 0 {
        facts.push(format!(
            "{} net negative quantities ({}) weigh nothing",
            driver.negative_quantities,
            amount(driver.negative_total)
        ));
    }
    if driver.without_target != 0 {
        facts.push(format!("{} belongs to no target and stays unallocated", amount(driver.without_target)));
    }
    (!facts.is_empty()).then(|| format!("driver {}: {}", driver.driver, facts.join("; ")))
}

#[cfg(test)]
mod tests {
    use apportion_engine::{Engine, EngineOptions};

    use super::*;

    #[tokio::test]
    async fn the_largest_targets_are_those_of_each_currency() {
        let context = Engine::try_new(&EngineOptions::new(std::env::temp_dir())).unwrap().new_context();
        // Every amount in yen is more than any in dollars, and worth less.
        let rows = (1..=10).map(|target| format!("('JPY', 'yen-{target:02}', {})", 1000 * target));
        let rows = rows.chain((1..=3).map(|target| format!("('USD', 'dollar-{target}', {})", 100 * target)));
        let view = format!(
            "CREATE VIEW allocated_charges AS SELECT column1 AS BillingCurrency, column2 AS x_AllocationTargetId, \
             cast(NULL AS varchar) AS x_AllocationReason, cost AS BilledCost, cost AS EffectiveCost, \
             cost AS ListCost, cost AS ContractedCost FROM \
             (SELECT *, cast(column3 AS decimal(38, 12)) AS cost FROM (VALUES {}))",
            rows.collect::<Vec<_>>().join(", ")
        );
        let economics = "CREATE VIEW unit_economics_monthly AS SELECT cast(NULL AS varchar) AS x_UnitMetric, \
                         cast(NULL AS varchar) AS BillingCurrency, cast(NULL AS varchar) AS x_QuantityUnit, \
                         cast(NULL AS decimal(38, 12)) AS x_Cost, cast(NULL AS decimal(38, 12)) AS x_Quantity";
        for view in [view.as_str(), economics] {
            context.sql(view).await.unwrap().collect().await.unwrap();
        }
        let report = allocation(&context, "2026-01".parse().unwrap()).await.unwrap();
        let named: Vec<&str> = report.top_targets.iter().map(|top| top.target.as_str()).collect();
        let yen = ["yen-10", "yen-09", "yen-08", "yen-07", "yen-06", "yen-05", "yen-04", "yen-03"];
        assert_eq!(named, [&yen[..], &["dollar-3", "dollar-2", "dollar-1"]].concat());
    }
}
