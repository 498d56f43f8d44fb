//! A destination belongs to one pipeline. Another one, or one that shares no source with what is published there,
//! is refused before anything is read or written, until a person says that it takes over.
//!
//! Where the destination does not remember whose it is, because an older version wrote it or the document was lost,
//! the run ledger and the certificates say who wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use apportion_sinks::{
    Certificate, Destination, DestinationOwner, certified_periods, newest_run, read_certificate, read_configuration,
    sources_listed,
};
use apportion_spec::{Error, ErrorKind, Pipeline, Result};

use crate::changes::of_texts;
use crate::project::Project;
use crate::published::of_the_data;
use crate::tables::PUBLISHED;

/// A destination that the pipeline may write to.
#[derive(Debug)]
pub(crate) struct Owned {
    ours: DestinationOwner,
    /// What the destination remembers, if that can be read.
    remembered: Option<DestinationOwner>,
    /// What the reader should know.
    pub(crate) notes: Vec<String>,
}

/// What is known of whoever wrote.
#[derive(Debug, Default)]
struct Writer {
    pipeline: Option<String>,
    sources: BTreeSet<String>,
    locations: BTreeSet<String>,
}

/// Demands that the destination is the pipeline's, or nobody's, or that it is taken over.
///
/// # Errors
/// [`ErrorKind::Config`] naming whose it is; those of the destination's store.
pub(crate) async fn check(project: &Project, destination: &Destination, take_over: bool) -> Result<Owned> {
    let ours = owner(&project.pipeline);
    let mut notes = Vec::new();
    let remembered = match DestinationOwner::read(destination).await? {
        Some(None) => {
            notes.push("`_apportion/owner.json` could not be read; a run writes it again".to_owned());
            None
        }
        other => other.flatten(),
    };
    let same = |owner: &DestinationOwner| owner.pipeline == ours.pipeline && shares(&Writer::from(owner), &ours);
    if remembered.as_ref().is_some_and(same) {
        return Ok(Owned { ours, remembered, notes });
    }
    let (listed, any) = sources_listed(destination, &PUBLISHED).await?;
    if !any && certified_periods(destination).await?.is_empty() {
        // Nothing is published, so nothing can be hurt.
        return Ok(Owned { ours, remembered, notes });
    }
    let mut writer = match &remembered {
        Some(owner) => Writer::from(owner),
        None => writer(destination).await?,
    };
    writer.sources.extend(listed);
    if let Some(message) = refusal(&writer, &ours) {
        if !take_over {
            return Err(refused(&message));
        }
        notes.push(format!("took over the destination by --take-over: {message}"));
    }
    Ok(Owned { ours, remembered, notes })
}

impl Owned {
    /// Makes the destination ours, now that nobody else writes to it.
    ///
    /// # Errors
    /// As [`check`], when somebody else took it meanwhile; those of the destination's store.
    pub(crate) async fn claim(self, project: &Project, destination: &Destination, take_over: bool) -> Result<Self> {
        let now = DestinationOwner::read(destination).await?.flatten();
        let owned = if now == self.remembered { self } else { check(project, destination, take_over).await? };
        if owned.remembered.as_ref() != Some(&owned.ours) {
            owned.ours.write(destination).await?;
        }
        Ok(owned)
    }
}

/// What a pipeline would be remembered as.
fn owner(pipeline: &Pipeline) -> DestinationOwner {
    let sources = pipeline.sources.iter().map(|source| (source.name.clone(), location(&source.location)));
    DestinationOwner::new(&pipeline.name, sources.collect())
}

/// Locations may say more than a document beside public tables should.
fn location(text: &str) -> String {
    of_texts([text.trim_end_matches('/')])
}

impl From<&DestinationOwner> for Writer {
    fn from(owner: &DestinationOwner) -> Self {
        Self {
            pipeline: Some(owner.pipeline.clone()),
            sources: owner.sources.keys().cloned().collect(),
            locations: owner.sources.values().cloned().collect(),
        }
    }
}

/// Whether a source has the same name, or reads the same export under another name.
fn shares(writer: &Writer, ours: &DestinationOwner) -> bool {
    let same =
        |(name, location): (&String, &String)| writer.sources.contains(name) || writer.locations.contains(location);
    ours.sources.iter().any(same)
}

/// Who wrote, as far as the ledger and the certificates tell.
async fn writer(destination: &Destination) -> Result<Writer> {
    let newest = newest_run(destination).await?;
    let certificate = newest_certificate(destination).await?;
    let certified = certificate.as_ref().map(|certificate| certificate.pipeline.clone());
    let mut writer = Writer { pipeline: newest.map(|run| run.pipeline).or(certified), ..Writer::default() };
    let Some(certificate) = certificate else { return Ok(writer) };
    writer.sources.extend(certificate.sources.iter().map(|statement| statement.source.clone()));
    // The file it was computed by says which exports the sources read.
    let kept = read_configuration(destination, &certificate.configuration_digest).await;
    let kept = kept.or_else(|error| of_the_data(error).map(|_| None))?;
    if let Some(project) = kept.and_then(|kept| Project::parse(Path::new(&kept.file), kept.text).ok()) {
        writer.locations.extend(project.pipeline.sources.iter().map(|source| location(&source.location)));
    }
    Ok(writer)
}

async fn newest_certificate(destination: &Destination) -> Result<Option<Certificate>> {
    let mut newest: BTreeMap<_, Certificate> = BTreeMap::new();
    for period in certified_periods(destination).await? {
        match read_certificate(destination, &period).await {
            Ok(found) => newest.extend(found.map(|certificate| (certificate.certified_at, certificate))),
            Err(error) => drop(of_the_data(error)?),
        }
    }
    Ok(newest.pop_last().map(|(_, certificate)| certificate))
}

/// Why the destination is somebody else's.
fn refusal(writer: &Writer, ours: &DestinationOwner) -> Option<String> {
    let list = |names: Vec<&str>| names.join(", ");
    let sources = list(writer.sources.iter().map(String::as_str).collect());
    match &writer.pipeline {
        Some(pipeline) if *pipeline != ours.pipeline => Some(format!(
            "it holds the tables of pipeline `{pipeline}` (sources: {sources}), and this is pipeline `{}`",
            ours.pipeline
        )),
        _ if !writer.sources.is_empty() && !shares(writer, ours) => Some(format!(
            "what is published there has the sources {sources}, and this pipeline has none of them (sources: {})",
            list(ours.sources.keys().map(String::as_str).collect())
        )),
        _ => None,
    }
}

fn refused(why: &str) -> Error {
    let message = format!(
        "the destination belongs to somebody else: {why}. Nothing was read or written. Write to another destination, \
         or take this one over on purpose with --take-over; published charges that no source of this pipeline accounts \
         for then wait until their withdrawal is accepted"
    );
    Error::new(ErrorKind::Config, message)
}
