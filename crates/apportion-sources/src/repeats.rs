//! Rows that several objects of a unit have alike: two runs of one export that both lie there.
//!
//! Exports whose rows have no id cannot say that a row is delivered twice, and equal rows may be
//! right: the same thing used twice in the same hour. What is never right is an object whose every
//! row other objects have too. Files of two runs are cut differently, so rows are compared and not
//! files: by hash, first over the few columns that tell most rows apart, and only where these repeat
//! over every column that is read. Of many rows a sample is kept, those with the smallest hashes, so
//! it holds the same rows of every object and memory stays small. Rows are never dropped.

use std::collections::{HashMap, HashSet};

use apportion_spec::{Error, ErrorKind, Result};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use crate::contract::SourceContract;
use crate::objects::{Footer, PinnedReader};
use crate::store::Location;

/// Row hashes kept per object, and of all objects together.
const KEPT: usize = 1 << 16;
/// Objects read at the same time.
const CONCURRENT: usize = 8;
/// So many different rows that all lie elsewhere too are no chance.
const TOO_MANY: usize = 10;
/// Repeated rows are looked at more closely from one in this many.
const NOTICEABLE: usize = 1000;
/// Objects a message names.
const NAMED: usize = 5;

/// An object, and where its columns are.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    location: Location,
    footer: Footer,
    name: String,
    /// Objects of different datasets are never compared: they describe the same charges.
    dataset: Option<String>,
    telling: ProjectionMask,
    known: ProjectionMask,
}

impl Candidate {
    /// `None` for contracts whose rows have an id.
    pub(crate) fn new(
        location: &Location,
        footer: &Footer,
        name: String,
        dataset: Option<&String>,
        contract: &SourceContract,
    ) -> Option<Self> {
        let schema = footer.metadata.file_metadata().schema_descr();
        let columns: Vec<_> = contract.columns.iter().collect();
        let found = |telling: bool| {
            let path_of = |parts: &[String]| {
                columns.iter().any(|column| {
                    let wanted = !telling || contract.telling.contains(&column.name.as_str());
                    let inside = || column.path.iter().zip(parts).all(|(name, part)| name == part);
                    wanted && parts.first().is_some_and(|top| contract.rank(top, column).is_some()) && inside()
                })
            };
            let leaves = schema.columns().iter().enumerate();
            leaves.filter(|(_, leaf)| path_of(leaf.path().parts())).map(|(index, _)| index).collect::<Vec<_>>()
        };
        let (telling, known) = (found(true), found(false));
        (!contract.telling.is_empty() && !telling.is_empty()).then(|| Self {
            location: location.clone(),
            footer: footer.clone(),
            name,
            dataset: dataset.cloned(),
            telling: ProjectionMask::leaves(schema, telling),
            known: ProjectionMask::leaves(schema, known),
        })
    }
}

/// Notes about rows that several objects have alike.
///
/// # Errors
/// [`ErrorKind::ContractViolated`] naming objects of which every row lies in other objects as well, and what
/// reading says.
pub(crate) async fn judge(objects: &[Candidate]) -> Result<Vec<String>> {
    let mut datasets: Vec<Option<&String>> = objects.iter().map(|object| object.dataset.as_ref()).collect();
    datasets.sort();
    datasets.dedup();
    let mut notes = Vec::new();
    for dataset in datasets {
        let of: Vec<&Candidate> = objects.iter().filter(|object| object.dataset.as_ref() == dataset).collect();
        if of.len() < 2 || compare(&of, |object| &object.telling).await?.are_few() {
            continue;
        }
        let found = compare(&of, |object| &object.known).await?;
        if found.contained_rows >= TOO_MANY {
            return Err(found.refusal(&of));
        }
        notes.extend(found.note());
    }
    Ok(notes)
}

/// What a comparison found.
#[derive(Debug, Default)]
struct Repeats {
    /// Rows that were compared, each once per object.
    compared: usize,
    /// Those that an earlier object has as well.
    repeated: usize,
    /// Objects of which every compared row is in another object.
    contained: Vec<usize>,
    /// Different rows of these objects.
    contained_rows: usize,
    /// Whether a sample was compared.
    sampled: bool,
}

impl Repeats {
    const fn are_few(&self) -> bool {
        self.repeated * NOTICEABLE < self.compared && self.contained_rows < TOO_MANY || self.repeated == 0
    }

    fn refusal(&self, objects: &[&Candidate]) -> Error {
        let names: Vec<&str> =
            self.contained.iter().filter_map(|index| objects.get(*index)).map(|object| object.name.as_str()).collect();
        let shown = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let more = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let how = if self.sampled { format!(", as {} compared rows show", self.contained_rows) } else { String::new() };
        let message = format!(
            "every row of {shown}{more} is in other objects of the month as well{how}, so it would count twice; two \
             runs of one export lie there: keep the files of one of them"
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

async fn compare(objects: &[&Candidate], mask: impl Fn(&Candidate) -> &ProjectionMask) -> Result<Repeats> {
    let tasks: Vec<(Candidate, ProjectionMask)> =
        objects.iter().map(|object| ((*object).clone(), mask(object).clone())).collect();
    let mut samples = futures::stream::iter(tasks).map(|(object, mask)| sample(object, mask)).buffered(CONCURRENT);
    let mut limit = u64::MAX;
    let mut seen: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut kept = 0;
    let mut index = 0;
    while let Some(found) = samples.try_next().await? {
        lower(&mut limit, found.limit, &mut seen, &mut kept);
        for hash in found.hashes {
            if hash <= limit {
                seen.entry(hash).or_default().push(index);
                kept += 1;
            }
            if kept > KEPT {
                let half = limit / 2;
                lower(&mut limit, half, &mut seen, &mut kept);
            }
        }
        index += 1;
    }
    let mut alone = vec![false; objects.len()];
    let mut any = vec![false; objects.len()];
    for of in seen.values() {
        for object in of {
            mark(&mut any, *object);
            if of.len() == 1 {
                mark(&mut alone, *object);
            }
        }
    }
    let contained: Vec<usize> = (0..objects.len())
        .filter(|object| any.get(*object) == Some(&true) && alone.get(*object) == Some(&false))
        .collect();
    Ok(Repeats {
        compared: kept,
        repeated: kept - seen.len(),
        contained_rows: seen.values().filter(|of| of.iter().any(|object| contained.contains(object))).count(),
        contained,
        sampled: limit < u64::MAX,
    })
}

fn mark(flags: &mut [bool], index: usize) {
    if let Some(flag) = flags.get_mut(index) {
        *flag = true;
    }
}

/// Keeps only hashes up to a smaller limit.
fn lower(limit: &mut u64, to: u64, seen: &mut HashMap<u64, Vec<usize>>, kept: &mut usize) {
    if to < *limit {
        *limit = to;
        seen.retain(|hash, _| *hash <= to);
        *kept = seen.values().map(Vec::len).sum();
    }
}

/// The different rows of an object with hashes up to a limit.
struct Sample {
    limit: u64,
    hashes: HashSet<u64>,
}

async fn sample(object: Candidate, mask: ProjectionMask) -> Result<Sample> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::ContractViolated, "the object cannot be read")
            .with("cause", error)
            .with("object", &object.name)
    };
    let metadata = Some(object.footer.metadata.clone());
    let reader = PinnedReader::new(&object.location, object.footer.meta.clone(), metadata, None);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|error| failed(&error))?;
    let mut batches = builder.with_projection(mask).build().map_err(|error| failed(&error))?;
    let mut found = Sample { limit: u64::MAX, hashes: HashSet::new() };
    let mut buffer = Vec::new();
    while let Some(batch) = batches.try_next().await.map_err(|error| failed(&error))? {
        buffer.clear();
        buffer.resize(batch.num_rows(), 0_u64);
        create_hashes(batch.columns(), &RandomState::with_seed(0), &mut buffer).map_err(|error| failed(&error))?;
        found.hashes.extend(buffer.iter().map(|hash| mixed(*hash)).filter(|hash| *hash <= found.limit));
        while found.hashes.len() > KEPT {
            found.limit /= 2;
            let limit = found.limit;
            found.hashes.retain(|hash| *hash <= limit);
        }
    }
    Ok(found)
}

/// Spreads a hash evenly (the finalizer of SplitMix64), so that small ones are a fair sample.
const fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
