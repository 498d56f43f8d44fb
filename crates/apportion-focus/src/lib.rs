//! The FOCUS vocabulary: which columns exist, what they mean and which values they take.
//!
//! Everything that has to agree about a written table reads it from here: Arrow schemas, contract
//! checks, table comments, typed test inputs and the generated reference. The facts themselves are
//! two data files, `schema/focus-1.4.yaml` and `schema/tables.yaml`; a new FOCUS version is a new
//! file, not new code.
//!
//! The crate is pure: no DataFusion, no storage, no clock. That keeps its tests fast and lets other
//! tools use the vocabulary alone.
//!
//! ```
//! let focus = apportion_focus::catalog().focus();
//! let billed = focus.column("BilledCost").unwrap();
//! assert!(!billed.nullable);
//! assert_eq!(billed.data_type, arrow_schema::DataType::Decimal128(38, 12));
//! ```
//!
//! - [`catalog()`]: all table contracts, parsed once
//! - [`TableContract`], [`ColumnContract`]: one table, one column
//! - [`Projection`]: the same rows as FOCUS 1.2 or 1.3 spell them
//! - [`ServiceTaxonomy`]: service categories and their subcategories
#![deny(
    clippy::float_arithmetic,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::arithmetic_side_effects
)]

mod catalog;
mod column;
mod projection;
mod table;
mod taxonomy;
mod version;

pub use catalog::{Catalog, FOCUS_CHARGES, catalog};
pub use column::{ColumnContract, ColumnType, FeatureLevel, MONEY_PRECISION, MONEY_SCALE, PRICE_SCALE, RESIDUAL_SCALE};
pub use projection::{ProjectedColumn, Projection};
pub use table::TableContract;
pub use taxonomy::ServiceTaxonomy;
pub use version::FocusVersion;
