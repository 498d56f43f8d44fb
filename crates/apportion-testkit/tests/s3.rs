//! What the S3 server promises to the tests of the other crates, seen through a real client.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise, helpers included")]

use std::sync::Arc;

use apportion_testkit::{Fault, S3Server};
use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig, UpdateVersion,
    WriteMultipart,
};

fn client(server: &S3Server, secret: &str, retries: usize) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_region(server.region())
        .with_bucket_name("bills")
        .with_access_key_id(server.access_key())
        .with_secret_access_key(secret)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(RetryConfig { max_retries: retries, ..RetryConfig::default() })
        .build()
        .unwrap()
}

async fn started() -> (S3Server, AmazonS3) {
    let server = S3Server::start().await;
    server.create_bucket("bills");
    let client = client(&server, server.secret_key(), 3);
    (server, client)
}

#[tokio::test]
async fn objects_round_trip_with_ranges_and_wrong_secrets_are_refused() {
    let (server, client) = started().await;
    let path = Path::from("a/year=2026/x y.bin");
    client.put(&path, "0123456789".into()).await.unwrap();
    assert_eq!(server.get("bills", "a/year=2026/x y.bin").unwrap(), "0123456789");
    assert_eq!(client.get_range(&path, 2..5).await.unwrap(), "234");
    let tail = GetOptions { range: Some(object_store::GetRange::Suffix(3)), ..GetOptions::default() };
    assert_eq!(client.get_opts(&path, tail).await.unwrap().bytes().await.unwrap(), "789");
    assert_eq!(client.head(&path).await.unwrap().size, 10);
    assert!(matches!(client.get(&Path::from("none")).await, Err(Error::NotFound { .. })));

    let wrong = self::client(&server, "not-the-secret", 0);
    let refused = wrong.get(&path).await.unwrap_err();
    assert!(matches!(refused, Error::PermissionDenied { .. }), "{refused:?}");
    assert_eq!(server.requests().last().unwrap().status, 403);
}

#[tokio::test]
async fn listings_page_at_a_thousand_keys_and_honour_delimiters() {
    let (server, client) = started().await;
    for index in 0..2345 {
        server.put("bills", &format!("p/{index:05}"), "x");
    }
    server.put("bills", "q/one", "x");
    let keys: Vec<_> = client.list(Some(&Path::from("p"))).try_collect().await.unwrap();
    assert_eq!(keys.len(), 2345);
    let pages = server.requests().iter().filter(|request| request.query.contains("list-type=2")).count();
    assert_eq!(pages, 3);
    let level = client.list_with_delimiter(None).await.unwrap();
    assert_eq!(level.common_prefixes, [Path::from("p"), Path::from("q")]);
    let deleted: Vec<_> =
        client.delete_stream(futures::stream::iter(keys).map(|meta| Ok(meta.location)).boxed()).collect().await;
    assert_eq!(deleted.len(), 2345);
    assert_eq!(server.keys("bills"), ["q/one"]);
}

#[tokio::test]
async fn one_of_many_racing_creators_wins_unless_told_to_ignore_conditions() {
    let (server, client) = started().await;
    let client = Arc::new(client);
    for (ignore, expected) in [(false, 1), (true, 16)] {
        if ignore {
            server.fault(Fault::IgnoreConditions);
        }
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..16 {
            let client = Arc::clone(&client);
            let path = Path::from(format!("lock-{ignore}"));
            writers.spawn(async move {
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                client.put_opts(&path, format!("{writer}").into(), options).await.is_ok()
            });
        }
        let won = writers.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(won, expected);
    }
}

#[tokio::test]
async fn if_match_needs_the_current_version() {
    let (_server, client) = started().await;
    let path = Path::from("v");
    let first = client.put(&path, "1".into()).await.unwrap();
    client.put(&path, "2".into()).await.unwrap();
    let version = UpdateVersion { e_tag: first.e_tag, version: None };
    let options = PutOptions { mode: PutMode::Update(version), ..PutOptions::default() };
    let refused = client.put_opts(&path, "3".into(), options).await.unwrap_err();
    assert!(matches!(refused, Error::Precondition { .. }), "{refused:?}");
}

#[tokio::test]
async fn multipart_uploads_and_copies_are_complete() {
    let (server, client) = started().await;
    let path = Path::from("big");
    let content = vec![7_u8; 11 << 20];
    let mut upload = WriteMultipart::new(client.put_multipart(&path).await.unwrap());
    upload.write(&content);
    upload.finish().await.unwrap();
    assert_eq!(server.get("bills", "big").unwrap(), content);
    client.copy(&path, &Path::from("copy")).await.unwrap();
    assert_eq!(server.get("bills", "copy").unwrap().len(), content.len());
    let mut abandoned = client.put_multipart(&Path::from("never")).await.unwrap();
    assert_eq!(server.open_uploads(), 1);
    abandoned.abort().await.unwrap();
    assert_eq!(server.open_uploads(), 0);
}

#[tokio::test]
async fn throttling_and_cut_bodies_are_retried_by_the_client() {
    let (server, client) = started().await;
    server.put("bills", "k", vec![1_u8; 100_000]);
    server.fault(Fault::Throttle { count: 2 });
    server.fault(Fault::TruncateBody { key: "k".to_owned(), count: 1 });
    let content = client.get(&Path::from("k")).await.unwrap().bytes().await.unwrap();
    assert_eq!(content.len(), 100_000);
    let statuses: Vec<u16> = server.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses.get(..2), Some([503, 503].as_slice()));
}

#[tokio::test]
async fn a_lost_acknowledgement_leaves_the_object_written() {
    let (server, _) = started().await;
    let client = client(&server, server.secret_key(), 0);
    server.fault(Fault::LoseAcknowledgement { key: "k".to_owned(), count: 1 });
    assert!(client.put(&Path::from("k"), "1".into()).await.is_err());
    assert_eq!(server.get("bills", "k").unwrap(), "1");
}

#[tokio::test]
async fn an_object_is_replaced_after_its_first_read() {
    let (server, client) = started().await;
    server.put("bills", "k", "old");
    server.fault(Fault::ReplaceAfterRead { bucket: "bills".into(), key: "k".into(), content: "new".into() });
    for expected in ["old", "new"] {
        let content = client.get(&Path::from("k")).await.unwrap().bytes().await.unwrap();
        assert_eq!(content, expected);
    }
}

#[tokio::test]
async fn chosen_requests_can_be_refused() {
    let (server, _) = started().await;
    let client = client(&server, server.secret_key(), 0);
    server.fault(Fault::Refuse {
        method: "PUT",
        key: "_apportion".into(),
        status: 403,
        code: "AccessDenied",
        count: usize::MAX,
    });
    client.put(&Path::from("ok"), "1".into()).await.unwrap();
    let refused = client.put(&Path::from("_apportion/lock"), "1".into()).await.unwrap_err();
    assert!(matches!(refused, Error::PermissionDenied { .. }), "{refused:?}");
}
