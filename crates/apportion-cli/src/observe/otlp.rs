//! Sends the trace and the metrics of a run by OTLP over HTTP, encoded as JSON.
//!
//! A batch job knows everything it has to say at its end, so this is two requests, without an SDK
//! that would keep threads and buffers for the whole run. JSON also keeps amounts exact on the way:
//! the protocol's mapping lets a double be a decimal text, where an SDK would take a binary float.

mod encode;
mod settings;

use std::time::{Duration, Instant};

use apportion_spec::secret;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};

use super::metrics::{Family, Moment};
use super::spans::{Parent, Span};

use self::settings::{Endpoint, Settings};

/// Times a collector is asked that does not answer or asks to wait.
const ATTEMPTS: u32 = 3;
/// Longest excerpt of a collector's answer in a warning.
const EXCERPT: usize = 200;

/// Refuses endpoints that say as whom they are asked, before a run begins.
///
/// # Errors
/// `Config`, which names the variable and not its value.
pub(super) fn check_environment() -> apportion_spec::Result<()> {
    settings::check(variable)
}

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// What the environment says about exporting, if it says anything.
#[derive(Debug)]
pub(super) struct Exporter {
    settings: Settings,
    parent: Option<Parent>,
}

impl Exporter {
    /// Reads the standard variables; `None` when no endpoint is configured.
    pub(super) fn from_environment() -> Option<Self> {
        let settings = Settings::read(variable)?;
        Some(Self { settings, parent: variable("TRACEPARENT").and_then(|text| Parent::parse(&text)) })
    }

    /// The span the run belongs to.
    pub(super) const fn parent(&self) -> Option<&Parent> {
        self.parent.as_ref()
    }

    /// Sends both signals. One warning says what could not be delivered.
    pub(super) async fn export(&self, spans: &[Span], families: &[Family], moment: &Moment) {
        let resource = &self.settings.resource;
        let mut failures = Vec::new();
        if let Some(endpoint) = &self.settings.traces {
            failures.extend(deliver(endpoint, encode::traces(spans, resource)).await.err());
        }
        if let Some(endpoint) = &self.settings.metrics {
            failures.extend(deliver(endpoint, encode::metrics(families, moment, resource)).await.err());
        }
        if !failures.is_empty() {
            tracing::warn!("the run is not in the telemetry backend: {}", failures.join("; "));
        }
    }
}

/// One request, repeated while the collector asks for it and the time allows.
async fn deliver(endpoint: &Endpoint, body: String) -> Result<(), String> {
    let deadline = Instant::now() + endpoint.timeout;
    let client = reqwest::Client::builder()
        .timeout(endpoint.timeout)
        .build()
        .map_err(|error| format!("no HTTP client: {}", error.without_url()))?;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let failure = match send(&client, endpoint, body.clone()).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        let pause = failure.retry_after.unwrap_or(Duration::from_secs(1) * attempt);
        if !failure.temporary || attempt == ATTEMPTS || Instant::now() + pause >= deadline {
            return Err(format!("{}: {}", endpoint.shown(), failure.message));
        }
        tokio::time::sleep(pause).await;
    }
}

struct Failure {
    message: String,
    temporary: bool,
    retry_after: Option<Duration>,
}

async fn send(client: &reqwest::Client, endpoint: &Endpoint, body: String) -> Result<(), Failure> {
    // A collector's address or query may hold a token, so no error is shown with its URL.
    let unreachable = |error: reqwest::Error| {
        let temporary = error.is_connect() || error.is_timeout() || error.is_request();
        Failure { message: causes(&error.without_url()), temporary, retry_after: None }
    };
    let mut request = client.post(endpoint.url.clone()).header(CONTENT_TYPE, "application/json");
    for (name, value) in &endpoint.headers {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await.map_err(unreachable)?;
    let status = answer.status();
    let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let text = answer.text().await.map_err(unreachable)?;
    if status.is_success() {
        return partial(&text).map_or(Ok(()), |message| Err(Failure { message, temporary: false, retry_after: None }));
    }
    let excerpt: String = text.chars().filter(|c| !c.is_control()).take(EXCERPT).collect();
    let excerpt = secret::redact(&excerpt);
    Err(Failure {
        message: format!("{status} {excerpt}").trim_end().to_owned(),
        temporary: matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        ),
        retry_after: seconds.map(Duration::from_secs),
    })
}

/// What a collector that accepted the request says it left out.
fn partial(text: &str) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_str(text).ok()?;
    let partial = answer.get("partialSuccess")?;
    let rejected = ["rejectedSpans", "rejectedDataPoints"].iter().find_map(|key| {
        let count = partial.get(key)?;
        count.as_u64().or_else(|| count.as_str()?.parse().ok())
    })?;
    let message = partial.get("errorMessage").and_then(serde_json::Value::as_str).unwrap_or_default();
    (rejected > 0).then(|| format!("{rejected} items were rejected: {message}"))
}

/// An error with what is below it: the reason is never in the first line.
fn causes(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
