//! Objects that change while they are read.

use apportion_spec::ErrorKind;
use apportion_testkit::{Fault, S3Server};

use crate::support::{BUCKET, assert_contains, cur2, location, object, open, total};

const KEY: &str = "e/data/BILLING_PERIOD=2026-01/e-1.parquet";

#[tokio::test]
async fn an_object_replaced_between_two_reads_is_an_error_and_never_a_mix() {
    let server = S3Server::start().await;
    server.put(BUCKET, KEY, object("2026-01", 1.0));
    // The footer is read, then AWS delivers again.
    let content = object("2026-01", 2.0);
    server.fault(Fault::ReplaceAfterRead { bucket: BUCKET.to_owned(), key: KEY.to_owned(), content });
    let source = open(cur2(), &location(&server, "e").await, "2026-01").await.unwrap();
    let error = total(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_contains(&error, &["replaced while it was being read", KEY]);
}

#[tokio::test]
async fn a_later_check_notices_replaced_and_removed_objects() {
    let server = S3Server::start().await;
    server.put(BUCKET, KEY, object("2026-01", 1.0));
    let source = open(cur2(), &location(&server, "e").await, "2026-01").await.unwrap();
    assert_eq!(total(&source).await.unwrap(), "1.0000");
    source.verify_unchanged().await.unwrap();
    server.put(BUCKET, KEY, object("2026-01", 2.0));
    assert_contains(&source.verify_unchanged().await.unwrap_err(), &["was replaced", KEY]);
    server.remove(BUCKET, KEY);
    assert_contains(&source.verify_unchanged().await.unwrap_err(), &["was removed", KEY]);
}

#[tokio::test]
async fn a_local_object_replaced_between_two_reads_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.parquet");
    std::fs::write(&path, object("2026-01", 1.0)).unwrap();
    let options = apportion_sources::StoreOptions::default();
    let location = apportion_sources::Location::open("bill.parquet", folder.path(), &options).await.unwrap();
    let source = open(cur2(), &location, "2026-01").await.unwrap();
    let other = folder.path().join("new");
    std::fs::write(&other, object("2026-01", 22.0)).unwrap();
    std::fs::rename(other, path).unwrap();
    assert_eq!(total(&source).await.unwrap_err().kind(), ErrorKind::Conflict);
}
