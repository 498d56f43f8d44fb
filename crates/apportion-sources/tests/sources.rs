//! Promises of the source readers, on a real S3 protocol and on the local disk.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise, helpers included")]

#[path = "sources/aws_types.rs"]
mod aws_types;
#[path = "sources/azure.rs"]
mod azure;
#[path = "sources/coverage.rs"]
mod coverage;
#[path = "sources/credentials.rs"]
mod credentials;
#[path = "sources/data_exports.rs"]
mod data_exports;
#[path = "sources/flat.rs"]
mod flat;
#[path = "sources/focus.rs"]
mod focus;
#[path = "sources/gcp.rs"]
mod gcp;
#[path = "sources/gcp_lists.rs"]
mod gcp_lists;
#[path = "sources/legacy.rs"]
mod legacy;
#[path = "sources/real.rs"]
mod real;
#[path = "sources/repeats.rs"]
mod repeats;
#[path = "sources/stores.rs"]
mod stores;
#[path = "sources/suite.rs"]
mod suite;
#[path = "sources/support.rs"]
mod support;
#[path = "sources/telemetry.rs"]
mod telemetry;
#[path = "sources/unchanged.rs"]
mod unchanged;
