//! The command line, and files that are not what they should be.

use super::{aws, outcome, pipeline};
use crate::support::{Workspace, apportion};

#[test]
fn the_command_line_and_the_file_are_checked_before_anything_is_read() {
    let workspace = aws::workspace(&aws::good(), "");
    insta::assert_snapshot!("missing_file", workspace.transcript(&["run", "pipelin.yaml"]));
    insta::assert_snapshot!("unknown_source", workspace.transcript(&["run", "pipeline.yaml", "--source", "bil"]));
    insta::assert_snapshot!("wrong_period", workspace.transcript(&["run", "pipeline.yaml", "--period", "2026-13"]));
    insta::assert_snapshot!("no_jobs", workspace.transcript(&["run", "pipeline.yaml", "--jobs", "0"]));
    insta::assert_snapshot!("no_memory", workspace.transcript(&["run", "pipeline.yaml", "--memory-limit", "1KiB"]));
    workspace.write("broken.yaml", b"version: 1\nname: [broken\n");
    insta::assert_snapshot!("malformed_yaml", workspace.transcript(&["run", "broken.yaml"]));
    let limits = pipeline("aws_cur_2", "engine: { memory_limit_mib: 1, jobs: 0 }\n");
    workspace.write("limits.yaml", limits.as_bytes());
    insta::assert_snapshot!("limits_in_the_file", workspace.transcript(&["run", "limits.yaml"]));
}

#[test]
fn the_least_limits_are_enough_for_a_small_month() {
    let workspace = aws::workspace(&aws::good(), "");
    workspace.run_ok(&["run", "pipeline.yaml", "--memory-limit", "32MiB", "--jobs", "1"]);
    assert_eq!(workspace.query("tables", "SELECT sum(BilledCost) FROM focus_charges"), [["1.500000000000"]]);
}

#[test]
fn a_period_without_files_names_those_that_exist() {
    let workspace = aws::workspace(&aws::good(), "");
    insta::assert_snapshot!("period_without_files", outcome(&workspace, &["--period", "2026-02"]));
    let table = workspace.transcript(&["run", "pipeline.yaml", "--period", "2026-02"]);
    insta::assert_snapshot!("period_without_files_as_table", table);
}

#[test]
fn one_failing_period_and_one_failing_source_leave_the_others_published() {
    let workspace = aws::workspace(&aws::good(), "");
    let february = aws::good();
    workspace.write(&aws::key("2026-02"), &february[..february.len() / 2]);
    let two = pipeline("aws_cur_2", "  other: { format: aws_cur_2, location: elsewhere/ }\n");
    workspace.write("pipeline.yaml", two.as_bytes());
    insta::assert_snapshot!("others_are_published", outcome(&workspace, &[]));
    let table = workspace.transcript(&["run", "pipeline.yaml", "--force"]);
    // How well an object is packed is not what this is about.
    let packed = table.find(" KiB").and_then(|end| Some((table[..end].rfind(' ')? + 1, end)));
    let (start, end) = packed.expect("a size");
    let sizes = "#".repeat(end - start);
    insta::assert_snapshot!("others_are_published_as_table", table.replacen(&table[start..end], &sizes, 1));
    let published = "SELECT x_Source, x_BillingPeriod, sum(BilledCost) FROM focus_charges GROUP BY ALL";
    assert_eq!(workspace.query("tables", published), [["bill", "2026-01", "1.500000000000"]]);
}

#[test]
fn what_was_published_stays_when_its_export_breaks() {
    let workspace = aws::workspace(&aws::good(), "");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    workspace.write(&aws::key("2026-01"), b"not parquet at all");
    insta::assert_snapshot!("published_month_breaks", outcome(&workspace, &[]));
    assert_eq!(workspace.query("tables", "SELECT sum(BilledCost) FROM focus_charges"), [["1.500000000000"]]);
}

#[test]
fn a_question_that_does_not_plan_names_the_tables() {
    let workspace = aws::workspace(&aws::good(), "");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let ask = |question: &str| workspace.transcript(&["query", "--destination", "tables", question]);
    insta::assert_snapshot!("unknown_table", ask("SELECT * FROM focus_charge"));
    insta::assert_snapshot!("unknown_column", ask("SELECT BiledCost FROM focus_charges"));
    insta::assert_snapshot!("not_a_question", ask("DROP TABLE focus_charges"));
    insta::assert_snapshot!("no_tables", workspace.transcript(&["query", "--destination", "nowhere", "SELECT 1"]));
}

#[test]
fn an_answer_in_json_is_one_object_per_row_and_nothing_without_rows() {
    let workspace = aws::workspace(&aws::good(), "");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let ask = |question: &str| {
        let output = workspace.run_ok(&["query", "--destination", "tables", "--format", "json", question]);
        String::from_utf8(output.stdout).expect("text")
    };
    let answer = ask("SELECT BilledCost, x_LineNumber, CAST(NULL AS varchar) AS nothing, ChargePeriodStart FROM \
         (SELECT BilledCost, 1 AS x_LineNumber, ChargePeriodStart FROM focus_charges) UNION ALL \
         SELECT -0.000000000001, 2, 'a \"b\"', NULL ORDER BY 2");
    let rows: Vec<serde_json::Value> =
        answer.lines().map(|line| serde_json::from_str(line).expect("one JSON document per line")).collect();
    assert_eq!(rows.len(), 2, "{answer}");
    assert_eq!(rows[0]["BilledCost"], "1.500000000000", "decimals are text, so that no digit is lost");
    assert_eq!(rows[0]["x_LineNumber"], 1);
    assert_eq!(rows[0]["ChargePeriodStart"], "2026-01-05T00:00:00Z");
    assert_eq!(rows[1]["BilledCost"], "-0.000000000001");
    assert_eq!(rows[1]["nothing"], "a \"b\"");
    assert_eq!(ask("SELECT * FROM focus_charges WHERE false"), "");
    let file = ["query", "--destination", "tables", "--format", "json", "--output", "empty.json"];
    workspace.run_ok(&[&file[..], &["SELECT * FROM focus_charges WHERE false"]].concat());
    assert_eq!(std::fs::read(workspace.path("empty.json")).expect("file"), b"");
}

#[test]
fn a_completion_script_knows_every_command() {
    for (shell, sign) in
        [("bash", "complete -F _apportion"), ("zsh", "#compdef apportion"), ("fish", "complete -c apportion")]
    {
        let output = apportion().args(["completions", shell]).output().expect("binary");
        assert!(output.status.success());
        let script = String::from_utf8(output.stdout).expect("text");
        assert!(script.contains(sign), "{shell}");
        for command in ["run", "backfill", "check", "explain", "verify", "query", "diff", "vacuum", "init"] {
            assert!(script.contains(command), "{shell} does not know `{command}`");
        }
        assert!(script.contains("accept-smaller"), "{shell} does not know options");
    }
    let unknown = apportion().args(["completions", "bsh"]).output().expect("binary");
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn the_template_is_a_valid_pipeline_and_is_never_overwritten() {
    let workspace = Workspace::new();
    workspace.run_ok(&["init"]);
    workspace.run_ok(&["check", "pipeline.yaml", "--offline"]);
    let before = std::fs::read(workspace.path("pipeline.yaml")).expect("pipeline");
    assert_eq!(workspace.run(&["init"]).status.code(), Some(2));
    assert_eq!(std::fs::read(workspace.path("pipeline.yaml")).expect("pipeline"), before);
}
