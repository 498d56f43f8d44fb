//! Stages: each delivers the quantities by which its cells are split.
//!
//! A stage may look at what earlier stages gave, never at itself or later ones. What it delivers
//! has one form (`int_drivers__cumulative`), so a further kind of stage, such as one that solves
//! services consuming each other, is another function here that fills the same relation.

use std::sync::Arc;

use apportion_spec::pipeline::FollowerPolicy;
use apportion_spec::{BillingPeriod, Result};
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::prelude::SessionContext;

use super::follower::Follower;
use super::frames::{conform, contract, failed, register, settle};
use super::plan::{AllocationPlan, FOLLOWERS, Kind, RulePlan, UNMATCHED};
use super::{Allocated, Barrier, cells, inherit, model, relations, report};

/// The state of one allocation.
struct Run<'a> {
    context: &'a SessionContext,
    barrier: &'a dyn Barrier,
    plan: &'a AllocationPlan,
    /// Quantities of the stages that are done.
    quantities: Vec<Arc<dyn TableProvider>>,
    /// What the stages that are done gave, where a later one looks at it.
    given: Vec<Arc<dyn TableProvider>>,
    /// Names of the stages that are done.
    done: Vec<&'a str>,
}

/// Allocates the charges of one period.
pub(super) async fn run(
    context: &SessionContext,
    barrier: &dyn Barrier,
    plan: &AllocationPlan,
    period: BillingPeriod,
) -> Result<Allocated> {
    let mut run = Run { context, barrier, plan, quantities: Vec::new(), given: Vec::new(), done: Vec::new() };
    run.prepare().await?;
    for (index, stage) in plan.stages.iter().enumerate() {
        run.rules(stage).await?;
        run.given_by(stage, plan.stages.get(index + 1..).unwrap_or_default()).await?;
        run.done.push(stage);
    }
    // charges without a rule have passed every stage of rules
    run.given_by(UNMATCHED, &[]).await?;
    run.done.push(UNMATCHED);
    run.followers().await?;
    run.done.push(FOLLOWERS);
    run.finish(period).await
}

/// Registers `telemetry_quantities` and those of the previous period and of other days, unless they
/// are there.
pub(super) async fn telemetry(context: &SessionContext, barrier: &dyn Barrier) -> Result<()> {
    let step = failed("read telemetry");
    for source in ["src_telemetry", "src_telemetry_previous", "src_telemetry_elsewhere"] {
        if !context.table_exist(source).map_err(&step)? {
            let none = relations::no_telemetry(context).map_err(&step)?;
            register(context, source, none.into_view())?;
        }
    }
    let models = [
        ("telemetry_quantities", model::TELEMETRY),
        ("telemetry_previous_quantities", model::PREVIOUS_TELEMETRY),
        ("telemetry_elsewhere_quantities", model::ELSEWHERE_TELEMETRY),
    ];
    for (name, model) in models {
        if !context.table_exist(name).map_err(&step)? {
            let frame = model.frame(context, &[]).await?;
            settle(context, barrier, "period", name, frame).await?;
        }
    }
    Ok(())
}

impl<'a> Run<'a> {
    /// Materialises what all stages share.
    async fn prepare(&mut self) -> Result<()> {
        let (context, barrier) = (self.context, self.barrier);
        telemetry(context, barrier).await?;
        model::DRIVER_DAYS.view_as(context, "driver_days").await?;
        model::DRIVER_PREVIOUS_PERIOD.view_as(context, "driver_previous_period").await?;
        model::DRIVER_SEEN_TARGETS.view_as(context, "driver_seen_targets").await?;
        let step = failed("lay out the rules");
        let tables = [
            ("allocation_parts", relations::parts(context, self.plan)),
            ("allocation_shares", relations::shares(context, self.plan)),
            ("allocation_fallbacks", relations::fallbacks(context, self.plan)),
            ("allocation_cell_pools", relations::no_cell_pools(context)),
            ("allocation_cost_weights", relations::no_cost_weights(context)),
        ];
        for (name, frame) in tables {
            settle(context, barrier, "rules", name, frame.map_err(&step)?).await?;
        }
        let none = relations::no_quantities(context).map_err(&step)?;
        self.quantities.push(barrier.materialize("rules__no_quantities", none).await?);
        let cells = cells::matched_cells(context, barrier, self.plan).await?;
        settle(context, barrier, "period", "allocation_cells", cells).await?;
        Ok(())
    }

    /// Plans the splitting models over the cells of `stages` and these quantities.
    async fn look_at(&self, stages: &[&str], quantities: &[Arc<dyn TableProvider>]) -> Result<()> {
        let step = failed("choose the cells of a stage");
        let cells = self.context.table("allocation_cells").await.map_err(&step)?;
        let wanted: Vec<Expr> = stages.iter().map(|stage| lit(*stage)).collect();
        let cells = cells.filter(ident("Stage").in_list(wanted, false)).map_err(&step)?;
        register(self.context, "cells", cells.into_view())?;
        self.register_all("allocation_quantities", quantities)?;
        model::CELL_PARTS.view(self.context).await?;
        model::SPLITS.view(self.context).await
    }

    /// Registers the rows of several tables under one name.
    fn register_all(&self, name: &'static str, tables: &[Arc<dyn TableProvider>]) -> Result<()> {
        let step = failed("put the stages together");
        let mut all: Option<DataFrame> = None;
        for table in tables {
            let next = self.context.read_table(Arc::clone(table)).map_err(&step)?;
            all = Some(match all {
                Some(earlier) => earlier.union(next).map_err(&step)?,
                None => next,
            });
        }
        all.map_or(Ok(()), |all| register(self.context, name, all.into_view()))
    }

    /// Keeps what a stage gave, summed to what later stages ask for, so that its cells are split
    /// once for all of them. `later` are the stages of rules after it.
    async fn given_by(&mut self, stage: &str, later: &[String]) -> Result<()> {
        let weighs = |rule: &RulePlan| rule.parts.iter().any(|part| part.kind == Kind::Cost);
        let weighed = self.plan.rules.iter().any(|rule| later.contains(&rule.stage) && weighs(rule));
        if !weighed && Follower::list_sql(&self.plan.followers, FollowerPolicy::Follow).is_none() {
            return Ok(());
        }
        self.look_at(&[stage], self.quantities.last().map_or(&[], std::slice::from_ref)).await?;
        let given = model::FOLLOWED_COST.frame(self.context, &[]).await?;
        self.given.push(self.barrier.materialize(&format!("{stage}__followed_cost"), given).await?);
        Ok(())
    }

    /// Cumulates the registered pool quantities and keeps them as those of `stage`.
    async fn deliver(&mut self, stage: &str) -> Result<()> {
        let cumulative = model::CUMULATIVE.frame(self.context, &[]).await?;
        let name = format!("{stage}__quantities");
        self.quantities.push(self.barrier.materialize(&name, cumulative).await?);
        Ok(())
    }

    /// A stage of rules: pools from cells, quantities from drivers, shares and earlier cost.
    async fn rules(&mut self, stage: &str) -> Result<()> {
        let (context, barrier) = (self.context, self.barrier);
        let of_stage = || self.plan.rules.iter().filter(|rule| rule.stage == stage);
        if of_stage().any(|rule| rule.parts.iter().any(|part| part.kind == Kind::Cost)) {
            self.register_all("allocation_followed_cost", &self.given)?;
            let cost = model::COST_BY_TARGET.frame(context, &[]).await?;
            settle(context, barrier, stage, "allocation_cost_by_target", cost).await?;
            model::COST_WEIGHTS.view_as(context, "allocation_cost_weights").await?;
        }
        self.look_at(&[stage], &self.quantities).await?;
        let steps = [
            ("allocation_pools", model::POOLS),
            ("allocation_pool_sources", model::POOL_SOURCES),
            ("allocation_pool_quantities", model::POOL_QUANTITIES),
        ];
        for (name, model) in steps {
            let frame = model.frame(context, &[]).await?;
            settle(context, barrier, stage, name, frame).await?;
        }
        self.deliver(stage).await
    }

    /// The last stage: every follower takes the shares of the usage it belongs to.
    async fn followers(&mut self) -> Result<()> {
        if Follower::list_sql(&self.plan.followers, FollowerPolicy::Follow).is_none() {
            return Ok(());
        }
        let (context, barrier) = (self.context, self.barrier);
        self.register_all("allocation_followed_cost", &self.given)?;
        let weights = model::FOLLOW_WEIGHTS.frame(context, &[]).await?;
        settle(context, barrier, FOLLOWERS, "allocation_follow_weights", weights).await?;
        self.look_at(&[FOLLOWERS], &self.quantities).await?;
        let pools = model::FOLLOW_POOLS.frame(context, &[]).await?;
        settle(context, barrier, FOLLOWERS, "allocation_cell_pools", pools).await?;
        let quantities = model::FOLLOW_QUANTITIES.frame(context, &[("stage", FOLLOWERS)]).await?;
        settle(context, barrier, FOLLOWERS, "allocation_pool_quantities", quantities).await?;
        self.deliver(FOLLOWERS).await
    }

    /// The written tables, over the cells and quantities of all stages.
    async fn finish(self, period: BillingPeriod) -> Result<Allocated> {
        let step = failed("lay out the result");
        self.look_at(&self.done, &self.quantities).await?;
        let period = period.to_string();
        let parameters = [("billing_period", period.as_str())];
        let quantities = model::DRIVER_QUANTITIES.frame(self.context, &parameters).await?;
        let quantities = conform(quantities, contract("driver_quantities")?, |_| None).map_err(&step)?;
        let charges = model::ALLOCATED_CHARGES.frame(self.context, &parameters).await?;
        let kept = self.plan.dimension_columns();
        let wanted = contract("allocated_charges")?.with_dimensions(kept.clone());
        let mut unpacked = Vec::new();
        for column in &kept {
            let value = inherit::kept(self.plan, &column.name, "x_InheritedDimensions").map_err(&step)?;
            unpacked.push((column.name.clone(), value));
        }
        let unpacked = |name: &str| unpacked.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let charges = conform(charges, &wanted, unpacked).map_err(&step)?;
        let rules = report::rules(self.context, self.plan).await.map_err(&step)?;
        let drivers = report::drivers(self.context).await.map_err(&step)?;
        Ok(Allocated { driver_quantities: quantities, allocated_charges: charges, rules, drivers })
    }
}
