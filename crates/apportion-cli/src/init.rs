//! `apportion init`: a commented pipeline to start from.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use apportion_spec::{Error, ErrorKind, Result};

use crate::output;

/// The pipeline that `init` writes; a test keeps it valid.
pub(crate) const TEMPLATE: &str = include_str!("init/pipeline.yaml");

/// Writes the template, never over an existing file.
///
/// # Errors
/// [`ErrorKind::Config`] when the file exists or cannot be written.
pub(crate) fn init(file: &Path) -> Result<()> {
    let written = File::options().write(true).create_new(true).open(file).and_then(|mut target| {
        // Half a template would be in the way of the next attempt.
        target.write_all(TEMPLATE.as_bytes()).and_then(|()| target.sync_all()).inspect_err(|_| {
            let _ = std::fs::remove_file(file);
        })
    });
    written.map_err(|error| {
        let reason = if error.kind() == std::io::ErrorKind::AlreadyExists {
            "the file exists; it was not touched"
        } else {
            "the file cannot be written"
        };
        Error::new(ErrorKind::Config, reason).with("file", file.display()).with_source(error)
    })?;
    let shown = file.display();
    output::result(&format!(
        "wrote {shown}\nnext: set the locations in it, then\n  apportion check {shown}\n  apportion plan {shown}\n  apportion run {shown}"
    ))
}
