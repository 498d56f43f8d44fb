//! Retention: finds what no reader needs any more and deletes it, only when somebody asks for it.
//!
//! Finding and deleting are apart, so a dry run is the same search. Each format says which objects
//! of a table are left over ([`TableSink::leftovers`]); what lies under [`INTERNAL_FOLDER`] and
//! belongs to no table is looked at here. Two rules hold everywhere: nothing that the current
//! version of a table names is ever deleted, and nothing that is younger than the age asked for.
//!
//! What cannot be seen is not promised: pieces of interrupted multipart uploads have no key; a
//! lifecycle rule of the bucket ends them.

mod ledger;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;

use apportion_spec::{Error, ErrorKind, Result};

use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::foreign::is_temporary;
use crate::sink::TableSink;
use crate::table::TableSpec;

/// Objects deleted at the same time.
const DELETES_IN_FLIGHT: usize = 8;

/// What is to be kept.
#[derive(Debug, Clone)]
pub struct Retention {
    /// The moment ages are measured from.
    pub now: DateTime<Utc>,
    /// Only what has not been needed for this long is deleted.
    pub older_than: TimeDelta,
    /// Deletes documents of runs that started longer ago; `None` keeps all.
    pub ledger_older_than: Option<TimeDelta>,
    /// Superseded versions to keep of each partition whatever their number of days says, where the
    /// number is known: versions beyond it go at once. Delta tables keep versions by age only.
    pub keep_versions: Option<usize>,
    /// Allows a Delta table to lose files younger than [`Self::SHORTEST_FOR_DELTA`].
    pub force: bool,
}

impl Retention {
    /// Below this age files of a Delta table may still be read by a long query or be waiting for
    /// the commit of a run that is under way. It is the limit of Delta's own tools.
    pub const SHORTEST_FOR_DELTA: TimeDelta = TimeDelta::hours(168);

    /// Objects last needed before this moment may go.
    pub(crate) fn cutoff(&self) -> DateTime<Utc> {
        self.now.checked_sub_signed(self.older_than).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }
}

/// Why an object is left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftoverKind {
    /// Part of a superseded version of a partition, or a file that Delta versions older than the
    /// age refer to.
    SupersededVersion,
    /// A copy of a version that was interrupted before it was complete.
    IncompleteVersion,
    /// A data file of ours that no version refers to: uploaded by a run that failed. What others put there is
    /// never deleted.
    Orphan,
    /// A file under its temporary name, left by a process that was killed while writing it.
    UnfinishedWrite,
    /// A probe of conditional writes that could not be removed.
    PreflightProbe,
    /// The document of an old run that nothing published refers to.
    LedgerDocument,
}

impl LeftoverKind {
    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SupersededVersion => "superseded_version",
            Self::IncompleteVersion => "incomplete_version",
            Self::Orphan => "orphan",
            Self::UnfinishedWrite => "unfinished_write",
            Self::PreflightProbe => "preflight_probe",
            Self::LedgerDocument => "ledger_document",
        }
    }
}

/// An object that may be deleted.
#[derive(Debug, Clone)]
pub struct Leftover {
    /// Why.
    pub kind: LeftoverKind,
    /// Location, size and time.
    pub meta: ObjectMeta,
}

/// What a vacuum found, and deleted unless it was a dry run.
#[derive(Debug, Default)]
pub struct Vacuumed {
    /// The objects, table by table.
    pub objects: Vec<Leftover>,
    /// What was left alone although it looks wrong, and what to do about it.
    pub notes: Vec<String>,
}

/// Finds what the retention does not keep, in these tables and beside them, and deletes it unless
/// `dry_run` is set.
///
/// The caller makes sure that no run writes to the destination at the same time.
///
/// # Errors
///
/// `Config` if the retention is too short for a Delta table, or if a table has objects but nothing
/// that says what they are; store errors. What was deleted before an error stays deleted; the call
/// may be repeated.
pub async fn vacuum(
    sink: &dyn TableSink,
    tables: &[TableSpec],
    retention: &Retention,
    dry_run: bool,
) -> Result<Vacuumed> {
    let mut all = Vacuumed::default();
    for table in tables {
        let found = sink.leftovers(table, retention).await?;
        if !dry_run {
            delete(sink.destination(), &found.objects).await?;
        }
        all.objects.extend(found.objects);
        all.notes.extend(found.notes);
    }
    let mut beside = internal(sink.destination(), retention).await?;
    if let Some(age) = retention.ledger_older_than {
        let cutoff = retention.now.checked_sub_signed(age).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let mut in_use = BTreeSet::new();
        for table in tables {
            in_use.extend(sink.ledger_entries_in_use(table).await?);
        }
        let documents = ledger::unused(sink.destination(), &in_use, cutoff).await?;
        beside.extend(documents.into_iter().map(|meta| Leftover { kind: LeftoverKind::LedgerDocument, meta }));
    }
    if !dry_run {
        delete(sink.destination(), &beside).await?;
    }
    all.objects.extend(beside);
    Ok(all)
}

/// Probes and unfinished writes under the internal folder.
async fn internal(destination: &Destination, retention: &Retention) -> Result<Vec<Leftover>> {
    let probes = destination.location(&format!("{INTERNAL_FOLDER}/preflight"));
    let objects = destination.list(INTERNAL_FOLDER).await?.into_iter();
    let old = objects.filter(|meta| meta.last_modified < retention.cutoff());
    Ok(old
        .filter_map(|meta| {
            let kind = if meta.location.prefix_matches(&probes) {
                LeftoverKind::PreflightProbe
            } else if is_unfinished_write(&meta) {
                LeftoverKind::UnfinishedWrite
            } else {
                return None;
            };
            Some(Leftover { kind, meta })
        })
        .collect())
}

/// Whether an object has the temporary name under which local files are written.
pub(crate) fn is_unfinished_write(meta: &ObjectMeta) -> bool {
    meta.location.filename().is_some_and(is_temporary)
}

/// Documents go before the files they describe: a version without its document is incomplete and
/// ignored, so no reader ever finds half a version.
async fn delete(destination: &Destination, leftovers: &[Leftover]) -> Result<()> {
    let (documents, files): (Vec<&Leftover>, Vec<&Leftover>) =
        leftovers.iter().partition(|leftover| leftover.meta.location.extension() == Some("json"));
    for batch in [documents, files] {
        let deletes = futures::stream::iter(batch).map(|leftover| destination.delete(&leftover.meta.location));
        deletes.buffer_unordered(DELETES_IN_FLIGHT).try_collect::<()>().await?;
    }
    Ok(())
}

/// The refusal to vacuum a folder whose content nothing describes.
pub(crate) fn undescribed(table: &TableSpec, why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{why}; nothing of it was deleted")).with("table", &table.name)
}
