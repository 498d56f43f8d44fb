//! `apportion vacuum`: what is kept, and what goes. Nothing but this command deletes old versions
//! of tables; a run only removes work folders whose process is gone.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use apportion_engine::work_folder::{self, Abandoned};
use apportion_sinks::{DestinationLock, LeftoverKind, LockOwner, LockTiming, Retention, TableSpec};
use apportion_spec::{Error, ErrorKind, Result};
use chrono::{TimeDelta, Utc};
use serde::Serialize;

use crate::args::VacuumArgs;
use crate::destination::OpenDestination;
use crate::output::{self, columns, grouped, size};
use crate::project::Project;
use crate::tables::{PUBLISHED, Tables};

/// The kind under which abandoned work folders are reported.
const WORK_FOLDER: &str = "work_folder";

/// Kinds in the order of the report.
const KINDS: [&str; 7] = [
    LeftoverKind::SupersededVersion.as_str(),
    LeftoverKind::IncompleteVersion.as_str(),
    LeftoverKind::Orphan.as_str(),
    LeftoverKind::UnfinishedWrite.as_str(),
    LeftoverKind::PreflightProbe.as_str(),
    LeftoverKind::LedgerDocument.as_str(),
    WORK_FOLDER,
];

/// What a vacuum did, as data.
#[derive(Debug, Serialize)]
struct VacuumReport {
    destination: String,
    table_format: String,
    dry_run: bool,
    older_than_seconds: u64,
    /// Totals by kind; every kind is present.
    kinds: BTreeMap<&'static str, Total>,
    objects: Vec<Deleted>,
    notes: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Total {
    objects: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Deleted {
    kind: &'static str,
    /// Relative to the destination, or a local path for work folders.
    object: String,
    bytes: u64,
}

/// Deletes what the options say is not kept, and prints what that was.
///
/// # Errors
/// Those of the pipeline, the destination and its store.
pub(crate) async fn vacuum(args: &VacuumArgs) -> Result<()> {
    let project = args.pipeline.as_deref().map(Project::load).transpose()?;
    let destination = OpenDestination::open(project.as_ref(), args.destination.as_deref(), args.table_format).await?;
    let tables = Tables::new(project.as_ref().map(|project| &project.pipeline));
    let specs: Vec<TableSpec> = PUBLISHED.iter().map(|name| tables.spec(name)).collect::<Result<_>>()?;
    let retention = Retention {
        now: Utc::now(),
        older_than: delta(args.older_than),
        ledger_older_than: args.ledger_older_than.map(delta),
        // Without its pipeline nobody knows how many versions a destination keeps.
        keep_versions: project.as_ref().map(|project| project.pipeline.destination.keep_versions),
        force: args.force,
    };
    // A run that publishes at the same time must not lose what it is about to refer to.
    let lock = if args.dry_run {
        None
    } else {
        let owner = LockOwner::this_process(&format!("vacuum-{}", Utc::now().format("%Y%m%dT%H%M%SZ")));
        Some(DestinationLock::take(&destination.place, owner, LockTiming::default()).await?)
    };
    let found = apportion_sinks::vacuum(destination.sink.as_ref(), &specs, &retention, args.dry_run).await;
    if let Some(lock) = lock {
        lock.release().await?;
    }
    let found = found?;
    let mut report = VacuumReport {
        destination: destination.shown.clone(),
        table_format: destination.format_name(),
        dry_run: args.dry_run,
        older_than_seconds: args.older_than.as_secs(),
        kinds: KINDS.iter().map(|kind| (*kind, Total::default())).collect(),
        objects: Vec::new(),
        notes: found.notes,
    };
    for leftover in &found.objects {
        report.add(leftover.kind.as_str(), destination.place.relative(&leftover.meta.location), 1, leftover.meta.size);
    }
    let work_directory = args.work_directory.clone().unwrap_or_else(std::env::temp_dir);
    for folder in abandoned(&work_directory, args.older_than)? {
        if !args.dry_run {
            folder.remove().map_err(|error| unusable(&folder.path, error))?;
        }
        report.add(WORK_FOLDER, folder.path.display().to_string(), folder.files, folder.bytes);
    }
    output::report(args.format, &report, render)
}

/// Removes the work folders of killed runs before a run fills the disk further. That it fails is
/// logged: the run itself may still have room.
pub(crate) fn remove_abandoned(work_directory: &Path) {
    const WITHOUT_LOCKS: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);
    let folders = match abandoned(work_directory, WITHOUT_LOCKS) {
        Ok(folders) => folders,
        Err(error) => return tracing::debug!(%error, "work folders of killed runs are not looked for"),
    };
    for folder in folders {
        match folder.remove() {
            Ok(()) => tracing::info!(
                folder = %folder.path.display(),
                bytes = folder.bytes,
                "removed the work folder of a run that was killed"
            ),
            Err(error) => {
                tracing::warn!(folder = %folder.path.display(), %error, "the work folder of a killed run stays");
            }
        }
    }
}

fn abandoned(work_directory: &Path, older_than: std::time::Duration) -> Result<Vec<Abandoned>> {
    work_folder::abandoned(work_directory, SystemTime::now(), older_than)
        .map_err(|error| unusable(work_directory, error))
}

fn unusable(folder: &Path, error: std::io::Error) -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        "the work directory cannot be cleaned; choose another with --work-directory",
    )
    .with("folder", folder.display())
    .with_source(error)
}

/// Ages on the command line are below a century.
fn delta(age: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX)
}

impl VacuumReport {
    fn add(&mut self, kind: &'static str, object: String, objects: u64, bytes: u64) {
        let total = self.kinds.entry(kind).or_default();
        total.objects += objects;
        total.bytes += bytes;
        self.objects.push(Deleted { kind, object, bytes });
    }
}

fn render(report: &VacuumReport) -> String {
    let mut total = Total::default();
    let mut rows = Vec::new();
    for kind in KINDS {
        let of_kind = report.kinds.get(kind).copied().unwrap_or_default();
        total.objects += of_kind.objects;
        total.bytes += of_kind.bytes;
        rows.push(vec![kind.replace('_', " "), grouped(of_kind.objects.into()), size(of_kind.bytes)]);
    }
    rows.push(vec!["total".to_owned(), grouped(total.objects.into()), size(total.bytes)]);
    let title = if report.dry_run { "Would be deleted" } else { "Deleted" };
    let mut text = columns(&[title, "objects", "bytes"], &rows);
    if report.dry_run && !report.objects.is_empty() {
        text.push_str("\n\n");
        let lines: Vec<String> = report.objects.iter().map(|it| format!("  {}: {}", it.kind, it.object)).collect();
        text.push_str(&lines.join("\n"));
    }
    if !report.notes.is_empty() {
        text.push_str(&format!("\n\nLeft alone\n  {}", report.notes.join("\n  ")));
    }
    text
}
