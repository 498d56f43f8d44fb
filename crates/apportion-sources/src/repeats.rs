//! Rows that several objects of a unit have alike: two runs of one export that both lie there.
//!
//! Exports whose rows have no id cannot say that a row is delivered twice, and equal rows may be
//! right: the same thing used twice in the same hour. What is never right is a day that two objects
//! both have whole, or an object whose every row other objects have too. Files of two runs are cut
//! differently and a later run may rate the month again, so rows are compared and not files: by hash,
//! first over the few columns that tell most rows apart, and only where these repeat over all, once
//! with amounts and once without. Rows are never dropped.

mod sample;

use std::collections::{BTreeMap, BTreeSet};

use apportion_spec::{Error, ErrorKind, Result};
use parquet::arrow::ProjectionMask;

use crate::contract::{ColumnKind, SourceColumn, SourceContract};
use crate::discover::Days;
use crate::objects::Footer;
use crate::store::Location;
use sample::{Samples, Shared, is_nearly};

/// Repeated rows are looked at more closely from one in this many.
const NOTICEABLE: usize = 1000;
/// A day that is elsewhere as well is no chance when it is one in so many rows of its object, or more.
const SUBSTANTIAL: usize = 100;
/// So many different things charged on a day, all of them in another object too, are no chance.
const TOO_MANY: usize = 2;
/// Objects a message names.
const NAMED: usize = 5;

/// An object, and where its columns are.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    location: Location,
    footer: Footer,
    name: String,
    /// Objects of different sets are never compared: other datasets describe the same charges, and of
    /// other deliveries other days count.
    set: Option<String>,
    contract: &'static SourceContract,
    /// Leaf columns that the contract knows, by their path.
    leaves: BTreeMap<String, Leaf>,
}

/// A leaf column of an object, and the comparisons it takes part in.
#[derive(Debug, Clone, Copy)]
struct Leaf {
    index: usize,
    equal: [bool; 2],
    same: [bool; 2],
}

/// Which columns are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Columns {
    /// The few that tell most rows apart, amounts included.
    Telling,
    /// All that are known.
    All,
    /// The few that tell most rows apart, without amounts.
    TellingButAmounts,
    /// All words and times.
    AllButAmounts,
}

impl Leaf {
    const fn is_in(self, columns: Columns) -> bool {
        let ([few, all], [few_same, all_same]) = (self.equal, self.same);
        match columns {
            Columns::Telling => few,
            Columns::All => all,
            Columns::TellingButAmounts => few_same,
            Columns::AllButAmounts => all_same,
        }
    }
}

impl Candidate {
    pub(crate) fn new(
        location: &Location,
        footer: &Footer,
        name: String,
        set: Option<String>,
        contract: &'static SourceContract,
    ) -> Self {
        let schema = footer.metadata.file_metadata().schema_descr();
        let delivery = &contract.delivery;
        let leaf = |(index, parts): (usize, &[String])| {
            let of = |column: &&SourceColumn| {
                let inside = || column.path.iter().zip(parts).all(|(name, part)| name == part);
                parts.first().is_some_and(|top| contract.rank(top, column).is_some()) && inside()
            };
            // A record holds several columns of the contract.
            let columns: Vec<&SourceColumn> = contract.columns.iter().filter(of).collect();
            let grouping = |column: &&SourceColumn| {
                column.name == delivery.day || delivery.exported.is_some_and(|name| column.name == name)
            };
            let words = |column: &&SourceColumn| {
                matches!(column.kind, ColumnKind::Text | ColumnKind::Time | ColumnKind::TextMap)
                    && !delivery.settling.contains(&column.name.as_str())
            };
            let any = |wanted: &dyn Fn(&&SourceColumn) -> bool| columns.iter().any(wanted);
            let few = |names: &[&str]| {
                !names.is_empty() && any(&|column| names.contains(&column.name.as_str()) || grouping(column))
            };
            let leaf = Leaf {
                index,
                equal: [few(contract.telling), !contract.telling.is_empty()],
                same: [few(delivery.telling), !delivery.telling.is_empty() && any(&words)],
            };
            let (top, below) = parts.split_first()?;
            let key = std::iter::once(known_as(contract, top)).chain(below.iter().map(String::as_str));
            (!columns.is_empty()).then(|| (key.collect::<Vec<_>>().join("."), leaf))
        };
        let columns = schema.columns();
        let leaves = columns.iter().enumerate().filter_map(|(index, found)| leaf((index, found.path().parts())));
        Self { location: location.clone(), footer: footer.clone(), name, set, contract, leaves: leaves.collect() }
    }

    /// The paths of the columns of a comparison that it has.
    fn paths(&self, columns: Columns) -> BTreeSet<&str> {
        let wanted = self.leaves.iter().filter(|(_, leaf)| leaf.is_in(columns));
        wanted.map(|(path, _)| path.as_str()).collect()
    }
}

/// What the contract calls a delivered column, which goes by other names in exports of another age. A record keeps
/// its own name.
fn known_as<'a>(contract: &'a SourceContract, delivered: &'a str) -> &'a str {
    let plain = |column: &&SourceColumn| column.path.is_empty() && contract.rank(delivered, column).is_some();
    contract.columns.iter().find(plain).map_or(delivered, |column| column.name.as_str())
}

/// Masks over the columns that all of some objects have: exports get new columns over time, and rows
/// that differ in nothing else are the same.
fn masks(objects: &[&Candidate], columns: Columns) -> Vec<ProjectionMask> {
    let all = objects.iter().map(|object| object.paths(columns));
    let common = all.reduce(|common, paths| common.intersection(&paths).copied().collect()).unwrap_or_default();
    if common.is_empty() {
        return Vec::new();
    }
    let mask = |object: &&Candidate| {
        let indices = common.iter().filter_map(|path| object.leaves.get(*path)).map(|leaf| leaf.index);
        ProjectionMask::leaves(object.footer.metadata.file_metadata().schema_descr(), indices)
    };
    objects.iter().map(mask).collect()
}

/// Notes about rows that several objects have alike. `is_named` says that a manifest names the objects
/// as those of one run: then rows that differ in their amounts are rows of their own.
///
/// # Errors
/// [`ErrorKind::ContractViolated`] naming objects and days that are delivered twice, and what reading says.
pub(crate) async fn judge(objects: &[Candidate], is_named: bool) -> Result<Vec<String>> {
    let sets: BTreeSet<Option<&String>> = objects.iter().map(|object| object.set.as_ref()).collect();
    let mut notes = Vec::new();
    for set in sets {
        let of: Vec<&Candidate> = objects.iter().filter(|object| object.set.as_ref() == set).collect();
        if of.len() < 2 {
            continue;
        }
        if let Some(few) = compare(&of, Columns::Telling).await?
            && !few.are_few()
            && let Some(found) = compare(&of, Columns::All).await?
        {
            if found.is_delivered_twice() {
                return Err(found.refusal());
            }
            notes.extend(found.note());
        }
        if !is_named
            && let Some(few) = compare(&of, Columns::TellingButAmounts).await?
            && few.is_rated_again()
            && let Some(found) = compare(&of, Columns::AllButAmounts).await?
            && found.is_rated_again()
        {
            return Err(found.refusal_of_rates());
        }
    }
    Ok(notes)
}

/// How the rows of an older delivery lie to those of a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Relation {
    /// They are other rows.
    Apart,
    /// The newer one has them all.
    Within,
    /// The newer one has some of them, of these days.
    Torn(Days),
}

/// Compares the rows of two deliveries, with their amounts or without.
///
/// # Errors
/// When an object cannot be read.
pub(crate) async fn relation(older: &[Candidate], newer: &[Candidate], exact: bool) -> Result<Relation> {
    let both: Vec<&Candidate> = older.iter().chain(newer).collect();
    let masks = masks(&both, if exact { Columns::All } else { Columns::AllButAmounts });
    let masked: Vec<(&Candidate, &ProjectionMask)> = both.iter().copied().zip(&masks).collect();
    let shared = Samples::read(&masked).await?.between(older.len());
    Ok(match shared.repeated {
        _ if shared.rows == 0 => Relation::Within,
        0 => Relation::Apart,
        repeated if repeated == shared.rows || (!exact && is_nearly(repeated, shared.rows)) => Relation::Within,
        _ => Relation::Torn(shared.days),
    })
}

/// What a comparison found.
#[derive(Debug)]
struct Repeats<'a> {
    objects: Vec<(&'a Candidate, Shared)>,
    /// Different rows, each once per object, and those that an earlier object has as well.
    compared: usize,
    repeated: usize,
    sampled: bool,
}

async fn compare<'a>(objects: &[&'a Candidate], columns: Columns) -> Result<Option<Repeats<'a>>> {
    let masks = masks(objects, columns);
    if masks.is_empty() {
        return Ok(None);
    }
    let masked: Vec<(&Candidate, &ProjectionMask)> = objects.iter().copied().zip(&masks).collect();
    let samples = Samples::read(&masked).await?;
    let (compared, repeated) = samples.repeated();
    let objects = masked.into_iter().map(|(object, _)| object).zip(samples.shared()).collect();
    Ok(Some(Repeats { objects, compared, repeated, sampled: samples.sampled }))
}

impl Repeats<'_> {
    /// Objects of which every row is in others.
    fn contained(&self) -> impl Iterator<Item = &(&Candidate, Shared)> {
        self.objects.iter().filter(|(_, shared)| shared.rows > 0 && shared.repeated == shared.rows)
    }

    /// Objects with days that others have whole.
    fn torn(&self) -> impl Iterator<Item = &(&Candidate, Shared)> {
        self.objects.iter().filter(|(_, shared)| shared.whole > 0 && shared.whole * SUBSTANTIAL >= shared.rows)
    }

    fn are_few(&self) -> bool {
        self.repeated == 0 || (self.repeated * NOTICEABLE < self.compared && !self.is_delivered_twice())
    }

    fn is_delivered_twice(&self) -> bool {
        self.contained().next().is_some() || self.torn().next().is_some()
    }

    /// Whether days are in several objects, and nothing but amounts differs. Where most rows are alike
    /// without their amounts, these columns tell nothing.
    fn is_rated_again(&self) -> bool {
        let tells = |shared: &Shared| shared.rows as u64 * 2 > shared.all_rows;
        let days = self.torn().filter(|(_, shared)| tells(shared));
        days.map(|(_, shared)| shared.whole).max().is_some_and(|rows| rows >= TOO_MANY)
    }

    fn refusal(&self) -> Error {
        if self.contained().next().is_none() {
            return self.refusal_of_days("are delivered twice, so they would count twice");
        }
        let shown = named(self.contained().map(|(object, _)| *object));
        let rows: usize = self.contained().map(|(_, shared)| shared.rows).max().unwrap_or_default();
        let how = if self.sampled { format!(", as {rows} compared rows show") } else { String::new() };
        let message = format!(
            "every row of {shown} is in other objects of the month as well{how}, so it would count twice; two \
             runs of one export lie there: keep the files of one of them"
        );
        Error::new(ErrorKind::ContractViolated, message)
    }

    fn refusal_of_rates(&self) -> Error {
        self.refusal_of_days("differ in nothing but amounts, as when a run of the export rates the days again")
    }

    fn refusal_of_days(&self, what: &str) -> Error {
        let shown = named(self.torn().map(|(object, _)| *object));
        let mut days = Days::default();
        self.torn().for_each(|(_, shared)| days.add(&shared.days));
        let message = format!(
            "the charges of {days} in {shown} {what}; two runs of one export that overlap lie there: keep the files \
             that state each day once"
        );
        Error::new(ErrorKind::ContractViolated, message)
    }

    fn note(&self) -> Option<String> {
        let about = if self.sampled { format!(" of {} that were compared", self.compared) } else { String::new() };
        (self.repeated > 0).then(|| {
            format!(
                "{} rows{about} say the same as a row of another object; each is kept as a charge of its own, but if \
                 the export was written twice in part, it counts twice",
                self.repeated
            )
        })
    }
}

/// The first few objects, and how many more.
fn named<'a>(objects: impl Iterator<Item = &'a Candidate>) -> String {
    let names: Vec<&str> = objects.map(|object| object.name.as_str()).collect();
    let shown = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
