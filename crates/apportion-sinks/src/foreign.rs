//! Objects in a table's folder that no run of ours published.
//!
//! Readers that list the folder count the rows of every Parquet file in it, so a stray copy doubles a
//! bill. Such an object is named and what would be published beside it waits; nothing of it is read,
//! and nothing that somebody else put there is ever deleted.

use std::collections::{BTreeMap, BTreeSet};

use apportion_spec::{Error, ErrorKind};

/// An object that no run published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignObject {
    /// Name relative to the destination.
    pub object: String,
    /// The table in whose folder it lies.
    pub table: String,
    /// Its size.
    pub bytes: u64,
    /// The billing period in whose partition it lies, `YYYY-MM`, if it lies in any.
    pub billing_period: Option<String>,
    /// Whether a reader that lists the folder takes it for part of the table.
    pub counted: bool,
    /// Whether the log of a Delta table names it, so that its readers count it as well.
    pub committed: bool,
}

/// What does not agree in the folder of a table with what was published.
#[derive(Debug, Clone, Default)]
pub struct Strayed {
    /// Objects that no run published.
    pub foreign: Vec<ForeignObject>,
    /// Objects that were published and that the table no longer names, relative to the destination.
    pub dropped: Vec<String>,
}

/// Objects below the destination with their sizes, and those of them that are known to be published.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// Every object below the tables, relative to the destination.
    pub sizes: &'a BTreeMap<String, u64>,
    /// What is remembered as published.
    pub known: &'a BTreeSet<String>,
}

impl Listed<'_> {
    /// Objects in the folder of a table that are not known: name relative to the destination, folders and file name
    /// within the table, size.
    pub(crate) fn unknown<'a>(
        &'a self,
        table: &'a str,
    ) -> impl Iterator<Item = (&'a String, Vec<String>, String, u64)> + 'a {
        let unknown = self.sizes.iter().filter(|(object, _)| !self.known.contains(*object));
        unknown.filter_map(move |(object, bytes)| {
            let rest = object.strip_prefix(table)?.strip_prefix('/')?;
            let mut folders: Vec<String> = rest.split('/').map(str::to_owned).collect();
            let file = folders.pop()?;
            // Under its temporary name nobody reads it, and the next attempt writes over it.
            (!is_temporary(&file)).then_some((object, folders, file, *bytes))
        })
    }
}

impl ForeignObject {
    pub(crate) fn new(table: &str, object: &str, bytes: u64) -> Self {
        let period = object.split('/').find_map(|part| part.strip_prefix("x_BillingPeriod="));
        Self {
            object: object.to_owned(),
            table: table.to_owned(),
            bytes,
            billing_period: period.map(str::to_owned),
            counted: is_counted(object),
            committed: false,
        }
    }

    /// What is wrong with it and what to do, in words.
    #[must_use]
    pub fn message(&self) -> String {
        let lead = "no run published this object";
        if self.committed {
            return format!(
                "{lead}: another program committed it to the Delta table, so readers count its rows; take it out of the \
                 table with that program, or restore the version before it"
            );
        }
        if self.counted {
            return format!(
                "{lead}, and readers that list the folder count its rows; move it out of the table's folder, nothing is \
                 published beside it and it is never deleted by us"
            );
        }
        format!("{lead}; readers do not count it, and it is left alone")
    }
}

/// The refusal to publish where something foreign lies.
pub(crate) fn refusal(object: &str) -> Error {
    Error::new(
        ErrorKind::Held,
        "an object that no run published lies where this is to be published; move it out of the table's folder, it is \
         never counted and never deleted by us",
    )
    .with("object", object)
}

/// Whether a reader that lists the folder takes an object for part of the table.
pub(crate) fn is_counted(object: &str) -> bool {
    let ending = object.len().checked_sub(".parquet".len()).and_then(|start| object.get(start..));
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case(".parquet"))
}

/// Whether a file has the temporary name under which local files are written.
pub(crate) fn is_temporary(file: &str) -> bool {
    file.starts_with('.') && file.ends_with(".writing")
}

/// Whether a file is called as a part of a Parquet partition: `part-00000.parquet`.
pub(crate) fn is_part_name(file: &str) -> bool {
    let index = file.strip_prefix("part-").and_then(|rest| rest.strip_suffix(".parquet"));
    index.is_some_and(|index| index.len() >= 5 && index.bytes().all(|digit| digit.is_ascii_digit()))
}

/// The digest in the name of a file of a Delta partition, `part-00000-<digest>.parquet`; `None` for other names.
pub(crate) fn digest_in_name(file: &str) -> Option<&str> {
    let (index, digest) = file.strip_prefix("part-")?.strip_suffix(".parquet")?.split_once('-')?;
    let ours = index.len() >= 5
        && index.bytes().all(|digit| digit.is_ascii_digit())
        && digest.len() == 32
        && digest.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    ours.then_some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ours_are_told_from_others() {
        for (file, part, delta) in [
            ("part-00000.parquet", true, false),
            ("part-00000 (copy).parquet", false, false),
            ("part-00000.parquet.bak", false, false),
            ("part-00000-0123456789abcdef0123456789abcdef.parquet", false, true),
            ("part-00000-0123456789abcdef0123456789abcdef-c000.snappy.parquet", false, false),
            ("part-00000-0f9a3c9e-1c1b-4b6e-a8a5-6a6f0d0e9c11.parquet", false, false),
        ] {
            assert_eq!((is_part_name(file), digest_in_name(file).is_some()), (part, delta), "{file}");
        }
        assert!(is_counted("focus_charges/copy.PARQUET") && !is_counted("focus_charges/_SUCCESS"));
        assert!(is_temporary(".part-00000.parquet.writing") && !is_temporary("part-00000.parquet"));
    }
}
