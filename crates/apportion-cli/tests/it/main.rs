//! Integration tests of the whole workspace, in one binary because linking is what costs time.
//!
//! A new test goes where its promise belongs: `tidy` guards the shape of the code, `reference` the
//! generated documentation, the others run the `apportion` binary as a user would.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on ends"
)]

mod answers;
mod bad_input;
mod bytes;
mod certified;
mod completeness;
mod crash;
mod currency;
mod damaged;
mod deep;
mod deliveries;
mod delta_tables;
mod diff;
mod earlier_files;
mod estate;
mod explain;
mod fixtures;
mod focus_versions;
mod foreign;
mod full_disk;
mod identity;
mod incremental;
mod memory;
mod native_months;
mod observe;
mod odd_rows;
mod old_days;
mod outputs;
mod owner;
mod promises;
mod questions;
mod reading;
mod real_csv;
mod real_exports;
mod real_variants;
mod reference;
mod round_trip;
mod s3;
mod sample;
mod secrets;
mod seed_reference;
mod seeds;
mod shrink;
mod states;
mod support;
mod terminals;
mod tidy;
mod unreadable;
mod vacuum;
mod vanishing;
mod verify;
mod withdrawn;
mod work_directory;
