//! The same rows give the same bytes, whatever order, files and partitions they come in.
//!
//! Every provider's sample month is shuffled and cut into other files, and read with one, two and
//! seven partitions. Whatever a table would owe to the order of its input (a number per repeated
//! row, a first value, a sum of doubles) would show.

use std::path::Path;

use arrow::array::{RecordBatch, UInt64Array};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

use crate::real_exports::PIPELINE;
use crate::sample::{content, sample};
use crate::support::Workspace;

/// A format, and the folders of its sample month with the place of their rows in another export.
struct Case {
    format: &'static str,
    folders: &'static [(&'static str, &'static str)],
}

const AZURE: &str = "testdata/exports/azure/acme";
const CASES: [Case; 3] = [
    Case {
        format: "aws_cur_2",
        folders: &[("testdata/exports/aws/cur2/acme/data/BILLING_PERIOD=2026-02", "data/BILLING_PERIOD=2026-02")],
    },
    Case {
        format: "gcp_billing_export",
        folders: &[("testdata/exports/gcp/acme/invoice_month=202602", "invoice_month=202602")],
    },
    Case {
        format: "azure_cost_management",
        folders: &[
            ("acme-actual/20260201-20260228/202603060600", "actual/20260201-20260228"),
            ("acme-amortized/20260201-20260228/202603060600", "amortized/20260201-20260228"),
        ],
    },
];

/// All rows of the Parquet files below a folder.
fn rows(folder: &Path) -> RecordBatch {
    let mut open = vec![folder.to_owned()];
    let mut batches = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).expect("folder").flatten().map(|entry| entry.path()));
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            let file = std::fs::File::open(&path).expect("export");
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("footer").build().expect("reader");
            batches.extend(reader.map(|batch| batch.expect("batch")));
        }
    }
    let schema = batches.first().unwrap_or_else(|| panic!("no rows below {}", folder.display())).schema();
    arrow::compute::concat_batches(&schema, &batches).expect("one batch")
}

/// Writes rows as `files` Parquet files of different sizes with small row groups.
pub(crate) fn write_cut(workspace: &Workspace, folder: &str, rows: &RecordBatch, files: usize) {
    let total = files * (files + 1) / 2;
    let mut from = 0;
    for file in 1..=files {
        let to = rows.num_rows() * (file * (file + 1) / 2) / total;
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties)).expect("writer");
        writer.write(&rows.slice(from, to - from)).expect("rows");
        writer.close().expect("footer");
        workspace.write(&format!("{folder}/part-{file}.parquet"), &bytes);
        from = to;
    }
}

/// The rows in another order. The factor is prime and larger than any factor of the row count, so
/// every row is taken once.
pub(crate) fn shuffled(rows: &RecordBatch) -> RecordBatch {
    let count = rows.num_rows() as u64;
    let order: UInt64Array = (0..count).map(|index| (index * 7919 + 13) % count).collect();
    arrow::compute::take_record_batch(rows, &order).expect("shuffled")
}

/// Runs the export of a folder and gives every file it published, without the ledger.
fn tables(
    workspace: &Workspace,
    format: &str,
    folder: &str,
    jobs: &str,
) -> std::collections::BTreeSet<(String, Vec<u8>)> {
    let pipeline = PIPELINE.replace("FORMAT", format).replace("export/", folder);
    workspace.write("pipeline.yaml", pipeline.as_bytes());
    let destination = format!("{format}/{folder}-{jobs}");
    let arguments = ["run", "pipeline.yaml", "--period", "2026-02", "--jobs", jobs, "--destination", &destination];
    workspace.run_ok(&arguments);
    let tables = content(workspace, &destination);
    assert!(tables.iter().any(|(name, _)| name.starts_with("allocated_charges/")), "{format}: nothing was allocated");
    tables
}

/// One export as it was written and the same rows shuffled and cut anew.
fn the_same(workspace: &Workspace, format: &str, exports: &[(RecordBatch, &str)]) {
    for (rows, folder) in exports {
        assert!(rows.num_rows() > 400, "{format} has only {} rows", rows.num_rows());
        write_cut(workspace, &format!("written/{folder}"), rows, 1);
        write_cut(workspace, &format!("shuffled/{folder}"), &shuffled(rows), 7);
    }
    let written = tables(workspace, format, "written", "2");
    for jobs in ["1", "2", "7"] {
        let found = tables(workspace, format, "shuffled", jobs);
        let names = |tables: &std::collections::BTreeSet<(String, Vec<u8>)>| {
            tables.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        assert!(found == written, "{format}, {jobs} partitions: {:?}\n{:?}", names(&found), names(&written));
    }
}

#[test]
fn shuffled_and_cut_exports_of_every_provider_give_the_same_bytes_over_any_partitions() {
    let workspace = sample();
    for Case { format, folders } in CASES {
        let exports: Vec<(RecordBatch, &str)> = folders
            .iter()
            .map(|(from, to)| {
                let from = if format.starts_with("azure") { format!("{AZURE}/{from}") } else { (*from).to_owned() };
                (rows(&workspace.path(&from)), *to)
            })
            .collect();
        the_same(&workspace, format, &exports);
        for folder in ["written", "shuffled"] {
            std::fs::remove_dir_all(workspace.path(folder)).expect("export");
        }
    }
}

#[test]
fn a_shuffled_and_cut_native_export_gives_the_same_bytes_over_any_partitions() {
    let workspace = sample();
    workspace.run_ok(&["run", "pipelines/sample.yaml", "--destination", "raw", "--period", "2026-02"]);
    workspace.write("native/bill.parquet", b"");
    let sql = "SELECT * FROM focus_charges WHERE x_BillingPeriod = '2026-02'";
    let arguments = ["query", sql, "--destination", "raw", "--focus-version", "1.2", "--format", "parquet"];
    workspace.run_ok(&[&arguments[..], &["--output", "native/bill.parquet"]].concat());
    the_same(&workspace, "focus", &[(rows(&workspace.path("native")), "export")]);
}
