//! What the staged files promise.

use std::fs::File;
use std::sync::Arc;

use apportion_sinks::{StatisticsValue, TableSpec, WriterOptions, staged_table, write_staged};
use apportion_spec::ErrorKind;
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, StringViewArray, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::prelude::SessionContext;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::support::{bytes, charges, part_paths, partition, partition_of, plain, rows, small, stream, text};

#[tokio::test]
async fn bytes_do_not_depend_on_batches_or_encoders() {
    let batch = rows(&partition("aws", "2026-01"), 3_000, 0);
    let mut seen = Vec::new();
    for (piece, encoders) in [(3_000, 1), (1, 2), (63, 3), (64, 8), (65, 2), (257, 5), (1_024, 1)] {
        let staging = tempfile::tempdir().unwrap();
        let options = WriterOptions { encoders, ..small() };
        let written = write_staged(stream(&batch, piece), staging.path(), &charges(), &partition_of(&batch), &options)
            .await
            .unwrap();
        assert_eq!(written.rows, 3_000);
        assert_eq!(written.parts.iter().map(|part| part.rows).collect::<Vec<_>>(), [1_024, 1_024, 952]);
        let digests: Vec<String> = written.parts.iter().map(|part| part.sha256.clone()).collect();
        seen.push((bytes(&written), digests));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn string_views_and_dictionaries_give_the_same_bytes() {
    let at = partition("aws", "2026-01");
    let batch = rows(&at, 300, 0);
    let mut fields: Vec<Field> = plain(&charges()).fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut columns = batch.columns().to_vec();
    for (index, data_type) in [
        (3, DataType::Utf8View),
        (5, DataType::Utf8View),
        (7, DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
    ] {
        columns[index] = cast(&columns[index], &data_type).unwrap();
        fields[index] = fields[index].clone().with_data_type(data_type).with_nullable(true);
    }
    assert!(columns[3].as_any().is::<StringViewArray>());
    let other = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let mut written = Vec::new();
    for batch in [&batch, &other] {
        let staging = tempfile::tempdir().unwrap();
        let staged = write_staged(stream(batch, 77), staging.path(), &charges(), &at, &small()).await.unwrap();
        written.push(bytes(&staged));
    }
    assert_eq!(written[0], written[1]);
}

#[tokio::test]
async fn files_hold_fixed_row_groups_and_stable_metadata_only() {
    let staging = tempfile::tempdir().unwrap();
    let batch = rows(&partition("aws", "2026-01"), 600, 0);
    let staged =
        write_staged(stream(&batch, 50), staging.path(), &charges(), &partition_of(&batch), &small()).await.unwrap();
    let reader = SerializedFileReader::new(File::open(&part_paths(&staged)[0]).unwrap()).unwrap();
    let metadata = reader.metadata();
    let groups: Vec<i64> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [256, 256, 88]);
    let file = metadata.file_metadata();
    assert!(file.created_by().unwrap().starts_with("apportion version "));
    let about: Vec<(&str, Option<&str>)> =
        file.key_value_metadata().unwrap().iter().map(|pair| (pair.key.as_str(), pair.value.as_deref())).collect();
    let partition = "x_Source=aws/x_BillingPeriod=2026-01";
    assert_eq!(about, [("apportion.table", Some("charges")), ("apportion.partition", Some(partition))]);
    let sorting = metadata.row_group(0).sorting_columns().unwrap();
    assert_eq!(sorting.iter().map(|column| column.column_idx).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(staged.parts[0].bytes, std::fs::metadata(&staged.parts[0].path).unwrap().len());
    // Without an embedded Arrow schema the types still come back exactly.
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&staged.parts[0].path).unwrap()).unwrap();
    let written: Vec<usize> = vec![0, 1, 2, 3, 5, 6];
    assert_eq!(builder.schema().fields(), plain(&charges()).project(&written).unwrap().fields());
    let back: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    assert_eq!(text(&back), text(&[batch.project(&written).unwrap()]));
}

#[tokio::test]
async fn files_lack_the_partition_columns() {
    let staging = tempfile::tempdir().unwrap();
    let at = partition("aws", "2026-01");
    let batch = rows(&at, 10, 0);
    let staged = write_staged(stream(&batch, 50), staging.path(), &charges(), &at, &small()).await.unwrap();
    let names: Vec<&str> = staged.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert!(!names.contains(&"x_Source") && !names.contains(&"x_BillingPeriod"));
    // Read as staged, they are back, in the table's order.
    let context = SessionContext::new();
    context.register_table("staged", staged_table(&staged, &charges(), &at).unwrap()).unwrap();
    let read = context.sql("select * from staged order by \"x_ChargeId\"").await.unwrap().collect().await.unwrap();
    assert_eq!(text(&read), text(&[batch]));
    let sql = "select count(*), min(\"x_Source\") from staged where \"x_BillingPeriod\" = '2026-01'";
    let read = context.sql(sql).await.unwrap().collect().await.unwrap();
    assert_eq!(text(&read), ["10|aws"]);
}

#[tokio::test]
async fn no_rows_give_no_files_and_clear_earlier_ones() {
    let staging = tempfile::tempdir().unwrap();
    let at = partition("aws", "2026-01");
    for (count, files) in [(2_000, 2), (0, 0)] {
        let batch = rows(&at, count, 0);
        let staged = write_staged(stream(&batch, 50), staging.path(), &charges(), &at, &small()).await.unwrap();
        assert_eq!(staged.parts.len(), files);
        assert_eq!(std::fs::read_dir(staging.path()).unwrap().count(), files);
    }
}

#[tokio::test]
async fn statistics_bound_the_values() {
    let staging = tempfile::tempdir().unwrap();
    let batch = rows(&partition("aws", "2026-01"), 600, 0);
    let staged =
        write_staged(stream(&batch, 50), staging.path(), &charges(), &partition_of(&batch), &small()).await.unwrap();
    let of = |name: &str| staged.parts[0].statistics.iter().find(|column| column.name == name).unwrap().clone();
    let service = of("ServiceName");
    assert_eq!(service.null_count, Some(60));
    assert_eq!(service.minimum, Some(StatisticsValue::Text("Service 0".to_owned())));
    assert_eq!(service.maximum, Some(StatisticsValue::Text("Service 8".to_owned())));
    let start = of("ChargePeriodStart");
    assert_eq!(start.minimum, Some(StatisticsValue::Timestamp(1_767_225_600_000_000)));
    assert_eq!(start.maximum, Some(StatisticsValue::Timestamp(1_767_225_600_000_000 + 599 * 1_000_001)));
    assert_eq!(of("BilledCost").minimum, None);
    assert_eq!(of("BilledCost").null_count, Some(0));
}

async fn refusal(batch: &RecordBatch) -> apportion_spec::Error {
    let staging = tempfile::tempdir().unwrap();
    let at = partition("aws", "2026-01");
    write_staged(stream(batch, 50), staging.path(), &charges(), &at, &small()).await.unwrap_err()
}

#[tokio::test]
async fn what_breaks_the_contract_is_refused() {
    let batch = rows(&partition("aws", "2026-01"), 200, 0);
    let order: Vec<u32> = (0..200)
        .map(|index| {
            if index == 130 {
                129
            } else if index == 129 {
                130
            } else {
                index
            }
        })
        .collect();
    let unsorted = arrow::compute::take_record_batch(&batch, &arrow::array::UInt32Array::from(order)).unwrap();
    let error = refusal(&unsorted).await;
    assert_eq!(error.kind(), ErrorKind::ContractViolated);
    assert_eq!(error.to_string(), "rows are not in the order of the table (table: charges, row: 130)");

    let without = batch.project(&[0, 1, 2, 3, 4, 5, 6]).unwrap();
    let error = refusal(&without).await;
    assert_eq!(error.to_string(), "the query lacks a column of the table (table: charges, column: x_Source)");

    // The writer leaves out what the folders say, so a row of another month would become one of this.
    for (index, column) in [(4, "x_BillingPeriod"), (7, "x_Source")] {
        for other in [Some("2026-02"), None] {
            let mut values = vec![Some(if index == 4 { "2026-01" } else { "aws" }); 200];
            values[130] = other;
            let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
            fields[index] = fields[index].clone().with_nullable(true);
            let mut columns = batch.columns().to_vec();
            columns[index] = Arc::new(StringArray::from(values));
            let error = refusal(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()).await;
            let expected = if index == 4 { "2026-01" } else { "aws" };
            assert_eq!(
                error.to_string(),
                format!(
                    "a row belongs to another partition (table: charges, column: {column}, expected: {expected}, \
                     found: {})",
                    other.unwrap_or("NULL")
                )
            );
        }
    }

    let replace = |index: usize, column: ArrayRef| {
        let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut columns = batch.columns().to_vec();
        fields[index] = fields[index].clone().with_data_type(column.data_type().clone()).with_nullable(true);
        columns[index] = column;
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    };
    let floats = cast(batch.column(0), &DataType::Float64).unwrap();
    assert_eq!(
        refusal(&replace(0, floats)).await.to_string(),
        "the query yields a column with another type than the table \
         (table: charges, column: BilledCost, expected: Decimal128(38, 12), found: Float64)"
    );
    let nulls = arrow::array::new_null_array(&DataType::Decimal128(38, 12), 200);
    assert_eq!(
        refusal(&replace(0, nulls)).await.to_string(),
        "a column that must have a value holds nulls (table: charges, column: BilledCost, nulls: 50)"
    );
}

#[tokio::test]
async fn nested_columns_are_written_whole() {
    let inner = |name: &str, data_type| Arc::new(Field::new(name, data_type, true));
    let costs: ArrayRef = Arc::new(StructArray::from(vec![
        (inner("Name", DataType::Utf8), Arc::new(StringArray::from(vec![Some("a"), None, Some("c")])) as ArrayRef),
        (inner("Size", DataType::Int64), Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
    ]));
    let key: ArrayRef = Arc::new(StringArray::from(vec!["1", "2", "3"]));
    let batch = RecordBatch::try_from_iter([("Costs", costs), ("Key", key)]).unwrap();
    let table = TableSpec {
        name: "nested".to_owned(),
        description: String::new(),
        schema: batch.schema(),
        partition_by: Vec::new(),
        sort_by: vec!["Key".to_owned()],
    };
    for encoders in [1, 2, 5] {
        let staging = tempfile::tempdir().unwrap();
        let options = WriterOptions { encoders, ..small() };
        let staged = write_staged(stream(&batch, 2), staging.path(), &table, &[], &options).await.unwrap();
        let file = File::open(&staged.parts[0].path).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        assert_eq!(builder.metadata().row_group(0).sorting_columns().unwrap()[0].column_idx, 2);
        let back: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
        assert_eq!(text(&back), text(std::slice::from_ref(&batch)));
        assert_eq!(staged.parts[0].statistics.len(), 1, "only plain columns have statistics");
    }
}
