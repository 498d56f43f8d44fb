//! Whether the documents beside the tables are what was written: certificates, kept configurations and
//! the states of partitions.
//!
//! They are small and many, so a run does not read them every night. It lists them and reads those whose
//! size or entity tag is not the remembered one. What cannot be read is named, and the run makes it again
//! or sets it aside.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use serde::{Deserialize, Serialize};

use apportion_spec::{ErrorKind, Result};

use crate::certificate::read_certificate;
use crate::configuration::has_todays_form;
use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::ledger::read_run;
use crate::parquet::read_state_document;

/// Documents read at the same time.
const READS_IN_FLIGHT: usize = 16;

/// How a document looked when it was known to be whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownDocument {
    /// Its size.
    pub bytes: u64,
    /// Its entity tag, as listings give it.
    pub e_tag: Option<String>,
    /// Of a certificate: the digest of the configuration it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// Of a configuration: whether it is kept in the form of today. What an older version remembers is looked at again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub todays_form: bool,
}

/// What lies beside the tables.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    /// Documents that are whole, relative to the destination: what is to be remembered.
    pub whole: BTreeMap<String, KnownDocument>,
    /// Documents that cannot be read, relative to the destination, and why.
    pub damaged: BTreeMap<String, String>,
    /// Digests of configurations that are kept as they were written, with whatever stood in comments.
    pub verbatim: Vec<String>,
    /// Documents of the run ledger, oldest first.
    pub runs: Vec<ObjectMeta>,
    /// Folders of partitions that have a readable state document, relative to the destination.
    pub states: BTreeSet<String>,
}

impl Documents {
    /// Lists the documents and reads those that do not look as they are remembered.
    ///
    /// # Errors
    ///
    /// Store errors.
    pub async fn survey(destination: &Destination, known: &BTreeMap<String, KnownDocument>) -> Result<Self> {
        let mut documents = Self::default();
        let mut unknown = Vec::new();
        for meta in destination.list(INTERNAL_FOLDER).await? {
            let name = destination.relative(&meta.location);
            let folder = name.split('/').nth(1).unwrap_or_default();
            if meta.location.extension() != Some("json") {
                continue;
            }
            if folder == "ledger" {
                documents.runs.push(meta);
            } else if ["certificates", "configurations", "tables"].contains(&folder) {
                let is_known = |it: &&KnownDocument| it.todays_form || folder != "configurations";
                let same = |it: &&KnownDocument| it.bytes == meta.size && it.e_tag.is_some() && it.e_tag == meta.e_tag;
                let same = |it: &&KnownDocument| is_known(it) && same(it);
                match known.get(&name).filter(same) {
                    Some(known) => drop(documents.whole.insert(name, known.clone())),
                    None => unknown.push((name, meta)),
                }
            }
        }
        let read = futures::stream::iter(unknown)
            .map(|(name, meta)| async move { Ok((read(destination, &name).await?, name, meta)) })
            .buffered(READS_IN_FLIGHT);
        let read: Vec<(Read, String, ObjectMeta)> = read.try_collect().await?;
        for (read, name, meta) in read {
            match read {
                Read::Whole { configuration, todays_form } => {
                    if todays_form == Some(false) {
                        documents.verbatim.push(stem(&name).to_owned());
                    }
                    let todays_form = todays_form == Some(true);
                    let known = KnownDocument { bytes: meta.size, e_tag: meta.e_tag, configuration, todays_form };
                    documents.whole.insert(name, known);
                }
                Read::Damaged(why) => drop(documents.damaged.insert(name, why)),
                Read::Gone => {}
            }
        }
        let state = |name: &String| name.strip_prefix(&states())?.strip_suffix("/state.json").map(str::to_owned);
        documents.states = documents.whole.keys().filter_map(state).collect();
        Ok(documents)
    }

    /// Billing periods whose certificate can be read and names a configuration that is kept.
    #[must_use]
    pub fn certified(&self) -> BTreeSet<String> {
        let prefix = format!("{INTERNAL_FOLDER}/certificates/");
        let kept =
            |digest: &String| self.whole.contains_key(&format!("{INTERNAL_FOLDER}/configurations/{digest}.json"));
        let certified = self.whole.iter().filter(|(_, known)| known.configuration.as_ref().is_some_and(kept));
        certified.filter_map(|(name, _)| Some(name.strip_prefix(&prefix)?.strip_suffix(".json")?.to_owned())).collect()
    }
}

fn states() -> String {
    format!("{INTERNAL_FOLDER}/tables/")
}

/// The name of a document without folder and ending.
fn stem(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default().trim_end_matches(".json")
}

/// What reading a document showed.
enum Read {
    Whole { configuration: Option<String>, todays_form: Option<bool> },
    Damaged(String),
    Gone,
}

async fn read(destination: &Destination, name: &str) -> Result<Read> {
    let mut folders = name.split('/').skip(1);
    let (kind, stem) = (folders.next().unwrap_or_default(), stem(name));
    let read = match kind {
        "certificates" => match read_certificate(destination, stem).await {
            Ok(Some(found)) if found.billing_period != stem => {
                return Ok(Read::Damaged(format!("it is the certificate of {}", found.billing_period)));
            }
            other => other.map(|found| found.map(|certificate| (Some(certificate.configuration_digest), None))),
        },
        "configurations" => has_todays_form(destination, stem).await.map(|found| found.map(|form| (None, Some(form)))),
        _ => read_state_document(destination, name).await.map(|found| found.then_some((None, None))),
    };
    match read {
        Ok(Some((configuration, todays_form))) => Ok(Read::Whole { configuration, todays_form }),
        Ok(None) => Ok(Read::Gone),
        Err(error) if error.kind() == ErrorKind::ContractViolated => {
            Ok(Read::Damaged(error.source().map_or_else(|| error.message().to_owned(), |cause| cause.to_string())))
        }
        Err(error) => Err(error),
    }
}

/// Of the documents of the run ledger, oldest first, those that cannot be read, and why. Every document is last written before the next run
/// starts, so only the newest one and those that were touched later are looked at.
///
/// # Errors
///
/// Store errors.
pub async fn damaged_runs(destination: &Destination, documents: &[ObjectMeta]) -> Result<BTreeMap<String, String>> {
    let mut damaged = BTreeMap::new();
    for (index, meta) in documents.iter().enumerate() {
        let next = documents.get(index + 1).and_then(|next| started_at(next.location.filename()?));
        if next.is_some_and(|next| meta.last_modified <= next) {
            continue;
        }
        let name = destination.relative(&meta.location);
        let run_id = meta.location.filename().unwrap_or_default().trim_end_matches(".json");
        match read_run(destination, run_id).await {
            Ok(Some(run)) if run.run_id != run_id => {
                damaged.insert(name, format!("it is the document of run {}", run.run_id));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ContractViolated => {
                let why = error.source().map_or_else(|| error.message().to_owned(), |cause| cause.to_string());
                damaged.insert(name, why);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(damaged)
}

/// When a run started, as its id says it: `20261130T212439898Z-…`.
fn started_at(file: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    let (time, _) = file.split_once("Z-")?;
    let time = chrono::NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%3f").ok()?;
    Some(time.and_utc())
}

/// Moves a document that nothing can read to where nothing looks for it.
///
/// # Errors
///
/// Store errors.
pub async fn set_aside(destination: &Destination, name: &str) -> Result<String> {
    let inside = name.strip_prefix(INTERNAL_FOLDER).unwrap_or(name).trim_start_matches('/');
    let aside = format!("{INTERNAL_FOLDER}/damaged/{inside}");
    destination.copy(name, &aside).await?;
    destination.delete(&destination.location(name)).await?;
    Ok(aside)
}
