//! A month that becomes smaller than what is published waits for a person, whatever was lost beside the tables,
//! however slowly it shrinks, and the person accepts it by name.

use apportion_testkit::ExportBuilder;
use apportion_testkit::fixture::Value;
use serde_json::Value as Json;

use crate::estate::bill_key;
use crate::support::{Workspace, transcript};

/// A bill of May with charges of one dollar each: so many on each of these days.
fn may(days: impl IntoIterator<Item = (u32, usize)>) -> Vec<u8> {
    let mut builder = ExportBuilder::cur2()
        .default_value("bill_payer_account_id", "111111111111")
        .default_value("bill_billing_period_start_date", "2026-05-01T00:00:00Z")
        .default_value("bill_billing_period_end_date", "2026-06-01T00:00:00Z")
        .default_value("line_item_currency_code", "USD")
        .default_value("line_item_product_code", "AmazonEC2")
        .default_value("line_item_line_item_type", "Usage")
        .default_value("line_item_usage_account_id", "222222222222");
    for (day, count) in days {
        for index in 0..count {
            builder = builder.row([
                ("line_item_usage_start_date", format!("2026-05-{day:02}T00:00:00Z").into()),
                ("line_item_usage_end_date", format!("2026-05-{day:02}T01:00:00Z").into()),
                ("identity_time_interval", format!("2026-05-{day:02}T00:00:00Z/2026-05-{day:02}T01:00:00Z").into()),
                ("identity_line_item_id", format!("line-{day}-{index}").into()),
                ("line_item_unblended_cost", Value::Number(1.0)),
            ]);
        }
    }
    builder.parquet().to_vec()
}

fn all_days(count: usize) -> Vec<u8> {
    may((1..=31).map(|day| (day, count)))
}

fn workspace(format: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write(&bill_key("2026-05"), &all_days(4));
    workspace.write(
        "pipeline.yaml",
        format!(
            "version: 1\nname: shrink\nsources:\n  bill: {{ format: aws_cur_2, location: export/ }}\n\
             destination: {{ location: tables/, format: {format} }}\n"
        )
        .as_bytes(),
    );
    workspace.run_ok(&["run", "pipeline.yaml"]);
    workspace
}

/// Runs, demands an exit code, and returns status and message of the first unit.
fn run(workspace: &Workspace, code: i32, options: &[&str]) -> (String, String) {
    let output = workspace.run(&[&["run", "pipeline.yaml", "--format", "json"], options].concat());
    assert_eq!(output.status.code(), Some(code), "{options:?} {}", transcript(&output, &[]));
    let report: Json = serde_json::from_slice(&output.stdout).expect("report");
    let unit = &report["sources"][0];
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    (text(&unit["status"]), text(&unit["error"]["message"]))
}

fn refused(workspace: &Workspace, options: &[&str]) -> String {
    for verb in ["run", "plan"] {
        let output = workspace.run(&[&[verb, "pipeline.yaml"], options].concat());
        assert_eq!(output.status.code(), Some(2), "{verb} {options:?} {}", transcript(&output, &[]));
    }
    transcript(&workspace.run(&[&["run", "pipeline.yaml"], options].concat()), &[])
}

fn charges(workspace: &Workspace) -> String {
    workspace.query("tables", "SELECT count(*) FROM focus_charges")[0][0].clone()
}

fn remove(workspace: &Workspace, document: &str) {
    std::fs::remove_file(workspace.path(&format!("tables/_apportion/{document}"))).expect("document");
}

#[test]
fn what_is_published_is_what_a_month_is_compared_with() {
    for format in ["parquet", "delta"] {
        for lost in [&["units.json"][..], &["certificates/2026-05.json"], &["units.json", "certificates/2026-05.json"]]
        {
            let workspace = workspace(format);
            for document in lost {
                remove(&workspace, document);
            }
            workspace.write(&bill_key("2026-05"), &all_days(1));
            let (status, message) = run(&workspace, 3, &[]);
            assert_eq!(status, "held", "{format} {lost:?}");
            assert!(message.contains("rows from 124 to 31"), "{format} {lost:?}: {message}");
            assert_eq!(charges(&workspace), "124", "{format} {lost:?}");
        }
    }
}

/// The tables alone still know how much there was.
#[test]
fn nothing_but_the_tables_is_enough_to_hold_a_month_back() {
    let workspace = workspace("parquet");
    std::fs::remove_dir_all(workspace.path("tables/_apportion")).expect("documents");
    workspace.write(&bill_key("2026-05"), &all_days(1));
    assert!(run(&workspace, 3, &[]).1.contains("rows from 124 to 31"));
    assert_eq!(charges(&workspace), "124");
}

/// The certificate alone still knows how much there was.
#[test]
fn a_lost_table_does_not_make_a_smaller_month_good() {
    let workspace = workspace("parquet");
    remove(&workspace, "units.json");
    std::fs::remove_dir_all(workspace.path("tables/focus_charges")).expect("table");
    workspace.write(&bill_key("2026-05"), &all_days(1));
    assert!(run(&workspace, 3, &[]).1.contains("rows from 124 to 31"));
}

#[test]
fn a_month_that_shrinks_a_little_every_night_is_held_back() {
    for lost in [None, Some("units.json"), Some("certificates/2026-05.json")] {
        let workspace = workspace("parquet");
        workspace.write(&bill_key("2026-05"), &all_days(3));
        assert_eq!(run(&workspace, 0, &[]).0, "published");
        if let Some(document) = lost {
            remove(&workspace, document);
        }
        // Less than half of the first version, more than half of the last.
        workspace.write(&bill_key("2026-05"), &may((1..=31).map(|day| (day, 1 + usize::from(day <= 28)))));
        let (status, message) = run(&workspace, 3, &["--force"]);
        assert_eq!(status, "held", "{lost:?}");
        assert!(message.contains("rows from 124 to 59"), "{lost:?}: {message}");
        // Accepting it is where counting starts again.
        assert_eq!(run(&workspace, 0, &["--accept-smaller", "2026-05/bill"]).0, "published");
        workspace.write(&bill_key("2026-05"), &may((1..=31).map(|day| (day, 1 + usize::from(day <= 10)))));
        assert_eq!(run(&workspace, 0, &[]).0, "published", "{lost:?}: 41 is more than half of 59");
    }
}

#[test]
fn a_day_that_vanishes_holds_a_month_whose_cost_hardly_fell() {
    let workspace = workspace("parquet");
    for (days, gone) in [
        ((1..=31).filter(|day| *day != 17).collect::<Vec<u32>>(), "2026-05-17"),
        ((1..=28).collect(), "2026-05-29 to 2026-05-31"),
        ((3..=31).collect(), "2026-05-01 to 2026-05-02"),
    ] {
        workspace.write(&bill_key("2026-05"), &may(days.into_iter().map(|day| (day, 5))));
        let (status, message) = run(&workspace, 3, &[]);
        assert_eq!(status, "held");
        assert!(message.contains("no charges any more on") && message.contains(gone), "{message}");
        assert!(!message.contains("rows from"), "there are more rows than before: {message}");
    }
    assert_eq!(charges(&workspace), "124");
    // A month that grows day by day is none that shrinks.
    workspace.write(&bill_key("2026-05"), &all_days(5));
    assert_eq!(run(&workspace, 0, &[]).0, "published");
}

#[test]
fn what_is_accepted_has_a_name() {
    let workspace = workspace("parquet");
    workspace.write(&bill_key("2026-05"), &all_days(1));
    assert!(run(&workspace, 3, &[]).1.contains("publish it with --accept-smaller 2026-05/bill"));
    let text = refused(&workspace, &["--accept-smaller"]);
    assert!(text.contains("the last run held back: --accept-smaller 2026-05/bill"), "{text}");
    assert!(refused(&workspace, &["--accept-smaller", "2026-06"]).contains("did you mean `2026-05`?"));
    assert!(refused(&workspace, &["--accept-smaller", "2026-05/bil"]).contains("did you mean `bill`?"));
    assert!(refused(&workspace, &["--accept-smaller", "may"]).contains("is not a billing period"));
    // Another name of the same month accepts nothing of this source.
    assert_eq!(run(&workspace, 3, &["--accept-smaller", "2026-05/allocation"]).0, "held");
    assert_eq!(charges(&workspace), "124");
    assert_eq!(run(&workspace, 0, &["--accept-smaller", "2026-05"]).0, "published");
    assert_eq!(charges(&workspace), "31");
    assert_eq!(run(&workspace, 0, &[]).0, "up_to_date");
}
