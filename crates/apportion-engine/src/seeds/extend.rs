//! Rows that a pipeline adds to the built-in seeds, or puts in the place of theirs.
//!
//! A region of last week must not wait for a new binary: one row in a file named like the seed is
//! enough. Every mistake of all files is reported at once with its line, because a row that is
//! quietly never met (another case, a missing column) looks exactly like the one that was missing.

use std::collections::{BTreeMap, BTreeSet};

use apportion_spec::{Error, ErrorKind, Result, did_you_mean};

use super::csv::{Row, Rows, join};
use super::{Header, Seed};
use crate::graph::ModelGraph;

/// What a file did to a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedExtension {
    /// The seed, such as `aws_regions`.
    pub seed: String,
    /// Rows with a key that the seed did not have.
    pub added: usize,
    /// Rows in the place of built-in ones.
    pub replaced: usize,
}

/// The seed of the standard's own categories, which nobody extends.
const TAXONOMY: &str = "focus_service_subcategories";
const CATEGORY: &str = "service_category";
const SUBCATEGORY: &str = "service_subcategory";

impl ModelGraph {
    /// Adds the rows of files to the seeds of the same name; a row replaces the built-in row of its
    /// key. A file is its name in messages and its text.
    ///
    /// # Errors
    ///
    /// `Config` with every mistake of all files, each with file and line; nothing is added then.
    pub fn extend_seeds<'a>(
        &mut self,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Vec<SeedExtension>> {
        let taxonomy = self.taxonomy();
        let mut extensions = Vec::new();
        let mut seeds = self.seeds.clone();
        let mut mistakes = Vec::new();
        for (file, text) in files {
            let name = file.rsplit(['/', '\\']).next().unwrap_or(file).trim_end_matches(".csv");
            let known: Vec<&str> = self.seeds.values().map(Seed::name).filter(|name| *name != TAXONOMY).collect();
            match seeds.get_mut(&format!("seed_{name}")) {
                Some(_) if name == TAXONOMY => {
                    mistakes
                        .push(format!("{file}: categories and subcategories are those of FOCUS; nothing can be added"));
                }
                Some(seed) => match seed.extend(file, text, &taxonomy) {
                    Ok(extension) => extensions.push(extension),
                    Err(found) => mistakes.extend(found),
                },
                None => {
                    let hint = did_you_mean(name, known.iter().copied());
                    mistakes.push(format!("{file}: no seed is called `{name}`{hint}; seeds: {}", known.join(", ")));
                }
            }
        }
        if !mistakes.is_empty() {
            return Err(Error::new(ErrorKind::Config, mistakes.join("\n")));
        }
        self.seeds = seeds;
        Ok(extensions)
    }

    /// Subcategories of FOCUS with their category.
    fn taxonomy(&self) -> BTreeMap<String, String> {
        let rows = self.seeds.get(&format!("seed_{TAXONOMY}")).and_then(|seed| Rows::parse(&seed.text).ok());
        let rows = rows.unwrap_or_default();
        let pair = |row: &Row| (rows.field(row, SUBCATEGORY).to_owned(), rows.field(row, CATEGORY).to_owned());
        rows.rows.iter().map(pair).collect()
    }
}

impl Seed {
    /// Takes over the rows of a file.
    ///
    /// # Errors
    /// Every mistake with file and line.
    fn extend(
        &mut self,
        file: &str,
        text: &str,
        taxonomy: &BTreeMap<String, String>,
    ) -> Result<SeedExtension, Vec<String>> {
        let header = Header::parse(&self.text);
        let own =
            Rows::parse(&self.text).map_err(|(line, message)| vec![format!("{}:{line}: {message}", self.path)])?;
        let given = Rows::parse(text).map_err(|(line, message)| vec![format!("{file}:{line}: {message}")])?;
        let columns = join(own.columns.iter().map(String::as_str));
        let (wanted, found): (BTreeSet<&String>, BTreeSet<&String>) =
            (own.columns.iter().collect(), given.columns.iter().collect());
        if wanted != found || own.columns.len() != given.columns.len() {
            let line = given.line.max(1);
            let found = join(given.columns.iter().map(String::as_str));
            return Err(vec![format!("{file}:{line}: the columns are `{columns}`, not `{found}`")]);
        }
        let mistakes = mistakes(&header, &own, &given, taxonomy);
        if !mistakes.is_empty() {
            return Err(mistakes.into_iter().map(|(line, message)| format!("{file}:{line}: {message}")).collect());
        }
        let known: BTreeSet<_> = own.rows.iter().flat_map(|row| identities(&header, &own, row)).collect();
        let taken: BTreeSet<_> = given.rows.iter().flat_map(|row| identities(&header, &given, row)).collect();
        let is_in = |set: &BTreeSet<(&str, String)>, rows: &Rows, row: &Row| {
            identities(&header, rows, row).iter().any(|identity| set.contains(identity))
        };
        let replaced = given.rows.iter().filter(|row| is_in(&known, &given, row)).count();
        let kept = own.rows.iter().filter(|row| !is_in(&taken, &own, row)).map(|row| (&own, row));
        let mut merged: Vec<(&Rows, &Row)> = kept.chain(given.rows.iter().map(|row| (&given, row))).collect();
        // In the order of the file, so that the same rows are the same seed however they are written.
        merged.sort_by_key(|(rows, row)| fields(rows, row, &header.key));
        let records = merged.iter().map(|(rows, row)| join(fields(rows, row, &own.columns)));
        let comments = self.text.lines().take_while(|line| line.starts_with('#')).map(str::to_owned);
        let lines = comments.chain([columns]).chain(records);
        self.text = lines.map(|line| line + "\n").collect();
        Ok(SeedExtension { seed: self.name().to_owned(), added: given.rows.len() - replaced, replaced })
    }
}

/// Every mistake of the given rows with its line.
fn mistakes(header: &Header, own: &Rows, given: &Rows, taxonomy: &BTreeMap<String, String>) -> Vec<(usize, String)> {
    let is_given = |column: &&String| own.rows.iter().all(|row| !own.field(row, column).is_empty());
    let always_given: Vec<&String> = own.columns.iter().filter(is_given).collect();
    let mut lines: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for row in &given.rows {
        let mut wrong = |message: String| mistakes.push((row.line, message));
        for column in always_given.iter().filter(|column| given.field(row, column).is_empty()) {
            wrong(format!("`{column}` is empty"));
        }
        for part in fields(given, row, &header.key) {
            let form = header.form.of(part);
            if form != part {
                wrong(format!("`{part}` is never met: bills are looked up as `{form}`"));
            }
        }
        if let Some(message) = wrong_category(given, row, taxonomy).or_else(|| wrong_block(given, row)) {
            wrong(message);
        }
        for (column, value) in identities(header, given, row) {
            if let Some(earlier) = lines.insert((column, value.clone()), row.line) {
                wrong(format!("`{value}` is in line {earlier} already"));
            }
        }
    }
    mistakes
}

/// The fields of a row in the order of `columns`.
fn fields<'a>(rows: &Rows, row: &'a Row, columns: &[String]) -> Vec<&'a str> {
    columns.iter().map(|column| rows.field(row, column)).collect()
}

/// Everything by which a row is looked up: its key, and each unique column that is given.
fn identities<'a>(header: &'a Header, rows: &Rows, row: &Row) -> Vec<(&'a str, String)> {
    let key: Vec<&str> = header.key.iter().map(|column| rows.field(row, column)).collect();
    let unique = header.unique.iter().map(|column| (column.as_str(), rows.field(row, column).to_owned()));
    [("", key.join(","))].into_iter().chain(unique.filter(|(_, value)| !value.is_empty())).collect()
}

/// A category or subcategory that no charge could be published with.
fn wrong_category(rows: &Rows, row: &Row, taxonomy: &BTreeMap<String, String>) -> Option<String> {
    let (category, subcategory) = (rows.field(row, CATEGORY), rows.field(row, SUBCATEGORY));
    if subcategory.is_empty() {
        return None;
    }
    match taxonomy.get(subcategory) {
        Some(known) if known == category => None,
        Some(known) => Some(format!("`{subcategory}` belongs to `{known}`, not to `{category}`")),
        None => {
            let hint = did_you_mean(subcategory, taxonomy.keys().map(String::as_str));
            let siblings = taxonomy.iter().filter(|(_, known)| *known == category);
            let siblings: Vec<&str> = siblings.map(|(name, _)| name.as_str()).collect();
            let choices = if siblings.is_empty() {
                let hint = did_you_mean(category, taxonomy.values().map(String::as_str));
                format!("; nor is `{category}` a category{hint}")
            } else {
                format!("; subcategories of `{category}`: {}", siblings.join(", "))
            };
            Some(format!("`{subcategory}` is no subcategory of FOCUS{hint}{choices}"))
        }
    }
}

/// A block that would make quantities nothing.
fn wrong_block(rows: &Rows, row: &Row) -> Option<String> {
    let block = rows.field(row, "block_size");
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, decimals) = block.split_once('.').unwrap_or((block, "0"));
    let is_number = digits(whole) && digits(decimals) && block.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    let message = format!("`{block}` is not how many units are in a block: a number above zero");
    (!block.is_empty() && !is_number).then_some(message)
}
