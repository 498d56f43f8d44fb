//! Allocation: from charges to the cost of every target, split exactly.
//!
//! [`AllocationPlan`] checks the rules of a pipeline without data. [`Allocator`] applies them to
//! the charges of one billing period in three steps:
//!
//! 1. One scan of `focus_charges` groups charges into *cells*: same reporting dimensions, same
//!    rule, same driver keys, same days. Everything after it works on cells.
//! 2. Stage by stage, SQL (`sql/intermediate`) finds the cost pools that the cells of the stage
//!    need, and their quantities: telemetry, a fallback, declared shares, or what earlier stages
//!    gave. Quantities are cumulated and kept; they become `driver_quantities`.
//! 3. One join splits all cells by these quantities, in four ledgers, by the same `apportion`.
//!
//! A stage is anything that delivers quantities for pools (see `stages`). The trap avoided: a
//! window or a fan-out over charges; joins put the small relation on the build side.
//!
//! # Use
//!
//! The context needs the tables `focus_charges` (the billing period, all sources), and, when the
//! pipeline declares telemetry, `src_telemetry` (the billing period), `src_telemetry_previous` (the
//! one before) and `src_telemetry_elsewhere` (the days that [`Allocator::days_elsewhere`] names) with
//! the columns `Telemetry, MatchKey, Time, Target, Quantity`. Everything else is registered here, so
//! a context serves one billing period.
//!
//! ```text
//! let plan = Arc::new(AllocationPlan::try_new(&context, models, "pipeline.yaml", &pipeline)?);
//! let allocator = Allocator::new(plan, period);
//! let result = allocator.allocate(&context, &barrier).await?;   // stream result.allocated_charges, …
//! context.register_table("allocated_charges", written)?;        // what was staged
//! let unit = allocator.unit_economics(&context, &barrier).await?;
//! ```

mod bill_columns;
mod cells;
mod elsewhere;
mod expression;
mod follower;
mod frames;
mod inherit;
mod model;
mod plan;
mod recompute;
mod refused;
mod relations;
mod report;
mod stages;
mod unit_economics;

use std::fmt;
use std::sync::Arc;

use apportion_spec::{BillingPeriod, Result};
use async_trait::async_trait;
use chrono::NaiveDate;
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::prelude::SessionContext;

pub use plan::{AllocationPlan, RuleConflict};
pub use recompute::Recomputed;
pub use report::{DriverReport, RuleReport};
pub use unit_economics::UnitEconomics;

/// Turns an intermediate result into a table, so that it is computed once and memory stays bounded.
///
/// The runner writes staged Parquet; tests keep rows in memory. `name` is unique within one
/// [`Allocator`] call and made of letters, digits, `_` and `-`.
#[async_trait]
pub trait Barrier: fmt::Debug + Send + Sync {
    /// Computes `frame` and returns its rows as a table with the same columns.
    ///
    /// # Errors
    /// Whatever computing or writing the rows runs into.
    async fn materialize(&self, name: &str, frame: DataFrame) -> Result<Arc<dyn TableProvider>>;
}

/// Computes nothing before it is read.
#[derive(Debug)]
struct Deferred;

#[async_trait]
impl Barrier for Deferred {
    async fn materialize(&self, _: &str, frame: DataFrame) -> Result<Arc<dyn TableProvider>> {
        Ok(frame.into_view())
    }
}

/// Applies one plan to one billing period.
#[derive(Debug, Clone)]
pub struct Allocator {
    plan: Arc<AllocationPlan>,
    period: BillingPeriod,
}

/// What an allocation gives. The frames are lazy, match the contracts of their tables in names,
/// order and types, and are not sorted.
#[derive(Debug)]
pub struct Allocated {
    /// Rows of `driver_quantities`.
    pub driver_quantities: DataFrame,
    /// Rows of `allocated_charges`.
    pub allocated_charges: DataFrame,
    /// What each rule matched, followers and unmatched charges included.
    pub rules: Vec<RuleReport>,
    /// What is notable about each driver.
    pub drivers: Vec<DriverReport>,
}

impl Allocator {
    /// An allocator for `period`.
    #[must_use]
    pub const fn new(plan: Arc<AllocationPlan>, period: BillingPeriod) -> Self {
        Self { plan, period }
    }

    /// Days outside of the billing period and of the one before on which drivers are asked for, in
    /// order: corrections of older months, and charges of an invoice month that ends later than the
    /// month in UTC. Needs the table `focus_charges`.
    ///
    /// # Errors
    /// When the table is missing, or its charges cannot be read.
    pub async fn days_elsewhere(&self, context: &SessionContext) -> Result<Vec<NaiveDate>> {
        model::give(context, &self.plan.models);
        let days = elsewhere::days(context, &self.plan, self.period).await;
        self.explained(context, days).await
    }

    /// Allocates the charges of the period.
    ///
    /// # Errors
    /// When a table is missing, a model does not plan, or computing an intermediate result fails.
    pub async fn allocate(&self, context: &SessionContext, barrier: &dyn Barrier) -> Result<Allocated> {
        model::give(context, &self.plan.models);
        let allocated = stages::run(context, barrier, &self.plan, self.period).await;
        self.explained(context, allocated).await
    }

    /// Relates allocated cost to business quantities. Needs the table `allocated_charges` (the
    /// period, as written) beside those of [`Self::allocate`].
    ///
    /// # Errors
    /// When a table is missing, a model does not plan, or computing an intermediate result fails.
    pub async fn unit_economics(&self, context: &SessionContext, barrier: &dyn Barrier) -> Result<UnitEconomics> {
        model::give(context, &self.plan.models);
        unit_economics::run(context, barrier, &self.plan, self.period).await
    }

    /// Registers what the check `allocated_charges__bill_columns_add_up` reads: cost by the kept
    /// columns of the bill, of the tables `focus_charges` and `allocated_charges`.
    ///
    /// # Errors
    /// When one of the tables is missing, or lacks a kept column.
    pub async fn register_bill_columns(&self, context: &SessionContext) -> Result<()> {
        bill_columns::register_views(context, &self.plan).await
    }

    /// The charges of some cells: `CellId`, `x_ChargeId` and the four costs of each. The way back
    /// from an allocated row, whose `x_CellId` is such an id, to the bill.
    ///
    /// # Errors
    /// As [`Self::allocate`].
    pub async fn charges(
        &self,
        context: &SessionContext,
        barrier: &dyn Barrier,
        cells: &[String],
    ) -> Result<DataFrame> {
        model::give(context, &self.plan.models);
        let charges = cells::charges(context, barrier, &self.plan, cells).await;
        self.explained(context, charges).await
    }

    /// The cell of each of `charges`, which are those of the billing period, with its days: the
    /// relation `charge_cells` that the view `charge_targets` reads. Lazy, and nothing is registered.
    ///
    /// # Errors
    /// When a column that the plan reads is missing.
    pub async fn charge_cells(&self, context: &SessionContext, charges: DataFrame) -> Result<DataFrame> {
        cells::with_cells(context, &Deferred, charges, &self.plan).await
    }

    /// Makes every split again from the written tables `focus_charges`, `driver_quantities` and
    /// `allocated_charges` of the context, without telemetry, and compares.
    ///
    /// # Errors
    /// As [`Self::allocate`].
    pub async fn recompute(&self, context: &SessionContext, barrier: &dyn Barrier) -> Result<Recomputed> {
        model::give(context, &self.plan.models);
        let recomputed = recompute::run(context, barrier, &self.plan).await;
        self.explained(context, recomputed).await
    }

    /// Whatever failed, with expression, charge and value where an expression of the pipeline is the reason.
    async fn explained<T>(&self, context: &SessionContext, result: Result<T>) -> Result<T> {
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(refused::explain(context, &self.plan, error).await),
        }
    }
}
