//! Pipelines as validated types: what the user declares, before anything is read or written.
//!
//! Pure vocabulary: no I/O, no clock, no DataFusion. Everything else in the workspace meets in
//! these types. A pipeline document is parsed, checked as a whole (all mistakes are reported
//! together, each with line and column) and turned into types whose constructors make wrong
//! states impossible. What sources and engine must read or write alike ([`decimal_text`],
//! [`match_key`]) is here, once.

pub mod decimal_text;
mod document;
mod error;
mod identity;
mod kept;
pub mod location;
pub mod match_key;
mod period;
pub mod pipeline;
pub mod printable;
pub mod secret;
mod suggest;
mod validate;

pub use document::wire;
pub use error::{Error, ErrorKind, Result};
pub use kept::{KeptForm, canonical, kept_form};
pub use period::BillingPeriod;
pub use pipeline::Pipeline;
pub use suggest::{did_you_mean, nearest};
pub use validate::{Survey, Vocabulary, dimension_column, json_schema};
