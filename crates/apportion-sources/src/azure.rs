//! Azure Cost Management: the actual and the amortized cost export of one scope, together.
//!
//! Enterprise and Microsoft Customer Agreement, CSP and pay-as-you-go, every version of the columns,
//! Parquet or CSV. Both datasets become one relation `src_azure__line_items` with the dataset of
//! each row; which rows of which dataset are charges is decided in SQL.

mod contract;
mod discover;

use std::collections::BTreeSet;
use std::sync::LazyLock;

pub(crate) use discover::{key_kind, run_in_name};

use crate::contract::SourceContract;
use crate::discover::Classify;
use crate::registry::ExportFormat;

static CONTRACT: LazyLock<SourceContract> = LazyLock::new(contract::line_items);

/// Actual and amortized cost.
#[derive(Debug)]
pub(crate) struct CostManagement;

impl ExportFormat for CostManagement {
    fn contract(&self) -> &'static SourceContract {
        &CONTRACT
    }

    fn layout(&self) -> Classify {
        discover::LAYOUT
    }

    fn version(&self, columns: &BTreeSet<&str>) -> Option<String> {
        let has = |name: &str| columns.contains(name);
        let agreement = match () {
            () if has("partner_name") && !has("billing_profile_id") => "partner agreement",
            () if has("exchange_rate_pricing_to_billing") => "customer agreement",
            () if has("pricing_model") || has("part_number") => "enterprise agreement",
            () => "pay-as-you-go",
        };
        Some(agreement.to_owned())
    }
}
