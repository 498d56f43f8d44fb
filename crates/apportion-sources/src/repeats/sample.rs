//! Hashes of the rows of objects, and what several objects have alike.
//!
//! Of many rows a sample is kept, those with the smallest hashes, so it holds the same rows of every
//! object and memory stays small.

use std::collections::{BTreeSet, HashMap};

use apportion_spec::{Error, ErrorKind, Result};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use chrono::NaiveDate;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use super::{Candidate, known_as};
use crate::contract::{ColumnKind, SourceContract};
use crate::discover::{Days, Rows, day, moments};
use crate::objects::PinnedReader;

/// Row hashes kept per object, and of all objects together.
const KEPT: usize = 1 << 16;
/// Objects read at the same time.
const CONCURRENT: usize = 8;

/// A row that was seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The day it is charged on and, where known, the moment it was exported at.
    group: (Option<NaiveDate>, Option<i64>),
    /// How many equal rows the object has.
    times: u64,
}

/// The different rows of some objects with hashes up to a common limit.
#[derive(Debug, Default)]
pub(super) struct Samples {
    objects: Vec<HashMap<u64, Seen>>,
    /// Whether rows were left out.
    pub(super) sampled: bool,
}

/// What of one object lies in others too.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Different rows that were compared.
    pub(super) rows: usize,
    /// Rows they stand for, equal ones included.
    pub(super) all_rows: u64,
    /// Those that another object has as well.
    pub(super) repeated: usize,
    /// Those of days (and moments of export) that another object has whole.
    pub(super) whole: usize,
    /// These days.
    pub(super) days: Days,
}

impl Samples {
    /// Reads objects through their masks.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub(super) async fn read(objects: &[(&Candidate, &ProjectionMask)]) -> Result<Self> {
        let tasks: Vec<(Candidate, ProjectionMask)> =
            objects.iter().map(|(object, mask)| ((*object).clone(), (*mask).clone())).collect();
        let mut read = futures::stream::iter(tasks).map(|(object, mask)| sample(object, mask)).buffered(CONCURRENT);
        let mut samples = Self::default();
        let mut limit = u64::MAX;
        while let Some((found, of)) = read.try_next().await? {
            samples.objects.push(found);
            limit = limit.min(of);
            samples.lower(limit);
            while samples.objects.iter().map(HashMap::len).sum::<usize>() > KEPT {
                limit /= 2;
                samples.lower(limit);
            }
        }
        samples.sampled = limit < u64::MAX;
        Ok(samples)
    }

    fn lower(&mut self, limit: u64) {
        for object in &mut self.objects {
            object.retain(|hash, _| *hash <= limit);
        }
    }

    /// Different rows of all objects, each counted once per object, and how many of them repeat.
    pub(super) fn repeated(&self) -> (usize, usize) {
        let compared = self.objects.iter().map(HashMap::len).sum();
        let different: BTreeSet<u64> = self.objects.iter().flat_map(|object| object.keys().copied()).collect();
        (compared, compared - different.len())
    }

    /// For every object what of it lies in the others.
    pub(super) fn shared(&self) -> Vec<Shared> {
        let mut owners: HashMap<u64, usize> = HashMap::new();
        for hash in self.objects.iter().flat_map(HashMap::keys) {
            *owners.entry(*hash).or_default() += 1;
        }
        self.objects
            .iter()
            .map(|object| of_object(object, |hash| owners.get(hash).is_some_and(|own| *own > 1)))
            .collect()
    }

    /// What the first `older` objects, as one, have in common with the rest.
    pub(super) fn between(&self, older: usize) -> Shared {
        let (older, newer) = self.objects.split_at(older.min(self.objects.len()));
        let mut whole: HashMap<u64, Seen> = HashMap::new();
        for object in older {
            whole.extend(object);
        }
        of_object(&whole, |hash| newer.iter().any(|object| object.contains_key(hash)))
    }
}

/// A day whose rows are nearly all elsewhere is elsewhere: a few may have been corrected in between.
const NEARLY: (usize, usize) = (9, 10);

/// Whether `part` is nearly all of `whole`.
pub(super) const fn is_nearly(part: usize, whole: usize) -> bool {
    part > 0 && part * NEARLY.1 >= whole * NEARLY.0
}

fn of_object(object: &HashMap<u64, Seen>, elsewhere: impl Fn(&u64) -> bool) -> Shared {
    let mut shared = Shared { rows: object.len(), ..Shared::default() };
    let mut groups: HashMap<(Option<NaiveDate>, Option<i64>), (usize, usize)> = HashMap::new();
    for (hash, seen) in object {
        let repeated = usize::from(elsewhere(hash));
        let (rows, found) = groups.entry(seen.group).or_default();
        *rows += 1;
        *found += repeated;
        shared.repeated += repeated;
        shared.all_rows += seen.times;
    }
    let whole = groups.iter().filter(|(_, (rows, found))| is_nearly(*found, *rows));
    let days = whole.map(|((day, _), (_, found))| {
        shared.whole += found;
        *day
    });
    shared.days = days.flatten().collect();
    shared
}

async fn sample(object: Candidate, mask: ProjectionMask) -> Result<(HashMap<u64, Seen>, u64)> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::ContractViolated, "the object cannot be read")
            .with("cause", error)
            .with("object", &object.name)
    };
    let metadata = Some(object.footer.metadata.clone());
    let reader = PinnedReader::new(&object.location, object.footer.meta.clone(), metadata, None);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|error| failed(&error))?;
    let mut batches = builder.with_projection(mask).build().map_err(|error| failed(&error))?;
    let (mut found, mut limit) = (HashMap::new(), u64::MAX);
    let mut buffer = Vec::new();
    while let Some(batch) = batches.try_next().await.map_err(|error| failed(&error))? {
        buffer.clear();
        buffer.resize(batch.num_rows(), 0_u64);
        create_hashes(in_order(&batch, object.contract), &RandomState::with_seed(0), &mut buffer)
            .map_err(|error| failed(&error))?;
        let delivery = &object.contract.delivery;
        let rows = Rows::new(&batch, object.contract);
        let times = |name: &str| rows.column(name).map(|found| moments(&found)).unwrap_or_default();
        let charged = times(delivery.day);
        let exported = delivery.exported.map(times).unwrap_or_default();
        for (row, hash) in buffer.iter().enumerate() {
            let hash = mixed(*hash);
            if hash <= limit {
                let at = |moments: &[Option<i64>]| moments.get(row).copied().flatten();
                let group = (at(&charged).and_then(day), at(&exported));
                found.entry(hash).or_insert(Seen { group, times: 0 }).times += 1;
            }
        }
        while found.len() > KEPT {
            limit /= 2;
            found.retain(|hash, _| *hash <= limit);
        }
    }
    Ok((found, limit))
}

/// Columns by name and in one form: two runs may deliver them in another order, and numbers and times as other
/// types.
fn in_order(batch: &RecordBatch, contract: &SourceContract) -> Vec<ArrayRef> {
    let schema = batch.schema();
    let mut columns: Vec<(String, ArrayRef)> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| (known_as(contract, field.name()).to_owned(), plain(column)))
        .collect();
    columns.sort_by(|left, right| left.0.cmp(&right.0));
    columns.into_iter().map(|(_, column)| column).collect()
}

fn plain(column: &ArrayRef) -> ArrayRef {
    let form = match column.data_type() {
        found if found.is_numeric() => DataType::Float64,
        DataType::Timestamp(..) | DataType::Date32 => ColumnKind::Time.data_type(),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Dictionary(_, values) if **values == DataType::Utf8 => DataType::Utf8,
        _ => return ArrayRef::clone(column),
    };
    cast(column, &form).unwrap_or_else(|_| ArrayRef::clone(column))
}

/// Spreads a hash evenly (the finalizer of SplitMix64), so that small ones are a fair sample.
const fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
