//! The `apportion` binary: parses the command line and hands over to the library.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match apportion_cli::args::Cli::try_parse() {
        Ok(cli) => apportion_cli::main(cli).into(),
        Err(error) => apportion_cli::explain_usage(&error).into(),
    }
}
