//! Small Parquet objects shaped like real exports, from a few named values per row.
//!
//! A test names only the values it is about. Everything else is filled the way the real export
//! fills it: empty strings in legacy CUR, NULL elsewhere. Physical types follow the column name.
//!
//! ```
//! use apportion_testkit::ExportBuilder;
//!
//! let object = ExportBuilder::cur2()
//!     .row([("line_item_unblended_cost", 1.5.into()), ("line_item_product_code", "AmazonEC2".into())])
//!     .parquet();
//! assert!(object.starts_with(b"PAR1"));
//! ```

mod build;
mod columns;

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

pub use columns::{CUR2_COLUMNS, FOCUS_1_2_COLUMNS, LEGACY_COLUMNS};

/// Physical type of a fixture column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8 string.
    Text,
    /// 64-bit float.
    Double,
    /// 64-bit integer.
    Integer,
    /// Boolean.
    Boolean,
    /// Decimal128 of this precision and scale.
    Decimal(u8, i8),
    /// Days.
    Date,
    /// Milliseconds UTC, as AWS writes them.
    Millis,
    /// Microseconds UTC.
    Micros,
    /// Microseconds without time zone, as BigQuery writes them.
    LocalMicros,
    /// `MAP<string, string>`.
    TextMap,
    /// `MAP<string, double>`.
    DoubleMap,
    /// List of Google Cloud credits; values are JSON arrays as text.
    Credits,
}

/// One value of a fixture row. Convert with `.into()`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// Text; also the form of timestamps (RFC 3339), dates and decimals.
    Text(String),
    /// A number for a double column.
    Number(f64),
    /// A number for an integer column.
    Integer(i64),
    /// A boolean.
    Boolean(bool),
    /// Entries of a string map.
    TextMap(Vec<(String, String)>),
    /// Entries of a number map.
    DoubleMap(Vec<(String, f64)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Value {
    fn from(entries: [(&str, &str); N]) -> Self {
        Self::TextMap(entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }
}

impl<const N: usize> From<[(&str, f64); N]> for Value {
    fn from(entries: [(&str, f64); N]) -> Self {
        Self::DoubleMap(entries.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect())
    }
}

/// Builds one Parquet object. Rows may name columns in any order; unknown names end the test.
#[derive(Debug, Clone, Default)]
pub struct ExportBuilder {
    columns: Vec<(String, ColumnType)>,
    rows: Vec<Vec<(String, Value)>>,
    defaults: Vec<(String, Value)>,
    empty_text: bool,
    rows_per_group: Option<usize>,
}

impl ExportBuilder {
    /// An object without columns yet; add them with [`Self::column`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// CUR 2.0 with the columns of [`CUR2_COLUMNS`].
    #[must_use]
    pub fn cur2() -> Self {
        Self::new().names(CUR2_COLUMNS)
    }

    /// Legacy CUR with the columns of [`LEGACY_COLUMNS`]; missing strings are `''`.
    #[must_use]
    pub fn legacy() -> Self {
        Self { empty_text: true, ..Self::new().names(LEGACY_COLUMNS) }
    }

    /// Native FOCUS 1.2 export with the columns of [`FOCUS_1_2_COLUMNS`].
    #[must_use]
    pub fn focus() -> Self {
        Self::new().names(FOCUS_1_2_COLUMNS)
    }

    /// Adds columns whose types follow from their names.
    #[must_use]
    pub fn names(mut self, names: &[&str]) -> Self {
        self.columns.extend(names.iter().map(|name| ((*name).to_owned(), columns::type_of(name))));
        self
    }

    /// Adds a column, or changes the type of one that is there.
    #[must_use]
    pub fn column(mut self, name: &str, column_type: ColumnType) -> Self {
        match self.columns.iter_mut().find(|(existing, _)| existing == name) {
            Some((_, existing)) => *existing = column_type,
            None => self.columns.push((name.to_owned(), column_type)),
        }
        self
    }

    /// Removes a column.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.columns.retain(|(existing, _)| existing != name);
        self
    }

    /// Value of a column in every row that does not name it.
    #[must_use]
    pub fn default_value(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.defaults.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a row.
    #[must_use]
    pub fn row<const N: usize>(self, values: [(&str, Value); N]) -> Self {
        self.row_of(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Adds a row whose values were computed.
    #[must_use]
    pub fn row_of(mut self, values: Vec<(String, Value)>) -> Self {
        self.rows.push(values);
        self
    }

    /// Rows per row group; one group when not set.
    #[must_use]
    pub fn rows_per_group(mut self, rows: usize) -> Self {
        self.rows_per_group = Some(rows);
        self
    }

    /// The rows as one Arrow batch.
    ///
    /// # Panics
    /// When a row names an unknown column or a value does not fit its column.
    #[must_use]
    pub fn batch(&self) -> RecordBatch {
        for (name, _) in self.rows.iter().flatten().chain(&self.defaults) {
            assert!(self.columns.iter().any(|(column, _)| column == name), "the fixture has no column `{name}`");
        }
        build::batch(self)
    }

    /// The rows as a Parquet object, Snappy-compressed like the real ones.
    ///
    /// # Panics
    /// As [`Self::batch`].
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support: a broken fixture must end the test")]
    pub fn parquet(&self) -> Bytes {
        let batch = self.batch();
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(self.rows_per_group.unwrap_or(1 << 20)))
            .build();
        let mut content = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut content, batch.schema(), Some(properties)).expect("the schema can be written");
        writer.write(&batch).expect("the batch can be written");
        writer.close().expect("the object can be closed");
        content.into()
    }

    fn value(&self, row: &[(String, Value)], name: &str, column_type: ColumnType) -> Value {
        let find = |values: &[(String, Value)]| {
            values.iter().find(|(column, _)| column == name).map(|(_, value)| value.clone())
        };
        let missing =
            if self.empty_text && column_type == ColumnType::Text { Value::Text(String::new()) } else { Value::Null };
        find(row).or_else(|| find(&self.defaults)).unwrap_or(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legacy_row_has_empty_strings_and_a_cur2_row_has_nulls() {
        for (builder, nulls) in [(ExportBuilder::legacy(), 0), (ExportBuilder::cur2(), 1)] {
            let batch = builder
                .row([
                    ("line_item_unblended_cost", 1.5.into()),
                    ("line_item_usage_start_date", "2026-01-02T03:00:00Z".into()),
                ])
                .batch();
            let column = batch.column_by_name("line_item_resource_id").unwrap();
            assert_eq!(column.null_count(), nulls);
        }
    }

    #[test]
    fn maps_and_times_survive_parquet() {
        let object = ExportBuilder::cur2()
            .row([
                ("resource_tags", [("user_team", "core")].into()),
                ("discount", [("edp", -0.5)].into()),
                ("bill_billing_period_start_date", "2026-01-01T00:00:00Z".into()),
            ])
            .parquet();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(object, 10).unwrap();
        let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        let text = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
        assert!(text.contains("{user_team: core}"), "{text}");
        assert!(text.contains("{edp: -0.5}"), "{text}");
        assert!(text.contains("2026-01-01T00:00:00Z"), "{text}");
    }
}
