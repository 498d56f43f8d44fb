//! CSV exports as Parquet objects on local disk.
//!
//! Many exports are still CSV. Each object is copied once, column by column as text, into a Parquet
//! object in the work directory; from there on nothing knows the difference. Text becomes numbers
//! and moments where the relation is made, so a wrong value is an error that names it.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path as FilePath;
use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};
use flate2::read::MultiGzDecoder;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use crate::marks::WithoutMarks;
use crate::objects::pin;
use crate::store::{Location, StoreOptions, store_error};

/// Rows per batch.
const BATCH_ROWS: usize = 8192;
/// Rows that are kept in memory before they are written.
const GROUP_ROWS: usize = 131_072;
/// Name of folders with copies; what a killed process leaves is removed by its name.
pub const COPIES_PREFIX: &str = "apportion-csv-";

/// Copies of CSV objects; the folder goes when the last clone goes.
#[derive(Debug, Clone)]
pub(crate) struct Copies {
    /// The local store they lie in.
    pub(crate) location: Location,
    /// One Parquet object per CSV object, in the same order.
    pub(crate) objects: Vec<ObjectMeta>,
    originals: Vec<Path>,
    #[expect(dead_code, reason = "owns the folder")]
    folder: Arc<TempDir>,
}

impl Copies {
    /// The copy of a CSV object.
    pub(crate) fn of(&self, original: &Path) -> Option<&ObjectMeta> {
        let index = self.originals.iter().position(|path| path == original)?;
        self.objects.get(index)
    }

    /// The CSV object a copy was made of.
    pub(crate) fn original(&self, copy: &Path) -> Option<&Path> {
        let index = self.objects.iter().position(|meta| meta.location == *copy)?;
        self.originals.get(index)
    }
}

/// Copies CSV objects (`.csv`, `.csv.gz`) into local Parquet objects.
///
/// # Errors
/// [`ErrorKind::ContractViolated`] naming an object that is not CSV, `ResourcesExhausted` for a full
/// disk, and errors of the store.
pub(crate) async fn copies(location: &Location, objects: &[ObjectMeta]) -> Result<Copies> {
    let directory = location.work_directory();
    let folder = std::fs::create_dir_all(&directory)
        .and_then(|()| TempDir::with_prefix_in(COPIES_PREFIX, &directory))
        .map_err(|error| disk(&error).with("work_directory", directory.display()))?;
    let path = folder.path().to_string_lossy().into_owned();
    let copy = Location::open(&path, FilePath::new("/"), &StoreOptions::default()).await?;
    let mut copied = Vec::with_capacity(objects.len());
    for (index, meta) in objects.iter().enumerate() {
        let name = location.name(&meta.location);
        let mut raw = tempfile::tempfile_in(folder.path()).map_err(|error| disk(&error))?;
        download(location, meta, &name, &mut raw).await?;
        let target = folder.path().join(format!("{index:05}.parquet"));
        let gzip = meta.location.as_ref().to_ascii_lowercase().ends_with(".gz");
        let written = tokio::task::spawn_blocking(move || write(raw, gzip, &target)).await;
        written
            .map_err(|error| Error::new(ErrorKind::Internal, "reading CSV stopped").with_source(error))?
            .map_err(|error| error.with("object", &name))?;
        let path = copy.prefix.clone().join(format!("{index:05}.parquet"));
        copied.push(copy.store.head(&path).await.map_err(|error| store_error(error, &copy))?);
    }
    let originals = objects.iter().map(|meta| meta.location.clone()).collect();
    Ok(Copies { location: copy, objects: copied, originals, folder: Arc::new(folder) })
}

async fn download(location: &Location, meta: &ObjectMeta, name: &str, to: &mut File) -> Result<()> {
    let options = GetOptions { if_match: pin(meta.e_tag.as_ref()), ..GetOptions::default() };
    let content = location.store.get_opts(&meta.location, options).await.map_err(|error| store_error(error, name))?;
    let mut chunks = content.into_stream();
    let mut length = 0_u64;
    while let Some(chunk) = chunks.try_next().await.map_err(|error| store_error(error, name))? {
        length += u64::try_from(chunk.len()).unwrap_or_default();
        to.write_all(&chunk).map_err(|error| disk(&error))?;
    }
    if length != meta.size {
        let message = format!("the object has {length} of {} bytes", meta.size);
        return Err(Error::new(ErrorKind::ContractViolated, message).with("object", name));
    }
    to.seek(SeekFrom::Start(0)).map_err(|error| disk(&error))?;
    Ok(())
}

fn write(raw: File, gzip: bool, target: &FilePath) -> Result<()> {
    let input: BufReader<Box<dyn Read>> = if gzip {
        BufReader::new(Box::new(MultiGzDecoder::new(BufReader::new(raw))))
    } else {
        BufReader::new(Box::new(raw))
    };
    let not_csv = |cause: &dyn std::fmt::Display| {
        Error::new(ErrorKind::ContractViolated, "the object is truncated or not CSV").with("cause", cause)
    };
    let mut input = BufReader::new(WithoutMarks::new(input));
    let mut header = Vec::new();
    input.read_until(b'\n', &mut header).map_err(|error| not_csv(&error))?;
    let format = Format::default().with_header(true);
    let (named, _) = format.infer_schema(header.as_slice(), Some(0)).map_err(|error| not_csv(&error))?;
    let schema = Arc::new(text_schema(&named)?);
    // The header is read again, so that messages count its line.
    let input = Cursor::new(header).chain(input);
    let rows = ReaderBuilder::new(Arc::clone(&schema)).with_header(true).with_batch_size(BATCH_ROWS);
    let rows = rows.build_buffered(input).map_err(|error| not_csv(&error))?;
    let file = File::create(target).map_err(|error| disk(&error))?;
    let mut writer = ArrowWriter::try_new(file, schema, None).map_err(|error| not_csv(&error))?;
    for batch in rows {
        writer.write(&batch.map_err(|error| not_csv(&error))?).map_err(|error| disk(&error))?;
        if writer.in_progress_rows() >= GROUP_ROWS {
            writer.flush().map_err(|error| disk(&error))?;
        }
    }
    writer.close().map_err(|error| disk(&error))?;
    Ok(())
}

/// Every column as text; a name that stands twice cannot be told apart.
fn text_schema(named: &Schema) -> Result<Schema> {
    let mut fields: Vec<Field> = Vec::new();
    for field in named.fields() {
        let name = field.name().trim();
        if fields.iter().any(|other| other.name() == name) {
            let message = format!("the header names column `{name}` twice");
            return Err(Error::new(ErrorKind::ContractViolated, message));
        }
        fields.push(Field::new(name, DataType::Utf8, true));
    }
    Ok(Schema::new(fields))
}

fn disk(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::ResourcesExhausted, "a CSV export cannot be copied to the work directory")
        .with("cause", error)
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    fn read(content: &[u8], gzip: bool) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let mut raw = tempfile::tempfile().unwrap();
        raw.write_all(content).unwrap();
        raw.seek(SeekFrom::Start(0)).unwrap();
        let target = folder.path().join("copy.parquet");
        write(raw, gzip, &target)?;
        let rows = ParquetRecordBatchReaderBuilder::try_new(File::open(target).unwrap()).unwrap().build().unwrap();
        let mut found = Vec::new();
        for batch in rows {
            let batch = batch.unwrap();
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().map(|column| column.as_string::<i32>().value(row).to_owned());
                found.push(cells.collect::<Vec<_>>().join("|"));
            }
        }
        Ok(found)
    }

    #[test]
    fn a_mark_quotes_and_compression_are_understood() {
        let content = b"\xef\xbb\xbfA,B\r\n1,\"x, \"\"y\"\"\nz\"\r\n2,\r\n";
        let expected = ["1|x, \"y\"\nz", "2|"];
        assert_eq!(read(content, false).unwrap(), expected);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(content).unwrap();
        assert_eq!(read(&packed.finish().unwrap(), true).unwrap(), expected);
    }

    #[test]
    fn a_mark_in_front_of_any_value_is_no_part_of_it() {
        let content = "\u{feff}A,B\n\u{feff}\"1,\",\u{feff}2\n3,\"\u{feff}x\u{feff}\"\n";
        assert_eq!(read(content.as_bytes(), false).unwrap(), ["1,|2", "3|x\u{feff}"]);
        // What follows a separator inside of quotes is text.
        let inside = "A,B\n\"a,\u{feff}b\",\"c\n\u{feff}d\"\n";
        assert_eq!(read(inside.as_bytes(), false).unwrap(), ["a,\u{feff}b|c\n\u{feff}d"]);
    }

    #[test]
    fn a_broken_object_is_an_error() {
        for (content, gzip) in [(&b"A,B\n1\n"[..], false), (b"A,A\n1,2\n", false), (b"A\n1\n", true)] {
            assert_eq!(read(content, gzip).unwrap_err().kind(), ErrorKind::ContractViolated);
        }
    }

    #[test]
    fn a_torn_line_is_counted_from_the_first_of_the_object() {
        let many = format!("A,B\n{}x\n", "1,2\n".repeat(BATCH_ROWS + 1));
        for (content, line) in [("A,B\n1,2\n3\n", 3), ("A,B\n1\n", 2), (many.as_str(), BATCH_ROWS + 3)] {
            let error = read(content.as_bytes(), false).unwrap_err().to_string();
            assert!(error.contains(&format!("for line {line},")), "{error}");
        }
    }
}
