//! Says before any work whether a location can be read, and if not, what to do about it.
//!
//! `object_store` reports a wrong region as a redirect and wrong keys as a generic failure, so S3
//! is asked through the SDK: `HeadBucket` first, then one listing, whose answer has an error code.

use apportion_spec::{Error, ErrorKind, Result};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use futures::TryStreamExt;

use super::credentials;
use super::s3::Bucket;
use super::{Location, store_error};

impl Location {
    /// Checks that the location can be reached and listed.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`] for missing, wrong or insufficient credentials,
    /// [`ErrorKind::NotFound`] for a missing bucket or folder, [`ErrorKind::Config`] for the wrong
    /// region (the right one is named) or an endpoint that does not answer.
    pub async fn preflight(&self) -> Result<()> {
        if let Some(bucket) = &self.bucket {
            return bucket.preflight(self.prefix.as_ref()).await;
        }
        if self.url.scheme() == "file" {
            let path = format!("/{}", self.prefix);
            if !std::path::Path::new(&path).exists() {
                return Err(Error::new(ErrorKind::NotFound, "the location does not exist").with("location", path));
            }
        }
        let mut listing = self.store.list(Some(&self.prefix));
        listing.try_next().await.map(|_| ()).map_err(|error| store_error(error, &self.text))
    }
}

/// What an answer of S3 says, without the body.
struct Answer {
    status: Option<u16>,
    code: Option<String>,
    region: Option<String>,
    text: String,
}

impl<E: ProvideErrorMetadata + std::error::Error + 'static> From<&SdkError<E>> for Answer {
    fn from(error: &SdkError<E>) -> Self {
        let response = error.raw_response();
        let region = response.and_then(|response| response.headers().get("x-amz-bucket-region"));
        let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), chain);
        Self {
            status: response.map(|response| response.status().as_u16()),
            code: error.code().map(str::to_owned),
            region: region.map(str::to_owned),
            text: cause,
        }
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl Bucket {
    async fn preflight(&self, prefix: &str) -> Result<()> {
        credentials::find(&self.chain).await.map_err(|error| error.with("location", &self.text))?;
        let client = self.client();
        if let Err(error) = client.head_bucket().bucket(&self.name).send().await {
            let answer = Answer::from(&error);
            // A HEAD answer has no body; 403 and 400 get their reason from the listing below.
            if !matches!(answer.status, Some(400 | 403)) || self.other_region(&answer).is_some() {
                return Err(self.explain(&answer));
            }
        }
        let listing = client.list_objects_v2().bucket(&self.name).prefix(prefix).max_keys(1);
        listing.send().await.map(|_| ()).map_err(|error| self.explain(&Answer::from(&error)))
    }

    fn other_region<'a>(&self, answer: &'a Answer) -> Option<&'a str> {
        answer.region.as_deref().filter(|region| *region != self.region)
    }

    fn explain(&self, answer: &Answer) -> Error {
        let name = &self.name;
        let code = answer.code.as_deref().unwrap_or_default();
        let error = if let Some(region) = self.other_region(answer) {
            let message =
                format!("bucket `{name}` is in region `{region}`, not `{}`; set `region: {region}`", self.region);
            Error::new(ErrorKind::Config, message)
        } else {
            match (code, answer.status) {
                ("NoSuchBucket" | "NotFound", _) | (_, Some(404)) => {
                    Error::new(ErrorKind::NotFound, format!("bucket `{name}` does not exist"))
                }
                ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "NotSignedUp" | "InvalidToken", _) => Error::new(
                    ErrorKind::PermissionDenied,
                    "the AWS credentials are wrong; check AWS_PROFILE or the access key in use",
                ),
                ("ExpiredToken" | "RequestExpired" | "TokenRefreshRequired", _) => {
                    Error::new(ErrorKind::PermissionDenied, "the AWS credentials have expired; sign in again")
                }
                ("SlowDown" | "ServiceUnavailable" | "InternalError", _) | (_, Some(429 | 500..=599)) => {
                    Error::new(ErrorKind::Throttled, format!("bucket `{name}` asks to slow down"))
                }
                (_, Some(401 | 403)) => Error::new(
                    ErrorKind::PermissionDenied,
                    format!(
                        "these AWS credentials may not list bucket `{name}`; they need s3:ListBucket and s3:GetObject"
                    ),
                ),
                (_, None) => {
                    let endpoint = self.endpoint.as_deref().unwrap_or("AWS");
                    Error::new(ErrorKind::Config, format!("{endpoint} does not answer: {}", answer.text))
                }
                (_, Some(status)) => Error::new(
                    ErrorKind::Config,
                    format!("bucket `{name}` answers with status {status}: {}", answer.text),
                ),
            }
        };
        let error = error.with("location", &self.text);
        if code.is_empty() { error } else { error.with("code", code) }
    }
}
