//! The engine's tests that need a session: one binary, one module per concern.

mod case_table;
mod cases;
mod functions;
mod graph;
mod plans;
mod tidy;

use std::path::PathBuf;

/// The root of the repository.
fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
