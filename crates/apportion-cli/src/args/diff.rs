//! Options of `diff`.

use std::path::PathBuf;

use apportion_spec::BillingPeriod;
use clap::Args;

use super::{LedgerOption, Limits, ReportFormat, TableFormatOption};

/// Options of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The pipeline file
    pub pipeline: PathBuf,
    /// The billing period that is compared
    #[arg(long, value_name = "YYYY-MM")]
    pub period: BillingPeriod,
    /// The older version: its number, or the run after which it was current; defaults to the one before
    #[arg(long, value_name = "VERSION|RUN_ID")]
    pub from: Option<String>,
    /// The newer version
    #[arg(long, value_name = "VERSION|RUN_ID|current", default_value = "current")]
    pub to: String,
    /// What lines are about: target, service, rule, source, stage, method or any kept column or dimension; may be
    /// repeated [default: target, service and rule]
    #[arg(long, value_name = "NAME")]
    pub by: Vec<String>,
    /// Which cost the lines show; totals show all four
    #[arg(long, value_enum, default_value_t = LedgerOption::Effective)]
    pub ledger: LedgerOption,
    /// Show at most this many lines that moved and sum the others [default: 10 in a table, all in JSON]
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// The destination that is compared, instead of the pipeline's
    #[arg(long, value_name = "LOCATION")]
    pub destination: Option<String>,
    /// Format of its tables, where it is not the pipeline's
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub table_format: Option<TableFormatOption>,
    /// Engine limits.
    #[command(flatten)]
    pub limits: Limits,
    /// How results are printed
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub format: ReportFormat,
}
