//! Columns of `src_focus__charges`, taken from the FOCUS catalog.
//!
//! The catalog is the one place that knows FOCUS; added here are columns older versions had and
//! the provider's own `x_` columns. Numbers keep the form they are delivered in, so decimals stay exact.

use std::collections::BTreeSet;

use apportion_focus::{ColumnType, catalog};

use crate::contract::{ColumnKind, PeriodColumn, SourceColumn, SourceContract, columns};

const REQUIRED: &[&str] = &[
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "ListCost",
    "ServiceCategory",
    "ServiceName",
];

/// Columns of 1.0 to 1.3 that 1.4 no longer has.
const DEPRECATED: &[&str] = &["ProviderName", "PublisherName"];
const KEY_VALUES: &[&str] = &["AllocatedTags", "SkuPriceDetails", "Tags"];
const OWN_TEXTS: &[&str] = &["x_Operation", "x_ServiceCode", "x_UsageType"];
const OWN_TEXT_MAPS: &[&str] = &["x_CostCategories"];
const OWN_NUMBER_MAPS: &[&str] = &["x_Discounts"];

/// Versions an export may have, newest first; the first with a column present decides.
const VERSIONS: &[&str] = &["1.4", "1.3", "1.2", "1.1"];

pub(super) fn focus() -> SourceContract {
    let mut all: Vec<SourceColumn> = catalog()
        .focus_columns()
        .filter(|column| !column.is_custom())
        .map(|column| {
            let kind = kind(&column.name, column.column_type);
            SourceColumn::plain(&column.name, kind, REQUIRED.contains(&column.name.as_str()))
        })
        .collect();
    for (kind, names) in [
        (ColumnKind::Text, DEPRECATED),
        (ColumnKind::Text, OWN_TEXTS),
        (ColumnKind::TextMap, OWN_TEXT_MAPS),
        (ColumnKind::NumberMap, OWN_NUMBER_MAPS),
    ] {
        all.extend(columns(kind, names, &[]));
    }
    let period = PeriodColumn::Time("BillingPeriodStart");
    SourceContract { ignore_case: true, json_maps: true, ..SourceContract::new("src_focus__charges", all, period) }
}

fn kind(name: &str, column_type: ColumnType) -> ColumnKind {
    match column_type {
        ColumnType::Json if KEY_VALUES.contains(&name) => ColumnKind::TextMap,
        ColumnType::Money | ColumnType::Quantity | ColumnType::Price | ColumnType::Share => ColumnKind::Amount,
        ColumnType::Timestamp => ColumnKind::Time,
        _ => ColumnKind::Text,
    }
}

/// The FOCUS version whose columns an export has.
pub(super) fn version(delivered: &BTreeSet<&str>) -> &'static str {
    let has = |version: &str| {
        catalog().focus_columns().any(|column| {
            column.introduced.as_deref() == Some(version)
                && delivered.iter().any(|name| name.eq_ignore_ascii_case(&column.name))
        })
    };
    VERSIONS.iter().copied().find(|version| has(version)).unwrap_or("1.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_required_column_exists_and_tags_are_maps() {
        let contract = focus();
        let required = contract.columns.iter().filter(|column| column.required).count();
        assert_eq!(required, REQUIRED.len());
        let tags = contract.columns.iter().find(|column| column.name == "Tags").unwrap();
        assert_eq!(tags.kind, ColumnKind::TextMap);
    }

    #[test]
    fn the_newest_column_present_tells_the_version() {
        assert_eq!(version(&BTreeSet::from(["BilledCost"])), "1.0");
        assert_eq!(version(&BTreeSet::from(["BilledCost", "skumeter"])), "1.1");
        assert_eq!(version(&BTreeSet::from(["InvoiceId", "SkuMeter"])), "1.2");
    }
}
