//! What the run ledger promises.

use apportion_sinks::ledger::{
    ErrorEntry, InputObject, LedgerSum, PublishedEntry, RunEntry, RunLedger, UnitEntry, UnitStatus, read_ledger,
    read_runs,
};
use apportion_sinks::{Format, PartitionValues, Provenance, PublishUnit, StagedTable};
use apportion_spec::{Error, ErrorKind};
use chrono::{DateTime, Utc};

use crate::support::{World, charges, partition, rows, text};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + second, 0).unwrap()
}

pub(crate) fn run(id: &str, second: i64) -> RunEntry {
    RunEntry {
        form: RunEntry::FORM,
        run_id: id.to_owned(),
        pipeline: "nightly".to_owned(),
        engine_version: "0.1.0".to_owned(),
        libraries: "arrow 59.3.2, zstd 0.13.4".to_owned(),
        started_at: at(second),
        finished_at: None,
        configuration_digest: "c".to_owned(),
        sql_digest: "s".to_owned(),
        units: Vec::new(),
        units_up_to_date: 0,
    }
}

pub(crate) fn unit(status: UnitStatus, second: i64) -> UnitEntry {
    UnitEntry {
        table: "charges".to_owned(),
        source: Some("aws".to_owned()),
        billing_period: "2026-01".to_owned(),
        status,
        started_at: at(second),
        finished_at: None,
        input_digest: Some("i".to_owned()),
        inputs: vec![InputObject {
            object: "s3://exports/a.parquet".to_owned(),
            bytes: 12,
            e_tag: Some("e".to_owned()),
            last_modified: Some(at(-60)),
        }],
        manifest: None,
        telemetry_fingerprint: None,
        computed_from: Vec::new(),
        rows: None,
        sums: Vec::new(),
        conversion_residuals: Vec::new(),
        milliseconds: [("stage".to_owned(), 1_200)].into(),
        published: Vec::new(),
        notes: Vec::new(),
        reason: None,
        error: None,
    }
}

/// The publication of staged charges, as the ledger notes it.
pub(crate) fn publication(partition: &PartitionValues, staged: &StagedTable) -> PublishUnit {
    PublishUnit {
        table: charges(),
        partition: partition.clone(),
        parts: staged.parts.clone(),
        provenance: Provenance::default(),
    }
}

async fn tells_how_far_a_run_came(world: World) {
    let here = world.sink.destination().clone();
    let mut ledger = RunLedger::start(here.clone(), run("2026-01-02-a", 10)).await.unwrap();
    ledger.record(unit(UnitStatus::Started, 11)).await.unwrap();
    // A process that dies here leaves this behind.
    let stored = read_runs(&here).await.unwrap();
    assert_eq!(stored[0].units[0].status, UnitStatus::Started);
    assert_eq!(stored[0].finished_at, None);

    let place = partition("aws", "2026-01");
    let staged = world.stage(&rows(&place, 100, 0)).await;
    let published = world.publish_staged(&place, &staged, "2026-01-02-a").await.unwrap();
    let mut done = unit(UnitStatus::Published, 11);
    done.rows = Some(staged.rows);
    done.finished_at = Some(at(20));
    done.sums = vec![LedgerSum {
        ledger: "BilledCost".to_owned(),
        currency: "USD".to_owned(),
        amount: "10.000000000001".to_owned(),
    }];
    done.published = vec![PublishedEntry::new(&publication(&place, &staged), &published, staged.digest())];
    ledger.record(done.clone()).await.unwrap();
    ledger.update(|entry| entry.finished_at = Some(at(21))).await.unwrap();

    // An earlier run that failed; runs are ordered by start.
    let mut earlier = RunLedger::start(here.clone(), run("2026-01-01-b", 1)).await.unwrap();
    let mut failed = unit(UnitStatus::Failed, 2);
    failed.error = Some(ErrorEntry::from(&Error::new(ErrorKind::CheckFailed, "sums differ").with("source", "aws")));
    earlier.record(failed).await.unwrap();

    let stored = read_runs(&here).await.unwrap();
    assert_eq!(stored.iter().map(|run| run.run_id.as_str()).collect::<Vec<_>>(), ["2026-01-01-b", "2026-01-02-a"]);
    assert_eq!(stored[1].units, [done]);
    let table = read_ledger(&here).await.unwrap();
    let table = table.project(&[1, 3, 4, 5, 8, 12, 14]).unwrap();
    let version = published.version;
    assert_eq!(
        text(&[table]),
        [
            "2026-01-01-b|charges|aws|failed|||sums differ (source: aws)".to_owned(),
            format!("2026-01-02-a|charges|aws|published|100|{version}|"),
        ]
    );
}

#[tokio::test]
async fn tells_how_far_a_run_came_local() {
    tells_how_far_a_run_came(World::local(Format::Parquet)).await;
}

#[tokio::test]
async fn tells_how_far_a_run_came_s3() {
    tells_how_far_a_run_came(World::s3(Format::Delta).await).await;
}

#[tokio::test]
async fn a_run_id_is_used_once_and_is_a_file_name() {
    let world = World::local(Format::Parquet);
    let here = world.sink.destination().clone();
    RunLedger::start(here.clone(), run("a", 1)).await.unwrap();
    assert_eq!(RunLedger::start(here.clone(), run("a", 1)).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(RunLedger::start(here, run("../a", 1)).await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_document_of_another_version_does_not_hide_the_others() {
    let world = World::local(Format::Parquet);
    let here = world.sink.destination().clone();
    assert_eq!(read_ledger(&here).await.unwrap().num_rows(), 0);
    RunLedger::start(here.clone(), run("a", 1)).await.unwrap();
    std::fs::write(world.directory().join("_apportion/ledger/b.json"), "{\"half\": ").unwrap();
    std::fs::write(world.directory().join("_apportion/ledger/.c.json.writing"), "").unwrap();
    let runs = read_runs(&here).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.run_id.as_str()).collect::<Vec<_>>(), ["a"]);
}
