//! What only plain Parquet tables promise.

use apportion_sinks::Format;
use apportion_spec::ErrorKind;

use crate::support::{BUCKET, World, bytes, charges, partition, rows};

#[tokio::test]
async fn keys_are_deterministic_and_content_is_the_staged_bytes() {
    for world in [World::local(Format::Parquet), World::s3(Format::Parquet).await] {
        let at = partition("aws", "2026-01");
        let staged = world.stage(&rows(&at, 1_500, 1)).await;
        world.publish_staged(&at, &staged, "run-1").await.unwrap();
        let keys = [
            "charges/x_Source=aws/x_BillingPeriod=2026-01/part-00000.parquet",
            "charges/x_Source=aws/x_BillingPeriod=2026-01/part-00001.parquet",
        ];
        assert_eq!(world.keys(), keys);
        for (key, expected) in keys.iter().zip(bytes(&staged)) {
            let stored = match &world.store {
                crate::support::Store::Local(directory) => std::fs::read(directory.path().join(key)).unwrap(),
                crate::support::Store::S3(server) => server.get(BUCKET, &format!("warehouse/{key}")).unwrap().to_vec(),
            };
            assert_eq!(stored, expected);
        }
    }
}

#[tokio::test]
async fn only_changed_parts_are_written() {
    let world = World::s3(Format::Parquet).await;
    let at = partition("aws", "2026-01");
    // The first 1,024 rows, and so the first file, are the same in both.
    world.publish(&at, &rows(&at, 1_500, 1), "run-1").await.unwrap();
    let first = world.stage(&rows(&at, 1_500, 1)).await.parts;
    let mut second = world.stage(&rows(&at, 1_500, 2)).await;
    let kept = tempfile::tempdir().unwrap();
    let source = crate::support::stage(kept.path(), &rows(&at, 1_500, 1)).await;
    assert_eq!(first[0].sha256, source.parts[0].sha256);
    second.parts[0] = source.parts[0].clone();
    world.server().forget_requests();
    let published = world.publish_staged(&at, &second, "run-2").await.unwrap();
    let written: Vec<String> = world
        .server()
        .requests()
        .into_iter()
        .filter(|request| {
            request.method == "PUT" && request.key.contains("/charges/") && !request.key.contains("_apportion")
        })
        .map(|request| request.key)
        .collect();
    assert_eq!(written, ["tables/warehouse/charges/x_Source=aws/x_BillingPeriod=2026-01/part-00001.parquet"]);
    assert_eq!(published.replaced, ["charges/x_Source=aws/x_BillingPeriod=2026-01/part-00001.parquet"]);
}

#[tokio::test]
async fn an_object_changed_by_others_is_repaired() {
    let world = World::s3(Format::Parquet).await;
    let at = partition("aws", "2026-01");
    let batch = rows(&at, 300, 1);
    let first = world.publish(&at, &batch, "run-1").await.unwrap();
    let key = "warehouse/charges/x_Source=aws/x_BillingPeriod=2026-01/part-00000.parquet";
    let good = world.server().get(BUCKET, key).unwrap();
    world.server().put(BUCKET, key, "not parquet");
    let again = world.publish(&at, &batch, "run-2").await.unwrap();
    assert!(again.changed);
    assert_eq!(again.version, first.version, "the content is the same version as before");
    assert_eq!(world.server().get(BUCKET, key).unwrap(), good);
    assert_eq!(world.keys().len(), 1);
    // What nobody of us put there is neither counted nor deleted: somebody may want it back.
    let stray = key.replace("00000", "00009");
    world.server().put(BUCKET, &stray, "somebody's");
    let held = world.publish(&at, &batch, "run-3").await.unwrap_err();
    assert_eq!(held.kind(), ErrorKind::Held);
    assert!(held.to_string().contains("part-00009.parquet"), "{held}");
    assert_eq!(world.server().get(BUCKET, &stray).unwrap(), "somebody's");
}

#[tokio::test]
async fn versions_beyond_the_number_to_keep_are_deleted() {
    let world = World::s3(Format::Parquet).await;
    let at = partition("aws", "2026-01");
    for seed in 0..6 {
        world.publish(&at, &rows(&at, 50, seed), &format!("run-{seed}")).await.unwrap();
    }
    let versions = world.sink.versions(&charges(), &at).await.unwrap();
    assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [6, 5, 4]);
    let kept: Vec<String> =
        world.server().keys(BUCKET).into_iter().filter(|key| key.contains("_apportion/versions/")).collect();
    assert_eq!(kept.len(), 4, "two versions of one part and one document: {kept:?}");
}

#[tokio::test]
async fn large_files_are_uploaded_in_pieces() {
    let world = World::s3(Format::Parquet).await;
    let at = partition("aws", "2026-01");
    let mut staged = world.stage(&rows(&at, 10, 0)).await;
    let content: Vec<u8> = (0..40_000_000_u32).map(|index| (index % 251) as u8).collect();
    std::fs::write(&staged.parts[0].path, &content).unwrap();
    staged.parts[0].bytes = content.len() as u64;
    world.publish_staged(&at, &staged, "run-1").await.unwrap();
    let key = "warehouse/charges/x_Source=aws/x_BillingPeriod=2026-01/part-00000.parquet";
    assert!(world.server().get(BUCKET, key).unwrap() == content);
    assert_eq!(world.server().open_uploads(), 0);
    assert!(world.server().requests().iter().any(|request| request.query.contains("uploadId")));
    assert!(!world.publish_staged(&at, &staged, "run-2").await.unwrap().changed);
}

#[tokio::test]
async fn a_delta_table_is_not_overwritten() {
    let world = World::local(Format::Delta);
    let at = partition("aws", "2026-01");
    world.publish(&at, &rows(&at, 10, 0), "run-1").await.unwrap();
    let sink = apportion_sinks::open_sink(Format::Parquet, world.sink.destination().clone(), 3);
    let error = sink.prepare(&charges()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn open_readers_of_a_local_file_keep_the_old_content() {
    use std::io::Read;
    let world = World::local(Format::Parquet);
    let at = partition("aws", "2026-01");
    world.publish(&at, &rows(&at, 300, 1), "run-1").await.unwrap();
    let path = world.directory().join("charges/x_Source=aws/x_BillingPeriod=2026-01/part-00000.parquet");
    let before = std::fs::read(&path).unwrap();
    let mut open = std::fs::File::open(&path).unwrap();
    world.publish(&at, &rows(&at, 300, 2), "run-2").await.unwrap();
    let mut seen = Vec::new();
    open.read_to_end(&mut seen).unwrap();
    assert!(seen == before);
    assert!(std::fs::read(&path).unwrap() != before);
}

#[tokio::test]
async fn an_emptied_partition_leaves_no_folder() {
    let world = World::local(Format::Parquet);
    let (january, february) = (partition("aws", "2026-01"), partition("aws", "2026-02"));
    for at in [&january, &february] {
        world.publish(at, &rows(at, 10, 0), "run-1").await.unwrap();
    }
    world.publish(&january, &rows(&january, 0, 0), "run-2").await.unwrap();
    let source = world.directory().join("charges/x_Source=aws");
    assert!(!source.join("x_BillingPeriod=2026-01").exists());
    assert!(source.join("x_BillingPeriod=2026-02").exists());
}
