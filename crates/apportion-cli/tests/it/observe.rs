//! What others learn about a run: report file, OpenMetrics file, OpenTelemetry.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::sample::sample;
use crate::support::{Workspace, apportion, transcript};

/// A request a collector received.
#[derive(Debug, Clone)]
struct Request {
    path: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

/// A collector of OTLP over HTTP that answers every request with one status and text.
struct Collector {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Collector {
    fn start(status: u16, answer: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("port");
        let address = format!("http://{}", listener.local_addr().expect("address"));
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let log = Arc::clone(&requests);
        // The thread ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                std::thread::spawn(move || {
                    while let Some(request) = read(&stream) {
                        log.lock().expect("log").push(request);
                        let head = format!(
                            "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                            answer.len()
                        );
                        (&stream).write_all(format!("{head}{answer}").as_bytes()).expect("answer");
                    }
                });
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("log").clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path, headers, body: serde_json::from_slice(&body).ok()? })
}

fn run(workspace: &Workspace, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command: Command = apportion();
    for name in std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("OTEL_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).envs(environment.iter().copied()).current_dir(workspace.path("")).output();
    output.expect("binary")
}

const JANUARY: [&str; 6] = ["run", "pipelines/sample.yaml", "--destination", "tables", "--period", "2026-01"];

fn january(more: &[&'static str]) -> Vec<&'static str> {
    JANUARY.iter().chain(more).copied().collect()
}

fn text(file: std::path::PathBuf) -> String {
    std::fs::read_to_string(file).expect("file")
}

fn sample_of<'a>(metrics: &'a str, start: &str) -> &'a str {
    let line = metrics.lines().find(|line| line.starts_with(start));
    line.unwrap_or_else(|| panic!("no {start} in\n{metrics}")).rsplit(' ').next().expect("value")
}

/// Attributes of a span or data point as texts.
fn attributes(of: &Value) -> BTreeMap<String, String> {
    let attributes = of["attributes"].as_array().expect("attributes").iter();
    attributes
        .map(|it| {
            let value = it["value"]["stringValue"].as_str().or(it["value"]["intValue"].as_str());
            (it["key"].as_str().expect("key").to_owned(), value.expect("value").to_owned())
        })
        .collect()
}

#[test]
fn a_run_reports_to_a_file_and_its_metrics_carry_on_over_runs() {
    let workspace = sample();
    let arguments = january(&["--metrics-file", "run.prom", "--report", "report.json"]);
    let output = run(&workspace, &arguments, &[]);
    assert!(output.status.success(), "{}", transcript(&output, &[]));
    assert!(String::from_utf8_lossy(&output.stdout).contains("Top targets"), "--report leaves the format as it is");
    let report: Value = serde_json::from_str(&text(workspace.path("report.json"))).expect("JSON");
    assert_eq!(report["allocations"][0]["billing_period"], "2026-01");

    let first = text(workspace.path("run.prom"));
    assert!(first.ends_with("\n# EOF\n"), "{first}");
    assert_eq!(sample_of(&first, "apportion_runs_total{pipeline=\"sample\",outcome=\"success\"}"), "1");
    assert_eq!(sample_of(&first, "apportion_run_exit_code{"), "0");
    let published = "apportion_run_units{pipeline=\"sample\",stage=\"normalization\",status=\"published\"}";
    assert_eq!(sample_of(&first, published), "3");
    // Exact text, as the tables have it.
    let rows = workspace
        .query("tables", "SELECT sum(BilledCost), sum(EffectiveCost) FROM focus_charges WHERE x_Source = 'aws-main'");
    let labels = "{pipeline=\"sample\",source=\"aws-main\",billing_period=\"2026-01\",currency=\"USD\"}";
    assert_eq!(sample_of(&first, &format!("apportion_billed_cost{labels}")), rows[0][0]);
    assert_eq!(sample_of(&first, &format!("apportion_effective_cost{labels}")), rows[0][1]);
    let unallocated: Vec<&str> =
        first.lines().filter(|line| line.starts_with("apportion_unallocated_effective_cost{")).collect();
    assert!(
        unallocated.iter().any(|line| line.contains("target=\"unallocated\",reason=\"no_rule_matched\"")),
        "{unallocated:?}"
    );
    for family in first.lines().filter_map(|line| line.strip_prefix("# UNIT ")) {
        let (name, unit) = family.split_once(' ').expect("unit");
        assert!(name.ends_with(&format!("_{unit}")), "{family}");
    }

    // A run that stops as a whole is counted and keeps the time of the last success.
    let succeeded = sample_of(&first, "apportion_last_success_timestamp_seconds{");
    let wrong = [arguments, vec!["--source", "nope"]].concat();
    let output = run(&workspace, &wrong, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", transcript(&output, &[]));
    let second = text(workspace.path("run.prom"));
    assert_eq!(sample_of(&second, "apportion_runs_total{pipeline=\"sample\",outcome=\"success\"}"), "1");
    assert_eq!(sample_of(&second, "apportion_runs_total{pipeline=\"sample\",outcome=\"usage\"}"), "1");
    assert_eq!(sample_of(&second, "apportion_run_exit_code{"), "2");
    assert_eq!(sample_of(&second, "apportion_last_success_timestamp_seconds{"), succeeded);
    assert_eq!(second.matches("apportion_runs_total{").count(), 2, "{second}");
    let report: Value = serde_json::from_str(&text(workspace.path("report.json"))).expect("JSON");
    assert!(report["error"]["message"].as_str().expect("message").contains("nope"), "{report}");
    let left: Vec<_> =
        std::fs::read_dir(workspace.path("")).expect("folder").flatten().map(|it| it.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains(".writing")), "{left:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_known_before_the_run() {
    let workspace = sample();
    for option in ["--report", "--metrics-file"] {
        let output = run(&workspace, &january(&[option, "missing/file"]), &[]);
        assert_eq!(output.status.code(), Some(2), "{}", transcript(&output, &[]));
        assert!(String::from_utf8_lossy(&output.stderr).contains(option));
        assert!(!workspace.path("tables").exists());
    }
}

#[test]
fn a_configured_collector_receives_spans_and_metrics() {
    let workspace = sample();
    let collector = Collector::start(200, "{\"partialSuccess\":{}}");
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=not%2Dfor%2Dlogs,x-tenant=finops"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,service.name=ignored"),
        ("OTEL_SERVICE_NAME", "nightly-bill"),
        ("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    let output = run(&workspace, &january(&["-vv"]), &environment);
    assert!(output.status.success(), "{}", transcript(&output, &[]));
    let shown = transcript(&output, &[]);
    assert!(!shown.contains("not-for-logs") && !shown.contains("not%2Dfor"), "headers are secrets");
    let requests = collector.requests();
    let paths: Vec<&str> = requests.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/v1/traces", "/v1/metrics"]);
    for request in &requests {
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(
            (request.headers["x-api-key"].as_str(), request.headers["x-tenant"].as_str()),
            ("not-for-logs", "finops")
        );
    }

    let resource = &requests[0].body["resourceSpans"][0];
    let service = attributes(&resource["resource"]);
    assert_eq!(
        (service["service.name"].as_str(), service["deployment.environment"].as_str()),
        ("nightly-bill", "test")
    );
    let spans = resource["scopeSpans"][0]["spans"].as_array().expect("spans");
    let root = &spans[0];
    assert_eq!(root["name"], "apportion run");
    assert_eq!(root["parentSpanId"], "b7ad6b7169203331");
    let mut names: Vec<&str> = spans[1..].iter().map(|span| span["name"].as_str().expect("name")).collect();
    names.sort_unstable();
    let units = ["aws-main", "azure-loyalty", "gcp-analytics"].map(|source| format!("normalize {source} 2026-01"));
    assert_eq!(names, [vec!["allocate 2026-01"], units.iter().map(String::as_str).collect()].concat());
    let nanoseconds = |span: &Value, key: &str| span[key].as_str().expect("text").parse::<i64>().expect("number");
    for span in spans {
        assert_eq!(span["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(span["spanId"].as_str().expect("id").len(), 16);
        assert!(nanoseconds(span, "startTimeUnixNano") >= nanoseconds(root, "startTimeUnixNano"), "{span}");
        assert!(nanoseconds(span, "endTimeUnixNano") <= nanoseconds(root, "endTimeUnixNano"), "{span}");
        assert_eq!(span["status"], serde_json::json!({}));
    }
    for span in &spans[1..] {
        assert_eq!(span["parentSpanId"], root["spanId"]);
        assert_eq!(attributes(span)["apportion.status"], "published");
    }

    let metrics = requests[1].body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().expect("metrics");
    let named =
        |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    let rows = workspace.query("tables", "SELECT sum(BilledCost) FROM focus_charges WHERE x_Source = 'aws-main'");
    let points = named("apportion.billed_cost")["gauge"]["dataPoints"].as_array().expect("points");
    let of_aws = points.iter().find(|point| attributes(point)["source"] == "aws-main").expect("point");
    assert_eq!(of_aws["asDouble"], rows[0][0].as_str(), "the digits of the table, not a float's");
    let runs = &named("apportion.runs")["sum"];
    assert_eq!((runs["aggregationTemporality"].as_u64(), runs["isMonotonic"].as_bool()), (Some(1), Some(true)));
    assert_eq!(runs["dataPoints"][0]["asInt"], "1");
    assert_eq!(named("apportion.run_read_bytes")["unit"], "By");
}

#[test]
fn a_collector_that_fails_is_one_warning() {
    let workspace = sample();
    let warnings = |output: &Output| {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        stderr.lines().filter(|line| line.contains("telemetry backend")).count()
    };
    let refusing = Collector::start(403, "no such tenant");
    let output = run(&workspace, &JANUARY, &[("OTEL_EXPORTER_OTLP_ENDPOINT", refusing.address.as_str())]);
    assert!(output.status.success(), "{}", transcript(&output, &[]));
    assert_eq!(warnings(&output), 1, "{}", transcript(&output, &[]));
    // Nobody listens on a port that was just given back.
    let port = TcpListener::bind(("127.0.0.1", 0)).expect("port").local_addr().expect("address").port();
    let environment = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("http://127.0.0.1:{port}/spans"))];
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let output = run(&workspace, &JANUARY, &environment);
    assert!(output.status.success(), "{}", transcript(&output, &[]));
    assert_eq!(warnings(&output), 1, "{}", transcript(&output, &[]));
}

#[test]
fn a_busy_collector_is_asked_again() {
    let workspace = sample();
    let busy = Collector::start(503, "");
    let output =
        run(&workspace, &JANUARY, &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &format!("{}/own", busy.address))]);
    assert!(output.status.success(), "{}", transcript(&output, &[]));
    let paths: Vec<String> = busy.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/own", "/own", "/own"], "three attempts at the metrics alone, at the address as given");
}

#[test]
fn without_an_endpoint_nothing_is_sent() {
    let workspace = sample();
    let collector = Collector::start(200, "{}");
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address.as_str());
    let off: [&[(&str, &str)]; 4] = [
        &[],
        &[endpoint, ("OTEL_SDK_DISABLED", "true")],
        &[endpoint, ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
    ];
    for environment in off {
        let output = run(&workspace, &JANUARY, environment);
        assert!(output.status.success(), "{}", transcript(&output, &[]));
    }
    assert!(collector.requests().is_empty());
}
