//! Azure exports: two datasets, many headers, and one run of each that counts.

use std::io::Write;

use apportion_sources::{ExportFormat, format};
use apportion_spec::ErrorKind;
use apportion_spec::wire::SourceFormat;
use apportion_testkit::S3Server;

use crate::support::{BUCKET, assert_contains, keys, location, open, query, rows, unit};

const HEADER: &str =
    "BillingCurrency,CostInBillingCurrency,Date,MeterCategory,Quantity,ResourceId,SubscriptionId,PricingModel";
const RUN: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";

fn azure() -> &'static dyn ExportFormat {
    format(SourceFormat::AzureCostManagement)
}

fn bill(header: &str, cost: &str) -> Vec<u8> {
    format!("\u{feff}{header}\r\nUSD,{cost},01/05/2026,Storage,1,/subscriptions/s/x,s,\r\n").into_bytes()
}

fn manifest(dataset: &str, blob: &str) -> String {
    format!(
        r#"{{"exportConfig":{{"type":"{dataset}"}},"runInfo":{{"runId":"{RUN}"}},"blobs":[{{"blobName":"{blob}"}}]}}"#
    )
}

fn put_run(server: &S3Server, export: &str, dataset: &str, stamp: &str, cost: &str) {
    let folder = format!("a/{export}/20260101-20260131/{stamp}/{RUN}");
    server.put(BUCKET, &format!("{folder}/part_0_0001.csv"), bill(HEADER, cost));
    let blob = format!("{folder}/part_0_0001.csv");
    server.put(BUCKET, &format!("{folder}/manifest.json"), manifest(dataset, &blob));
}

async fn costs(server: &S3Server, prefix: &str) -> Vec<String> {
    let source = open(azure(), &location(server, prefix).await, "2026-01").await.unwrap();
    let sql = "select dataset, cost, quantity, \"date\", resource_id from src_azure__line_items order by 1, 2";
    rows(&query(&source, sql).await.unwrap())
}

#[tokio::test]
async fn the_newest_run_of_each_dataset_counts() {
    let server = S3Server::start().await;
    for (stamp, cost) in [("202601051200", "1"), ("202601061200", "12345678.123456789012")] {
        put_run(&server, "daily", "ActualCost", stamp, cost);
        put_run(&server, "other", "AmortizedCost", stamp, cost);
    }
    put_run(&server, "focus", "FocusCost", "202601061200", "7");
    let found = unit(azure(), &location(&server, "a").await, "2026-01").await.unwrap();
    assert!(keys(&found).iter().all(|key| key.contains("202601061200") && !key.contains("focus")), "{found:?}");
    assert!(found.notes.iter().any(|note| note.contains("ignored the FocusCost export")), "{:?}", found.notes);
    let expected = |dataset| format!("{dataset}|12345678.123456789012|1|2026-01-05T00:00:00Z|/subscriptions/s/x");
    assert_eq!(costs(&server, "a").await, [expected("ActualCost"), expected("AmortizedCost")]);
}

#[tokio::test]
async fn a_month_with_commitments_needs_both_datasets_of_one_day() {
    let server = S3Server::start().await;
    let folder = format!("a/actual/20260101-20260131/202601051200/{RUN}");
    let reserved = String::from_utf8(bill(HEADER, "1")).unwrap().replace(",s,\r\n", ",s,Reservation\r\n");
    server.put(BUCKET, &format!("{folder}/part_0_0001.csv"), reserved.into_bytes());
    let blob = format!("{folder}/part_0_0001.csv");
    server.put(BUCKET, &format!("{folder}/manifest.json"), manifest("ActualCost", &blob));
    let error = open(azure(), &location(&server, "a").await, "2026-01").await.unwrap_err();
    assert_contains(&error, &["the AmortizedCost export of the month is missing", "2026-01"]);
    put_run(&server, "amortized", "AmortizedCost", "202601061200", "1");
    let error = open(azure(), &location(&server, "a").await, "2026-01").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_contains(&error, &["different days", "ActualCost 20260105, AmortizedCost 20260106"]);
    put_run(&server, "amortized-2", "AmortizedCost", "202601061200", "1");
    let error = open(azure(), &location(&server, "a").await, "2026-01").await.unwrap_err();
    assert_contains(&error, &["two exports deliver AmortizedCost", "a/amortized-2"]);
}

#[tokio::test]
async fn a_single_dataset_is_whole_where_no_row_is_of_a_commitment() {
    let server = S3Server::start().await;
    put_run(&server, "actual", "ActualCost", "202601051200", "1.5");
    let source = open(azure(), &location(&server, "a").await, "2026-01").await.unwrap();
    let note = "the month has the ActualCost export alone; none of its rows is of a commitment, so the AmortizedCost \
                export would say the same";
    assert!(source.report.notes.iter().any(|it| it == note), "{:?}", source.report.notes);
    assert_eq!(costs(&server, "a").await, ["AmortizedCost|1.5|1|2026-01-05T00:00:00Z|/subscriptions/s/x"]);
    // Every sign of a commitment counts, whatever its column is called.
    let header = format!("{HEADER},ReservationId,benefitId,ChargeType");
    for (index, (values, refused)) in [
        (",,,Usage", false),
        (",00000000-0000-0000-0000-000000000000,,Usage", false),
        ("SavingsPlan,,,Usage", true),
        (",9a1c,,Usage", true),
        (",,/providers/x/savingsplanorders/1,Usage", true),
        ("OnDemand,,,UnusedReservation", true),
    ]
    .into_iter()
    .enumerate()
    {
        let text = String::from_utf8(bill(&header, "1")).unwrap().replace(",s,\r\n", &format!(",s,{values}\r\n"));
        server.put(BUCKET, &format!("s{index}/amortized/cost.csv"), text.into_bytes());
        let opened = open(azure(), &location(&server, &format!("s{index}")).await, "2026-01").await;
        assert_eq!(opened.is_err(), refused, "{values}: {:?}", opened.err());
    }
}

#[tokio::test]
async fn a_single_dataset_is_whole_where_commitments_cannot_be() {
    let server = S3Server::start().await;
    let header = "currency,PreTaxCost,UsageDateTime,meterCategory,UsageQuantity,InstanceId,SubscriptionGuid,ignored";
    server.put(BUCKET, "p/cost.csv", bill(header, "0.1"));
    assert_eq!(costs(&server, "p").await, ["AmortizedCost|0.1|1|2026-01-05T00:00:00Z|/subscriptions/s/x"]);
}

#[tokio::test]
async fn localised_headers_and_compression_are_understood() {
    let server = S3Server::start().await;
    let header =
        "W\u{e4}hrung (Currency),Kosten (Cost),Datum (Date),MeterCategory,Menge (Quantity),ResourceId,SubscriptionId,x";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&bill(header, "0.1")).unwrap();
    server.put(BUCKET, "p/actual/cost.csv.gz", packed.finish().unwrap());
    assert_eq!(costs(&server, "p").await, ["AmortizedCost|0.1|1|2026-01-05T00:00:00Z|/subscriptions/s/x"]);
}

#[tokio::test]
async fn what_an_object_holds_must_be_told() {
    let server = S3Server::start().await;
    server.put(BUCKET, "p/cost.csv", bill(HEADER, "0.1"));
    let error = open(azure(), &location(&server, "p").await, "2026-01").await.unwrap_err();
    assert_contains(&error, &["neither a manifest nor the path says", "put `actual` or `amortized`"]);
    let missing = HEADER.replace("CostInBillingCurrency", "Price");
    server.put(BUCKET, "q/actual.csv", bill(&missing, "0.1"));
    let error = open(azure(), &location(&server, "q").await, "2026-01").await.unwrap_err();
    assert_contains(&error, &["required column `CostInBillingCurrency` is missing", "q/actual.csv"]);
    let wrong = String::from_utf8(bill(HEADER, "0.1")).unwrap().replace("01/05/2026", "soon");
    server.put(BUCKET, "r/actual.csv", wrong.into_bytes());
    let error = unit(azure(), &location(&server, "r").await, "2026-01").await.unwrap_err();
    assert_contains(&error, &["`soon` in column `Date` is no date", "actual.csv"]);
}
