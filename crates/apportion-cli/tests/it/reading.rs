//! What exports write in ways of their own, and the value that is meant by it: marks in front of values,
//! words for no value, dates, tags that are nearly JSON, columns without a value, months without a row.

mod columns;
mod commitments;
mod empty;
mod odd_ids;
mod tags;
mod values;

use apportion_testkit::fixture::{ExportBuilder, Value};
use serde_json::Value as Json;

use crate::support::{Workspace, transcript};

/// A workspace whose source `bill` lies in `export/`, with `options` of the source, and whose costs go to the
/// team a tag names.
fn workspace(format: &str, options: &str, objects: &[(&str, &[u8])]) -> Workspace {
    let workspace = Workspace::new();
    let pipeline = format!(
        "version: 1\nname: reading\nsources:\n  bill: {{ format: {format}, location: export/{options} }}\n\
         dimensions:\n  team: tag('team')\n\
         allocation:\n  target: team\n  rules:\n    - {{ id: direct, when: team is not null, method: direct, to: team }}\n\
         destination: {{ location: tables/ }}\n"
    );
    workspace.write("pipeline.yaml", pipeline.as_bytes());
    for (key, content) in objects {
        workspace.write(&format!("export/{key}"), content);
    }
    workspace
}

/// The report of a run that succeeds.
fn run(workspace: &Workspace) -> Json {
    let output = workspace.run_ok(&["run", "pipeline.yaml", "--format", "json"]);
    serde_json::from_slice(&output.stdout).expect("report")
}

/// What a run says that publishes nothing of the month.
fn refusal(workspace: &Workspace) -> String {
    let output = workspace.run(&["run", "pipeline.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output, &[]));
    assert!(!workspace.path("tables/focus_charges").exists(), "nothing was published");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The notes of the only source in its only month.
fn notes(report: &Json) -> Vec<String> {
    let notes = report["sources"][0]["notes"].as_array().expect("notes");
    notes.iter().map(|note| note.as_str().expect("text").to_owned()).collect()
}

/// Rows of an answer, cells joined.
fn rows(workspace: &Workspace, sql: &str) -> Vec<String> {
    workspace.query("tables", sql).iter().map(|row| row.join("|")).collect()
}

/// A native FOCUS row of one day's usage.
fn charge(resource: &str, cost: f64) -> Vec<(String, Value)> {
    let texts = [
        ("BillingAccountId", "ba-1"),
        ("BillingCurrency", "USD"),
        ("BillingPeriodStart", "2026-01-01T00:00:00Z"),
        ("BillingPeriodEnd", "2026-02-01T00:00:00Z"),
        ("ChargePeriodStart", "2026-01-05T00:00:00Z"),
        ("ChargePeriodEnd", "2026-01-06T00:00:00Z"),
        ("ChargeCategory", "Usage"),
        ("ServiceName", "Things"),
        ("ServiceCategory", "Compute"),
        ("ProviderName", "Vendor"),
        ("PublisherName", "Vendor"),
        ("InvoiceIssuerName", "Vendor"),
        ("ResourceId", resource),
    ];
    let mut row: Vec<(String, Value)> =
        texts.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text.to_owned()))).collect();
    let costs = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"];
    row.extend(costs.map(|name| (name.to_owned(), Value::Number(cost))));
    row
}

/// A CUR 2.0 line of usage with more columns.
fn line(id: &str, cost: f64, more: Vec<(&str, Value)>) -> Vec<(String, Value)> {
    let texts = [
        ("bill_payer_account_id", "111111111111"),
        ("line_item_usage_account_id", "222222222222"),
        ("bill_billing_period_start_date", "2026-01-01T00:00:00Z"),
        ("bill_billing_period_end_date", "2026-02-01T00:00:00Z"),
        ("line_item_usage_start_date", "2026-01-05T00:00:00Z"),
        ("line_item_usage_end_date", "2026-01-06T00:00:00Z"),
        ("identity_line_item_id", id),
        ("identity_time_interval", "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z"),
        ("line_item_currency_code", "USD"),
        ("line_item_product_code", "AmazonEC2"),
        ("line_item_line_item_type", "Usage"),
    ];
    let mut row: Vec<(String, Value)> =
        texts.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text.to_owned()))).collect();
    row.push(("line_item_unblended_cost".to_owned(), Value::Number(cost)));
    row.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    row
}

/// Where the object of a CUR 2.0 month lies.
fn cur2_key(month: &str) -> String {
    format!("data/BILLING_PERIOD={month}/bill-00001.snappy.parquet")
}

/// A CUR 2.0 object.
fn cur2(lines: Vec<Vec<(String, Value)>>) -> Vec<u8> {
    lines.into_iter().fold(ExportBuilder::cur2(), ExportBuilder::row_of).parquet().to_vec()
}

/// The header of an Azure export of one agreement, as far as the tests need it.
const AZURE: &str = "InvoiceId,BillingCurrency,CostInBillingCurrency,Date,MeterCategory,Quantity,ResourceId,\
                     SubscriptionId,ChargeType,Tags";

/// Rows of an Azure export, one per cost, date and tags.
fn azure(rows: &[(&str, &str, &str)]) -> String {
    let mut text = format!("{AZURE}\r\n");
    for (index, (cost, date, tags)) in rows.iter().enumerate() {
        let resource =
            format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/x{index}");
        let tags = tags.replace('"', "\"\"");
        text.push_str(&format!(",USD,{cost},{date},Storage,1,{resource},s,Usage,\"{tags}\"\r\n"));
    }
    text
}
