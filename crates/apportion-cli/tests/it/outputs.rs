//! Where results go: a full disk is an error and cuts nothing silently, a reader that goes away ends a
//! reading command quietly, and neither stops a run.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};

use crate::estate::{change, estate};
use crate::sample::content;
use crate::support::{Workspace, apportion, transcript};

/// A device on which there is never room.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("/dev/full").into()
}

/// A pipe that nobody reads.
fn broken() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("pipe");
    drop(reader);
    OwnedFd::from(writer).into()
}

fn command(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = apportion();
    command.args(arguments).current_dir(workspace.path(""));
    command
}

fn published() -> Workspace {
    let workspace = estate("");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    // A second version, so that there is something to tell apart.
    change(&workspace, "method: direct, to: account", "method: direct, to: \"'one'\"");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    workspace
}

const QUESTION: &str = "SELECT BilledCost FROM focus_charges";

/// Every command that prints a result and changes nothing.
const READERS: [&[&str]; 18] = [
    &["query", "--destination", "tables", QUESTION],
    &["query", "--destination", "tables", "--format", "csv", QUESTION],
    &["query", "--destination", "tables", "--format", "json", QUESTION],
    &["plan", "pipeline.yaml"],
    &["plan", "pipeline.yaml", "--format", "json"],
    &["check", "pipeline.yaml"],
    &["check", "pipeline.yaml", "--format", "json"],
    &["verify", "pipeline.yaml"],
    &["verify", "pipeline.yaml", "--format", "json"],
    &["explain", "pipeline.yaml", "--period", "2026-01", "--target", "one"],
    &["explain", "pipeline.yaml", "--period", "2026-01", "--target", "one", "--format", "json"],
    &["diff", "pipeline.yaml", "--period", "2026-01"],
    &["diff", "pipeline.yaml", "--period", "2026-01", "--format", "json"],
    &["vacuum", "pipeline.yaml", "--dry-run"],
    &["vacuum", "pipeline.yaml", "--dry-run", "--format", "json"],
    &["completions", "bash"],
    &["--help"],
    &["--version"],
];

#[test]
fn a_result_that_cannot_be_written_is_an_error_of_every_command() {
    let workspace = published();
    for arguments in READERS {
        let output = command(&workspace, arguments).output().expect("binary");
        assert!(output.status.success() && !output.stdout.is_empty(), "{}", transcript(&output, &[]));
        let output = command(&workspace, arguments).stdout(full()).output().expect("binary");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}\n{}", transcript(&output, &[]));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("the result cannot be written"), "{arguments:?}\n{text}");
        assert!(text.contains("No space left on device"), "{arguments:?}\n{text}");
    }
}

#[test]
fn a_reader_that_left_is_no_error_and_verify_still_says_what_it_found() {
    let workspace = published();
    for arguments in READERS {
        let output = command(&workspace, arguments).stdout(broken()).output().expect("binary");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{}", transcript(&output, &[]));
        assert!(!String::from_utf8_lossy(&output.stderr).contains("error"), "{}", transcript(&output, &[]));
    }
    let certificate = workspace.path("tables/_apportion/certificates/2026-01.json");
    let text = std::fs::read_to_string(&certificate).expect("certificate");
    std::fs::write(&certificate, text.replace("\"charges\": 3", "\"charges\": 4")).expect("certificate");
    let output = command(&workspace, &["verify", "pipeline.yaml"]).stdout(broken()).output().expect("binary");
    assert_eq!(output.status.code(), Some(3), "{}", transcript(&output, &[]));
}

/// As `| head -1` does: one line is read, then the pipe is closed while much more is to come.
#[test]
fn a_long_answer_ends_when_its_reader_leaves() {
    let workspace = published();
    for format in ["csv", "json", "table"] {
        let sql = "SELECT a.value, b.value FROM generate_series(1, 100000) a, generate_series(1, 100000) b";
        let sql = if format == "table" { "SELECT value FROM generate_series(1, 9000)" } else { sql };
        let mut child = command(&workspace, &["query", "--destination", "tables", "--format", format, sql])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("binary");
        let mut first = [0; 64];
        child.stdout.take().expect("output").read_exact(&mut first).expect("a line");
        let output = child.wait_with_output().expect("binary");
        assert_eq!(output.status.code(), Some(0), "{format}\n{}", transcript(&output, &[]));
        assert!(output.stderr.is_empty(), "{format}\n{}", transcript(&output, &[]));
    }
}

/// The tables as they are when everybody listens.
fn undisturbed() -> BTreeSet<(String, Vec<u8>)> {
    let workspace = estate("");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    content(&workspace, "tables")
}

fn run_with(out: Stdio, err: Stdio, more: &[&str]) -> (Workspace, Output) {
    let workspace = estate("");
    let arguments = [&["run", "pipeline.yaml"], more].concat();
    let output = command(&workspace, &arguments).stdout(out).stderr(err).output().expect("binary");
    (workspace, output)
}

#[test]
fn a_run_does_its_work_whoever_listens() {
    let pipe = Stdio::piped;
    type Case = (fn() -> Stdio, fn() -> Stdio, i32);
    let cases: [Case; 6] =
        [(broken, broken, 0), (broken, pipe, 0), (pipe, broken, 0), (full, pipe, 1), (pipe, full, 1), (full, full, 1)];
    let expected = undisturbed();
    for (index, (out, err, code)) in cases.into_iter().enumerate() {
        let more = if index % 2 == 0 { &["-v", "--format", "json"][..] } else { &[] };
        let (workspace, output) = run_with(out(), err(), more);
        assert_eq!(output.status.code(), Some(code), "case {index}\n{}", transcript(&output, &[]));
        assert!(content(&workspace, "tables") == expected, "case {index}: the tables are others");
    }
    // Closed before the program starts, as a service without a terminal may be.
    let workspace = estate("");
    let script = "\"$BINARY\" backfill pipeline.yaml --from 2026-01 --to 2026-03 >&- 2>&-";
    let output = Command::new("sh")
        .args(["-c", script])
        .env("BINARY", env!("CARGO_BIN_EXE_apportion"))
        .current_dir(workspace.path(""))
        .output()
        .expect("shell");
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output, &[]));
    assert!(content(&workspace, "tables") == expected);
}

#[test]
fn files_that_cannot_be_written_fail_the_command_and_leave_devices_alone() {
    let expected = undisturbed();
    for option in ["--report", "--metrics-file"] {
        let (workspace, output) = run_with(Stdio::piped(), Stdio::piped(), &[option, "/dev/full"]);
        assert_eq!(output.status.code(), Some(1), "{option}\n{}", transcript(&output, &[]));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("cannot be written") && text.contains("No space left"), "{option}\n{text}");
        assert!(content(&workspace, "tables") == expected, "{option}: the run was done");
    }
    let workspace = published();
    for format in ["csv", "json", "table", "parquet"] {
        let arguments = ["query", "--destination", "tables", "--format", format, "--output"];
        let output = workspace.run(&[&arguments[..], &["/dev/full", QUESTION]].concat());
        assert_eq!(output.status.code(), Some(1), "{format}\n{}", transcript(&output, &[]));
        assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"), "{}", transcript(&output, &[]));
        // An error in the middle of an answer leaves the file that was there.
        workspace.write("answer", b"before");
        let sql = "SELECT 10 / (value - 70000) FROM generate_series(1, 100000)";
        let output = workspace.run(&[&arguments[..], &["answer", sql]].concat());
        assert_ne!(output.status.code(), Some(0), "{format}\n{}", transcript(&output, &[]));
        assert_eq!(std::fs::read(workspace.path("answer")).expect("file"), b"before", "{format}");
        workspace.run_ok(&[&arguments[..], &["answer", QUESTION]].concat());
        assert_ne!(std::fs::read(workspace.path("answer")).expect("file"), b"before", "{format}");
    }
    assert!(!std::fs::metadata("/dev/full").expect("device").is_file(), "the device was replaced by a file");
}
