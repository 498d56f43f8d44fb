//! Columns of `src_azure__line_items` and the names they had over the years.
//!
//! Schemas: <https://learn.microsoft.com/azure/cost-management-billing/dataset-schema/schema-index>
//! (read 2026-11). Names are matched without regard to case; of several that an object has, the
//! first with a value counts.

use crate::contract::{
    ColumnKind, CommitmentSign, Datasets, DeliveryColumns, PeriodColumn, SourceColumn, SourceContract,
};

type Columns = &'static [(&'static str, &'static [&'static str])];

const TEXTS: Columns = &[
    ("account_name", &["AccountName"]),
    ("account_owner_id", &["AccountOwnerId"]),
    ("availability_zone", &["AvailabilityZone"]),
    ("benefit_id", &["BenefitId"]),
    ("benefit_name", &["BenefitName"]),
    ("billing_account_id", &["BillingAccountId"]),
    ("billing_account_name", &["BillingAccountName"]),
    ("billing_currency", &["BillingCurrency", "BillingCurrencyCode", "Currency"]),
    ("billing_profile_id", &["BillingProfileId"]),
    ("billing_profile_name", &["BillingProfileName"]),
    ("charge_type", &["ChargeType"]),
    ("consumed_service", &["ConsumedService"]),
    ("cost_allocation_rule_name", &["CostAllocationRuleName"]),
    ("cost_center", &["CostCenter"]),
    ("customer_name", &["CustomerName"]),
    ("frequency", &["Frequency"]),
    ("invoice_id", &["InvoiceId"]),
    ("invoice_section_id", &["InvoiceSectionId"]),
    ("invoice_section_name", &["InvoiceSectionName", "InvoiceSection", "DepartmentName"]),
    ("meter_category", &["MeterCategory"]),
    ("meter_id", &["MeterId"]),
    ("meter_name", &["MeterName"]),
    ("meter_region", &["MeterRegion"]),
    ("meter_subcategory", &["MeterSubCategory"]),
    ("offer_id", &["OfferId"]),
    ("part_number", &["PartNumber"]),
    ("partner_name", &["PartnerName"]),
    ("plan_name", &["PlanName"]),
    ("pricing_currency", &["PricingCurrency", "PricingCurrencyCode"]),
    ("pricing_model", &["PricingModel"]),
    ("product_id", &["ProductId"]),
    ("product_name", &["ProductName", "Product"]),
    ("product_order_id", &["ProductOrderId"]),
    ("product_order_name", &["ProductOrderName"]),
    ("publisher_name", &["PublisherName"]),
    ("publisher_type", &["PublisherType"]),
    ("reservation_id", &["ReservationId"]),
    ("reservation_name", &["ReservationName"]),
    ("resource_group", &["ResourceGroup", "ResourceGroupName"]),
    ("resource_id", &["ResourceId", "InstanceId", "InstanceName"]),
    ("resource_location", &["ResourceLocation", "Location"]),
    ("resource_name", &["ResourceName"]),
    ("resource_type", &["ResourceType"]),
    ("service_family", &["ServiceFamily"]),
    ("service_info1", &["ServiceInfo1"]),
    ("service_info2", &["ServiceInfo2"]),
    ("subscription_id", &["SubscriptionId", "SubscriptionGuid"]),
    ("subscription_name", &["SubscriptionName"]),
    ("term", &["Term"]),
    ("unit_of_measure", &["UnitOfMeasure"]),
];

const TIMES: Columns = &[
    ("billing_period_end_date", &["BillingPeriodEndDate", "BillingPeriodEnd"]),
    ("billing_period_start_date", &["BillingPeriodStartDate", "BillingPeriodStart"]),
    ("date", &["Date", "UsageDateTime", "UsageDate"]),
    ("service_period_end_date", &["ServicePeriodEndDate", "ServicePeriodEnd"]),
    ("service_period_start_date", &["ServicePeriodStartDate", "ServicePeriodStart"]),
];

const AMOUNTS: Columns = &[
    ("cost", &["CostInBillingCurrency", "Cost", "PreTaxCost"]),
    ("cost_in_pricing_currency", &["CostInPricingCurrency"]),
    ("cost_in_usd", &["CostInUsd"]),
    ("effective_price", &["EffectivePrice", "ResourceRate"]),
    ("exchange_rate_pricing_to_billing", &["ExchangeRatePricingToBilling", "ExchangeRate"]),
    ("payg_cost_in_billing_currency", &["PaygCostInBillingCurrency"]),
    ("payg_price", &["PayGPrice", "MarketPrice"]),
    ("quantity", &["Quantity", "UsageQuantity"]),
    ("unit_price", &["UnitPrice"]),
];

/// The object in text, with or without braces; keys do not depend on case.
const TEXT_MAPS: Columns = &[("additional_info", &["AdditionalInfo"]), ("tags", &["Tags"])];

const REQUIRED: &[&str] =
    &["billing_currency", "cost", "date", "meter_category", "quantity", "resource_id", "subscription_id"];

const DATASETS: Datasets = Datasets {
    column: "dataset",
    names: ["ActualCost", "AmortizedCost"],
    both_needed_with: "pricing_model",
    commitment_signs: &[
        ("pricing_model", CommitmentSign::Says(&["reservation", "savingsplan"])),
        ("charge_type", CommitmentSign::Says(&["unusedreservation", "unusedsavingsplan"])),
        ("benefit_id", CommitmentSign::Names(NOTHING)),
        ("reservation_id", CommitmentSign::Names(NOTHING)),
    ],
};

/// What stands in the place of an id that there is not.
const NOTHING: &[&str] = &["00000000-0000-0000-0000-000000000000", "n/a", "unassigned"];

/// Where and when what was used, and what it cost.
const TELLING: &[&str] = &["cost", "date", "meter_id", "quantity", "resource_id"];

/// Rates and invoices of a month are corrected until it is closed.
const DELIVERY: DeliveryColumns = DeliveryColumns {
    day: "date",
    exported: None,
    telling: &["charge_type", "date", "meter_id", "resource_id", "subscription_id"],
    settling: &["dataset", "invoice_id", "tags"],
};

pub(super) fn line_items() -> SourceContract {
    let mut all = vec![SourceColumn::plain(DATASETS.column, ColumnKind::Text, false)];
    for (kind, columns) in [
        (ColumnKind::Text, TEXTS),
        (ColumnKind::Time, TIMES),
        (ColumnKind::Amount, AMOUNTS),
        (ColumnKind::TextMap, TEXT_MAPS),
    ] {
        let column = |(name, aliases): &(&str, &'static [&'static str])| SourceColumn {
            aliases,
            folds_case: kind == ColumnKind::TextMap,
            ..SourceColumn::plain(name, kind, REQUIRED.contains(name))
        };
        all.extend(columns.iter().map(column));
    }
    all.sort_by(|left, right| left.name.cmp(&right.name));
    SourceContract {
        ignore_case: true,
        json_maps: true,
        datasets: Some(DATASETS),
        telling: TELLING,
        ..SourceContract::new("src_azure__line_items", all, PeriodColumn::Time("date"), DELIVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_every_age_are_recognised() {
        let contract = line_items();
        let ranked = |name: &str, found: &str| contract.rank(found, contract.column(name).unwrap());
        assert_eq!(ranked("cost", "costInBillingCurrency"), Some(1));
        assert_eq!(ranked("cost", "PretaxCost"), Some(3));
        assert_eq!(ranked("subscription_id", "subscriptionGuid"), Some(2));
        assert_eq!(ranked("quantity", "Menge (Quantity)"), Some(0));
        assert_eq!(ranked("cost", "costInUsd"), None);
        assert_eq!(contract.columns.iter().filter(|column| column.required).count(), REQUIRED.len());
    }
}
