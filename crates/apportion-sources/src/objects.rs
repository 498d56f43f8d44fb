//! Reads Parquet objects pinned to the version that was discovered.
//!
//! Exports are rewritten in place. Every request carries the entity tag from the listing, so an
//! object replaced between two range requests is an error and never a mix of two versions.

use std::ops::Range;
use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::datasource::physical_plan::parquet::ParquetFileMetrics;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::discover::Classify;
use crate::store::{Location, store_error};

/// How many objects are opened at the same time.
const CONCURRENT: usize = 32;
/// Bytes read from the end of an object to get its footer in one request.
const FOOTER_HINT: usize = 256 << 10;

/// A discovered object with its footer.
#[derive(Debug, Clone)]
pub(crate) struct Footer {
    pub(crate) meta: ObjectMeta,
    pub(crate) metadata: Arc<ParquetMetaData>,
    pub(crate) schema: SchemaRef,
    /// The same, where columns without any value may have been marked by the type of NULL.
    pub(crate) checked: SchemaRef,
}

/// Leaves out the empty objects that stand for a folder which others lie in. Any other empty object is a file that
/// was cut, and reading it says so.
pub(crate) fn without_folder_markers(objects: Vec<ObjectMeta>) -> Vec<ObjectMeta> {
    let is_folder = |path: &object_store::path::Path| {
        objects.iter().any(|other| other.location != *path && other.location.prefix_matches(path))
    };
    let kept: Vec<bool> = objects.iter().map(|meta| meta.size > 0 || !is_folder(&meta.location)).collect();
    objects.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(meta, _)| meta).collect()
}

/// Reads the footers of all objects, in the order given.
///
/// # Errors
/// [`ErrorKind::ContractViolated`] naming an object that is not readable Parquet, and errors of the
/// store.
pub(crate) async fn footers(location: &Location, objects: Vec<ObjectMeta>) -> Result<Vec<Footer>> {
    futures::stream::iter(objects).map(|meta| footer(location, meta)).buffered(CONCURRENT).try_collect().await
}

async fn footer(location: &Location, meta: ObjectMeta) -> Result<Footer> {
    let name = location.name(&meta.location);
    if meta.size == 0 {
        return Err(Error::new(ErrorKind::ContractViolated, "the object is empty").with("object", name));
    }
    let mut reader = PinnedReader::new(location, meta.clone(), None, None);
    let hint = FOOTER_HINT.min(usize::try_from(meta.size).unwrap_or(FOOTER_HINT));
    let metadata = ParquetMetaDataReader::new()
        .with_prefetch_hint(Some(hint))
        .load_and_finish(&mut reader, meta.size)
        .await
        .map_err(|error| unreadable(error, &name))?;
    let metadata = Arc::new(metadata);
    let arrow = ArrowReaderMetadata::try_new(Arc::clone(&metadata), ArrowReaderOptions::new())
        .map_err(|error| unreadable(error, &name))?;
    let schema = Arc::clone(arrow.schema());
    Ok(Footer { meta, metadata, checked: Arc::clone(&schema), schema })
}

/// Top-level columns of an object, batch by batch; `object` is what the user calls it.
///
/// # Errors
/// [`ErrorKind::ContractViolated`] naming an object that cannot be read, here and in the stream, and errors of the
/// store.
pub(crate) fn batches(
    location: &Location,
    footer: &Footer,
    roots: Vec<usize>,
    object: &str,
) -> Result<impl Stream<Item = Result<RecordBatch>> + use<>> {
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(&footer.metadata), ArrowReaderOptions::new())
        .map_err(|error| unreadable(error, object))?;
    let reader = PinnedReader::new(location, footer.meta.clone(), Some(Arc::clone(&footer.metadata)), None);
    let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata);
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let stream = builder.with_projection(mask).build().map_err(|error| unreadable(error, object))?;
    let object = object.to_owned();
    Ok(stream.map_err(move |error| unreadable(error, &object)))
}

/// A failure to read an object as Parquet, by name; an error of ours below it comes out as it went in.
pub(crate) fn unreadable(error: ParquetError, object: &str) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => broken(object).with("cause", other),
        },
        other => broken(object).with("cause", other),
    }
}

fn broken(object: &str) -> Error {
    Error::new(ErrorKind::ContractViolated, "the object is truncated or not Parquet").with("object", object)
}

/// The object a location names, when it names one instead of a folder.
pub(crate) async fn single(location: &Location, layout: &Classify) -> Result<Option<ObjectMeta>> {
    if !layout.is_data(location.prefix.as_ref()) {
        return Ok(None);
    }
    match location.store.head(&location.prefix).await {
        Ok(meta) => Ok(Some(meta)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(store_error(error, location)),
    }
}

/// Compares objects with what was discovered.
///
/// # Errors
/// [`ErrorKind::Conflict`] naming an object that was replaced or removed since.
pub(crate) async fn verify_unchanged(location: &Location, objects: &[ObjectMeta]) -> Result<()> {
    let checks = futures::stream::iter(objects.to_vec()).map(|meta| async move {
        let name = location.name(&meta.location);
        let changed = |what: &str| {
            let message = format!("the object was {what} while it was being read; run again");
            Error::new(ErrorKind::Conflict, message).with("object", &name)
        };
        match location.store.head(&meta.location).await {
            Ok(now) if bare(&now) == bare(&meta) && now.size == meta.size => Ok(()),
            Ok(_) => Err(changed("replaced")),
            Err(object_store::Error::NotFound { .. }) => Err(changed("removed")),
            Err(error) => Err(store_error(error, &name)),
        }
    });
    checks.buffer_unordered(CONCURRENT).try_collect().await
}

/// One object, read only in the version of its entity tag.
pub(crate) struct PinnedReader {
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
    name: String,
    footer: Option<Arc<ParquetMetaData>>,
    metrics: Option<ParquetFileMetrics>,
}

impl PinnedReader {
    pub(crate) fn new(
        location: &Location,
        meta: ObjectMeta,
        footer: Option<Arc<ParquetMetaData>>,
        metrics: Option<ParquetFileMetrics>,
    ) -> Self {
        let name = location.name(&meta.location);
        Self { store: Arc::clone(&location.store), meta, name, footer, metrics }
    }

    fn count(&self, ranges: &[Range<u64>]) {
        if let Some(metrics) = &self.metrics {
            let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            metrics.bytes_scanned.add(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
    }
}

/// Azure lists entity tags without the quotes that its headers have.
fn bare(meta: &ObjectMeta) -> Option<&str> {
    meta.e_tag.as_deref().map(|tag| tag.trim_matches('"'))
}

/// The tag for `If-Match`. Weak tags never satisfy it, so such an object cannot be pinned; one that
/// Azure listed (`0x8DC…`) gets its quotes back.
pub(crate) fn pin(e_tag: Option<&String>) -> Option<String> {
    let tag = e_tag.filter(|tag| !tag.starts_with("W/"))?;
    Some(if tag.starts_with("0x") { format!("\"{tag}\"") } else { tag.clone() })
}

async fn get(store: &dyn ObjectStore, meta: &ObjectMeta, name: &str, range: Range<u64>) -> Result<Bytes> {
    let wanted = range.end - range.start;
    let options = GetOptions {
        range: Some(GetRange::Bounded(range)),
        if_match: pin(meta.e_tag.as_ref()),
        ..GetOptions::default()
    };
    let failed = |error| store_error(error, name);
    let bytes = store.get_opts(&meta.location, options).await.map_err(failed)?.bytes().await.map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) < wanted {
        return Err(broken(name));
    }
    Ok(bytes)
}

fn external(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for PinnedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.count(std::slice::from_ref(&range));
        async move { get(self.store.as_ref(), &self.meta, &self.name, range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        self.count(&ranges);
        async move {
            let (store, meta, name) = (&self.store, &self.meta, &self.name);
            let fetch = |range| get(store.as_ref(), meta, name, range);
            object_store::coalesce_ranges(&ranges, fetch, OBJECT_STORE_COALESCE_DEFAULT).await.map_err(external)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            if let Some(footer) = &self.footer {
                return Ok(Arc::clone(footer));
            }
            let size = self.meta.size;
            let options = options.map(|options| options.metadata_options().clone());
            let reader = ParquetMetaDataReader::new().with_metadata_options(options);
            reader.load_and_finish(self, size).await.map(Arc::new)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use object_store::path::Path;

    use super::*;

    /// As Azure lists an object and as it answers for it: <https://learn.microsoft.com/rest/api/storageservices/list-blobs>.
    #[test]
    fn a_tag_is_the_same_with_and_without_quotes() {
        let tagged = |tag: &str| ObjectMeta {
            location: Path::from("a"),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: 1,
            e_tag: Some(tag.to_owned()),
            version: None,
        };
        assert_eq!(bare(&tagged("0x8DC5F1E4A2B3C00")), bare(&tagged("\"0x8DC5F1E4A2B3C00\"")));
        assert_ne!(bare(&tagged("0x8DC5F1E4A2B3C00")), bare(&tagged("0x8DC5F1E4A2B3C01")));
        assert_eq!(pin(Some(&"0x8DC5F1E4A2B3C00".to_owned())).as_deref(), Some("\"0x8DC5F1E4A2B3C00\""));
        assert_eq!(pin(Some(&"\"d41d8cd9\"".to_owned())).as_deref(), Some("\"d41d8cd9\""));
        assert_eq!(pin(Some(&"W/\"d41d8cd9\"".to_owned())), None);
    }
}
