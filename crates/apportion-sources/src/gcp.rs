//! Google Cloud billing: the detailed and the standard usage cost export, in Parquet from BigQuery.
//!
//! Nested records become flat columns of `src_gcp__line_items`; both exports and every age of them
//! give the same relation, with NULL for what they lack.

mod contract;
mod discover;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::contract::SourceContract;
use crate::discover::Classify;
use crate::registry::ExportFormat;

static CONTRACT: LazyLock<SourceContract> = LazyLock::new(contract::line_items);

/// The usage cost export.
#[derive(Debug)]
pub(crate) struct BillingExport;

impl ExportFormat for BillingExport {
    fn contract(&self) -> &'static SourceContract {
        &CONTRACT
    }

    fn layout(&self) -> Classify {
        discover::LAYOUT
    }

    fn version(&self, columns: &BTreeSet<&str>) -> Option<String> {
        let kind = if columns.contains("resource_global_name") { "detailed" } else { "standard" };
        Some(kind.to_owned())
    }
}
