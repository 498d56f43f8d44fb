//! A place tables are written to: a store, a prefix in it and how writes become durable.
//!
//! Everything that is not table data lives under [`INTERNAL_FOLDER`], so that no reader's glob
//! over a table ever meets it. On a local disk files are linked or copied to a temporary name,
//! synced and renamed, because the object store abstraction does not sync.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt;
use url::Url;

use apportion_spec::{Error, ErrorKind, Result};

use crate::error;

/// Folder for everything that is not table data, beside the tables.
pub const INTERNAL_FOLDER: &str = "_apportion";

/// Files above this size are uploaded in pieces of this size.
const PIECE_BYTES: usize = 16 * 1024 * 1024;
/// Pieces of one file in flight.
const PIECES_IN_FLIGHT: usize = 4;

/// Where tables are published.
#[derive(Debug, Clone)]
pub struct Destination {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    root_url: Url,
    local_directory: Option<PathBuf>,
}

impl Destination {
    /// A destination below `prefix` of `store`.
    ///
    /// `root_url` names the root of the store (`s3://bucket/`, `file:///`): it shows up in
    /// messages and in the Delta log, nothing is opened by it.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path, root_url: Url) -> Self {
        Self { store, prefix, root_url, local_directory: None }
    }

    /// Says that `prefix` is this local directory, so that writes are synced to disk.
    #[must_use]
    pub fn with_local_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.local_directory = Some(directory.into());
        self
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// URL of the store's root.
    #[must_use]
    pub fn root_url(&self) -> &Url {
        &self.root_url
    }

    /// The store location of a path relative to the destination.
    #[must_use]
    pub fn location(&self, relative: &str) -> Path {
        Path::from_iter(self.prefix.parts().chain(Path::from(relative).parts()))
    }

    /// The path of a store location relative to the destination.
    #[must_use]
    pub fn relative(&self, location: &Path) -> String {
        match location.prefix_match(&self.prefix) {
            Some(rest) => Path::from_iter(rest).to_string(),
            None => location.to_string(),
        }
    }

    /// A store location as the user knows it: with its bucket, or as a path on disk.
    pub(crate) fn shown(&self, location: &Path) -> String {
        match self.root_url.scheme() {
            "file" => format!("/{location}"),
            _ => format!("{}/{location}", self.root_url.as_str().trim_end_matches('/')),
        }
    }

    /// URL of a table's folder, ending in a slash.
    pub(crate) fn table_url(&self, table: &str) -> Result<Url> {
        let mut url = self.root_url.clone();
        url.set_path(&format!("/{}/", self.location(table)));
        Ok(url)
    }

    /// Every object below a relative folder, in key order.
    pub(crate) async fn list(&self, relative: &str) -> Result<Vec<ObjectMeta>> {
        let folder = self.location(relative);
        let listed: Result<Vec<ObjectMeta>, _> = self.store.list(Some(&folder)).try_collect().await;
        match listed {
            Ok(mut objects) => {
                objects.sort_by(|a, b| a.location.cmp(&b.location));
                Ok(objects)
            }
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(cause) => Err(error::store(cause, "list objects", self.shown(&folder))),
        }
    }

    /// Whether a run ever wrote here: anything lies beside the tables.
    ///
    /// # Errors
    ///
    /// Store errors.
    pub async fn is_used(&self) -> Result<bool> {
        let folder = self.location(INTERNAL_FOLDER);
        match self.store.list(Some(&folder)).try_next().await {
            Ok(found) => Ok(found.is_some()),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(cause) => Err(error::store(cause, "list objects", self.shown(&folder))),
        }
    }

    /// Size and entity tag of an object, or `None`.
    pub(crate) async fn head(&self, relative: &str) -> Result<Option<ObjectMeta>> {
        let location = self.location(relative);
        match self.store.head(&location).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(error::store(cause, "look up an object", self.shown(&location))),
        }
    }

    /// Whether there is an object at a store location.
    ///
    /// # Errors
    ///
    /// Store errors; that there is none is no error.
    pub async fn holds(&self, location: &Path) -> Result<bool> {
        Ok(self.head(&self.relative(location)).await?.is_some())
    }

    /// Reads a small object, or `None` if it does not exist.
    pub(crate) async fn read_bytes(&self, relative: &str) -> Result<Option<Bytes>> {
        let location = self.location(relative);
        let content = match self.store.get(&location).await {
            Ok(found) => found.bytes().await,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(cause) => return Err(error::store(cause, "read an object", self.shown(&location))),
        };
        content.map(Some).map_err(|cause| error::store(cause, "read an object", self.shown(&location)))
    }

    /// Reads a small JSON document, or `None` if it does not exist.
    pub(crate) async fn read_json<T: DeserializeOwned>(&self, relative: &str) -> Result<Option<T>> {
        let Some(content) = self.read_bytes(relative).await? else { return Ok(None) };
        let location = self.location(relative);
        serde_json::from_slice(&content).map(Some).map_err(|cause| {
            Error::new(ErrorKind::ContractViolated, "the document is not what this version writes")
                .with("object", self.shown(&location))
                .with_source(cause)
        })
    }

    /// Replaces a small JSON document in one step.
    pub(crate) async fn write_json<T: Serialize + Sync>(&self, relative: &str, document: &T) -> Result<()> {
        let mut content = serde_json::to_vec_pretty(document)
            .map_err(|cause| error::internal("cannot write JSON").with_source(cause))?;
        content.push(b'\n');
        self.write_bytes(relative, Bytes::from(content)).await
    }

    /// Replaces a small object in one step.
    pub(crate) async fn write_bytes(&self, relative: &str, content: Bytes) -> Result<()> {
        match &self.local_directory {
            Some(directory) => {
                let target = directory.join(relative);
                tokio::task::spawn_blocking(move || local::replace_with_bytes(&target, &content))
                    .await
                    .map_err(|cause| error::internal("a file task ended early").with_source(cause))?
            }
            None => {
                let location = self.location(relative);
                let put = self.store.put(&location, PutPayload::from(content)).await;
                put.map(|_| ()).map_err(|cause| error::store(cause, "write an object", self.shown(&location)))
            }
        }
    }

    /// Copies a local file to an object, replacing it in one step.
    pub(crate) async fn upload(&self, file: &std::path::Path, relative: &str) -> Result<()> {
        if let Some(directory) = &self.local_directory {
            let (from, target) = (file.to_path_buf(), directory.join(relative));
            return tokio::task::spawn_blocking(move || local::replace_with_file(&from, &target))
                .await
                .map_err(|cause| error::internal("a file task ended early").with_source(cause))?;
        }
        let location = self.location(relative);
        let failed = |cause| error::file(cause, "read a staged file", file);
        let mut reader = tokio::fs::File::open(file).await.map_err(failed)?;
        let size = reader.metadata().await.map_err(failed)?.len();
        if usize::try_from(size).is_ok_and(|size| size <= PIECE_BYTES) {
            let mut content = Vec::new();
            reader.read_to_end(&mut content).await.map_err(failed)?;
            let put = self.store.put(&location, PutPayload::from(Bytes::from(content))).await;
            return put.map(|_| ()).map_err(|cause| error::store(cause, "write an object", self.shown(&location)));
        }
        self.upload_in_pieces(&mut reader, &location, file).await
    }

    async fn upload_in_pieces(
        &self,
        reader: &mut tokio::fs::File,
        location: &Path,
        file: &std::path::Path,
    ) -> Result<()> {
        let refused = |cause| error::store(cause, "upload an object", self.shown(location));
        let upload = self.store.put_multipart(location).await.map_err(refused)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE_BYTES);
        loop {
            let mut piece = bytes::BytesMut::with_capacity(PIECE_BYTES);
            let read = reader.read_buf(&mut piece).await;
            match read {
                Ok(0) => break,
                Ok(_) => upload.put(piece.freeze()),
                Err(cause) => {
                    // The staged file is the fault that is reported; an upload that also refuses
                    // to be aborted only leaves invisible pieces behind.
                    let _ = upload.abort().await;
                    return Err(error::file(cause, "read a staged file", file));
                }
            }
            upload.wait_for_capacity(PIECES_IN_FLIGHT).await.map_err(refused)?;
        }
        upload.finish().await.map(|_| ()).map_err(refused)
    }

    /// Copies an object within the destination.
    pub(crate) async fn copy(&self, from: &str, to: &str) -> Result<()> {
        if let Some(directory) = &self.local_directory {
            return self.upload(&directory.join(from), to).await;
        }
        let (from, to) = (self.location(from), self.location(to));
        self.store.copy(&from, &to).await.map_err(|cause| error::store(cause, "copy an object", self.shown(&from)))
    }

    /// Deletes an object; one that is already gone is fine. Folders that become empty go too.
    pub(crate) async fn delete(&self, location: &Path) -> Result<()> {
        match self.store.delete(location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(cause) => return Err(error::store(cause, "delete an object", self.shown(location))),
        }
        if let Some(directory) = &self.local_directory {
            let (root, file) = (directory.clone(), directory.join(self.relative(location)));
            tokio::task::spawn_blocking(move || local::remove_empty_folders(&root, &file))
                .await
                .map_err(|cause| error::internal("a file task ended early").with_source(cause))?;
        }
        Ok(())
    }
}

mod local {
    //! Durable replacement of files: temporary name outside every glob, sync, rename, sync folder.

    use std::fs::{self, File};
    use std::io::{self, Write};
    use std::path::{Path, PathBuf};

    use apportion_spec::Result;

    use crate::error;

    pub(super) fn replace_with_bytes(target: &Path, content: &[u8]) -> Result<()> {
        replace(target, |temporary| File::create(temporary)?.write_all(content))
    }

    pub(super) fn replace_with_file(from: &Path, target: &Path) -> Result<()> {
        replace(target, |temporary| {
            // A link is free; across file systems the bytes must be copied.
            fs::hard_link(from, temporary).or_else(|_| fs::copy(from, temporary).map(|_| ()))
        })
    }

    /// Removes the folders above `file` up to `root`, as far as they are empty.
    pub(super) fn remove_empty_folders(root: &Path, file: &Path) {
        for folder in file.ancestors().skip(1).take_while(|folder| *folder != root && folder.starts_with(root)) {
            // The first folder that holds something ends this; that is no failure.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }

    fn replace(target: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
        let failed = |cause| error::file(cause, "write a file", target);
        let (folder, temporary) = names(target).map_err(failed)?;
        fs::create_dir_all(&folder).map_err(failed)?;
        match fs::remove_file(&temporary) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(failed(cause)),
            _ => {}
        }
        write(&temporary).map_err(failed)?;
        File::open(&temporary).and_then(|file| file.sync_all()).map_err(failed)?;
        fs::rename(&temporary, target).map_err(failed)?;
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    /// The folder, and a dot-prefixed name in it that no `*.parquet` matches. The name is fixed,
    /// so that what a crash left behind is overwritten by the next attempt.
    fn names(target: &Path) -> io::Result<(PathBuf, PathBuf)> {
        let folder = target.parent().ok_or_else(|| io::Error::other("no parent folder"))?;
        let name = target.file_name().ok_or_else(|| io::Error::other("no file name"))?;
        let temporary = folder.join(format!(".{}.writing", name.to_string_lossy()));
        Ok((folder.to_path_buf(), temporary))
    }
}
