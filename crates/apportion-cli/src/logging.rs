//! Logs: for people on a terminal, structured (one JSON object per line) otherwise.
//!
//! Only our own crates speak at the default level; `-v` adds their detail, `-vv` and more the
//! libraries'. Nothing here ever sees a credential: stores are logged by URL only.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

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
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(std::io::stderr);
    // A second start (several commands in one process) keeps the first.
    let _ = if std::io::stderr().is_terminal() {
        builder.with_target(false).without_time().try_init()
    } else {
        builder.json().try_init()
    };
}
