//! Names from a bill do not command the terminal of the person who reads about them.

use apportion_testkit::ExportBuilder;
use apportion_testkit::fixture::Value;

use crate::estate::{bill_key, pipeline, requests, requests_key};
use crate::support::{Workspace, transcript};

/// Sets the title of a terminal, turns text around, hides, and breaks a line.
const NAME: &str = "team\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}live\u{2066}\u{200b}\u{2028}\nnext: rm -rf";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let mut builder = ExportBuilder::cur2()
        .default_value("bill_payer_account_id", "111111111111")
        .default_value("bill_billing_period_start_date", "2026-01-01T00:00:00Z")
        .default_value("bill_billing_period_end_date", "2026-02-01T00:00:00Z")
        .default_value("line_item_usage_start_date", "2026-01-05T00:00:00Z")
        .default_value("line_item_usage_end_date", "2026-01-06T00:00:00Z")
        .default_value("identity_time_interval", "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z")
        .default_value("line_item_currency_code", "USD")
        .default_value("line_item_product_code", "AmazonEC2")
        .default_value("line_item_line_item_type", "Usage");
    for (account, cost) in [("shared", 100.0), (NAME, 10.5)] {
        builder = builder.row([
            ("line_item_usage_account_id", account.into()),
            ("identity_line_item_id", format!("line-{cost}").into()),
            ("line_item_line_item_description", NAME.into()),
            ("line_item_resource_id", NAME.into()),
            ("line_item_unblended_cost", Value::Number(cost)),
        ]);
    }
    workspace.write(&bill_key("2026-01"), &builder.parquet());
    workspace.write(&requests_key("2026-01-05"), &requests("2026-01-05", &[(NAME, 30), ("bolt", 10)]));
    workspace.write("pipeline.yaml", pipeline("", "parquet", "").as_bytes());
    workspace
}

/// Whether a text holds something that is not seen, apart from line breaks.
fn misleading(text: &str) -> Option<char> {
    let hidden = |c: &char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(|c| *c != '\n').find(hidden)
}

#[test]
fn no_command_shows_a_control_character() {
    let workspace = workspace();
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["run", "pipeline.yaml"],
        vec!["plan", "pipeline.yaml"],
        vec!["explain", "pipeline.yaml", "--period", "2026-01", "--target", NAME],
        vec!["explain", "pipeline.yaml", "--period", "2026-01", "--target", "nobody\u{1b}[2J"],
        vec!["verify", "pipeline.yaml"],
        vec!["query", "--destination", "tables", "SELECT SubAccountId, ChargeDescription FROM focus_charges"],
        vec!["query", "--destination", "tables", "SELECT 1 AS \"a\u{1b}[2J\""],
        vec!["query", "--destination", "tables", "SELECT \u{202e}"],
        vec!["run", "pipeline.yaml", "--source", "x\u{1b}[2J"],
        vec!["run", "pipeline.yaml", "--x\u{1b}[2J\u{202e}"],
        vec!["check", "missing\u{1b}[2J.yaml"],
    ];
    for command in ["run", "plan", "verify"] {
        commands.push(vec![command, "pipeline.yaml", "--format", "json"]);
    }
    commands.push(vec!["explain", "pipeline.yaml", "--period", "2026-01", "--target", NAME, "--format", "json"]);
    commands.push(vec![
        "query",
        "--destination",
        "tables",
        "--format",
        "json",
        "SELECT SubAccountId FROM focus_charges",
    ]);
    for arguments in commands {
        let output = workspace.run(&arguments);
        let text = transcript(&output, &[]);
        assert_eq!(misleading(&text), None, "{arguments:?}\n{}", text.escape_debug());
        if arguments.contains(&"json") && !output.stdout.is_empty() {
            let stdout = String::from_utf8(output.stdout).expect("text");
            let documents = serde_json::Deserializer::from_str(&stdout).into_iter::<serde_json::Value>();
            let documents: Vec<_> = documents.map(|document| document.expect("JSON")).collect();
            assert!(!documents.is_empty(), "{stdout}");
        }
    }
    // A line break inside of a name starts no line of its own.
    let text = transcript(&workspace.run(&["explain", "pipeline.yaml", "--period", "2026-01", "--target", NAME]), &[]);
    assert!(text.contains("owned") && !text.lines().any(|line| line.starts_with("next: rm")), "{text}");
    let text = transcript(&workspace.run(&["run", "pipeline.yaml", "--force"]), &[]);
    assert!(text.contains("owned") && !text.lines().any(|line| line.starts_with("next: rm")), "{text}");
}

#[test]
fn programs_get_the_value_as_it_is() {
    let workspace = workspace();
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let sql = "SELECT SubAccountId FROM focus_charges WHERE BilledCost < 50";
    assert_eq!(workspace.query("tables", sql), [[NAME]]);
    let output = workspace.run_ok(&["query", "--destination", "tables", "--format", "json", sql]);
    let row: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(row["SubAccountId"], NAME);
}
