//! What others learn about a run: a report file, an OpenMetrics file, and OpenTelemetry where the
//! standard environment variables name an endpoint.
//!
//! All three are made from the run's report and its ledger document after the tables are
//! published, so observation costs nothing while a run works and cannot change what it writes. A
//! collector that fails is a warning; a file that was asked for and cannot be written is an error,
//! because somebody waits for it.

mod metrics;
mod openmetrics;
mod otlp;
mod spans;

use std::io;
use std::path::Path;

use apportion_sinks::{Destination, read_run};
use apportion_spec::{Error, Result, secret};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::json;

use crate::args::{Outputs, RunArgs};
use crate::exit::ExitStatus;
use crate::files;
use crate::output;
use crate::project::Project;
use crate::report::RunReport;
use crate::run;

use self::metrics::{Family, Moment};
use self::otlp::Exporter;

/// Runs a pipeline; a run that ends without a report is observed too.
///
/// # Errors
/// Those of the run, and `Config` when a file to report to cannot be written.
pub(crate) async fn run(args: &RunArgs, outputs: &Outputs, parallel: usize) -> Result<ExitStatus> {
    for (option, file) in [("--report", &outputs.report), ("--metrics-file", &outputs.metrics_file)] {
        if let Some(file) = file {
            files::require_writable(option, file)?;
        }
    }
    let started_at = Utc::now();
    otlp::check_environment()?;
    let outcome = run::run(args, outputs, parallel).await;
    if let Err(error) = &outcome {
        failed(args, outputs, started_at, error).await;
    }
    outcome
}

/// Reports a run that came to its end, whatever became of its units. The status is a failure when
/// a file cannot be written.
pub(crate) async fn finished(destination: &Destination, outputs: &Outputs, report: &RunReport) -> ExitStatus {
    let ended_at = Utc::now();
    let moment = Moment { started_at: ended_at - total(report), ended_at, exit_code: report.exit_status().code() };
    let metrics = write_metrics(outputs, &report.pipeline, &moment, metrics::of_report(report));
    if let Some(exporter) = Exporter::from_environment() {
        // Only here: without an endpoint the document is not read.
        let entry = match read_run(destination, &report.run_id).await {
            Ok(entry) => entry,
            Err(error) => {
                tracing::warn!(%error, "the run's ledger document cannot be read, its trace has no units");
                None
            }
        };
        let spans = spans::of_run(report, entry.as_ref(), &moment, exporter.parent());
        let families = metrics::of_run(&report.pipeline, &moment, metrics::of_report(report));
        exporter.export(&spans, &families, &moment).await;
    }
    metrics.max(write_report(outputs, report))
}

/// Reports a run that stopped as a whole. Its error is what the caller hears; what goes wrong here
/// is logged.
async fn failed(args: &RunArgs, outputs: &Outputs, started_at: DateTime<Utc>, error: &Error) {
    let status = ExitStatus::of_command(error.kind());
    let moment = Moment { started_at, ended_at: Utc::now(), exit_code: status.code() };
    let named = Project::load(&args.pipeline).map(|project| project.pipeline.name).ok();
    let stem = || args.pipeline.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let pipeline = named.unwrap_or_else(stem);
    write_metrics(outputs, &pipeline, &moment, Vec::new());
    if let Some(exporter) = Exporter::from_environment() {
        let spans = spans::of_failure(&pipeline, &moment, error, exporter.parent());
        let families = metrics::of_run(&pipeline, &moment, Vec::new());
        exporter.export(&spans, &families, &moment).await;
    }
    if outputs.report.is_some() {
        let failure = json!({ "kind": error.kind().as_str(), "message": error.to_string() });
        let report = json!({ "pipeline": pipeline, "exit_code": status.code(), "error": failure });
        write_report(outputs, &report);
    }
}

fn write_report(outputs: &Outputs, report: &impl Serialize) -> ExitStatus {
    let Some(file) = &outputs.report else { return ExitStatus::Success };
    let written = output::json(report).map(|text| files::replace(file, &text));
    told("report", file, written)
}

fn write_metrics(outputs: &Outputs, pipeline: &str, moment: &Moment, of_report: Vec<Family>) -> ExitStatus {
    let Some(file) = &outputs.metrics_file else { return ExitStatus::Success };
    // Reading a device may never end.
    let before = if file.is_file() { std::fs::read_to_string(file).unwrap_or_default() } else { String::new() };
    let history = openmetrics::History::read(&before, pipeline);
    let mut families = metrics::of_run(pipeline, moment, of_report);
    history.carry_on(&mut families, pipeline, moment);
    let text = openmetrics::render(&families);
    told("metrics file", file, Ok(files::replace(file, &secret::redact(&text))))
}

/// What becomes of the run when a file is written, or not.
fn told(what: &str, file: &Path, written: Result<io::Result<()>>) -> ExitStatus {
    let cause = match written {
        Ok(Ok(())) => return ExitStatus::Success,
        Ok(Err(cause)) => cause.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(file = %file.display(), cause, "the {what} cannot be written");
    ExitStatus::UnitFailed
}

fn total(report: &RunReport) -> TimeDelta {
    let seconds = report.seconds.get("total").copied().unwrap_or_default();
    let duration = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    TimeDelta::from_std(duration).unwrap_or_default()
}
