//! The view `charge_targets`: what each charge costs each target.
//!
//! Nothing is written for it. Which cell a charge lies in is computed from the charge by the rules that
//! are kept with its month, which costs one reading of the month's charges, when it is asked for and
//! never otherwise; the id of a cell with every charge would cost storage for all months and all
//! readers. The trap avoided: rules of another month, so each month is read by its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use apportion_engine::ModelGraph;
use apportion_engine::allocation::{AllocationPlan, Allocator};
use apportion_sinks::{read_certificate, read_configuration};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::{SessionContext, col};

use crate::check::plan_rules;
use crate::destination::OpenDestination;
use crate::output;
use crate::project::Project;
use crate::reporting;
use crate::staging::{query_error, quoted};
use crate::tables::{ALLOCATED_CHARGES, CHARGE_TARGETS, DRIVER_QUANTITIES, Tables};

/// Registers the view over the tables of the context. `charges` is the name of the stored charges.
///
/// # Errors
/// [`ErrorKind::NotFound`] when no rules are kept with the tables and none are given.
pub(super) async fn register(
    context: &SessionContext,
    destination: &OpenDestination,
    project: Option<&Project>,
    charges: &str,
    periods: &BTreeSet<String>,
) -> Result<()> {
    let tables = Tables::new(None);
    let mut found: Option<DataFrame> = None;
    let mut without = Vec::new();
    for name in periods {
        let Ok(period) = name.parse::<BillingPeriod>() else { continue };
        let Some(plan) = rules(context, destination, project, name).await? else {
            without.push(name.as_str());
            continue;
        };
        let of_period = context.table(charges).await.map_err(query_error)?;
        let of_period = of_period.filter(col(quoted("x_BillingPeriod")).eq(lit(name))).map_err(query_error)?;
        let next = Allocator::new(Arc::new(plan), period).charge_cells(context, of_period).await?;
        found = Some(match found {
            Some(earlier) => earlier.union(next).map_err(query_error)?,
            None => next,
        });
    }
    let Some(found) = found else {
        let message = "no rules are kept with these tables, so charges cannot be led to their targets; name the \
                       pipeline file";
        return Err(Error::new(ErrorKind::NotFound, message).with("table", CHARGE_TARGETS));
    };
    if !without.is_empty() {
        output::note(&format!(
            "note: no rules are kept with {}: costs of {CHARGE_TARGETS} have no charge there",
            without.join(", ")
        ));
    }
    context.register_table("charge_cells", found.into_view()).map_err(query_error)?;
    if !context.table_exist(DRIVER_QUANTITIES).map_err(query_error)? {
        let none = MemTable::try_new(tables.spec(DRIVER_QUANTITIES)?.schema, vec![vec![]]).map_err(query_error)?;
        context.register_table(DRIVER_QUANTITIES, Arc::new(none)).map_err(query_error)?;
    }
    let allocated = context.table(ALLOCATED_CHARGES).await.map_err(query_error)?;
    let contract = tables.contract(ALLOCATED_CHARGES)?;
    let names = allocated.schema().fields().iter().map(|field| field.name().clone());
    let own: Vec<String> = names.filter(|name| contract.column(name).is_none()).collect();
    reporting::register_parts(context, &own).await?;
    let rows = ModelGraph::embedded()?.dataframe(context, CHARGE_TARGETS, &BTreeMap::new()).await?;
    let fixed: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    let fixed: Vec<&String> = fixed.iter().filter(|name| *name != reporting::DIMENSIONS).collect();
    let mut columns: Vec<Expr> = fixed.iter().map(|name| col(quoted(name))).collect();
    // a kept column that the view has anyway says the same
    let more = own.iter().filter(|name| !fixed.contains(name));
    columns.extend(more.map(|name| reporting::column(name, &own)));
    let rows = rows.select(columns).map_err(query_error)?;
    context.deregister_table(CHARGE_TARGETS).map_err(query_error)?;
    context.register_table(CHARGE_TARGETS, rows.into_view()).map_err(query_error)?;
    Ok(())
}

/// The rules a month was allocated by: those kept with it, else those of the pipeline.
async fn rules(
    context: &SessionContext,
    destination: &OpenDestination,
    project: Option<&Project>,
    period: &str,
) -> Result<Option<AllocationPlan>> {
    let kept = match read_certificate(&destination.place, period).await? {
        Some(certificate) => read_configuration(&destination.place, &certificate.configuration_digest).await?,
        None => None,
    };
    match (kept, project) {
        (Some(kept), _) => plan_rules(context, &Project::parse(Path::new(&kept.file), kept.text)?),
        (None, Some(project)) => plan_rules(context, project),
        (None, None) => Ok(None),
    }
}
