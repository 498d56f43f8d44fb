//! Real bills: figures that the provider's own files give, wherever those files are.
//!
//! Runs when `APPORTION_REAL_EXPORTS` names the folder that holds them; a file that is missing
//! there fails the test. Nothing of these files is part of the repository.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::Workspace;

pub(crate) fn exports() -> Option<PathBuf> {
    let folder = std::env::var_os("APPORTION_REAL_EXPORTS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("APPORTION_REAL_EXPORTS is not set; real exports are not tested");
    }
    folder
}

pub(crate) fn copy(from: &PathBuf, workspace: &Workspace, to: &str) {
    let content = std::fs::read(from).unwrap_or_else(|error| panic!("{} must exist: {error}", from.display()));
    workspace.write(to, &content);
}

pub(crate) const PIPELINE: &str = "version: 1
name: real
sources:
  bill: { format: FORMAT, location: export/ }
dimensions:
  department: tag('department')
  account: SubAccountId
allocation:
  target: department
  keep: [ServiceName, ChargeCategory, account]
  rules:
    - { id: tagged, when: department IS NOT NULL, method: direct, to: department }
    - { id: storage, when: \"ServiceCategory = 'Storage'\", method: fixed, shares: { platform: 0.333333333333, data: 0.3 } }
    - { id: shared, when: \"ServiceName IS NOT NULL\", method: even, targets: [platform, data, web] }
destination: { location: tables/ }
";

/// Every ledger: source total plus nothing is normalised total is allocated total, exactly.
pub(crate) fn everything_ties(workspace: &Workspace) {
    let open = workspace.query("tables", "SELECT count(*) FROM reconciliation WHERE x_Difference <> 0");
    assert_eq!(open[0][0], "0");
    let stages =
        workspace.query("tables", "SELECT x_Stage, count(DISTINCT x_Ledger) FROM reconciliation GROUP BY 1 ORDER BY 1");
    assert_eq!(stages, [["allocation", "4"], ["normalization", "4"]]);
    let gap = workspace.query(
        "tables",
        "SELECT c.BilledCost - a.BilledCost, c.EffectiveCost - a.EffectiveCost, c.ListCost - a.ListCost, \
         c.ContractedCost - a.ContractedCost FROM \
         (SELECT sum(BilledCost) AS BilledCost, sum(EffectiveCost) AS EffectiveCost, sum(ListCost) AS ListCost, \
          sum(ContractedCost) AS ContractedCost FROM focus_charges) c CROSS JOIN \
         (SELECT sum(BilledCost) AS BilledCost, sum(EffectiveCost) AS EffectiveCost, sum(ListCost) AS ListCost, \
          sum(ContractedCost) AS ContractedCost FROM allocated_charges) a",
    );
    assert!(gap[0].iter().all(|cell| cell.trim_matches(['0', '.', '-']).is_empty()), "{gap:?}");
}

#[test]
fn a_real_legacy_bill_gives_its_known_figures() {
    let Some(folder) = exports() else { return };
    let workspace = Workspace::new();
    for month in ["Oct", "Dec"] {
        let name = format!("{month}2018-WorkshopCUR-00001.snappy.parquet");
        copy(&folder.join("aws").join(&name), &workspace, &format!("export/{name}"));
    }
    workspace.write("pipeline.yaml", PIPELINE.replace("FORMAT", "aws_cur_legacy").as_bytes());
    workspace.run_ok(&["run", "pipeline.yaml"]);

    // Rows and sums by kind, as counted on the files themselves.
    let kinds = workspace.query(
        "tables",
        "SELECT x_BillingPeriod, CASE WHEN ChargeCategory = 'Purchase' THEN 'Purchase' \
           WHEN CommitmentDiscountStatus = 'Used' THEN 'Used' WHEN CommitmentDiscountStatus = 'Unused' THEN 'Unused' \
           ELSE PricingCategory END, count(*), round(sum(BilledCost), 6), round(sum(EffectiveCost), 6), round(sum(ListCost), 6) \
         FROM focus_charges GROUP BY 1, 2 ORDER BY 1, 2",
    );
    let figure = |period: &str, kind: &str, column: usize| {
        let row = kinds
            .iter()
            .find(|row| row[0] == period && row[1] == kind)
            .unwrap_or_else(|| panic!("{period} {kind}: {kinds:?}"));
        row[column].parse::<f64>().expect("figure")
    };
    let (rows, billed, effective, list) = (2, 3, 4, 5);
    for (period, kind, column, expected) in [
        ("2018-10", "Purchase", rows, 9.0),
        ("2018-10", "Purchase", billed, 149.775379),
        ("2018-10", "Used", rows, 8345.0),
        ("2018-10", "Used", effective, 232.253796),
        ("2018-10", "Used", list, 338.020606),
        ("2018-10", "Unused", rows, 3.0),
        ("2018-10", "Unused", effective, 48.995561),
        ("2018-10", "Dynamic", rows, 1313.0),
        ("2018-10", "Dynamic", billed, 31.505516),
        ("2018-10", "Standard", rows, 109640.0),
        ("2018-10", "Standard", billed, 3883.202237),
        ("2018-10", "Standard", list, 3899.661129),
        ("2018-12", "Purchase", rows, 9.0),
        ("2018-12", "Purchase", billed, 152.2968),
        ("2018-12", "Used", rows, 6767.0),
        ("2018-12", "Used", effective, 230.895531),
        ("2018-12", "Used", list, 336.2018),
        ("2018-12", "Unused", rows, 3.0),
        ("2018-12", "Unused", effective, 52.875243),
        ("2018-12", "Dynamic", rows, 894.0),
        ("2018-12", "Dynamic", billed, 25.685003),
        ("2018-12", "Standard", rows, 83594.0),
        ("2018-12", "Standard", billed, 230.394189),
        ("2018-12", "Standard", list, 244.560273),
    ] {
        let found = figure(period, kind, column);
        assert!((found - expected).abs() < 1.5e-6, "{period} {kind} column {column}: {found}, expected {expected}");
    }
    let totals = workspace.query(
        "tables",
        "SELECT round(sum(BilledCost), 6), round(sum(EffectiveCost), 6) FROM focus_charges GROUP BY x_BillingPeriod ORDER BY x_BillingPeriod",
    );
    let close = |text: &str, expected: f64| (text.parse::<f64>().expect("total") - expected).abs() < 1.5e-6;
    assert!(close(&totals[0][0], 4064.483131) && close(&totals[0][1], 4195.957110), "{totals:?}");
    assert!(close(&totals[1][0], 408.375992) && close(&totals[1][1], 539.849966), "{totals:?}");

    // Per commitment: what was used and what was not is what the month's fees and amortisation are.
    let commitments = workspace.query(
        "tables",
        "SELECT x_BillingPeriod, sum(CASE WHEN CommitmentDiscountStatus IS NOT NULL THEN EffectiveCost ELSE 0 END), \
         sum(CASE WHEN ChargeCategory = 'Purchase' THEN EffectiveCost ELSE 0 END) FROM focus_charges \
         WHERE CommitmentDiscountId IS NOT NULL GROUP BY 1 ORDER BY 1",
    );
    assert_eq!(commitments.len(), 2);
    assert!(commitments.iter().all(|row| row[2].trim_matches(['0', '.']).is_empty()), "{commitments:?}");
    everything_ties(&workspace);
}

#[test]
fn the_generated_line_item_matrix_gives_its_expected_sums() {
    let Some(folder) = exports() else { return };
    let workspace = Workspace::new();
    copy(
        &folder.join("generated/cur2_line_item_matrix.parquet"),
        &workspace,
        "export/data/BILLING_PERIOD=2025-11/matrix-00001.snappy.parquet",
    );
    workspace.write("pipeline.yaml", PIPELINE.replace("FORMAT", "aws_cur_2").as_bytes());
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let answer = workspace.query(
        "tables",
        "SELECT x_LineItemType, ChargeCategory, ChargeClass, CommitmentDiscountStatus, count(*), \
         round(sum(BilledCost), 8), round(sum(EffectiveCost), 8), round(sum(ListCost), 8) FROM focus_charges GROUP BY 1, 2, 3, 4",
    );
    let expected =
        std::fs::read_to_string(folder.join("generated/cur2_line_item_matrix.expected.csv")).expect("expected sums");
    let key = |cells: &[String]| {
        let figures = cells[4..].iter().map(|cell| format!("{:.8}", cell.parse::<f64>().expect("figure")));
        cells[..4].iter().cloned().chain(figures).collect::<Vec<_>>().join(",")
    };
    let expected: BTreeSet<String> =
        expected.lines().skip(1).map(|line| key(&line.split(',').map(str::to_owned).collect::<Vec<_>>())).collect();
    let found: BTreeSet<String> = answer.iter().map(|row| key(row)).collect();
    assert_eq!(found, expected);
    everything_ties(&workspace);
}

#[test]
fn a_real_enterprise_agreement_gives_its_known_figures() {
    let Some(folder) = exports() else { return };
    let workspace = Workspace::new();
    for dataset in ["Actual", "Amortized"] {
        let name = format!("EA_{dataset}Cost_Small.csv");
        copy(&folder.join("azure/ea").join(&name), &workspace, &format!("export/{name}"));
    }
    workspace.write("pipeline.yaml", PIPELINE.replace("FORMAT", "azure_cost_management").as_bytes());
    workspace.run_ok(&["run", "pipeline.yaml"]);
    everything_ties(&workspace);
    // The two files are independent extracts of one account, so only the union rule is tested here:
    // all amortized rows, and of the actual ones the purchases of commitments.
    let groups = workspace.query(
        "tables",
        "SELECT ChargeCategory, CommitmentDiscountType, count(*), cast(sum(BilledCost) AS decimal(20, 6)), \
         cast(sum(EffectiveCost) AS decimal(20, 6)) FROM focus_charges GROUP BY 1, 2 ORDER BY 1, 2",
    );
    assert_eq!(
        groups,
        [
            ["Purchase", "Reservation", "1", "3.250000", "0.000000"],
            ["Usage", "Reservation", "1", "0.000000", "0.493152"],
            ["Usage", "Savings Plan", "1", "0.000000", "0.006000"],
            ["Usage", "", "26", "15.797780", "15.797780"],
        ]
    );
    let totals = workspace.query("tables", "SELECT sum(BilledCost), sum(EffectiveCost) FROM allocated_charges");
    assert_eq!(totals, [["19.047780136169", "16.296932136637"]]);
}

#[test]
fn the_generated_nested_export_gives_its_expected_sums() {
    let Some(folder) = exports() else { return };
    let workspace = Workspace::new();
    copy(&folder.join("generated/gcp_detailed_nested.parquet"), &workspace, "export/bill.parquet");
    workspace.write("pipeline.yaml", PIPELINE.replace("FORMAT", "gcp_billing_export").as_bytes());
    workspace.run_ok(&["run", "pipeline.yaml"]);
    everything_ties(&workspace);
    // Regular cost 8.19412, its credits -2.820005, tax 2, rounding -0.01, adjustment -0.8.
    let totals = workspace.query("tables", "SELECT sum(BilledCost) FROM focus_charges");
    assert_eq!(totals, [["6.564115000000"]]);
}
