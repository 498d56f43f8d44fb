//! Stores: credentials, regions, throttling, broken connections.

use std::path::Path;
use std::time::Duration;

use apportion_sources::{Location, StaticCredentials, StoreOptions, inventory};
use apportion_spec::ErrorKind;
use apportion_testkit::{Fault, S3Server};

use crate::support::{BUCKET, assert_contains, cur2, location, object, open, options, total};

const KEY: &str = "e/data/BILLING_PERIOD=2026-01/e-1.parquet";

async fn server() -> S3Server {
    let server = S3Server::start().await;
    server.put(BUCKET, KEY, object("2026-01", 1.0));
    server
}

async fn at(url: &str, options: &StoreOptions) -> Location {
    Location::open(url, Path::new("."), options).await.unwrap()
}

#[tokio::test]
async fn preflight_passes_where_reading_would() {
    let server = server().await;
    location(&server, "e").await.preflight().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    at(folder.path().to_str().unwrap(), &StoreOptions::default()).await.preflight().await.unwrap();
}

#[tokio::test]
async fn secrets_are_never_printed() {
    let server = server().await;
    let options = options(&server);
    let place = location(&server, "e").await;
    let source = open(cur2(), &place, "2026-01").await.unwrap();
    for text in [format!("{options:?}"), format!("{place:?} {place}"), format!("{source:?}")] {
        assert!(!text.contains(server.secret_key()), "{text}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_from_missing_permissions_and_buckets() {
    let server = server().await;
    let secret = StaticCredentials::new(server.access_key(), "wrong-secret");
    let key = StaticCredentials::new("NOBODY", "wrong-secret");
    for credentials in [secret, key] {
        let wrong = StoreOptions { credentials: Some(credentials), ..options(&server) };
        let place = at("s3://bills/e", &wrong).await;
        let error = place.preflight().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert_contains(&error, &["credentials are wrong", "s3://bills/e"]);
        assert!(!error.to_string().contains("wrong-secret"));
        let error = inventory(cur2(), &place).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    }

    let error = at("s3://absent/e", &options(&server)).await.preflight().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_contains(&error, &["bucket `absent` does not exist"]);

    server.fault(Fault::Refuse {
        method: "",
        key: BUCKET.into(),
        status: 403,
        code: "AccessDenied",
        count: usize::MAX,
    });
    let error = location(&server, "e").await.preflight().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_contains(&error, &["may not list bucket `bills`", "s3:ListBucket"]);
}

#[tokio::test]
async fn the_right_region_is_named() {
    let server = server().await;
    server.fault(Fault::Region { region: "eu-central-1".into() });
    let error = location(&server, "e").await.preflight().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_contains(
        &error,
        &["bucket `bills` is in region `eu-central-1`, not `us-east-1`; set `region: eu-central-1`"],
    );
    let right = StoreOptions { region: Some("eu-central-1".into()), ..options(&server) };
    at("s3://bills/e", &right).await.preflight().await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named() {
    let nowhere = StoreOptions {
        endpoint: Some("http://127.0.0.1:9".into()),
        region: Some("us-east-1".into()),
        credentials: Some(StaticCredentials::new("a", "b")),
        max_retries: 0,
        ..StoreOptions::default()
    };
    let place = at("s3://bills/e", &nowhere).await;
    assert_contains(&place.preflight().await.unwrap_err(), &["http://127.0.0.1:9 does not answer"]);
    assert_eq!(inventory(cur2(), &place).await.unwrap_err().kind(), ErrorKind::Throttled);
}

#[tokio::test]
async fn throttling_is_waited_out_and_endless_throttling_reported() {
    let server = server().await;
    server.fault(Fault::Throttle { count: 3 });
    let source = open(cur2(), &location(&server, "e").await, "2026-01").await.unwrap();
    server.fault(Fault::Throttle { count: 2 });
    assert_eq!(total(&source).await.unwrap(), "1.0000");
    assert!(server.requests().iter().filter(|request| request.status == 503).count() >= 5);

    server.fault(Fault::Throttle { count: usize::MAX });
    let impatient = StoreOptions { max_retries: 1, retry_timeout: Duration::from_secs(5), ..options(&server) };
    let error = inventory(cur2(), &at("s3://bills/e", &impatient).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_contains(&error, &["slow down", "s3://bills/e"]);
}

#[tokio::test]
async fn a_broken_connection_is_repeated_and_a_lasting_one_names_the_object() {
    let server = server().await;
    server.fault(Fault::TruncateBody { key: KEY.into(), count: 2 });
    let source = open(cur2(), &location(&server, "e").await, "2026-01").await.unwrap();
    assert_eq!(total(&source).await.unwrap(), "1.0000");

    server.fault(Fault::TruncateBody { key: KEY.into(), count: usize::MAX });
    let impatient = StoreOptions { max_retries: 2, retry_timeout: Duration::from_secs(5), ..options(&server) };
    let error = open(cur2(), &at("s3://bills/e", &impatient).await, "2026-01").await.unwrap_err();
    assert_contains(&error, &[KEY]);
}

#[tokio::test]
async fn locations_that_cannot_be_understood_say_why() {
    for (text, part) in [("ftp://host/x", "`ftp` is none of s3, s3a, gs, az"), ("s3://bills/a//b", "is not a location")]
    {
        let error = Location::open(text, Path::new("."), &StoreOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_contains(&error, &[part]);
    }
}
