//! The SQL models of this module, planned as views in dependency order.
//!
//! A view keeps the tables it was planned on. That is used on purpose: the same models are planned
//! again for every stage, each time over the cells and quantities registered at that moment. The
//! session carries the graph that the run was given, so that no other one can be asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result};
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::prelude::SessionContext;

use super::frames::register;
use crate::graph::{self, ModelGraph};

/// Makes `models` those of the session.
pub(super) fn give(context: &SessionContext, models: &Arc<ModelGraph>) {
    context.state_ref().write().config_mut().set_extension(Arc::clone(models));
}

/// A model by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model(&'static str);

pub(super) const TELEMETRY: Model = Model("stg_telemetry__quantities");
pub(super) const PREVIOUS_TELEMETRY: Model = Model("stg_telemetry__previous_quantities");
pub(super) const ELSEWHERE_TELEMETRY: Model = Model("stg_telemetry__elsewhere_quantities");
pub(super) const DRIVER_DAYS: Model = Model("int_drivers__days");
pub(super) const DRIVER_PREVIOUS_PERIOD: Model = Model("int_drivers__previous_period");
pub(super) const DRIVER_SEEN_TARGETS: Model = Model("int_drivers__seen_targets");
pub(super) const POOL_SOURCES: Model = Model("int_drivers__pool_sources");
pub(super) const POOL_QUANTITIES: Model = Model("int_drivers__pool_quantities");
pub(super) const FOLLOW_QUANTITIES: Model = Model("int_drivers__follow_quantities");
pub(super) const CUMULATIVE: Model = Model("int_drivers__cumulative");
pub(super) const CELL_PARTS: Model = Model("int_allocation__cell_parts");
pub(super) const POOLS: Model = Model("int_allocation__pools");
pub(super) const SPLITS: Model = Model("int_allocation__splits");
pub(super) const COST_BY_TARGET: Model = Model("int_allocation__cost_by_target");
pub(super) const COST_WEIGHTS: Model = Model("int_allocation__cost_weights");
pub(super) const FOLLOWED_COST: Model = Model("int_allocation__followed_cost");
pub(super) const FOLLOW_WEIGHTS: Model = Model("int_allocation__follow_weights");
pub(super) const FOLLOW_POOLS: Model = Model("int_allocation__follow_pools");
pub(super) const UNIT_DAYS: Model = Model("int_unit_economics__days");
pub(super) const DRIVER_QUANTITIES: Model = Model("driver_quantities");
pub(super) const ALLOCATED_CHARGES: Model = Model("allocated_charges");
pub(super) const UNIT_ECONOMICS_DAILY: Model = Model("unit_economics_daily");
pub(super) const UNIT_ECONOMICS_MONTHLY: Model = Model("unit_economics_monthly");
pub(super) const WRITTEN_QUANTITIES: Model = Model("verification__quantities");
pub(super) const DIFFERING_PARTS: Model = Model("verification__parts");
pub(super) const DIFFERING_FOLLOW_QUANTITIES: Model = Model("verification__follow_quantities");

impl Model {
    /// Plans the model over the tables registered now.
    pub(super) async fn frame(self, context: &SessionContext, parameters: &[(&str, &str)]) -> Result<DataFrame> {
        let internal = |message: String| Error::new(ErrorKind::Internal, message).with("model", self.0);
        let models = context.state_ref().read().config().get_extension::<ModelGraph>();
        let models = models.ok_or_else(|| internal("the session was given no models".to_owned()))?;
        let model = models.model(self.0).ok_or_else(|| internal("a model is missing".to_owned()))?;
        let values: BTreeMap<String, ScalarValue> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), ScalarValue::from(*value))).collect();
        graph::plan(context, model, &values).await
    }

    /// Plans the model and registers it under its own name.
    pub(super) async fn view(self, context: &SessionContext) -> Result<()> {
        self.view_as(context, self.0).await
    }

    /// Plans the model and registers it under another name.
    pub(super) async fn view_as(self, context: &SessionContext, name: &'static str) -> Result<()> {
        let frame = self.frame(context, &[]).await?;
        register(context, name, frame.into_view())
    }
}
