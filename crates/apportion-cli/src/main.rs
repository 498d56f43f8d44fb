//! The `apportion` binary: parses the command line and hands over to the library.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = apportion_cli::args::Cli::parse();
    apportion_cli::main(cli).into()
}
