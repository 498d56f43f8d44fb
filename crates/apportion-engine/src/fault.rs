//! Turns DataFusion's errors into the workspace's, each with the remedy it calls for.
//!
//! An error of ours that travelled through a plan (a source's table, a store) comes out as it
//! went in. The trap avoided: memory exhaustion reported as a bare number of bytes, when the
//! user needs to hear which option to change.

use std::error::Error as StdError;
use std::io;

use apportion_spec::{Error, ErrorKind};
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::object_store;

/// Converts an error of planning or execution; callers add where it happened.
#[must_use]
pub fn from_datafusion(error: &DataFusionError) -> Error {
    let root = innermost(error);
    match root {
        DataFusionError::External(external) => from_external(external.as_ref()),
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::ExternalError(external) => from_external(external.as_ref()),
            other => Error::new(ErrorKind::ContractViolated, other.to_string()),
        },
        DataFusionError::ObjectStore(error) => from_store(error),
        DataFusionError::IoError(error) => from_io(error),
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

fn from_external(external: &(dyn StdError + Send + Sync + 'static)) -> Error {
    if let Some(ours) = external.downcast_ref::<Error>() {
        let copy = Error::new(ours.kind(), ours.message());
        let copy = ours.context().iter().fold(copy, |copy, (key, value)| copy.with(key, value));
        return match ours.source() {
            Some(cause) => copy.with("cause", cause),
            None => copy,
        };
    }
    if let Some(error) = external.downcast_ref::<object_store::Error>() {
        return from_store(error);
    }
    if let Some(error) = external.downcast_ref::<io::Error>() {
        return from_io(error);
    }
    Error::new(ErrorKind::Internal, external.to_string())
}

fn from_store(error: &object_store::Error) -> Error {
    let kind = match error {
        object_store::Error::NotFound { .. } => ErrorKind::NotFound,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            ErrorKind::PermissionDenied
        }
        object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. } => ErrorKind::Conflict,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, error.to_string())
}

fn from_io(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull => Error::new(
            ErrorKind::ResourcesExhausted,
            format!("the disk is full, point --spill-directory at a larger one: {error}"),
        ),
        io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, error.to_string()),
        io::ErrorKind::PermissionDenied => Error::new(ErrorKind::PermissionDenied, error.to_string()),
        _ => Error::new(ErrorKind::Internal, error.to_string()),
    }
}

fn exhausted(message: &str) -> Error {
    let advice = if message.contains("disk space") {
        "spilling filled the disk, point --spill-directory at a larger one"
    } else {
        "the query needs more memory, raise --memory-limit or lower --threads"
    };
    let message = message.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or_default();
    Error::new(ErrorKind::ResourcesExhausted, advice).with("engine", message.replace('\n', " ").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhausted_memory_names_the_option() {
        let error = DataFusionError::Context(
            "sort".to_owned(),
            Box::new(DataFusionError::ResourcesExhausted("Failed to allocate 8 MB".to_owned())),
        );
        let error = from_datafusion(&error);
        assert_eq!(error.kind(), ErrorKind::ResourcesExhausted);
        assert_eq!(
            error.to_string(),
            "the query needs more memory, raise --memory-limit or lower --threads (engine: Failed to allocate 8 MB)"
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
}
