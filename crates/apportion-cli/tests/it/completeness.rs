//! A month that is published without one of its sources says so: in its certificate, in a table and in the summary.

use std::fs;

use serde_json::Value as Json;

use crate::estate::{MONTHS, bill, bill_key, change, estate};
use crate::support::{Workspace, transcript};

/// A company with a second bill, of February only.
fn workspace(format: &str) -> Workspace {
    let workspace = estate("");
    change(&workspace, "format: parquet", &format!("format: {format}"));
    change(&workspace, "telemetry:\n", "  card: { format: aws_cur_2, location: card/ }\ntelemetry:\n");
    workspace.write(&card_key("2026-02"), &bill("2026-02", &[("team-c", 5.0)]));
    workspace
}

fn card_key(month: &str) -> String {
    bill_key(month).replace("export/", "card/")
}

fn completeness(workspace: &Workspace) -> Vec<String> {
    let sql =
        "SELECT x_BillingPeriod, x_Source, x_SourceStatus, x_IsComplete, x_ChargeCount FROM completeness ORDER BY 1, 2";
    workspace.query("tables", sql).iter().map(|row| row.join(" ")).collect()
}

fn certificate(workspace: &Workspace, month: &str) -> Json {
    let path = workspace.path(&format!("tables/_apportion/certificates/{month}.json"));
    serde_json::from_slice(&fs::read(path).expect("certificate")).expect("certificate")
}

#[test]
fn months_without_a_source_say_so() {
    for format in ["parquet", "delta"] {
        let workspace = workspace(format);
        let text = transcript(&workspace.run_ok(&["run", "pipeline.yaml"]), &[]);
        let line = "2026-01, 2026-03 without card: nothing of it was published for this month (table completeness)";
        assert!(text.contains(line), "{format}: {text}");
        let expected = [
            "2026-01 bill published false 3",
            "2026-01 card missing false 0",
            "2026-02 bill published true 3",
            "2026-02 card published true 1",
            "2026-03 bill published false 3",
            "2026-03 card missing false 0",
        ];
        assert_eq!(completeness(&workspace), expected, "{format}");
        let missing = certificate(&workspace, "2026-01")["missing"].clone();
        assert_eq!(missing[0]["source"], "card", "{missing}");
        assert_eq!(certificate(&workspace, "2026-02").get("missing"), None);
        // It comes late, and the month is complete.
        workspace.write(&card_key("2026-01"), &bill("2026-01", &[("team-c", 5.0)]));
        workspace.run_ok(&["run", "pipeline.yaml"]);
        assert_eq!(completeness(&workspace)[..2], ["2026-01 bill published true 3", "2026-01 card published true 1"]);
        assert_eq!(certificate(&workspace, "2026-01").get("missing"), None);
        workspace.run_ok(&["verify", "pipeline.yaml"]);
        // Where it is not expected nothing lacks.
        change(&workspace, "location: card/ }", "location: card/, to: 2026-02 }");
        workspace.run_ok(&["run", "pipeline.yaml"]);
        assert_eq!(completeness(&workspace)[4..], ["2026-03 bill published true 3"], "{format}");
        let text = transcript(&workspace.run_ok(&["run", "pipeline.yaml"]), &[]);
        assert!(text.contains("Everything is up to date") && !text.contains("without card"), "{format}: {text}");
    }
}

#[test]
fn a_source_that_fails_or_cannot_be_listed_is_missing_and_the_month_is_certified_without_it() {
    let workspace = workspace("parquet");
    for month in MONTHS {
        workspace.write(&card_key(month), b"not Parquet");
    }
    assert_eq!(workspace.run(&["run", "pipeline.yaml"]).status.code(), Some(1));
    assert_eq!(completeness(&workspace)[1], "2026-01 card failed false 0");
    assert_eq!(certificate(&workspace, "2026-01")["missing"][0]["status"], "failed");
    workspace.run_ok(&["verify", "pipeline.yaml"]);
    fs::remove_dir_all(workspace.path("card")).expect("export");
    assert_eq!(workspace.run(&["run", "pipeline.yaml"]).status.code(), Some(1));
    assert_eq!(completeness(&workspace)[1], "2026-01 card unlisted false 0");
    assert_eq!(certificate(&workspace, "2026-01")["missing"][0]["status"], "unlisted");
    // What was published before is part of the month, although its export is gone now.
    for month in MONTHS {
        workspace.write(&card_key(month), &bill(month, &[("team-c", 5.0)]));
    }
    workspace.run_ok(&["run", "pipeline.yaml"]);
    fs::remove_dir_all(workspace.path("card")).expect("export");
    assert_eq!(workspace.run(&["run", "pipeline.yaml"]).status.code(), Some(1));
    assert_eq!(completeness(&workspace)[1], "2026-01 card published true 1");
    assert_eq!(certificate(&workspace, "2026-01").get("missing"), None);
    workspace.run_ok(&["verify", "pipeline.yaml"]);
}
