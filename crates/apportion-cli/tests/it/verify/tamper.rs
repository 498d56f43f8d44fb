//! Rewrites published files the way somebody with access to the storage could.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Decimal128Array, RecordBatch, UInt64Array};
use arrow::util::display::array_value_to_string;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// The rows of one file.
pub(crate) struct Rows(RecordBatch);

impl Rows {
    fn column(&self, name: &str) -> &ArrayRef {
        self.0.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.num_rows()
    }

    /// A cell as text, `None` for NULL.
    pub(crate) fn text(&self, name: &str, row: usize) -> Option<String> {
        let column = self.column(name);
        column.is_valid(row).then(|| array_value_to_string(column, row).expect("text"))
    }

    /// A decimal in units of 10^-12.
    pub(crate) fn money(&self, name: &str, row: usize) -> i128 {
        self.column(name).as_any().downcast_ref::<Decimal128Array>().expect("decimal").value(row)
    }

    /// Adds units to one decimal.
    pub(crate) fn add(&mut self, name: &str, row: usize, units: i128) {
        let column = self.column(name).as_any().downcast_ref::<Decimal128Array>().expect("decimal");
        let changed: Decimal128Array = column
            .iter()
            .enumerate()
            .map(|(index, value)| value.map(|value| if index == row { value + units } else { value }))
            .collect();
        let changed = changed.with_data_type(column.data_type().clone());
        let index = self.0.schema().index_of(name).expect("column");
        let mut columns = self.0.columns().to_vec();
        columns[index] = Arc::new(changed);
        self.0 = RecordBatch::try_new(self.0.schema(), columns).expect("rows");
    }

    pub(crate) fn remove(&mut self, row: usize) {
        let others = (0..self.count() as u64).filter(|index| *index != row as u64);
        self.take(&others.collect());
    }

    pub(crate) fn repeat(&mut self, row: usize) {
        let rows = (0..self.count() as u64).flat_map(|index| vec![index; if index == row as u64 { 2 } else { 1 }]);
        self.take(&rows.collect());
    }

    fn take(&mut self, rows: &UInt64Array) {
        self.0 = arrow::compute::take_record_batch(&self.0, rows).expect("rows");
    }
}

/// Changes the rows of a file in place.
pub(crate) fn rewrite(file: &Path, change: impl FnOnce(&mut Rows)) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(file).expect("file")).expect("footer");
    let schema = Arc::clone(reader.schema());
    let batches: Vec<RecordBatch> = reader.build().expect("reader").map(|batch| batch.expect("batch")).collect();
    let mut rows = Rows(arrow::compute::concat_batches(&schema, &batches).expect("one batch"));
    change(&mut rows);
    let mut content = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut content, schema, None).expect("writer");
    writer.write(&rows.0).expect("rows");
    writer.close().expect("footer");
    std::fs::write(file, content).expect("file");
}

/// Changes the rows of a file of a Delta table, and what the log says about its size.
pub(crate) fn rewrite_delta(table: &Path, file: &Path, change: impl FnOnce(&mut Rows)) {
    let size = || std::fs::metadata(file).expect("file").len();
    let before = size();
    rewrite(file, change);
    let name = file.file_name().expect("name").to_string_lossy().into_owned();
    let mut corrected = 0;
    for entry in std::fs::read_dir(table.join("_delta_log")).expect("log").flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let lines = text.lines().map(|line| {
            if !line.contains(&name) {
                return line.to_owned();
            }
            corrected += 1;
            line.replace(&format!("\"size\":{before}"), &format!("\"size\":{}", size()))
        });
        let lines: Vec<String> = lines.collect();
        if corrected > 0 {
            std::fs::write(entry.path(), lines.join("\n") + "\n").expect("log");
            return;
        }
    }
    panic!("the log does not name {name}");
}

/// The only data file of a folder.
pub(crate) fn data_file(folder: &Path) -> PathBuf {
    let mut files = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path).unwrap_or_else(|_| panic!("{}", path.display())).flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|it| it == "parquet") {
                files.push(path);
            }
        }
    }
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// Copies a folder with everything in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("file");
        }
    }
}

/// Units of 10^-12 as the tables print them.
pub(crate) fn decimal(units: i128) -> String {
    let digits = format!("{:013}", units.unsigned_abs());
    let (whole, decimals) = digits.split_at(digits.len() - 12);
    format!("{}{whole}.{decimals}", if units < 0 { "-" } else { "" })
}

/// A decimal with twelve decimals in units.
pub(crate) fn units(text: &str) -> i128 {
    text.replace('.', "").parse().expect("decimal")
}
