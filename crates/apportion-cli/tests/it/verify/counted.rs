//! What a verification leaves out: differences beyond the list are counted, and splits that cannot be made again say
//! why.

use super::tamper::{Rows, data_file, rewrite};
use super::{period, verify};
use crate::estate::{bill, bill_key, pipeline, requests, requests_key};
use crate::support::Workspace;

const MONTH: &str = "2026-01";
const MANY: usize = 60;

/// A month of one shared charge, split over many customers, and one charge of each of many teams.
fn published() -> Workspace {
    let workspace = Workspace::new();
    let teams: Vec<(String, f64)> = (0..MANY).map(|team| (format!("team-{team}"), 1.5)).collect();
    let mut lines: Vec<(&str, f64)> = teams.iter().map(|(team, cost)| (team.as_str(), *cost)).collect();
    lines.push(("shared", 100.0));
    workspace.write(&bill_key(MONTH), &bill(MONTH, &lines));
    let customers: Vec<String> = (0..MANY).map(|customer| format!("customer-{customer}")).collect();
    let counts: Vec<(&str, i64)> = customers.iter().map(|customer| (customer.as_str(), 3)).collect();
    workspace.write(&requests_key("2026-01-05"), &requests("2026-01-05", &counts));
    workspace.write("pipeline.yaml", pipeline("", "parquet", "").as_bytes());
    workspace.run_ok(&["run", "pipeline.yaml"]);
    workspace
}

fn tamper(workspace: &Workspace, table: &str, change: impl FnOnce(&mut Rows)) {
    rewrite(&data_file(&workspace.path(&format!("tables/{table}/x_BillingPeriod={MONTH}"))), change);
}

/// Findings in all, findings that are not of these kinds, and listed findings of each of these kinds.
fn counted(workspace: &Workspace, kinds: &[&str]) -> (u64, u64, Vec<usize>) {
    let (code, report) = verify(workspace, "tables", &[]);
    assert_eq!(code, 3);
    let report = period(&report, MONTH);
    let all = report["findings"].as_array().expect("findings");
    let of = |kind: &str| all.iter().filter(|finding| finding["kind"] == kind).count();
    let listed: Vec<usize> = kinds.iter().map(|kind| of(kind)).collect();
    let others = all.len() - listed.iter().sum::<usize>();
    (report["differences"].as_u64().expect("differences"), others as u64, listed)
}

#[test]
fn cells_and_parts_beyond_the_list_are_counted() {
    let workspace = published();
    tamper(&workspace, "allocated_charges", |rows| {
        let direct = |rows: &Rows, row| rows.text("x_AllocationRuleId", row).as_deref() == Some("own");
        let direct: Vec<usize> = (0..rows.count()).filter(|row| direct(rows, *row)).collect();
        assert_eq!(direct.len(), MANY);
        direct.into_iter().for_each(|row| rows.add("EffectiveCost", row, 1));
    });
    let (differences, others, listed) = counted(&workspace, &["cell", "part"]);
    assert_eq!(listed, [40, 40]);
    assert_eq!(differences, others + 2 * MANY as u64);
}

#[test]
fn quantities_beyond_the_list_are_counted() {
    let workspace = published();
    tamper(&workspace, "driver_quantities", |rows| {
        assert_eq!(rows.count(), MANY);
        (0..rows.count()).for_each(|row| rows.add("x_DriverQuantity", row, 1));
    });
    let (differences, others, listed) = counted(&workspace, &["quantity", "part"]);
    assert_eq!(listed.first(), Some(&40));
    let parts = if listed.get(1) == Some(&40) { MANY as u64 } else { 0 };
    assert_eq!(differences, others + MANY as u64 + parts, "listed {listed:?}");
}

/// A configuration without an allocation cannot have made the splits, and that is what is said.
#[test]
fn splits_that_no_configuration_declares_are_not_blamed_on_a_missing_one() {
    let workspace = published();
    std::fs::remove_dir_all(workspace.path("tables/_apportion/certificates")).expect("certificates");
    let declared = std::fs::read_to_string(workspace.path("pipeline.yaml")).expect("pipeline");
    let (before, rest) = declared.split_once("allocation:").expect("allocation");
    let (_, after) = rest.split_once("destination:").expect("destination");
    workspace.write("plain.yaml", format!("{before}destination:{after}").as_bytes());
    let notes = |more: &[&str]| {
        let (code, report) = verify(&workspace, "tables", more);
        assert_eq!(code, 0, "{report:#}");
        period(&report, MONTH)["notes"].to_string()
    };
    let told = notes(&["plain.yaml"]);
    assert!(told.contains("the given pipeline file declares no allocation"), "{told}");
    assert!(!told.contains("no configuration is kept"), "{told}");
    assert!(notes(&[]).contains("no configuration is kept with these tables"));
}
