//! What only Delta tables promise.

use std::sync::Arc;

use apportion_sinks::{DeltaSink, Destination, Format, TableSink, TableSpec, require_conditional_put};
use apportion_spec::ErrorKind;
use apportion_testkit::{Fault, S3Server};
use arrow::datatypes::{DataType, Field, Schema};
use object_store::memory::InMemory;
use url::Url;

use crate::support::{BUCKET, World, charges, describe, partition, rows, s3_destination, stage, text, unit};

fn commits(world: &World) -> Vec<String> {
    world.keys().into_iter().filter(|key| key.contains("_delta_log/") && key.ends_with(".json")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_publication_is_one_commit_with_its_provenance() {
    let world = World::local(Format::Delta);
    let at = partition("aws", "2026-01");
    world.publish(&at, &rows(&at, 1_500, 1), "run-1").await.unwrap();
    world.publish(&at, &rows(&at, 100, 2), "run-2").await.unwrap();
    world.publish(&at, &rows(&at, 100, 2), "run-3").await.unwrap();
    let commits = commits(&world);
    assert_eq!(commits.len(), 3, "creation and two publications: {commits:?}");
    let last = std::fs::read_to_string(world.directory().join(&commits[2])).unwrap();
    let actions: Vec<serde_json::Value> = last.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| actions.iter().filter(|action| action.get(kind).is_some()).count();
    assert_eq!((of("add"), of("remove"), of("metaData")), (1, 2, 0));
    let info = &actions[0]["commitInfo"];
    let note: serde_json::Value = serde_json::from_str(info["userMetadata"].as_str().unwrap()).unwrap();
    assert_eq!(note["provenance"]["run_id"], "run-2");
    assert_eq!(note["provenance"]["input_digest"], "digest of run-2");
    assert_eq!(info["operationParameters"]["predicate"], "\"x_Source\" = 'aws' AND \"x_BillingPeriod\" = '2026-01'");
    let add = &actions.iter().find(|action| action.get("add").is_some()).unwrap()["add"];
    let statistics: serde_json::Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
    assert_eq!(statistics["numRecords"], 100);
    assert_eq!(statistics["minValues"]["ServiceName"], "Service 0");
    assert_eq!(statistics["minValues"]["ChargePeriodStart"], "2026-01-01T00:00:00.000Z");
    // 99 * 1,000,001 microseconds are 99.000099 seconds: rounded up, so that it stays a bound.
    assert_eq!(statistics["maxValues"]["ChargePeriodStart"], "2026-01-01T00:01:39.001Z");
    assert_eq!(statistics["nullCount"]["ServiceName"], 10);
    assert!(statistics["minValues"].get("BilledCost").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_acknowledgement_is_not_a_conflict() {
    let world = World::s3(Format::Delta).await;
    let at = partition("aws", "2026-01");
    world.publish(&at, &rows(&at, 300, 1), "run-1").await.unwrap();
    world.server().fault(Fault::LoseAcknowledgement { key: "_delta_log/".to_owned(), count: 1 });
    let batch = rows(&at, 300, 2);
    let published = world.publish(&at, &batch, "run-2").await.unwrap();
    assert!(published.changed);
    assert_eq!(published.version, 2);
    assert_eq!(published.replaced.len(), 1);
    assert_eq!(commits(&world).len(), 3);
    assert_eq!(world.read(&[]).await, text(&[batch]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_acknowledgement_of_the_creation_is_not_an_error() {
    let world = World::s3(Format::Delta).await;
    let at = partition("aws", "2026-01");
    world.server().fault(Fault::LoseAcknowledgement { key: "_delta_log/".to_owned(), count: 1 });
    let batch = rows(&at, 300, 2);
    world.publish(&at, &batch, "run-1").await.unwrap();
    assert_eq!(commits(&world).len(), 2);
    assert_eq!(world.read(&[]).await, text(&[batch]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_different_partitions_all_commit() {
    let world = World::s3(Format::Delta).await;
    let periods: Vec<_> = (1..=6).map(|month| partition("aws", &format!("2026-{month:02}"))).collect();
    let mut staged = Vec::new();
    let folders: Vec<_> = periods.iter().map(|_| tempfile::tempdir().unwrap()).collect();
    for (at, folder) in periods.iter().zip(&folders) {
        staged.push(stage(folder.path(), &rows(at, 50, 1)).await);
    }
    // Each with its own sink, creating the table at the same time.
    let writers = periods.iter().zip(&staged).map(|(at, staged)| {
        let sink = DeltaSink::new(world.sink.destination().clone());
        async move {
            sink.prepare(&charges()).await.unwrap();
            sink.publish(&unit(at, staged, "run-1")).await.unwrap()
        }
    });
    let mut versions: Vec<u64> =
        futures::future::join_all(writers).await.iter().map(|published| published.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6]);
    assert_eq!(world.read(&[]).await.len(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_of_one_partition_one_wins() {
    let world = World::s3(Format::Delta).await;
    let at = partition("aws", "2026-01");
    world.sink.prepare(&charges()).await.unwrap();
    let batches = [rows(&at, 300, 1), rows(&at, 300, 2)];
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut staged = Vec::new();
    for (batch, folder) in batches.iter().zip(&folders) {
        staged.push(stage(folder.path(), batch).await);
    }
    let (first, second) = (unit(&at, &staged[0], "run-1"), unit(&at, &staged[1], "run-2"));
    let (first, second) = futures::join!(world.sink.publish(&first), world.sink.publish(&second));
    let winner = usize::from(first.is_err());
    let error = if winner == 0 { second.unwrap_err() } else { first.unwrap_err() };
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(world.read(&[]).await, text(&[batches[winner].clone()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_ignores_conditional_writes_is_refused() {
    let server = S3Server::start().await;
    server.create_bucket(BUCKET);
    let destination = s3_destination(&server);
    require_conditional_put(&destination).await.unwrap();
    server.fault(Fault::IgnoreConditions);
    let sink = DeltaSink::new(destination);
    let error = sink.prepare(&charges()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.to_string(),
        "this store ignores conditional writes (If-None-Match), so a Delta table could lose commits; \
         choose `parquet` or another store (destination: s3://tables/warehouse)"
    );
    assert!(server.keys(BUCKET).is_empty(), "neither table nor probe is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_are_written_and_read() {
    let world = World::local(Format::Delta);
    let at = partition("aws", "2026-01");
    for seed in 0..12 {
        world.publish(&at, &rows(&at, 20, seed), &format!("run-{seed}")).await.unwrap();
    }
    let checkpoints = world.keys().into_iter().filter(|key| key.ends_with(".checkpoint.parquet")).count();
    assert_eq!(checkpoints, 1);
    assert_eq!(world.read(&[]).await, text(&[rows(&at, 20, 11)]));
}

fn with_schema(change: impl Fn(&mut Vec<Field>)) -> TableSpec {
    let table = charges();
    let mut fields: Vec<Field> = table.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    change(&mut fields);
    TableSpec { schema: Arc::new(Schema::new(fields)), ..table }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_may_be_added_or_left_empty_and_nothing_else_may_change() {
    let world = World::local(Format::Delta);
    let at = partition("aws", "2026-01");
    let batch = rows(&at, 300, 1);
    world.publish(&at, &batch, "run-1").await.unwrap();

    let refused = [
        with_schema(|fields| drop(fields.remove(0))),
        with_schema(|fields| fields[0] = describe("BilledCost", DataType::Decimal128(38, 10), false)),
        TableSpec { partition_by: vec!["x_BillingPeriod".to_owned()], ..charges() },
    ];
    for table in refused {
        let error = world.sink.prepare(&table).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContractViolated, "{error}");
    }
    assert_eq!(commits(&world).len(), 2);

    let wider = with_schema(|fields| fields.insert(1, describe("x_New", DataType::Utf8, true)));
    world.sink.prepare(&wider).await.unwrap();
    world.sink.prepare(&wider).await.unwrap();
    assert_eq!(commits(&world).len(), 3);
    // Files from before read as null in the new column, under the same type.
    let table = apportion_sinks::published_table(world.sink.as_ref(), &wider, &[]).await.unwrap();
    let context = datafusion::prelude::SessionContext::new();
    context.register_table("charges", table).unwrap();
    let sql = "select count(*), count(\"x_New\"), sum(\"BilledCost\") from charges";
    let read = context.sql(sql).await.unwrap().collect().await.unwrap();
    let sum: i128 = (0..300).map(|index| index * 1_000_000_007 + 1 - 3).sum();
    assert_eq!(text(&read), [format!("300|0|{}.{:012}", sum / 10_i128.pow(12), sum % 10_i128.pow(12))]);

    // What is required from now on may still be null in what was written before.
    let stricter = with_schema(|fields| {
        fields[2] = describe("ListUnitPrice", DataType::Decimal128(38, 18), false);
        fields.push(describe("x_Required", DataType::Utf8, false));
    });
    world.sink.prepare(&stricter).await.unwrap();
    world.sink.prepare(&stricter).await.unwrap();
    assert_eq!(commits(&world).len(), 4);
    let columns = world.sink.columns(&stricter).await.unwrap().unwrap();
    for (name, nullable) in [("BilledCost", false), ("ListUnitPrice", true), ("x_Required", true)] {
        assert_eq!(columns.field_with_name(name).unwrap().is_nullable(), nullable, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_parquet_files_does_not_become_a_delta_table() {
    let world = World::local(Format::Parquet);
    let at = partition("aws", "2026-01");
    world.publish(&at, &rows(&at, 10, 0), "run-1").await.unwrap();
    let error = DeltaSink::new(world.sink.destination().clone()).prepare(&charges()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_single_threaded_runtime_and_memory_work_too() {
    let destination =
        Destination::new(Arc::new(InMemory::new()), "some/where".into(), Url::parse("memory:///").unwrap());
    let sink = DeltaSink::new(destination);
    let staging = tempfile::tempdir().unwrap();
    let at = partition("aws", "2026-01");
    let staged = stage(staging.path(), &rows(&at, 10, 0)).await;
    sink.prepare(&charges()).await.unwrap();
    assert!(sink.publish(&unit(&at, &staged, "run-1")).await.unwrap().changed);
    assert_eq!(sink.read_objects(&charges(), &at).await.unwrap().len(), 1);
}
