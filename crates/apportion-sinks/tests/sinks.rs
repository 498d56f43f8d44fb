//! One suite for every format and store, and what only one of them promises.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends at the first surprise, helpers included"
)]

#[path = "sinks/support.rs"]
mod support;

#[path = "sinks/certificate.rs"]
mod certificate;
#[path = "sinks/conformance.rs"]
mod conformance;
#[path = "sinks/crashes.rs"]
mod crashes;
#[path = "sinks/delta.rs"]
mod delta;
#[path = "sinks/ledger.rs"]
mod ledger;
#[path = "sinks/lock.rs"]
mod lock;
#[path = "sinks/parquet.rs"]
mod parquet_tables;
#[path = "sinks/reading.rs"]
mod reading;
#[path = "sinks/vacuum.rs"]
mod vacuum;
#[path = "sinks/writer.rs"]
mod writer;
