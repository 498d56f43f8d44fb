//! Published charges that the pipeline no longer accounts for are never counted beside what replaces
//! them, and never taken away unasked.

use serde_json::Value as Json;

use crate::estate::{change, estate};
use crate::sample::content;
use crate::support::{Workspace, transcript};

fn billed(workspace: &Workspace, table: &str) -> Vec<Vec<String>> {
    let sql = format!("SELECT x_BillingPeriod, sum(BilledCost) FROM {table} GROUP BY 1 ORDER BY 1");
    workspace.query("tables", &sql)
}

fn statuses(report: &Json) -> Vec<String> {
    let mut statuses = Vec::new();
    for (list, name) in [("sources", "source"), ("allocations", "")] {
        for unit in report[list].as_array().expect("list") {
            let name = unit.get(name).and_then(Json::as_str).unwrap_or("allocation");
            let (period, status) = (&unit["billing_period"], &unit["status"]);
            statuses.push(format!("{} {name} {}", period.as_str().expect("text"), status.as_str().expect("text")));
        }
    }
    statuses
}

fn run(workspace: &Workspace, code: i32, options: &[&str]) -> Vec<String> {
    let output = workspace.run(&[&["run", "pipeline.yaml", "--format", "json"], options].concat());
    assert_eq!(output.status.code(), Some(code), "{}", transcript(&output, &[]));
    statuses(&serde_json::from_slice(&output.stdout).expect("report"))
}

#[test]
fn a_renamed_source_is_not_counted_twice() {
    for format in ["parquet", "delta"] {
        let workspace = estate("");
        change(&workspace, "format: parquet", &format!("format: {format}"));
        run(&workspace, 0, &[]);
        let published = (billed(&workspace, "focus_charges"), billed(&workspace, "allocated_charges"));
        change(&workspace, "  bill: {", "  invoice: {");
        let planned = workspace.run_ok(&["plan", "pipeline.yaml"]);
        let planned = String::from_utf8_lossy(&planned.stdout).into_owned();
        let message = "3 charges, billed USD 117.75 are published, but the pipeline has no source `bill`";
        assert!(planned.contains(message) && planned.contains("--accept-smaller 2026-01/bill"), "{planned}");
        let held = run(&workspace, 3, &[]);
        assert_eq!(held.len(), 9);
        assert!(held.iter().all(|unit| unit.ends_with("held")), "{held:?}");
        assert_eq!((billed(&workspace, "focus_charges"), billed(&workspace, "allocated_charges")), published);
        // The same where nothing but the tables remembers.
        std::fs::remove_file(workspace.path("tables/_apportion/units.json")).expect("index");
        assert!(run(&workspace, 3, &[]).iter().all(|unit| unit.ends_with("held")));
        // One month at a time, by name.
        let january = run(&workspace, 3, &["--accept-smaller", "2026-01/bill", "--accept-smaller", "2026-02/invoice"]);
        assert_eq!(&january[..2], ["2026-01 bill withdrawn", "2026-01 invoice published"], "{january:?}");
        assert_eq!(january.iter().filter(|unit| unit.ends_with("held")).count(), 6, "{january:?}");
        assert_eq!((billed(&workspace, "focus_charges"), billed(&workspace, "allocated_charges")), published);
        let accepted = run(&workspace, 0, &["--accept-smaller", "2026-02/bill", "--accept-smaller", "2026-03"]);
        assert_eq!(
            &accepted[1..3],
            ["2026-02 bill withdrawn".to_owned(), "2026-02 invoice published".to_owned()],
            "{accepted:?}"
        );
        assert_eq!((billed(&workspace, "focus_charges"), billed(&workspace, "allocated_charges")), published);
        assert!(run(&workspace, 0, &[]).iter().all(|unit| unit.ends_with("up_to_date")));
        workspace.run_ok(&["verify", "pipeline.yaml"]);
        let told = workspace.run_ok(&["diff", "pipeline.yaml", "--period", "2026-01"]);
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        for line in ["charges of bill: version 1 -> none (rules), withdrawn", "-> 1 (rules), there were none before"] {
            assert!(format == "delta" || told.contains(line), "{told}");
        }
        let total = told.lines().find(|line| line.starts_with("billed")).expect("total");
        assert_eq!(
            total.split_whitespace().collect::<Vec<_>>(),
            ["billed", "117.75", "117.75", "0.00", "0.00"],
            "{told}"
        );
        if format == "parquet" {
            let fresh = estate("");
            change(&fresh, "  bill: {", "  invoice: {");
            run(&fresh, 0, &[]);
            assert!(content(&workspace, "tables") == content(&fresh, "tables"), "something of the old source is left");
        }
    }
}

#[test]
fn months_that_a_source_leaves_out_are_withdrawn() {
    let workspace = estate("");
    run(&workspace, 0, &[]);
    change(&workspace, "location: export/ }", "location: export/, to: 2026-02 }");
    let held = run(&workspace, 3, &[]);
    let expected = [
        "2026-01 bill up_to_date",
        "2026-02 bill up_to_date",
        "2026-03 bill held",
        "2026-01 allocation up_to_date",
        "2026-02 allocation up_to_date",
        "2026-03 allocation held",
    ];
    assert_eq!(held, expected);
    let withdrawn = run(&workspace, 0, &["--accept-smaller", "2026-03/bill"]);
    assert_eq!(withdrawn, expected.map(|unit| unit.replace("held", "withdrawn")));
    let months =
        [["2026-01".to_owned(), "117.750000000000".to_owned()], ["2026-02".to_owned(), "117.750000000000".to_owned()]];
    assert_eq!(billed(&workspace, "focus_charges"), months);
    assert_eq!(billed(&workspace, "allocated_charges"), months);
    let fresh = estate("");
    change(&fresh, "location: export/ }", "location: export/, to: 2026-02 }");
    run(&fresh, 0, &[]);
    assert!(content(&workspace, "tables") == content(&fresh, "tables"), "something of the last month is left");
    workspace.run_ok(&["verify", "pipeline.yaml"]);
    // And back.
    change(&workspace, ", to: 2026-02 }", " }");
    assert_eq!(run(&workspace, 0, &[]).iter().filter(|unit| unit.ends_with("published")).count(), 2);
    assert_eq!(billed(&workspace, "allocated_charges").len(), 3);
}

#[test]
fn a_table_that_a_pipeline_no_longer_declares_is_emptied() {
    let workspace =
        estate("reporting: { currency: EUR, rates: { USD: { 2026-01: 0.9, 2026-02: 0.9, 2026-03: 0.9 } } }\n");
    run(&workspace, 0, &[]);
    assert_eq!(billed(&workspace, "reporting_charges").len(), 3);
    change(&workspace, "reporting: {", "x-reporting: {");
    let text = std::fs::read_to_string(workspace.path("pipeline.yaml")).expect("pipeline");
    let without: Vec<&str> = text.lines().filter(|line| !line.starts_with("x-reporting")).collect();
    workspace.write("pipeline.yaml", (without.join("\n") + "\n").as_bytes());
    run(&workspace, 0, &[]);
    let fresh = estate("");
    run(&fresh, 0, &[]);
    assert!(content(&workspace, "tables") == content(&fresh, "tables"), "stale reporting charges are left");
}
