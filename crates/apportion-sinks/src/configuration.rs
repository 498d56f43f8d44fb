//! What a pipeline file said, kept beside the tables that were made by it.
//!
//! A document is named after the digest of the text it was first kept with, and certificates and the
//! ledger refer to it by that name. Older versions kept files as they were written; such a document is
//! read in the form of today, and rewriting it changes the text but not the name.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use apportion_spec::{Error, ErrorKind, KeptForm, Result, kept_form};

use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::digest;

/// What a pipeline file says, without comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// Name of the file.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// The document of a configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Document {
    file: String,
    text: String,
    /// SHA-256 of the text where it was rewritten: the name is the digest of what the file said before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rewritten: Option<String>,
}

/// Keeps a pipeline file under the digest of its text, which is returned.
///
/// # Errors
///
/// Store errors.
pub async fn keep_configuration(destination: &Destination, configuration: &Configuration) -> Result<String> {
    let digest = digest_of(&configuration.text);
    let kept = match read_configuration(destination, &digest).await {
        Err(error) if error.kind() == ErrorKind::ContractViolated => None,
        other => other?,
    };
    if kept.is_none() {
        let Configuration { file, text } = configuration.clone();
        destination.write_json(&document(&digest), &Document { file, text, rewritten: None }).await?;
    }
    Ok(digest)
}

/// The pipeline file with this digest in the form of today, or `None` if it was not kept.
///
/// # Errors
///
/// `ContractViolated` if what is kept is not what its name says; store errors.
pub async fn read_configuration(destination: &Destination, digest: &str) -> Result<Option<Configuration>> {
    Ok(read(destination, digest).await?.map(|(document, form)| {
        let text = form.map_or(document.text, |form| form.text);
        Configuration { file: document.file, text }
    }))
}

/// Writes a configuration that is kept as it was written in the form of today, under its name; the form, or `None`
/// when it had it.
///
/// # Errors
///
/// As [`read_configuration`].
pub async fn rewrite_configuration(destination: &Destination, digest: &str) -> Result<Option<KeptForm>> {
    let Some((kept, Some(form))) = read(destination, digest).await? else { return Ok(None) };
    let rewritten = Some(digest_of(&form.text));
    let now = Document { file: kept.file, text: form.text.clone(), rewritten };
    destination.write_json(&document(digest), &now).await?;
    Ok(Some(form))
}

/// Whether a configuration is kept in the form of today; `None` if it was not kept.
///
/// # Errors
///
/// As [`read_configuration`].
pub(crate) async fn has_todays_form(destination: &Destination, digest: &str) -> Result<Option<bool>> {
    Ok(read(destination, digest).await?.map(|(_, form)| form.is_none()))
}

/// What is kept, and the form of today where it has another one.
async fn read(destination: &Destination, digest: &str) -> Result<Option<(Document, Option<KeptForm>)>> {
    let name = document(digest);
    let Some(found) = destination.read_json::<Document>(&name).await? else { return Ok(None) };
    if digest_of(&found.text) != found.rewritten.as_deref().unwrap_or(digest) {
        return Err(Error::new(ErrorKind::ContractViolated, "the kept pipeline file was changed").with("object", name));
    }
    let form = kept_form(&found.text);
    Ok(Some((found, form)))
}

fn digest_of(text: &str) -> String {
    digest::hex(&Sha256::digest(text.as_bytes()))
}

fn document(digest: &str) -> String {
    format!("{INTERNAL_FOLDER}/configurations/{digest}.json")
}
