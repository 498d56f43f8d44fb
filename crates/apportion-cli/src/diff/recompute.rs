//! A billing period allocated again with some of its inputs as they were, and published nowhere.
//!
//! The states between two written versions exist only here: old rules over new charges, for
//! example. What they need may be gone; then nothing is guessed and the reason is told.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use apportion_engine::Engine;
use apportion_engine::allocation::{AllocationPlan, Allocator, Barrier};
use apportion_sinks::{objects_table, read_configuration};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Pipeline, Result};
use datafusion::prelude::SessionContext;

use super::snapshot::{Breakdown, Snapshot};
use super::versions::{ChargesVersion, Version, charges_partition, objects};
use crate::changes::{ENGINE_VERSION, of_objects, same_functions};
use crate::check::plan_rules;
use crate::destination::OpenDestination;
use crate::project::{EffectiveLimits, Project};
use crate::staging::{DiskBarrier, Staging, query_error};
use crate::tables::{ALLOCATED_CHARGES, FOCUS_CHARGES, Tables};
use crate::telemetry::{ListedTelemetry, OpenTelemetry};

/// What cannot be recomputed, in one line for the person who asked.
pub(super) type Obstacle = String;

/// Everything a recomputation needs, whatever it computes.
#[derive(Debug)]
pub(super) struct Recomputation<'a> {
    pub(super) engine: &'a Engine,
    pub(super) limits: &'a EffectiveLimits,
    pub(super) destination: &'a OpenDestination,
    pub(super) tables: &'a Tables,
    /// Folder that relative locations of configurations start from.
    pub(super) base: PathBuf,
    pub(super) period: BillingPeriod,
    /// Digest of the SQL models of this program.
    pub(super) sql_digest: String,
}

/// A kept configuration, planned and with its telemetry listed.
#[derive(Debug)]
pub(super) struct Configured {
    plan: Arc<AllocationPlan>,
    telemetry: ListedTelemetry,
}

/// An error that says something is gone or no longer fits is an obstacle; others stop the command.
fn obstacle<T>(outcome: Result<T>) -> Result<Result<T, Obstacle>> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::Config | ErrorKind::SqlInvalid | ErrorKind::ContractViolated => {
                Ok(Err(error.to_string()))
            }
            _ => Err(error),
        },
    }
}

impl Recomputation<'_> {
    /// The pipeline of a kept configuration; `None` when it is not kept or not valid any more.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn declared(&self, digest: &str) -> Result<Option<Pipeline>> {
        Ok(obstacle(self.project(digest).await)?.ok().map(|project| project.pipeline))
    }

    async fn project(&self, digest: &str) -> Result<Project> {
        let short = short(digest);
        let Some(kept) = read_configuration(&self.destination.place, digest).await? else {
            return Err(Error::new(ErrorKind::NotFound, format!("configuration {short} was not kept")));
        };
        Project::from_text(format!("configuration {short}"), &kept.text, self.base.clone())
    }

    /// Plans a kept configuration and lists its telemetry.
    pub(super) async fn configured(&self, digest: &str) -> Result<Result<Configured, Obstacle>> {
        obstacle(self.try_configured(digest).await)
    }

    async fn try_configured(&self, digest: &str) -> Result<Configured> {
        let project = self.project(digest).await?;
        let plan = plan_rules(&self.engine.new_context(), &project)?;
        let plan = plan.ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("configuration {} declares no allocation", short(digest)))
        })?;
        let telemetry = ListedTelemetry::list(&project, &[self.period]).await?;
        Ok(Configured { plan: Arc::new(plan), telemetry })
    }

    /// A context with charges and today's telemetry.
    async fn open(
        &self,
        configured: &Configured,
        charges: &[&ChargesVersion],
    ) -> Result<(SessionContext, OpenTelemetry)> {
        let spec = self.tables.spec(FOCUS_CHARGES)?;
        let mut parts = Vec::new();
        for version in charges {
            let partition = charges_partition(&version.source, self.period);
            parts.extend(objects(self.destination, &spec, &partition, version.number).await?);
        }
        let context = self.engine.new_context();
        let table = objects_table(self.destination.sink.as_ref(), &spec, parts)?;
        context.register_table(FOCUS_CHARGES, table).map_err(query_error)?;
        let allocator = Allocator::new(Arc::clone(&configured.plan), self.period);
        let telemetry = configured
            .telemetry
            .open(&context, &allocator, self.period, configured.plan.needs_previous_telemetry())
            .await?;
        Ok((context, telemetry))
    }

    /// The fingerprint of the telemetry that a version would read today.
    pub(super) async fn fingerprint(&self, version: &Version) -> Result<Result<String, Obstacle>> {
        let configured = match self.configured(&version.provenance.configuration_digest).await? {
            Ok(configured) => configured,
            Err(reason) => return Ok(Err(reason)),
        };
        if let Err(reason) = recorded(version) {
            return Ok(Err(reason));
        }
        let charges: Vec<&ChargesVersion> = version.charges.iter().collect();
        let opened = obstacle(self.open(&configured, &charges).await)?;
        Ok(opened.map(|(_, telemetry)| of_objects(telemetry.objects())))
    }

    /// Why no state between the two versions can be recomputed, if that is so.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn obstacle(&self, older: &Version, newer: &Version) -> Result<Option<Obstacle>> {
        let provenance = &newer.provenance;
        if provenance.sql_digest != self.sql_digest || !same_functions(&provenance.engine_version, ENGINE_VERSION) {
            return Ok(Some(format!("version {} was written by another version of the program", newer.number)));
        }
        if let Err(reason) = recorded(older).and_then(|()| recorded(newer)) {
            return Ok(Some(reason));
        }
        Ok(match self.fingerprint(newer).await? {
            Ok(today) if today == provenance.input_digest => None,
            Ok(_) => Some(format!("telemetry changed again after version {} was computed", newer.number)),
            Err(reason) => Some(reason),
        })
    }

    /// Allocates charges by the rules of a configuration and today's telemetry.
    pub(super) async fn allocate(
        &self,
        configured: &Configured,
        charges: &[&ChargesVersion],
        breakdowns: &[Breakdown],
    ) -> Result<Result<Snapshot, Obstacle>> {
        let (context, telemetry) = match obstacle(self.open(configured, charges).await)? {
            Ok(opened) => opened,
            Err(reason) => return Ok(Err(reason)),
        };
        let staging = Staging::try_new(&self.limits.work_directory, self.limits.jobs)?;
        let barrier = DiskBarrier { staging: &staging, context: &context };
        let allocator = Allocator::new(Arc::clone(&configured.plan), self.period);
        let allocated = allocator.allocate(&context, &barrier).await?;
        let table = barrier.materialize(ALLOCATED_CHARGES, allocated.allocated_charges).await?;
        context.register_table(ALLOCATED_CHARGES, table).map_err(query_error)?;
        let snapshot = Snapshot::of(&context, breakdowns).await?;
        telemetry.verify_unchanged().await?;
        Ok(Ok(snapshot))
    }
}

/// A version whose charges are not on record cannot be computed again.
fn recorded(version: &Version) -> Result<(), Obstacle> {
    if version.charges.is_empty() {
        return Err(format!("version {} does not record which charges it was computed from", version.number));
    }
    Ok(())
}

/// The charges of a state: those of `newer` for the switched sources, those of `older` for the others.
pub(super) fn mixed<'a>(
    older: &'a Version,
    newer: &'a Version,
    switched: &BTreeSet<String>,
) -> Vec<&'a ChargesVersion> {
    let kept = older.charges.iter().filter(|charges| !switched.contains(&charges.source));
    kept.chain(newer.charges.iter().filter(|charges| switched.contains(&charges.source))).collect()
}

/// The start of a digest, enough to tell two apart.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
