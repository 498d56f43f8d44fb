//! Turns errors of the libraries underneath into the workspace's error, by remedy.

use datafusion::error::DataFusionError;
use deltalake_core::DeltaTableError;

use apportion_spec::{Error, ErrorKind};
use apportion_store::{cause, is_full, of_io, of_store};

/// Classifies an object store failure.
pub(crate) fn store(error: object_store::Error, action: &str, object: impl std::fmt::Display) -> Error {
    Error::new(of_store(&error).kind(), format!("cannot {action}")).with("object", object).with_source(error)
}

/// The remedy of a failure of the Delta kernel, which does not show the store's error as its source.
fn kernel_kind(error: &delta_kernel::Error) -> ErrorKind {
    match error {
        delta_kernel::Error::ObjectStore(error) => of_store(error).kind(),
        delta_kernel::Error::FileNotFound(_) => ErrorKind::NotFound,
        delta_kernel::Error::Backtraced { source, .. } => kernel_kind(source),
        // The kernel reads what is stored; what it cannot read is not as Delta promises.
        other => cause(other).map_or(ErrorKind::ContractViolated, |cause| cause.kind()),
    }
}

/// The remedy of whatever lies below a library's error.
fn kind_below(error: &(dyn std::error::Error + 'static)) -> ErrorKind {
    cause(error).map_or(ErrorKind::Internal, |cause| cause.kind())
}

/// Classifies a failure of the local file system.
pub(crate) fn file(error: std::io::Error, action: &str, path: &std::path::Path) -> Error {
    let kind = of_io(error.kind()).kind();
    Error::new(kind, format!("cannot {action}")).with("path", path.display()).with_source(error)
}

/// Classifies a failure of a query stream; an error of ours that travelled inside is unwrapped.
pub(crate) fn query(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => query_failed(ErrorKind::Internal, DataFusionError::External(other)),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => query(*inner),
        // What a join could not build is told to every part that waits for it.
        DataFusionError::Shared(ref inner) if is_out_of_memory(inner) => Error::memory_exhausted().with_source(error),
        DataFusionError::ArrowError(inner, trace) => match *inner {
            arrow::error::ArrowError::ExternalError(inner) => query(DataFusionError::External(inner)),
            other => query_failed(ErrorKind::Internal, DataFusionError::ArrowError(Box::new(other), trace)),
        },
        DataFusionError::ResourcesExhausted(ref message) if message.contains("disk space") => {
            let advice = "spilling filled the disk, point --work-directory at a larger one";
            Error::new(ErrorKind::ResourcesExhausted, advice).with_source(error)
        }
        DataFusionError::ResourcesExhausted(_) => Error::memory_exhausted().with_source(error),
        other if is_full(&other) => query_failed(ErrorKind::ResourcesExhausted, other),
        other => query_failed(kind_below(&other), other),
    }
}

/// Whether a failure is that memory was short, under whatever wraps it.
fn is_out_of_memory(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(message) => !message.contains("disk space"),
        _ => false,
    }
}

fn query_failed(kind: ErrorKind, error: DataFusionError) -> Error {
    Error::new(kind, "the query that computes the rows failed").with_source(error)
}

/// A failure to encode rows; most often the disk they are staged on is full.
pub(crate) fn encode(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    if is_full(&error) {
        let message = "the disk of the work directory is full; make room or name another with --work-directory";
        return Error::new(ErrorKind::ResourcesExhausted, message).with_source(error);
    }
    Error::new(ErrorKind::Internal, "cannot encode Parquet").with_source(error)
}

/// Classifies a failure of the Delta library.
pub(crate) fn delta(error: DeltaTableError, action: &str, table: &str) -> Error {
    match error {
        DeltaTableError::ObjectStore { source } => store(source, action, table),
        DeltaTableError::KernelError(cause) => {
            Error::new(kernel_kind(&cause), format!("cannot {action}")).with("table", table).with_source(cause)
        }
        other => {
            let kind = match &other {
                DeltaTableError::NotATable(_) | DeltaTableError::InvalidTableLocation(_) => ErrorKind::NotFound,
                DeltaTableError::VersionAlreadyExists(_) | DeltaTableError::Transaction { .. } => ErrorKind::Conflict,
                DeltaTableError::InvalidJsonLog { .. }
                | DeltaTableError::InvalidStatsJson { .. }
                | DeltaTableError::InvalidData { .. }
                | DeltaTableError::MetadataError(_)
                | DeltaTableError::NoSchema
                | DeltaTableError::SchemaMismatch { .. }
                | DeltaTableError::PartitionError { .. } => ErrorKind::ContractViolated,
                other => kind_below(other),
            };
            Error::new(kind, format!("cannot {action}")).with("table", table).with_source(other)
        }
    }
}

/// A broken invariant.
pub(crate) fn internal(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_table_that_is_throttled_says_so() {
        let busy = || object_store::Error::Generic {
            store: "S3",
            source: "Server returned non-2xx status code: 503 Service Unavailable: ".into(),
        };
        let object = "part-00429.parquet";
        let kernel = delta_kernel::Error::ObjectStore(busy());
        for error in [
            store(busy(), "write", object),
            delta(DeltaTableError::ObjectStore { source: busy() }, "load the table", object),
            delta(DeltaTableError::KernelError(kernel), "load the table", object),
            query(DataFusionError::ObjectStore(Box::new(busy()))),
        ] {
            assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
        }
        let other = object_store::Error::Generic { store: "S3", source: "part-00503 of 429".into() };
        assert_eq!(store(other, "write", object).kind(), ErrorKind::Internal);
    }
}
