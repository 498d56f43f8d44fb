//! Every request of a publication fails once, for good; the next run must heal whatever is left.

use apportion_sinks::Format;
use apportion_spec::ErrorKind;
use apportion_testkit::Fault;

use crate::support::{World, charges, partition, rows, text};

/// Methods and keys of everything a replacement asks the store for.
async fn requests_of_a_replacement(format: Format) -> Vec<(String, String)> {
    let world = World::s3(format).await;
    let at = partition("aws", "2026-01");
    world.publish(&at, &rows(&at, 2_500, 1), "run-1").await.unwrap();
    world.server().forget_requests();
    world.publish(&at, &rows(&at, 1_100, 2), "run-2").await.unwrap();
    let mut requests: Vec<(String, String)> = Vec::new();
    for request in world.server().requests() {
        let pair = (request.method, request.key);
        if !requests.contains(&pair) {
            requests.push(pair);
        }
    }
    requests
}

async fn a_crash_at_any_write_is_healed_by_the_next_run(format: Format) {
    let requests = requests_of_a_replacement(format).await;
    let mut crashes = 0;
    for (method, key) in requests.into_iter().filter(|(method, _)| method == "PUT" || method == "DELETE") {
        let world = World::s3(format).await;
        let at = partition("aws", "2026-01");
        let (old, new) = (rows(&at, 2_500, 1), rows(&at, 1_100, 2));
        world.publish(&at, &old, "run-1").await.unwrap();
        let method: &'static str = if method == "PUT" { "PUT" } else { "DELETE" };
        world.server().fault(Fault::Refuse {
            method,
            key: key.clone(),
            status: 403,
            code: "AccessDenied",
            count: usize::MAX,
        });
        let refused = world.publish(&at, &new, "run-2").await;
        world.server().clear_faults();
        if let Err(error) = refused {
            crashes += 1;
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{method} {key}: {error}");
            // Our own readers see one version or are told to wait, never a mixture.
            match world.sink.read_objects(&charges(), &[]).await {
                Ok(_) => {
                    let seen = world.read(&[]).await;
                    assert!(
                        seen == text(std::slice::from_ref(&old)) || seen == text(std::slice::from_ref(&new)),
                        "{method} {key}"
                    );
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{method} {key}"),
            }
        }
        // The next run may publish the same or something else again.
        let newest = rows(&at, 1_200, 3);
        for batch in [&new, &newest] {
            world.publish(&at, batch, "run-3").await.unwrap();
            assert_eq!(world.read(&[]).await, text(std::slice::from_ref(batch)), "{method} {key}");
        }
        if format == Format::Parquet {
            assert_eq!(world.keys().len(), 2, "{method} {key}: {:?}", world.keys());
        }
    }
    assert!(crashes >= 3, "only {crashes} crashes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_write_is_healed_parquet() {
    a_crash_at_any_write_is_healed_by_the_next_run(Format::Parquet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_write_is_healed_delta() {
    a_crash_at_any_write_is_healed_by_the_next_run(Format::Delta).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_asks_to_slow_down_is_obeyed() {
    for format in [Format::Parquet, Format::Delta] {
        let world = World::s3(format).await;
        let at = partition("aws", "2026-01");
        let batch = rows(&at, 300, 1);
        world.server().fault(Fault::Throttle { count: 4 });
        world.publish(&at, &batch, "run-1").await.unwrap();
        assert_eq!(world.read(&[]).await, text(&[batch]));
    }
}

#[tokio::test]
async fn a_half_published_partition_is_refused_by_readers() {
    let world = World::s3(Format::Parquet).await;
    let at = partition("aws", "2026-01");
    world.publish(&at, &rows(&at, 2_500, 1), "run-1").await.unwrap();
    world.server().fault(Fault::Refuse {
        method: "PUT",
        key: "warehouse/charges/x_Source=aws/x_BillingPeriod=2026-01/part-00001".to_owned(),
        status: 403,
        code: "AccessDenied",
        count: usize::MAX,
    });
    world.publish(&at, &rows(&at, 2_500, 2), "run-2").await.unwrap_err();
    world.server().clear_faults();
    let error = world.sink.read_objects(&charges(), &[]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the partition is being published or a run left it half published; publish it again \
         (table: charges, partition: x_Source=aws, x_BillingPeriod=2026-01, run: run-2)"
    );
    // Another partition is not affected.
    let other = partition("aws", "2026-02");
    assert!(world.sink.read_objects(&charges(), &other).await.unwrap().is_empty());
    // The version from before the crash is still there.
    let versions = world.sink.versions(&charges(), &at).await.unwrap();
    assert_eq!(versions.iter().map(|version| (version.version, version.current)).collect::<Vec<_>>(), [(1, false)]);
    assert_eq!(world.sink.version_objects(&charges(), &at, 1).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_publication_that_wrote_nothing_leaves_nothing_in_the_way() {
    let world = World::s3(Format::Parquet).await;
    let (at, other) = (partition("aws", "2026-01"), partition("gcp", "2026-01"));
    let batch = rows(&other, 100, 1);
    world.publish(&other, &batch, "run-1").await.unwrap();
    let refused = Fault::Refuse {
        method: "PUT",
        key: "warehouse/charges/x_Source=aws".to_owned(),
        status: 403,
        code: "AccessDenied",
        count: usize::MAX,
    };
    world.server().fault(refused);
    world.publish(&at, &rows(&at, 100, 2), "run-2").await.unwrap_err();
    world.server().clear_faults();
    assert_eq!(world.sink.current_version(&charges(), &at).await.unwrap(), None);
    assert_eq!(world.read(&[]).await, text(&[batch]));
    let published = rows(&at, 100, 2);
    assert!(world.publish(&at, &published, "run-3").await.unwrap().changed);
    assert_eq!(world.read(&at).await, text(&[published]));
}
