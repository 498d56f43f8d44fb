//! Options of what surrounds a run: where it reports to, and what is kept afterwards.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{ReportFormat, TableFormatOption};

/// Where a run reports to beside its standard output.
#[derive(Debug, Default, Args)]
pub struct Outputs {
    /// Also write the JSON report of the run to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write metrics of the run as OpenMetrics text to this file, for node_exporter's textfile
    /// collector
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
}

/// Options of `vacuum`.
#[derive(Debug, Args)]
pub struct VacuumArgs {
    /// The pipeline whose destination is cleaned
    #[arg(required_unless_present = "destination")]
    pub pipeline: Option<PathBuf>,
    /// The destination that is cleaned, instead of the pipeline's
    #[arg(long, value_name = "LOCATION")]
    pub destination: Option<String>,
    /// The format of the tables instead of the pipeline's
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub table_format: Option<TableFormatOption>,
    /// Delete only what has not been needed for this long, for example 7d or 36h
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = parse_age)]
    pub older_than: Duration,
    /// Also delete ledger documents of runs that started longer ago, except those that what is
    /// published comes from
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub ledger_older_than: Option<Duration>,
    /// Allow less than 168h for Delta tables; only when nobody reads or writes them
    #[arg(long)]
    pub force: bool,
    /// Show what would be deleted
    #[arg(long)]
    pub dry_run: bool,
    /// Where killed runs left staged and spilled files; defaults to the system's temporary folder
    #[arg(long, value_name = "FOLDER")]
    pub work_directory: Option<PathBuf>,
    /// How results are printed
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub format: ReportFormat,
}

/// Reads `7d`, `36h`, `90m` or `30s`.
fn parse_age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not an age; write for example 7d, 36h or 90m");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds: u64 = match unit.trim() {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        "" => return Err(format!("`{text}` has no unit; write for example {text}d or {text}h")),
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    // A century is more than any retention, and small enough for every calendar.
    let age = number.checked_mul(seconds).filter(|seconds| *seconds <= 100 * 366 * 86_400);
    age.map(Duration::from_secs).ok_or_else(|| format!("`{text}` is more than a century"))
}
