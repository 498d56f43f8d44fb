//! Files that others read while they are replaced: a temporary name in the same folder, then a
//! rename, so that a reader sees the old or the new content.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use apportion_spec::{Error, ErrorKind, Result};
use tempfile::NamedTempFile;

/// Replaces a file in one step.
pub(super) fn replace(file: &Path, content: &str) -> io::Result<()> {
    let mut temporary = beside(file)?;
    temporary.write_all(content.as_bytes())?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map(|_| ()).map_err(|refused| refused.error)
}

/// Finds out before hours of work that a file cannot be written.
pub(super) fn require_writable(option: &str, file: &Path) -> Result<()> {
    if file.is_dir() {
        return Err(
            Error::new(ErrorKind::Config, format!("{option} names a folder; name a file")).with("file", file.display())
        );
    }
    beside(file).map(|_| ()).map_err(|cause| unwritable(option, file, cause))
}

/// The error of a file that cannot be written.
fn unwritable(option: &str, file: &Path, cause: io::Error) -> Error {
    Error::new(ErrorKind::Config, format!("the file of {option} cannot be written"))
        .with("file", file.display())
        .with_source(cause)
}

/// A temporary file in the folder of `file` under a name no collector picks up.
fn beside(file: &Path) -> io::Result<NamedTempFile> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Collectors run as other users; the default would be readable by the owner alone.
    tempfile::Builder::new()
        .prefix(".apportion-")
        .suffix(".writing")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
}
