//! A small table, places to publish it to, and ways to look at the result.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apportion_sinks::{
    DESCRIPTION_KEY, Destination, Format, PartitionValues, Provenance, PublishUnit, Published, StagedTable, TableSink,
    TableSpec, WriterOptions, open_sink, published_table, write_staged,
};
use apportion_spec::Result;
use apportion_testkit::S3Server;
use arrow::array::{ArrayRef, Decimal128Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use tempfile::TempDir;
use url::Url;

pub(crate) const BUCKET: &str = "tables";

pub(crate) fn describe(name: &str, data_type: DataType, nullable: bool) -> Field {
    let description = format!("What {name} means");
    Field::new(name, data_type, nullable).with_metadata(HashMap::from([(DESCRIPTION_KEY.to_owned(), description)]))
}

pub(crate) fn charges() -> TableSpec {
    let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    TableSpec {
        name: "charges".to_owned(),
        description: "One row per charge".to_owned(),
        schema: Arc::new(Schema::new(vec![
            describe("BilledCost", DataType::Decimal128(38, 12), false),
            describe("ChargePeriodStart", utc(), false),
            describe("ListUnitPrice", DataType::Decimal128(38, 18), true),
            describe("ServiceName", DataType::Utf8, true),
            describe("x_BillingPeriod", DataType::Utf8, false),
            describe("x_ChargeId", DataType::Utf8, false),
            describe("x_Residual", DataType::Decimal128(38, 36), true),
            describe("x_Source", DataType::Utf8, false),
        ])),
        partition_by: vec!["x_Source".to_owned(), "x_BillingPeriod".to_owned()],
        sort_by: vec!["ServiceName".to_owned(), "x_ChargeId".to_owned()],
    }
}

pub(crate) fn partition(source: &str, period: &str) -> PartitionValues {
    vec![("x_Source".to_owned(), source.to_owned()), ("x_BillingPeriod".to_owned(), period.to_owned())]
}

/// `count` charges in table order; `seed` makes their costs differ.
pub(crate) fn rows(partition: &PartitionValues, count: usize, seed: i128) -> RecordBatch {
    let numbers = 0..count;
    let number = |index: usize| i128::try_from(index).unwrap();
    let text = |name: &str| partition.iter().find(|(column, _)| column == name).unwrap().1.clone();
    let money = |values: Vec<Option<i128>>, scale: i8| -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(38, scale).unwrap())
    };
    let columns: Vec<ArrayRef> = vec![
        money(numbers.clone().map(|i| Some(number(i) * 1_000_000_007 + seed - 3)).collect(), 12),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(
                numbers.clone().map(|i| 1_767_225_600_000_000 + i64::try_from(i).unwrap() * 1_000_001),
            )
            .with_timezone("UTC"),
        ),
        money(numbers.clone().map(|i| (i % 3 != 0).then(|| number(i) + 123_456_789_012_345_678)).collect(), 18),
        Arc::new(StringArray::from_iter(
            numbers.clone().map(|i| (i * 10 < count * 9).then(|| format!("Service {}", i * 10 / count.max(1)))),
        )),
        Arc::new(StringArray::from_iter_values(numbers.clone().map(|_| text("x_BillingPeriod")))),
        Arc::new(StringArray::from_iter_values(numbers.clone().map(|i| format!("{i:032x}")))),
        money(numbers.clone().map(|i| (i % 2 == 0).then_some(-(seed + number(i)) * 10_i128.pow(20))).collect(), 36),
        Arc::new(StringArray::from_iter_values(numbers.map(|_| text("x_Source")))),
    ];
    RecordBatch::try_new(plain(&charges()), columns).unwrap()
}

pub(crate) fn plain(table: &TableSpec) -> Arc<Schema> {
    table.table_schema().unwrap()
}

/// A stream that yields `batch` in pieces of `piece` rows.
pub(crate) fn stream(batch: &RecordBatch, piece: usize) -> SendableRecordBatchStream {
    let schema = batch.schema();
    let batch = batch.clone();
    let pieces = (0..batch.num_rows())
        .step_by(piece)
        .map(move |start| Ok(batch.slice(start, piece.min(batch.num_rows() - start))));
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(pieces.collect::<Vec<_>>())))
}

/// Small sizes, so that a few thousand rows make several row groups and files.
pub(crate) fn small() -> WriterOptions {
    WriterOptions { batch_rows: 64, row_group_rows: 256, file_rows: 1_024, compression_level: 1, encoders: 2 }
}

/// What stands for a destination in one test.
pub(crate) enum Store {
    Local(TempDir),
    S3(S3Server),
}

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) sink: Box<dyn TableSink>,
    pub(crate) staging: TempDir,
}

impl World {
    pub(crate) fn local(format: Format) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let destination = local_destination(directory.path());
        Self::with(Store::Local(directory), destination, format)
    }

    pub(crate) async fn s3(format: Format) -> Self {
        let server = S3Server::start().await;
        server.create_bucket(BUCKET);
        let destination = s3_destination(&server);
        Self::with(Store::S3(server), destination, format)
    }

    fn with(store: Store, destination: Destination, format: Format) -> Self {
        let sink = open_sink(format, destination, 2);
        Self { store, sink, staging: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn server(&self) -> &S3Server {
        match &self.store {
            Store::S3(server) => server,
            Store::Local(_) => panic!("this world has no server"),
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        match &self.store {
            Store::Local(directory) => directory.path(),
            Store::S3(_) => panic!("this world has no directory"),
        }
    }

    pub(crate) async fn stage(&self, batch: &RecordBatch) -> StagedTable {
        stage(self.staging.path(), batch).await
    }

    /// Stages rows and publishes them by a run.
    pub(crate) async fn publish(&self, at: &PartitionValues, batch: &RecordBatch, run: &str) -> Result<Published> {
        let staged = self.stage(batch).await;
        self.publish_staged(at, &staged, run).await
    }

    pub(crate) async fn publish_staged(
        &self,
        at: &PartitionValues,
        staged: &StagedTable,
        run: &str,
    ) -> Result<Published> {
        self.sink.prepare(&charges()).await?;
        self.sink.publish(&unit(at, staged, run)).await
    }

    /// Every row of the table, in a fixed order.
    pub(crate) async fn read(&self, filter: &[(String, String)]) -> Vec<String> {
        let table = published_table(self.sink.as_ref(), &charges(), filter).await.unwrap();
        let context = SessionContext::new();
        context.register_table("charges", table).unwrap();
        let sql = "select * from charges order by \"x_Source\", \"x_BillingPeriod\", \"x_ChargeId\"";
        text(&context.sql(sql).await.unwrap().collect().await.unwrap())
    }

    /// Every object or file of the destination that is not internal.
    pub(crate) fn keys(&self) -> Vec<String> {
        match &self.store {
            Store::S3(server) => {
                let keys = server.keys(BUCKET).into_iter();
                keys.filter_map(|key| key.strip_prefix("warehouse/").map(str::to_owned))
                    .filter(|key| !key.starts_with("_apportion"))
                    .collect()
            }
            Store::Local(directory) => {
                let mut keys = Vec::new();
                walk(directory.path(), directory.path(), &mut keys);
                keys.retain(|key| !key.starts_with("_apportion"));
                keys.sort();
                keys
            }
        }
    }
}

fn walk(root: &Path, folder: &Path, keys: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, keys);
        } else {
            keys.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
        }
    }
}

pub(crate) fn local_destination(directory: &Path) -> Destination {
    let prefix = object_store::path::Path::from_absolute_path(directory).unwrap();
    Destination::new(Arc::new(LocalFileSystem::new()), prefix, Url::parse("file:///").unwrap())
        .with_local_directory(directory)
}

pub(crate) fn s3_destination(server: &S3Server) -> Destination {
    let store = AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_access_key_id(server.access_key())
        .with_secret_access_key(server.secret_key())
        .with_region(server.region())
        .with_bucket_name(BUCKET)
        .with_allow_http(true)
        .with_retry(object_store::RetryConfig {
            backoff: object_store::BackoffConfig {
                init_backoff: std::time::Duration::from_millis(1),
                max_backoff: std::time::Duration::from_millis(5),
                base: 2.0,
            },
            ..object_store::RetryConfig::default()
        })
        .build()
        .unwrap();
    Destination::new(Arc::new(store), "warehouse".into(), Url::parse("s3://tables/").unwrap())
}

pub(crate) async fn stage(directory: &Path, batch: &RecordBatch) -> StagedTable {
    write_staged(stream(batch, 100), directory, &charges(), &partition_of(batch), &small()).await.unwrap()
}

/// The partition that a batch says it belongs to.
pub(crate) fn partition_of(batch: &RecordBatch) -> PartitionValues {
    let value = |name: &str| match batch.num_rows() {
        0 => "none".to_owned(),
        _ => arrow::util::display::array_value_to_string(batch.column_by_name(name).unwrap(), 0).unwrap(),
    };
    partition(&value("x_Source"), &value("x_BillingPeriod"))
}

/// A file as versions before this one wrote it: with the partition columns, under the same name.
pub(crate) fn earlier_file(batch: &RecordBatch) -> Vec<u8> {
    let mut content = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut content, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    content
}

pub(crate) fn unit(at: &PartitionValues, staged: &StagedTable, run: &str) -> PublishUnit {
    PublishUnit {
        table: charges(),
        partition: at.clone(),
        parts: staged.parts.clone(),
        provenance: Provenance {
            run_id: run.to_owned(),
            input_digest: format!("digest of {run}"),
            configuration_digest: "configuration".to_owned(),
            ..Provenance::default()
        },
    }
}

/// Rows as text, one line each, without depending on batch boundaries.
pub(crate) fn text(batches: &[RecordBatch]) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = batch
                .columns()
                .iter()
                .map(|column| arrow::util::display::array_value_to_string(column, row).unwrap())
                .collect();
            lines.push(cells.join("|"));
        }
    }
    lines
}

/// Bytes of every staged part.
pub(crate) fn bytes(staged: &StagedTable) -> Vec<Vec<u8>> {
    staged.parts.iter().map(|part| std::fs::read(&part.path).unwrap()).collect()
}

pub(crate) fn part_paths(staged: &StagedTable) -> Vec<PathBuf> {
    staged.parts.iter().map(|part| part.path.clone()).collect()
}
