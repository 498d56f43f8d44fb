//! The `apportion` command: the only crate that knows all others.
//!
//! It reads the command line and the pipeline, opens stores, and runs units of work in order:
//! stage, check, reconcile, publish. Everything below it is told what to do. What a crate below asks
//! of the machine (credentials, the age of a lock, a folder for copies) decides about no value of a table.

mod accept;
mod agenda;
mod allocate;
pub mod args;
mod certificate;
mod changes;
mod check;
mod completeness;
mod destination;
mod diff;
mod documents;
mod exit;
mod explain;
mod extent;
mod figures;
mod files;
mod foreign;
mod hold;
mod init;
mod ledger;
mod logging;
mod money;
mod normalize;
mod observe;
mod output;
mod owner;
mod periods;
mod plan;
mod progress;
mod project;
mod published;
mod query;
mod reconcile;
mod report;
mod reporting;
mod rows;
mod run;
mod staging;
mod stop;
mod summary;
mod survey;
mod tables;
mod telemetry;
mod units;
mod unmapped;
mod vacuum;
mod verify;
mod withdraw;

use apportion_spec::{Error, ErrorKind, Result};
use clap::CommandFactory;

use crate::args::{Cli, Command};
pub use crate::exit::ExitStatus;

/// How long threads that are still busy may hold up the end of the process.
const SHUTDOWN: std::time::Duration = std::time::Duration::from_secs(2);

/// The stack of each thread.
const STACK: usize = 16 << 20;

/// Runs one command to its exit status; prints results and errors.
#[must_use]
pub fn main(cli: Cli) -> ExitStatus {
    logging::start(cli.verbose);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Plans are trees, and what walks them goes down the stack; only pages that are touched cost memory.
        .thread_stack_size(STACK)
        .build()
        .map_err(|error| Error::new(ErrorKind::ResourcesExhausted, "threads cannot be started").with_source(error))
        .and_then(|runtime| {
            let outcome = runtime.block_on(dispatch(cli.command));
            // Work that was abandoned may still hold a thread; a process that is to stop does not wait for it.
            runtime.shutdown_timeout(SHUTDOWN);
            outcome
        });
    let status = outcome.unwrap_or_else(|error| {
        output::failure(&error);
        ExitStatus::of_command(error.kind())
    });
    // What a person should have read is on no disk.
    if output::notes_lost() { status.max(ExitStatus::UnitFailed) } else { status }
}

/// Runs a pipeline inside of another program, on its runtime: how the run ended, and its report as `--format json`
/// shows it. Nothing is printed, and signals are left to the program.
///
/// # Errors
/// What stops the run as a whole, as the command says it.
pub async fn run_pipeline(args: &args::RunArgs) -> Result<(ExitStatus, String)> {
    let (report, _) = run::work(args, 1, stop::Stop::never()).await?;
    Ok((report.exit_status(), output::json(&report)?))
}

/// Prints what the command line says about itself: help, version, or what is wrong with it.
#[must_use]
pub fn explain_usage(error: &clap::Error) -> ExitStatus {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return output::program(&text).map_or_else(
            |error| {
                output::failure(&error);
                ExitStatus::of_command(error.kind())
            },
            |()| ExitStatus::Success,
        );
    }
    output::note(text.trim_end_matches('\n'));
    ExitStatus::Usage
}

async fn dispatch(command: Command) -> Result<ExitStatus> {
    match command {
        Command::Run { args, outputs } => observe::run(&args, &outputs, 1).await,
        Command::Plan(args) => plan::plan(&args).await,
        Command::Backfill(args) => run::backfill(&args).await,
        Command::Check(args) => check::check(&args).await,
        Command::Explain(args) => explain::explain(&args).await,
        Command::Verify(args) => verify::verify(&args).await,
        Command::Query(args) => query::query(&args).await.map(|()| ExitStatus::Success),
        Command::Diff(args) => diff::diff(&args).await.map(|()| ExitStatus::Success),
        Command::Vacuum(args) => vacuum::vacuum(&args).await.map(|()| ExitStatus::Success),
        Command::Init(args) => init::init(&args.file).map(|()| ExitStatus::Success),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "apportion", &mut script);
            output::program(&String::from_utf8_lossy(&script)).map(|()| ExitStatus::Success)
        }
    }
}
