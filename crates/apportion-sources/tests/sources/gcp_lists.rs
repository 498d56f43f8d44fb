//! Repeated records without a list annotation: the encoding BigQuery writes unless list inference is
//! asked for. The Arrow writer cannot produce it, so the file is written column by column.

use std::sync::Arc;

use apportion_sources::format;
use apportion_spec::wire::SourceFormat;
use apportion_testkit::S3Server;
use bytes::Bytes;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::support::{BUCKET, location, open, query, rows};

const SCHEMA: &str = "message schema {
  optional binary billing_account_id (UTF8);
  optional group service { optional binary id (UTF8); optional binary description (UTF8); }
  optional group sku { optional binary id (UTF8); optional binary description (UTF8); }
  optional int64 usage_start_time (TIMESTAMP(MICROS,false));
  optional int64 usage_end_time (TIMESTAMP(MICROS,false));
  repeated group labels { optional binary key (UTF8); optional binary value (UTF8); }
  optional double cost;
  optional binary currency (UTF8);
  repeated group credits {
    optional binary name (UTF8);
    optional double amount;
    optional binary full_name (UTF8);
    optional binary id (UTF8);
    optional binary type (UTF8);
  }
  optional group invoice { optional binary month (UTF8); }
  optional binary cost_type (UTF8);
}";

/// The values of one leaf column with their definition and repetition levels.
enum Leaf {
    Texts(Vec<&'static str>, Vec<i16>, Vec<i16>),
    Numbers(Vec<f64>, Vec<i16>, Vec<i16>),
    Times(Vec<i64>, Vec<i16>),
}

/// Two rows: one with two labels and three credits, one with none of either.
fn leaves() -> Vec<Leaf> {
    let start = 1_767_607_200_000_000; // 2026-01-05T10:00:00Z
    let flat = |text: &'static str| Leaf::Texts(vec![text; 2], vec![1; 2], vec![]);
    let nested = |text: &'static str| Leaf::Texts(vec![text; 2], vec![2; 2], vec![]);
    // The last entry of both levels is the second row, which repeats nothing.
    let labels = |texts: [&'static str; 2]| Leaf::Texts(texts.to_vec(), vec![2, 2, 0], vec![0, 1, 0]);
    let credits = |texts: [&'static str; 3]| Leaf::Texts(texts.to_vec(), vec![2, 2, 2, 0], vec![0, 1, 1, 0]);
    vec![
        flat("01-02"),
        nested("6F81"),
        nested("Compute Engine"),
        nested("S1"),
        nested("Core"),
        Leaf::Times(vec![start; 2], vec![1; 2]),
        Leaf::Times(vec![start + 3_600_000_000; 2], vec![1; 2]),
        labels(["env", "team"]),
        labels(["prod", "core"]),
        Leaf::Numbers(vec![0.5, 0.25], vec![1; 2], vec![]),
        flat("USD"),
        credits(["a", "b", "c"]),
        Leaf::Numbers(vec![-0.1, -0.2, -0.05], vec![2, 2, 2, 0], vec![0, 1, 1, 0]),
        // The middle credit has no full name.
        Leaf::Texts(vec!["A", "C"], vec![2, 1, 2, 0], vec![0, 1, 1, 0]),
        credits(["1", "2", "3"]),
        credits(["DISCOUNT", "PROMOTION", "COMMITTED_USAGE_DISCOUNT"]),
        nested("202601"),
        flat("regular"),
    ]
}

fn file() -> Bytes {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut content = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut content, schema, Arc::new(WriterProperties::builder().build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for leaf in leaves() {
        let mut column = group.next_column().unwrap().unwrap();
        let levels = |levels: Vec<i16>| (!levels.is_empty()).then_some(levels);
        match (column.untyped(), leaf) {
            (ColumnWriter::ByteArrayColumnWriter(writer), Leaf::Texts(texts, defined, repeated)) => {
                let values: Vec<ByteArray> = texts.into_iter().map(ByteArray::from).collect();
                writer.write_batch(&values, Some(&defined), levels(repeated).as_deref()).unwrap();
            }
            (ColumnWriter::DoubleColumnWriter(writer), Leaf::Numbers(values, defined, repeated)) => {
                writer.write_batch(&values, Some(&defined), levels(repeated).as_deref()).unwrap();
            }
            (ColumnWriter::Int64ColumnWriter(writer), Leaf::Times(values, defined)) => {
                writer.write_batch(&values, Some(&defined), None).unwrap();
            }
            _ => unreachable!("the leaf has another type than the schema says"),
        }
        column.close().unwrap();
    }
    assert!(group.next_column().unwrap().is_none(), "a leaf of the schema has no values");
    group.close().unwrap();
    writer.close().unwrap();
    Bytes::from(content)
}

#[tokio::test]
async fn repeated_records_without_annotation_lose_no_credit() {
    let server = S3Server::start().await;
    server.put(BUCKET, "g/000000000000.parquet", file());
    let gcp = format(SourceFormat::GcpBillingExport);
    let source = open(gcp, &location(&server, "g").await, "2026-01").await.unwrap();
    let sql = "select cost, labels, credits from src_gcp__line_items order by cost desc";
    let credits = "[{name: a, full_name: A, id: 1, type: DISCOUNT, amount: -0.1}, \
                   {name: b, full_name: , id: 2, type: PROMOTION, amount: -0.2}, \
                   {name: c, full_name: C, id: 3, type: COMMITTED_USAGE_DISCOUNT, amount: -0.05}]";
    let found = rows(&query(&source, sql).await.unwrap());
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], format!("0.5|{{env: prod, team: core}}|{credits}"));
    assert!(found[1].starts_with("0.25|"), "{}", found[1]);
    assert!(!found[1].contains("name"), "the second row has no credits: {}", found[1]);
}
