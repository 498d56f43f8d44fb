//! Telemetry of any shape as one relation.

use std::path::Path;

use apportion_sources::telemetry::{self, TelemetryColumns, TelemetryFiles, TimeRange};
use apportion_sources::{Location, StoreOptions};
use apportion_spec::{ErrorKind, Result};
use apportion_testkit::{ColumnType, ExportBuilder, S3Server, Value};
use arrow::util::pretty::pretty_format_batches;

use crate::support::{BUCKET, assert_contains, location, period, read_error, rows, session};

fn declared() -> TelemetryColumns {
    TelemetryColumns {
        name: "requests".to_owned(),
        time: "ts".to_owned(),
        quantity: "n".to_owned(),
        target: Some("customer".to_owned()),
        match_columns: vec!["service".to_owned()],
        unique_by: Vec::new(),
    }
}

fn builder(time: ColumnType, quantity: ColumnType) -> ExportBuilder {
    ExportBuilder::new()
        .column("ts", time)
        .column("n", quantity)
        .column("customer", ColumnType::Text)
        .column("service", ColumnType::Text)
}

async fn read(
    location: &Location,
    columns: &TelemetryColumns,
    range: Option<TimeRange>,
    sql: &str,
) -> Result<Vec<String>> {
    let table = telemetry::open(location, columns, range).await?;
    assert_eq!(table.table.schema().fields().len(), telemetry::schema().fields().len());
    for (field, expected) in table.table.schema().fields().iter().zip(telemetry::schema().fields()) {
        assert_eq!((field.name(), field.data_type()), (expected.name(), expected.data_type()));
    }
    let context = session();
    context.register_table("src_telemetry", table.table.clone()).map_err(read_error)?;
    let batches = context.sql(sql).await.map_err(read_error)?.collect().await.map_err(read_error)?;
    Ok(rows(&pretty_format_batches(&batches).unwrap().to_string()))
}

fn january() -> Option<TimeRange> {
    Some(TimeRange { from: period("2026-01").start(), to: period("2026-01").end() })
}

const ALL: &str = "select Telemetry, Time, Quantity, Target, MatchKey from src_telemetry order by Time, Target";

#[tokio::test]
async fn times_and_quantities_of_any_type_become_one_shape() {
    for (time, quantity, first, value) in [
        (ColumnType::Millis, ColumnType::Integer, "2026-01-01T00:00:00Z", Value::Integer(7)),
        (ColumnType::LocalMicros, ColumnType::Double, "2026-01-01T00:00:00Z", Value::Number(7.0)),
        (ColumnType::Date, ColumnType::Decimal(20, 3), "2026-01-01", Value::from("7")),
        (ColumnType::Text, ColumnType::Integer, "2026-01-01T02:00:00+02:00", Value::Integer(7)),
        (ColumnType::Text, ColumnType::Double, "2026-01-01", Value::Number(7.0)),
    ] {
        let server = S3Server::start().await;
        let content = builder(time, quantity)
            .row([("ts", first.into()), ("n", value), ("customer", "ann".into()), ("service", "api".into())])
            .row([("ts", first.into()), ("n", Value::Null), ("customer", "".into())])
            .parquet();
        server.put(BUCKET, "t/one.parquet", content);
        for prefix in ["t", "t/one.parquet"] {
            let read = read(&location(&server, prefix).await, &declared(), january(), ALL).await.unwrap();
            assert_eq!(
                read,
                [
                    r#"requests|2026-01-01T00:00:00Z|7.000000000000|ann|["api"]"#,
                    "requests|2026-01-01T00:00:00Z|||[null]",
                ],
                "{time:?} {quantity:?}"
            );
        }
    }
}

#[tokio::test]
async fn doubles_are_read_as_written_and_several_objects_may_differ() {
    let server = S3Server::start().await;
    let time = "2026-01-01T00:00:00Z";
    let doubles = builder(ColumnType::Millis, ColumnType::Double).row([("ts", time.into()), ("n", 123_456.789.into())]);
    let integers = builder(ColumnType::Micros, ColumnType::Integer).row([("ts", time.into()), ("n", 2_i64.into())]);
    server.put(BUCKET, "t/a.parquet", doubles.parquet());
    server.put(BUCKET, "t/b.parquet", integers.parquet());
    server.put(BUCKET, "t/_SUCCESS", "");
    let mut columns = declared();
    columns.match_columns.clear();
    columns.target = None;
    let place = location(&server, "t").await;
    let sql = "select Quantity, Target, MatchKey from src_telemetry order by 1";
    let found = read(&place, &columns, None, sql).await.unwrap();
    assert_eq!(found, ["2.000000000000||", "123456.789000000000||"]);
}

#[tokio::test]
async fn the_range_is_half_open_and_reaches_the_row_groups() {
    let server = S3Server::start().await;
    let mut content = builder(ColumnType::Millis, ColumnType::Integer).rows_per_group(1);
    for time in ["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z"] {
        content = content.row([("ts", time.into()), ("n", 1_i64.into())]);
    }
    server.put(BUCKET, "t/a.parquet", content.parquet());
    let place = location(&server, "t").await;
    let sql = "select Time from src_telemetry order by 1";
    assert_eq!(
        read(&place, &declared(), january(), sql).await.unwrap(),
        ["2026-01-01T00:00:00Z", "2026-01-31T23:59:59Z"]
    );

    let table = telemetry::open(&place, &declared(), None).await.unwrap();
    let context = session();
    context.register_table("src_telemetry", table.table.clone()).unwrap();
    let sql = "explain analyze select sum(Quantity) from src_telemetry where Time >= timestamp '2026-02-01T00:00:00Z'";
    let plan = context.sql(sql).await.unwrap().to_string().await.unwrap();
    assert!(plan.contains("row_groups_pruned_statistics=4 total → 1 matched"), "{plan}");
}

#[tokio::test]
async fn one_listing_serves_several_spans_and_each_knows_its_objects() {
    let server = S3Server::start().await;
    for month in ["2026-01", "2026-02", "2026-03"] {
        let row = [("ts", Value::from(format!("{month}-15T00:00:00Z"))), ("n", 1_i64.into())];
        let content = builder(ColumnType::Millis, ColumnType::Integer).row(row).row([("n", 5_i64.into())]);
        server.put(BUCKET, &format!("t/{month}.parquet"), content.parquet());
    }
    let files = TelemetryFiles::open(&location(&server, "t").await, &declared(), None).await.unwrap();
    server.forget_requests();
    for month in ["2026-01", "2026-02"] {
        let range = TimeRange { from: period(month).start(), to: period(month).end() };
        let table = files.table(Some(range)).unwrap();
        let objects: Vec<&str> = table.objects().iter().map(|meta| meta.location.as_ref()).collect();
        assert_eq!(objects, [format!("t/{month}.parquet")]);
        let context = session();
        context.register_table("src_telemetry", table.table.clone()).unwrap();
        let batches = context.sql("select sum(Quantity) from src_telemetry").await.unwrap().collect().await.unwrap();
        assert_eq!(rows(&pretty_format_batches(&batches).unwrap().to_string()), ["1.000000000000"]);
    }
    assert!(server.requests().iter().all(|request| !request.query.contains("list-type")));
    let year = TimeRange { from: period("2027-01").start(), to: period("2027-02").end() };
    assert!(files.table(Some(year)).unwrap().objects().is_empty());
}

#[tokio::test]
async fn repeated_measurements_count_once() {
    let server = S3Server::start().await;
    let time = "2026-01-01T00:00:00Z";
    let row = |id: &str, n: i64| [("ts", time.into()), ("n", n.into()), ("event", id.into())];
    let content = builder(ColumnType::Millis, ColumnType::Integer).column("event", ColumnType::Text);
    let content = content.row(row("a", 1)).row(row("b", 10)).row(row("a", 1)).row(row("a", 5));
    server.put(BUCKET, "t/a.parquet", content.parquet());
    server.put(BUCKET, "t/b.parquet", content.parquet());
    let columns = TelemetryColumns { unique_by: vec!["event".to_owned()], ..declared() };
    let sql = "select sum(Quantity), count(*) from src_telemetry";
    assert_eq!(read(&location(&server, "t").await, &columns, january(), sql).await.unwrap(), ["11.000000000000|2"]);
}

#[tokio::test]
async fn folders_by_date_outside_the_range_are_not_opened() {
    let server = S3Server::start().await;
    for date in ["2025-11-01", "2026-01-05", "2026-03-09"] {
        let row = [("ts", Value::from(format!("{date}T00:00:00Z"))), ("n", 1_i64.into())];
        let content = builder(ColumnType::Millis, ColumnType::Integer).row(row);
        server.put(BUCKET, &format!("t/date={date}/a.parquet"), content.parquet());
    }
    let table = telemetry::open(&location(&server, "t").await, &declared(), january()).await.unwrap();
    assert_eq!(table.objects().len(), 1);
    let far = TimeRange { from: period("2024-01").start(), to: period("2024-02").end() };
    let sql = "select count(*), sum(Quantity) from src_telemetry";
    let place = location(&server, "t").await;
    assert_eq!(read(&place, &declared(), Some(far), sql).await.unwrap(), ["0|"]);
}

#[tokio::test]
async fn days_far_away_open_their_own_folders_and_nothing_in_between() {
    let server = S3Server::start().await;
    let days = ["2023-01-05", "2025-08-10", "2025-08-11", "2025-08-14", "2025-10-20", "2026-01-05", "2026-02-01"];
    for date in days {
        let row = |hour: &str| [("ts", Value::from(format!("{date}T{hour}:00:00Z"))), ("n", 1_i64.into())];
        let content = builder(ColumnType::Millis, ColumnType::Integer).row(row("00")).row(row("23"));
        server.put(BUCKET, &format!("t/date={date}/a.parquet"), content.parquet());
    }
    let place = location(&server, "t").await;
    let files = TelemetryFiles::open(&place, &declared(), january()).await.unwrap();
    server.forget_requests();
    let day = |text: &str| {
        let from = text.parse::<chrono::NaiveDate>().unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
        TimeRange { from, to: from + chrono::TimeDelta::days(1) }
    };
    let table = files.spans(&[day("2025-08-10"), day("2026-02-01")]).await.unwrap();
    let objects: Vec<&str> = table.objects().iter().map(|meta| meta.location.as_ref()).collect();
    assert_eq!(objects, ["t/date=2025-08-10/a.parquet", "t/date=2026-02-01/a.parquet"]);
    let asked: std::collections::BTreeSet<String> =
        server.requests().iter().map(|request| request.key.clone()).collect();
    assert!(asked.iter().all(|path| path.contains("2025-08-1") || path.contains("2026-02-01")), "{asked:?}");
    assert!(!asked.iter().any(|path| path.contains("2025-08-14")), "{asked:?}");
    assert!(server.requests().iter().all(|request| !request.query.contains("list-type")), "nothing is listed again");

    let context = session();
    context.register_table("src_telemetry", table.table.clone()).unwrap();
    let sql = "select cast(Time as date), sum(Quantity) from src_telemetry group by 1 order by 1";
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    assert_eq!(
        rows(&pretty_format_batches(&batches).unwrap().to_string()),
        ["2025-08-10|2.000000000000", "2026-02-01|2.000000000000"]
    );
    assert!(files.spans(&[day("2024-05-05")]).await.unwrap().objects().is_empty());
    assert!(files.spans(&[]).await.unwrap().objects().is_empty());
}

#[tokio::test]
async fn many_spans_of_one_object_are_one_filter() {
    let server = S3Server::start().await;
    let mut content = builder(ColumnType::Date, ColumnType::Integer).rows_per_group(1);
    let start = "2024-01-01".parse::<chrono::NaiveDate>().unwrap();
    for offset in 0..400 {
        let date = start + chrono::Days::new(offset);
        content = content.row([("ts", Value::from(date.to_string())), ("n", 1_i64.into())]);
    }
    server.put(BUCKET, "t/all.parquet", content.parquet());
    let files = TelemetryFiles::open(&location(&server, "t").await, &declared(), None).await.unwrap();
    let every_other: Vec<TimeRange> = (0..399)
        .step_by(2)
        .map(|offset| {
            let from = (start + chrono::Days::new(offset)).and_hms_opt(0, 0, 0).unwrap().and_utc();
            TimeRange { from, to: from + chrono::TimeDelta::days(1) }
        })
        .collect();
    let table = files.spans(&every_other).await.unwrap();
    let context = session();
    context.register_table("src_telemetry", table.table.clone()).unwrap();
    let sql = "select count(*), sum(Quantity) from src_telemetry";
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    assert_eq!(rows(&pretty_format_batches(&batches).unwrap().to_string()), ["200|200.000000000000"]);
}

#[tokio::test]
async fn mistakes_in_the_declaration_name_telemetry_object_and_column() {
    let server = S3Server::start().await;
    let content = builder(ColumnType::Millis, ColumnType::Text).row([("n", "many".into())]);
    server.put(BUCKET, "t/a.parquet", content.parquet());
    let place = location(&server, "t").await;
    let error = telemetry::open(&place, &declared(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContractViolated);
    assert_contains(
        &error,
        &["`n` is Utf8, accepted: integer, double or decimal", "t/a.parquet", "telemetry: requests"],
    );

    let misspelled = TelemetryColumns { target: Some("custommer".to_owned()), quantity: "ts".to_owned(), ..declared() };
    let misspelled = TelemetryColumns { quantity: "service".to_owned(), ..misspelled };
    let error =
        telemetry::open(&place, &TelemetryColumns { time: "time".into(), ..misspelled }, None).await.unwrap_err();
    assert_contains(&error, &["declared column `time` is missing"]);
    let columns = TelemetryColumns { time: "tss".into(), ..declared() };
    let error = telemetry::open(&place, &columns, None).await.unwrap_err();
    assert_contains(&error, &["declared column `tss` is missing, did you mean `ts`?"]);

    let error = telemetry::open(&location(&server, "none").await, &declared(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_contains(&error, &["no Parquet objects lie at the location", "s3://bills/none"]);
}

#[tokio::test]
async fn the_sample_telemetry_can_be_read() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/telemetry");
    let columns = TelemetryColumns {
        name: "requests".to_owned(),
        time: "ts".to_owned(),
        quantity: "request_count".to_owned(),
        target: Some("customer_id".to_owned()),
        match_columns: vec!["service".to_owned()],
        unique_by: Vec::new(),
    };
    let place = Location::open("requests", &base, &StoreOptions::default()).await.unwrap();
    let sql = "select count(Quantity) > 0, min(Time) >= timestamp '2026-01-01', max(Time) < timestamp '2026-02-01' from src_telemetry";
    assert_eq!(read(&place, &columns, january(), sql).await.unwrap(), ["true|true|true"]);
}
