//! Brings the objects of a period into the shape of the source contract.
//!
//! Types are compared with the contract before anything is read, because the engine casts
//! silently. Then one scan over all objects feeds one projection: absent columns are typed NULL,
//! empty strings are NULL, columns named by prefix become maps. Nothing is copied: pruning and
//! projection go through to the scan.

mod check;
mod fold;
mod json_map;
mod projection;

use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result};
use datafusion::catalog::view::ViewTable;
use datafusion::common::{Column, DataFusionError};
use datafusion::datasource::{TableProvider, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use datafusion::scalar::ScalarValue;

use crate::contract::SourceContract;
use crate::discover::DiscoveredUnit;
use crate::objects::{self, footers};
use crate::scan::ObjectTable;
use crate::store::Location;

/// What was found in the objects of a unit, for the run report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// Rows according to the footers.
    pub rows: u64,
    /// Compressed bytes of all objects.
    pub bytes: u64,
    /// Version of the export format where the columns tell it.
    pub version: Option<String>,
    /// Delivered columns the contract does not know; they are left out.
    pub unknown_columns: Vec<String>,
    /// Contract columns no object has; they are NULL.
    pub absent_columns: Vec<String>,
    /// Notes of discovery and conformance.
    pub notes: Vec<String>,
}

/// A unit as a relation of its contract.
#[derive(Debug, Clone)]
pub struct SourceTable {
    /// Relation name SQL reads.
    pub relation: &'static str,
    /// The relation, to be registered under that name.
    pub table: Arc<dyn TableProvider>,
    /// What was found.
    pub report: SourceReport,
    location: Location,
    unit: DiscoveredUnit,
}

impl SourceTable {
    /// Checks after reading that no object was replaced or removed meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] naming the object.
    pub async fn verify_unchanged(&self) -> Result<()> {
        objects::verify_unchanged(&self.location, &self.unit.objects).await
    }

    /// The unit the relation was made from.
    #[must_use]
    pub fn unit(&self) -> &DiscoveredUnit {
        &self.unit
    }
}

/// Opens a unit as the relation of its contract.
///
/// # Errors
/// [`ErrorKind::ContractViolated`] naming object and column for a missing or wrongly typed column or
/// an unreadable object, and errors of the store.
pub(crate) async fn conform(
    location: &Location,
    unit: DiscoveredUnit,
    contract: &SourceContract,
) -> Result<SourceTable> {
    let footers = footers(location, unit.objects.clone()).await?;
    let found = check::check(location, &footers, contract)?;
    let raw = ObjectTable::new(location, Arc::clone(&found.schema), &footers);
    let table = view(raw, &unit, contract, &found)
        .map_err(|error| Error::new(ErrorKind::Internal, "the source relation cannot be planned").with_source(error))?;
    let rows = footers.iter().map(|footer| footer.metadata.file_metadata().num_rows());
    let report = SourceReport {
        rows: rows.filter_map(|rows| u64::try_from(rows).ok()).sum(),
        bytes: unit.objects.iter().map(|meta| meta.size).sum(),
        version: None,
        unknown_columns: found.unknown.clone(),
        absent_columns: found.absent(contract),
        notes: unit.notes.clone(),
    };
    Ok(SourceTable { relation: contract.relation, table, report, location: location.clone(), unit })
}

fn view(
    raw: ObjectTable,
    unit: &DiscoveredUnit,
    contract: &SourceContract,
    found: &check::Found,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let source = provider_as_source(Arc::new(raw));
    let mut plan =
        LogicalPlanBuilder::scan("objects", source, None)?.project(projection::expressions(contract, found)?)?;
    if unit.mixed_periods {
        let start = unit.billing_period.start().timestamp_micros();
        let end = unit.billing_period.end().timestamp_micros();
        let time = |micros| lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())));
        let column = Expr::Column(Column::from_name(contract.period_column));
        plan = plan.filter(column.clone().gt_eq(time(start)).and(column.lt(time(end))))?;
    }
    Ok(Arc::new(ViewTable::new(plan.build()?, None)))
}
