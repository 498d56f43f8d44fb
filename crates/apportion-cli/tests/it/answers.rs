//! Answers of `query` of any size in little memory, with every digit.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::estate::estate;
use crate::support::{Workspace, apportion, transcript};

fn published() -> Workspace {
    let workspace = estate("");
    workspace.run_ok(&["run", "pipeline.yaml", "--period", "2026-01"]);
    workspace
}

fn ask(workspace: &Workspace, format: &str, sql: &str) -> String {
    let output = workspace.run_ok(&["query", "--destination", "tables", "--format", format, sql]);
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn rounded_amounts_compare_with_numbers() {
    let workspace = published();
    let sum = |sql: &str| ask(&workspace, "csv", sql).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let rounded = sum("SELECT count(*) FROM focus_charges WHERE round(EffectiveCost, 2) > 1");
    assert_eq!(rounded, sum("SELECT count(*) FROM focus_charges WHERE EffectiveCost >= 1.005"));
    assert_ne!(rounded, ["0"]);
    let having = "SELECT ServiceName, round(sum(EffectiveCost), 2) AS Cost FROM focus_charges GROUP BY 1";
    assert_eq!(
        sum(&format!("{having} HAVING round(sum(EffectiveCost), 2) > 0.5 ORDER BY 1")),
        sum(&format!("SELECT * FROM ({having}) WHERE Cost >= 0.51 ORDER BY 1"))
    );
}

/// The most memory that a process held, in bytes.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}

#[test]
fn a_large_answer_needs_little_memory() {
    let workspace = published();
    let sql = "SELECT a.value AS a, b.value AS b, 'some text that takes room in memory' || a.value AS text \
               FROM generate_series(1, 2000) a, generate_series(1, 1000) b";
    for (format, rows) in [("csv", Some(2_000_001)), ("json", Some(2_000_000)), ("table", None)] {
        let arguments = ["query", "--destination", "tables", "--memory-limit", "64MiB", "--jobs", "2"];
        let answer = std::fs::File::create(workspace.path("answer")).expect("file");
        let mut child = apportion()
            .args([&arguments[..], &["--format", format, sql]].concat())
            .current_dir(workspace.path(""))
            .stdout(answer)
            .stderr(Stdio::piped())
            .spawn()
            .expect("binary");
        let mut most = 0;
        while child.try_wait().expect("process").is_none() {
            most = most.max(peak(child.id()).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().expect("binary");
        assert!(output.status.success(), "{}", transcript(&output, &[]));
        let answer = std::fs::read_to_string(workspace.path("answer")).expect("answer");
        if let Some(rows) = rows {
            assert_eq!(answer.lines().count(), rows, "{format}");
        }
        assert!(most > 1 << 20, "nothing was measured");
        // The answer alone is more than 100 MiB, and was held several times.
        assert!(most < 320 << 20, "{format} took {} MiB", most >> 20);
    }
}

#[test]
fn a_long_table_is_cut_and_says_what_it_left_out() {
    let workspace = published();
    let text = ask(&workspace, "table", "SELECT value FROM generate_series(1, 12345)");
    let last = text.lines().last().expect("line");
    assert_eq!(last, "10,000 rows are shown, 2,345 more are left out; --format csv and --format json write all");
    assert_eq!(text.lines().count(), 10_000 + 4 + 1);
    assert!(text.contains("| 10000 |") && !text.contains("| 10001 |"));
    let whole = ask(&workspace, "table", "SELECT value FROM generate_series(1, 10000)");
    assert!(!whole.contains("left out") && whole.contains("| 10000 |"));
    let endless = "SELECT 1 AS a FROM generate_series(1, 10000) a, generate_series(1, 100000) b";
    let text = ask(&workspace, "table", endless);
    assert!(
        text.contains("10,000 rows are shown, more than 10,000,000 others are left out"),
        "{}",
        &text[text.len() - 200..]
    );
    let wide = ask(&workspace, "table", "SELECT repeat('x', 10000) AS wide FROM generate_series(1, 3000)");
    assert!(wide.len() < 20 << 20 && wide.contains("more are left out"));
}

#[test]
fn an_error_in_the_middle_of_an_answer_is_an_error() {
    let workspace = published();
    let sql = "SELECT 10 / (value - 70000) AS q FROM generate_series(1, 100000)";
    for format in ["csv", "json", "table"] {
        let output = workspace.run(&["query", "--destination", "tables", "--format", format, sql]);
        assert_eq!(output.status.code(), Some(1), "{format}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stderr).contains("ivide by zero"), "{format}");
    }
}

#[test]
fn every_digit_arrives_also_inside_of_lists_and_structures() {
    let workspace = published();
    let sql = "SELECT [0.1, CAST(-12345678901234567890.123456789012 AS DECIMAL(38, 12))] AS list, \
               named_struct('cost', 0.30, 'none', CAST(NULL AS DECIMAL(10, 2)), 'deep', [named_struct('x', 1.10)]) AS inner, \
               map(['a', 'b'], [1.50, 2.25]) AS map, CAST(NULL AS DECIMAL(38, 12)) AS nothing, 3 AS whole";
    let answer = ask(&workspace, "json", sql);
    let row: Value = serde_json::from_str(answer.trim()).expect("JSON");
    assert_eq!(row["list"], serde_json::json!(["0.100000000000", "-12345678901234567890.123456789012"]));
    assert_eq!(row["inner"]["cost"], "0.30");
    assert_eq!(row["inner"]["deep"][0]["x"], "1.10");
    assert_eq!(row["inner"].get("none").cloned().unwrap_or_default(), Value::Null);
    assert_eq!(row["map"], serde_json::json!({ "a": "1.50", "b": "2.25" }));
    assert_eq!(row.get("nothing").cloned().unwrap_or_default(), Value::Null);
    assert_eq!(row["whole"], 3);
}

#[test]
fn a_plan_stays_readable_and_an_empty_answer_has_its_header() {
    let workspace = published();
    let plan = ask(&workspace, "table", "EXPLAIN SELECT sum(BilledCost) FROM focus_charges");
    assert!(plan.contains("focus_charges") && !plan.contains("\\n"), "{plan}");
    assert!(plan.lines().count() > 8, "{plan}");
    let none = "SELECT 1 AS a, 'x' AS b WHERE false";
    assert_eq!(ask(&workspace, "csv", none), "a,b\n");
    assert_eq!(ask(&workspace, "json", none), "");
    assert_eq!(ask(&workspace, "table", none), "+---+---+\n| a | b |\n+---+---+\n+---+---+\n");
}

#[test]
fn only_the_tables_of_a_question_are_opened() {
    let workspace = published();
    let parts = workspace.path("tables/allocated_charges/x_BillingPeriod=2026-01");
    for part in std::fs::read_dir(parts).expect("partition") {
        std::fs::write(part.expect("part").path(), b"not Parquet").expect("part");
    }
    assert_eq!(workspace.query("tables", "SELECT count(*) FROM focus_charges"), [["3"]]);
    assert_eq!(
        workspace
            .query("tables", "WITH x AS (SELECT * FROM focus_charges) SELECT count(*) FROM x JOIN run_ledger ON true")
            .len(),
        1
    );
    assert_eq!(workspace.query("tables", "SELECT 1"), [["1"]]);
    let output = workspace.run(&["query", "--destination", "tables", "SELECT * FROM allocated_charges"]);
    assert_ne!(output.status.code(), Some(0), "{}", transcript(&output, &[]));
}
