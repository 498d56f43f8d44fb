//! A small company for tests of runs that come again: an AWS bill of several months, telemetry by
//! the day, one direct and one proportional rule. Months are written and rewritten by the tests.

use apportion_testkit::ExportBuilder;
use apportion_testkit::fixture::{ColumnType, Value};

use crate::support::Workspace;

/// A bill of one month: lines of (account, cost) on the fifth day.
pub(crate) fn bill(month: &str, lines: &[(&str, f64)]) -> Vec<u8> {
    let year: i32 = month[..4].parse().expect("year");
    let number: u32 = month[5..].parse().expect("month");
    let next = if number == 12 { format!("{}-01", year + 1) } else { format!("{year}-{:02}", number + 1) };
    let mut builder = ExportBuilder::cur2()
        .default_value("bill_payer_account_id", "111111111111")
        .default_value("bill_billing_period_start_date", format!("{month}-01T00:00:00Z"))
        .default_value("bill_billing_period_end_date", format!("{next}-01T00:00:00Z"))
        .default_value("line_item_usage_start_date", format!("{month}-05T00:00:00Z"))
        .default_value("line_item_usage_end_date", format!("{month}-06T00:00:00Z"))
        .default_value("identity_time_interval", format!("{month}-05T00:00:00Z/{month}-06T00:00:00Z"))
        .default_value("line_item_currency_code", "USD")
        .default_value("line_item_product_code", "AmazonEC2")
        .default_value("line_item_line_item_type", "Usage");
    for (index, (account, cost)) in lines.iter().enumerate() {
        builder = builder.row([
            ("line_item_usage_account_id", (*account).into()),
            ("identity_line_item_id", format!("line-{index}").into()),
            ("line_item_unblended_cost", Value::Number(*cost)),
        ]);
    }
    builder.parquet().to_vec()
}

/// Requests of one day by customer.
pub(crate) fn requests(day: &str, counts: &[(&str, i64)]) -> Vec<u8> {
    let mut builder = ExportBuilder::new()
        .column("ts", ColumnType::Micros)
        .column("n", ColumnType::Integer)
        .column("customer", ColumnType::Text);
    for (customer, count) in counts {
        builder = builder.row([
            ("ts", format!("{day}T10:00:00Z").into()),
            ("n", (*count).into()),
            ("customer", (*customer).into()),
        ]);
    }
    builder.parquet().to_vec()
}

/// Key of a month's bill below the workspace or bucket.
pub(crate) fn bill_key(month: &str) -> String {
    format!("export/data/BILLING_PERIOD={month}/bill-00001.snappy.parquet")
}

/// Key of a day's telemetry.
pub(crate) fn requests_key(day: &str) -> String {
    format!("telemetry/requests-{day}.parquet")
}

/// The months of the company.
pub(crate) const MONTHS: [&str; 3] = ["2026-01", "2026-02", "2026-03"];

/// Every object of the company.
pub(crate) fn objects() -> Vec<(String, Vec<u8>)> {
    let mut objects = Vec::new();
    for month in MONTHS {
        objects.push((bill_key(month), bill(month, &[("shared", 100.0), ("team-a", 10.5), ("team-b", 7.25)])));
        let day = format!("{month}-05");
        objects.push((requests_key(&day), requests(&day, &[("acme", 30), ("bolt", 10)])));
    }
    objects
}

/// The pipeline; `root` comes before every location, `more` at the end.
pub(crate) fn pipeline(root: &str, format: &str, more: &str) -> String {
    format!(
        "version: 1\nname: estate\nsources:\n  bill: {{ format: aws_cur_2, location: {root}export/ }}\n\
         telemetry:\n  requests: {{ location: {root}telemetry/, time: ts, quantity: n, unit: Requests, target: customer }}\n\
         dimensions: {{ account: SubAccountId }}\n\
         allocation:\n  target: account\n  keep: [account]\n  rules:\n    \
         - {{ id: shared, when: \"account = 'shared'\", method: proportional, driver: requests, fallback: [previous_period] }}\n    \
         - {{ id: own, method: direct, to: account }}\n\
         unit_economics:\n  cost_per_request: {{ metric: requests, by: [account] }}\n\
         destination: {{ location: {root}tables/, format: {format} }}\n{more}"
    )
}

/// The company on disk.
pub(crate) fn estate(more: &str) -> Workspace {
    let workspace = Workspace::new();
    for (key, content) in objects() {
        workspace.write(&key, &content);
    }
    workspace.write("pipeline.yaml", pipeline("", "parquet", more).as_bytes());
    workspace
}

/// Changes the pipeline file.
pub(crate) fn change(workspace: &Workspace, from: &str, to: &str) {
    let text = std::fs::read_to_string(workspace.path("pipeline.yaml")).expect("pipeline");
    assert!(text.contains(from), "{text}");
    workspace.write("pipeline.yaml", text.replace(from, to).as_bytes());
}
