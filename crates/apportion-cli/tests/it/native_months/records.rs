//! The text form of a hand-written month: one block of `Column = value` lines per row.
//!
//! A wide table cannot be read or explained; a block can, with a comment above every figure.
//!
//! ```text
//! [columns]                     physical types, in the words of `fixtures/exports.rs`
//! text = BillingAccountId, ServiceName
//! [every row]                   values of rows that do not say otherwise
//! BillingAccountId = 111111111111
//! [on-demand usage]             one row, by a name of its own
//! # 24 h x 0.192
//! BilledCost = 4.608
//! ```
//!
//! Nothing after `=` is NULL, `''` is the empty text.

use std::collections::BTreeMap;
use std::path::Path;

use crate::fixtures::exports::Table;

const COLUMNS: &str = "columns";
const EVERY_ROW: &str = "every row";

/// A block: its name and its lines, in order.
struct Block {
    name: String,
    lines: Vec<(String, String)>,
}

fn blocks(path: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut blocks: Vec<Block> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let wrong = |what: &str| -> ! { panic!("{}, line {number}: {what}: {line}", path.display()) };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            if blocks.iter().any(|block| block.name == name) {
                wrong("a second block of this name");
            }
            blocks.push(Block { name: name.to_owned(), lines: Vec::new() });
            continue;
        }
        let Some((column, value)) = line.split_once('=') else { wrong("neither a block nor `Column = value`") };
        let Some(block) = blocks.last_mut() else { wrong("a value before the first block") };
        let (column, value) = (column.trim().to_owned(), value.trim().to_owned());
        if block.name != COLUMNS && block.lines.iter().any(|(existing, _)| *existing == column) {
            wrong("the block says this twice");
        }
        block.lines.push((column, value));
    }
    blocks
}

/// A row: its name, and what it and `[every row]` say of each column.
pub(super) struct Record {
    pub(super) name: String,
    pub(super) values: BTreeMap<String, String>,
}

/// The rows of a file that has no types, in its order.
pub(super) fn records(path: &Path) -> Vec<Record> {
    let mut defaults = BTreeMap::new();
    let mut records = Vec::new();
    for block in blocks(path) {
        let lines = block.lines.into_iter();
        match block.name.as_str() {
            COLUMNS => {}
            EVERY_ROW => defaults.extend(lines),
            _ => {
                let mut values = defaults.clone();
                values.extend(lines);
                records.push(Record { name: block.name, values });
            }
        }
    }
    records
}

/// The rows of a file with types, as a table for `fixtures::exports`.
pub(super) fn table(path: &Path) -> Table {
    let types = blocks(path).into_iter().filter(|block| block.name == COLUMNS).flat_map(|block| block.lines);
    let columns: Vec<(String, String)> = types
        .flat_map(|(kind, names)| {
            let names: Vec<String> = names.split(',').map(|name| name.trim().to_owned()).collect();
            names.into_iter().map(move |name| (name, kind.clone()))
        })
        .collect();
    let header = columns.iter().map(|(name, kind)| format!("{name}:{kind}")).collect();
    let rows = records(path).into_iter().map(|record| {
        let unknown = record.values.keys().find(|name| !columns.iter().any(|(column, _)| column == *name));
        assert!(unknown.is_none(), "{}, [{}]: {unknown:?} is not among the columns", path.display(), record.name);
        columns.iter().map(|(name, _)| record.values.get(name).cloned().unwrap_or_default()).collect()
    });
    (header, rows.collect())
}
