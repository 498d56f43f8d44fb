//! Turns DataFusion's errors into the workspace's, each with the remedy it calls for.
//!
//! An error of ours that travelled through a plan (a source's table, a store) comes out as it
//! went in. The trap avoided: memory exhaustion reported as a bare number of bytes, when the
//! user needs to hear which option to change.

use std::error::Error as StdError;

use apportion_spec::{Error, ErrorKind};
use apportion_store::{Cause, Said, of_io, of_store};
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;

/// Converts an error of planning or execution; callers add where it happened.
#[must_use]
pub fn from_datafusion(error: &DataFusionError) -> Error {
    let root = innermost(error);
    if let Some(known) = below(root) {
        return known;
    }
    if let Some(text) = unreadable_time(root) {
        let message = format!(
            "`{text}` is no time; a text column of times holds ISO 8601, such as 2026-03-01T08:00:00Z or 2026-03-01"
        );
        return Error::new(ErrorKind::ContractViolated, message);
    }
    match root {
        DataFusionError::External(external) => Error::new(ErrorKind::Internal, external.to_string()),
        DataFusionError::ArrowError(error, _) => Error::new(ErrorKind::ContractViolated, error.to_string()),
        DataFusionError::ResourcesExhausted(message) => exhausted(message),
        DataFusionError::SQL(..) | DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => {
            Error::new(ErrorKind::SqlInvalid, text(root))
        }
        DataFusionError::NotImplemented(_) => Error::new(ErrorKind::SqlInvalid, text(root)),
        DataFusionError::Execution(_) | DataFusionError::ParquetError(_) => {
            Error::new(ErrorKind::ContractViolated, text(root))
        }
        DataFusionError::Configuration(_) => Error::new(ErrorKind::Config, text(root)),
        _ => Error::new(ErrorKind::Internal, text(root)),
    }
}

/// The text that could not be read as a time, if that is what went wrong.
fn unreadable_time(root: &DataFusionError) -> Option<String> {
    let message = root.to_string();
    let (_, rest) = message.split_once("Error parsing timestamp from '")?;
    Some(rest.split('\'').next()?.to_owned())
}

/// The message of an error without DataFusion's prefix and without a backtrace.
pub(crate) fn text(error: &DataFusionError) -> String {
    let message = match error {
        DataFusionError::Plan(message) | DataFusionError::Execution(message) => message.clone(),
        other => other.message().into_owned(),
    };
    let message = message.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or_default();
    message.trim_end().trim_end_matches('.').to_owned()
}

/// The error under all wrappers; of several, the first.
pub(crate) fn innermost(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => innermost(inner),
        DataFusionError::Shared(inner) => innermost(inner),
        DataFusionError::Collection(errors) => errors.first().map_or(error, innermost),
        DataFusionError::External(external) => external.downcast_ref::<DataFusionError>().map_or(error, innermost),
        DataFusionError::ArrowError(arrow, _) => match arrow.as_ref() {
            ArrowError::ExternalError(external) => external.downcast_ref::<DataFusionError>().map_or(error, innermost),
            _ => error,
        },
        _ => error,
    }
}

/// The first cause whose kind is known for certain: ours, the store's or the file system's.
fn below(root: &DataFusionError) -> Option<Error> {
    Some(match apportion_store::cause(root)? {
        Cause::Ours(ours) => copy(ours),
        Cause::Store(error) => worded(of_store(error), error),
        Cause::Io(error) => worded(of_io(error.kind()), error),
    })
}

fn copy(ours: &Error) -> Error {
    let copy = Error::new(ours.kind(), ours.message());
    let copy = ours.context().iter().fold(copy, |copy, (key, value)| copy.with(key, value));
    match ours.source() {
        Some(cause) => copy.with("cause", cause),
        None => copy,
    }
}

fn worded(said: Said, error: &dyn StdError) -> Error {
    let message = match said {
        Said::Full => format!("the disk is full, point --work-directory at a larger one: {error}"),
        _ => error.to_string(),
    };
    Error::new(said.kind(), message)
}

fn exhausted(message: &str) -> Error {
    let error = if message.contains("disk space") {
        let advice = "spilling filled the disk, point --work-directory at a larger one";
        Error::new(ErrorKind::ResourcesExhausted, advice)
    } else {
        Error::memory_exhausted()
    };
    let message = message.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or_default();
    error.with("engine", message.replace('\n', " ").trim())
}

#[cfg(test)]
mod tests {
    use std::io;

    use datafusion::object_store;

    use super::*;

    #[test]
    fn exhausted_memory_names_the_option() {
        let error = DataFusionError::Context(
            "sort".to_owned(),
            Box::new(DataFusionError::ResourcesExhausted("Failed to allocate 8 MB".to_owned())),
        );
        let error = from_datafusion(&error);
        assert_eq!(error.kind(), ErrorKind::MemoryExhausted);
        assert_eq!(
            error.to_string(),
            "the query needs more memory, raise --memory-limit or lower --jobs (engine: Failed to allocate 8 MB)"
        );
    }

    #[test]
    fn an_error_of_ours_comes_out_as_it_went_in() {
        let ours = Error::new(ErrorKind::NotFound, "object vanished").with("object", "a/b");
        let wrapped = DataFusionError::ArrowError(
            Box::new(ArrowError::ExternalError(Box::new(DataFusionError::External(Box::new(ours))))),
            None,
        );
        let error = from_datafusion(&wrapped);
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::NotFound, "object vanished (object: a/b)".to_owned())
        );
    }

    #[test]
    fn a_store_that_throttles_and_a_quota_keep_their_kinds() {
        let generic = |text: &str| object_store::Error::Generic { store: "S3", source: text.to_owned().into() };
        let kind = |error: object_store::Error| from_datafusion(&DataFusionError::ObjectStore(Box::new(error))).kind();
        assert_eq!(
            kind(generic("Server returned non-2xx status code: 503 Service Unavailable: ")),
            ErrorKind::Throttled
        );
        assert_eq!(kind(generic("cannot read part-00503 of 429 rows")), ErrorKind::Internal);
        let quota = io::Error::from(io::ErrorKind::QuotaExceeded);
        assert_eq!(from_datafusion(&quota.into()).kind(), ErrorKind::ResourcesExhausted);
        let full =
            object_store::Error::Generic { store: "local", source: io::Error::from(io::ErrorKind::StorageFull).into() };
        assert_eq!(kind(full), ErrorKind::ResourcesExhausted);
    }

    #[test]
    fn a_full_disk_is_found_below_the_error_of_a_writer() {
        let disk = ArrowError::IoError("write".to_owned(), io::Error::from(io::ErrorKind::StorageFull));
        let wrapped = DataFusionError::External(Box::new(DataFusionError::ArrowError(Box::new(disk), None)));
        let error = from_datafusion(&wrapped);
        assert_eq!(error.kind(), ErrorKind::ResourcesExhausted);
        assert!(error.message().contains("--work-directory"), "{error}");
    }
}
