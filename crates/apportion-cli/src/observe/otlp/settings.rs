//! The standard `OTEL_…` variables, as far as they concern an exporter over HTTP.

use std::time::Duration;

use apportion_spec::{Error, ErrorKind, location};
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

/// Where and as whom the signals of a run are sent.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) traces: Option<Endpoint>,
    pub(super) metrics: Option<Endpoint>,
    /// Attributes of the resource.
    pub(super) resource: Vec<(String, String)>,
}

/// Where one signal goes.
pub(super) struct Endpoint {
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) timeout: Duration,
}

impl std::fmt::Debug for Endpoint {
    // Headers hold tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.shown()).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// The address without what may be a secret.
    pub(super) fn shown(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}{}", self.url.scheme(), self.url.path())
    }
}

impl Settings {
    /// Reads the settings through `variable`, which knows no empty values. `None` when nothing is
    /// to be sent; what cannot be used is a warning.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        let traces = endpoint("TRACES", "v1/traces", &variable);
        let metrics = endpoint("METRICS", "v1/metrics", &variable);
        if traces.is_none() && metrics.is_none() {
            return None;
        }
        Some(Self { traces, metrics, resource: resource(&variable) })
    }
}

/// Refuses an address with a user, a password or a token in it: addresses end up in logs, headers do not.
///
/// # Errors
/// [`ErrorKind::Config`], which names the variable and not its value.
pub(super) fn check(variable: impl Fn(&str) -> Option<String>) -> apportion_spec::Result<()> {
    if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(());
    }
    for name in ["", "TRACES_", "METRICS_"].map(|signal| format!("OTEL_EXPORTER_OTLP_{signal}ENDPOINT")) {
        let Some(address) = variable(&name).filter(|address| Url::parse(address.trim()).is_ok()) else { continue };
        if let Err(reason) = location::check_endpoint(address.trim()) {
            let message = format!("{name} cannot be used: {reason}; tokens belong in OTEL_EXPORTER_OTLP_HEADERS");
            return Err(Error::new(ErrorKind::Config, message));
        }
    }
    Ok(())
}

fn endpoint(signal: &str, path: &str, variable: &impl Fn(&str) -> Option<String>) -> Option<Endpoint> {
    let own = |setting: &str| variable(&format!("OTEL_EXPORTER_OTLP_{signal}_{setting}"));
    let either = |setting: &str| own(setting).or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{setting}")));
    let address = match own("ENDPOINT") {
        // A signal's own endpoint is used as it is.
        Some(address) => address,
        None => format!("{}/{path}", variable("OTEL_EXPORTER_OTLP_ENDPOINT")?.trim().trim_end_matches('/')),
    };
    if variable(&format!("OTEL_{signal}_EXPORTER"))
        .is_some_and(|exporters| !exporters.split(',').any(|it| it.trim() == "otlp"))
    {
        return None;
    }
    if either("PROTOCOL").is_some_and(|protocol| protocol == "grpc") {
        tracing::warn!(
            signal,
            "OTLP over gRPC is not spoken; set OTEL_EXPORTER_OTLP_PROTOCOL=http/json and the HTTP port"
        );
        return None;
    }
    let url = Url::parse(address.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = url else {
        tracing::warn!(signal, "the OTLP endpoint is not an http or https address, nothing is sent to it");
        return None;
    };
    // The specification's default is ten seconds.
    let timeout = either("TIMEOUT").and_then(|text| text.trim().parse().ok()).unwrap_or(10_000);
    let headers = either("HEADERS").map(|text| headers(&text)).unwrap_or_default();
    Some(Endpoint { url, headers, timeout: Duration::from_millis(timeout) })
}

/// `name=value` pairs, percent-encoded, separated by commas.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name.trim()), decode(value.trim()))).filter(|(name, _)| !name.is_empty())
}

fn headers(text: &str) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, value) in pairs(text) {
        match (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.push((name, value));
            }
            // The value may be a secret, and so may a name that is none.
            _ => tracing::warn!("an entry of OTEL_EXPORTER_OTLP_HEADERS cannot be a header and is left out"),
        }
    }
    headers
}

/// The service's own name wins over the attribute of the same name.
fn resource(variable: &impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let mut attributes: Vec<(String, String)> =
        variable("OTEL_RESOURCE_ATTRIBUTES").map(|text| pairs(&text).collect()).unwrap_or_default();
    if let Some(name) = variable("OTEL_SERVICE_NAME") {
        attributes.retain(|(key, _)| key != "service.name");
        attributes.push(("service.name".to_owned(), name));
    }
    for (key, value) in [("service.name", "apportion"), ("service.version", env!("CARGO_PKG_VERSION"))] {
        if attributes.iter().all(|(known, _)| known != key) {
            attributes.push((key.to_owned(), value.to_owned()));
        }
    }
    attributes
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}
