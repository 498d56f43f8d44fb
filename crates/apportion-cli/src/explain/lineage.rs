//! From cells back to the bill: their charges, and the objects these were read from.

use std::collections::BTreeMap;
use std::sync::Arc;

use apportion_engine::allocation::{AllocationPlan, Allocator};
use apportion_sinks::ledger::RunEntry;
use apportion_sinks::{Certificate, Destination, read_run};
use apportion_spec::{BillingPeriod, ErrorKind, Result};
use datafusion::logical_expr::{col, lit};
use datafusion::prelude::SessionContext;

use super::report::{Cell, Charge, Export, ExportObject, Rest};
use crate::certificate::BILLING_PERIOD;
use crate::destination::OpenDestination;
use crate::rows::{Row, rows};
use crate::staging::{DiskBarrier, Staging, query_error, quoted};
use crate::tables::{FOCUS_CHARGES, Tables};

/// The relation of the charges of the explained cells.
const CELL_CHARGES: &str = "cell_charges";

/// Finds the charges of the explained cells again and lists the `top` largest of each.
///
/// # Errors
/// When the charges cannot be read.
pub(super) async fn charges(
    context: &SessionContext,
    staging: &Staging,
    plan: AllocationPlan,
    period: BillingPeriod,
    cost: &str,
    top: usize,
    cells: &mut [Cell],
) -> Result<()> {
    let barrier = DiskBarrier { staging, context };
    let ids: Vec<String> = cells.iter().map(|cell| cell.cell.clone()).collect();
    let found = Allocator::new(Arc::new(plan), period).charges(context, &barrier, &ids).await?;
    let found = apportion_engine::allocation::Barrier::materialize(&barrier, CELL_CHARGES, found).await?;
    context.register_table(CELL_CHARGES, found).map_err(query_error)?;
    for cell in cells {
        of_cell(context, cost, top, cell).await?;
    }
    Ok(())
}

async fn of_cell(context: &SessionContext, cost: &str, top: usize, cell: &mut Cell) -> Result<()> {
    let own = context
        .table(CELL_CHARGES)
        .await
        .and_then(|charges| charges.filter(col(quoted("CellId")).eq(lit(&cell.cell))))
        .map_err(query_error)?;
    context.deregister_table("one_cell").map_err(query_error)?;
    context.register_table("one_cell", own.into_view()).map_err(query_error)?;
    let sum = rows(context, &format!("SELECT count(*), sum({cost}) FROM one_cell")).await?;
    let (count, sum) = match sum.first() {
        Some(row) => (row.count(0)?, row.money(1)?),
        None => Default::default(),
    };
    let largest = format!(
        "SELECT c.x_ChargeId, f.ChargePeriodStart, f.ChargeCategory, f.ServiceName, f.SubAccountId, f.ResourceId, \
         f.ChargeDescription, c.{cost} FROM (SELECT x_ChargeId, {cost} FROM one_cell \
         ORDER BY abs({cost}) DESC, x_ChargeId LIMIT {top}) c \
         JOIN focus_charges f ON c.x_ChargeId = f.x_ChargeId ORDER BY abs(c.{cost}) DESC, c.x_ChargeId"
    );
    let charge = |row: &Row| {
        Ok(Charge {
            charge: row.text(0),
            charge_period_start: row.text(1),
            category: row.text(2),
            service: row.text(3),
            sub_account: row.optional(4),
            resource: row.optional(5),
            description: row.optional(6),
            cost: row.money(7)?,
        })
    };
    cell.charges = rows(context, &largest).await?.iter().map(charge).collect::<Result<_>>()?;
    let mut rest = Rest { currency: cell.currency.clone(), count, cost: sum };
    rest.count = count.saturating_sub(cell.charges.len() as u64);
    for charge in &cell.charges {
        rest.cost = rest.cost.minus(charge.cost)?;
    }
    cell.other_charges = Some(rest);
    Ok(())
}

/// What the ledger says of a run; a document that is gone or cannot be read says nothing.
async fn told(place: &Destination, run_id: &str) -> Result<Option<RunEntry>> {
    match read_run(place, run_id).await {
        Err(error) if error.kind() == ErrorKind::ContractViolated => {
            tracing::warn!(run_id, %error, "the document of a run cannot be read");
            Ok(None)
        }
        other => other,
    }
}

/// The objects of each source's export, as the run that published the charges noted them.
///
/// # Errors
/// Those of the destination's store.
pub(super) async fn exports(
    destination: &OpenDestination,
    certificate: Option<&Certificate>,
    period: BillingPeriod,
    sources: &[String],
) -> Result<Vec<Export>> {
    let mut runs: BTreeMap<String, Option<RunEntry>> = BTreeMap::new();
    let spec = Tables::new(None).spec(FOCUS_CHARGES)?;
    let mut exports = Vec::new();
    for source in sources {
        let certified = certificate.and_then(|found| found.sources.iter().find(|it| it.source == *source));
        let run_id = match certified {
            Some(statement) => statement.run_id.clone(),
            None => {
                let partition =
                    vec![("x_Source".to_owned(), source.clone()), (BILLING_PERIOD.to_owned(), period.to_string())];
                let versions = destination.sink.versions(&spec, &partition).await?;
                versions.into_iter().find(|it| it.current).map(|it| it.provenance.run_id).unwrap_or_default()
            }
        };
        if !run_id.is_empty() && !runs.contains_key(&run_id) {
            runs.insert(run_id.clone(), told(&destination.place, &run_id).await?);
        }
        let unit = runs.get(&run_id).and_then(Option::as_ref).and_then(|run| {
            run.units.iter().find(|unit| {
                unit.table == FOCUS_CHARGES
                    && unit.source.as_ref() == Some(source)
                    && unit.billing_period == period.to_string()
            })
        });
        let objects = unit.map(|unit| &unit.inputs).into_iter().flatten().map(|input| ExportObject {
            object: input.object.clone(),
            bytes: input.bytes,
            e_tag: input.e_tag.clone(),
        });
        exports.push(Export { source: source.clone(), run_id: run_id.clone(), objects: objects.collect() });
    }
    Ok(exports)
}
