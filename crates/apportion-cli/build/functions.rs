//! A digest of the Rust code that decides about values, and of nothing else.
//!
//! Everything in the workspace's libraries counts but what is known to compute nothing that is
//! written into a table: a new file can be forgotten nowhere. Comments, layout and tests are no part
//! of it, so they recompute nothing. The digest is the same for the same code on every machine and
//! with every version of Rust.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fs, io};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use sha2::{Digest, Sha256};

/// Folders with code, below `crates/`.
pub(crate) const ROOTS: [&str; 7] = [
    "apportion-focus/src",
    "apportion-spec/src",
    "apportion-store/src",
    "apportion-sources/src",
    "apportion-engine/src",
    "apportion-sinks/src",
    "apportion-cli/src",
];

/// Files and folders that decide about no value, below `crates/`: how a store is reached, how tables
/// are published and looked after, what is told to people. Each must exist.
const UNRELATED: &[&str] = &[
    "apportion-cli/src/accept.rs",
    "apportion-cli/src/agenda.rs",
    "apportion-cli/src/args",
    "apportion-cli/src/args.rs",
    "apportion-cli/src/certificate.rs",
    "apportion-cli/src/changes.rs",
    "apportion-cli/src/destination.rs",
    "apportion-cli/src/diff",
    "apportion-cli/src/diff.rs",
    "apportion-cli/src/documents.rs",
    "apportion-cli/src/exit.rs",
    "apportion-cli/src/explain",
    "apportion-cli/src/explain.rs",
    "apportion-cli/src/extent.rs",
    "apportion-cli/src/figures.rs",
    "apportion-cli/src/files.rs",
    "apportion-cli/src/foreign.rs",
    "apportion-cli/src/hold",
    "apportion-cli/src/hold.rs",
    "apportion-cli/src/init",
    "apportion-cli/src/init.rs",
    "apportion-cli/src/ledger.rs",
    "apportion-cli/src/lib.rs",
    "apportion-cli/src/logging.rs",
    "apportion-cli/src/main.rs",
    "apportion-cli/src/observe",
    "apportion-cli/src/observe.rs",
    "apportion-cli/src/output.rs",
    "apportion-cli/src/owner.rs",
    "apportion-cli/src/periods",
    "apportion-cli/src/periods.rs",
    "apportion-cli/src/plan.rs",
    "apportion-cli/src/progress.rs",
    "apportion-cli/src/published.rs",
    "apportion-cli/src/query",
    "apportion-cli/src/query.rs",
    "apportion-cli/src/report.rs",
    "apportion-cli/src/run.rs",
    "apportion-cli/src/stop.rs",
    "apportion-cli/src/summary.rs",
    "apportion-cli/src/survey.rs",
    "apportion-cli/src/unmapped.rs",
    "apportion-cli/src/vacuum.rs",
    "apportion-cli/src/verify",
    "apportion-cli/src/verify.rs",
    "apportion-cli/src/withdraw.rs",
    "apportion-engine/src/fault.rs",
    "apportion-engine/src/sql_error.rs",
    "apportion-engine/src/work_folder.rs",
    "apportion-sinks/src/certificate.rs",
    "apportion-sinks/src/columns.rs",
    "apportion-sinks/src/delta",
    "apportion-sinks/src/delta.rs",
    "apportion-sinks/src/destination.rs",
    "apportion-sinks/src/documents.rs",
    "apportion-sinks/src/error.rs",
    "apportion-sinks/src/extent.rs",
    "apportion-sinks/src/foreign.rs",
    "apportion-sinks/src/ledger",
    "apportion-sinks/src/ledger.rs",
    "apportion-sinks/src/lock",
    "apportion-sinks/src/lock.rs",
    "apportion-sinks/src/owner.rs",
    "apportion-sinks/src/parquet",
    "apportion-sinks/src/parquet.rs",
    "apportion-sinks/src/preflight.rs",
    "apportion-sinks/src/read/stored.rs",
    "apportion-sinks/src/sink.rs",
    "apportion-sinks/src/units.rs",
    "apportion-sinks/src/vacuum",
    "apportion-sinks/src/vacuum.rs",
    "apportion-sources/src/offender.rs",
    "apportion-sources/src/store",
    "apportion-sources/src/store.rs",
    "apportion-spec/src/error.rs",
    "apportion-spec/src/identity.rs",
    "apportion-spec/src/printable.rs",
    "apportion-spec/src/secret.rs",
    "apportion-spec/src/suggest.rs",
    "apportion-store/src",
];

/// The digest, or `None` outside the repository.
///
/// # Errors
/// A file that cannot be read, or an entry of the list above that does not exist.
pub(crate) fn digest(crates: &Path) -> io::Result<Option<String>> {
    if !ROOTS.iter().all(|root| crates.join(root).is_dir()) {
        return Ok(None);
    }
    if let Some(missing) = UNRELATED.iter().find(|path| !crates.join(path).exists()) {
        let message = format!("{missing} is named in build/functions.rs as unrelated to values, and does not exist");
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    let mut files = Vec::new();
    for root in ROOTS {
        collect(&crates.join(root), &mut files)?;
    }
    let mut named = Vec::new();
    for file in files {
        let name = file.strip_prefix(crates).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        let unrelated = UNRELATED.iter().any(|path| Path::new(&name).starts_with(path));
        if !unrelated && !is_test(&name) {
            named.push((name, fs::read_to_string(&file)?));
        }
    }
    named.sort();
    let mut digest = Sha256::new();
    for (name, text) in &named {
        for part in [name.as_str(), code(name, text).as_str()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
    }
    Ok(Some(digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()))
}

/// Whether a file holds nothing but tests.
fn is_test(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.ends_with("_tests.rs") || name.contains("/tests/")
}

/// What of a file decides: of Rust the code without comments, layout and tests, of others everything.
pub(crate) fn code(name: &str, text: &str) -> String {
    let tokens = name.ends_with(".rs").then(|| TokenStream::from_str(text).ok()).flatten();
    let Some(tokens) = tokens else { return text.to_owned() };
    let mut words = String::new();
    write(tokens, &mut words);
    words
}

fn write(tokens: TokenStream, words: &mut String) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut rest = tokens.as_slice();
    while let Some((first, after)) = rest.split_first() {
        if let Some((attribute, end)) = attribute(rest) {
            if attribute.starts_with("doc ") {
                rest = end;
                continue;
            }
            if attribute == "cfg (test)" {
                rest = after_item(end);
                continue;
            }
        }
        match first {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                words.push_str(open);
                write(group.stream(), words);
                words.push_str(close);
            }
            other => words.push_str(&other.to_string()),
        }
        words.push('\n');
        rest = after;
    }
}

/// The attribute that tokens begin with, as text, and what follows it.
fn attribute(tokens: &[TokenTree]) -> Option<(String, &[TokenTree])> {
    let is =
        |token: Option<&TokenTree>, sign: char| matches!(token, Some(TokenTree::Punct(it)) if it.as_char() == sign);
    if !is(tokens.first(), '#') {
        return None;
    }
    let at = if is(tokens.get(1), '!') { 2 } else { 1 };
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            Some((group.stream().to_string(), tokens.get(at + 1..).unwrap_or_default()))
        }
        _ => None,
    }
}

/// What follows an item: it ends with its braces or its semicolon.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(sign) => sign.as_char() == ';',
        _ => false,
    };
    let end = tokens.iter().position(ends).map_or(tokens.len(), |index| index + 1);
    tokens.get(end..).unwrap_or_default()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
