//! Logs: for people on a terminal, structured (one JSON object per line) otherwise.
//!
//! Only our own crates speak at the default level; `-v` adds their detail, `-vv` and more the
//! libraries'. Lines pass the same boundary as everything that is printed (`output`), so that no secret is in
//! them, no name in them commands the terminal, and a reader that goes away stops nothing.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::output::Logs;

/// Starts logging to standard error.
pub(crate) fn start(verbose: u8) {
    let filter = match verbose {
        0 => {
            "apportion=info,apportion_cli=info,apportion_sources=info,apportion_sinks=info,apportion_engine=info,aws_config=error,warn"
        }
        1 => "apportion_cli=debug,apportion_sources=debug,apportion_sinks=debug,apportion_engine=debug,warn",
        2 => "apportion_cli=trace,apportion_sources=trace,apportion_sinks=trace,apportion_engine=trace,info",
        _ => "debug",
    };
    let person = std::io::stderr().is_terminal();
    // Without colours: they are control characters too, and those in names must not pass.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        .with_writer(move || Logs { json: !person });
    // A second start (several commands in one process) keeps the first.
    let _ = if person { builder.with_target(false).without_time().try_init() } else { builder.json().try_init() };
}
