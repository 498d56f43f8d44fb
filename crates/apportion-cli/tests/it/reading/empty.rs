//! Months in which nothing was charged.

use apportion_testkit::fixture::{ExportBuilder, Value};

use super::{charge, cur2, cur2_key, line, rows, run, workspace};

#[test]
fn a_month_without_rows_is_empty_and_no_failure() {
    let tags = || ("resource_tags", Value::from([("user_team", "red")]));
    let full = cur2(vec![line("one", 5.0, vec![tags()])]);
    let none = ExportBuilder::cur2().parquet();
    let (january, february) = (cur2_key("2026-01"), cur2_key("2026-02"));
    let workspace = workspace("aws_cur_2", "", &[(&january, &full), (&february, &none)]);
    let report = run(&workspace);
    let allocations = report["allocations"].as_array().expect("allocations");
    assert!(allocations.iter().all(|unit| unit["error"].is_null()), "{allocations:?}");
    assert_eq!(allocations[1]["rows"], 0);
    assert!(super::notes(&report).len() < 3);
    let february = report["sources"][1]["notes"].to_string();
    assert!(february.contains("the objects of this month hold no charges"), "{february}");
    assert_eq!(
        rows(&workspace, "SELECT x_BillingPeriod, sum(BilledCost) FROM allocated_charges GROUP BY 1"),
        ["2026-01|5.000000000000"]
    );
    // Neither the next night nor a month that becomes empty is a failure.
    let again = run(&workspace);
    let statuses: Vec<&str> =
        again["allocations"].as_array().expect("units").iter().filter_map(|it| it["status"].as_str()).collect();
    assert_eq!(statuses, ["up_to_date", "up_to_date"]);
    workspace.run_ok(&["verify", "--destination", "tables"]);
}

#[test]
fn the_summary_shows_an_empty_month_as_empty() {
    let none = ExportBuilder::focus().parquet();
    let workspace = workspace("focus", "", &[("data/BILLING_PERIOD=2026-02/part.parquet", &none)]);
    let output = workspace.run_ok(&["run", "pipeline.yaml"]);
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    let shown = summary.lines().filter(|line| line.contains("2026-02") && line.contains("empty")).count();
    assert_eq!(shown, 2, "charges and allocation: {summary}");
}

#[test]
fn a_month_that_became_empty_takes_its_allocation_with_it_once_that_is_accepted() {
    let key = "data/BILLING_PERIOD=2026-01/part.parquet";
    let full = ExportBuilder::focus().row_of(charge("r1", 5.0)).parquet();
    let workspace = workspace("focus", "", &[(key, &full)]);
    run(&workspace);
    workspace.write(&format!("export/{key}"), &ExportBuilder::focus().parquet());
    assert_eq!(workspace.run(&["run", "pipeline.yaml"]).status.code(), Some(3), "a month that shrinks is held back");
    workspace.run_ok(&["run", "pipeline.yaml", "--accept-smaller", "2026-01"]);
    let report = run(&workspace);
    assert_eq!(report["allocations"][0]["status"], "up_to_date");
    for table in ["focus_charges", "allocated_charges"] {
        let folder = workspace.path(&format!("tables/{table}"));
        let left = walk(&folder).into_iter().filter(|path| path.extension().is_some_and(|it| it == "parquet")).count();
        assert_eq!(left, 0, "{table} still has what was published before");
    }
}

/// Every file below a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
