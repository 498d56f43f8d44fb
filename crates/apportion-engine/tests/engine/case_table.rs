//! Tables of model cases as CSV: typed columns in, plain text out.
//!
//! A column's type comes from its header (`Cost:decimal(38,12)`), else from the catalog's contract
//! of that table, else from `testdata/models/schemas/<table>.csv`, else it is text. The schema file
//! also fills in the columns a case leaves out, as NULL. An empty field is NULL, `''` is the empty
//! string; lines that start with `#` are comments.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use apportion_focus::catalog;
use arrow::array::{
    Array, ArrayRef, Float64Builder, MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;

/// Text of a CSV file: its comment lines, header and rows.
#[derive(Debug, Default)]
pub(crate) struct TextTable {
    pub(crate) comments: Vec<String>,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

impl TextTable {
    /// Reads a CSV file.
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A table from text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let comments = text.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect();
        let format = Format::default().with_header(true).with_comment(b'#');
        let (inferred, _) = format.infer_schema(text.as_bytes(), Some(0)).map_err(|error| error.to_string())?;
        let header: Vec<String> = inferred.fields().iter().map(|field| field.name().clone()).collect();
        let fields: Vec<Field> = header.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
        let reader = ReaderBuilder::new(Arc::new(Schema::new(fields)))
            .with_format(format)
            .build(text.as_bytes())
            .map_err(|error| error.to_string())?;
        let mut rows = Vec::new();
        for batch in reader {
            rows.extend(text_rows(&batch.map_err(|error| error.to_string())?));
        }
        Ok(Self { comments, header, rows })
    }

    /// Converts to a typed batch for the table `name`.
    pub(crate) fn typed(&self, name: &str, models: &Path) -> RecordBatch {
        let schema_file = models.join("schemas").join(format!("{name}.csv"));
        let known = if schema_file.exists() { Self::read(&schema_file).header } else { Vec::new() };
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        for (index, header) in self.header.iter().enumerate() {
            let (column, kind) = column_type(name, header, &known);
            let values: StringArray = self
                .rows
                .iter()
                .map(|row| row[index].as_deref().map(|value| if value == "''" { "" } else { value }))
                .collect();
            let typed =
                typed_column(&values, &kind).unwrap_or_else(|error| panic!("{name}.{column} as {kind}: {error}"));
            columns.push((column, typed));
        }
        for header in &known {
            let (column, kind) = column_type(name, header, &known);
            if columns.iter().all(|(found, _)| *found != column) {
                columns.push((column, new_null_array(&kind, self.rows.len())));
            }
        }
        if let Some(contract) = catalog().table(name) {
            for column in contract.schema().fields() {
                if columns.iter().all(|(found, _)| found != column.name()) {
                    columns.push((column.name().clone(), new_null_array(column.data_type(), self.rows.len())));
                }
            }
        }
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The table as CSV, comments first, rows sorted.
    pub(crate) fn print(&self) -> String {
        let mut lines: Vec<String> = self.sorted_rows();
        let header = self.header.iter().map(|name| quote(name)).collect::<Vec<_>>().join(",");
        lines.insert(0, header);
        let mut text = self.comments.iter().chain(&lines).cloned().collect::<Vec<_>>().join("\n");
        text.push('\n');
        text
    }

    /// Rows as CSV lines, sorted.
    pub(crate) fn sorted_rows(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .rows
            .iter()
            .map(|row| {
                row.iter().map(|value| value.as_deref().map_or(String::new(), quote)).collect::<Vec<_>>().join(",")
            })
            .collect();
        lines.sort();
        lines
    }
}

fn quote(value: &str) -> String {
    if value.is_empty() {
        "''".to_owned()
    } else if value.contains([',', '"', '\n']) || value.starts_with('#') {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

/// The values of a batch as text: decimals without trailing zeros, UTC timestamps with `Z`.
pub(crate) fn text_rows(batch: &RecordBatch) -> Vec<Vec<Option<String>>> {
    let options = FormatOptions::default().with_null("");
    let columns: Vec<_> =
        batch.columns().iter().map(|column| (column, ArrayFormatter::try_new(column, &options).unwrap())).collect();
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|(column, formatter)| {
                    if column.is_null(row) {
                        return None;
                    }
                    let text = formatter.value(row).to_string();
                    let decimal = matches!(column.data_type(), DataType::Decimal128(..)) && text.contains('.');
                    Some(if decimal { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text })
                })
                .collect()
        })
        .collect()
}

/// Name and type of a column written as `name` or `name:type`.
fn column_type(table: &str, header: &str, known: &[String]) -> (String, DataType) {
    if let Some((name, kind)) = header.split_once(':') {
        return (name.to_owned(), parse_type(kind));
    }
    if let Some(column) = catalog().table(table).and_then(|table| table.column(header)) {
        return (header.to_owned(), column.field().data_type().clone());
    }
    let declared = known.iter().find_map(|known| known.split_once(':').filter(|(name, _)| *name == header));
    (header.to_owned(), declared.map_or(DataType::Utf8, |(_, kind)| parse_type(kind)))
}

fn parse_type(kind: &str) -> DataType {
    match kind {
        "utf8" => DataType::Utf8,
        "int64" => DataType::Int64,
        "bool" => DataType::Boolean,
        "float64" => DataType::Float64,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "money" | "decimal(38,12)" => DataType::Decimal128(38, 12),
        "price" | "decimal(38,18)" => DataType::Decimal128(38, 18),
        "residual" | "decimal(38,36)" => DataType::Decimal128(38, 36),
        "map" => text_map().data_type().clone(),
        "map_float64" => double_map().data_type().clone(),
        "credits" => credit_list(),
        "texts" => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
        other => panic!("unknown type `{other}` in a header"),
    }
}

fn text_map() -> arrow::array::MapArray {
    MapBuilder::new(Some(MapFieldNames::default()), StringBuilder::new(), StringBuilder::new()).finish()
}

fn double_map() -> arrow::array::MapArray {
    MapBuilder::new(Some(MapFieldNames::default()), StringBuilder::new(), Float64Builder::new()).finish()
}

/// A list of credits, as `apportion-sources` yields it; cases write it as a JSON array.
fn credit_list() -> DataType {
    let texts = ["name", "full_name", "id", "type"].map(|name| Field::new(name, DataType::Utf8, true));
    let fields: Vec<Field> = texts.into_iter().chain([Field::new("amount", DataType::Float64, true)]).collect();
    DataType::List(Arc::new(Field::new("item", DataType::Struct(fields.into()), true)))
}

/// Lists of records from JSON arrays.
fn lists(values: &StringArray, kind: &DataType) -> Result<ArrayRef, String> {
    let schema = Arc::new(Schema::new(vec![Field::new("list", kind.clone(), true)]));
    let rows: Vec<serde_json::Value> = values
        .iter()
        .map(|json| {
            let list = json.map_or(Ok(serde_json::Value::Null), serde_json::from_str);
            list.map(|list| serde_json::json!({ "list": list })).map_err(|error| error.to_string())
        })
        .collect::<Result<_, _>>()?;
    let builder = arrow::json::ReaderBuilder::new(schema).with_batch_size(rows.len().max(1));
    let mut decoder = builder.build_decoder().map_err(|error| error.to_string())?;
    decoder.serialize(&rows).map_err(|error| error.to_string())?;
    let batch = decoder.flush().map_err(|error| error.to_string())?;
    Ok(batch.map_or_else(|| new_null_array(kind, 0), |batch| Arc::clone(batch.column(0))))
}

fn typed_column(values: &StringArray, kind: &DataType) -> Result<ArrayRef, String> {
    if matches!(kind, DataType::List(_)) {
        return lists(values, kind);
    }
    if !matches!(kind, DataType::Map(..)) {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        return cast_with_options(values, kind, &options).map_err(|error| error.to_string());
    }
    if kind == text_map().data_type() {
        let mut builder = MapBuilder::new(Some(MapFieldNames::default()), StringBuilder::new(), StringBuilder::new());
        for value in values {
            for (key, value) in pairs::<Option<String>>(value)? {
                builder.keys().append_value(key);
                builder.values().append_option(value);
            }
            builder.append(value.is_some()).map_err(|error| error.to_string())?;
        }
        return Ok(Arc::new(builder.finish()));
    }
    let mut builder = MapBuilder::new(Some(MapFieldNames::default()), StringBuilder::new(), Float64Builder::new());
    for value in values {
        for (key, value) in pairs::<f64>(value)? {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        builder.append(value.is_some()).map_err(|error| error.to_string())?;
    }
    Ok(Arc::new(builder.finish()))
}

fn pairs<T: serde::de::DeserializeOwned>(json: Option<&str>) -> Result<std::collections::BTreeMap<String, T>, String> {
    json.map_or_else(|| Ok(Default::default()), |json| serde_json::from_str(json).map_err(|error| error.to_string()))
}

/// A parameter as a typed value: timestamps, dates, integers and booleans by their form.
pub(crate) fn parameter(text: &str) -> ScalarValue {
    let utf8 = ScalarValue::Utf8(Some(text.to_owned()));
    let kinds = [
        (text.contains('T') && text.ends_with('Z')).then(|| parse_type("timestamp")),
        (text.len() == 10 && text.matches('-').count() == 2).then_some(DataType::Date32),
        text.parse::<i64>().is_ok().then_some(DataType::Int64),
        matches!(text, "true" | "false").then_some(DataType::Boolean),
    ];
    kinds.into_iter().flatten().find_map(|kind| utf8.cast_to(&kind).ok()).unwrap_or(utf8)
}
