//! Allocation on tables in memory: every method by hand, and the laws that hold for all of them.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests fail by panicking, with the place")]

mod cells;
mod charge_targets;
mod elsewhere;
mod finality;
mod fixture;
mod followers;
mod inherited;
mod laws;
mod methods;
mod plans;
mod refused;
mod unit_economics;
