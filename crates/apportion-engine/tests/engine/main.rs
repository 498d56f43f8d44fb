//! The engine's tests that need a session: one binary, one module per concern.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, with the place"
)]

mod broken;
mod broken_tables;
mod case_table;
mod cases;
mod checks;
mod functions;
mod graph;
mod identity;
mod order;
mod plans;
mod seeds;
mod tidy;

use std::path::PathBuf;

/// The root of the repository.
fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
