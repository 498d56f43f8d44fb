//! Every check of the other tables, broken by one row and noticed.
//!
//! A month of three cells passes all of them. Each case changes what one table says, and the named check must speak,
//! of the row that was changed. A check without a case fails the test, so a new one brings its own: add rows to
//! [`tables`] where it needs any, and one case for each way in which its promise can be broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use apportion_engine::{Engine, EngineOptions, Model, ModelGraph};
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;

use crate::case_table::TextTable;
use crate::repository;

/// What a change does to a row of a table, counted from 0.
enum Change {
    /// Columns of rows take other values; the empty text is NULL, `''` the empty text.
    Set(&'static [(usize, &'static str, &'static str)]),
    /// The row is there twice.
    Repeat(usize),
    /// The row is missing.
    Remove(usize),
}

use Change::{Remove, Repeat, Set};

/// Check, changed table, change, what the findings name.
type Case = (&'static str, &'static str, Change, &'static str);

/// Three cells: one split over a pool, one over an activity and what is left of it, one direct.
fn tables() -> BTreeMap<&'static str, TextTable> {
    let text = [
        (
            "focus_charges",
            "x_ChargeId,x_Source,x_Finality,BillingCurrency,BilledCost,EffectiveCost,ListCost,ContractedCost\n\
             1,aws,final,USD,10,10,10,10\n\
             2,aws,final,USD,10,10,10,10\n\
             3,aws,final,USD,5,5,5,5\n",
        ),
        (
            "allocation_cells",
            "CellId,BilledCost:money,EffectiveCost:money,ListCost:money,ContractedCost:money\n\
             c1,10,10,10,10\n\
             c2,10,10,10,10\n\
             c3,5,5,5,5\n",
        ),
        (
            "focus_charges_bill_columns",
            "x_Source,BillingCurrency,BillColumns,BilledCost:money,EffectiveCost:money,ListCost:money,\
             ContractedCost:money\n\
             aws,USD,Compute,20,20,20,20\n\
             aws,USD,Storage,5,5,5,5\n",
        ),
        (
            "allocated_charges_bill_columns",
            "x_Source,BillingCurrency,BillColumns,BilledCost:money,EffectiveCost:money,ListCost:money,\
             ContractedCost:money\n\
             aws,USD,Compute,10,10,10,10\n\
             aws,USD,Compute,10,10,10,10\n\
             aws,USD,Storage,5,5,5,5\n",
        ),
        (
            "allocated_charges",
            "x_CellId,x_Source,x_Finality,BillingCurrency,x_ChargeDate,x_PoolId,x_ActivityPoolId,x_AllocationActivity,\
             x_AllocationTargetId,x_AllocationReason,x_AllocationShare,BilledCost,EffectiveCost,ListCost,ContractedCost\n\
             c1,aws,final,USD,2026-01-05,p1,,,birch,,0.333333333333333333,3.333333333333,3.333333333333,\
             3.333333333333,3.333333333333\n\
             c1,aws,final,USD,2026-01-05,p1,,,kestrel,,0.666666666666666667,6.666666666667,6.666666666667,\
             6.666666666667,6.666666666667\n\
             c2,aws,final,USD,2026-01-05,p2,a1,route,birch,,1,3,3,3,3\n\
             c2,aws,final,USD,2026-01-05,,a1,,unallocated,share_remainder,,7,7,7,7\n\
             c3,aws,final,USD,2026-01-06,,,,birch,,,5,5,5,5\n",
        ),
        (
            "charge_targets",
            "x_BillingPeriod,x_CellId,x_PoolId,x_AllocationActivity,x_ChargeDate:date,x_AllocationTargetId,\
             x_InheritedDimensions,BilledCost:money,EffectiveCost:money,ListCost:money,ContractedCost:money\n\
             ,c1,p1,,2026-01-05,birch,,3.333333333333,3.333333333333,3.333333333333,3.333333333333\n\
             ,c1,p1,,2026-01-05,kestrel,,6,6,6,6\n\
             ,c1,p1,,2026-01-05,kestrel,,0.666666666667,0.666666666667,0.666666666667,0.666666666667\n\
             ,c2,p2,route,2026-01-05,birch,,3,3,3,3\n\
             ,c2,,,2026-01-05,unallocated,,7,7,7,7\n\
             ,c3,,,2026-01-06,birch,,5,5,5,5\n",
        ),
        (
            "driver_quantities",
            "x_PoolId,x_AllocationRuleId,x_AllocationTargetId,x_DriverQuantity,x_DriverQuantityBefore,\
             x_DriverQuantityUpTo,x_DriverQuantityTotal\n\
             p1,shared,birch,1,0,1,3\n\
             p1,shared,kestrel,2,1,3,3\n\
             p2,parts,birch,4,0,4,4\n\
             a1,parts,route,0.3,0,0.3,1\n\
             a1,parts,unallocated,0.7,0.3,1,1\n",
        ),
        (
            "reporting_charges",
            "x_CellId,x_Source,BillingCurrency,x_ChargeDate,x_ExchangeRate,BilledCost,EffectiveCost,ListCost,\
             ContractedCost,x_ReportingBilledCost,x_ReportingEffectiveCost,x_ReportingListCost,\
             x_ReportingContractedCost\n\
             c1,aws,USD,2026-01-05,0.5,20,20,20,20,10,10,10,10\n\
             c3,aws,USD,2026-01-06,0.5,5,5,5,5,2.5,2.5,2.5,2.5\n",
        ),
        (
            "unit_economics_daily",
            "x_UnitMetric,x_Ledger,BillingCurrency,x_ChargeDate,x_Cost,x_CostWithoutQuantity,x_Quantity,x_UnitCost,\
             x_UnitCostReason\n\
             per_order,effective,USD,2026-01-05,20,0,4,5,\n\
             per_order,effective,USD,2026-01-06,0,5,,,not_measured\n",
        ),
        (
            "unit_economics_monthly",
            "x_UnitMetric,x_Ledger,BillingCurrency,x_Cost,x_CostWithoutQuantity,x_Quantity,x_UnitCost\n\
             per_order,effective,USD,20,5,4,5\n",
        ),
        (
            "completeness",
            "x_BillingPeriod,x_Source,x_SourceStatus,x_IsComplete,x_Reason\n\
             2026-01,aws,published,false,\n\
             2026-01,gcp,missing,false,nothing was delivered\n\
             2026-02,aws,published,true,\n",
        ),
    ];
    text.map(|(name, text)| (name, TextTable::parse(text).unwrap())).into_iter().collect()
}

const CASES: &[Case] = &[
    ("charge_targets__parts_add_up", "charge_targets", Set(&[(1, "ListCost", "6.1")]), "kestrel"),
    ("charge_targets__parts_add_up", "charge_targets", Remove(5), "c3"),
    (
        "allocated_charges__activities_recompute",
        "allocated_charges",
        Set(&[(2, "EffectiveCost", "3.1"), (3, "EffectiveCost", "6.9")]),
        "route",
    ),
    (
        "allocated_charges__activities_recompute",
        "allocated_charges",
        Set(&[(2, "BilledCost", "3.1"), (3, "BilledCost", "6.9")]),
        "unallocated",
    ),
    ("allocated_charges__activities_recompute", "driver_quantities", Remove(3), "route"),
    (
        "allocated_charges__bill_columns_add_up",
        "allocated_charges_bill_columns",
        Set(&[(2, "BillColumns", "Compute")]),
        "Storage",
    ),
    (
        "allocated_charges__bill_columns_add_up",
        "allocated_charges_bill_columns",
        Set(&[(2, "BilledCost", "5.000000000001")]),
        "Storage",
    ),
    (
        "allocated_charges__bill_columns_add_up",
        "allocated_charges_bill_columns",
        Set(&[(2, "EffectiveCost", "4")]),
        "Storage",
    ),
    (
        "allocated_charges__bill_columns_add_up",
        "allocated_charges_bill_columns",
        Set(&[(2, "ListCost", "4")]),
        "Storage",
    ),
    (
        "allocated_charges__bill_columns_add_up",
        "allocated_charges_bill_columns",
        Set(&[(2, "ContractedCost", "4")]),
        "Storage",
    ),
    ("allocated_charges__bill_columns_add_up", "focus_charges_bill_columns", Remove(1), "Storage"),
    ("allocated_charges__cells_add_up", "allocated_charges", Set(&[(4, "BilledCost", "5.000000000001")]), "c3"),
    ("allocated_charges__cells_add_up", "allocated_charges", Set(&[(4, "EffectiveCost", "4")]), "c3"),
    ("allocated_charges__cells_add_up", "allocated_charges", Set(&[(4, "ListCost", "4")]), "c3"),
    ("allocated_charges__cells_add_up", "allocated_charges", Set(&[(4, "ContractedCost", "4")]), "c3"),
    ("allocated_charges__cells_add_up", "allocated_charges", Repeat(4), "c3"),
    ("allocated_charges__cells_add_up", "allocation_cells", Remove(2), "c3"),
    ("allocated_charges__charges_add_up", "focus_charges", Set(&[(0, "BilledCost", "10.000000000001")]), "aws"),
    ("allocated_charges__charges_add_up", "focus_charges", Set(&[(0, "EffectiveCost", "11")]), "aws"),
    ("allocated_charges__charges_add_up", "focus_charges", Set(&[(0, "ListCost", "11")]), "aws"),
    ("allocated_charges__charges_add_up", "focus_charges", Set(&[(0, "ContractedCost", "11")]), "aws"),
    ("allocated_charges__charges_add_up", "focus_charges", Set(&[(0, "x_Source", "gcp")]), "gcp"),
    ("allocated_charges__charges_add_up", "allocated_charges", Set(&[(4, "x_Finality", "provisional")]), "provisional"),
    ("allocated_charges__charges_add_up", "allocated_charges", Set(&[(4, "BillingCurrency", "EUR")]), "EUR"),
    ("allocated_charges__recompute", "allocated_charges", moved("EffectiveCost"), "birch"),
    ("allocated_charges__recompute", "allocated_charges", moved("BilledCost"), "kestrel"),
    ("allocated_charges__recompute", "allocated_charges", moved("ListCost"), "p1"),
    ("allocated_charges__recompute", "allocated_charges", moved("ContractedCost"), "p1"),
    ("allocated_charges__recompute", "allocated_charges", Set(&[(0, "x_AllocationShare", "0.3")]), "birch"),
    ("allocated_charges__recompute", "allocated_charges", Repeat(1), "kestrel"),
    ("allocated_charges__recompute", "driver_quantities", Remove(2), "p2"),
    ("allocated_charges__targets_are_named", "allocated_charges", Set(&[(4, "x_AllocationTargetId", "")]), "c3"),
    ("allocated_charges__targets_are_named", "allocated_charges", Set(&[(4, "x_AllocationTargetId", "''")]), "c3"),
    ("allocated_charges__targets_are_named", "allocated_charges", Set(&[(3, "x_AllocationReason", "")]), "unallocated"),
    ("allocated_charges__targets_are_named", "allocated_charges", Set(&[(4, "x_AllocationReason", "why")]), "why"),
    ("completeness__flag_fits_its_rows", "completeness", Set(&[(0, "x_IsComplete", "true")]), "2026-01"),
    ("completeness__flag_fits_its_rows", "completeness", Set(&[(2, "x_IsComplete", "false")]), "2026-02"),
    ("completeness__flag_fits_its_rows", "completeness", Set(&[(1, "x_Reason", "")]), "gcp"),
    ("completeness__flag_fits_its_rows", "completeness", Set(&[(2, "x_Reason", "why")]), "why"),
    (
        "driver_quantities__cumulate",
        "driver_quantities",
        Set(&[(2, "x_DriverQuantity", "0"), (2, "x_DriverQuantityUpTo", "0"), (2, "x_DriverQuantityTotal", "0")]),
        "p2",
    ),
    ("driver_quantities__cumulate", "driver_quantities", Set(&[(0, "x_DriverQuantityTotal", "2")]), "p1"),
    (
        "driver_quantities__cumulate",
        "driver_quantities",
        Set(&[(0, "x_DriverQuantityTotal", "4"), (1, "x_DriverQuantityTotal", "4"), (1, "x_DriverQuantityUpTo", "4")]),
        "p1",
    ),
    (
        "driver_quantities__cumulate",
        "driver_quantities",
        Set(&[
            (0, "x_DriverQuantity", "-1"),
            (0, "x_DriverQuantityUpTo", "-1"),
            (1, "x_DriverQuantity", "4"),
            (1, "x_DriverQuantityBefore", "-1"),
        ]),
        "p1",
    ),
    (
        "driver_quantities__cumulate",
        "driver_quantities",
        Set(&[(2, "x_DriverQuantityBefore", "1"), (2, "x_DriverQuantityUpTo", "5")]),
        "p2",
    ),
    (
        "driver_quantities__cumulate",
        "driver_quantities",
        Set(&[(1, "x_DriverQuantityBefore", "0.5"), (1, "x_DriverQuantityUpTo", "3")]),
        "p1",
    ),
    ("driver_quantities__cumulate", "driver_quantities", Remove(1), "p1"),
    ("driver_quantities__keys_are_unique", "driver_quantities", Repeat(1), "kestrel"),
    ("driver_quantities__ranges_are_quantities", "driver_quantities", Set(&[(1, "x_DriverQuantity", "1")]), "kestrel"),
    ("reporting_charges__totals_tie", "reporting_charges", Set(&[(0, "x_ExchangeRate", "0.51")]), "0.51"),
    ("reporting_charges__totals_tie", "reporting_charges", Set(&[(0, "BilledCost", "21")]), "aws"),
    ("reporting_charges__totals_tie", "reporting_charges", Set(&[(0, "EffectiveCost", "21")]), "aws"),
    ("reporting_charges__totals_tie", "reporting_charges", Set(&[(0, "ListCost", "21")]), "aws"),
    ("reporting_charges__totals_tie", "reporting_charges", Set(&[(0, "ContractedCost", "21")]), "aws"),
    (
        "reporting_charges__totals_tie",
        "reporting_charges",
        Set(&[(1, "x_ReportingBilledCost", "2.500000000001")]),
        "12.500000000001",
    ),
    ("reporting_charges__totals_tie", "reporting_charges", Set(&[(1, "x_ReportingEffectiveCost", "3")]), "13"),
    ("reporting_charges__totals_tie", "reporting_charges", Set(&[(1, "x_ReportingListCost", "3")]), "aws"),
    ("reporting_charges__totals_tie", "reporting_charges", Set(&[(1, "x_ReportingContractedCost", "3")]), "aws"),
    ("reporting_charges__totals_tie", "allocated_charges", Set(&[(4, "BillingCurrency", "EUR")]), "EUR"),
    (
        "unit_economics_daily__costs_add_up",
        "unit_economics_daily",
        Set(&[(1, "x_CostWithoutQuantity", "4.999999999999")]),
        "per_order",
    ),
    ("unit_economics_daily__costs_add_up", "unit_economics_daily", Set(&[(0, "x_Cost", "20.1")]), "per_order"),
    ("unit_economics_daily__cost_has_its_quantity", "unit_economics_daily", Set(&[(1, "x_Cost", "1")]), "per_order"),
    (
        "unit_economics_daily__cost_has_its_quantity",
        "unit_economics_daily",
        Set(&[(0, "x_CostWithoutQuantity", "1")]),
        "per_order",
    ),
    ("unit_economics_daily__cost_has_its_quantity", "unit_economics_daily", Set(&[(0, "x_UnitCost", "6")]), "6.0"),
    ("unit_economics_monthly__cost_has_its_quantity", "unit_economics_monthly", Set(&[(0, "x_Quantity", "")]), "20.0"),
    ("unit_economics_monthly__cost_has_its_quantity", "unit_economics_monthly", Set(&[(0, "x_UnitCost", "6")]), "6.0"),
    ("unit_economics_daily__costs_add_up", "unit_economics_daily", Set(&[(1, "BillingCurrency", "EUR")]), "EUR"),
    (
        "unit_economics_daily__reasons_are_given",
        "unit_economics_daily",
        Set(&[(1, "x_UnitCostReason", "")]),
        "2026-01-06",
    ),
    ("unit_economics_daily__reasons_are_given", "unit_economics_daily", Set(&[(0, "x_UnitCostReason", "why")]), "why"),
    (
        "unit_economics_monthly__sums_of_days",
        "unit_economics_monthly",
        Set(&[(0, "x_Cost", "20.000000000001")]),
        "per_order",
    ),
    (
        "unit_economics_monthly__sums_of_days",
        "unit_economics_monthly",
        Set(&[(0, "x_CostWithoutQuantity", "4")]),
        "per_order",
    ),
    ("unit_economics_monthly__sums_of_days", "unit_economics_monthly", Set(&[(0, "x_Quantity", "5")]), "per_order"),
    ("unit_economics_monthly__sums_of_days", "unit_economics_monthly", Remove(0), "per_order"),
];

/// A unit of 10^-12 given to the wrong target of the first cell.
const fn moved(ledger: &'static str) -> Change {
    match ledger.as_bytes()[0] {
        b'E' => Set(&[(0, "EffectiveCost", "3.333333333334"), (1, "EffectiveCost", "6.666666666666")]),
        b'B' => Set(&[(0, "BilledCost", "3.333333333334"), (1, "BilledCost", "6.666666666666")]),
        b'L' => Set(&[(0, "ListCost", "3.333333333334"), (1, "ListCost", "6.666666666666")]),
        _ => Set(&[(0, "ContractedCost", "3.333333333334"), (1, "ContractedCost", "6.666666666666")]),
    }
}

fn change(table: &mut TextTable, change: &Change) {
    match change {
        Set(values) => {
            for (row, column, value) in *values {
                let column = table
                    .header
                    .iter()
                    .position(|name| name.split(':').next() == Some(*column))
                    .unwrap_or_else(|| panic!("no column `{column}`"));
                table.rows[*row][column] = (!value.is_empty()).then(|| (*value).to_owned());
            }
        }
        Repeat(row) => table.rows.push(table.rows[*row].clone()),
        Remove(row) => drop(table.rows.remove(*row)),
    }
}

#[tokio::test]
async fn every_check_speaks_of_what_breaks_it() {
    let graph = ModelGraph::from_dir(&repository().join("sql")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::try_new(&EngineOptions::new(directory.path())).unwrap();
    let models = repository().join("testdata/models");
    let run = async |check: &Model, tables: &BTreeMap<&'static str, TextTable>| {
        let context = engine.new_context();
        for (name, table) in tables.iter().filter(|(name, _)| check.inputs.contains(**name)) {
            let batch = table.typed(name, &models);
            let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
            context.register_table(TableReference::bare(*name), Arc::new(table)).unwrap();
        }
        graph.run_one(&context, check, &BTreeMap::new()).await.unwrap()
    };
    let mut wrong = Vec::new();
    // Charges are broken rule by rule in `broken`.
    let checks: Vec<&Model> = graph.checks().filter(|check| !check.name.starts_with("focus_charges__")).collect();
    for check in &checks {
        let outcome = run(check, &tables()).await;
        if !outcome.passed() {
            wrong.push(format!("{} finds a correct month:\n{}", check.name, outcome.sample));
        }
        if !CASES.iter().any(|case| case.0 == check.name) {
            wrong.push(format!("{}: no case breaks it", check.name));
        }
    }
    for (name, table, changed, named) in CASES {
        let Some(check) = checks.iter().find(|check| check.name == *name) else {
            wrong.push(format!("{name}: there is no such check"));
            continue;
        };
        let mut broken = tables();
        change(broken.get_mut(table).unwrap(), changed);
        let outcome = run(check, &broken).await;
        if !outcome.stops_publication() || !outcome.sample.contains(named) {
            wrong.push(format!("{name} does not stop for `{named}` of {table}:\n{}", outcome.sample));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_check_says_what_it_promises_and_whose_promise_it_is() {
    let graph = ModelGraph::from_dir(&repository().join("sql")).unwrap();
    let wordless: BTreeSet<&str> = graph
        .checks()
        .filter(|check| check.header.why.split_whitespace().count() < 8)
        .map(|it| it.name.as_str())
        .collect();
    assert!(wordless.is_empty(), "checks that do not say why: {wordless:?}");
}
