//! The engine: tables in, streams out, and every number exact.
//!
//! It owns the DataFusion session, the money functions, the graph of SQL models, and the checks
//! that stand between a computed table and its publication. It knows neither object stores nor
//! table formats: sources are registered as tables, results leave as plans or streams.
//!
//! - [`session`]: one memory pool and spill directory, one set of settings, a session per unit.
//! - [`udf`]: exact money and identity functions, registered in every session.
//! - [`models`], [`graph`]: the SQL files, what they read, and how they become views.
//! - `identity`: what identifies the values that models compute.
//! - `seeds`: reviewed reference tables, and the rows a pipeline adds to them.
//! - [`contract`]: what a result must look like, checked before execution.
//! - `decimal_round`: rounded amounts have one type from planning to execution.
//! - [`checks`]: queries that must return no rows.
//! - [`fault`]: DataFusion's errors as the workspace's.
//! - [`sql_depth`]: how deep SQL that a person wrote may be.
//! - [`work_folder`]: local folders, and those that killed processes left.

pub mod allocation;
pub mod checks;
pub mod contract;
mod decimal_round;
pub mod fault;
pub mod graph;
mod identity;
pub mod models;
mod seeds;
pub mod session;
pub mod sql_depth;
mod sql_error;
pub mod udf;
pub mod work_folder;

pub use checks::CheckOutcome;
pub use graph::ModelGraph;
pub use models::{Layer, Model, Promise, Severity};
pub use seeds::SeedExtension;
pub use session::{Engine, EngineOptions};
pub use work_folder::WorkFolder;
