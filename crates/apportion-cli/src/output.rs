//! The only place that prints. Results go to standard output, everything else to standard error,
//! so that a pipe sees answers and a person sees both.
#![expect(clippy::print_stderr, reason = "this module is where printing happens")]

use std::io::Write;

use apportion_spec::Error;

/// Prints a result, with a line break at its end. A reader that went away, as `head` does, is no error.
pub(crate) fn result(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end_matches('\n'));
}

/// Prints a note for the person at the terminal.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Prints why a command failed. Lines that already start with `file:line:column` stay as they are.
pub(crate) fn failure(error: &Error) {
    eprintln!("error: {error}");
}

/// Right-aligns every column but the first and joins rows with line breaks.
pub(crate) fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|name| name.chars().count()).collect();
    for row in rows {
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
