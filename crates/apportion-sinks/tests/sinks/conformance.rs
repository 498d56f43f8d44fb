//! What every format promises on every store.

use apportion_sinks::{Format, objects_table};
use apportion_spec::ErrorKind;
use apportion_testkit::Fault;
use datafusion::prelude::SessionContext;

use crate::support::{Store, World, charges, partition, rows, text, unit};

async fn reads_back_what_was_published(world: World) {
    let at = partition("aws", "2026-01");
    let batch = rows(&at, 1_500, 7);
    let published = world.publish(&at, &batch, "run-1").await.unwrap();
    assert!(published.changed);
    assert_eq!(published.objects.len(), 2);
    assert!(published.replaced.is_empty());
    assert_eq!(world.read(&[]).await, text(&[batch]));
}

async fn publishing_the_same_again_changes_nothing(world: World) {
    let at = partition("aws", "2026-01");
    let batch = rows(&at, 1_500, 7);
    let first = world.publish(&at, &batch, "run-1").await.unwrap();
    let keys = world.keys();
    let before = world.sink.current_version(&charges(), &at).await.unwrap().unwrap();
    let objects = world.sink.read_objects(&charges(), &[]).await.unwrap();
    let second = world.publish(&at, &batch, "run-2").await.unwrap();
    assert!(!second.changed);
    assert_eq!((second.version, &second.objects), (first.version, &first.objects));
    assert_eq!(world.keys(), keys);
    assert_eq!(world.sink.current_version(&charges(), &at).await.unwrap().unwrap(), before);
    let again = world.sink.read_objects(&charges(), &[]).await.unwrap();
    assert!(objects.iter().zip(&again).all(|(a, b)| a.meta == b.meta), "no object was written again");
}

async fn a_restated_partition_replaces_all_rows(world: World) {
    let at = partition("aws", "2026-01");
    world.publish(&at, &rows(&at, 1_500, 7), "run-1").await.unwrap();
    let before = world.sink.current_version(&charges(), &at).await.unwrap().unwrap();
    let restated = rows(&at, 1_600, 8);
    let published = world.publish(&at, &restated, "run-2").await.unwrap();
    assert!(published.changed);
    assert_eq!(published.replaced.len(), 2);
    assert_eq!(world.read(&[]).await, text(&[restated]));
    let after = world.sink.current_version(&charges(), &at).await.unwrap().unwrap();
    assert_ne!(before.digest, after.digest);
    assert!(after.number > before.number);
    let place = |version: u64| vec![(at.clone(), version)];
    assert_eq!((before.partitions, after.partitions), (place(before.number.unwrap()), place(after.number.unwrap())));
}

async fn a_smaller_partition_leaves_no_rows_behind(world: World) {
    let at = partition("aws", "2026-01");
    world.publish(&at, &rows(&at, 3_000, 7), "run-1").await.unwrap();
    assert_eq!(world.sink.read_objects(&charges(), &at).await.unwrap().len(), 3);
    let smaller = rows(&at, 100, 7);
    world.publish(&at, &smaller, "run-2").await.unwrap();
    assert_eq!(world.sink.read_objects(&charges(), &at).await.unwrap().len(), 1);
    assert_eq!(world.read(&[]).await, text(&[smaller]));
}

async fn an_empty_partition_has_no_rows(world: World) {
    let at = partition("aws", "2026-01");
    let empty = rows(&at, 0, 0);
    let nothing = world.publish(&at, &empty, "run-0").await.unwrap();
    assert!(!nothing.changed);
    world.publish(&at, &rows(&at, 300, 7), "run-1").await.unwrap();
    let emptied = world.publish(&at, &empty, "run-2").await.unwrap();
    assert!(emptied.changed);
    assert!(world.read(&[]).await.is_empty());
    assert!(world.sink.read_objects(&charges(), &at).await.unwrap().is_empty());
    assert!(!world.publish(&at, &empty, "run-3").await.unwrap().changed);
    // And it can be filled again.
    let batch = rows(&at, 300, 7);
    assert!(world.publish(&at, &batch, "run-4").await.unwrap().changed);
    assert_eq!(world.read(&[]).await, text(&[batch]));
}

async fn partitions_are_independent(world: World) {
    let (january, february, other) =
        (partition("aws", "2026-01"), partition("aws", "2026-02"), partition("gcp", "2026-01"));
    let batches = [rows(&january, 200, 1), rows(&february, 200, 2), rows(&other, 200, 3)];
    for (at, batch) in [&january, &february, &other].into_iter().zip(&batches) {
        world.publish(at, batch, "run-1").await.unwrap();
    }
    let restated = rows(&february, 150, 9);
    world.publish(&february, &restated, "run-2").await.unwrap();
    assert_eq!(world.read(&[]).await, text(&[batches[0].clone(), restated.clone(), batches[2].clone()]));
    assert_eq!(world.read(&february).await, text(&[restated]));
    let period = vec![("x_BillingPeriod".to_owned(), "2026-01".to_owned())];
    assert_eq!(world.read(&period).await, text(&[batches[0].clone(), batches[2].clone()]));
    let digest = |filter| {
        let sink = &world.sink;
        async move { sink.current_version(&charges(), filter).await.unwrap().unwrap().digest }
    };
    let before = digest(&period[..]).await;
    world.publish(&february, &rows(&february, 10, 9), "run-3").await.unwrap();
    assert_eq!(digest(&period[..]).await, before, "another period does not change this one's version");
}

async fn superseded_versions_can_be_read(world: World) {
    let at = partition("aws", "2026-01");
    let batches: Vec<_> = (1..=3).map(|seed| rows(&at, 200, seed)).collect();
    let mut published = Vec::new();
    for (index, batch) in batches.iter().enumerate() {
        published.push(world.publish(&at, batch, &format!("run-{index}")).await.unwrap().version);
    }
    let versions = world.sink.versions(&charges(), &at).await.unwrap();
    let summary: Vec<(u64, &str, bool)> =
        versions.iter().map(|version| (version.version, version.provenance.run_id.as_str(), version.current)).collect();
    assert_eq!(
        summary,
        [(published[2], "run-2", true), (published[1], "run-1", false), (published[0], "run-0", false)]
    );
    for (version, batch) in published.iter().zip(&batches) {
        let objects = world.sink.version_objects(&charges(), &at, *version).await.unwrap();
        let table = objects_table(world.sink.as_ref(), &charges(), objects).unwrap();
        let context = SessionContext::new();
        let read = context.read_table(table).unwrap().collect().await.unwrap();
        assert_eq!(text(&read), text(std::slice::from_ref(batch)));
    }
    let error = world.sink.version_objects(&charges(), &at, 99).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

async fn a_table_that_does_not_exist_is_empty(world: World) {
    assert!(world.sink.read_objects(&charges(), &[]).await.unwrap().is_empty());
    assert_eq!(world.sink.current_version(&charges(), &[]).await.unwrap(), None);
    assert!(world.sink.versions(&charges(), &partition("aws", "2026-01")).await.unwrap().is_empty());
    assert!(world.read(&[]).await.is_empty());
}

async fn a_filter_that_matches_nothing_has_no_version(world: World) {
    let (january, february) = (partition("aws", "2026-01"), partition("aws", "2026-02"));
    world.publish(&january, &rows(&january, 100, 1), "run-1").await.unwrap();
    let version = async |filter: &[(String, String)]| world.sink.current_version(&charges(), filter).await.unwrap();
    assert!(version(&january).await.is_some());
    for filter in [february.clone(), partition("gcp", "2026-01"), february[1..].to_vec()] {
        assert_eq!(version(&filter).await, None, "{filter:?}");
    }
    // Emptied partitions hold nothing either, alone and beside one that is filled.
    world.publish(&february, &rows(&february, 100, 2), "run-2").await.unwrap();
    world.publish(&january, &rows(&january, 0, 0), "run-3").await.unwrap();
    assert_eq!(version(&january).await, None);
    let both = version(&[]).await.unwrap();
    assert_eq!(both.partitions.iter().map(|(at, _)| at).collect::<Vec<_>>(), [&february]);
}

async fn a_version_that_is_refused_is_not_said_to_be_gone(world: World) {
    let at = partition("aws", "2026-01");
    let first = world.publish(&at, &rows(&at, 200, 1), "run-1").await.unwrap().version;
    world.publish(&at, &rows(&at, 200, 2), "run-2").await.unwrap();
    // On disk there is nobody to refuse.
    let Store::S3(server) = &world.store else { return };
    for (status, code, kind) in
        [(403, "AccessDenied", ErrorKind::PermissionDenied), (503, "SlowDown", ErrorKind::Throttled)]
    {
        let key = match world.sink.format() {
            Format::Delta => "_delta_log/0",
            Format::Parquet => "_apportion/",
        };
        server.fault(Fault::Refuse { method: "", key: key.to_owned(), status, code, count: usize::MAX });
        let found = world.sink.version_objects(&charges(), &at, first).await;
        let current = world.sink.current_version(&charges(), &at).await;
        server.clear_faults();
        assert_eq!((found.unwrap_err().kind(), current.unwrap_err().kind()), (kind, kind), "{code}");
    }
    assert_eq!(world.sink.version_objects(&charges(), &at, first).await.unwrap().len(), 1);
    assert_eq!(world.sink.version_objects(&charges(), &at, 99).await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn a_store_that_asks_to_slow_down_is_asked_again(world: World) {
    let at = partition("aws", "2026-01");
    let busy = || {
        if let Store::S3(server) = &world.store {
            server.fault(Fault::Throttle { count: 3 });
        }
    };
    for seed in 1..=2 {
        let batch = rows(&at, 1_500, seed);
        busy();
        assert!(world.publish(&at, &batch, &format!("run-{seed}")).await.unwrap().changed);
        busy();
        assert_eq!(world.read(&[]).await, text(&[batch]));
    }
    if let Store::S3(server) = &world.store {
        assert_eq!(server.requests().iter().filter(|request| request.status == 503).count(), 12);
    }
    assert_eq!(world.sink.versions(&charges(), &at).await.unwrap().len(), 2, "nothing was published twice");
}

async fn a_publication_that_the_store_refuses_changes_nothing_for_readers(world: World) {
    let at = partition("aws", "2026-01");
    let (old, new) = (rows(&at, 1_500, 1), rows(&at, 1_500, 2));
    world.publish(&at, &old, "run-1").await.unwrap();
    // On disk there is nobody to refuse.
    let Store::S3(server) = &world.store else { return };
    let refusals = ["", "PUT", "GET", "HEAD"].map(|method| (method, 403, "AccessDenied", ErrorKind::PermissionDenied));
    for (method, status, code, kind) in refusals.into_iter().chain([("", 503, "SlowDown", ErrorKind::Throttled)]) {
        server.fault(Fault::Refuse { method, key: String::new(), status, code, count: usize::MAX });
        let published = world.publish(&at, &new, "run-2").await;
        let asked = server.requests().iter().any(|request| request.status == status);
        server.clear_faults();
        if let Err(error) = &published {
            // Of a listing that is refused the store's library keeps no more than the text.
            let told = [kind, ErrorKind::Internal].contains(&error.kind());
            assert!(told, "{method} {code}: {:?} {error}", error.kind());
        }
        assert!(published.is_err() || !asked, "{method} {code} was answered and not told");
        let expected = if published.is_ok() { &new } else { &old };
        assert_eq!(world.read(&[]).await, text(std::slice::from_ref(expected)), "{method} {code}");
        // Whoever tries again later is not in the way of what was left.
        assert!(world.publish(&at, &new, "run-3").await.unwrap().changed || published.is_ok());
        assert_eq!(world.read(&[]).await, text(std::slice::from_ref(&new)), "{method} {code}");
        world.publish(&at, &old, "run-4").await.unwrap();
        server.forget_requests();
    }
}

async fn partition_values_that_are_no_folder_names_are_refused(world: World) {
    for value in ["../elsewhere", "a/b", "", ".hidden", "a=b", "a b"] {
        let at = partition(value, "2026-01");
        let staged = world.stage(&rows(&partition("aws", "2026-01"), 1, 0)).await;
        world.sink.prepare(&charges()).await.unwrap();
        let error = world.sink.publish(&unit(&at, &staged, "run-1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{value}");
    }
}

macro_rules! promises {
    ($($promise:ident),* $(,)?) => { $(
        mod $promise {
            use super::{Format, World};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn parquet_local() {
                super::$promise(World::local(Format::Parquet)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn parquet_s3() {
                super::$promise(World::s3(Format::Parquet).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn delta_local() {
                super::$promise(World::local(Format::Delta)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn delta_s3() {
                super::$promise(World::s3(Format::Delta).await).await;
            }
        }
    )* };
}

promises!(
    reads_back_what_was_published,
    publishing_the_same_again_changes_nothing,
    a_restated_partition_replaces_all_rows,
    a_smaller_partition_leaves_no_rows_behind,
    an_empty_partition_has_no_rows,
    partitions_are_independent,
    superseded_versions_can_be_read,
    a_table_that_does_not_exist_is_empty,
    a_filter_that_matches_nothing_has_no_version,
    a_version_that_is_refused_is_not_said_to_be_gone,
    a_store_that_asks_to_slow_down_is_asked_again,
    a_publication_that_the_store_refuses_changes_nothing_for_readers,
    partition_values_that_are_no_folder_names_are_refused,
);
