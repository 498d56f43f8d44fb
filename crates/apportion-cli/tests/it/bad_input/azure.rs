//! Bad Azure exports, as CSV and as Parquet.

use apportion_testkit::fixture::{ColumnType, ExportBuilder};

use super::{outcome, workspace};

const FORMAT: &str = "azure_cost_management";
const HEADER: &str =
    "BillingCurrency,CostInBillingCurrency,Date,MeterCategory,Quantity,ResourceId,SubscriptionId,ChargeType";
const RUN: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";

/// A bill of one line of usage per cost.
fn bill(costs: &[&str]) -> String {
    let resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/x";
    let lines = costs.iter().map(|cost| format!("USD,{cost},01/05/2026,Storage,1,{resource},s,Usage\r\n"));
    format!("{HEADER}\r\n{}", lines.collect::<String>())
}

fn of(content: &str) -> String {
    outcome(&workspace(FORMAT, &[("amortized/cost.csv", content.as_bytes())]), &[])
}

#[test]
fn missing_columns_are_named() {
    insta::assert_snapshot!(of(&bill(&["1.5"])
        .replace("CostInBillingCurrency", "CostInBilingCurrency")
        .replace("SubscriptionId", "Subscription")));
}

#[test]
fn values_that_cannot_be_read_are_named_with_their_row() {
    insta::assert_snapshot!("azure_cost_is_text", of(&bill(&["1.5", "\"1,5\""])));
    insta::assert_snapshot!("azure_huge_cost", of(&bill(&["1.5", "2.5", "1e27"])));
    let wrong_date = bill(&["1.5"]).replace("01/05/2026", "31/31/2026");
    insta::assert_snapshot!(
        "azure_no_date",
        of(&format!("{}{}", bill(&["1.5"]), wrong_date.lines().nth(1).unwrap_or("")))
    );
}

#[test]
fn a_torn_line_is_named_with_its_number() {
    let content = bill(&["1.5", "2.5", "3.5"]);
    insta::assert_snapshot!("azure_torn_line", of(&content[..content.len() - 20]));
    insta::assert_snapshot!("azure_two_headers", of(&content.replace("MeterCategory", "Date")));
}

#[test]
fn a_wrong_type_is_named() {
    let builder = HEADER.split(',').fold(ExportBuilder::new(), |builder, name| builder.column(name, ColumnType::Text));
    let export = builder
        .column("Quantity", ColumnType::Boolean)
        .column("Date", ColumnType::Boolean)
        .row([
            ("SubscriptionId", "s".into()),
            ("CostInBillingCurrency", "1.5".into()),
            ("Quantity", true.into()),
            ("Date", true.into()),
        ])
        .parquet();
    insta::assert_snapshot!(outcome(
        &workspace(FORMAT, &[("amortized/20260101-20260131/part_0_0001.snappy.parquet", &export)]),
        &[]
    ));
}

#[test]
fn objects_of_two_versions_in_one_folder_are_one_month() {
    let old = bill(&["2.25"]).replace("CostInBillingCurrency", "PreTaxCost").replace("ResourceId", "InstanceId");
    let new = bill(&["1.5"]);
    let workspace = workspace(FORMAT, &[("amortized/new.csv", new.as_bytes()), ("amortized/old.csv", old.as_bytes())]);
    insta::assert_snapshot!(outcome(&workspace, &[]));
    assert_eq!(workspace.query("tables", "SELECT sum(BilledCost) FROM focus_charges"), [["3.750000000000"]]);
}

#[test]
fn of_two_runs_the_manifest_tells_the_newest_and_of_copies_none() {
    let folder = |stamp: &str| format!("daily/20260101-20260131/{stamp}/{RUN}");
    let manifest = |stamp: &str| {
        let blob = format!("export/{}/part_0_0001.csv", folder(stamp));
        format!(
            r#"{{"exportConfig":{{"type":"AmortizedCost"}},"runInfo":{{"runId":"{RUN}"}},"blobs":[{{"blobName":"{blob}"}}]}}"#
        )
    };
    let mut objects = Vec::new();
    for (stamp, cost) in [("202601051200", "1.5"), ("202601061200", "2.5")] {
        objects.push((format!("{}/part_0_0001.csv", folder(stamp)), bill(&[cost])));
        objects.push((format!("{}/manifest.json", folder(stamp)), manifest(stamp)));
    }
    let objects: Vec<(&str, &[u8])> = objects.iter().map(|(key, text)| (key.as_str(), text.as_bytes())).collect();
    let runs = workspace(FORMAT, &objects);
    insta::assert_snapshot!("azure_two_runs", outcome(&runs, &[]));
    assert_eq!(runs.query("tables", "SELECT sum(BilledCost) FROM focus_charges"), [["2.500000000000"]]);
    let twice = bill(&["1.5", "2.5"]);
    let copied = workspace(FORMAT, &[("amortized/a.csv", twice.as_bytes()), ("amortized/b.csv", twice.as_bytes())]);
    insta::assert_snapshot!("azure_copied", outcome(&copied, &[]));
}

#[test]
fn an_empty_month_is_published_and_told() {
    let empty = bill(&[]);
    let key = "amortized/20260101-20260131/part_0_0001.csv";
    insta::assert_snapshot!(outcome(&workspace(FORMAT, &[(key, empty.as_bytes())]), &[]));
}
