//! Columns of `src_focus__charges`, taken from the FOCUS catalog.
//!
//! The catalog is the one place that knows FOCUS; added here are columns older versions had and
//! the providers' own columns, as far as the SQL reads them. Required are only columns every
//! provider delivers: Google has no service category, Oracle no contracted cost. Numbers keep the
//! form they are delivered in, so decimals stay exact.

use std::collections::BTreeSet;

use apportion_focus::{ColumnType, catalog};

use crate::contract::{ColumnKind, DeliveryColumns, PeriodColumn, SourceColumn, SourceContract, columns};

const REQUIRED: &[&str] = &[
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "EffectiveCost",
    "ListCost",
    "ServiceName",
];

const KEY_VALUES: &[&str] = &["AllocatedTags", "SkuPriceDetails", "Tags"];

/// Columns of 1.0 to 1.3 that 1.4 no longer has.
const DEPRECATED: &[&str] = &["ProviderName", "PublisherName"];

/// Columns of 1.0-preview, which Oracle still delivers, under their old names.
const PREVIEW_TEXTS: &[&str] = &["ChargeSubcategory", "InvoiceIssuer", "Provider", "Publisher", "Region", "UsageUnit"];
const PREVIEW_NUMBERS: &[&str] = &["UsageQuantity"];

/// Own columns of AWS, Google, Microsoft and Oracle, in this order.
const OWN_TEXTS: &[&str] = &[
    "x_Operation",
    "x_ProviderName",
    "x_ServiceCode",
    "x_UsageType",
    "x_ConsumptionModelDescription",
    "x_ConsumptionModelId",
    "x_CostType",
    "x_Location",
    "x_ServiceId",
    "x_SubscriptionInstanceId",
    "x_CostAllocationRuleName",
    "x_CostCenter",
    "x_InvoiceId",
    "x_InvoiceSectionName",
    "x_PricingCurrency",
    "x_PricingUnitDescription",
    "x_PublisherCategory",
    "x_ResourceGroupName",
    "x_ResourceType",
    "x_SkuMeterCategory",
    "x_SkuMeterName",
    "x_SkuMeterSubcategory",
    "x_SkuOrderName",
    "oci_BackReferenceNumber",
    "oci_CompartmentName",
    "oci_ReferenceNumber",
];
const OWN_NUMBERS: &[&str] =
    &["x_BillingExchangeRate", "x_EffectiveUnitPrice", "x_OnDemandCost", "x_OnDemandUnitPrice", "x_PricingBlockSize"];
const OWN_TEXT_MAPS: &[&str] =
    &["x_CostCategories", "x_Labels", "x_ProjectLabels", "x_SkuDetails", KEPT, "x_SystemLabels", "x_Tags"];
/// Column of our own that holds the delivered columns a pipeline asks to keep.
const KEPT: &str = "x_SourceColumns";
const OWN_NUMBER_MAPS: &[&str] = &["x_Discounts"];
const OWN_CREDITS: &[&str] = &["x_Credits"];

/// Versions an export may have, newest first; the first with a column present decides.
const VERSIONS: &[&str] = &["1.4", "1.3", "1.2", "1.1"];

/// Columns that are no sign of their version, because Microsoft had them before.
const EARLY: &[&str] = &["BillingAccountType", "SubAccountType"];

/// Where and when what was used, and what it cost.
const TELLING: &[&str] = &[
    "BilledCost",
    "ChargePeriodStart",
    "EffectiveCost",
    "PricingQuantity",
    "ResourceId",
    "SkuPriceId",
    "SubAccountId",
];

/// What a later run of an export fills in or corrects.
const DELIVERY: DeliveryColumns = DeliveryColumns {
    day: "ChargePeriodStart",
    exported: None,
    telling: &["ChargeCategory", "ChargeDescription", "ChargePeriodStart", "ResourceId", "SkuPriceId", "SubAccountId"],
    settling: &["InvoiceId", "Tags"],
};

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
        (ColumnKind::Text, PREVIEW_TEXTS),
        (ColumnKind::Amount, PREVIEW_NUMBERS),
        (ColumnKind::Text, OWN_TEXTS),
        (ColumnKind::Amount, OWN_NUMBERS),
        (ColumnKind::TextMap, OWN_TEXT_MAPS),
        (ColumnKind::NumberMap, OWN_NUMBER_MAPS),
        (ColumnKind::Credits, OWN_CREDITS),
    ] {
        all.extend(columns(kind, names, &[]));
    }
    for column in all.iter_mut().filter(|column| column.name == "x_Operation") {
        // AWS calls the operation of what has none so.
        column.own_words = &["None"];
    }
    let period = PeriodColumn::Time("BillingPeriodStart");
    SourceContract {
        ignore_case: true,
        json_maps: true,
        kept: Some(KEPT),
        telling: TELLING,
        ..SourceContract::new("src_focus__charges", all, period, DELIVERY)
    }
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
                && !EARLY.contains(&column.name.as_str())
                && delivered.iter().any(|name| name.eq_ignore_ascii_case(&column.name))
        })
    };
    let oldest = if delivered.contains("ChargeSubcategory") { "1.0-preview" } else { "1.0" };
    VERSIONS.iter().copied().find(|version| has(version)).unwrap_or(oldest)
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
        assert_eq!(version(&BTreeSet::from(["BillingAccountType", "SubAccountType"])), "1.0");
        assert_eq!(version(&BTreeSet::from(["BilledCost", "ChargeSubcategory"])), "1.0-preview");
    }
}
