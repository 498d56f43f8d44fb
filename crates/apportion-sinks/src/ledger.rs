//! The run ledger: one JSON document per run, rewritten at each step of the run.
//!
//! A run writes only its own document, so runs never disturb each other's, and a crash leaves the
//! document of the last step. It says what was read, with which configuration, what came out and
//! how long it took. Clocks and run ids live here and nowhere in the business tables.

mod table;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use apportion_spec::{Error, ErrorKind, Result};

use crate::amount;
use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::table::{PartitionValues, PublishUnit, Published};

pub use table::{LedgerTable, read_ledger};

/// Form of the documents. Documents of another form are reported, not read.
const FORM: u32 = 1;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEntry {
    /// Form of the document.
    #[serde(default)]
    pub form: u32,
    /// Identifier of the run: letters, digits, `-`, `_`, `.`.
    pub run_id: String,
    /// Name of the pipeline.
    pub pipeline: String,
    /// Version of the program.
    pub engine_version: String,
    /// Versions of the libraries that compute and write.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub libraries: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it ended; missing while it runs, or for ever if it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Digest of the pipeline configuration.
    pub configuration_digest: String,
    /// Digest of the SQL models.
    #[serde(default)]
    pub sql_digest: String,
    /// What the run did, unit by unit.
    #[serde(default)]
    pub units: Vec<UnitEntry>,
    /// How many further units it looked at and found up to date.
    #[serde(default)]
    pub units_up_to_date: u64,
}

impl RunEntry {
    /// Form of the documents that this version writes.
    pub const FORM: u32 = FORM;
}

/// One unit of work of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitEntry {
    /// The table the unit writes first.
    pub table: String,
    /// The source, where the unit belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The billing period, `YYYY-MM`.
    pub billing_period: String,
    /// How far it came.
    pub status: UnitStatus,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Digest over the identity of everything read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_digest: Option<String>,
    /// The objects read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputObject>,
    /// Identity of the manifest that named the objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Identity of the telemetry read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry_fingerprint: Option<String>,
    /// `table@digest` of published tables read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub computed_from: Vec<String>,
    /// Rows written to the unit's first table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Sums per cost ledger and currency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sums: Vec<LedgerSum>,
    /// What the conversion of binary floats left over, per cost ledger and currency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversion_residuals: Vec<LedgerSum>,
    /// Milliseconds per step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub milliseconds: BTreeMap<String, u64>,
    /// What was published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PublishedEntry>,
    /// Warnings and remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The error that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorEntry>,
}

/// How far a unit came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitStatus {
    /// Under way, or the run was killed.
    Started,
    /// New content was published.
    Published,
    /// The content was already published.
    Unchanged,
    /// What was published of it is no longer there, because the pipeline does not account for it any more.
    Withdrawn,
    /// It became suspiciously small and waits for a person to accept it.
    Held,
    /// The run was asked to stop before the unit was published.
    Stopped,
    /// It ended with an error.
    Failed,
}

impl UnitStatus {
    /// The word in the ledger table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Published => "published",
            Self::Unchanged => "unchanged",
            Self::Withdrawn => "withdrawn",
            Self::Held => "held",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// An object a unit read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputObject {
    /// Location as the user knows it.
    pub object: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Entity tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e_tag: Option<String>,
    /// When it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<DateTime<Utc>>,
}

/// A sum of money; the amount is exact decimal text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerSum {
    /// `BilledCost`, `EffectiveCost`, `ListCost`, `ContractedCost`.
    pub ledger: String,
    /// Currency code.
    pub currency: String,
    /// The amount.
    #[serde(deserialize_with = "amount::text")]
    pub amount: String,
}

/// A table partition a unit published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedEntry {
    /// The table.
    pub table: String,
    /// The partition.
    pub partition: PartitionValues,
    /// Version of the partition or table.
    pub version: u64,
    /// Whether anything was written.
    pub changed: bool,
    /// The objects that hold it.
    pub objects: Vec<String>,
    /// Digest over their content.
    pub digest: String,
    /// Sizes of the objects in bytes, in their order.
    #[serde(default)]
    pub bytes: Vec<u64>,
}

impl PublishedEntry {
    /// Records a publication; `digest` is the staged content's, see [`crate::StagedTable::digest`].
    #[must_use]
    pub fn new(unit: &PublishUnit, published: &Published, digest: String) -> Self {
        Self {
            table: unit.table.name.clone(),
            partition: unit.partition.clone(),
            version: published.version,
            changed: published.changed,
            objects: published.objects.clone(),
            digest,
            bytes: unit.parts.iter().map(|part| part.bytes).collect(),
        }
    }
}

/// An error as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEntry {
    /// Its kind.
    pub kind: String,
    /// Its one line.
    pub message: String,
}

impl From<&Error> for ErrorEntry {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind().as_str().to_owned(), message: error.to_string() }
    }
}

/// The document of the run under way.
#[derive(Debug)]
pub struct RunLedger {
    destination: Destination,
    entry: RunEntry,
}

impl RunLedger {
    /// Writes the first document of a run.
    ///
    /// # Errors
    ///
    /// `Config` if the run id cannot be a file name, `Conflict` if it is taken, store errors.
    pub async fn start(destination: Destination, mut entry: RunEntry) -> Result<Self> {
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if entry.run_id.is_empty() || entry.run_id.starts_with('.') || !entry.run_id.chars().all(safe) {
            return Err(Error::new(ErrorKind::Config, "a run id may hold only letters, digits, `-`, `_` and `.`")
                .with("run", &entry.run_id));
        }
        if destination.head(&document(&entry.run_id)).await?.is_some() {
            return Err(
                Error::new(ErrorKind::Conflict, "the ledger already has a run with this id").with("run", &entry.run_id)
            );
        }
        entry.form = FORM;
        let ledger = Self { destination, entry };
        ledger.save().await?;
        Ok(ledger)
    }

    /// The run so far.
    #[must_use]
    pub fn entry(&self) -> &RunEntry {
        &self.entry
    }

    /// Name of the document, relative to the destination.
    #[must_use]
    pub fn document(&self) -> String {
        document(&self.entry.run_id)
    }

    /// Changes the run and writes the document again.
    ///
    /// # Errors
    ///
    /// Store errors.
    pub async fn update(&mut self, change: impl FnOnce(&mut RunEntry) + Send) -> Result<()> {
        change(&mut self.entry);
        self.save().await
    }

    /// Adds or replaces the entry of a unit (same table, source and billing period) and writes
    /// the document again.
    ///
    /// # Errors
    ///
    /// Store errors.
    pub async fn record(&mut self, unit: UnitEntry) -> Result<()> {
        let same = |other: &&mut UnitEntry| {
            (&other.table, &other.source, &other.billing_period) == (&unit.table, &unit.source, &unit.billing_period)
        };
        match self.entry.units.iter_mut().find(same) {
            Some(known) => *known = unit,
            None => self.entry.units.push(unit),
        }
        self.save().await
    }

    async fn save(&self) -> Result<()> {
        self.destination.write_json(&self.document(), &self.entry).await
    }
}

/// One run of a destination, or `None` if its ledger has no such document, or one of another form.
///
/// # Errors
///
/// `ContractViolated` if the document cannot be read, store errors.
pub async fn read_run(destination: &Destination, run_id: &str) -> Result<Option<RunEntry>> {
    let run = destination.read_json::<RunEntry>(&document(run_id)).await?;
    Ok(run.filter(|run| run.form == FORM))
}

/// The newest run of a destination whose document can be read. Run ids are in the order of time.
///
/// # Errors
///
/// Store errors.
pub async fn newest_run(destination: &Destination) -> Result<Option<RunEntry>> {
    let mut documents = destination.list(&format!("{INTERNAL_FOLDER}/ledger")).await?;
    documents.retain(|object| object.location.extension() == Some("json"));
    for object in documents.into_iter().rev() {
        match destination.read_json::<RunEntry>(&destination.relative(&object.location)).await {
            Ok(Some(run)) if run.form == FORM => return Ok(Some(run)),
            Err(error) if error.kind() != ErrorKind::ContractViolated => return Err(error),
            _ => {}
        }
    }
    Ok(None)
}

/// Every run of a destination, oldest first. Documents that cannot be read are left out and
/// reported in the log.
///
/// # Errors
///
/// Store errors.
pub async fn read_runs(destination: &Destination) -> Result<Vec<RunEntry>> {
    let mut runs: Vec<RunEntry> = Vec::new();
    for object in destination.list(&format!("{INTERNAL_FOLDER}/ledger")).await? {
        if object.location.extension() != Some("json") {
            continue;
        }
        let relative = destination.relative(&object.location);
        match destination.read_json::<RunEntry>(&relative).await {
            Ok(Some(run)) if run.form == FORM => runs.push(run),
            Ok(Some(run)) => tracing::warn!(object = relative, form = run.form, "ledger document of another form"),
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::ContractViolated => {
                tracing::warn!(object = relative, %error, "ledger document cannot be read");
            }
            Err(error) => return Err(error),
        }
    }
    runs.sort_by(|a, b| (a.started_at, &a.run_id).cmp(&(b.started_at, &b.run_id)));
    Ok(runs)
}

fn document(run_id: &str) -> String {
    format!("{INTERNAL_FOLDER}/ledger/{run_id}.json")
}
