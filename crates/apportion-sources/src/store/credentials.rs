//! AWS credentials for `object_store`, from the SDK's standard chain, refreshed before they end.
//!
//! The chain may start a browser login, call a metadata service or run a program, so one set is
//! kept until shortly before it expires and only one caller at a time asks for the next.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use apportion_spec::{Error, ErrorKind};
use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

/// Credentials are replaced this long before they end.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// Keys handed in by an embedding program. A pipeline file cannot hold them.
#[derive(Clone)]
pub struct StaticCredentials {
    access_key: String,
    secret_key: String,
}

impl StaticCredentials {
    /// A key pair without session token.
    pub fn new(access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self { access_key: access_key.into(), secret_key: secret_key.into() }
    }

    pub(super) fn provider(&self) -> SharedCredentialsProvider {
        let keys = Credentials::new(&self.access_key, &self.secret_key, None, None, "embedding program");
        SharedCredentialsProvider::new(keys)
    }
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticCredentials").finish_non_exhaustive()
    }
}

/// The chain as `object_store` wants it.
#[derive(Debug)]
pub(super) struct ChainCredentials {
    chain: SharedCredentialsProvider,
    current: Mutex<Option<Current>>,
}

struct Current {
    keys: Arc<AwsCredential>,
    ends: Option<SystemTime>,
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl ChainCredentials {
    pub(super) fn new(chain: SharedCredentialsProvider) -> Self {
        Self { chain, current: Mutex::new(None) }
    }
}

#[async_trait]
impl CredentialProvider for ChainCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut current = self.current.lock().await;
        if let Some(Current { keys, ends }) = current.as_ref() {
            let fresh = ends.is_none_or(|ends| SystemTime::now() + RENEW_BEFORE < ends);
            if fresh {
                return Ok(Arc::clone(keys));
            }
        }
        let found = find(&self.chain)
            .await
            .map_err(|error| object_store::Error::Unauthenticated { path: String::new(), source: Box::new(error) })?;
        let keys = Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        });
        *current = Some(Current { keys: Arc::clone(&keys), ends: found.expiry() });
        Ok(keys)
    }
}

/// Asks the chain once.
pub(super) async fn find(chain: &SharedCredentialsProvider) -> apportion_spec::Result<Credentials> {
    chain.provide_credentials().await.map_err(|error| {
        Error::new(
            ErrorKind::PermissionDenied,
            "no AWS credentials were found; sign in (for example `aws sso login`), set AWS_PROFILE, or give this \
             machine a role",
        )
        .with_source(error)
    })
}
