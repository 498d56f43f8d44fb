//! What reading a published table promises: which objects are opened, and files of earlier versions.

use std::sync::Arc;

use apportion_sinks::{Format, StagedPart, StagedTable, StoredTable, TableSink, TableSpec, objects_table, open_sink};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::stats::Precision;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::prelude::SessionContext;
use sha2::{Digest, Sha256};

use crate::support::{BUCKET, Store, World, charges, describe, earlier_file, partition, rows, text};

/// A staged partition as versions before this one staged it.
fn staged_earlier(world: &World, batch: &RecordBatch) -> StagedTable {
    let path = world.staging.path().join("part-00000.parquet");
    let content = earlier_file(batch);
    // Published files may be links to the staged one, which is therefore not written over.
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, &content).unwrap();
    let sha256 = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    let rows = batch.num_rows() as u64;
    let part = StagedPart { path, rows, bytes: content.len() as u64, sha256, statistics: Vec::new() };
    StagedTable { parts: vec![part], rows, schema: batch.schema() }
}

const COLUMNS: &str = "_apportion/columns/charges.json";

/// Takes away what earlier versions did not write.
fn forget_columns(world: &World) {
    match &world.store {
        Store::S3(server) => server.remove(BUCKET, &format!("warehouse/{COLUMNS}")),
        Store::Local(directory) => std::fs::remove_file(directory.path().join(COLUMNS)).unwrap(),
    }
}

/// A sink of its own for tables that outlive the call.
fn sink(world: &World) -> Arc<dyn TableSink> {
    Arc::from(open_sink(world.sink.format(), world.sink.destination().clone(), 2))
}

async fn stored(world: &World) -> Arc<StoredTable> {
    let sink = sink(world);
    let schema = sink.columns(&charges()).await.unwrap().unwrap();
    Arc::new(StoredTable::try_new(sink, TableSpec { schema, ..charges() }).unwrap())
}

async fn ask(table: &Arc<StoredTable>, sql: &str) -> Vec<String> {
    let context = SessionContext::new();
    context.register_table("charges", Arc::clone(table) as Arc<dyn TableProvider>).unwrap();
    text(&context.sql(sql).await.unwrap().collect().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_earlier_versions_and_new_ones_are_one_table() {
    for world in [World::local(Format::Parquet), World::s3(Format::Parquet).await] {
        let (january, february) = (partition("aws", "2026-01"), partition("aws", "2026-02"));
        let (first, second) = (rows(&january, 300, 1), rows(&february, 300, 2));
        for (at, batch) in [(&january, &first), (&february, &second)] {
            world.publish_staged(at, &staged_earlier(&world, batch), "earlier").await.unwrap();
        }
        forget_columns(&world);
        assert_eq!(world.read(&[]).await, text(&[first.clone(), second.clone()]));
        let earlier = world.sink.versions(&charges(), &february).await.unwrap()[0].version;
        // The new version goes on with one of the months; the other stays as it is.
        let restated = rows(&february, 280, 3);
        world.publish(&february, &restated, "new").await.unwrap();
        let both = text(&[first.clone(), restated.clone()]);
        assert_eq!(world.read(&[]).await, both);
        assert_eq!(world.read(&february).await, text(std::slice::from_ref(&restated)));
        let order = "order by \"x_Source\", \"x_BillingPeriod\", \"x_ChargeId\"";
        let stored = stored(&world).await;
        assert_eq!(ask(&stored, &format!("select * from charges {order}")).await, both);
        let month = "select count(*), min(\"x_Source\") from charges where \"x_BillingPeriod\" = '2026-0";
        assert_eq!(ask(&stored, &format!("{month}1'")).await, ["300|aws"]);
        assert_eq!(ask(&stored, &format!("{month}2'")).await, ["280|aws"]);
        // And what was superseded is still read.
        let objects = world.sink.version_objects(&charges(), &february, earlier).await.unwrap();
        let superseded = objects_table(world.sink.as_ref(), &charges(), objects).unwrap();
        let read = SessionContext::new().read_table(superseded).unwrap().collect().await.unwrap();
        assert_eq!(text(&read), text(&[second]));
    }
}

#[tokio::test]
async fn where_an_object_lies_decides_its_partition() {
    let world = World::local(Format::Parquet);
    let (january, february) = (partition("aws", "2026-01"), partition("aws", "2026-02"));
    // A file that says another month than its folder: counted once, in the folder's month.
    world.publish_staged(&january, &staged_earlier(&world, &rows(&february, 10, 1)), "earlier").await.unwrap();
    let found = ask(&stored(&world).await, "select distinct \"x_BillingPeriod\" from charges").await;
    assert_eq!(found, ["2026-01"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_partitions_that_are_asked_for_are_opened() {
    for format in [Format::Parquet, Format::Delta] {
        let world = World::s3(format).await;
        let places: Vec<_> = [("aws", "2026-01"), ("aws", "2026-02"), ("aws", "2026-03"), ("gcp", "2026-02")]
            .iter()
            .map(|(source, period)| partition(source, period))
            .collect();
        for (index, at) in places.iter().enumerate() {
            world.publish(at, &rows(at, 20 + index, 1), "run-1").await.unwrap();
        }
        let folder = |index: usize| charges().partition_path(&places[index]).unwrap();
        for (filter, wanted, count) in [
            ("\"x_BillingPeriod\" = '2026-02'", vec![1, 3], 44),
            ("'2026-02' = \"x_BillingPeriod\" and \"x_Source\" = 'gcp'", vec![3], 23),
            ("\"x_BillingPeriod\" > '2026-01' and \"x_Source\" <> 'gcp'", vec![1, 2], 43),
            ("\"x_BillingPeriod\" in ('2026-01', '2026-03')", vec![0, 2], 42),
            ("\"x_BillingPeriod\" = '2026-03' or \"x_Source\" = 'gcp'", vec![2, 3], 45),
            ("substr(\"x_BillingPeriod\", 6) = '01' and \"BilledCost\" is not null", vec![0], 20),
            ("\"x_BillingPeriod\" = '2025-12'", vec![], 0),
        ] {
            let table = stored(&world).await;
            world.server().forget_requests();
            let sql = format!("select count(\"BilledCost\") from charges where {filter}");
            assert_eq!(ask(&table, &sql).await, [count.to_string()], "{filter}");
            let requests = world.server().requests();
            let read = |at: &String| {
                requests.iter().any(|it| it.method == "GET" && it.key.contains(at) && it.key.ends_with(".parquet"))
            };
            let opened: Vec<usize> = (0..places.len()).filter(|index| read(&folder(*index))).collect();
            assert_eq!(opened, wanted, "{format:?}: {filter}");
        }
        // Nothing is listed before a query scans the table, and states only of what it asks for.
        let table = stored(&world).await;
        world.server().forget_requests();
        assert_eq!(ask(&table, "select 1").await, ["1"]);
        assert!(world.server().requests().is_empty());
        ask(&table, "select count(*) from charges where \"x_BillingPeriod\" = '2026-03'").await;
        let states: Vec<String> =
            world.server().requests().into_iter().map(|it| it.key).filter(|key| key.ends_with("state.json")).collect();
        assert!(states.iter().all(|key| key.contains("2026-03")), "{states:?}");
        assert_eq!(table.scanned().await.into_iter().collect::<Vec<_>>(), [places[2].clone()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_scans_twice_sees_one_table() {
    for format in [Format::Parquet, Format::Delta] {
        let world = World::local(format);
        let (aws, gcp) = (partition("aws", "2026-01"), partition("gcp", "2026-02"));
        world.publish(&aws, &rows(&aws, 10, 1), "run-1").await.unwrap();
        world.publish(&gcp, &rows(&gcp, 20, 1), "run-1").await.unwrap();
        let table = stored(&world).await;
        let count = async |filter: &str| ask(&table, &format!("select count(*) from charges {filter}")).await;
        assert_eq!(count("where \"x_Source\" = 'aws'").await, ["10"]);
        let late = partition("aws", "2026-02");
        world.publish(&late, &rows(&late, 30, 1), "run-2").await.unwrap();
        assert_eq!(count("where \"x_BillingPeriod\" = '2026-02'").await, ["20"], "{format:?}");
        assert_eq!(count("").await, ["30"], "{format:?}");
        let again = stored(&world).await;
        assert_eq!(ask(&again, "select count(*) from charges").await, ["60"], "{format:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_many_rows_there_are_is_estimated_and_never_answered_from_notes() {
    for format in [Format::Parquet, Format::Delta] {
        let world = World::local(format);
        let at = partition("aws", "2026-01");
        world.publish(&at, &rows(&at, 1_500, 1), "run-1").await.unwrap();
        let context = SessionContext::new();
        let plan = stored(&world).await.scan(&context.state(), None, &[], None).await.unwrap();
        let known = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new()).unwrap();
        assert_eq!(known.num_rows, Precision::Inexact(1_500), "{format:?}");
    }
}

#[tokio::test]
async fn columns_are_known_without_the_objects_and_grow() {
    let world = World::local(Format::Parquet);
    let at = partition("aws", "2026-01");
    assert_eq!(world.sink.columns(&charges()).await.unwrap(), None);
    world.publish(&at, &rows(&at, 10, 1), "run-1").await.unwrap();
    let plain = charges().table_schema().unwrap();
    assert_eq!(world.sink.columns(&charges()).await.unwrap(), Some(Arc::clone(&plain)));
    // Another pipeline has a column more and one less: both are there, and both may be null.
    let mut fields: Vec<_> = charges().schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.retain(|field| field.name() != "ServiceName");
    fields.push(describe("x_Team", DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields));
    let other = TableSpec { schema, sort_by: vec!["x_ChargeId".to_owned()], ..charges() };
    world.sink.prepare(&other).await.unwrap();
    let names = |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let grown = world.sink.columns(&charges()).await.unwrap().unwrap();
    let mut expected = names(&plain);
    expected.retain(|name| name != "ServiceName");
    expected.extend(["x_Team".to_owned(), "ServiceName".to_owned()]);
    assert_eq!(names(&grown), expected);
    assert!(grown.field_with_name("x_Team").unwrap().is_nullable());
    let sql = "select count(\"ServiceName\"), count(\"x_Team\"), count(*) from charges";
    assert_eq!(ask(&stored(&world).await, sql).await, ["9|0|10"]);
    // What is damaged is made again from the objects.
    std::fs::write(world.directory().join(COLUMNS), "{").unwrap();
    assert_eq!(world.sink.columns(&charges()).await.unwrap(), None);
    world.sink.prepare(&other).await.unwrap();
    assert_eq!(names(&world.sink.columns(&charges()).await.unwrap().unwrap()), expected);
}
