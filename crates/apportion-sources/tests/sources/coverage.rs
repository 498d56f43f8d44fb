//! What deliveries cover decides which of them count, and what cannot be decided is refused by name and day.

use std::time::{Duration, SystemTime};

use apportion_sources::{ExportFormat, format};
use apportion_spec::ErrorKind;
use apportion_spec::wire::SourceFormat;
use apportion_testkit::{S3Server, bigquery};
use serde_json::{Value, json};

use crate::support::{BUCKET, assert_contains, location, open, query, rows};

fn azure() -> &'static dyn ExportFormat {
    format(SourceFormat::AzureCostManagement)
}

fn google() -> &'static dyn ExportFormat {
    format(SourceFormat::GcpBillingExport)
}

/// One charge a day of so much each.
fn days(first: u32, last: u32, cost: &str) -> String {
    let header = "BillingCurrency,PreTaxCost,Date,MeterCategory,Quantity,ResourceId,SubscriptionId\n";
    let row = |day: u32| format!("USD,{cost},01/{day:02}/2026,Storage,1,/subscriptions/s/x,s\n");
    header.to_owned() + &(first..=last).map(row).collect::<String>()
}

/// A run of a range of days: `stamp` is the time in its folder's name, `stated` the days in its manifest.
fn put_run(server: &S3Server, range: &str, stamp: &str, stated: Option<(u32, u32)>, content: String) {
    let folder = format!("a/acme-amortized/{range}/{stamp}/3f2504e0-4f89-11d3-9a0c-0305e82c3301");
    server.put(BUCKET, &format!("{folder}/part_0_0001.csv"), content);
    if let Some((first, last)) = stated {
        let manifest = json!({
            "exportConfig": {"type": "AmortizedCost"},
            "runInfo": {"runId": stamp, "startDate": format!("2026-01-{first:02}T00:00:00"),
                        "endDate": format!("2026-01-{last:02}T00:00:00")},
            "blobs": [{"blobName": format!("{folder}/part_0_0001.csv")}],
        });
        server.put(BUCKET, &format!("{folder}/manifest.json"), manifest.to_string());
    }
}

/// Charges and their cost by the days they are read of, and what is told.
async fn read(server: &S3Server, of: &dyn ExportFormat) -> (String, Vec<String>) {
    let source = open(of, &location(server, "a").await, "2026-01").await.unwrap();
    let mut notes = source.report.notes.clone();
    notes.extend(source.repeated_rows().await.unwrap());
    let sql =
        format!("select count(*), cast(sum(cast(cost as decimal(38, 6))) as decimal(20, 2)) from {}", source.relation);
    (rows(&query(&source, &sql).await.unwrap()).remove(0), notes)
}

async fn refusal(server: &S3Server, of: &dyn ExportFormat) -> apportion_spec::Error {
    match open(of, &location(server, "a").await, "2026-01").await {
        Ok(source) => source.repeated_rows().await.unwrap_err(),
        Err(error) => error,
    }
}

#[track_caller]
fn assert_told(notes: &[String], part: &str) {
    assert!(notes.iter().any(|note| note.contains(part)), "`{part}` is not in {notes:#?}");
}

#[tokio::test]
async fn two_halves_make_a_month() {
    for manifests in [true, false] {
        let server = S3Server::start().await;
        let stated = |days| manifests.then_some(days);
        put_run(&server, "20260101-20260115", "202602010600", stated((1, 15)), days(1, 15, "1"));
        put_run(&server, "20260116-20260131", "202602010605", stated((16, 31)), days(16, 31, "1"));
        let (total, notes) = read(&server, azure()).await;
        assert_eq!(total, "31|31.00");
        assert_told(&notes, "several deliveries make up the month: 2026-01-16 to 2026-01-31 from run 202602010605/");
        // The first half again with other rates: its own days are replaced.
        put_run(&server, "20260101-20260115", "202602020600", stated((1, 15)), days(1, 15, "2"));
        assert_eq!(read(&server, azure()).await.0, "31|46.00");
    }
}

#[tokio::test]
async fn a_later_range_replaces_its_own_days_and_no_others() {
    let server = S3Server::start().await;
    put_run(&server, "20260101-20260131", "202602010600", Some((1, 31)), days(1, 31, "1"));
    put_run(&server, "20260101-20260105", "202602020600", Some((1, 5)), days(1, 5, "3"));
    let (total, notes) = read(&server, azure()).await;
    assert_eq!(total, "31|41.00");
    assert_told(&notes, "2026-01-01 to 2026-01-05 from run 202602020600/");
    assert_told(&notes, "2026-01-06 to 2026-01-31 from run 202602010600/");
    // The whole month once more replaces both.
    put_run(&server, "20260101-20260131", "202602030600", Some((1, 31)), days(1, 31, "2"));
    let (total, notes) = read(&server, azure()).await;
    assert_eq!(total, "31|62.00");
    assert_told(&notes, "ignored superseded deliveries: 1");
}

#[tokio::test]
async fn of_windows_that_overlap_the_newest_counts_per_day_and_gaps_are_told() {
    let server = S3Server::start().await;
    put_run(&server, "20260105-20260107", "202601080600", None, days(5, 7, "1"));
    put_run(&server, "20260106-20260108", "202601090600", None, days(6, 8, "2"));
    put_run(&server, "20260112-20260113", "202601140600", None, days(12, 13, "4"));
    let (total, notes) = read(&server, azure()).await;
    assert_eq!(total, "6|15.00");
    assert_told(&notes, "no delivery covers 2026-01-09 to 2026-01-11, though later days are covered");
}

#[tokio::test]
async fn rows_beside_the_days_of_their_delivery_are_refused_where_another_covers_them() {
    let server = S3Server::start().await;
    put_run(&server, "20260101-20260115", "202602010600", None, days(1, 15, "1"));
    put_run(&server, "20260116-20260131", "202602010605", None, days(15, 31, "1"));
    let error = refusal(&server, azure()).await;
    assert_eq!(error.kind(), ErrorKind::ContractViolated);
    assert_contains(&error, &["rows are of 2026-01-15", "covers 2026-01-16 to 2026-01-31", "20260116-20260131"]);
}

#[tokio::test]
async fn the_run_in_a_name_tells_two_runs_of_a_folder_apart() {
    let server = S3Server::start().await;
    let key =
        |run: u32| format!("a/acme-amortized/20260101-20260131/acme_3f2504e0-4f89-11d3-9a0c-0305e82c33{run:02}.csv");
    server.put(BUCKET, &key(1), days(1, 1, "1"));
    server.put(BUCKET, &key(2), days(1, 2, "1.01"));
    let hour = Duration::from_secs(3600);
    server.set_modified(BUCKET, &key(1), SystemTime::UNIX_EPOCH + hour);
    server.set_modified(BUCKET, &key(2), SystemTime::UNIX_EPOCH + 2 * hour);
    assert_eq!(read(&server, azure()).await.0, "2|2.02");
    // Copied at once their times say nothing, but one goes further.
    server.set_modified(BUCKET, &key(2), SystemTime::UNIX_EPOCH + hour);
    assert_eq!(read(&server, azure()).await.0, "2|2.02");
    // Of two that go as far and differ in their rates none is known to be the newer.
    server.put(BUCKET, &key(1), days(1, 2, "1"));
    server.set_modified(BUCKET, &key(1), SystemTime::UNIX_EPOCH + hour);
    let error = refusal(&server, azure()).await;
    assert_eq!(error.kind(), ErrorKind::ContractViolated);
    assert_contains(&error, &["neither their names nor their times say which is newer", "3301.csv", "3302.csv"]);
    // Where they say the same it does not matter.
    server.put(BUCKET, &key(1), days(1, 2, "1.01"));
    server.set_modified(BUCKET, &key(1), SystemTime::UNIX_EPOCH + hour);
    assert_eq!(read(&server, azure()).await.0, "2|2.02");
}

#[tokio::test]
async fn both_datasets_must_cover_the_same_days() {
    let server = S3Server::start().await;
    for (export, range) in [("acme-actual", "20260101-20260131"), ("acme-amortized", "20260101-20260115")] {
        let key = format!("a/{export}/{range}/202602010600/part_0_0001.csv");
        server.put(BUCKET, &key, days(1, 15, "1"));
    }
    let error = refusal(&server, azure()).await;
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_contains(
        &error,
        &["cover different days", "ActualCost 2026-01-01 to 2026-01-31; AmortizedCost 2026-01-01 to 2026-01-15"],
    );
}

/// Usage of a day that Google exported on another one.
fn usage(day: u32, hour: u32, exported: u32) -> Value {
    json!({
        "billing_account_id": "01", "currency": "USD", "cost": 1.25, "invoice": {"month": "202601"},
        "resource": {"name": format!("vm-{hour}")},
        "usage_start_time": format!("2026-01-{day:02}T{hour:02}:00:00"),
        "usage_end_time": format!("2026-01-{day:02}T{:02}:59:00", hour),
        "export_time": format!("2026-01-{exported:02}T23:30:00"),
    })
}

fn put_usage(server: &S3Server, key: &str, rows: &[(u32, u32)]) {
    let all = rows.iter().flat_map(|(day, exported)| (0..8).map(|hour| usage(*day, hour, *exported)));
    server.put(
        BUCKET,
        &format!("a/invoice_month=202601/{key}"),
        bigquery::parquet(bigquery::detailed(), &all.collect::<Vec<_>>()),
    );
}

#[tokio::test]
async fn windows_of_google_that_overlap_are_refused_by_file_and_day() {
    let server = S3Server::start().await;
    put_usage(&server, "w0507.parquet", &[(5, 5), (6, 6), (7, 7)]);
    put_usage(&server, "w0608.parquet", &[(6, 6), (7, 7), (8, 8)]);
    let error = refusal(&server, google()).await;
    assert_eq!(error.kind(), ErrorKind::ContractViolated);
    assert_contains(&error, &["2026-01-06 to 2026-01-07", "w0507.parquet", "w0608.parquet", "count twice"]);
}

#[tokio::test]
async fn slices_of_google_add_up_even_where_late_usage_is_of_the_same_days() {
    for folders in [true, false] {
        let key = |name: &str| if folders { format!("{name}/x.parquet") } else { format!("{name}.parquet") };
        let server = S3Server::start().await;
        put_usage(&server, &key("n05"), &[(4, 5), (5, 5)]);
        put_usage(&server, &key("n06"), &[(5, 6), (6, 6)]);
        put_usage(&server, &key("n10"), &[(6, 10), (9, 10)]);
        let (total, notes) = read(&server, google()).await;
        assert_eq!(total, "48|60.00", "{folders}");
        assert_told(&notes, "no row is of 2026-01-07 to 2026-01-08, though later days have some");
    }
}

#[tokio::test]
async fn a_copy_of_google_s_month_replaces_the_slices_it_repeats_whatever_their_age() {
    for newest in ["whole", "slice"] {
        let server = S3Server::start().await;
        put_usage(&server, "slice/x.parquet", &[(5, 5)]);
        put_usage(&server, "whole/x.parquet", &[(5, 5), (6, 6)]);
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        server.set_modified(BUCKET, &format!("a/invoice_month=202601/{newest}/x.parquet"), later);
        let (total, notes) = read(&server, google()).await;
        assert_eq!(total, "16|20.00", "{newest}");
        assert_told(&notes, "ignored superseded deliveries: 1");
        // A third folder that repeats a part and adds to it cannot be taken apart.
        put_usage(&server, "other/x.parquet", &[(6, 6), (7, 7)]);
        assert_contains(&refusal(&server, google()).await, &["rows of 2026-01-06 lie in", "each has rows of its own"]);
    }
}
