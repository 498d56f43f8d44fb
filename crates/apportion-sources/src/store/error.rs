//! Turns errors of the object store into errors with a remedy, in the words of who reads a bill.
//!
//! What a store said is told from its causes, in one place for all who meet it. What is missing to
//! sign in at a provider arrives as the text of a library alone, so that text is read once, here.

use std::error::Error as StdError;

use apportion_spec::{Error, ErrorKind};
use apportion_store::{Cause, Said, answer, cause, causes, of_store};

use super::links::Dangling;

/// An error of the store about `object`, which is an object's or a location's full name.
#[expect(clippy::needless_pass_by_value, reason = "the shape `map_err` calls")]
pub fn store_error(error: object_store::Error, object: impl std::fmt::Display) -> Error {
    let text = chain(&error);
    let object = object.to_string();
    if causes(&error).any(|cause| cause.is::<Dangling>()) {
        return Error::new(ErrorKind::NotFound, "the object cannot be read")
            .with("object", object)
            .with("cause", one_line(&text));
    }
    let (kind, message) = match (signed_out(&error, &text, &object), of_store(&error)) {
        (Some(missing), _) => (ErrorKind::PermissionDenied, missing),
        (None, said) => (said.kind(), words(said).to_owned()),
    };
    let answered = answer(&error);
    let mut mapped = Error::new(kind, message).with("object", object);
    if let Some(code) = answered.as_ref().and_then(|answer| answer.code.as_deref()) {
        mapped = mapped.with("code", code);
    }
    match kind {
        ErrorKind::Internal
        | ErrorKind::Config
        | ErrorKind::Throttled
        | ErrorKind::ResourcesExhausted
        | ErrorKind::ContractViolated => mapped.with("cause", one_line(&text)),
        // The store's own words name the missing action, for example a decryption key.
        ErrorKind::PermissionDenied => match answered.and_then(|answer| answer.message) {
            Some(reason) => mapped.with("reason", one_line(&reason)),
            None => mapped,
        },
        _ => mapped,
    }
}

/// What a store said, to who reads a bill.
const fn words(said: Said) -> &'static str {
    match said {
        Said::NotFound => "the object does not exist",
        Said::NoBucket => "the bucket does not exist",
        Said::Denied => "the store denies access",
        Said::WrongCredentials => "the store refuses the credentials as wrong",
        Said::ExpiredCredentials => "the credentials have expired; sign in again",
        Said::Exists => "the object already exists",
        Said::Replaced => "the object was replaced while it was being read",
        Said::SlowDown => "the store kept asking to slow down",
        Said::Failing => "the store kept failing",
        Said::Unreachable => "the store does not answer; check endpoint and network",
        Said::BrokenOff => "the store broke off while sending the object",
        Said::OtherRegion => "the bucket is in another region; set `region`",
        Said::Full => "there is no room for more",
        Said::Shorter => "the object ends before what was asked for; it is not the one that was listed",
        Said::InvalidName => "a key cannot be read as a path",
        _ => "the store failed",
    }
}

/// What is missing to sign in at a provider, if anything is.
fn signed_out(error: &object_store::Error, text: &str, object: &str) -> Option<String> {
    if let Some(Cause::Ours(ours)) = below(error)
        && ours.kind() == ErrorKind::PermissionDenied
    {
        return Some(ours.message().to_owned());
    }
    // The name of an object may hold any word.
    let said = without_names(text, object);
    let asks_machine = said.contains("169.254.169.254") || said.contains("metadata.google.internal");
    let missing = if said.contains("Account must be specified") {
        "no Azure storage account is named; set AZURE_STORAGE_ACCOUNT_NAME, and a key, a SAS token, a service \
         principal or a managed identity by the other AZURE_ variables"
    } else if asks_machine && object.starts_with("gs://") {
        "no Google Cloud credentials were found; set GOOGLE_APPLICATION_CREDENTIALS, sign in with `gcloud auth \
         application-default login`, or give this machine a service account"
    } else if asks_machine && object.starts_with("az") {
        "no Azure credentials were found; set a key, a SAS token or a service principal by AZURE_ variables, or \
         give this machine a managed identity"
    } else {
        return None;
    };
    Some(missing.to_owned())
}

/// What the store's error was made of.
fn below(error: &object_store::Error) -> Option<Cause<'_>> {
    error.source().and_then(cause)
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

fn chain(error: &object_store::Error) -> String {
    let mut text = String::new();
    for cause in causes(error).map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "s3://bucket/a/503 Service/SlowDown/part-00503.parquet";

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn the_name_of_an_object_says_nothing_about_its_store() {
        let about = "Error performing GET http://host/bucket/a/503%20Service/SlowDown/part-00503.parquet in 1s - ";
        let kind = |text: &str| store_error(generic(text), KEY).kind();
        assert_eq!(kind(&format!("{about}something else")), ErrorKind::Internal);
        assert_eq!(kind("a/503 Service/SlowDown/part-00503.parquet: something else"), ErrorKind::Internal);
        assert_eq!(
            kind(&format!("{about}Server returned non-2xx status code: 503 Service Unavailable: ")),
            ErrorKind::Throttled
        );
    }

    #[test]
    fn a_refusal_keeps_the_code_and_the_words_of_the_store() {
        let body = "<Error><Code>AccessDenied</Code><Message>no kms:Decrypt</Message></Error>";
        let source = format!("Server returned non-2xx status code: 403 Forbidden: {body}").into();
        let error = store_error(object_store::Error::PermissionDenied { path: String::new(), source }, KEY);
        assert_eq!(
            error.to_string(),
            format!("the store denies access (object: {KEY}, code: AccessDenied, reason: no kms:Decrypt)")
        );
    }

    #[test]
    fn credentials_that_are_missing_are_told_as_their_chain_tells_it() {
        let ours = Error::new(ErrorKind::PermissionDenied, "no AWS credentials were found; sign in");
        let error = object_store::Error::Unauthenticated { path: String::new(), source: Box::new(ours) };
        assert_eq!(store_error(error, KEY).message(), "no AWS credentials were found; sign in");
        let account = "Account must be specified";
        assert!(store_error(generic(account), "az://c/a").message().starts_with("no Azure storage account"));
        assert_eq!(
            store_error(generic("a/Account must be specified"), "az://c/a/Account must be specified").kind(),
            ErrorKind::Internal
        );
    }
}
