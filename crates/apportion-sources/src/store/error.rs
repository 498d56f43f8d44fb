//! Turns errors of the object store and of DataFusion into errors with a remedy.
//!
//! `object_store` has few kinds: throttling, redirects and missing buckets arrive as `Generic`
//! with the reason in the text of a cause, so that text is read once, here.

use std::error::Error as StdError;

use apportion_spec::{Error, ErrorKind};
use datafusion::error::DataFusionError;

/// An error of the store about `object`, which is an object's or a location's full name.
#[expect(clippy::needless_pass_by_value, reason = "the shape `map_err` calls")]
pub fn store_error(error: object_store::Error, object: impl std::fmt::Display) -> Error {
    use object_store::Error as Store;
    let text = chain(&error);
    let code = between(&text, "<Code>", "</Code>").unwrap_or_default().to_owned();
    let object = object.to_string();
    // The name of an object may hold any word and any number.
    let said = without_names(&text, &object);
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    let (kind, message) = match &error {
        Store::Precondition { .. } => (ErrorKind::Conflict, "the object was replaced while it was being read"),
        Store::AlreadyExists { .. } => (ErrorKind::Conflict, "the object already exists"),
        Store::Unauthenticated { .. } if has(&["no AWS credentials"]) => (
            ErrorKind::PermissionDenied,
            "no AWS credentials were found; sign in, set AWS_PROFILE, or give this machine a role",
        ),
        _ if has(&["Account must be specified"]) => (
            ErrorKind::PermissionDenied,
            "no Azure storage account is named; set AZURE_STORAGE_ACCOUNT_NAME, and a key, a SAS token, a service \
             principal or a managed identity by the other AZURE_ variables",
        ),
        _ if object.starts_with("gs://") && has(&["169.254.169.254", "metadata.google.internal"]) => (
            ErrorKind::PermissionDenied,
            "no Google Cloud credentials were found; set GOOGLE_APPLICATION_CREDENTIALS, sign in with `gcloud auth \
             application-default login`, or give this machine a service account",
        ),
        _ if object.starts_with("az") && has(&["169.254.169.254"]) => (
            ErrorKind::PermissionDenied,
            "no Azure credentials were found; set a key, a SAS token or a service principal by AZURE_ variables, or \
             give this machine a managed identity",
        ),
        _ if has(&["InvalidAccessKeyId", "SignatureDoesNotMatch", "NotSignedUp"]) => {
            (ErrorKind::PermissionDenied, "the store refuses the credentials as wrong")
        }
        _ if has(&["ExpiredToken"]) => (ErrorKind::PermissionDenied, "the credentials have expired; sign in again"),
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
            (ErrorKind::PermissionDenied, "the store denies access")
        }
        _ if has(&["NoSuchBucket", "ContainerNotFound"]) => (ErrorKind::NotFound, "the bucket does not exist"),
        _ if has(&["is a symbolic link to"]) => {
            return Error::new(ErrorKind::NotFound, "the object cannot be read")
                .with("object", object)
                .with("cause", one_line(&text));
        }
        Store::NotFound { .. } => (ErrorKind::NotFound, "the object does not exist"),
        _ if has(&["incorrectly configured region", "PermanentRedirect", "AuthorizationHeaderMalformed"]) => {
            (ErrorKind::Config, "the bucket is in another region; set `region`")
        }
        _ if has(&["SlowDown", "ServerBusy", "429 Too Many", "503 Service"]) => {
            (ErrorKind::Throttled, "the store kept asking to slow down")
        }
        _ if has(&["500 Internal", "502 Bad", "504 Gateway", "timed out", "operation timed"]) => {
            (ErrorKind::Throttled, "the store kept failing")
        }
        _ if has(&["error decoding response body", "connection closed", "IncompleteMessage", "end of file"]) => {
            (ErrorKind::Throttled, "the store broke off while sending the object")
        }
        _ if has(&["error trying to connect", "tcp connect error", "dns error", "Connection refused"]) => {
            // The command line may be right: a store that answered before may be gone for a while.
            (ErrorKind::Throttled, "the store does not answer; check endpoint and network")
        }
        Store::InvalidPath { .. } => (ErrorKind::Config, "a key cannot be read as a path"),
        _ => (ErrorKind::Internal, "the store failed"),
    };
    let mut mapped = Error::new(kind, message).with("object", object);
    if !code.is_empty() {
        mapped = mapped.with("code", code);
    }
    match kind {
        ErrorKind::Internal | ErrorKind::Config | ErrorKind::Throttled => mapped.with("cause", one_line(&text)),
        // The store's own words name the missing action, for example a decryption key.
        ErrorKind::PermissionDenied => match between(&text, "<Message>", "</Message>") {
            Some(reason) => mapped.with("reason", one_line(reason)),
            None => mapped,
        },
        _ => mapped,
    }
}

/// An error of DataFusion while a source was being read.
///
/// Readers attach the object to their errors; this finds that error again below DataFusion's
/// wrapping, so the message names the object and keeps its kind.
#[expect(clippy::needless_pass_by_value, reason = "the shape `map_err` calls")]
pub fn read_error(error: DataFusionError) -> Error {
    let mut next: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(cause) = next {
        if let Some(ours) = cause.downcast_ref::<Error>() {
            return ours
                .context()
                .iter()
                .fold(Error::new(ours.kind(), ours.message()), |copy, (key, value)| copy.with(key, value));
        }
        next = cause.source();
    }
    let kind = match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => ErrorKind::MemoryExhausted,
        DataFusionError::SQL(..) | DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => ErrorKind::SqlInvalid,
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) | DataFusionError::ParquetError(_) => {
            ErrorKind::ContractViolated
        }
        _ => ErrorKind::Internal,
    };
    Error::new(kind, "the source could not be read").with("cause", one_line(&error.to_string()))
}

/// What a store and the libraries said, without the URLs and the object that they said it about.
fn without_names(text: &str, object: &str) -> String {
    let key = object.split_once("://").map_or(object, |(_, rest)| rest.split_once('/').map_or(rest, |(_, key)| key));
    let mut said = text.to_owned();
    for name in [object, key.trim_matches('/')] {
        // A short name may be a part of any word.
        if name.len() > 3 {
            said = said.replace(name, "");
        }
    }
    // The address of a service of the machine says that there are no credentials.
    let is_url =
        |word: &str| word.contains("://") && !word.contains("169.254.169.254") && !word.contains("metadata.google");
    said.split(' ').filter(|word| !is_url(word)).collect::<Vec<_>>().join(" ")
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inside, _)| inside)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> ErrorKind {
        let error = object_store::Error::Generic { store: "S3", source: text.to_owned().into() };
        store_error(error, "s3://bucket/a/503 Service/SlowDown/part-00503.parquet").kind()
    }

    #[test]
    fn the_name_of_an_object_says_nothing_about_its_store() {
        let about = "Error performing GET http://host/bucket/a/503%20Service/SlowDown/part-00503.parquet in 1s - ";
        assert_eq!(kind(&format!("{about}something else")), ErrorKind::Internal);
        assert_eq!(kind("a/503 Service/SlowDown/part-00503.parquet: something else"), ErrorKind::Internal);
        assert_eq!(
            kind(&format!("{about}Server returned non-2xx status code: 503 Service Unavailable: ")),
            ErrorKind::Throttled
        );
        assert_eq!(kind(&format!("{about}status code: 400 Bad Request: <Code>SlowDown</Code>")), ErrorKind::Throttled);
    }

    #[test]
    fn a_store_that_is_gone_may_come_back() {
        let error =
            kind("Error performing GET http://host/bucket/x in 1s - error trying to connect: Connection refused");
        assert_eq!(error, ErrorKind::Throttled);
    }
}
