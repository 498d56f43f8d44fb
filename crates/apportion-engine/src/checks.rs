//! Checks: queries over a staged table that must return no rows.
//!
//! Every `sql/checks/<table>__<promise>.sql` runs against a session in which the table is
//! registered; each offending row comes back with enough columns to act on. A finding of severity
//! `fail` stops the publication of that unit, which is for the caller to do: all checks run, so
//! that one report shows everything. The trap avoided: stopping at the first finding.

use std::collections::BTreeMap;

use apportion_spec::Result;
use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use datafusion::common::ScalarValue;
use datafusion::prelude::{DataFrame, SessionContext};
use futures::TryStreamExt;

use crate::fault::from_datafusion;
use crate::graph::{self, ModelGraph};
use crate::models::{Model, Severity};

/// How many offending rows an outcome shows.
const SAMPLE_ROWS: usize = 10;

/// What one check found.
#[derive(Debug, Clone)]
pub struct CheckOutcome {
    /// Name of the check, such as `focus_charges__keys_are_unique`.
    pub name: String,
    /// What a finding means.
    pub severity: Severity,
    /// The promise, from the check's header.
    pub why: String,
    /// How many rows break it.
    pub offending_rows: usize,
    /// Up to ten of them as a text table; empty when there are none.
    pub sample: String,
}

impl CheckOutcome {
    /// Whether no row breaks the promise.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.offending_rows == 0
    }

    /// Whether the unit must not be published.
    #[must_use]
    pub const fn stops_publication(&self) -> bool {
        !self.passed() && matches!(self.severity, Severity::Fail)
    }
}

impl ModelGraph {
    /// The checks of a table.
    pub fn checks_of<'a>(&'a self, table: &str) -> impl Iterator<Item = &'a Model> {
        let prefix = format!("{table}__");
        self.checks().filter(move |check| check.name.starts_with(&prefix))
    }

    /// Runs every check of `table`, which the session must already know.
    ///
    /// What else a check reads (controls, seeds) is registered as views.
    ///
    /// # Errors
    ///
    /// As [`ModelGraph::register`] when a check does not plan, or the error of its execution.
    pub async fn run_checks(
        &self,
        context: &SessionContext,
        table: &str,
        params: &BTreeMap<String, ScalarValue>,
    ) -> Result<Vec<CheckOutcome>> {
        let mut outcomes = Vec::new();
        for check in self.checks_of(table) {
            outcomes.push(self.run_one(context, check, params).await?);
        }
        Ok(outcomes)
    }

    /// Runs one check.
    ///
    /// # Errors
    ///
    /// As [`ModelGraph::run_checks`].
    pub async fn run_one(
        &self,
        context: &SessionContext,
        check: &Model,
        params: &BTreeMap<String, ScalarValue>,
    ) -> Result<CheckOutcome> {
        let inputs: Vec<&str> = check.inputs.iter().map(String::as_str).collect();
        self.register(context, &inputs, params).await.map_err(|error| error.with("check", &check.name))?;
        let frame = graph::plan(context, check, params).await?;
        let (offending_rows, sample) =
            count(frame).await.map_err(|error| from_datafusion(&error).with("check", &check.name))?;
        Ok(CheckOutcome {
            name: check.name.clone(),
            severity: check.header.severity.unwrap_or(Severity::Fail),
            why: check.header.why.clone(),
            offending_rows,
            sample,
        })
    }
}

/// Counts the rows of a query and prints the first ones, holding no more than those.
async fn count(frame: DataFrame) -> datafusion::common::Result<(usize, String)> {
    let mut stream = frame.execute_stream().await?;
    let mut rows = 0_usize;
    let mut sample: Vec<RecordBatch> = Vec::new();
    while let Some(batch) = stream.try_next().await? {
        if rows < SAMPLE_ROWS && batch.num_rows() > 0 {
            sample.push(batch.slice(0, batch.num_rows().min(SAMPLE_ROWS - rows)));
        }
        rows += batch.num_rows();
    }
    let text = if sample.is_empty() { String::new() } else { pretty_format_batches(&sample)?.to_string() };
    Ok((rows, text))
}
