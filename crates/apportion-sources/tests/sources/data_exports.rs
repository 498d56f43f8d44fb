//! Discovery in the layout of Data Exports.

use std::time::{Duration, SystemTime};

use apportion_spec::ErrorKind;
use apportion_testkit::{ExportBuilder, S3Server, Value};

use crate::support::{BUCKET, assert_contains, bill, cur2, keys, location, object, open, period, total, unit};
use apportion_sources::inventory;

fn manifest(files: &[&str]) -> String {
    let uris: Vec<String> = files.iter().map(|file| format!("\"s3://{BUCKET}/{file}\"")).collect();
    format!(r#"{{"executionId":"run-1","dataFiles":[{}]}}"#, uris.join(","))
}

#[tokio::test]
async fn more_than_a_thousand_objects_are_found() {
    let server = S3Server::start().await;
    let required: Vec<&str> =
        cur2().contract().columns.iter().filter(|column| column.required).map(|column| column.name.as_str()).collect();
    let content = bill(ExportBuilder::new().names(&required), "2026-01")
        .row([("line_item_unblended_cost", 0.5.into())])
        .parquet();
    let files: Vec<String> =
        (0..1205).map(|index| format!("cur/e/data/BILLING_PERIOD=2026-01/e-{index:05}.snappy.parquet")).collect();
    for file in &files {
        server.put(BUCKET, file, content.clone());
    }
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    server.put(BUCKET, "cur/e/metadata/BILLING_PERIOD=2026-01/e-Manifest.json", manifest(&names));
    let source = open(cur2(), &location(&server, "cur/e/").await, "2026-01").await.unwrap();
    assert_eq!(source.unit().objects.len(), 1205);
    assert_eq!(source.report.rows, 1205);
    assert_eq!(total(&source).await.unwrap(), "602.5000");
    let listings = server.requests().iter().filter(|request| request.query.contains("list-type=2")).count();
    assert_eq!(listings, 2, "one page of 1000 keys and one with the rest");
}

#[tokio::test]
async fn the_manifest_decides_and_stale_tails_are_reported() {
    let server = S3Server::start().await;
    for (file, cost) in [("e-1", 1.0), ("e-2", 2.0), ("e-3", 99.0)] {
        server.put(BUCKET, &format!("cur/e/data/BILLING_PERIOD=2026-01/{file}.parquet"), object("2026-01", cost));
    }
    let current = ["cur/e/data/BILLING_PERIOD=2026-01/e-1.parquet", "cur/e/data/BILLING_PERIOD=2026-01/e-2.parquet"];
    server.put(BUCKET, "cur/e/metadata/BILLING_PERIOD=2026-01/e-Manifest.json", manifest(&current));
    // The location may be the export, the prefix above it, or its data folder.
    for prefix in ["cur/e/", "cur", "cur/e/data/", "cur/e/data/BILLING_PERIOD=2026-01"] {
        let source = open(cur2(), &location(&server, prefix).await, "2026-01").await.unwrap();
        assert_eq!(keys(source.unit()), current, "{prefix}");
        assert_eq!(total(&source).await.unwrap(), "3.0000", "{prefix}");
        let manifest = source.unit().manifest.as_ref().unwrap();
        assert_eq!(manifest.delivery.as_deref(), Some("run-1"));
        assert!(source.report.notes.iter().any(|note| note.contains("e-3.parquet")), "{:?}", source.report.notes);
    }
}

#[tokio::test]
async fn create_new_deliveries_supersede_each_other_and_case_does_not_matter() {
    let server = S3Server::start().await;
    let versions = ["20260103T010203-aaaa", "20260104T010203-bbbb", "20260105T010203-cccc"];
    for (version, cost) in versions.iter().zip([1.0, 2.0, 4.0]) {
        let file = format!("cur/e/data/billing_period=2026-01/{version}/e-1.parquet");
        server.put(BUCKET, &file, object("2026-01", cost));
        // The last delivery has no manifest yet: it is still being written.
        if cost < 4.0 {
            let key = format!("cur/e/metadata/BILLING_PERIOD=2026-01/{version}/e-Manifest.json");
            // A replicated bucket: the manifest still names the old prefix and partition case.
            let file = file.replace("cur/e", "origin/e").replace("billing_period", "BILLING_PERIOD");
            server.put(BUCKET, &key, manifest(&[&file]));
        }
    }
    let source = open(cur2(), &location(&server, "cur/e").await, "2026-01").await.unwrap();
    assert_eq!(total(&source).await.unwrap(), "2.0000");
    let notes = source.report.notes.join("; ");
    assert!(notes.contains("ignored deliveries: 1 superseded, 1 that no manifest names yet"), "{notes}");

    // Without any manifest the newest folder is read.
    for key in server.keys(BUCKET).iter().filter(|key| key.ends_with(".json")) {
        server.remove(BUCKET, key);
    }
    let source = open(cur2(), &location(&server, "cur/e").await, "2026-01").await.unwrap();
    assert_eq!(total(&source).await.unwrap(), "4.0000");
    assert!(source.report.notes.iter().any(|note| note.contains("no manifest")), "{:?}", source.report.notes);
}

#[tokio::test]
async fn a_refresh_under_way_is_noted() {
    let server = S3Server::start().await;
    let key = "e/data/BILLING_PERIOD=2026-01/e-1.parquet";
    server.put(BUCKET, key, object("2026-01", 1.0));
    server.put(BUCKET, "e/metadata/BILLING_PERIOD=2026-01/e-Manifest.json", manifest(&[key]));
    server.set_modified(BUCKET, key, SystemTime::UNIX_EPOCH);
    let place = location(&server, "e").await;
    assert!(unit(cur2(), &place, "2026-01").await.unwrap().notes.is_empty());
    server.put(BUCKET, key, object("2026-01", 2.0));
    server.set_modified(BUCKET, key, SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000));
    let notes = unit(cur2(), &place, "2026-01").await.unwrap().notes;
    assert!(notes.concat().contains("objects newer than the manifest that names them: 1"), "{notes:?}");
}

#[tokio::test]
async fn an_object_missing_from_the_store_is_named() {
    let server = S3Server::start().await;
    server.put(BUCKET, "cur/e/data/BILLING_PERIOD=2026-01/e-1.parquet", object("2026-01", 1.0));
    let named = ["cur/e/data/BILLING_PERIOD=2026-01/e-1.parquet", "cur/e/data/BILLING_PERIOD=2026-01/e-2.parquet"];
    server.put(BUCKET, "cur/e/metadata/BILLING_PERIOD=2026-01/e-Manifest.json", manifest(&named));
    let error = unit(cur2(), &location(&server, "cur/e").await, "2026-01").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_contains(&error, &["names an object that does not exist", "e-2.parquet", "e-Manifest.json"]);
}

#[tokio::test]
async fn a_missing_period_names_the_nearest_that_exist() {
    let server = S3Server::start().await;
    for month in ["2025-06", "2026-01", "2026-02"] {
        let key = format!("cur/e/data/BILLING_PERIOD={month}/e-1.parquet");
        server.put(BUCKET, &key, object(month, 1.0));
    }
    let location = location(&server, "cur/e").await;
    let found = inventory(cur2(), &location).await.unwrap();
    assert_eq!(found.periods().collect::<Vec<_>>(), ["2025-06", "2026-01", "2026-02"].map(period));
    let error = found.unit(period("2026-03")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_contains(&error, &["billing period 2026-03; it has 2026-02, 2026-01, 2025-06", "s3://bills/cur/e"]);
}

#[tokio::test]
async fn several_exports_csv_and_empty_locations_are_refused() {
    let server = S3Server::start().await;
    server.put(BUCKET, "a/one/data/BILLING_PERIOD=2026-01/x.parquet", object("2026-01", 1.0));
    server.put(BUCKET, "a/two/data/BILLING_PERIOD=2026-01/x.parquet", object("2026-01", 1.0));
    server.put(BUCKET, "csv/e/data/BILLING_PERIOD=2026-01/x.csv.gz", "x");
    for (prefix, kind, part) in [
        ("a", ErrorKind::Config, "several exports; name one of `a/one`, `a/two`"),
        ("csv", ErrorKind::Config, "delivered as CSV"),
        ("nothing", ErrorKind::NotFound, "nothing lies at the location"),
    ] {
        let error = unit(cur2(), &location(&server, prefix).await, "2026-01").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_contains(&error, &[part]);
    }
}

#[tokio::test]
async fn flat_objects_belong_to_the_periods_of_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("january.parquet"), object("2026-01", 1.0)).unwrap();
    let rows = |month: &str, cost: f64| {
        vec![
            ("bill_billing_period_start_date".to_owned(), Value::from(format!("{month}-01T00:00:00Z"))),
            ("line_item_unblended_cost".to_owned(), Value::Number(cost)),
        ]
    };
    let both = bill(ExportBuilder::cur2(), "2026-01").row_of(rows("2026-01", 10.0)).row_of(rows("2026-03", 100.0));
    std::fs::write(folder.path().join("both.parquet"), both.parquet()).unwrap();
    let location = apportion_sources::Location::open(
        folder.path().to_str().unwrap(),
        std::path::Path::new("/"),
        &apportion_sources::StoreOptions::default(),
    )
    .await
    .unwrap();
    let found = inventory(cur2(), &location).await.unwrap();
    assert_eq!(found.periods().collect::<Vec<_>>(), ["2026-01", "2026-03"].map(period));
    for (month, expected) in [("2026-01", "11.0000"), ("2026-03", "100.0000")] {
        let source = open(cur2(), &location, month).await.unwrap();
        assert_eq!(total(&source).await.unwrap(), expected);
        assert!(source.unit().mixed_periods);
    }
}

#[tokio::test]
async fn rows_that_no_period_would_read_are_refused() {
    let server = S3Server::start().await;
    let key = "cur/e/data/BILLING_PERIOD=2026-01/e-1.parquet";
    let rows = |months: [Option<&str>; 2]| {
        let mut builder = bill(ExportBuilder::cur2(), "2026-01");
        for month in months {
            let start = month.map_or(Value::Null, |month| Value::from(format!("{month}-01T00:00:00Z")));
            let cost = ("line_item_unblended_cost".to_owned(), Value::Number(1.0));
            builder = builder.row_of(vec![("bill_billing_period_start_date".to_owned(), start), cost]);
        }
        builder.parquet()
    };
    for (content, parts) in [
        (rows([Some("2026-01"), Some("2026-02")]), ["the path says billing period 2026-01", "rows are of 2026-02"]),
        (object("2025-12", 1.0), ["the path says billing period 2026-01", "rows are of 2025-12"]),
        (rows([Some("2026-01"), None]), ["1 rows have no `bill_billing_period_start_date`", "which billing period"]),
    ] {
        server.put(BUCKET, key, content);
        let error = open(cur2(), &location(&server, "cur/e").await, "2026-01").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContractViolated, "{error}");
        assert_contains(&error, &[parts[0], parts[1], key]);
    }
    server.put(BUCKET, key, rows([Some("2026-01"), Some("2026-01")]));
    server.put(BUCKET, "cur/e/data/BILLING_PERIOD=2025-12/e-1.csv.gz", "x");
    let source = open(cur2(), &location(&server, "cur/e").await, "2026-01").await.unwrap();
    assert_eq!(total(&source).await.unwrap(), "2.0000");
    let note = source.report.notes.iter().find(|note| note.contains("ignored CSV objects")).unwrap();
    assert!(note.contains("BILLING_PERIOD=2025-12/e-1.csv.gz"), "{note}");
}
