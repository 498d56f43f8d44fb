//! Turns errors of the libraries underneath into the workspace's error, by remedy.

use datafusion::error::DataFusionError;
use deltalake_core::DeltaTableError;

use apportion_spec::{Error, ErrorKind};

/// Classifies an object store failure.
pub(crate) fn store(error: object_store::Error, action: &str, object: impl std::fmt::Display) -> Error {
    Error::new(store_kind(&error), format!("cannot {action}")).with("object", object).with_source(error)
}

fn store_kind(error: &object_store::Error) -> ErrorKind {
    use object_store::Error as Store;
    match error {
        Store::NotFound { .. } => ErrorKind::NotFound,
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => ErrorKind::PermissionDenied,
        Store::AlreadyExists { .. } | Store::Precondition { .. } => ErrorKind::Conflict,
        other if is_throttling(&other.to_string()) => ErrorKind::Throttled,
        _ => ErrorKind::Internal,
    }
}

/// The remedy of an object store failure somewhere below a library's error.
fn store_kind_below(error: &(dyn std::error::Error + 'static)) -> Option<ErrorKind> {
    std::iter::successors(Some(error), |error| error.source())
        .find_map(|error| error.downcast_ref::<object_store::Error>())
        .map(store_kind)
}

/// The remedy of a failure of the Delta kernel, which does not show the store's error as its source.
fn kernel_kind(error: &delta_kernel::Error) -> ErrorKind {
    match error {
        delta_kernel::Error::ObjectStore(error) => store_kind(error),
        delta_kernel::Error::FileNotFound(_) => ErrorKind::NotFound,
        delta_kernel::Error::Backtraced { source, .. } => kernel_kind(source),
        other => store_kind_below(other).unwrap_or(ErrorKind::Internal),
    }
}

/// Whether a store asked to slow down, by how it says so; the name of an object may hold any number.
fn is_throttling(text: &str) -> bool {
    const SIGNS: [&str; 7] = [
        "status code: 429",
        "status code: 503",
        "<Code>SlowDown</Code>",
        "<Code>ServerBusy</Code>",
        "<Code>TooManyRequests",
        "(code: SlowDown)",
        "code: SlowDown,",
    ];
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// Classifies a failure of the local file system.
pub(crate) fn file(error: std::io::Error, action: &str, path: &std::path::Path) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::ResourcesExhausted,
        _ => ErrorKind::Internal,
    };
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
        other if is_disk_full(&other) => query_failed(ErrorKind::ResourcesExhausted, other),
        other => query_failed(store_kind_below(&other).unwrap_or(ErrorKind::Internal), other),
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
    if is_disk_full(&error) {
        let message = "the disk of the work directory is full; make room or name another with --work-directory";
        return Error::new(ErrorKind::ResourcesExhausted, message).with_source(error);
    }
    Error::new(ErrorKind::Internal, "cannot encode Parquet").with_source(error)
}

/// Whether a full disk lies somewhere below a library's error.
fn is_disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let io = error.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| matches!(io.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded))
    })
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
                other => store_kind_below(other).unwrap_or(ErrorKind::Internal),
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

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn only_the_store_says_that_it_is_throttling() {
        let answer = "Error performing PUT http://host/b/part-00001 in 2s, after 3 retries - Server returned non-2xx status code: ";
        for (text, kind) in [
            (format!("{answer}503 Service Unavailable: <Code>SlowDown</Code>"), ErrorKind::Throttled),
            (format!("{answer}429 Too Many Requests: "), ErrorKind::Throttled),
            (format!("{answer}500 Internal Server Error: "), ErrorKind::Internal),
            (
                "Error performing GET http://host/b/part-00503.parquet?x=429 in 1s - connection closed".to_owned(),
                ErrorKind::Internal,
            ),
            ("unable to open /data/SlowDown/part-00429".to_owned(), ErrorKind::Internal),
        ] {
            assert_eq!(store(generic(&text), "write", "part-00503").kind(), kind, "{text}");
        }
    }
}
