//! The local disk with its symbolic links to nothing.
//!
//! A listing of the disk passes over a link whose target is gone, so an object that somebody moved away
//! would be absent without a word, and its charges with it. Here it is listed, and reading it says what it is.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// The local disk.
#[derive(Debug)]
pub(super) struct LocalDisk {
    files: Arc<LocalFileSystem>,
}

impl LocalDisk {
    pub(super) fn new() -> Self {
        Self { files: Arc::new(LocalFileSystem::new()) }
    }

    /// Says of an object that is not found when it is a link to nothing.
    fn explained(&self, location: &Path, error: Error) -> Error {
        let Error::NotFound { .. } = error else { return error };
        let dangling = self.files.path_to_filesystem(location).ok().and_then(|path| Dangling::at(&path));
        match dangling {
            Some(dangling) => Error::Generic { store: "LocalFileSystem", source: Box::new(dangling) },
            None => error,
        }
    }
}

/// A symbolic link whose target does not exist.
#[derive(Debug)]
pub(super) struct Dangling {
    link: PathBuf,
    target: PathBuf,
}

impl Dangling {
    fn at(path: &std::path::Path) -> Option<Self> {
        let target = std::fs::read_link(path).ok()?;
        (!path.exists()).then(|| Self { link: path.to_owned(), target })
    }
}

impl fmt::Display for Dangling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (link, target) = (self.link.display(), self.target.display());
        write!(f, "{link} is a symbolic link to {target}, which does not exist")
    }
}

impl std::error::Error for Dangling {}

/// Every link to nothing below a folder. Links to folders are not followed: what lies there is listed anyhow, and a
/// circle of links would never end.
fn dangling(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // What cannot be listed is the listing's own error.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_symlink() && !entry.path().exists() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// A link as the listing shows an object. It has a size, because an object that is empty or shorter than any file of
/// its kind is another mistake, and told without reading it.
fn listed(link: &std::path::Path) -> Option<ObjectMeta> {
    let modified = std::fs::symlink_metadata(link).ok()?.modified().ok()?;
    Some(ObjectMeta {
        location: Path::from_absolute_path(link).ok()?,
        last_modified: modified.into(),
        size: 64,
        e_tag: None,
        version: None,
    })
}

impl fmt::Display for LocalDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for LocalDisk {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.files.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.files.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await.map_err(|error| self.explained(location, error))
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await.map_err(|error| self.explained(location, error))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let folder = prefix.and_then(|prefix| self.files.path_to_filesystem(prefix).ok());
        let links = async move {
            let Some(folder) = folder else { return Ok::<Vec<Result<ObjectMeta>>, Error>(Vec::new()) };
            let links = tokio::task::spawn_blocking(move || dangling(&folder)).await;
            let links = links.map_err(|error| Error::Generic { store: "LocalFileSystem", source: Box::new(error) })?;
            Ok(links.iter().filter_map(|link| listed(link)).map(Ok).collect())
        };
        let links = futures::stream::once(links).map_ok(futures::stream::iter).try_flatten();
        self.files.list(prefix).chain(links).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.files.rename_opts(from, to, options).await
    }
}

#[cfg(all(test, unix))]
mod tests {
    use object_store::ObjectStoreExt;

    use super::*;

    #[tokio::test]
    async fn a_link_to_nothing_is_listed_and_says_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("month")).unwrap();
        std::fs::write(folder.path().join("month/whole.parquet"), b"x").unwrap();
        std::os::unix::fs::symlink("whole.parquet", folder.path().join("month/good.parquet")).unwrap();
        std::os::unix::fs::symlink("gone.parquet", folder.path().join("month/lost.parquet")).unwrap();
        let store = LocalDisk::new();
        let prefix = Path::from_absolute_path(folder.path()).unwrap();
        let listed: Vec<ObjectMeta> = store.list(Some(&prefix)).try_collect().await.unwrap();
        let mut names: Vec<&str> = listed.iter().filter_map(|meta| meta.location.filename()).collect();
        names.sort_unstable();
        assert_eq!(names, ["good.parquet", "lost.parquet", "whole.parquet"]);
        let lost = listed.iter().find(|meta| meta.location.filename() == Some("lost.parquet")).unwrap();
        let error = store.get(&lost.location).await.unwrap_err().to_string();
        assert!(error.contains("is a symbolic link to gone.parquet, which does not exist"), "{error}");
        assert!(store.get(&prefix.join("absent")).await.unwrap_err().to_string().contains("not found"));
    }
}
