//! Opens the destination of a pipeline: store, prefix and table format.

use std::path::Path;
use std::sync::Arc;

use apportion_sinks::{Destination, Format, TableSink, open_sink};
use apportion_sources::{Location, StoreOptions, store_error};
use apportion_spec::pipeline::{Store, TableFormat};
use apportion_spec::{Error, ErrorKind, Result};
use futures::StreamExt;

use crate::args::TableFormatOption;
use crate::project::Project;

/// An opened destination.
#[derive(Debug)]
pub(crate) struct OpenDestination {
    pub(crate) sink: Arc<dyn TableSink>,
    pub(crate) place: Destination,
    /// The location as the user knows it.
    pub(crate) shown: String,
}

impl OpenDestination {
    /// Opens `--destination` (relative to the current folder) or the pipeline's destination
    /// (relative to its file). Without a pipeline the format is found out.
    ///
    /// # Errors
    /// Those of opening the store; [`ErrorKind::Config`] when neither names a destination.
    pub(crate) async fn open(
        project: Option<&Project>,
        option: Option<&str>,
        format: Option<TableFormatOption>,
    ) -> Result<Self> {
        let declared = project.map(|project| &project.pipeline.destination);
        let store_options = declared.map_or_else(Store::default, |destination| destination.store.clone());
        let here = Path::new(".");
        let (text, base) = match (option, project, declared) {
            (Some(text), _, _) => (text, here),
            (None, Some(project), Some(destination)) => (destination.location.as_str(), project.base.as_path()),
            _ => return Err(Error::new(ErrorKind::Config, "name a pipeline or a --destination")),
        };
        if text.is_empty() {
            return Err(Error::new(ErrorKind::Config, "the destination is empty; name a folder or a URL"));
        }
        let location = Location::open(text, base, &StoreOptions::from(&store_options)).await?;
        let format = match (format, declared.map(|destination| destination.format)) {
            (Some(TableFormatOption::Parquet), _) | (None, Some(TableFormat::Parquet)) => Format::Parquet,
            (Some(TableFormatOption::Delta), _) | (None, Some(TableFormat::Delta)) => Format::Delta,
            (None, None) => detect(&location).await?,
        };
        let keep_versions = declared.map_or(3, |destination| destination.keep_versions);
        let mut destination =
            Destination::new(Arc::clone(&location.store), location.prefix.clone(), location.url.clone());
        if location.url.scheme() == "file" {
            destination = destination.with_local_directory(format!("/{}", location.prefix));
        }
        Ok(Self {
            sink: Arc::from(open_sink(format, destination.clone(), keep_versions)),
            place: destination,
            shown: shown(text, &location),
        })
    }
}

impl OpenDestination {
    /// The table format as pipelines spell it.
    pub(crate) fn format_name(&self) -> String {
        match self.sink.format() {
            Format::Parquet => "parquet",
            Format::Delta => "delta",
        }
        .to_owned()
    }
}

/// The location as a person in the current folder would type it.
fn shown(text: &str, location: &Location) -> String {
    if location.url.scheme() != "file" {
        return text.to_owned();
    }
    let path = format!("/{}", location.prefix);
    let here = std::env::current_dir().map(|folder| format!("{}/", folder.display())).unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(&path).to_owned()
}

/// Delta when the charge table has a log. What cannot be looked at is no Parquet.
async fn detect(location: &Location) -> Result<Format> {
    let log = location.prefix.clone().join("focus_charges").join("_delta_log");
    match location.store.list(Some(&log)).next().await {
        Some(Ok(_)) => Ok(Format::Delta),
        None | Some(Err(object_store::Error::NotFound { .. })) => Ok(Format::Parquet),
        Some(Err(error)) => Err(store_error(error, location)),
    }
}
