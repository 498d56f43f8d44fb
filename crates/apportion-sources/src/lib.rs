//! Finds billing exports and telemetry, and conforms them to source contracts.
//!
//! An export is not a table: it is delivered again and again, its columns differ by month and
//! account, and listing it twice can give two answers. This crate turns one billing period of one
//! export into one relation with fixed columns, or says exactly what is wrong with which object.
//!
//! - [`Location`]: opens `s3://`, `gs://`, `az://`, `http(s)://`, `file://` and plain paths.
//! - [`format()`], [`inventory`], [`open_unit`]: the export formats, their periods, their relation.
//! - [`telemetry`]: usage measurements of any column names as one relation.
//!
//! ```no_run
//! # async fn example() -> apportion_spec::Result<()> {
//! use apportion_sources::{Location, Reading, StoreOptions, format, inventory, open_unit};
//! use apportion_spec::wire::SourceFormat;
//!
//! let location = Location::open("s3://bills/cur2/acme/", ".".as_ref(), &StoreOptions::default()).await?;
//! let cur = format(SourceFormat::AwsCur2);
//! let unit = inventory(cur, &location).await?.unit("2026-01".parse()?).await?;
//! let source = open_unit(cur, &location, unit, &Reading::default()).await?;
//! // context.register_table(source.relation, source.table.clone()) and read it with SQL, then:
//! source.verify_unchanged().await?;
//! # Ok(())
//! # }
//! ```

mod aws;
mod azure;
mod conform;
mod contract;
mod csv;
mod discover;
mod focus;
mod gcp;
mod marks;
mod objects;
mod offender;
pub mod registry;
mod repeats;
mod scan;
mod store;
pub mod telemetry;
mod unreadable;
mod violations;
mod words;

pub use conform::{SourceReport, SourceTable};
pub use contract::{
    ColumnKind, CommitmentSign, Datasets, DeliveryColumns, Fold, PeriodColumn, SourceColumn, SourceContract,
};
pub use csv::COPIES_PREFIX;
pub use discover::{
    Classify, CoverageOrigin, DayRange, Days, Delivery, DiscoveredUnit, Inventory, KeyKind, ManifestIdentity, PeriodsOf,
};
pub use registry::{ExportFormat, Reading, format, inventory, inventory_with, open_unit};
pub use store::{Location, StaticCredentials, StoreOptions, store_error};
