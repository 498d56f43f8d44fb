//! Files that others read while they are replaced: a temporary name in the same folder, then a
//! rename, so that a reader sees the old or the new content.
//!
//! A device or a pipe cannot be replaced and is written as it is: renaming something over `/dev/full`
//! would take the device away from everybody.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use apportion_spec::{Error, ErrorKind, Result};
use tempfile::NamedTempFile;

/// A file that is being written. Dropped before [`Replacement::finish`], it leaves what was there.
#[derive(Debug)]
pub(crate) struct Replacement(Target);

#[derive(Debug)]
enum Target {
    Beside { file: PathBuf, content: BufWriter<NamedTempFile> },
    Device(BufWriter<File>),
}

impl Replacement {
    /// Starts to write `file`.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn start(file: &Path) -> io::Result<Self> {
        if is_device(file) {
            let device = File::options().write(true).open(file)?;
            return Ok(Self(Target::Device(BufWriter::new(device))));
        }
        // A link stays one: what it points to is replaced.
        let file = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
        let content = BufWriter::new(beside(&file)?);
        Ok(Self(Target::Beside { file, content }))
    }

    /// Puts what was written in its place.
    ///
    /// # Errors
    /// Those of the file system; then the old content stays.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.0 {
            Target::Device(mut device) => device.flush(),
            Target::Beside { file, content } => {
                let temporary = content.into_inner().map_err(io::IntoInnerError::into_error)?;
                temporary.as_file().sync_all()?;
                temporary.persist(file).map(|_| ()).map_err(|refused| refused.error)
            }
        }
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Target::Beside { content, .. } => content.write(bytes),
            Target::Device(device) => device.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Target::Beside { content, .. } => content.flush(),
            Target::Device(device) => device.flush(),
        }
    }
}

/// Replaces a file in one step.
pub(crate) fn replace(file: &Path, content: &str) -> io::Result<()> {
    let mut replacement = Replacement::start(file)?;
    replacement.write_all(content.as_bytes())?;
    replacement.finish()
}

/// Finds out before hours of work that a file cannot be written.
pub(crate) fn require_writable(option: &str, file: &Path) -> Result<()> {
    if file.is_dir() {
        return Err(
            Error::new(ErrorKind::Config, format!("{option} names a folder; name a file")).with("file", file.display())
        );
    }
    if is_device(file) {
        return Ok(());
    }
    let file = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
    beside(&file).map(|_| ()).map_err(|cause| unwritable(option, &file, cause))
}

/// The error of a file that cannot be written.
fn unwritable(option: &str, file: &Path, cause: io::Error) -> Error {
    Error::new(ErrorKind::Config, format!("the file of {option} cannot be written"))
        .with("file", file.display())
        .with_source(cause)
}

/// Whether there is something that is neither a file nor a folder.
fn is_device(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_old_or_new_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut unfinished = Replacement::start(&link).unwrap();
        unfinished.write_all(b"half").unwrap();
        drop(unfinished);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        replace(&link, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
    }

    #[test]
    fn a_device_is_written_and_not_replaced() {
        let full = Path::new("/dev/full");
        assert_eq!(replace(full, "text").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(is_device(full), "the device is still there");
        replace(Path::new("/dev/null"), "text").unwrap();
        require_writable("--report", full).unwrap();
    }
}
