//! AWS Cost and Usage Report: legacy (Athena-compatible Parquet) and 2.0 (Data Exports).
//!
//! Both become one CUR 2.0-shaped relation `src_aws__cur`, so one SQL model serves both.

mod contract;
mod discover;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::contract::SourceContract;
use crate::discover::Classify;
use crate::registry::ExportFormat;

static CONTRACT: LazyLock<SourceContract> = LazyLock::new(contract::cur);

/// The legacy report.
#[derive(Debug)]
pub(crate) struct CurLegacy;

/// The report from Data Exports.
#[derive(Debug)]
pub(crate) struct Cur2;

impl ExportFormat for CurLegacy {
    fn contract(&self) -> &'static SourceContract {
        &CONTRACT
    }

    fn layout(&self) -> Classify {
        discover::LAYOUT
    }

    fn version(&self, _columns: &BTreeSet<&str>) -> Option<String> {
        None
    }
}

impl ExportFormat for Cur2 {
    fn contract(&self) -> &'static SourceContract {
        &CONTRACT
    }

    fn layout(&self) -> Classify {
        discover::LAYOUT
    }

    fn version(&self, _columns: &BTreeSet<&str>) -> Option<String> {
        None
    }
}
