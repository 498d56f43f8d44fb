//! The only place that prints. Results go to standard output, everything else to standard error,
//! so that a pipe sees answers and a person sees both.
//!
//! What is printed comes from bills, tags and the words of stores, so it passes one boundary here: no
//! secret and no character that commands a terminal leaves. A result that cannot be written is an error of
//! the command. A reader that went away, as `head` does, is none: it has what it wanted.

use std::io::{self, IsTerminal, StdoutLock, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use apportion_spec::{Error, ErrorKind, Result, printable, secret};
use serde::Serialize;

use crate::args::ReportFormat;
use crate::exit::ExitStatus;

/// Set when a note or a log line could not be written, although somebody was there to read it.
static NOTES_LOST: AtomicBool = AtomicBool::new(false);

/// Prints a result for people, with a line break at its end.
///
/// # Errors
/// When standard output cannot be written, for example on a full disk.
pub(crate) fn result(text: &str) -> Result<()> {
    let clean = secret::redact(text.trim_end_matches('\n'));
    let mut results = Results::open();
    results.print(&format!("{}\n", printable::lines(&clean)))?;
    results.finish()
}

/// Prints text that a program reads as it is.
///
/// # Errors
/// As [`result`].
pub(crate) fn program(text: &str) -> Result<()> {
    let mut results = Results::open();
    results.print(text)?;
    results.finish()
}

/// Prints a report as a person or a program reads it.
///
/// # Errors
/// As [`result`]; [`ErrorKind::Internal`] when it has no form in JSON.
pub(crate) fn report<T: Serialize>(format: ReportFormat, report: &T, render: impl FnOnce(&T) -> String) -> Result<()> {
    match format {
        ReportFormat::Json => program(&json(report)?),
        ReportFormat::Table => result(&render(report)),
    }
}

/// How a command ended whose report was printed, or should have been: the worse of both.
pub(crate) fn settled(status: ExitStatus, printed: Result<()>) -> ExitStatus {
    match printed {
        Ok(()) => status,
        Err(error) => {
            failure(&error);
            status.max(ExitStatus::of_command(error.kind()))
        }
    }
}

/// A JSON document for programs, with a line break at its end. No secret is in it, and every character of it is seen.
///
/// # Errors
/// [`ErrorKind::Internal`] when the value has no form in JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::new(ErrorKind::Internal, "the report has no form in JSON").with_source(error))?;
    Ok(format!("{}\n", printable::json(&secret::redact_json(&text))))
}

/// Standard output, for results that are written piece by piece.
#[derive(Debug)]
pub(crate) struct Results {
    to: io::BufWriter<StdoutLock<'static>>,
    reader_left: bool,
}

impl Results {
    pub(crate) fn open() -> Self {
        Self { to: io::BufWriter::new(io::stdout().lock()), reader_left: false }
    }

    /// Whether a person looks at it.
    pub(crate) fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// Whether nobody reads any more, so that what follows need not be computed.
    pub(crate) const fn reader_left(&self) -> bool {
        self.reader_left
    }

    /// Writes text as it is.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn print(&mut self, text: &str) -> Result<()> {
        self.write_all(text.as_bytes()).map_err(unwritten)
    }

    /// Makes sure that everything arrived: what a buffer still holds would be lost without a word.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush().map_err(unwritten)
    }

    fn attempt<T>(
        &mut self,
        then: T,
        write: impl FnOnce(&mut io::BufWriter<StdoutLock<'static>>) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.reader_left {
            return Ok(then);
        }
        match write(&mut self.to) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_left = true;
                Ok(then)
            }
            other => other,
        }
    }
}

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(bytes.len(), |to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        // The buffer is handed on to standard output, which keeps the last line itself.
        self.attempt((), |to| to.flush().and_then(|()| to.get_mut().flush()))
    }
}

/// The error of a result that could not be written.
pub(crate) fn unwritten(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::ResourcesExhausted
        }
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, "the result cannot be written and is not complete")
        .with("to", "standard output")
        .with_source(error)
}

/// Prints a note for the person at the terminal.
pub(crate) fn note(text: &str) {
    Notes.print(&format!("{}\n", printable::lines(&secret::redact(text))));
}

/// Prints why a command failed. Lines that already start with `file:line:column` stay as they are.
pub(crate) fn failure(error: &Error) {
    note(&format!("error: {error}"));
}

/// Whether notes or log lines were lost.
pub(crate) fn notes_lost() -> bool {
    NOTES_LOST.load(Ordering::SeqCst)
}

/// Standard error. Nothing that happens to it stops or changes the work: what cannot be written is remembered
/// for the end, unless the reader went away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notes;

impl Notes {
    fn print(self, text: &str) {
        let mut to = io::stderr().lock();
        let written = to.write_all(text.as_bytes()).and_then(|()| to.flush());
        if written.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe) {
            NOTES_LOST.store(true, Ordering::SeqCst);
        }
    }
}

/// Log lines: JSON documents, or text for people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logs {
    pub(crate) json: bool,
}

impl Write for Logs {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let clean = secret::redact(&text);
        Notes.print(&if self.json { printable::json(&clean) } else { printable::lines(&clean) });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Right-aligns every column but the first and joins rows with line breaks.
/// Values come from bills: each stays on its line.
pub(crate) fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| short(cell)).collect()).collect();
    let mut widths: Vec<usize> = header.iter().map(|name| name.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(index, (cell, width))| if index == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") },
            )
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut lines = vec![line(&header), line(&rule)];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}

/// Characters of a cell that are shown. A tag may hold a megabyte, and no table is as wide.
const WIDEST: usize = 500;

/// A cell on one line, cut where it is longer than anybody reads.
fn short(cell: &str) -> String {
    let line = printable::line(cell);
    match line.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.into_owned(),
    }
}

/// An amount with thousands separators and two decimals, for people. The tables hold all digits.
pub(crate) fn amount(units: i128) -> String {
    const CENT: i128 = 10_000_000_000;
    let negative = units < 0;
    let cents = (units.unsigned_abs() + (CENT.unsigned_abs() / 2)) / CENT.unsigned_abs();
    let (whole, cents) = (cents / 100, cents % 100);
    let sign = if negative && (whole > 0 || cents > 0) { "-" } else { "" };
    format!("{sign}{}.{cents:02}", grouped(whole))
}

/// A whole number with thousands separators.
pub(crate) fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut rest = 0;
    let mut unit = 0;
    while value >= 1024 && unit + 1 < UNITS.len() {
        rest = value % 1024;
        value /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{value} {name}") } else { format!("{value}.{} {name}", rest * 10 / 1024) }
}

/// A unit cost or other decimal at scale 18, shortened to what a person reads: at least two
/// decimals, at most six significant digits after them.
pub(crate) fn unit_cost(units: i128) -> String {
    let text = format!("{:019}", units.unsigned_abs());
    let (whole, decimals) = text.split_at(text.len() - 18);
    let leading_zeros = decimals.len() - decimals.trim_start_matches('0').len();
    let keep = if whole == "0" { (leading_zeros + 4).clamp(2, 18) } else { 4 };
    let sign = if units < 0 { "-" } else { "" };
    let shown = decimals.get(..keep).unwrap_or(decimals);
    format!("{sign}{whole}.{shown}")
}
