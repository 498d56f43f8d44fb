//! Makes every split of a period again and says which parts, cells and quantities differ.

use std::path::Path;
use std::sync::Arc;

use apportion_engine::allocation::{AllocationPlan, Allocator};
use apportion_spec::{BillingPeriod, Result};
use datafusion::prelude::SessionContext;

use super::report::{Amount, Finding};
use crate::project::EffectiveLimits;
use crate::rows::{Row, rows};
use crate::staging::{DiskBarrier, Staging, query_error};
use crate::tables::{ALLOCATED_CHARGES, DRIVER_QUANTITIES};

/// Findings of one kind that are listed; the others are only counted.
const LISTED: usize = 40;

/// Ledger columns of `verification__parts`, expected and found.
const LEDGERS: [&str; 4] = ["Billed", "Effective", "List", "Contracted"];

/// What came of making the splits again.
#[derive(Debug)]
pub(super) enum Outcome {
    /// They were compared; the number of findings may exceed the list.
    Compared { findings: Vec<Finding>, differing: u64 },
    /// The cells of the table are not those of this configuration and version.
    OtherCells,
}

/// Recomputes the period of the registered tables by `plan`. The staging must outlive the context's
/// use of `allocation_cells`.
///
/// # Errors
/// When a table cannot be read or the work folder is full.
pub(super) async fn recompute(
    context: &SessionContext,
    staging: &Staging,
    plan: AllocationPlan,
    period: BillingPeriod,
) -> Result<Outcome> {
    let barrier = DiskBarrier { staging, context };
    let allocator = Allocator::new(Arc::new(plan), period);
    let recomputed = allocator.recompute(context, &barrier).await?;
    // A few cells tell whether these are the rules; all of them would be a large join.
    let written = "(SELECT x_CellId FROM allocated_charges LIMIT 1000)";
    let common = format!("SELECT count(*) FROM {written} JOIN allocation_cells ON x_CellId = CellId");
    let written = format!("SELECT count(*) FROM {written}");
    if count(context, &common).await? == 0 && count(context, &written).await? > 0 {
        return Ok(Outcome::OtherCells);
    }
    allocator.register_bill_columns(context).await?;
    context.register_table("differing_parts", recomputed.differences.into_view()).map_err(query_error)?;
    let (mut findings, cells) = cells(context).await?;
    findings.extend(parts(context).await?);
    let mut differing = count(context, "SELECT count(*) FROM differing_parts").await? + cells;
    if differing == 0 {
        context
            .register_table("differing_follow_quantities", recomputed.follow_quantities.into_view())
            .map_err(query_error)?;
        let (listed, all) = follow_quantities(context).await?;
        findings.extend(listed);
        differing = all;
    }
    Ok(Outcome::Compared { findings, differing })
}

async fn count(context: &SessionContext, sql: &str) -> Result<u64> {
    rows(context, sql).await?.first().map_or(Ok(0), |row| row.count(0))
}

/// Cells whose charges cost something else than their parts: those that are listed, and how many there are.
async fn cells(context: &SessionContext) -> Result<(Vec<Finding>, u64)> {
    let sums: Vec<String> =
        LEDGERS.iter().map(|ledger| format!("sum(Found{ledger}) - sum(Expected{ledger}) AS {ledger}")).collect();
    let columns: Vec<String> =
        LEDGERS.iter().map(|ledger| format!("c.{ledger}Cost, c.{ledger}Cost + d.{ledger}")).collect();
    let open: Vec<String> = LEDGERS.iter().map(|ledger| format!("d.{ledger} <> 0")).collect();
    let differing = format!(
        "FROM (SELECT CellId, {} FROM differing_parts GROUP BY CellId) d \
         JOIN allocation_cells c ON d.CellId = c.CellId WHERE {}",
        sums.join(", "),
        open.join(" OR ")
    );
    let sql = format!(
        "SELECT d.CellId, c.ChargeCount, c.x_Source, c.BillingCurrency, {} {differing} \
         ORDER BY d.CellId LIMIT {LISTED}",
        columns.join(", ")
    );
    let finding = |row: &Row| {
        let message = format!("the {} charges of the cell cost something else than its parts", row.text(1));
        let finding = Finding::new("cell", ALLOCATED_CHARGES, message)
            .at("x_CellId", row.text(0))
            .at("x_Source", row.text(2))
            .at("BillingCurrency", row.text(3));
        with_ledgers(finding, row, 4)
    };
    let listed: Vec<Finding> = rows(context, &sql).await?.iter().map(finding).collect::<Result<_>>()?;
    let all = all(context, listed.len(), &differing).await?;
    Ok((listed, all))
}

/// How many there are of what was listed.
async fn all(context: &SessionContext, listed: usize, differing: &str) -> Result<u64> {
    if listed < LISTED { Ok(listed as u64) } else { count(context, &format!("SELECT count(*) {differing}")).await }
}

/// Adds the ledgers in which the pairs of columns from `first` on differ.
fn with_ledgers(finding: Finding, row: &Row, first: usize) -> Result<Finding> {
    LEDGERS.iter().enumerate().try_fold(finding, |finding, (index, ledger)| {
        let (expected, found) = (row.money(first + 2 * index)?, row.money(first + 2 * index + 1)?);
        if expected == found {
            return Ok(finding);
        }
        Ok(finding.amount(Amount::money(&ledger.to_lowercase(), expected, found)))
    })
}

/// Parts that are not what the quantities make of their cell.
async fn parts(context: &SessionContext) -> Result<Vec<Finding>> {
    let columns: Vec<String> = LEDGERS.iter().map(|ledger| format!("Expected{ledger}, Found{ledger}")).collect();
    let sql = format!(
        "SELECT CellId, coalesce(PoolId, ActivityPoolId), Activity, ChargeDate, TargetId, x_Source, BillingCurrency, \
         RuleId, ExpectedRows, FoundRows, {}, ExpectedQuantity, FoundQuantity, Inherited FROM differing_parts \
         ORDER BY ChargeDate, CellId, TargetId, Inherited, Activity LIMIT {LISTED}",
        columns.join(", ")
    );
    let finding = |row: &Row| {
        let (expected_rows, found_rows) = (row.text(8), row.text(9));
        let message = match (expected_rows.as_str(), found_rows.as_str()) {
            (_, "0") => "a part of the cell is missing".to_owned(),
            ("0", _) => "a part that the charges and quantities do not give".to_owned(),
            (expected, found) if expected != found => format!("a part is there {found} times"),
            _ => "a part is not what the quantities make of the cell".to_owned(),
        };
        let finding = Finding::new("part", ALLOCATED_CHARGES, message)
            .at("x_AllocationTargetId", row.text(4))
            .at("x_InheritedDimensions", row.text(20))
            .at("x_ChargeDate", row.text(3))
            .at("x_CellId", row.text(0))
            .at("x_PoolId", row.text(1))
            .at("x_AllocationActivity", row.text(2))
            .at("x_AllocationRuleId", row.text(7))
            .at("x_Source", row.text(5))
            .at("BillingCurrency", row.text(6));
        let finding = with_ledgers(finding, row, 10)?;
        let (expected, found) = (row.money(18)?, row.money(19)?);
        let amount = || Amount::money("driver quantity", expected, found);
        Ok(if expected == found { finding } else { finding.amount(amount()) })
    };
    rows(context, &sql).await?.iter().map(finding).collect()
}

/// Targets whose quantity is not the width of their range: those that are listed, and how many others there are.
///
/// # Errors
/// When the table cannot be read.
pub(super) async fn quantities(context: &SessionContext) -> Result<(Vec<Finding>, u64)> {
    let differing = "FROM driver_quantities WHERE x_DriverQuantity <> x_DriverQuantityUpTo - x_DriverQuantityBefore";
    let sql = format!(
        "SELECT x_PoolId, x_AllocationRuleId, x_AllocationDriver, x_ChargeDate, x_AllocationTargetId, \
         x_DriverQuantityUpTo - x_DriverQuantityBefore, x_DriverQuantity {differing} \
         ORDER BY x_PoolId, x_AllocationTargetId LIMIT {LISTED}"
    );
    let finding = |row: &Row| {
        let message = "a quantity is not as wide as the part of the pool it stands for";
        let finding = Finding::new("quantity", DRIVER_QUANTITIES, message)
            .at("x_AllocationTargetId", row.text(4))
            .at("x_ChargeDate", row.text(3))
            .at("x_PoolId", row.text(0))
            .at("x_AllocationDriver", row.text(2))
            .at("x_AllocationRuleId", row.text(1));
        Ok(finding.amount(Amount::money("driver quantity", row.money(5)?, row.money(6)?)))
    };
    let listed: Vec<Finding> = rows(context, &sql).await?.iter().map(finding).collect::<Result<_>>()?;
    let all = all(context, listed.len(), differing).await?;
    let unlisted = all.saturating_sub(listed.len() as u64);
    Ok((listed, unlisted))
}

/// Quantities of followers that the usage they follow does not give: those that are listed, and how many there are.
async fn follow_quantities(context: &SessionContext) -> Result<(Vec<Finding>, u64)> {
    let differing = "FROM differing_follow_quantities";
    let sql = format!(
        "SELECT PoolId, Driver, DriverKey, TargetId, Inherited, Expected, Found {differing} \
         ORDER BY PoolId, TargetId, Inherited LIMIT {LISTED}"
    );
    let finding = |row: &Row| {
        let message = "the usage that is followed gives another quantity";
        let finding = Finding::new("quantity", DRIVER_QUANTITIES, message)
            .at("x_AllocationTargetId", row.text(3))
            .at("x_InheritedDimensions", row.text(4))
            .at("x_PoolId", row.text(0))
            .at("x_AllocationDriver", row.text(1))
            .at("x_AllocationDriverKey", row.text(2));
        Ok(finding.amount(Amount::money("driver quantity", row.money(5)?, row.money(6)?)))
    };
    let listed: Vec<Finding> = rows(context, &sql).await?.iter().map(finding).collect::<Result<_>>()?;
    let all = all(context, listed.len(), differing).await?;
    Ok((listed, all))
}

/// A staging folder for intermediate results.
pub(super) fn staging(limits: &EffectiveLimits) -> Result<Staging> {
    Staging::try_new(Path::new(&limits.work_directory), limits.jobs)
}
