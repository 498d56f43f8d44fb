//! Writes an answer as it comes: batch by batch, so that an answer of any size needs the memory of one batch.
//!
//! Only a table for people needs its rows together, to know how wide they are, so it is cut, and says what it
//! left out.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result, printable};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches;
use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::OpenedTables;
use crate::args::{QueryArgs, QueryFormat};
use crate::files::Replacement;
use crate::output::{self, Results, grouped};
use crate::staging::query_error;

/// Rows that are turned into text at a time.
const PIECE: usize = 1_024;
/// Rows of a table for people.
const MOST_ROWS: usize = 10_000;
/// Cells of a table for people, each of which costs more than its text.
const MOST_CELLS: usize = 100_000;
/// Bytes of text in a table for people.
const MOST_BYTES: usize = 4 << 20;
/// Rows beyond those that are counted; an answer may never end.
const MOST_COUNTED: usize = 10_000_000;
/// Bytes of a Parquet file that are held before they are written.
const ROW_GROUP_BYTES: usize = 16 << 20;

/// Where an answer goes.
enum Target<'a> {
    Results(Results),
    File(&'a Path, Replacement),
}

impl Target<'_> {
    fn print(&mut self, text: &[u8]) -> Result<()> {
        match self {
            Self::Results(results) => results.write_all(text).map_err(output::unwritten),
            Self::File(file, content) => content.write_all(text).map_err(|error| unwritten(file, error)),
        }
    }

    /// Whether a person looks at it.
    fn is_terminal(&self) -> bool {
        matches!(self, Self::Results(_)) && Results::is_terminal()
    }

    const fn reader_left(&self) -> bool {
        match self {
            Self::Results(results) => results.reader_left(),
            Self::File(..) => false,
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Results(results) => results.finish(),
            Self::File(file, content) => content.finish().map_err(|error| unwritten(file, error)),
        }
    }
}

fn unwritten(file: &Path, error: io::Error) -> Error {
    let kind = if apportion_store::is_full(&error) { ErrorKind::ResourcesExhausted } else { ErrorKind::Config };
    Error::new(kind, "the answer cannot be written").with("file", file.display()).with_source(error)
}

fn unrendered(error: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "the answer cannot be rendered").with_source(error)
}

/// Writes an answer where and how the options say.
///
/// # Errors
/// Those of the query, also in the middle of its answer; when the answer cannot be written.
pub(super) async fn write(args: &QueryArgs, answer: DataFrame, tables: &OpenedTables<'_>) -> Result<()> {
    if args.format == QueryFormat::Parquet && args.output.is_none() {
        return Err(Error::new(ErrorKind::Config, "a Parquet answer needs a file; add --output FILE"));
    }
    let target = match &args.output {
        None => Target::Results(Results::open()),
        Some(file) => Target::File(file, Replacement::start(file).map_err(|error| unwritten(file, error))?),
    };
    let is_plan = matches!(answer.logical_plan(), LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
    let schema = Arc::clone(answer.schema().inner());
    let rows = answer.execute_stream().await.map_err(query_error)?;
    tables.warn_of_uncertified().await?;
    match (args.format, target) {
        (QueryFormat::Parquet, Target::File(file, content)) => parquet(rows, &schema, file, content).await?,
        (QueryFormat::Csv, mut to) => {
            csv(rows, &schema, &mut to).await?;
            to.finish()?;
        }
        (QueryFormat::Json, mut to) => {
            json(rows, &mut to).await?;
            to.finish()?;
        }
        (QueryFormat::Table | QueryFormat::Parquet, mut to) => {
            table(rows, &schema, is_plan, &mut to).await?;
            to.finish()?;
        }
    }
    if let Some(file) = &args.output {
        output::note(&format!("wrote {}", file.display()));
    }
    Ok(())
}

/// The next rows, so many that their text is small.
struct Pieces {
    rows: SendableRecordBatchStream,
    rest: Option<RecordBatch>,
}

impl Pieces {
    const fn of(rows: SendableRecordBatchStream) -> Self {
        Self { rows, rest: None }
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match self.rows.next().await {
                Some(batch) => batch.map_err(query_error)?,
                None => return Ok(None),
            },
        };
        let first = batch.num_rows().min(PIECE);
        if batch.num_rows() > first {
            self.rest = Some(batch.slice(first, batch.num_rows() - first));
        }
        Ok(Some(batch.slice(0, first)))
    }
}

async fn csv(rows: SendableRecordBatchStream, schema: &Arc<Schema>, to: &mut Target<'_>) -> Result<()> {
    // A program reads the values as they are; a person's terminal must not obey them.
    let person = to.is_terminal();
    let mut rows = Pieces::of(rows);
    let mut text = Vec::new();
    let mut piece = Some(RecordBatch::new_empty(Arc::clone(schema)));
    let mut header = true;
    while let Some(batch) = piece.filter(|_| !to.reader_left()) {
        text.clear();
        arrow::csv::WriterBuilder::new().with_header(header).build(&mut text).write(&batch).map_err(unrendered)?;
        header = false;
        if person {
            to.print(printable::lines(&String::from_utf8_lossy(&text)).as_bytes())?;
        } else {
            to.print(&text)?;
        }
        piece = rows.next().await?;
    }
    Ok(())
}

async fn json(rows: SendableRecordBatchStream, to: &mut Target<'_>) -> Result<()> {
    let mut rows = Pieces::of(rows);
    while let Some(batch) = rows.next().await?.filter(|_| !to.reader_left()) {
        let mut text = Vec::new();
        let mut writer = arrow::json::LineDelimitedWriter::new(&mut text);
        writer
            .write(&decimals_as_text(&batch).map_err(unrendered)?)
            .and_then(|()| writer.finish())
            .map_err(unrendered)?;
        drop(writer);
        to.print(printable::json(&String::from_utf8_lossy(&text)).as_bytes())?;
    }
    Ok(())
}

/// The first rows for people, and what is left out.
async fn table(
    rows: SendableRecordBatchStream,
    schema: &Arc<Schema>,
    is_plan: bool,
    to: &mut Target<'_>,
) -> Result<()> {
    let mut rows = Pieces::of(rows);
    let mut shown = Shown::of(schema, is_plan);
    let mut left_out = 0;
    while let Some(batch) = rows.next().await? {
        left_out += batch.num_rows() - shown.add(&batch)?;
        if left_out > MOST_COUNTED {
            break;
        }
    }
    to.print(format!("{}\n", shown.render()?).as_bytes())?;
    if left_out > 0 {
        let more = grouped(left_out.min(MOST_COUNTED) as u128);
        let more = if left_out > MOST_COUNTED { format!("more than {more} others") } else { format!("{more} more") };
        let shown = grouped(shown.rows as u128);
        let note = format!("{shown} rows are shown, {more} are left out; --format csv and --format json write all\n");
        to.print(note.as_bytes())?;
    }
    Ok(())
}

/// Cells of a table as text that is safe to show.
struct Shown {
    columns: Vec<Vec<String>>,
    names: Vec<String>,
    rows: usize,
    bytes: usize,
    is_full: bool,
    /// A plan is text of several lines; the value of a tag is not.
    is_plan: bool,
}

impl Shown {
    fn of(schema: &Schema, is_plan: bool) -> Self {
        let names: Vec<String> =
            schema.fields().iter().map(|field| printable::line(field.name()).into_owned()).collect();
        Self { columns: vec![Vec::new(); names.len()], names, rows: 0, bytes: 0, is_full: false, is_plan }
    }

    /// Takes rows as long as there is room for them; returns how many.
    fn add(&mut self, batch: &RecordBatch) -> Result<usize> {
        let options = FormatOptions::default();
        let formatters = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let formatters = formatters.collect::<Result<Vec<_>, _>>().map_err(unrendered)?;
        for row in 0..batch.num_rows() {
            let width = self.columns.len().max(1);
            let full =
                self.rows >= MOST_ROWS || self.rows.saturating_mul(width) >= MOST_CELLS || self.bytes >= MOST_BYTES;
            self.is_full |= full;
            if self.is_full {
                return Ok(row);
            }
            for (cells, formatter) in self.columns.iter_mut().zip(&formatters) {
                let cell = formatter.value(row).try_to_string().map_err(unrendered)?;
                let cell = if self.is_plan { printable::lines(&cell) } else { printable::line(&cell) }.into_owned();
                self.bytes += cell.len();
                cells.push(cell);
            }
            self.rows += 1;
        }
        Ok(batch.num_rows())
    }

    fn render(&mut self) -> Result<String> {
        let fields: Vec<Field> = self.names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
        let columns = std::mem::take(&mut self.columns).into_iter();
        let columns: Vec<ArrayRef> = columns.map(|cells| Arc::new(StringArray::from(cells)) as ArrayRef).collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options);
        let batch = batch.map_err(unrendered)?;
        Ok(pretty_format_batches(&[batch]).map_err(unrendered)?.to_string())
    }
}

async fn parquet(
    mut rows: SendableRecordBatchStream,
    schema: &Arc<Schema>,
    file: &Path,
    content: Replacement,
) -> Result<()> {
    let failed = |error: parquet::errors::ParquetError| {
        let full = apportion_store::is_full(&error);
        let kind = if full { ErrorKind::ResourcesExhausted } else { ErrorKind::Internal };
        Error::new(kind, "the answer cannot be written").with("file", file.display()).with_source(error)
    };
    let compression = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(content, Arc::clone(schema), Some(properties)).map_err(failed)?;
    while let Some(batch) = rows.next().await {
        writer.write(&batch.map_err(query_error)?).map_err(failed)?;
        if writer.in_progress_size() > ROW_GROUP_BYTES {
            writer.flush().map_err(failed)?;
        }
    }
    writer.into_inner().map_err(failed)?.finish().map_err(|error| unwritten(file, error))
}

/// JSON numbers are floats to most readers, so decimals travel as text, also those inside of lists, structures
/// and maps.
fn decimals_as_text(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let wanted = with_texts(field);
        let same = wanted.data_type() == field.data_type();
        columns.push(if same { Arc::clone(column) } else { cast(column, wanted.data_type())? });
        fields.push(wanted);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// The field with text in the place of every decimal.
fn with_texts(field: &FieldRef) -> FieldRef {
    let wanted = match field.data_type() {
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            DataType::Utf8
        }
        DataType::List(item) => DataType::List(with_texts(item)),
        DataType::LargeList(item) => DataType::LargeList(with_texts(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(with_texts(item), *length),
        DataType::Struct(members) => DataType::Struct(members.iter().map(with_texts).collect()),
        DataType::Map(entries, sorted) => DataType::Map(with_texts(entries), *sorted),
        DataType::Dictionary(_, value) => {
            let value = with_texts(&Arc::new(Field::new("value", value.as_ref().clone(), true)));
            if value.data_type() == &DataType::Utf8 { DataType::Utf8 } else { return Arc::clone(field) }
        }
        _ => return Arc::clone(field),
    };
    Arc::new(field.as_ref().clone().with_data_type(wanted))
}
