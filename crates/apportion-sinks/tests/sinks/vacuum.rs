//! Retention: what goes, and above all what stays.

use std::time::{Duration, SystemTime};

use apportion_sinks::ledger::{PublishedEntry, RunLedger, UnitStatus, read_runs};
use apportion_sinks::{Format, LeftoverKind, Retention, Vacuumed, vacuum};
use apportion_spec::{ErrorKind, Result};
use apportion_testkit::Fault;
use chrono::{TimeDelta, Utc};

use crate::ledger::{publication, run, unit};
use crate::support::{BUCKET, Store, World, charges, partition, rows, text};

const PLACE: &str = "charges/x_Source=aws/x_BillingPeriod=2026-01";

/// What a week's retention means `days` from now.
fn in_days(days: i64) -> Retention {
    Retention {
        now: Utc::now() + TimeDelta::days(days),
        older_than: TimeDelta::days(7),
        ledger_older_than: None,
        keep_versions: None,
        force: false,
    }
}

async fn run_vacuum(world: &World, retention: &Retention, dry_run: bool) -> Result<Vacuumed> {
    vacuum(world.sink.as_ref(), &[charges()], retention, dry_run).await
}

fn kinds(vacuumed: &Vacuumed) -> Vec<LeftoverKind> {
    let mut kinds: Vec<LeftoverKind> = vacuumed.objects.iter().map(|leftover| leftover.kind).collect();
    kinds.sort();
    kinds
}

fn names(vacuumed: &Vacuumed) -> Vec<String> {
    let objects = vacuumed.objects.iter();
    objects.map(|leftover| leftover.meta.location.filename().unwrap_or_default().to_owned()).collect()
}

/// Puts an object under the destination, as another program would.
fn put(world: &World, relative: &str) {
    match &world.store {
        Store::S3(server) => server.put(BUCKET, &format!("warehouse/{relative}"), "of somebody else"),
        Store::Local(directory) => {
            let path = directory.path().join(relative);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "of somebody else").unwrap();
        }
    }
}

async fn publish_seeds(world: &World, seeds: std::ops::Range<i128>) {
    let at = partition("aws", "2026-01");
    for seed in seeds {
        world.publish(&at, &rows(&at, 300, seed), &format!("run-{seed}")).await.unwrap();
    }
}

#[tokio::test]
async fn parquet_versions_go_by_age_or_by_number_and_the_current_one_stays() {
    for world in [World::local(Format::Parquet), World::s3(Format::Parquet).await] {
        let at = partition("aws", "2026-01");
        publish_seeds(&world, 0..4).await;
        let current = text(&[rows(&at, 300, 3)]);
        assert!(run_vacuum(&world, &in_days(0), false).await.unwrap().objects.is_empty(), "all are young");

        // The sink keeps two superseded versions; a pipeline that now keeps one loses the older at once.
        let one = Retention { keep_versions: Some(1), ..in_days(0) };
        let vacuumed = run_vacuum(&world, &one, false).await.unwrap();
        assert_eq!(kinds(&vacuumed), [LeftoverKind::SupersededVersion; 2]);
        let kept = world.sink.versions(&charges(), &at).await.unwrap();
        assert_eq!(kept.iter().map(|version| version.version).collect::<Vec<_>>(), [4, 3]);

        let dry = run_vacuum(&world, &in_days(8), true).await.unwrap();
        assert_eq!(world.sink.version_objects(&charges(), &at, 3).await.unwrap().len(), 1, "a dry run deletes nothing");
        let vacuumed = run_vacuum(&world, &in_days(8), false).await.unwrap();
        assert_eq!(names(&vacuumed), names(&dry));
        assert_eq!(kinds(&vacuumed), [LeftoverKind::SupersededVersion; 2]);
        assert_eq!(world.sink.versions(&charges(), &at).await.unwrap().len(), 1);
        let gone = world.sink.version_objects(&charges(), &at, 3).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        assert_eq!(world.read(&[]).await, current);
        assert!(run_vacuum(&world, &in_days(400), false).await.unwrap().objects.is_empty(), "nothing is left to do");
        // The next publication finds what it needs.
        publish_seeds(&world, 4..5).await;
        assert_eq!(world.read(&[]).await, text(&[rows(&at, 300, 4)]));
    }
}

#[tokio::test]
async fn unfinished_writes_go_when_they_are_old_and_what_others_put_there_stays() {
    for world in [World::local(Format::Parquet), World::s3(Format::Parquet).await] {
        let at = partition("aws", "2026-01");
        publish_seeds(&world, 0..1).await;
        put(&world, &format!("{PLACE}/part-00007.parquet"));
        put(&world, &format!("{PLACE}/.part-00000.parquet.writing"));
        put(&world, "charges/x_Source=gone/x_BillingPeriod=2025-12/part-00000.parquet");
        put(&world, "_apportion/preflight/conditional-put-0123456789abcdef");
        put(&world, "_apportion/ledger/.run-9.json.writing");
        put(&world, "_apportion/notes/kept.txt");
        put(&world, "elsewhere/part-00000.parquet");
        assert!(run_vacuum(&world, &in_days(6), false).await.unwrap().objects.is_empty(), "all are young");
        let vacuumed = run_vacuum(&world, &in_days(8), false).await.unwrap();
        let expected = [LeftoverKind::UnfinishedWrite, LeftoverKind::UnfinishedWrite, LeftoverKind::PreflightProbe];
        assert_eq!(kinds(&vacuumed), expected);
        let gone = "charges/x_Source=gone/x_BillingPeriod=2025-12/part-00000.parquet";
        assert_eq!(
            world.keys(),
            [
                format!("{PLACE}/part-00000.parquet"),
                format!("{PLACE}/part-00007.parquet"),
                gone.to_owned(),
                "elsewhere/part-00000.parquet".to_owned()
            ]
        );
        assert!(vacuumed.notes[0].starts_with(&format!("{PLACE}/part-00007.parquet: no run")), "{:?}", vacuumed.notes);
        assert!(vacuumed.notes[1].starts_with(gone), "{:?}", vacuumed.notes);
        assert_eq!(world.read(&at).await, text(&[rows(&at, 300, 0)]));
    }
}

#[tokio::test]
async fn a_half_published_partition_is_left_alone_and_named() {
    let world = World::s3(Format::Parquet).await;
    let at = partition("aws", "2026-01");
    world.publish(&at, &rows(&at, 2_500, 1), "run-1").await.unwrap();
    world.server().fault(Fault::Refuse {
        method: "PUT",
        key: format!("warehouse/{PLACE}/part-00001"),
        status: 403,
        code: "AccessDenied",
        count: usize::MAX,
    });
    world.publish(&at, &rows(&at, 2_500, 2), "run-2").await.unwrap_err();
    world.server().clear_faults();
    let before = world.server().keys(BUCKET);
    let vacuumed = run_vacuum(&world, &in_days(400), false).await.unwrap();
    assert!(vacuumed.objects.is_empty(), "{:?}", vacuumed.objects);
    assert_eq!(vacuumed.notes.len(), 1);
    assert!(vacuumed.notes[0].contains("x_BillingPeriod=2026-01"), "{:?}", vacuumed.notes);
    assert_eq!(world.server().keys(BUCKET), before);
}

#[tokio::test]
async fn a_folder_that_nothing_describes_is_refused() {
    for format in [Format::Parquet, Format::Delta] {
        let world = World::local(format);
        put(&world, &format!("{PLACE}/part-00000.parquet"));
        let error = run_vacuum(&world, &in_days(400), false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert_eq!(world.keys().len(), 1);
    }
    // A Delta table taken for Parquet.
    let world = World::local(Format::Delta);
    publish_seeds(&world, 0..1).await;
    let as_parquet = apportion_sinks::open_sink(Format::Parquet, world.sink.destination().clone(), 2);
    let error = vacuum(as_parquet.as_ref(), &[charges()], &in_days(400), false).await.unwrap_err();
    assert!(error.to_string().contains("Delta"), "{error}");
}

#[tokio::test]
async fn delta_files_of_old_versions_and_of_failed_runs_go() {
    for world in [World::local(Format::Delta), World::s3(Format::Delta).await] {
        let at = partition("aws", "2026-01");
        // The first content comes back in the end: its files are removed by one version and in use again.
        for seed in [0, 1, 0] {
            world.publish(&at, &rows(&at, 300, seed), &format!("run-{seed}")).await.unwrap();
        }
        let versions = world.sink.versions(&charges(), &at).await.unwrap();
        let middle = versions[1].version;
        let superseded = world.sink.version_objects(&charges(), &at, middle).await.unwrap();
        put(&world, &format!("{PLACE}/part-00000-0123456789abcdef0123456789abcdef.parquet"));
        put(&world, "charges/_index/other.parquet");
        put(&world, "charges/deletion_vector_1.bin");
        assert!(run_vacuum(&world, &in_days(6), false).await.unwrap().objects.is_empty(), "all are young");
        assert_eq!(run_vacuum(&world, &in_days(8), true).await.unwrap().objects.len(), 2);
        assert_eq!(world.keys().iter().filter(|key| key.contains("0123456789abcdef")).count(), 1, "a dry run");

        let vacuumed = run_vacuum(&world, &in_days(8), false).await.unwrap();
        assert_eq!(kinds(&vacuumed), [LeftoverKind::SupersededVersion, LeftoverKind::Orphan]);
        let gone = vacuumed.objects.iter().find(|it| it.kind == LeftoverKind::SupersededVersion).unwrap();
        assert_eq!(gone.meta.location, superseded[0].meta.location);
        assert_eq!(world.read(&[]).await, text(&[rows(&at, 300, 0)]));
        assert!(world.keys().iter().any(|key| key.ends_with("_index/other.parquet")));
        let version = world.sink.current_version(&charges(), &[]).await.unwrap().unwrap();
        assert_eq!(version.number, Some(versions[0].version), "a vacuum is no version of the table");
        world.publish(&at, &rows(&at, 300, 1), "run-4").await.unwrap();
        assert_eq!(world.read(&[]).await, text(&[rows(&at, 300, 1)]));
    }
}

#[tokio::test]
async fn uploads_of_a_delta_commit_that_failed_are_orphans() {
    let world = World::s3(Format::Delta).await;
    let at = partition("aws", "2026-01");
    publish_seeds(&world, 0..1).await;
    world.server().fault(Fault::Refuse {
        method: "PUT",
        key: "_delta_log".to_owned(),
        status: 403,
        code: "AccessDenied",
        count: usize::MAX,
    });
    world.publish(&at, &rows(&at, 2_500, 1), "run-1").await.unwrap_err();
    world.server().clear_faults();
    let uploads: Vec<String> =
        world.keys().into_iter().filter(|key| key.ends_with(".parquet") && !key.contains("_delta_log")).collect();
    assert_eq!(uploads.len(), 4, "one file in use, three of the failed run: {uploads:?}");
    // One of them is touched later than the others.
    let young = world.sink.read_objects(&charges(), &[]).await.unwrap()[0].meta.location.to_string();
    let orphans: Vec<String> =
        uploads.iter().map(|key| format!("warehouse/{key}")).filter(|key| *key != young).collect();
    let later = SystemTime::now() + Duration::from_secs(5 * 86_400);
    world.server().set_modified(BUCKET, &orphans[0], later);
    let vacuumed = run_vacuum(&world, &in_days(8), false).await.unwrap();
    assert_eq!(kinds(&vacuumed), [LeftoverKind::Orphan; 2]);
    assert!(world.server().get(BUCKET, &orphans[0]).is_some(), "it is younger than the age");
    assert_eq!(world.read(&[]).await, text(&[rows(&at, 300, 0)]));
}

#[tokio::test]
async fn a_short_retention_of_a_delta_table_must_be_forced() {
    let world = World::local(Format::Delta);
    let at = partition("aws", "2026-01");
    publish_seeds(&world, 0..2).await;
    let short = Retention { older_than: TimeDelta::hours(1), ..in_days(1) };
    let error = run_vacuum(&world, &short, false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("--force"), "{error}");
    let vacuumed = run_vacuum(&world, &Retention { force: true, ..short }, false).await.unwrap();
    assert_eq!(kinds(&vacuumed), [LeftoverKind::SupersededVersion]);
    assert_eq!(world.read(&[]).await, text(&[rows(&at, 300, 1)]));
}

#[tokio::test]
async fn ledger_documents_that_something_still_needs_are_kept() {
    for format in [Format::Parquet, Format::Delta] {
        let world = World::local(format);
        let here = world.sink.destination().clone();
        let at = partition("aws", "2026-01");
        // Four runs on four days: published, published, unchanged, failed.
        let outcomes = [
            UnitStatus::Published,
            UnitStatus::Published,
            UnitStatus::Unchanged,
            UnitStatus::Failed,
            UnitStatus::Failed,
        ];
        for (index, status) in outcomes.into_iter().enumerate() {
            let id = format!("run-{index}");
            let mut ledger =
                RunLedger::start(here.clone(), run(&id, i64::try_from(index).unwrap() * 86_400)).await.unwrap();
            let mut entry = unit(status, 0);
            if status == UnitStatus::Published {
                let staged = world.stage(&rows(&at, 50, i128::try_from(index).unwrap())).await;
                let published = world.publish_staged(&at, &staged, &id).await.unwrap();
                entry.published.push(PublishedEntry::new(&publication(&at, &staged), &published, staged.digest()));
            }
            ledger.record(entry).await.unwrap();
        }
        let ids =
            async || -> Vec<String> { read_runs(&here).await.unwrap().into_iter().map(|run| run.run_id).collect() };
        assert!(
            run_vacuum(&world, &in_days(400), true)
                .await
                .unwrap()
                .objects
                .iter()
                .all(|it| it.kind != LeftoverKind::LedgerDocument)
        );
        let retention = Retention { ledger_older_than: Some(TimeDelta::days(30)), ..in_days(3_000) };
        let vacuumed = run_vacuum(&world, &retention, false).await.unwrap();
        assert_eq!(
            names(&vacuumed).iter().filter(|name| name.starts_with("run-")).collect::<Vec<_>>(),
            ["run-0.json", "run-3.json"]
        );
        assert_eq!(ids().await, ["run-1", "run-2", "run-4"], "what is published, the last good one, the last one");
    }
}

#[tokio::test]
async fn the_document_of_a_run_killed_after_it_published_is_kept() {
    for format in [Format::Parquet, Format::Delta] {
        let world = World::local(format);
        let here = world.sink.destination().clone();
        let at = partition("aws", "2026-01");
        for id in ["run-1", "run-2"] {
            RunLedger::start(here.clone(), run(id, 0)).await.unwrap();
        }
        // The second published, but died before its document said so.
        let staged = world.stage(&rows(&at, 50, 1)).await;
        let mut publication = crate::support::unit(&at, &staged, "run-2");
        publication.provenance.ledger_entry = Some("_apportion/ledger/run-2.json".to_owned());
        world.sink.prepare(&charges()).await.unwrap();
        world.sink.publish(&publication).await.unwrap();
        let retention = Retention { ledger_older_than: Some(TimeDelta::days(30)), ..in_days(3_000) };
        let vacuumed = run_vacuum(&world, &retention, false).await.unwrap();
        assert_eq!(names(&vacuumed), ["run-1.json"], "{format:?}");
    }
}
