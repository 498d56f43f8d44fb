//! The scalar functions that SQL models may rely on beside DataFusion's own.
//!
//! All of them are immutable and row-local, so results do not depend on batch sizes or on the
//! number of partitions. Money is split and converted here and nowhere else; each function is a
//! thin kernel over pure arithmetic (`exact`, `decimal_text`, `flat_json`) that is tested alone.

mod apportion;
mod column;
mod credits;
mod days;
mod exact;
mod flat_json;
mod function;
mod identity;
mod maps;
mod match_keys;
mod members;
mod merge_maps;
mod money;
mod numbers;

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;

/// All functions of this module, for another process that must offer the same ones.
#[must_use]
pub fn all() -> Vec<ScalarUDF> {
    [
        money::functions(),
        numbers::functions(),
        credits::functions(),
        apportion::functions(),
        identity::functions(),
        maps::functions(),
        merge_maps::functions(),
        match_keys::functions(),
        members::functions(),
        days::functions(),
    ]
    .into_iter()
    .flatten()
    .map(ScalarUDF::from)
    .collect()
}

/// Registers every function of this module in a session.
pub fn register_all(context: &SessionContext) {
    for function in all() {
        context.register_udf(function);
    }
}

/// One function by name, to build expressions without a session.
#[must_use]
pub fn named(name: &str) -> Option<ScalarUDF> {
    all().into_iter().find(|function| function.name() == name)
}
