//! Destinations of versions that wrote partition columns into Parquet files: read, verified, continued.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apportion_sinks::{StagedPart, StagedTable};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use object_store::ObjectStoreExt;
use object_store::local::LocalFileSystem;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::estate::estate;
use crate::support::{Workspace, transcript};

/// Every file below a folder.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("folder").flatten() {
        if entry.path().is_dir() {
            walk(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

/// The data files of the tables, without kept versions.
fn data_files(workspace: &Workspace) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&workspace.path("tables"), &mut found);
    found.retain(|path| path.extension().is_some_and(|it| it == "parquet") && !path.to_string_lossy().contains("/_"));
    found.sort();
    found
}

fn columns(path: &Path) -> Vec<String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).expect("file")).expect("parquet");
    builder.schema().fields().iter().map(|field| field.name().clone()).collect()
}

/// The partition a file lies in.
fn partition(path: &Path) -> Vec<(String, String)> {
    let folders = path.parent().expect("folder").iter().filter_map(|folder| folder.to_str()?.split_once('='));
    folders.map(|(column, value)| (column.to_owned(), value.to_owned())).collect()
}

fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of a partition of one file, as the index and certificates have it.
fn digest(sha256: &str) -> String {
    let part =
        StagedPart { path: PathBuf::new(), rows: 0, bytes: 0, sha256: sha256.to_owned(), statistics: Vec::new() };
    StagedTable { parts: vec![part], rows: 0, schema: Arc::new(Schema::empty()) }.digest()
}

/// Writes a file as earlier versions did, with the partition columns first; returns both digests, size and tag.
fn rewrite(path: &Path) -> (String, Json) {
    let before = sha256(&std::fs::read(path).expect("file"));
    let file = std::fs::File::open(path).expect("file");
    let batches: Vec<RecordBatch> = ParquetRecordBatchReaderBuilder::try_new(file)
        .expect("parquet")
        .build()
        .expect("reader")
        .map(|batch| batch.expect("batch"))
        .collect();
    let mut content = Vec::new();
    let mut writer: Option<ArrowWriter<&mut Vec<u8>>> = None;
    let mut sink = Some(&mut content);
    for batch in batches {
        let mut fields: Vec<Arc<Field>> = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (column, value) in partition(path) {
            fields.push(Arc::new(Field::new(column, DataType::Utf8, false)));
            arrays.push(Arc::new(StringArray::from(vec![value; batch.num_rows()])));
        }
        fields.extend(batch.schema().fields().iter().cloned());
        arrays.extend(batch.columns().iter().cloned());
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("batch");
        if let Some(content) = sink.take() {
            writer = Some(ArrowWriter::try_new(content, batch.schema(), None).expect("writer"));
        }
        writer.as_mut().expect("writer").write(&batch).expect("write");
    }
    drop(writer.expect("rows").close().expect("footer"));
    std::fs::remove_file(path).expect("a staged file may be the same");
    std::fs::write(path, &content).expect("file");
    let location = object_store::path::Path::from_absolute_path(path.canonicalize().expect("path")).expect("path");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let e_tag = runtime.block_on(async { LocalFileSystem::new().head(&location).await.expect("object").e_tag });
    (before, json!({ "sha256": sha256(&content), "bytes": content.len(), "e_tag": e_tag }))
}

/// Puts what is known of the rewritten files into a document.
fn update(document: &mut Json, files: &BTreeMap<String, Json>, digests: &BTreeMap<String, String>) {
    match document {
        Json::Object(members) => {
            let known = members.get("sha256").and_then(Json::as_str).and_then(|sha256| files.get(sha256)).cloned();
            for (name, value) in known.iter().flat_map(|known| known.as_object().expect("known")) {
                if members.contains_key(name) {
                    members.insert(name.clone(), value.clone());
                }
            }
            members.values_mut().for_each(|member| update(member, files, digests));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| update(item, files, digests)),
        Json::String(text) => {
            if let Some(digest) = digests.get(text) {
                text.clone_from(digest);
            }
            if text.starts_with(concat!(env!("CARGO_PKG_VERSION"), "+")) {
                concat!(env!("CARGO_PKG_VERSION"), "+0123456789abcdef").clone_into(text);
            }
        }
        _ => {}
    }
}

/// Makes the destination one of an earlier version.
fn age(workspace: &Workspace) {
    let (mut files, mut digests) = (BTreeMap::new(), BTreeMap::new());
    for path in data_files(workspace) {
        let (before, now) = rewrite(&path);
        digests.insert(digest(&before), digest(now["sha256"].as_str().expect("digest")));
        files.insert(before, now);
    }
    std::fs::remove_dir_all(workspace.path("tables/_apportion/columns")).expect("what earlier versions lack");
    let mut documents = Vec::new();
    walk(&workspace.path("tables/_apportion"), &mut documents);
    for path in documents.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
        let mut document: Json = serde_json::from_slice(&std::fs::read(path).expect("document")).expect("JSON");
        update(&mut document, &files, &digests);
        std::fs::write(path, serde_json::to_vec_pretty(&document).expect("JSON")).expect("document");
    }
}

const TABLES: [&str; 6] = [
    "focus_charges",
    "driver_quantities",
    "allocated_charges",
    "reconciliation",
    "completeness",
    "unit_economics_daily",
];

/// Rows by partition column and cost of every table.
fn seen(workspace: &Workspace) -> Vec<Vec<String>> {
    let mut seen = Vec::new();
    for table in TABLES.into_iter().take(5) {
        let sql = format!("SELECT x_BillingPeriod, count(*) FROM {table} GROUP BY 1 ORDER BY 1");
        seen.extend(workspace.query("tables", &sql));
        let sql = format!("SELECT count(*) FROM {table} WHERE x_BillingPeriod = '2026-02'");
        seen.extend(workspace.query("tables", &sql));
    }
    let costs = "SELECT x_Source, x_BillingPeriod, sum(EffectiveCost) FROM focus_charges GROUP BY 1, 2 ORDER BY 1, 2";
    seen.extend(workspace.query("tables", costs));
    seen
}

#[test]
fn a_destination_of_an_earlier_version_is_read_verified_and_continued() {
    let workspace = estate("");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    for file in data_files(&workspace) {
        let inside = columns(&file);
        assert!(partition(&file).iter().all(|(column, _)| !inside.contains(column)), "{}", file.display());
    }
    let whole = seen(&workspace);
    age(&workspace);
    let earlier = data_files(&workspace);
    assert!(earlier.iter().all(|file| partition(file).iter().all(|(column, _)| columns(file).contains(column))));

    // What the earlier version wrote is read and proven as it is.
    assert_eq!(seen(&workspace), whole);
    let order = "SELECT column_name FROM information_schema.columns WHERE table_name = 'allocated_charges' \
                 ORDER BY ordinal_position LIMIT 3";
    let first = workspace.query("tables", order);
    assert_eq!(first, [["x_BillingPeriod"], ["x_ChargeDate"], ["x_IsPartialDay"]]);
    workspace.run_ok(&["verify", "pipeline.yaml"]);
    workspace.run_ok(&["verify", "--destination", "tables"]);

    // One month is continued, so every table holds files of both shapes.
    workspace.run_ok(&["run", "pipeline.yaml", "--period", "2026-02"]);
    let is_new = |file: &PathBuf| partition(file).iter().all(|(column, _)| !columns(file).contains(column));
    for file in data_files(&workspace) {
        assert_eq!(is_new(&file), file.to_string_lossy().contains("2026-02"), "{}", file.display());
    }
    assert_eq!(seen(&workspace), whole);
    assert_eq!(workspace.query("tables", order), first);
    workspace.run_ok(&["verify", "pipeline.yaml"]);
    // The version that was replaced has the columns inside.
    let told = workspace.run_ok(&["diff", "pipeline.yaml", "--period", "2026-02"]);
    assert!(!String::from_utf8_lossy(&told.stdout).contains("not kept"), "{}", transcript(&told, &[]));
    workspace.run_ok(&["explain", "pipeline.yaml", "--period", "2026-01", "--target", "team-a"]);

    // And so are the others, once.
    workspace.run_ok(&["run", "pipeline.yaml"]);
    assert!(data_files(&workspace).iter().all(is_new));
    assert_eq!(seen(&workspace), whole);
    workspace.run_ok(&["verify", "pipeline.yaml"]);
    let again = workspace.run_ok(&["run", "pipeline.yaml"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("Everything is up to date"), "{}", transcript(&again, &[]));
}
