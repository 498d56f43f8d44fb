//! Makes every split again from what was written, to prove that the written splits are right.
//!
//! The charges give the cells, `driver_quantities` gives the quantities, and the same models that
//! split cost during a run split it once more; nothing is taken from `allocated_charges` but what is
//! compared. The quantities of followers are made again as well, from the usage they follow. The trap avoided: to add up the parts and believe the sum, which does not notice a unit
//! that was moved from one target to another.

use std::sync::Arc;

use apportion_spec::Result;
use apportion_spec::pipeline::FollowerPolicy;
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::prelude::SessionContext;

use super::follower::Follower;
use super::frames::{failed, register, settle};
use super::plan::{AllocationPlan, FOLLOWERS};
use super::{Barrier, cells, model, relations};

/// Splits made again, with what they differ in from the written ones. The cells stay registered as `allocation_cells`.
#[derive(Debug)]
pub struct Recomputed {
    /// One row per part of a cell that is not what its quantities make of it, as the model
    /// `verification__parts` describes; already computed.
    pub differences: DataFrame,
    /// One row per quantity of followers that is not what the usage they follow makes of it, as the
    /// model `verification__follow_quantities` describes. It follows from every split of usage, so it
    /// says something of its own only where no part differs.
    pub follow_quantities: DataFrame,
}

/// Recomputes and compares the splits of the period whose tables the context holds.
pub(super) async fn run(context: &SessionContext, barrier: &dyn Barrier, plan: &AllocationPlan) -> Result<Recomputed> {
    let step = failed("make the splits again");
    settle(context, barrier, "rules", "allocation_parts", relations::parts(context, plan).map_err(&step)?).await?;
    settle(context, barrier, "rules", "allocation_cell_pools", relations::no_cell_pools(context).map_err(&step)?)
        .await?;
    let formed = cells::cells(context, barrier, plan).await?;
    settle(context, barrier, "period", "allocation_cells", formed).await?;
    let quantities = model::WRITTEN_QUANTITIES.frame(context, &[]).await?;
    settle(context, barrier, "period", "allocation_quantities", quantities).await?;
    let none = relations::no_quantities(context).map_err(&step)?;
    register(context, "allocation_follow_quantities", none.into_view())?;
    if Follower::list_sql(&plan.followers, FollowerPolicy::Follow).is_some() {
        follow_again(context, barrier).await?;
    }
    let all = context.table("allocation_cells").await.map_err(&step)?;
    look_at(context, all.into_view()).await?;
    let differences = model::DIFFERING_PARTS.frame(context, &[]).await?;
    let differences = barrier.materialize("period__differences", differences).await?;
    Ok(Recomputed {
        differences: context.read_table(differences).map_err(&step)?,
        follow_quantities: model::DIFFERING_FOLLOW_QUANTITIES.frame(context, &[]).await?,
    })
}

/// Followers take the shares of the usage they belong to, so that usage is split first: then their
/// pools are chosen, and the quantities of these pools made again.
async fn follow_again(context: &SessionContext, barrier: &dyn Barrier) -> Result<()> {
    look_at(context, of_stage(context, ident("Stage").not_eq(lit(FOLLOWERS))).await?).await?;
    let cost = model::FOLLOWED_COST.frame(context, &[]).await?;
    settle(context, barrier, FOLLOWERS, "allocation_followed_cost", cost).await?;
    let weights = model::FOLLOW_WEIGHTS.frame(context, &[]).await?;
    settle(context, barrier, FOLLOWERS, "allocation_follow_weights", weights).await?;
    look_at(context, of_stage(context, ident("Stage").eq(lit(FOLLOWERS))).await?).await?;
    let pools = model::FOLLOW_POOLS.frame(context, &[]).await?;
    settle(context, barrier, FOLLOWERS, "allocation_cell_pools", pools).await?;
    let quantities = model::FOLLOW_QUANTITIES.frame(context, &[("stage", FOLLOWERS)]).await?;
    settle(context, barrier, FOLLOWERS, "allocation_pool_quantities", quantities).await?;
    let again = model::CUMULATIVE.frame(context, &[]).await?;
    settle(context, barrier, FOLLOWERS, "allocation_follow_quantities", again).await?;
    Ok(())
}

async fn of_stage(context: &SessionContext, condition: Expr) -> Result<Arc<dyn TableProvider>> {
    let step = failed("choose the cells of a stage");
    let cells = context.table("allocation_cells").await.map_err(&step)?;
    Ok(cells.filter(condition).map_err(step)?.into_view())
}

/// Plans the splitting models over these cells.
async fn look_at(context: &SessionContext, cells: Arc<dyn TableProvider>) -> Result<()> {
    register(context, "cells", cells)?;
    model::CELL_PARTS.view(context).await?;
    model::SPLITS.view(context).await
}
