//! Sequences of deliveries over a known truth: whole months, halves, windows, runs again, rates that
//! change, files split, copied, late and removed, with and without manifests, in every layout of every
//! provider.
//!
//! A [`Shelf`] is the folder of an export together with what its files say in truth; a [`Provider`]
//! takes one step after the other on it.

mod providers;
mod shelf;

pub use providers::{PROVIDERS, Provider};
pub use shelf::{Random, Row, Shelf};
