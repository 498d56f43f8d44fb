//! Every pipeline configuration a destination was written with, by its digest.
//!
//! A number of last month can only be explained by the rules of last month, and the pipeline file
//! in version control is not at hand where the tables are. The text is kept as it was read;
//! pipelines hold no secrets, so neither does the archive.

use bytes::Bytes;

use apportion_spec::{Error, ErrorKind, Result};

use crate::destination::{Destination, INTERNAL_FOLDER};

/// Keeps the text of a configuration under its digest, unless it is kept already.
///
/// # Errors
///
/// Store errors.
pub async fn archive_configuration(destination: &Destination, digest: &str, text: &str) -> Result<()> {
    let document = document(digest);
    let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
    if destination.head(&document).await?.is_some_and(|object| object.size == size) {
        return Ok(());
    }
    destination.write_bytes(&document, Bytes::copy_from_slice(text.as_bytes())).await
}

/// The text of a configuration, or `None` if no run of this destination kept it.
///
/// # Errors
///
/// `ContractViolated` if the object is not text, store errors.
pub async fn read_configuration(destination: &Destination, digest: &str) -> Result<Option<String>> {
    let document = document(digest);
    let Some(content) = destination.read_bytes(&document).await? else { return Ok(None) };
    String::from_utf8(content.to_vec()).map(Some).map_err(|cause| {
        Error::new(ErrorKind::ContractViolated, "the kept configuration is not text")
            .with("object", document)
            .with_source(cause)
    })
}

fn document(digest: &str) -> String {
    format!("{INTERNAL_FOLDER}/configurations/{digest}.yaml")
}
