//! Native FOCUS exports: the provider has mapped its bill already.
//!
//! Column names are matched without regard to case, because the catalogues exports pass through
//! lower them; numbers may be doubles or decimals, tags maps or JSON text.

mod contract;
mod discover;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::contract::SourceContract;
use crate::discover::Classify;
use crate::registry::ExportFormat;

static CONTRACT: LazyLock<SourceContract> = LazyLock::new(contract::focus);

/// A FOCUS export, version 1.0 or later.
#[derive(Debug)]
pub(crate) struct Focus;

impl ExportFormat for Focus {
    fn contract(&self) -> &'static SourceContract {
        &CONTRACT
    }

    fn layout(&self) -> Classify {
        discover::LAYOUT
    }

    fn version(&self, columns: &BTreeSet<&str>) -> Option<String> {
        Some(contract::version(columns).to_owned())
    }
}
