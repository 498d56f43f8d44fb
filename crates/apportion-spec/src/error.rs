//! The one error type of the workspace.
//!
//! An error is written for the person who must act: its kind says which remedy applies, its
//! message what is wrong, and its context pairs (`object`, `column`, `billing_period`, …) where.
//! Context is added where the fact is known, so callers at the top only print.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::{printable, secret};

/// Result with the workspace's [`enum@ErrorKind`]-carrying [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What remedy an [`Error`] calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The pipeline file or the command line is wrong; nothing was read or written.
    Config,
    /// Something that was named does not exist: a bucket, an object, a period, a table.
    NotFound,
    /// The store refused the credentials or the action.
    PermissionDenied,
    /// The store asked to slow down and kept asking after all retries.
    Throttled,
    /// Data does not have the shape that was promised: column, type, nullability.
    ContractViolated,
    /// A SQL model or an expression does not plan, or cannot be computed for some row.
    SqlInvalid,
    /// A check or the reconciliation failed; the unit was not published.
    CheckFailed,
    /// Somebody else changed the same table or object at the same time.
    Conflict,
    /// A month became suspiciously small; a person must accept it.
    Held,
    /// Another run holds the lock of the destination; nothing is wrong, try again later.
    Locked,
    /// The command was asked to stop before it was done.
    Stopped,
    /// A query needs more memory than it may use.
    MemoryExhausted,
    /// The disk is full, or a folder or thread that the work needs cannot be had.
    ResourcesExhausted,
    /// A broken invariant: please report it.
    Internal,
}

impl ErrorKind {
    /// Stable lower-case name, used in JSON reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::NotFound => "not_found",
            Self::PermissionDenied => "permission_denied",
            Self::Throttled => "throttled",
            Self::ContractViolated => "contract_violated",
            Self::SqlInvalid => "sql_invalid",
            Self::CheckFailed => "check_failed",
            Self::Conflict => "conflict",
            Self::Held => "held",
            Self::Locked => "locked",
            Self::Stopped => "stopped",
            Self::MemoryExhausted => "memory_exhausted",
            Self::ResourcesExhausted => "resources_exhausted",
            Self::Internal => "internal",
        }
    }
}

/// An error with kind, message, ordered context and an optional cause.
///
/// `Display` is one line: `message (object: …, column: …): cause`. Of a message with several lines, the first
/// says where, the others are a list. Whatever is shown of it holds no secret and no control character: causes are
/// the words of libraries, which put the URL of a request in them, and values come from bills.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync + 'static>>,
}

impl Error {
    /// Creates an error; `message` is in the user's words and ends without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: clean(message.into()), context: Vec::new(), source: None }
    }

    /// A query that needs more memory than it may use, with the options that help.
    #[must_use]
    pub fn memory_exhausted() -> Self {
        Self::new(ErrorKind::MemoryExhausted, "the query needs more memory, raise --memory-limit or lower --jobs")
    }

    /// Adds one fact about where the error happened.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((key, printable::line(&clean(value.to_string())).into_owned()));
        self
    }

    /// Attaches the cause, which is printed after the message.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The same error once more, for each of several that it concerns: kind, message, context and cause.
    #[must_use]
    pub fn again(error: &Arc<Self>) -> Self {
        let mut copy = Self::new(error.kind, error.message.clone());
        copy.context.clone_from(&error.context);
        match error.source {
            Some(_) => copy.with_source(CauseOf(Arc::clone(error))),
            None => copy,
        }
    }

    /// The remedy this error calls for.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message without context and cause.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The context pairs, in the order they were added.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.context
    }
}

/// The cause of an error that is kept.
#[derive(Debug)]
struct CauseOf(Arc<Error>);

impl fmt::Display for CauseOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.source.as_ref().map_or(Ok(()), |cause| cause.fmt(f))
    }
}

impl StdError for CauseOf {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        StdError::source(self.0.as_ref())
    }
}

/// A text without secrets.
fn clean(text: String) -> String {
    match secret::redact(&text) {
        Cow::Owned(redacted) => redacted,
        Cow::Borrowed(_) => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lead, list) = match self.message.split_once('\n') {
            Some((lead, list)) if !self.context.is_empty() => (lead, Some(list)),
            _ => (self.message.as_str(), None),
        };
        f.write_str(&printable::lines(lead))?;
        for (index, (key, value)) in self.context.iter().enumerate() {
            f.write_str(if index == 0 { " (" } else { ", " })?;
            write!(f, "{key}: {value}")?;
        }
        if !self.context.is_empty() {
            f.write_str(")")?;
        }
        if let Some(source) = &self.source {
            f.write_str(": ")?;
            f.write_str(&printable::lines(&secret::redact(&source.to_string())))?;
        }
        match list {
            Some(list) => write!(f, "\n{}", printable::lines(list)),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| -> &(dyn StdError + 'static) { source.as_ref() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_follows_the_line_that_says_where() {
        let error = Error::new(ErrorKind::ContractViolated, "two columns do not fit\n  a\n  b").with("object", "o");
        assert_eq!(error.to_string(), "two columns do not fit (object: o)\n  a\n  b");
    }

    #[test]
    fn nothing_of_an_error_shows_a_secret_or_commands_a_terminal() {
        let cause = "GET https://account.blob.core.windows.net/c?sv=1&sig=hidden-word: \u{1b}]0;owned\u{7}";
        let error = Error::new(ErrorKind::Internal, "cannot read https://user:hidden-word@host/a")
            .with("object", "https://host/b?code=hidden-word")
            .with("tag", "one\ntwo\u{202e}")
            .with_source(std::io::Error::other(cause));
        assert_eq!(
            error.to_string(),
            "cannot read https://[redacted]@host/a (object: https://host/b?[redacted], tag: one\\ntwo\\u{202e}): \
             GET https://account.blob.core.windows.net/c?[redacted] \\u{1b}]0;owned\\u{7}"
        );
        assert!(!error.message().contains("hidden") && !format!("{:?}", error.context()).contains("hidden"));
    }

    #[test]
    fn an_error_that_concerns_several_is_the_same_for_each() {
        let cause = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let first = Error::new(ErrorKind::Throttled, "cannot list").with("telemetry", "cpu").with_source(cause);
        let again = Error::again(&Arc::new(first));
        let again = Error::again(&Arc::new(again));
        assert_eq!(again.to_string(), "cannot list (telemetry: cpu): no storage space");
        assert_eq!((again.kind(), again.context()), (ErrorKind::Throttled, &[("telemetry", "cpu".to_owned())][..]));
        let mut cause = again.source();
        while let Some(wrapper) = cause.filter(|cause| !cause.is::<std::io::Error>()) {
            cause = wrapper.source();
        }
        let found = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>());
        assert_eq!(found.map(std::io::Error::kind), Some(std::io::ErrorKind::StorageFull));
    }

    #[test]
    fn display_is_one_line_with_context_in_order_and_cause() {
        let error = Error::new(ErrorKind::ContractViolated, "column has the wrong type")
            .with("object", "a/b.parquet")
            .with("column", "line_item_unblended_cost")
            .with_source(std::io::Error::other("footer"));
        assert_eq!(
            error.to_string(),
            "column has the wrong type (object: a/b.parquet, column: line_item_unblended_cost): footer"
        );
    }
}
