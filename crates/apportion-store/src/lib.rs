//! What stores and file systems say, by the remedy it calls for.
//!
//! The one classification of their errors, whoever meets them: a source that reads a bill, a query
//! that runs over it, a sink that publishes. Causes decide, never words: the name of an object may
//! hold any word and any number. The trap avoided: three readings of the same failure, so that a
//! busy store is a mistake of the command line in one place and a broken invariant in another.

mod answer;

use std::error::Error as StdError;
use std::io;

use apportion_spec::{Error, ErrorKind};
use object_store::client::{HttpError, HttpErrorKind};

pub use self::answer::{Answer, answer};

/// What a store or a file system said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Said {
    /// The object does not exist.
    NotFound,
    /// The bucket or container does not exist.
    NoBucket,
    /// The action is not allowed.
    Denied,
    /// The credentials are wrong.
    WrongCredentials,
    /// The credentials were right and no longer are.
    ExpiredCredentials,
    /// The object is there already.
    Exists,
    /// The object is another one than expected.
    Replaced,
    /// It asked to slow down, and kept asking.
    SlowDown,
    /// It kept failing by itself.
    Failing,
    /// It does not answer.
    Unreachable,
    /// It broke off in the middle of an answer.
    BrokenOff,
    /// The bucket is in another region.
    OtherRegion,
    /// There is no room for more: a full disk or quota.
    Full,
    /// The object ends before what was asked for: it is not what was listed.
    Shorter,
    /// A name that no object can have.
    InvalidName,
    /// Anything else.
    Other,
}

impl Said {
    /// The remedy.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::NotFound | Self::NoBucket => ErrorKind::NotFound,
            Self::Denied | Self::WrongCredentials | Self::ExpiredCredentials => ErrorKind::PermissionDenied,
            Self::Exists | Self::Replaced => ErrorKind::Conflict,
            // The command line may be right: a store that answered before may be gone for a while.
            Self::SlowDown | Self::Failing | Self::Unreachable | Self::BrokenOff => ErrorKind::Throttled,
            Self::OtherRegion | Self::InvalidName => ErrorKind::Config,
            Self::Full => ErrorKind::ResourcesExhausted,
            Self::Shorter => ErrorKind::ContractViolated,
            Self::Other => ErrorKind::Internal,
        }
    }
}

/// What a store said.
#[must_use]
pub fn of_store(error: &object_store::Error) -> Said {
    use object_store::Error as Store;
    let answered = answer(error).and_then(|answer| of_answer(&answer));
    match error {
        Store::NotFound { .. } if answered == Some(Said::NoBucket) => Said::NoBucket,
        Store::NotFound { .. } => Said::NotFound,
        Store::AlreadyExists { .. } => Said::Exists,
        Store::Precondition { .. } => Said::Replaced,
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => match answered {
            Some(said @ (Said::WrongCredentials | Said::ExpiredCredentials | Said::Full)) => said,
            _ => Said::Denied,
        },
        Store::InvalidPath { .. } => Said::InvalidName,
        other => match causes(other).skip(1).find_map(|cause| cause.downcast_ref::<Store>()) {
            Some(inner) => of_store(inner),
            None => answered.or_else(|| of_transport(other)).or_else(|| of_range(other)).unwrap_or(Said::Other),
        },
    }
}

/// What a file system or a socket said.
#[must_use]
pub const fn of_io(kind: io::ErrorKind) -> Said {
    match kind {
        io::ErrorKind::NotFound => Said::NotFound,
        io::ErrorKind::PermissionDenied => Said::Denied,
        io::ErrorKind::AlreadyExists => Said::Exists,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Said::Full,
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::NotConnected
        | io::ErrorKind::TimedOut => Said::Unreachable,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Said::BrokenOff,
        _ => Said::Other,
    }
}

/// What lies below an error of a library and has a remedy of its own.
#[derive(Debug, Clone, Copy)]
pub enum Cause<'a> {
    /// An error of ours, which went through the library.
    Ours(&'a Error),
    /// A store failed.
    Store(&'a object_store::Error),
    /// The file system failed.
    Io(&'a io::Error),
}

impl Cause<'_> {
    /// The remedy.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Ours(error) => error.kind(),
            Self::Store(error) => of_store(error).kind(),
            Self::Io(error) => of_io(error.kind()).kind(),
        }
    }
}

/// The first such cause, `error` itself included.
#[must_use]
pub fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<Cause<'a>> {
    causes(error).find_map(|cause| {
        let ours = cause.downcast_ref::<Error>().map(Cause::Ours);
        let store = || cause.downcast_ref::<object_store::Error>().map(Cause::Store);
        // One that wraps another error says nothing by itself.
        let io = || cause.downcast_ref::<io::Error>().filter(|io| io.get_ref().is_none()).map(Cause::Io);
        ours.or_else(store).or_else(io)
    })
}

/// Whether a full disk or quota is somewhere below.
#[must_use]
pub fn is_full(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| match cause.downcast_ref::<io::Error>() {
        Some(error) => of_io(error.kind()) == Said::Full,
        None => cause.downcast_ref::<object_store::Error>().is_some_and(|error| of_store(error) == Said::Full),
    })
}

/// An error and everything below it, in order.
pub fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        // The source of an input or output error is that of the error it wraps, not that error.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

/// What the status and the code of an answer say; nothing for those that say nothing.
fn of_answer(answer: &Answer) -> Option<Said> {
    match answer.code.as_deref().unwrap_or("") {
        "SlowDown"
        | "ServerBusy"
        | "TooManyRequests"
        | "TooManyRequestsException"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "ServiceUnavailable" => {
            return Some(Said::SlowDown);
        }
        "NoSuchBucket" | "ContainerNotFound" => return Some(Said::NoBucket),
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "NotSignedUp" | "InvalidToken" => {
            return Some(Said::WrongCredentials);
        }
        "ExpiredToken" | "RequestExpired" | "TokenRefreshRequired" => return Some(Said::ExpiredCredentials),
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            return Some(Said::OtherRegion);
        }
        "InternalError" | "OperationTimedOut" => return Some(Said::Failing),
        "QuotaExceeded" => return Some(Said::Full),
        _ => {}
    }
    match answer.status? {
        301 | 307 | 308 => Some(Said::OtherRegion),
        401 | 403 => Some(Said::Denied),
        404 => Some(Said::NotFound),
        408 | 500 | 502 | 504 => Some(Said::Failing),
        416 => Some(Said::Shorter),
        429 | 503 => Some(Said::SlowDown),
        507 => Some(Said::Full),
        _ => None,
    }
}

/// What happened on the way to the store, or on its disk.
fn of_transport(error: &object_store::Error) -> Option<Said> {
    causes(error).find_map(|cause| {
        if let Some(http) = cause.downcast_ref::<HttpError>() {
            return Some(match http.kind() {
                HttpErrorKind::Connect | HttpErrorKind::Timeout => Said::Unreachable,
                HttpErrorKind::Request | HttpErrorKind::Interrupted | HttpErrorKind::Decode => Said::BrokenOff,
                _ => Said::Other,
            });
        }
        cause.downcast_ref::<io::Error>().map(|error| of_io(error.kind())).filter(|said| *said != Said::Other)
    })
}

/// Whether what was asked for lies behind the end of the object. Its errors cannot be named either, but start with
/// words of their own.
fn of_range(error: &object_store::Error) -> Option<Said> {
    const STARTS: [&str; 4] =
        ["Out of range of file ", "Requested range was invalid", "Wanted range starting at ", "Requested Range "];
    let shorter = |cause: &(dyn StdError + 'static)| {
        let text = cause.to_string();
        STARTS.iter().any(|start| text.starts_with(start))
    };
    causes(error).any(shorter).then_some(Said::Shorter)
}

#[cfg(test)]
mod tests;
