//! Finds out which objects make up a billing period, without reading rows.
//!
//! A bill is delivered again and again until the month is final. Reading everything under a
//! prefix counts some of it twice, reading the newest delivery alone loses what it does not cover:
//! a delivery replaces what it covers and adds to the rest. Every provider describes its key layout
//! by one function ([`Classify`]); the rest is shared.
//!
//! - `resolve`: the current run of every folder.
//! - `layers`: runs over other days of the month.
//! - `content`: folders that only their rows tell apart.
//! - `coverage`: days, and which of them rows are charged on.

mod columns;
mod content;
mod coverage;
pub(crate) mod data_exports;
mod datasets;
mod flat;
mod inventory;
mod layers;
mod manifest;
mod resolve;

use std::collections::BTreeMap;

use apportion_spec::BillingPeriod;
use chrono::NaiveDate;
use object_store::ObjectMeta;
use object_store::path::Path;

pub(crate) use columns::{Rows, moments};
pub(crate) use coverage::day;
pub use coverage::{CoverageOrigin, Days, Delivery};
pub(crate) use flat::only_of;
pub use inventory::{Inventory, PeriodsOf};

/// The objects of one billing period, and how they were chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredUnit {
    /// The billing period.
    pub billing_period: BillingPeriod,
    /// The current objects, ordered by path.
    pub objects: Vec<ObjectMeta>,
    /// The manifest that named them; `None` when the location has none.
    pub manifest: Option<ManifestIdentity>,
    /// What a person should know: ignored objects, missing manifests.
    pub notes: Vec<String>,
    /// Whether objects may hold other periods too, so that rows must be filtered.
    pub mixed_periods: bool,
    /// Which dataset an object belongs to, for exports that consist of two.
    pub datasets: BTreeMap<Path, String>,
    /// What was delivered together, and the days that count from it.
    pub deliveries: Vec<Delivery>,
    /// Days of an object that a newer delivery states: its rows of these days do not count.
    pub superseded: BTreeMap<Path, Days>,
    /// Whether manifests name every object.
    pub is_named: bool,
}

impl DiscoveredUnit {
    /// A unit of these objects, of which nothing else is known.
    pub(crate) fn new(billing_period: BillingPeriod, objects: Vec<ObjectMeta>) -> Self {
        Self {
            billing_period,
            objects,
            manifest: None,
            notes: Vec::new(),
            mixed_periods: false,
            datasets: BTreeMap::new(),
            deliveries: Vec::new(),
            superseded: BTreeMap::new(),
            is_named: false,
        }
    }
}

/// First and last day in the name of a folder.
pub type DayRange = (NaiveDate, NaiveDate);

/// Which delivery a manifest describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestIdentity {
    /// Path of the manifest in its store.
    pub path: Path,
    /// Entity tag of the manifest.
    pub e_tag: Option<String>,
    /// The provider's id of the delivery: `executionId`, `assemblyId` or `runId`.
    pub delivery: Option<String>,
    /// The dataset the manifest speaks of, where it says so.
    pub dataset: Option<String>,
}

/// What a key is, according to one provider's layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// An object of a period. `folder` is the period's folder, `version` the folder below.
    Data {
        /// Path of the export.
        root: String,
        /// Billing period of the folder.
        period: BillingPeriod,
        /// Path of the folder that names the period.
        folder: String,
        /// Sub-folder of one delivery.
        version: Option<String>,
        /// The days the folder says it covers; the whole period where it says none.
        range: Option<DayRange>,
    },
    /// A manifest of a period.
    Manifest {
        /// Path of the export.
        root: String,
        /// Billing period of the folder.
        period: BillingPeriod,
        /// Sub-folder of one delivery.
        version: Option<String>,
        /// Whether a manifest without version always is the current one.
        root_is_current: bool,
        /// The days the folder says it covers; the whole period where it says none.
        range: Option<DayRange>,
    },
    /// An object whose key names no period.
    Flat,
    /// A CSV object of an export.
    Csv,
    /// Anything else.
    Other,
}

/// One provider's key layout.
#[derive(Debug, Clone, Copy)]
pub struct Classify {
    /// What a key is.
    pub kind: fn(&str) -> KeyKind,
    /// Where manifests of a period lie below the export's root, for locations that point deeper.
    pub manifests: fn(root: &str, period: BillingPeriod) -> Vec<String>,
    /// Whether CSV objects are read as well.
    pub reads_csv: bool,
    /// For exports of two datasets: the one a path speaks of.
    pub dataset: Option<fn(path: &str) -> Option<&'static str>>,
    /// The run in the name of an object that lies in no folder of its own.
    pub run: Option<fn(path: &str) -> Option<String>>,
}

impl Classify {
    /// Whether a key is an object of rows.
    pub(crate) fn is_data(&self, key: &str) -> bool {
        is_parquet(key) || (self.reads_csv && is_csv(key))
    }
}

/// Whether a key is a Parquet object with content worth reading.
pub(crate) fn is_parquet(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.to_ascii_lowercase().ends_with(".parquet") && !name.starts_with(['.', '_'])
}

pub(crate) fn is_csv(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [".csv", ".csv.gz"].iter().any(|ending| key.ends_with(ending))
}

/// `20260101-20260201` and `20260101-20260131` are the billing period 2026-01.
pub(crate) fn date_range(segment: &str) -> Option<BillingPeriod> {
    let (start, end) = segment.split_once('-')?;
    let digits = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(start) || !digits(end) {
        return None;
    }
    BillingPeriod::try_new(start.get(..4)?.parse().ok()?, start.get(4..6)?.parse().ok()?).ok()
}

/// `20260101-20260115` are the first fifteen days of the month.
pub(crate) fn day_range(segment: &str) -> Option<DayRange> {
    date_range(segment)?;
    let (start, end) = segment.split_once('-')?;
    let day = |text: &str| NaiveDate::parse_from_str(text, "%Y%m%d").ok();
    Some((day(start)?, day(end)?))
}

/// `202601` is the billing period 2026-01.
pub(crate) fn compact_month(text: &str) -> Option<BillingPeriod> {
    let digits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (year, month) = text.split_at_checked(4).filter(|_| digits)?;
    BillingPeriod::try_new(year.parse().ok()?, month.parse().ok()?).ok()
}

/// A plain Parquet object, a CSV object or something else.
pub(crate) fn unplaced(key: &str) -> KeyKind {
    if is_parquet(key) {
        KeyKind::Flat
    } else if is_csv(key) {
        KeyKind::Csv
    } else {
        KeyKind::Other
    }
}
