//! What identifies the values that models compute: their statements and the rows of their seeds.
//!
//! Comments and layout say nothing about values, so they are no part of it; the severity of a check
//! is, although it is written as one, because it decides whether anything is published. The traps
//! avoided: a hand-kept list of what a table is computed from, and a name that means nothing any
//! more and identifies everything for ever.

use std::collections::BTreeSet;

use apportion_spec::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

use crate::graph::ModelGraph;
use crate::models::{Model, Severity};

impl ModelGraph {
    /// Names of every model, check and seed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.models().chain(self.checks()).map(|model| model.name.as_str()).chain(self.seeds())
    }

    /// `roots` and the names of everything they read, directly or not. Models named in `written` are
    /// tables by then: where they are read, what they are computed from is left out.
    ///
    /// # Errors
    ///
    /// `NotFound` when a root is no model, check or seed.
    pub fn closure<'a>(&self, roots: impl IntoIterator<Item = &'a str>, written: &[&str]) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        let mut open = Vec::new();
        for root in roots {
            if !self.names().any(|name| name == root) {
                return Err(Error::new(ErrorKind::NotFound, self.unknown(root, Vec::new())));
            }
            open.push(root.to_owned());
        }
        while let Some(name) = open.pop() {
            let inputs = self.named(&name).into_iter().flat_map(|model| &model.inputs);
            let new = inputs.filter(|input| !written.contains(&input.as_str()) && !found.contains(*input));
            open.extend(new.cloned());
            found.insert(name);
        }
        Ok(found)
    }

    /// Names of every model, check and seed but `others` and what is read by nothing but `roots`. What is
    /// new belongs to it, in whatever folder it lies, until a root reads it.
    ///
    /// # Errors
    ///
    /// `NotFound` when one of the given names is no model, check or seed.
    pub fn beside(&self, roots: &[&str], others: &[&str], written: &[&str]) -> Result<BTreeSet<String>> {
        let apart = self.closure(roots.iter().copied(), &[])?;
        self.closure(others.iter().copied(), &[])?;
        let rest = self.names().filter(|name| !apart.contains(*name) && !others.contains(name));
        self.closure(rest, written)
    }

    /// A digest of what the named models and checks compute and of the rows of the named seeds. Tables
    /// that are neither are known by name alone.
    #[must_use]
    pub fn digest_of<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> String {
        let mut digest = Sha256::new();
        for name in names {
            let seed = self.seeds.get(name).map(|seed| seed.rows().to_owned());
            let text = self.named(name).map(decisive).or(seed).unwrap_or_default();
            for part in [name, text.as_str()] {
                digest.update((part.len() as u64).to_le_bytes());
                digest.update(part);
            }
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A digest of everything `root` is computed from: its statement and those of all it reads.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such model.
    pub fn model_hash(&self, root: &str) -> Result<String> {
        Ok(self.digest_of(self.closure([root], &[])?.iter().map(String::as_str)))
    }

    fn named(&self, name: &str) -> Option<&Model> {
        self.model(name).or_else(|| self.checks().find(|check| check.name == name))
    }
}

fn decisive(model: &Model) -> String {
    let severity = match model.header.severity {
        Some(Severity::Fail) => "fail",
        Some(Severity::Warn) => "warn",
        None => "",
    };
    format!("{severity}\n{}", model.statement)
}
