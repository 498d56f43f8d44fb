//! Opens the place a location names: S3, Google Cloud Storage, Azure, HTTP or the local disk.
//!
//! The only file that builds object stores. Credentials always come from the provider's standard
//! chain (see [`s3`]); they are never part of a location, an option or a message.

mod credentials;
mod error;
mod links;
mod preflight;
mod s3;

use std::fmt;
use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apportion_spec::{Error, ErrorKind, Result, wire};
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

pub use credentials::StaticCredentials;
pub use error::store_error;

/// How to reach a store. Everything left out comes from the standard variables and files.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Region of the bucket; looked up when neither this nor the environment names one.
    pub region: Option<String>,
    /// Endpoint of an S3-compatible store.
    pub endpoint: Option<String>,
    /// Named profile of the shared AWS configuration.
    pub profile: Option<String>,
    /// Whether the bucket is part of the path; by default exactly when an endpoint is set.
    pub path_style: Option<bool>,
    /// Keys handed in by the embedding program instead of the standard chain.
    pub credentials: Option<StaticCredentials>,
    /// How often a throttled or failed request is repeated.
    pub max_retries: usize,
    /// How long a request may take with all its repetitions.
    pub retry_timeout: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            profile: None,
            path_style: None,
            credentials: None,
            max_retries: 10,
            retry_timeout: Duration::from_secs(180),
        }
    }
}

impl From<&wire::Store> for StoreOptions {
    fn from(store: &wire::Store) -> Self {
        Self {
            region: store.region.clone(),
            endpoint: store.endpoint.clone(),
            profile: store.profile.clone(),
            path_style: store.path_style,
            ..Self::default()
        }
    }
}

impl StoreOptions {
    fn retry(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(15),
                base: 2.0,
            },
            max_retries: self.max_retries,
            retry_timeout: self.retry_timeout,
        }
    }
}

/// An opened location: where objects are, and how messages call it.
#[derive(Debug, Clone)]
pub struct Location {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// Path of the location inside the store; empty for a whole bucket.
    pub prefix: Path,
    /// Scheme and host of the store, for example `s3://bucket`.
    pub url: Url,
    /// The location as the user wrote it.
    pub text: String,
    /// Where copies of objects are put that cannot be read as they are.
    work_directory: Option<PathBuf>,
    scan_url: ObjectStoreUrl,
    bucket: Option<s3::Bucket>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Location {
    /// Opens `location`: a URL, or a path taken relative to `base`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a location that cannot be understood, [`ErrorKind::PermissionDenied`]
    /// when no credentials are found.
    pub async fn open(location: &str, base: &FilePath, options: &StoreOptions) -> Result<Self> {
        // Before it is repeated in any message.
        let refused =
            |what: &str, reason: String| Error::new(ErrorKind::Config, format!("{what} cannot be used: {reason}"));
        apportion_spec::location::check(location).map_err(|reason| refused("the location", reason))?;
        let endpoint = options.endpoint.as_deref().map_or(Ok(()), apportion_spec::location::check_endpoint);
        endpoint.map_err(|reason| refused("the endpoint", reason))?;
        let wrong = |reason: &str| Error::new(ErrorKind::Config, format!("`{location}` is not a location: {reason}"));
        let Some((scheme, rest)) = location.split_once("://") else {
            return Self::local(location, &base.join(location));
        };
        let url = Url::parse(location).map_err(|error| wrong(&error.to_string()))?;
        if scheme == "file" {
            let path = url.to_file_path().map_err(|()| wrong("a file URL needs an absolute path"))?;
            return Self::local(location, &path);
        }
        let host = rest.split('/').next().unwrap_or_default();
        let prefix = Path::from_url_path(url.path()).map_err(|error| wrong(&error.to_string()))?;
        let root = Url::parse(&format!("{scheme}://{host}")).map_err(|error| wrong(&error.to_string()))?;
        let failed = |error| store_error(error, location);
        let (store, bucket): (Arc<dyn ObjectStore>, _) = match scheme {
            "s3" | "s3a" => {
                let bucket = s3::Bucket::open(host, location, options).await?;
                (bucket.store(options)?, Some(bucket))
            }
            "gs" => {
                no_secret_in_environment("GOOGLE_")?;
                let builder = GoogleCloudStorageBuilder::from_env().with_url(location).with_retry(options.retry());
                (Arc::new(builder.build().map_err(failed)?), None)
            }
            "az" | "azure" | "abfs" | "abfss" => {
                no_secret_in_environment("AZURE_")?;
                let builder = MicrosoftAzureBuilder::from_env().with_url(location).with_retry(options.retry());
                (Arc::new(builder.build().map_err(failed)?), None)
            }
            "http" | "https" => {
                let client = ClientOptions::new().with_allow_http(scheme == "http");
                let builder = HttpBuilder::new().with_url(root.as_str()).with_client_options(client);
                (Arc::new(builder.with_retry(options.retry()).build().map_err(failed)?), None)
            }
            other => return Err(wrong(&format!("`{other}` is none of s3, gs, az, abfss, file, http, https"))),
        };
        Ok(Self {
            store,
            prefix,
            url: root,
            text: location.to_owned(),
            work_directory: None,
            scan_url: scan_url()?,
            bucket,
        })
    }

    fn local(text: &str, path: &FilePath) -> Result<Self> {
        let wrong = |reason: String| Error::new(ErrorKind::Config, format!("`{text}` is not a location: {reason}"));
        let absolute = std::path::absolute(path).map_err(|error| wrong(error.to_string()))?;
        let resolved = absolute.canonicalize().unwrap_or_else(|_| without_dots(&absolute));
        let prefix = Path::from_absolute_path(&resolved).map_err(|error| wrong(error.to_string()))?;
        let url = Url::parse("file:///").map_err(|error| wrong(error.to_string()))?;
        let store: Arc<dyn ObjectStore> = Arc::new(links::LocalDisk::new());
        Ok(Self {
            store,
            prefix,
            url,
            text: text.to_owned(),
            work_directory: None,
            scan_url: scan_url()?,
            bucket: None,
        })
    }

    /// The same location; what must be copied to be read is copied into `folder` and not into the system's folder
    /// for temporary files.
    #[must_use]
    pub fn with_work_directory(self, folder: &FilePath) -> Self {
        Self { work_directory: Some(folder.to_path_buf()), ..self }
    }

    /// Where copies are put.
    pub(crate) fn work_directory(&self) -> PathBuf {
        self.work_directory.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// The same store, seen from another place in it.
    #[must_use]
    pub fn at(&self, prefix: Path) -> Self {
        Self { prefix, ..self.clone() }
    }

    /// Name under which scans register this store: never shared, so that two locations in one
    /// bucket can have different credentials.
    pub(crate) fn scan_url(&self) -> &ObjectStoreUrl {
        &self.scan_url
    }

    /// An object of this location as messages name it: with its bucket, or as a path on disk.
    #[must_use]
    pub fn name(&self, path: &Path) -> String {
        if self.url.scheme() == "file" {
            format!("/{path}")
        } else {
            format!("{}/{path}", self.url.as_str().trim_end_matches('/'))
        }
    }
}

/// Refuses addresses of a store in the variables of a provider that say as whom it is asked.
fn no_secret_in_environment(prefix: &str) -> Result<()> {
    let names_address =
        |name: &str| name.starts_with(prefix) && ["ENDPOINT", "_URL", "_HOST"].iter().any(|end| name.ends_with(end));
    for (name, address) in std::env::vars_os() {
        let (Some(name), Some(address)) = (name.to_str(), address.to_str()) else { continue };
        if names_address(name) && address.contains("://") {
            apportion_spec::location::check_endpoint(address).map_err(|reason| {
                Error::new(ErrorKind::Config, format!("the endpoint that {name} names cannot be used: {reason}"))
            })?;
        }
    }
    Ok(())
}

fn scan_url() -> Result<ObjectStoreUrl> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    ObjectStoreUrl::parse(format!("apportion://source-{number}"))
        .map_err(|error| Error::new(ErrorKind::Internal, "a scan URL is malformed").with_source(error))
}

/// Resolves `.` and `..` by text, for paths that do not exist yet.
fn without_dots(path: &FilePath) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}
