//! Publishes which sources a month holds and which it is published without.

use std::sync::Arc;

use apportion_sinks::units::{PublishedUnit, unit_key};
use apportion_sinks::{MissingSource, PublishUnit};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use datafusion::datasource::MemTable;

use super::{Outcome, Work};
use crate::changes::ENGINE_VERSION;
use crate::completeness::{SourceState, digest, source_states};
use crate::ledger::UnitWork;
use crate::report::Status;
use crate::staging::query_error;
use crate::tables::COMPLETENESS;

impl Work<'_> {
    /// Publishes which sources the month holds, unless that is published already. Returns those it lacks.
    ///
    /// # Errors
    /// Those of staging and publishing, of the ledger and the index.
    pub(super) async fn completeness(&self, period: BillingPeriod, outcome: &Outcome) -> Result<Vec<MissingSource>> {
        let failed = outcome.sources.iter().filter_map(|unit| {
            let kind = unit.error.as_ref()?.kind;
            Some((unit.source.as_str(), if unit.status == Status::Held { "held" } else { kind }))
        });
        let failed = failed.collect();
        let pipeline = &self.run.project.pipeline;
        let (states, reasons) = {
            let published = self.published.lock().await;
            let states = source_states(pipeline, &published, period, &failed, &self.unlisted);
            let reasons = published.completeness_reasons(period, &digest(&states), states.is_empty());
            (states, reasons)
        };
        let missing = states.iter().filter_map(|state| {
            let reason = state.reason.clone()?;
            Some(MissingSource { source: state.source.clone(), status: state.status.to_owned(), reason })
        });
        let missing: Vec<MissingSource> = missing.collect();
        if reasons.is_empty() {
            return Ok(missing);
        }
        let mut work = self.ledger.begin(COMPLETENESS, None, period, &reasons).await?;
        work.entry.input_digest = Some(digest(&states));
        let published = self.publish_completeness(period, &states, &mut work).await;
        if published.is_ok() {
            self.remember_completeness(&work).await?;
        }
        self.ledger.end(work, published.as_ref().err()).await?;
        published.map(|()| missing)
    }

    async fn publish_completeness(
        &self,
        period: BillingPeriod,
        states: &[SourceState],
        work: &mut UnitWork,
    ) -> Result<()> {
        let run = self.run;
        let spec = run.tables.spec(COMPLETENESS)?;
        let partition = vec![("x_BillingPeriod".to_owned(), period.to_string())];
        let provenance = self.ledger.provenance(run, work);
        work.entry.rows = Some(states.len() as u64);
        if states.is_empty() {
            let unit = PublishUnit { table: spec, partition, parts: Vec::new(), provenance };
            return run.publish(&unit, String::new(), work).await.map(|_| ());
        }
        run.destination.sink.prepare(&spec).await?;
        let context = run.context();
        let batch = RecordBatch::try_new(Arc::clone(&spec.schema), columns(period, states)).map_err(|error| {
            Error::new(ErrorKind::Internal, "the rows of completeness do not fit their contract").with_source(error)
        })?;
        let table = MemTable::try_new(Arc::clone(&spec.schema), vec![vec![batch]]).map_err(query_error)?;
        let rows = context.read_table(Arc::new(table)).map_err(query_error)?;
        let staging = run.staging()?;
        let staged = staging.write(rows, &spec, &partition, None).await?;
        let digest = staged.digest();
        let unit = PublishUnit { table: spec, partition, parts: staged.parts, provenance };
        run.publish(&unit, digest, work).await.map(|_| ())
    }

    async fn remember_completeness(&self, work: &UnitWork) -> Result<()> {
        let unit = PublishedUnit {
            run_id: self.run.run_id.clone(),
            input_digest: work.entry.input_digest.clone().unwrap_or_default(),
            engine_version: ENGINE_VERSION.to_owned(),
            rows: work.entry.rows.unwrap_or_default(),
            published: work.entry.published.clone(),
            ..PublishedUnit::default()
        };
        let mut published = self.published.lock().await;
        published.remember(unit_key(COMPLETENESS, None, &work.entry.billing_period), unit);
        published.index.write(&self.run.destination.place).await
    }
}

/// The rows in the order of the contract's columns.
fn columns(period: BillingPeriod, states: &[SourceState]) -> Vec<ArrayRef> {
    let complete = states.iter().all(|state| state.status == "published");
    let texts = |text: &dyn Fn(&SourceState) -> Option<String>| -> ArrayRef {
        Arc::new(states.iter().map(text).collect::<StringArray>())
    };
    let counts = states.iter().map(|state| i64::try_from(state.charges).ok());
    vec![
        texts(&|_| Some(period.to_string())),
        texts(&|state| Some(state.source.clone())),
        texts(&|state| Some(state.status.to_owned())),
        Arc::new(states.iter().map(|_| Some(complete)).collect::<BooleanArray>()),
        Arc::new(counts.collect::<Int64Array>()),
        texts(&|state| state.reason.clone()),
    ]
}
