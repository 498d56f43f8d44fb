//! Every failure by its cause, and never by the words of a name.

use super::*;

fn generic(source: impl Into<Box<dyn StdError + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: source.into() }
}

/// The answer as `object_store` words it.
fn answered(status: &str, body: &str) -> object_store::Error {
    generic(format!("Server returned non-2xx status code: {status}: {body}"))
}

fn http(kind: HttpErrorKind) -> object_store::Error {
    generic(HttpError::new(kind, io::Error::other("the socket")))
}

#[test]
fn answers_are_told_from_status_and_code() {
    let body = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
    for (error, said) in [
        (answered("503 Service Unavailable", ""), Said::SlowDown),
        (answered("429 Too Many Requests", ""), Said::SlowDown),
        (answered("400 Bad Request", &body("SlowDown")), Said::SlowDown),
        (answered("500 Internal Server Error", ""), Said::Failing),
        (answered("504 Gateway Timeout", ""), Said::Failing),
        (answered("400 Bad Request", &body("ExpiredToken")), Said::ExpiredCredentials),
        (answered("400 Bad Request", &body("AuthorizationHeaderMalformed")), Said::OtherRegion),
        (answered("416 Requested Range Not Satisfiable", ""), Said::Shorter),
        (generic("Out of range of file /a, expected: 5, actual: 3"), Said::Shorter),
        (answered("507 Insufficient Storage", ""), Said::Full),
        (answered("418 I'm a teapot", ""), Said::Other),
        (generic("DeleteObjects request failed for key a/503: m (code: SlowDown)"), Said::SlowDown),
        (generic("cannot read part-00503 of 429 rows"), Said::Other),
    ] {
        assert_eq!(of_store(&error), said, "{error}");
    }
}

#[test]
fn a_kind_of_the_library_comes_first() {
    let source = || answered("403 Forbidden", "<Error><Code>InvalidAccessKeyId</Code></Error>").into();
    let path = || "part-00503".to_owned();
    let denied = object_store::Error::PermissionDenied { path: path(), source: source() };
    assert_eq!(of_store(&denied), Said::WrongCredentials);
    let denied = object_store::Error::PermissionDenied { path: path(), source: "no".into() };
    assert_eq!(of_store(&denied), Said::Denied);
    let gone = |code: &str| object_store::Error::NotFound {
        path: path(),
        source: format!("Server returned non-2xx status code: 404 Not Found: <Code>{code}</Code>").into(),
    };
    assert_eq!((of_store(&gone("NoSuchKey")), of_store(&gone("NoSuchBucket"))), (Said::NotFound, Said::NoBucket));
    let replaced = object_store::Error::Precondition { path: path(), source: "412".into() };
    assert_eq!(of_store(&replaced), Said::Replaced);
}

#[test]
fn a_store_that_is_gone_may_come_back() {
    for kind in [HttpErrorKind::Connect, HttpErrorKind::Timeout, HttpErrorKind::Interrupted, HttpErrorKind::Decode] {
        assert_eq!(of_store(&http(kind)).kind(), ErrorKind::Throttled, "{kind:?}");
    }
    assert_eq!(of_store(&http(HttpErrorKind::Unknown)), Said::Other);
    assert_eq!(of_store(&generic(io::Error::from(io::ErrorKind::ConnectionRefused))), Said::Unreachable);
}

#[test]
fn the_local_disk_is_a_store_as_well() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        let error = generic(io::Error::from(kind));
        assert_eq!(of_store(&error).kind(), ErrorKind::ResourcesExhausted);
        assert!(is_full(&error));
    }
    assert!(!is_full(&generic("StorageFull")));
}

#[test]
fn the_first_cause_decides() {
    let ours = Error::new(ErrorKind::Held, "wait").with_source(answered("503 Slow", ""));
    let wrapped = io::Error::other(ours);
    assert_eq!(cause(&wrapped).map(|cause| cause.kind()), Some(ErrorKind::Held));
    assert!(cause(&io::Error::other("words")).is_none());
    let nested = generic(answered("503 Slow", ""));
    assert_eq!(cause(&nested).map(|cause| cause.kind()), Some(ErrorKind::Throttled));
    assert!(cause(&std::fmt::Error).is_none());
}
