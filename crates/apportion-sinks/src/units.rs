//! What is published at present, unit by unit, in one small document beside the tables.
//!
//! The run ledger says what every run did; this index says what the tables hold now and what they
//! were made from, so that the next run can tell what changed without reading the history or the
//! tables. It is written after a unit was published and never before: a crash in between leaves
//! the older entry, the unit is done again, and publishing what is already there changes nothing.
//! It is a memory, not a truth: without it everything is simply done again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use apportion_spec::{ErrorKind, Result};

use crate::amount;
use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::documents::KnownDocument;
use crate::extent::Extent;
use crate::ledger::{LedgerSum, PublishedEntry};

/// Form of the document. One of another form is not used.
const FORM: u32 = 1;

/// Content of `_apportion/units.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitIndex {
    form: u32,
    /// Format of the tables; empty where an older version wrote the index.
    #[serde(default)]
    pub table_format: String,
    /// The documents beside the tables, as they looked when they were known to be whole.
    #[serde(default)]
    pub documents: BTreeMap<String, KnownDocument>,
    /// Whether there was an index that could not be read.
    #[serde(skip)]
    pub damaged: bool,
    /// Units by table, source (empty for the period as a whole) and billing period; see [`unit_key`].
    pub units: BTreeMap<String, PublishedUnit>,
}

/// A published unit of work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublishedUnit {
    /// The run that computed it.
    pub run_id: String,
    /// Digest of everything the listing showed of the billing period, chosen or not. As long as it
    /// stays the same, no manifest has to be read.
    pub listing_digest: Option<String>,
    /// Digest of the objects that were read.
    pub input_digest: String,
    /// The provider's own name for what was read, or the manifest's path.
    pub delivery: Option<String>,
    /// Digest of the part of the pipeline file that decides about the unit.
    pub configuration_digest: String,
    /// Digest of the SQL models that decide about the unit.
    pub sql_digest: String,
    /// Digest of the contracts of the tables that hold the unit.
    pub contract_digest: String,
    /// Version of the program.
    pub engine_version: String,
    /// Digest of the charges by source that the unit was computed from.
    pub computed_from: BTreeMap<String, String>,
    /// Digest of the telemetry read, by telemetry.
    pub telemetry: BTreeMap<String, String>,
    /// Spans of time of the telemetry read: first second inside and first second after, in
    /// seconds since 1970 (UTC).
    pub telemetry_spans: Vec<(i64, i64)>,
    /// Whether it is being withdrawn: a person accepted that, and whoever comes next finishes it.
    pub withdrawn: bool,
    /// The most that any version of the charges had since a smaller one was last accepted.
    pub high_water: Option<Extent>,
    /// Rows of the unit's first table.
    pub rows: u64,
    /// Sums per cost ledger and currency.
    pub sums: Vec<LedgerSum>,
    /// Effective cost of an allocation that reached a target, by currency; exact decimal text.
    #[serde(deserialize_with = "amount::by_name")]
    pub allocated: BTreeMap<String, String>,
    /// Effective cost of an allocation that did not, by currency and reason; exact decimal text.
    #[serde(deserialize_with = "amount::by_two_names")]
    pub unallocated: BTreeMap<String, BTreeMap<String, String>>,
    /// The partitions that hold it.
    pub published: Vec<PublishedEntry>,
}

impl PublishedUnit {
    /// Digest of the content of a table's partition, if the unit holds it.
    #[must_use]
    pub fn digest_of(&self, table: &str) -> Option<&str> {
        self.published.iter().find(|entry| entry.table == table).map(|entry| entry.digest.as_str())
    }
}

impl Default for UnitIndex {
    fn default() -> Self {
        Self {
            form: FORM,
            table_format: String::new(),
            documents: BTreeMap::new(),
            damaged: false,
            units: BTreeMap::new(),
        }
    }
}

/// Key of a unit: the table it writes first, its source if it has one, its billing period.
#[must_use]
pub fn unit_key(table: &str, source: Option<&str>, billing_period: &str) -> String {
    match source {
        Some(source) => format!("{table}/{source}/{billing_period}"),
        None => format!("{table}/{billing_period}"),
    }
}

fn document() -> String {
    format!("{INTERNAL_FOLDER}/units.json")
}

impl UnitIndex {
    /// Reads the index; an empty one when there is none, or none in this form.
    ///
    /// # Errors
    ///
    /// Store errors.
    pub async fn read(destination: &Destination) -> Result<Self> {
        match destination.read_json::<Self>(&document()).await {
            Ok(Some(index)) if index.form == FORM => Ok(index),
            Ok(None) => Ok(Self::default()),
            Ok(Some(index)) => {
                tracing::warn!(form = index.form, "the index of units has another form; every unit is done again");
                Ok(Self { damaged: true, ..Self::default() })
            }
            Err(error) if error.kind() == ErrorKind::ContractViolated => {
                tracing::warn!(%error, "the index of units cannot be read; every unit is done again");
                Ok(Self { damaged: true, ..Self::default() })
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces the index in one step.
    ///
    /// # Errors
    ///
    /// Store errors.
    pub async fn write(&self, destination: &Destination) -> Result<()> {
        destination.write_json(&document(), self).await
    }

    /// The published unit.
    #[must_use]
    pub fn unit(&self, table: &str, source: Option<&str>, billing_period: &str) -> Option<&PublishedUnit> {
        self.units.get(&unit_key(table, source, billing_period))
    }

    /// The published units of a table in a billing period, by source.
    pub fn sources<'a>(
        &'a self,
        table: &str,
        billing_period: &str,
    ) -> impl Iterator<Item = (&'a str, &'a PublishedUnit)> {
        let (prefix, suffix) = (format!("{table}/"), format!("/{billing_period}"));
        self.units.iter().filter_map(move |(key, unit)| {
            let source = key.strip_prefix(&prefix)?.strip_suffix(&suffix)?;
            Some((source, unit))
        })
    }
}

/// Sizes of all objects below the named tables, relative to the destination: enough to see that
/// something published was removed or replaced by hand.
///
/// # Errors
///
/// Store errors.
pub async fn object_sizes(destination: &Destination, tables: &[&str]) -> Result<BTreeMap<String, u64>> {
    let mut sizes = BTreeMap::new();
    for table in tables {
        for object in destination.list(table).await? {
            sizes.insert(destination.relative(&object.location), object.size);
        }
    }
    Ok(sizes)
}

/// Content of `_apportion/telemetry.json`: which span of time each telemetry object covers, so that
/// only objects that are new must be opened to find out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelemetryIndex {
    /// Whether there was an index that could not be read.
    #[serde(skip)]
    pub damaged: bool,
    /// By telemetry and object.
    pub objects: BTreeMap<String, BTreeMap<String, ObjectSpan>>,
}

/// The times of one object in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectSpan {
    /// Size in bytes.
    pub bytes: u64,
    /// Entity tag.
    pub e_tag: Option<String>,
    /// The time column that was looked at.
    pub time: String,
    /// First and last time in microseconds since 1970 (UTC); `None` when statistics do not tell.
    pub span: Option<(i64, i64)>,
}

impl TelemetryIndex {
    /// Reads the index; an empty one when there is none that can be read.
    ///
    /// # Errors
    ///
    /// Store errors.
    pub async fn read(destination: &Destination) -> Result<Self> {
        match destination.read_json(&Self::document()).await {
            Err(error) if error.kind() == ErrorKind::ContractViolated => {
                tracing::warn!(%error, "the index of telemetry cannot be read; every object is opened again");
                Ok(Self { damaged: true, ..Self::default() })
            }
            other => other.map(Option::unwrap_or_default),
        }
    }

    /// Replaces the index in one step.
    ///
    /// # Errors
    ///
    /// Store errors.
    pub async fn write(&self, destination: &Destination) -> Result<()> {
        destination.write_json(&Self::document(), self).await
    }

    fn document() -> String {
        format!("{INTERNAL_FOLDER}/telemetry.json")
    }
}

/// Content of `_apportion/sources.json`: the billing periods of export objects whose keys name none, so that only
/// objects that are new must be opened to find out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIndex {
    /// The program that looked into them: another one may read them in another way.
    pub engine_version: String,
    /// Whether there was an index that could not be read.
    #[serde(skip)]
    pub damaged: bool,
    /// By source and object.
    pub objects: BTreeMap<String, BTreeMap<String, ObjectPeriods>>,
}

/// The billing periods of one object in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPeriods {
    /// Size in bytes.
    pub bytes: u64,
    /// Entity tag.
    pub e_tag: Option<String>,
    /// Billing periods of its rows.
    pub billing_periods: Vec<String>,
}

impl SourceIndex {
    /// Reads the index; an empty one when there is none that can be read.
    ///
    /// # Errors
    ///
    /// Store errors.
    pub async fn read(destination: &Destination) -> Result<Self> {
        match destination.read_json(&Self::document()).await {
            Err(error) if error.kind() == ErrorKind::ContractViolated => {
                tracing::warn!(%error, "the index of export objects cannot be read; they are opened again");
                Ok(Self { damaged: true, ..Self::default() })
            }
            other => other.map(Option::unwrap_or_default),
        }
    }

    /// Replaces the index in one step.
    ///
    /// # Errors
    ///
    /// Store errors.
    pub async fn write(&self, destination: &Destination) -> Result<()> {
        destination.write_json(&Self::document(), self).await
    }

    fn document() -> String {
        format!("{INTERNAL_FOLDER}/sources.json")
    }
}
