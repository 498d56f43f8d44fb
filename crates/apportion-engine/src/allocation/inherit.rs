//! What followers inherit: dimensions of the usage they belong to, where they have none themselves.
//!
//! A tax or a credit names no team; the usage it follows does. The values travel as one JSON object
//! (`members_json`), because which dimensions there are differs between pipelines, and they tell the
//! quantities of a pool apart beside the target. Columns of the bill are never inherited: the service
//! of a tax is what the bill says. The trap avoided: a follower with a value of its own that is
//! counted under another.

use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::functions::core::expr_fn::{coalesce, get_field};
use datafusion::functions::string::expr_fn::concat_ws;
use datafusion::logical_expr::{Expr, ident, lit, when};

use super::frames::function;
use super::plan::AllocationPlan;

const NOTHING: Expr = Expr::Literal(ScalarValue::Utf8(None), None);

/// The inherited dimensions that a cell of these `values` lacks, by name: `x_Service,x_Team`. NULL
/// when it has them all.
pub(super) fn lacking(plan: &AllocationPlan, value: impl Fn(&str) -> Expr) -> Result<Expr, DataFusionError> {
    let mut names = Vec::new();
    for name in &plan.inherited {
        names.push(when(value(name).is_null(), lit(name.clone())).otherwise(NOTHING)?);
    }
    if names.is_empty() {
        return Ok(NOTHING);
    }
    let names = concat_ws(lit(","), names);
    when(names.clone().not_eq(lit("")), names).otherwise(NOTHING)
}

/// The dimensions that followers of a cell of these `values` may inherit, as one JSON object.
pub(super) fn inheritable(plan: &AllocationPlan, value: impl Fn(&str) -> Expr) -> Result<Expr, DataFusionError> {
    if plan.inherited.is_empty() {
        return Ok(NOTHING);
    }
    let members = plan.inherited.iter().flat_map(|name| [lit(name.clone()), value(name)]).collect();
    Ok(function("members_json")?.call(members))
}

/// A kept column of an allocated charge, given the columns `Dimensions` of its cell and `inherited`.
pub(super) fn kept(plan: &AllocationPlan, name: &str, inherited: &str) -> Result<Expr, DataFusionError> {
    let own = get_field(ident("Dimensions"), name);
    if !plan.inherited.iter().any(|known| known == name) {
        return Ok(own);
    }
    let inherited = function("tag")?.call(vec![ident(inherited), lit(name.to_owned())]);
    Ok(coalesce(vec![own, inherited]))
}
