//! An allocation that reaches far less than the published one waits for a person: telemetry that vanished looks
//! like telemetry that never was.

use serde_json::Value as Json;

use crate::estate::{bill, bill_key, change, estate, requests, requests_key};
use crate::support::{Workspace, transcript};

/// Runs, demands an exit code, and returns the allocation of March.
fn run(workspace: &Workspace, code: i32, options: &[&str]) -> Json {
    let output = workspace.run(&[&["run", "pipeline.yaml", "--format", "json"], options].concat());
    assert_eq!(output.status.code(), Some(code), "{options:?} {}", transcript(&output, &[]));
    let report: Json = serde_json::from_slice(&output.stdout).expect("report");
    let allocations = report["allocations"].as_array().expect("allocations");
    allocations.iter().find(|unit| unit["billing_period"] == "2026-03").expect("March").clone()
}

fn message(allocation: &Json) -> String {
    assert_eq!(allocation["status"], "held", "{allocation}");
    allocation["error"]["message"].as_str().expect("message").to_owned()
}

fn allocated(workspace: &Workspace) -> Vec<Vec<String>> {
    let sql = "SELECT x_AllocationTargetId, sum(EffectiveCost) FROM allocated_charges \
               WHERE x_BillingPeriod = '2026-03' GROUP BY 1 ORDER BY 1";
    workspace.query("tables", sql)
}

#[test]
fn telemetry_that_vanishes_holds_the_allocation_of_its_month() {
    for (format, fallback, lost) in
        [("parquet", "fallback: [previous_period] ", None), ("parquet", "", Some("units.json")), ("delta", "", None)]
    {
        let workspace = estate("");
        change(&workspace, "format: parquet", &format!("format: {format}"));
        change(&workspace, "fallback: [previous_period] ", fallback);
        run(&workspace, 0, &[]);
        let published = allocated(&workspace);
        std::fs::remove_file(workspace.path(&requests_key("2026-03-05"))).expect("telemetry");
        if let Some(document) = lost {
            std::fs::remove_file(workspace.path(&format!("tables/_apportion/{document}"))).expect("document");
        }
        let told = message(&run(&workspace, 3, &[]));
        for part in [
            "telemetry requests no longer measures a day that it measured (2026-03-05)",
            if fallback.is_empty() {
                "was 100.0 % of USD and would be 15.0 %"
            } else {
                "was 100.0 % of USD and would be 100.0 %"
            },
            "publish it with --accept-smaller 2026-03/allocation",
        ] {
            assert!(told.contains(part), "{format} {fallback}: {told}");
        }
        assert_eq!(allocated(&workspace), published, "{format}");
        message(&run(&workspace, 3, &["--accept-smaller", "2026-03/bill"]));
        let accepted = run(&workspace, 0, &["--accept-smaller", "2026-03/allocation"]);
        assert_eq!(accepted["status"], "published", "{accepted}");
        assert!(
            accepted["notes"].to_string().contains("published by --accept-smaller: telemetry requests"),
            "{accepted}"
        );
        assert_eq!(run(&workspace, 0, &[])["status"], "up_to_date");
        // It comes back, and so does what it splits.
        workspace.write(&requests_key("2026-03-05"), &requests("2026-03-05", &[("acme", 30), ("bolt", 10)]));
        assert_eq!(run(&workspace, 0, &[])["status"], "published");
        assert_eq!(allocated(&workspace), published, "{format}");
    }
}

#[test]
fn a_share_that_falls_by_more_than_half_is_held_and_the_rules_are_the_users() {
    let workspace = estate("");
    // Only known teams are targets; what others cost is nobody's.
    change(
        &workspace,
        "{ id: own, method: direct, to: account }",
        "{ id: own, when: \"account LIKE 'team-%'\", method: direct, to: account }",
    );
    run(&workspace, 0, &[]);
    // A little less is a bill like any other.
    workspace.write(&bill_key("2026-03"), &bill("2026-03", &[("shared", 100.0), ("team-a", 10.5), ("new", 60.0)]));
    assert_eq!(run(&workspace, 0, &[])["status"], "published");
    workspace.write(&bill_key("2026-03"), &bill("2026-03", &[("shared", 100.0), ("team-a", 10.5), ("new", 400.0)]));
    let told = message(&run(&workspace, 3, &[]));
    assert!(told.contains("the allocated share of effective cost was 64.8 % of USD and would be 21.6 %"), "{told}");
    assert!(!told.contains("telemetry"), "{told}");
    // The same by rules: their author decides, and is told.
    let workspace = estate("");
    run(&workspace, 0, &[]);
    change(&workspace, "account = 'shared'", "account = 'nobody'");
    change(
        &workspace,
        "{ id: own, method: direct, to: account }",
        "{ id: own, when: \"account = 'team-a'\", method: direct, to: account }",
    );
    let published = run(&workspace, 0, &[]);
    assert_eq!(published["status"], "published");
    let notes = published["notes"].to_string();
    assert!(notes.contains("was 100.0 % of USD and would be 8.9 %"), "{notes}");
    assert!(notes.contains("published because the rules of the pipeline file changed"), "{notes}");
    // A share of 1 holds nothing back.
    let lenient = estate("runs: { hold_when_smaller_by: 1 }\n");
    run(&lenient, 0, &[]);
    std::fs::remove_file(lenient.path(&requests_key("2026-03-05"))).expect("telemetry");
    assert_eq!(run(&lenient, 0, &[])["status"], "published");
}

/// Telemetry that no rule splits by, and that units are counted in.
#[test]
fn a_unit_metric_that_vanishes_holds_the_allocation_of_its_month() {
    let workspace = estate("");
    change(
        &workspace,
        "method: proportional, driver: requests, fallback: [previous_period]",
        "method: direct, to: account",
    );
    run(&workspace, 0, &[]);
    std::fs::remove_file(workspace.path(&requests_key("2026-03-05"))).expect("telemetry");
    let told = message(&run(&workspace, 3, &[]));
    assert!(told.contains("telemetry requests no longer measures a day that it measured (2026-03-05)"), "{told}");
    assert_eq!(run(&workspace, 0, &["--accept-smaller", "2026-03"])["status"], "published");
}
