//! Test support for the other crates: an S3 server inside the test process and a fixture builder.
//!
//! [`s3::S3Server`] speaks real HTTP with Signature Version 4 on a loopback port, keeps its
//! objects in memory and can be told to misbehave ([`s3::Fault`]). [`fixture::ExportBuilder`]
//! writes small Parquet objects shaped like real exports from a few named values per row;
//! [`case::CASES`] has the smallest export of every format, and [`deliveries`] sequences of deliveries over a known
//! truth.
//!
//! Nothing here is published; failures end the test that caused them.

pub mod bigquery;
pub mod case;
pub mod deliveries;
pub mod fixture;
pub mod s3;

pub use fixture::{ColumnType, ExportBuilder, Value};
pub use s3::{Fault, Request, S3Server};
