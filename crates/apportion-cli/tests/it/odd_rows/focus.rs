//! Rows of a native FOCUS export.

use apportion_testkit::deliveries::Random;
use apportion_testkit::fixture::{ExportBuilder, Value};

use super::{COSTS, Month, TEXTS, amount, sometimes};

const TEXT_COLUMNS: [&str; 26] = [
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "SkuId",
    "SkuPriceId",
    "SkuMeter",
    "SubAccountId",
    "SubAccountName",
    "PricingUnit",
    "ConsumedUnit",
    "ServiceName",
    "ServiceCategory",
    "BillingAccountName",
    "ChargeDescription",
    "PublisherName",
    "InvoiceIssuerName",
    "PricingCategory",
    "ChargeFrequency",
    "CommitmentDiscountId",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "CommitmentDiscountCategory",
    "InvoiceId",
    "AvailabilityZone",
];

const AMOUNT_COLUMNS: [&str; 6] =
    ["ListCost", "ContractedCost", "ListUnitPrice", "ContractedUnitPrice", "PricingQuantity", "ConsumedQuantity"];

pub(super) fn month(random: &mut Random) -> Month {
    let (mut export, mut month) = (ExportBuilder::focus(), Month::default());
    for _ in 0..3 + random.below(20) {
        let (cost, day) = (random.of(&COSTS), 1 + random.below(30));
        *month.billed.entry("USD").or_default() += cost;
        let category = random.of(&["Usage", "Usage", "Usage", "Tax", "Credit", "Purchase", "Adjustment", "Refund"]);
        let start = if sometimes(random, 10) { "2025-12-20".to_owned() } else { format!("2026-01-{day:02}") };
        let mut row: Vec<(String, Value)> = vec![
            ("BilledCost".to_owned(), amount(cost).into()),
            ("EffectiveCost".to_owned(), amount(if sometimes(random, 80) { cost } else { random.of(&COSTS) }).into()),
            ("ChargeCategory".to_owned(), category.into()),
            ("ChargeClass".to_owned(), random.of(&["", "", "", "Correction"]).into()),
            ("ChargePeriodStart".to_owned(), format!("{start}T00:00:00Z").into()),
            ("ChargePeriodEnd".to_owned(), format!("2026-01-{:02}T00:00:00Z", day + 1).into()),
        ];
        for name in TEXT_COLUMNS {
            if sometimes(random, 15) {
                row.push((name.to_owned(), random.of(&TEXTS).into()));
            }
        }
        for name in AMOUNT_COLUMNS {
            if sometimes(random, 20) {
                row.push((name.to_owned(), amount(random.of(&COSTS)).into()));
            }
        }
        export = export.row_of(row);
    }
    let texts = [
        ("BillingAccountId", "1"),
        ("BillingCurrency", "USD"),
        ("BillingPeriodStart", "2026-01-01T00:00:00Z"),
        ("BillingPeriodEnd", "2026-02-01T00:00:00Z"),
        ("ServiceName", "Things"),
        ("ServiceCategory", "Compute"),
        ("ProviderName", "Vendor"),
        ("PublisherName", "Vendor"),
        ("InvoiceIssuerName", "Vendor"),
        ("ResourceId", "r"),
        ("ResourceType", "Thing"),
        ("SkuId", "sku"),
        ("SkuPriceId", "sku/1"),
        ("PricingUnit", "Hours"),
        ("ConsumedUnit", "Hours"),
        ("PricingCategory", "Standard"),
    ];
    let export = texts.into_iter().fold(export, |export, (name, text)| export.default_value(name, text));
    let export = AMOUNT_COLUMNS.into_iter().fold(export, |export, name| export.default_value(name, 1.0));
    month.objects.push(("2026-01/bill.parquet", export.parquet().to_vec()));
    month
}
