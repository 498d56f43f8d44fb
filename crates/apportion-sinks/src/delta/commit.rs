//! Uploads the files of a unit and commits them.

use std::collections::{BTreeMap, BTreeSet};

use deltalake_core::DeltaTableError;
use deltalake_core::kernel::Action;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use object_store::ObjectMeta;
use serde_json::Value;

use apportion_spec::{Error, ErrorKind, Result};

use super::history::{self, CommitNote};
use super::{ActiveFile, DeltaSink, actions, active_files, paths};
use crate::error;
use crate::foreign::refusal;
use crate::parquet::display;
use crate::table::{PublishUnit, Published};
use crate::writer::StagedPart;

/// How often a commit is tried while other partitions of the table are being committed.
const ATTEMPTS: usize = 10;

/// The files the partition is to consist of, by path.
type Wanted<'a> = BTreeMap<String, &'a StagedPart>;

pub(super) async fn publish(sink: &DeltaSink, unit: &PublishUnit) -> Result<Published> {
    let folder = unit.table.partition_path(&unit.partition)?;
    let wanted: Wanted<'_> =
        unit.parts.iter().enumerate().map(|(index, part)| (actions::file_path(&folder, index, part), part)).collect();
    let note = CommitNote { partition: unit.partition.clone(), provenance: unit.provenance.clone() };
    let mut before: Option<(u64, BTreeSet<String>)> = None;
    let mut uploaded: Option<BTreeMap<String, ObjectMeta>> = None;
    let mut attempt = 0;
    let mut last_error: Option<Error> = None;
    loop {
        attempt += 1;
        let Some(loaded) = sink.load(&unit.table.name).await? else {
            return Err(
                Error::new(ErrorKind::NotFound, "the Delta table does not exist").with("table", &unit.table.name)
            );
        };
        let version = loaded.version().unwrap_or_default();
        let active = active_files(&loaded, &unit.table, &unit.partition).await?;
        if active.keys().eq(wanted.keys()) {
            // The log names them; whether they are still there and whole is another question.
            upload(sink, unit, &wanted).await?;
            let (base, replaced) = before.unwrap_or((version, BTreeSet::new()));
            let own = history::find_own(&loaded, &unit.table, &note, base).await?;
            return Ok(published(unit, &wanted, own.unwrap_or(version), own.is_some(), &replaced));
        }
        if let Some(path) = active.keys().find(|path| !super::foreign::is_ours(path)) {
            return Err(refusal(&format!("{}/{path}", unit.table.name)));
        }
        match &before {
            None => before = Some((version, paths(&active))),
            Some((_, held)) if *held == paths(&active) => {}
            Some(_) => return Err(conflict(unit)),
        }
        if let Some(cause) = last_error.take().filter(|cause| cause.kind() != ErrorKind::Conflict || attempt > ATTEMPTS)
        {
            return Err(cause);
        }
        let objects = match uploaded.take() {
            Some(objects) => objects,
            None => upload(sink, unit, &wanted).await?,
        };
        let committed = CommitBuilder::from(properties(&note)?)
            .with_actions(actions_of(unit, &wanted, &active, &objects)?)
            .build(Some(loaded.snapshot().map_err(|cause| failed(cause, unit))?), loaded.log_store(), operation(unit))
            .await;
        match committed {
            Ok(done) => {
                return Ok(published(unit, &wanted, done.version(), true, &paths(&active)));
            }
            // Not believed before the table was asked: the acknowledgement may have got lost.
            Err(cause) => {
                tracing::debug!(table = unit.table.name, %cause, attempt, "commit is looked up again");
                last_error = Some(failed(cause, unit));
                uploaded = Some(objects);
            }
        }
    }
}

fn published(
    unit: &PublishUnit,
    wanted: &Wanted<'_>,
    version: u64,
    changed: bool,
    before: &BTreeSet<String>,
) -> Published {
    let relative = |path: &String| format!("{}/{path}", unit.table.name);
    Published {
        version,
        changed,
        objects: wanted.keys().map(relative).collect(),
        replaced: before.iter().filter(|path| !wanted.contains_key(*path)).map(relative).collect(),
    }
}

fn conflict(unit: &PublishUnit) -> Error {
    Error::new(ErrorKind::Conflict, "another writer published the same partition at the same time")
        .with("table", &unit.table.name)
        .with("partition", display(&unit.partition))
}

fn failed(cause: DeltaTableError, unit: &PublishUnit) -> Error {
    error::delta(cause, "commit to the Delta table", &unit.table.name).with("partition", display(&unit.partition))
}

/// Uploads what is not there yet; the name carries the digest, so the size completes the check.
async fn upload(sink: &DeltaSink, unit: &PublishUnit, wanted: &Wanted<'_>) -> Result<BTreeMap<String, ObjectMeta>> {
    let mut objects = BTreeMap::new();
    for (path, part) in wanted {
        let relative = format!("{}/{path}", unit.table.name);
        let mut object = sink.destination.head(&relative).await?.filter(|object| object.size == part.bytes);
        if object.is_none() {
            sink.destination.upload(&part.path, &relative).await?;
            object = sink.destination.head(&relative).await?.filter(|object| object.size == part.bytes);
        }
        let object = object.ok_or_else(|| {
            Error::new(ErrorKind::Conflict, "an object just written is not what was written").with("object", &relative)
        })?;
        objects.insert(path.clone(), object);
    }
    Ok(objects)
}

/// Adds what is new and removes what is not wanted; files in both stay untouched.
fn actions_of(
    unit: &PublishUnit,
    wanted: &Wanted<'_>,
    active: &BTreeMap<String, ActiveFile>,
    objects: &BTreeMap<String, ObjectMeta>,
) -> Result<Vec<Action>> {
    let mut changes = Vec::new();
    for (path, part) in wanted.iter().filter(|(path, _)| !active.contains_key(*path)) {
        let object = objects.get(path).ok_or_else(|| error::internal("a file was not uploaded"))?;
        changes.push(Action::Add(actions::add(unit, path, part, object)));
    }
    for file in active.values().filter(|file| !wanted.contains_key(&file.path)) {
        changes.push(Action::Remove(file.remove.clone()));
    }
    Ok(changes)
}

/// No retries inside the library: it would rebase over changes it considers compatible.
fn properties(note: &CommitNote) -> Result<CommitProperties> {
    let text = serde_json::to_string(note).map_err(|cause| error::internal("cannot write JSON").with_source(cause))?;
    Ok(CommitProperties::default()
        .with_max_retries(0)
        .with_metadata([("userMetadata".to_owned(), Value::String(text))]))
}

fn operation(unit: &PublishUnit) -> DeltaOperation {
    let terms: Vec<String> = unit.partition.iter().map(|(column, value)| format!("\"{column}\" = '{value}'")).collect();
    DeltaOperation::Write {
        mode: SaveMode::Overwrite,
        partition_by: Some(unit.table.partition_by.clone()),
        predicate: (!terms.is_empty()).then(|| terms.join(" AND ")),
    }
}
