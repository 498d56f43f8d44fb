//! What several test modules share: paths, expectations, the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use apportion_cli::args::{Cli, RunArgs};
use clap::Parser;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("repository root")
}

/// Compares a generated file with what is checked in; `UPDATE_EXPECT=1` rewrites it.
pub(crate) fn expect_file(relative: &str, fresh: &str) {
    let path = root().join(relative);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(&path, fresh).expect("write expectation");
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == fresh,
        "{relative} is stale; run UPDATE_EXPECT=1 cargo test -p apportion-cli and read the diff"
    );
}

/// The binary, with a clean environment for credentials and a fixed terminal width.
pub(crate) fn apportion() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apportion"));
    for name in std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.env("COLUMNS", "100").env("NO_COLOR", "1").current_dir(root());
    command
}

/// Exit code, standard output and standard error as one text, for snapshots. `replace` hides what
/// differs between machines.
pub(crate) fn transcript(output: &Output, replace: &[(&str, &str)]) -> String {
    let mut text = format!(
        "exit code: {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    for (from, to) in replace {
        text = text.replace(from, to);
    }
    text
}

/// What an environment variable says, for how much a test tries.
pub(crate) fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A run of the pipeline in a folder, for runs in this process.
pub(crate) fn run_arguments(folder: &Path) -> RunArgs {
    let folder = folder.to_str().expect("path");
    let words = ["apportion", "run", &format!("{folder}/pipeline.yaml"), "--work-directory", &format!("{folder}/work")];
    match Cli::try_parse_from(words).expect("arguments").command {
        apportion_cli::args::Command::Run { args, .. } => args,
        _ => unreachable!("it is a run"),
    }
}

/// A temporary folder with a pipeline, in which the binary runs.
pub(crate) struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("temporary folder") }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file and the folders above it.
    pub(crate) fn write(&self, relative: &str, content: &[u8]) {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folders");
        std::fs::write(path, content).expect("file");
    }

    /// Runs the binary in the folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        apportion().args(arguments).current_dir(self.folder.path()).output().expect("binary")
    }

    /// Runs the binary and demands success.
    pub(crate) fn run_ok(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(output.status.success(), "apportion {}\n{}", arguments.join(" "), transcript(&output, &[]));
        output
    }

    /// Runs the binary for a snapshot: folder and run times are hidden.
    pub(crate) fn transcript(&self, arguments: &[&str]) -> String {
        let folder = self.folder.path().canonicalize().expect("folder");
        let output = self.run(arguments);
        let text = transcript(&output, &[(&folder.display().to_string(), "[folder]")]);
        text.lines().filter(|line| !line.starts_with("{\"timestamp\"")).collect::<Vec<_>>().join("\n")
    }

    /// Rows of an answer, without the header.
    pub(crate) fn query(&self, destination: &str, sql: &str) -> Vec<Vec<String>> {
        let output = self.run_ok(&["query", "--destination", destination, "--format", "csv", sql]);
        let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
        reader.records().map(|record| record.expect("record").iter().map(str::to_owned).collect()).collect()
    }
}
