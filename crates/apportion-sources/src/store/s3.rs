//! S3 and everything that speaks its protocol.
//!
//! `aws-config` decides about profile, region, endpoint and credentials exactly as the AWS tools
//! do; `object_store` moves the bytes; the SDK client exists for what `object_store` cannot say
//! ([`super::preflight`]).

use std::fmt;
use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result, location};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut, resolve_bucket_region};
use object_store::{ClientOptions, ObjectStore};

use super::credentials::ChainCredentials;
use super::{StoreOptions, store_error};

/// Region assumed where regions mean nothing (S3-compatible stores) or the lookup fails.
const DEFAULT_REGION: &str = "us-east-1";

/// One bucket and the configuration that reaches it.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
    pub(super) chain: SharedCredentialsProvider,
    path_style: bool,
    config: SdkConfig,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("name", &self.name)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Bucket {
    /// Loads the standard configuration for a bucket. `text` is the location the user wrote.
    pub(super) async fn open(name: &str, text: &str, options: &StoreOptions) -> Result<Self> {
        let tls = Provider::Rustls(CryptoMode::Ring);
        let http = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        if let Some(profile) = &options.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &options.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(keys) = &options.credentials {
            loader = loader.credentials_provider(keys.provider());
        }
        let config = loader.load().await;
        let endpoint = options.endpoint.clone().or_else(|| service_endpoint(&config));
        if let Some(reason) = endpoint.as_deref().and_then(|address| location::check_endpoint(address).err()) {
            let message = format!(
                "the endpoint of the AWS configuration (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile) cannot be used: {reason}"
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        let chain = config
            .credentials_provider()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the AWS configuration has no credential chain"))?;
        let region = match (config.region(), &endpoint) {
            (Some(region), _) => region.as_ref().to_owned(),
            (None, Some(_)) => DEFAULT_REGION.to_owned(),
            (None, None) => lookup_region(name).await,
        };
        // A dot in a bucket's name breaks the certificate of virtual-hosted addressing.
        let path_style = options.path_style.unwrap_or(endpoint.is_some() || name.contains('.'));
        Ok(Self { name: name.to_owned(), text: text.to_owned(), region, endpoint, chain, path_style, config })
    }

    /// The object store that reads and writes the bucket.
    pub(super) fn store(&self, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>> {
        let plain = self.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.name)
            .with_region(&self.region)
            .with_credentials(Arc::new(ChainCredentials::new(self.chain.clone())))
            .with_virtual_hosted_style_request(!self.path_style)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_client_options(ClientOptions::new().with_allow_http(plain))
            .with_retry(options.retry());
        // `object_store` knows one partition; China has its own domain.
        let china = || self.region.starts_with("cn-").then(|| format!("https://s3.{}.amazonaws.com.cn", self.region));
        if let Some(endpoint) = self.endpoint.clone().or_else(china) {
            builder = builder.with_endpoint(self.bucket_endpoint(&endpoint));
        }
        let store = builder.build().map_err(|error| store_error(error, &self.text))?;
        Ok(Arc::new(store))
    }

    /// `object_store` wants the bucket inside the endpoint for virtual-hosted addressing.
    fn bucket_endpoint(&self, endpoint: &str) -> String {
        match endpoint.split_once("://") {
            Some((scheme, host)) if !self.path_style => format!("{scheme}://{}.{host}", self.name),
            _ => endpoint.to_owned(),
        }
    }

    /// The SDK client for questions `object_store` cannot ask.
    pub(super) fn client(&self) -> aws_sdk_s3::Client {
        let mut builder = aws_sdk_s3::config::Builder::from(&self.config)
            .region(Some(Region::new(self.region.clone())))
            .force_path_style(self.path_style)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        builder.set_endpoint_url(self.endpoint.clone());
        aws_sdk_s3::Client::from_conf(builder.build())
    }
}

/// `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` or the profile's `endpoint_url`, in the AWS order.
fn service_endpoint(config: &SdkConfig) -> Option<String> {
    let key = aws_types::service_config::ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let of_service = config.service_config().and_then(|service| service.load_config(key));
    of_service.or_else(|| config.endpoint_url().map(str::to_owned))
}

async fn lookup_region(bucket: &str) -> String {
    match resolve_bucket_region(bucket, &ClientOptions::new()).await {
        Ok(region) => region,
        Err(error) => {
            tracing::debug!(bucket, %error, "the region of the bucket could not be looked up");
            DEFAULT_REGION.to_owned()
        }
    }
}
