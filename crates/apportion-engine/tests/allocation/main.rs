//! Allocation on tables in memory: every method by hand, and the laws that hold for all of them.

mod fixture;
mod followers;
mod laws;
mod methods;
mod plans;
mod unit_economics;
