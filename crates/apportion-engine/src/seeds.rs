//! Seeds: small reviewed reference tables kept as CSV beside the models.
//!
//! Every column is text and an empty field is NULL; lines that start with `#` say where the data
//! comes from. A model joins them many-to-one. The trap avoided: type inference, which turns the
//! account id `012345678901` into a number.

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

/// One CSV file of `sql/seeds`.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    path: String,
    text: String,
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
