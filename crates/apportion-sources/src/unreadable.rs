//! Rows whose maps are no JSON in full, by column, row and object.
//!
//! What can be read of such a map is kept, so no query fails and nothing else would say it. Objects are
//! read once more for it, and only after a function noted a doubt.

use std::collections::BTreeMap;
use std::fmt::Write;

use apportion_spec::Result;
use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use futures::TryStreamExt;

use crate::conform::{json_doubt, list_doubt};
use crate::contract::{ColumnKind, SourceContract, is_text};
use crate::objects::Footer;
use crate::offender::columns;
use crate::store::Location;
use crate::words::NullWords;

/// Rows a note names.
const NAMED: usize = 5;
/// Characters of a value that a note shows.
const SHOWN: usize = 120;

/// The rows of each column that are no JSON in full.
#[derive(Debug, Default)]
pub(crate) struct Unreadable(BTreeMap<String, Rows>);

#[derive(Debug, Default)]
struct Rows {
    count: u64,
    named: Vec<String>,
    why: &'static str,
}

impl Unreadable {
    /// Looks through an object.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn add(
        &mut self,
        location: &Location,
        footer: &Footer,
        contract: &SourceContract,
        words: &NullWords,
        object: &str,
    ) -> Result<()> {
        let mut maps: Vec<(&str, ColumnKind)> = Vec::new();
        for field in footer.schema.fields().iter().filter(|field| is_text(field.data_type())) {
            let ranked = contract.columns.iter().filter(|column| contract.rank(field.name(), column).is_some());
            let kind = ranked.map(|column| column.kind).find(|kind| kind.is_map() || *kind == ColumnKind::Credits);
            maps.extend(kind.map(|kind| (field.name().as_str(), kind)));
        }
        if maps.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = maps.iter().map(|(name, _)| *name).collect();
        let mut batches = Box::pin(columns(location, footer, &names, object)?);
        let mut before = 0;
        while let Some(batch) = batches.try_next().await? {
            for (name, kind) in &maps {
                let Some(texts) = batch.column_by_name(name).and_then(|column| cast(column, &DataType::Utf8).ok())
                else {
                    continue;
                };
                for (row, text) in texts.as_string::<i32>().iter().enumerate() {
                    let Some(text) = text.and_then(|text| words.value(text)) else { continue };
                    let why = match kind {
                        ColumnKind::Credits => list_doubt(text),
                        kind => json_doubt(*kind, text),
                    };
                    if let Some(why) = why {
                        self.0.entry((*name).to_owned()).or_default().add(before + row + 1, object, text, why);
                    }
                }
            }
            before += batch.num_rows();
        }
        Ok(())
    }

    /// One note per column.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.0.iter().map(|(column, rows)| rows.note(column)).collect()
    }
}

impl Rows {
    fn add(&mut self, row: usize, object: &str, text: &str, why: &'static str) {
        self.count += 1;
        if self.named.len() < NAMED {
            let shown: String = text.chars().take(SHOWN).collect();
            let cut = if shown.len() < text.len() { "…" } else { "" };
            self.named.push(format!("row {row} of {object}: `{shown}{cut}`"));
        }
        self.why = why;
    }

    fn note(&self, column: &str) -> String {
        let named = self.named.join("; ");
        let mut note = format!(
            "`{column}` is {} in {} rows; what can be read of them is kept, the rest is not in the tables: {named}",
            self.why, self.count
        );
        let more = self.count.saturating_sub(self.named.len() as u64);
        if more > 0 {
            let _ = write!(note, "; and {more} more");
        }
        note
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_counts_all_rows_and_names_the_first() {
        let mut rows = Rows::default();
        for row in 1..=7 {
            rows.add(row, "a.csv", "{x", "no JSON object");
        }
        let note = rows.note("Tags");
        assert!(note.starts_with("`Tags` is no JSON object in 7 rows; what can be read of them is kept"), "{note}");
        assert!(note.contains("row 1 of a.csv: `{x`; row 2 of a.csv") && note.ends_with("; and 2 more"), "{note}");
    }
}
