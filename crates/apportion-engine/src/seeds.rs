//! Seeds: small reviewed reference tables kept as CSV beside the models.
//!
//! Every column is text and an empty field is NULL. The comment lines at the head say what the rows
//! are, which columns identify one and where the facts come from; [`Seed::verify`] finds every
//! difference, as for the headers of models. A model joins seeds many-to-one, so a repeated key
//! would multiply charges. The trap avoided: type inference, which turns the account id
//! `012345678901` into a number.

mod csv;
mod extend;

use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use crate::fault::from_datafusion;
use csv::{Row, Rows};

pub use extend::SeedExtension;

/// One CSV file of `sql/seeds`.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    path: String,
    text: String,
}

/// What the comment lines at the head of a seed say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Header {
    /// `# seed:` the name of the file.
    seed: String,
    /// `# key:` columns that together identify a row.
    key: Vec<String>,
    /// `# unique:` further columns whose values, where given, occur once.
    unique: Vec<String>,
    /// `# form:` how keys are written, because the models look them up so.
    form: Form,
    /// `# source:` where the facts come from: a link and the day they were read.
    source: String,
    /// `# why:` what the rows are for.
    why: String,
}

/// How the keys of a seed are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Form {
    lower_case: bool,
    no_spaces: bool,
}

impl Form {
    fn parse(text: &str) -> Self {
        let says = |phrase: &str| text.split(',').any(|part| part.trim() == phrase);
        Self { lower_case: says("lower case"), no_spaces: says("no spaces") }
    }

    /// A key as it has to be written.
    fn of(self, key: &str) -> String {
        let key = if self.lower_case { key.to_lowercase() } else { key.to_owned() };
        if self.no_spaces { key.replace(' ', "") } else { key }
    }
}

const HEADER_KEYS: [&str; 6] = ["seed", "key", "unique", "form", "source", "why"];

impl Header {
    /// Reads the leading comment lines; a line without a known key continues the one before.
    fn parse(text: &str) -> Self {
        let mut entries: Vec<(&str, String)> = Vec::new();
        for line in text.lines().map_while(|line| line.strip_prefix('#')) {
            let entry = line.split_once(':').filter(|(key, _)| HEADER_KEYS.contains(&key.trim()));
            match (entry, entries.last_mut()) {
                (Some((key, value)), _) => entries.push((key.trim(), value.trim().to_owned())),
                (None, Some((_, value))) => value.push_str(&format!(" {}", line.trim())),
                (None, None) => {}
            }
        }
        let text = |key: &str| entries.iter().find(|(found, _)| *found == key).map_or("", |(_, value)| value.as_str());
        let names = |key: &str| {
            text(key).split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
        };
        Self {
            seed: text("seed").to_owned(),
            key: names("key"),
            unique: names("unique"),
            form: Form::parse(text("form")),
            source: text("source").to_owned(),
            why: text("why").to_owned(),
        }
    }
}

impl Seed {
    /// The table a file becomes: `seeds/regions.csv` is `seed_regions`.
    pub(crate) fn named_by(path: &str) -> Option<String> {
        let file = path.strip_prefix("seeds/")?.strip_suffix(".csv")?;
        Some(format!("seed_{}", file.replace('/', "_").trim_start_matches("seed_")))
    }

    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: format!("sql/{path}"), text: text.to_owned() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text without the comment lines at its head.
    pub(crate) fn rows(&self) -> &str {
        let mut rows = self.text.as_str();
        while rows.starts_with('#') {
            rows = rows.split_once('\n').map_or("", |(_, rest)| rest);
        }
        rows
    }

    /// Name of the file without its extension.
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".csv")
    }

    /// Every difference between the header and the rows, and every row that is out of order.
    pub(crate) fn verify(&self) -> Vec<String> {
        let header = Header::parse(&self.text);
        let rows = match Rows::parse(&self.text) {
            Ok(rows) => rows,
            Err((line, message)) => return vec![format!("{}:{line}: {message}", self.path)],
        };
        let mut findings = Vec::new();
        if header.seed != self.name() {
            findings.push(format!("header names seed `{}`, the file is `{}`", header.seed, self.name()));
        }
        if header.key.is_empty() {
            findings.push("header lacks key".to_owned());
        }
        for column in header.key.iter().chain(&header.unique).filter(|name| !rows.columns.contains(name)) {
            findings.push(format!("header names column `{column}`, which is not there"));
        }
        if !header.source.contains("https://") || !header.source.split(['(', ')', ' ', ',', ';']).any(is_day) {
            findings.push("source must name a link and the day the facts were read, such as 2026-11-25".to_owned());
        }
        if header.why.is_empty() {
            findings.push("header lacks why".to_owned());
        }
        findings = findings.into_iter().map(|finding| format!("{}: {finding}", self.path)).collect();
        let place = |row: &Row, message: String| format!("{}:{}: {message}", self.path, row.line);
        let mut before: Option<(Vec<&str>, &Row)> = None;
        for row in &rows.rows {
            let key: Vec<&str> = header.key.iter().map(|column| rows.field(row, column)).collect();
            for part in key.iter().filter(|part| part.is_empty() || header.form.of(part) != **part) {
                findings.push(place(row, format!("key `{part}` is not in the form the header declares")));
            }
            if let Some((earlier, _)) = &before
                && *earlier >= key
            {
                let what = if *earlier == key { "is there twice" } else { "is not in the order of the bytes" };
                findings.push(place(row, format!("key `{}` {what}", key.join(","))));
            }
            before = Some((key, row));
        }
        for column in &header.unique {
            let mut values: Vec<(&str, &Row)> = rows.rows.iter().map(|row| (rows.field(row, column), row)).collect();
            values.retain(|(value, _)| !value.is_empty());
            values.sort_by_key(|(value, row)| (*value, row.line));
            for pair in values.windows(2) {
                if let [(first, _), (second, row)] = pair
                    && first == second
                {
                    findings.push(place(row, format!("`{column}` {second} is there twice")));
                }
            }
        }
        findings
    }

    pub(crate) fn register(&self, context: &SessionContext, name: &str) -> Result<()> {
        let table = self.table().map_err(|error| {
            Error::new(ErrorKind::SqlInvalid, format!("seed is not a CSV table: {error}")).with("file", &self.path)
        })?;
        context
            .register_table(TableReference::bare(name), Arc::new(table))
            .map(|_| ())
            .map_err(|error| from_datafusion(&error).with("file", &self.path))
    }

    fn table(&self) -> Result<MemTable, ArrowError> {
        let format = Format::default().with_header(true).with_comment(b'#');
        let (inferred, _) = format.infer_schema(self.text.as_bytes(), Some(0))?;
        let fields: Vec<Field> =
            inferred.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let batches = ReaderBuilder::new(Arc::clone(&schema))
            .with_format(format)
            .build(self.text.as_bytes())?
            .collect::<Result<Vec<_>, _>>()?;
        MemTable::try_new(schema, vec![batches]).map_err(|error| ArrowError::ExternalError(Box::new(error)))
    }
}

/// Whether a word is a date such as `2026-11-25`.
fn is_day(word: &str) -> bool {
    let pattern =
        |(index, byte): (usize, u8)| if matches!(index, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    word.len() == 10 && word.bytes().enumerate().all(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "\
# seed:   places
# key:    place
# unique: code
# form:   lower case, no spaces
# source: https://example.org/places
#         (2026-11-25)
# why:    names
place,code,name
a,1,A
b,,B
c,,\"C, the last\"
";

    fn verify(text: &str) -> Vec<String> {
        Seed::new("seeds/places.csv", text).verify()
    }

    #[test]
    fn a_true_header_over_sorted_rows_has_no_findings() {
        assert_eq!(verify(SEED), Vec::<String>::new());
    }

    #[test]
    fn every_lie_and_every_disorder_is_found() {
        for (from, to, finding) in [
            ("seed:   places", "seed:   plaices", "header names seed `plaices`, the file is `places`"),
            ("# key:    place", "# key:    town", "header names column `town`, which is not there"),
            (" (2026-11-25)", " (in autumn)", "source must name a link and the day"),
            ("https://example.org/places", "the atlas", "source must name a link and the day"),
            ("# why:    names\n", "", "header lacks why"),
            ("b,,B", "B,,B", ":10: key `B` is not in the form"),
            ("b,,B", "a,,B", ":10: key `a` is there twice"),
            ("b,,B", "d,,B", ":11: key `c` is not in the order"),
            ("b,,B", "b,1,B", ":10: `code` 1 is there twice"),
            ("b,,B", "b,B", ":10: 2 fields, the header has 3"),
        ] {
            let text = SEED.replace(from, to);
            assert_ne!(text, SEED, "{from}");
            assert!(verify(&text).iter().any(|found| found.contains(finding)), "{to}: {:?}", verify(&text));
        }
    }
}
