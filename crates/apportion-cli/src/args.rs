//! What may be typed on the command line, exactly as typed. `project` gives it its meaning.

mod diff;
mod operations;

use std::path::PathBuf;

use apportion_spec::BillingPeriod;
use apportion_spec::pipeline::MINIMUM_MEMORY_MIB;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::diff::DiffArgs;
pub use self::operations::{Outputs, VacuumArgs};
pub use crate::accept::Acceptance;

/// Turn cloud bills into answers: what does this team, service, customer, request really cost?
#[derive(Debug, Parser)]
#[command(name = "apportion", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// More detail in logs; repeat for more.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read bills and telemetry, allocate every charge, publish the tables
    Run {
        /// What is run.
        #[command(flatten)]
        args: RunArgs,
        /// Where it reports to.
        #[command(flatten)]
        outputs: Outputs,
    },
    /// Show what a run would read and write, and why; nothing is written
    Plan(RunArgs),
    /// Do the same for a range of past billing periods; picks up where it was stopped
    Backfill(BackfillArgs),
    /// Check the pipeline, its SQL and its sources; reports all errors at once
    Check(CheckArgs),
    /// Prove from the written tables alone that they still tie, to the last digit
    Verify(VerifyArgs),
    /// Take a number apart: rule, driver, share, charges, and the objects of the bill
    Explain(ExplainArgs),
    /// Ask the written tables a question in SQL
    Query(QueryArgs),
    /// Say what changed between two versions of a billing period, and why, to the last digit
    Diff(DiffArgs),
    /// Delete superseded versions and what failed runs left, older than an age
    Vacuum(VacuumArgs),
    /// Write a commented pipeline to start from
    Init(InitArgs),
    /// Print a completion script for your shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Options of `run` and `plan`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The pipeline file
    pub pipeline: PathBuf,
    /// Only this billing period (YYYY-MM); may be repeated
    #[arg(long, value_name = "YYYY-MM", conflicts_with_all = ["from", "to"])]
    pub period: Vec<BillingPeriod>,
    /// First billing period
    #[arg(long, value_name = "YYYY-MM")]
    pub from: Option<BillingPeriod>,
    /// Last billing period
    #[arg(long, value_name = "YYYY-MM")]
    pub to: Option<BillingPeriod>,
    /// Only this source; may be repeated. Allocation still reads what the others have published
    #[arg(long, value_name = "NAME")]
    pub source: Vec<String>,
    /// Treat this day as today: its month is the current billing period, later ones are left out
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with_all = ["period", "from", "to"])]
    pub as_of: Option<chrono::NaiveDate>,
    /// Do everything again, changed or not
    #[arg(long)]
    pub force: bool,
    /// Publish what became suspiciously small in this month, and withdraw charges of sources that are gone; with
    /// /SOURCE only of that source, with /allocation only the allocation; may be repeated
    #[arg(long, value_name = "YYYY-MM[/SOURCE]", num_args = 0..=1, default_missing_value = "")]
    pub accept_smaller: Vec<Acceptance>,
    /// Write to a destination that belongs to another pipeline, and make it this one's
    #[arg(long)]
    pub take_over: bool,
    /// Write the tables here instead of the pipeline's destination
    #[arg(long, value_name = "LOCATION")]
    pub destination: Option<String>,
    /// Write tables in this format instead of the pipeline's
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub table_format: Option<TableFormatOption>,
    /// Engine limits.
    #[command(flatten)]
    pub limits: Limits,
    /// How results are printed
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub format: ReportFormat,
}

/// Options of `backfill`.
#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// What to run; `--from` and `--to` are required.
    #[command(flatten)]
    pub run: RunArgs,
    /// Where it reports to.
    #[command(flatten)]
    pub outputs: Outputs,
    /// How many billing periods are worked on at the same time; they share memory and cores
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub parallel: usize,
}

/// Limits of the engine.
#[derive(Debug, Default, Args)]
pub struct Limits {
    /// Memory the engine may use before it spills to disk, for example 2GiB or 800MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    pub memory_limit: Option<u64>,
    /// How many partitions are worked on at once; defaults to the number of cores
    #[arg(long, value_name = "N", value_parser = parse_jobs)]
    pub jobs: Option<usize>,
    /// Where staged and spilled files go; defaults to the system's temporary folder
    #[arg(long, value_name = "FOLDER")]
    pub work_directory: Option<PathBuf>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The pipeline file
    pub pipeline: PathBuf,
    /// Check the file and its SQL only; contact no store
    #[arg(long)]
    pub offline: bool,
    /// How results are printed
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub format: ReportFormat,
}

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The pipeline whose destination is verified; its rules are used where none were kept
    #[arg(required_unless_present = "destination")]
    pub pipeline: Option<PathBuf>,
    /// The destination that is verified, instead of the pipeline's
    #[arg(long, value_name = "LOCATION")]
    pub destination: Option<String>,
    /// Only this billing period (YYYY-MM); may be repeated
    #[arg(long, value_name = "YYYY-MM")]
    pub period: Vec<BillingPeriod>,
    /// How results are printed
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub format: ReportFormat,
    /// Engine limits.
    #[command(flatten)]
    pub limits: Limits,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The pipeline whose destination is asked; its rules are used where none were kept
    #[arg(required_unless_present = "destination")]
    pub pipeline: Option<PathBuf>,
    /// The destination that is asked, instead of the pipeline's
    #[arg(long, value_name = "LOCATION")]
    pub destination: Option<String>,
    /// The billing period
    #[arg(long, value_name = "YYYY-MM")]
    pub period: BillingPeriod,
    /// The target whose cost is explained, also `unallocated` or `idle`
    #[arg(long, value_name = "NAME")]
    pub target: String,
    /// Only allocated charges that satisfy this condition, for example "x_Service = 'api'"
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
    /// Which of the four costs; that of the unit metric, else effective
    #[arg(long, value_enum, value_name = "LEDGER")]
    pub ledger: Option<LedgerOption>,
    /// Start from the cost per unit of this metric
    #[arg(long, value_name = "NAME")]
    pub unit_metric: Option<String>,
    /// How many cells, splits and charges are listed; the rest is summed
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub top: usize,
    /// How results are printed
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub format: ReportFormat,
    /// Engine limits.
    #[command(flatten)]
    pub limits: Limits,
}

/// The four costs on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LedgerOption {
    /// What is invoiced.
    Billed,
    /// Billed cost with commitments spread over what they cover.
    Effective,
    /// At list price.
    List,
    /// At negotiated price.
    Contracted,
}

impl LedgerOption {
    /// The column of the ledger.
    #[must_use]
    pub const fn column(self) -> &'static str {
        match self {
            Self::Billed => "BilledCost",
            Self::Effective => "EffectiveCost",
            Self::List => "ListCost",
            Self::Contracted => "ContractedCost",
        }
    }
}

/// Options of `query`.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// The question, in SQL over the written tables
    #[arg(allow_hyphen_values = true)]
    pub sql: String,
    /// The pipeline whose destination is asked
    #[arg(long, short, value_name = "FILE", required_unless_present = "destination")]
    pub pipeline: Option<PathBuf>,
    /// The destination that is asked, instead of the pipeline's
    #[arg(long, value_name = "LOCATION")]
    pub destination: Option<String>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = QueryFormat::Table)]
    pub format: QueryFormat,
    /// File the answer is written to; required for parquet
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Show `focus_charges` as this FOCUS version spells it
    #[arg(long, value_enum, default_value_t = FocusShape::V1_4)]
    pub focus_version: FocusShape,
    /// Engine limits.
    #[command(flatten)]
    pub limits: Limits,
}

/// Options of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The file to write
    #[arg(default_value = "pipeline.yaml")]
    pub file: PathBuf,
}

/// Table formats on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormatOption {
    /// Partitioned Parquet files.
    Parquet,
    /// Delta Lake tables.
    Delta,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// A table for people.
    Table,
    /// One JSON document for machines, on standard output.
    Json,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueryFormat {
    /// A table for people.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object per line; decimals as text, so that no digit is lost.
    Json,
    /// A Parquet file.
    Parquet,
}

/// FOCUS versions in which `focus_charges` can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FocusShape {
    /// FOCUS 1.2, with `ProviderName` and `PublisherName`.
    #[value(name = "1.2")]
    V1_2,
    /// FOCUS 1.3, with `ProviderName` and `PublisherName`.
    #[value(name = "1.3")]
    V1_3,
    /// FOCUS 1.4, as stored.
    #[value(name = "1.4")]
    V1_4,
}

/// Reads a memory limit that an engine can work under.
fn parse_memory(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    let minimum = MINIMUM_MEMORY_MIB << 20;
    if bytes < minimum {
        Err(format!("`{text}` is too little; the least is {MINIMUM_MEMORY_MIB}MiB"))
    } else {
        Ok(bytes)
    }
}

/// Reads how many partitions are worked on at once.
fn parse_jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs) if jobs > 0 => Ok(jobs),
        _ => Err(format!("`{text}` is not a number of jobs; the least is 1")),
    }
}

/// Reads `2GiB`, `800MiB`, `1500MB`, `4G` or plain bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(format!("unknown unit `{unit}`; write for example 2GiB, 800MiB or 1500MB")),
    };
    let whole = number.parse::<u64>().map_err(|_| format!("`{text}` is not a size; write for example 2GiB"))?;
    whole.checked_mul(factor).filter(|bytes| *bytes > 0).ok_or_else(|| format!("`{text}` is not a usable size"))
}
