//! Charges and allocated charges by the columns of the bill that are kept, for a check to compare.
//!
//! Followers inherit dimensions and nothing else, so cost by any column of the bill must be the
//! same before and after allocation. Which columns are kept differs between pipelines; SQL sees
//! them as one opaque value.

use apportion_spec::Result;
use apportion_spec::pipeline::Ledger;
use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::prelude::SessionContext;

use super::frames::{failed, register};
use super::plan::AllocationPlan;

/// Registers `focus_charges_bill_columns` over `focus_charges`, and `allocated_charges_bill_columns` over
/// `allocated_charges`.
pub(super) async fn register_views(context: &SessionContext, plan: &AllocationPlan) -> Result<()> {
    let step = failed("read columns of the bill");
    for (name, table) in
        [("focus_charges_bill_columns", "focus_charges"), ("allocated_charges_bill_columns", "allocated_charges")]
    {
        let rows = context.table(table).await.and_then(|rows| columns(rows, plan)).map_err(&step)?;
        register(context, name, rows.into_view())?;
    }
    Ok(())
}

fn columns(rows: DataFrame, plan: &AllocationPlan) -> Result<DataFrame, DataFusionError> {
    let of_the_bill = plan.kept.iter().filter(|column| !plan.is_dimension(&column.name));
    let mut fields: Vec<Expr> =
        of_the_bill.flat_map(|column| [lit(column.name.clone()), ident(&column.name)]).collect();
    fields.extend([lit("ChargeFrequency"), ident("ChargeFrequency")]);
    let mut all = vec![
        ident("x_Source").alias("x_Source"),
        ident("BillingCurrency").alias("BillingCurrency"),
        named_struct(fields).alias("BillColumns"),
    ];
    all.extend(Ledger::ALL.map(|ledger| ident(ledger.column()).alias(ledger.column())));
    rows.select(all)
}
