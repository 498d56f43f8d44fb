//! Two runs of one export that both lie in a folder are refused, equal rows of one run are not.

use std::sync::Arc;

use apportion_sources::{ExportFormat, SourceTable, format};
use apportion_spec::wire::SourceFormat;
use apportion_spec::{Error, ErrorKind};
use apportion_testkit::{S3Server, bigquery};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use serde_json::json;

use crate::support::{BUCKET, assert_contains, location, open};

/// The rows with these numbers as one object; equal numbers are equal rows.
type Write = fn(&[usize]) -> Bytes;

fn google(numbers: &[usize]) -> Bytes {
    let row = |number: &usize| {
        json!({
            "billing_account_id": "01", "cost": 0.5, "invoice": {"month": "202601"},
            "usage_start_time": format!("2026-01-{:02}T{:02}:00:00", 1 + number % 28, number / 28 % 24),
            // What tells rows apart may lie in a list only.
            "labels": [{"key": "pod", "value": format!("pod-{number}")}],
        })
    };
    bigquery::parquet(bigquery::detailed(), &numbers.iter().map(row).collect::<Vec<_>>())
}

fn native(numbers: &[usize]) -> Bytes {
    let count = numbers.len();
    let times = |millis: i64| -> ArrayRef {
        Arc::new(TimestampMillisecondArray::from(vec![millis; count]).with_timezone("UTC"))
    };
    let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; count])) };
    let costs: ArrayRef = Arc::new(numbers.iter().map(|number| Some(*number as f64 / 64.0)).collect::<Float64Array>());
    // 2026-01-01 and 2026-02-01.
    let (start, end) = (times(1_767_225_600_000), times(1_769_904_000_000));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("BilledCost", Arc::clone(&costs)),
        ("BillingAccountId", texts("a")),
        ("BillingCurrency", texts("USD")),
        ("BillingPeriodEnd", Arc::clone(&end)),
        ("BillingPeriodStart", Arc::clone(&start)),
        ("ChargeCategory", texts("Usage")),
        ("ChargePeriodEnd", end),
        ("ChargePeriodStart", start),
        ("EffectiveCost", Arc::clone(&costs)),
        ("ListCost", costs),
        ("ServiceName", texts("Amazon EC2")),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes.into()
}

fn azure(numbers: &[usize]) -> Bytes {
    let header = "BillingCurrency,PreTaxCost,Date,MeterCategory,Quantity,ResourceId,SubscriptionId\n";
    let row = |number: &usize| format!("USD,{number}.25,01/05/2026,Storage,1,/subscriptions/s/x,s\n");
    (header.to_owned() + &numbers.iter().map(row).collect::<String>()).into()
}

const FORMATS: [(SourceFormat, &str, Write); 3] = [
    (SourceFormat::GcpBillingExport, "parquet", google),
    (SourceFormat::Focus, "parquet", native),
    (SourceFormat::AzureCostManagement, "csv", azure),
];

fn of(format_of: SourceFormat) -> &'static dyn ExportFormat {
    format(format_of)
}

/// Opens an export of objects by name.
async fn export(format_of: SourceFormat, objects: &[(String, Bytes)]) -> SourceTable {
    let server = S3Server::start().await;
    let location = location(&server, "e").await;
    for (name, content) in objects {
        server.put(BUCKET, &format!("e/{name}"), content.clone());
    }
    let source = open(of(format_of), &location, "2026-01").await.unwrap();
    // The server must outlive the reads.
    Box::leak(Box::new(server));
    source
}

async fn refusal(format_of: SourceFormat, objects: &[(String, Bytes)]) -> Error {
    export(format_of, objects).await.repeated_rows().await.unwrap_err()
}

fn numbers(from: usize, to: usize) -> Vec<usize> {
    (from..to).collect()
}

#[tokio::test]
async fn two_runs_in_files_of_other_sizes_are_refused_by_name() {
    for (format_of, ending, write) in FORMATS {
        let run = |name: &str, parts: &[(usize, usize)]| -> Vec<(String, Bytes)> {
            let part = |(index, (from, to)): (usize, &(usize, usize))| {
                (format!("{name}-{index}.{ending}"), write(&numbers(*from, *to)))
            };
            parts.iter().enumerate().map(part).collect()
        };
        let objects = [run("first", &[(0, 40)]), run("second", &[(0, 11), (11, 33), (33, 40)])].concat();
        let error = refusal(format_of, &objects).await;
        assert_eq!(error.kind(), ErrorKind::ContractViolated);
        let names = ["e/first-0.", "e/second-0.", "e/second-1.", "e/second-2.", "keep the files of one of them"];
        assert_contains(&error, &names);
        // An earlier run of the month is smaller: the later one holds rows of its own.
        let objects = [run("first", &[(0, 9), (9, 25)]), run("second", &[(0, 12), (12, 40)])].concat();
        let error = refusal(format_of, &objects).await;
        assert_contains(&error, &["e/first-0.", "e/first-1.", "e/second-0."]);
        assert!(!error.to_string().contains("second-1"), "{error}");
        // However few they are: an object of which nothing is its own was delivered twice.
        let objects = [run("first", &[(0, 2)]), run("second", &[(0, 40)])].concat();
        assert_contains(&refusal(format_of, &objects).await, &["every row of `", "e/first-0."]);
    }
}

/// Google added columns over the years, and BigQuery writes what a query selects.
#[tokio::test]
async fn a_run_with_more_columns_is_a_run_of_the_same_rows() {
    let of = SourceFormat::GcpBillingExport;
    let row = |number: usize| {
        json!({
            "billing_account_id": "01", "cost": 0.5, "invoice": {"month": "202601"},
            "usage_start_time": format!("2026-01-{:02}T00:00:00", 1 + number), "cost_at_list": 0.75,
        })
    };
    let rows: Vec<_> = (0..20).map(row).collect();
    let old = bigquery::without(&bigquery::detailed(), &["cost_at_list", "consumption_model"]);
    let bare: Vec<_> = rows
        .iter()
        .cloned()
        .map(|mut row| {
            row.as_object_mut().unwrap().remove("cost_at_list");
            row
        })
        .collect();
    let objects = [
        ("a.parquet".to_owned(), bigquery::parquet(old, &bare)),
        ("b.parquet".to_owned(), bigquery::parquet(bigquery::detailed(), &rows)),
    ];
    assert_contains(&refusal(of, &objects).await, &["every row of `", "e/a.parquet"]);
}

/// Column sets of another age have other names for the same: they are compared by what they are.
#[tokio::test]
async fn columns_of_other_names_are_the_same_columns() {
    let of = SourceFormat::AzureCostManagement;
    let older = |content: Bytes| {
        let text = String::from_utf8(content.to_vec()).unwrap();
        Bytes::from(text.replace("PreTaxCost", "CostInBillingCurrency").replace("ResourceId", "InstanceId"))
    };
    let [a, b] = ["a.csv", "b.csv"].map(str::to_owned);
    let other = vec![(a.clone(), azure(&numbers(0, 1))), (b.clone(), older(azure(&numbers(1, 2))))];
    assert!(export(of, &other).await.repeated_rows().await.unwrap().is_empty());
    let same = vec![(a, azure(&numbers(0, 5))), (b, older(azure(&numbers(0, 6))))];
    assert_contains(&refusal(of, &same).await, &["every row of `", "e/a.csv"]);
}

#[tokio::test]
async fn equal_rows_of_one_run_are_kept_and_only_told() {
    for (format_of, ending, write) in FORMATS {
        let name = |name: &str| format!("{name}.{ending}");
        let told = |objects: Vec<(String, Bytes)>| async move {
            export(format_of, &objects).await.repeated_rows().await.unwrap()
        };
        let whole = vec![(name("a"), write(&numbers(0, 100))), (name("b"), write(&numbers(100, 200)))];
        assert!(told(whole).await.is_empty(), "{}", format_of.as_str());
        // Equal rows inside an object were never written twice.
        let inside = [numbers(0, 100), numbers(0, 100)].concat();
        assert!(told(vec![(name("a"), write(&inside)), (name("b"), write(&numbers(100, 200)))]).await.is_empty());
        let three = vec![(name("a"), write(&numbers(0, 100))), (name("b"), write(&numbers(97, 200)))];
        let notes = told(three).await;
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("3 rows say the same as a row of another object"), "{notes:?}");
    }
}

/// More rows than hashes are kept: the sample is the same of every object, so nothing is missed and
/// nothing accused.
#[tokio::test]
async fn large_exports_are_compared_by_a_sample() {
    let format_of = SourceFormat::Focus;
    let part = |name: &str, from, to| (format!("{name}.parquet"), native(&numbers(from, to)));
    let other = vec![part("a", 0, 150_000), part("b", 150_000, 300_000)];
    let started = std::time::Instant::now();
    assert!(export(format_of, &other).await.repeated_rows().await.unwrap().is_empty());
    println!("300,000 rows were compared in {:?}", started.elapsed());
    let twice = [other.clone(), vec![part("c", 0, 100_000), part("d", 100_000, 300_000)]].concat();
    let error = refusal(format_of, &twice).await;
    assert_contains(&error, &["a.parquet", "b.parquet", "c.parquet", "d.parquet", "compared rows show"]);
    // One row in a hundred.
    let overlap = vec![part("a", 0, 150_000), part("b", 148_500, 300_000)];
    let notes = export(format_of, &overlap).await.repeated_rows().await.unwrap();
    let told: usize = notes[0].split(' ').next().unwrap().parse().unwrap();
    assert!((1..1500).contains(&told) && notes[0].contains("that were compared"), "{notes:?}");
}
