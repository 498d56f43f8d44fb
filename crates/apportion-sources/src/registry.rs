//! The export formats that can be read, one line each.
//!
//! A new provider is a folder with `discover.rs` and `contract.rs`, an [`ExportFormat`] and a line
//! in [`format()`]; everything else (listing, manifests, type checks, the scan) is shared.

use std::collections::BTreeSet;
use std::fmt::Debug;

use apportion_spec::Result;
use apportion_spec::wire::SourceFormat;

use crate::conform::{SourceTable, conform};
use crate::contract::SourceContract;
use crate::discover::{Classify, DiscoveredUnit, Inventory, PeriodsOf};
use crate::store::Location;
use crate::{aws, azure, focus, gcp};

/// One kind of billing export.
pub trait ExportFormat: Debug + Send + Sync {
    /// What the format promises its SQL.
    fn contract(&self) -> &'static SourceContract;

    /// How its keys are laid out.
    fn layout(&self) -> Classify;

    /// Version of the format that an export with these contract columns has.
    fn version(&self, columns: &BTreeSet<&str>) -> Option<String>;
}

/// What a pipeline says about how the values of an export are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Delivered columns that go into the relation's map of kept columns.
    pub kept: Vec<String>,
    /// Words that stand for no value, in text columns as well. Without a list such words are NULL where
    /// a column holds no text, and refused in the text columns of CSV, which may mean either.
    pub null_words: Option<Vec<String>>,
}

/// The format a pipeline names.
#[must_use]
pub fn format(format: SourceFormat) -> &'static dyn ExportFormat {
    match format {
        SourceFormat::AwsCurLegacy => &aws::CurLegacy,
        SourceFormat::AwsCur2 => &aws::Cur2,
        SourceFormat::GcpBillingExport => &gcp::BillingExport,
        SourceFormat::AzureCostManagement => &azure::CostManagement,
        SourceFormat::Focus => &focus::Focus,
    }
}

/// Lists a location and sorts its keys by billing period.
///
/// # Errors
/// See [`Inventory::take`].
pub async fn inventory(format: &dyn ExportFormat, location: &Location) -> Result<Inventory> {
    Inventory::take(location, format.layout(), format.contract()).await
}

/// As [`inventory`]; `remembered` says which billing periods an object has that names none and was looked into
/// before, so that only new ones must be.
///
/// # Errors
/// See [`Inventory::take`].
pub async fn inventory_with(
    format: &dyn ExportFormat,
    location: &Location,
    remembered: &PeriodsOf<'_>,
) -> Result<Inventory> {
    Inventory::take_with(location, format.layout(), format.contract(), remembered).await
}

/// Opens discovered objects as the relation of their format.
///
/// # Errors
/// [`apportion_spec::ErrorKind::ContractViolated`] naming object and column for a missing or wrongly typed
/// column or an unreadable object, and errors of the store.
pub async fn open_unit(
    format: &dyn ExportFormat,
    location: &Location,
    unit: DiscoveredUnit,
    reading: &Reading,
) -> Result<SourceTable> {
    let contract = format.contract();
    let mut table = conform(location, unit, contract, reading).await?;
    let absent: BTreeSet<&str> = table.report.absent_columns.iter().map(String::as_str).collect();
    let names = contract.columns.iter().map(|column| column.name.as_str());
    table.report.version = format.version(&names.filter(|name| !absent.contains(name)).collect());
    Ok(table)
}
