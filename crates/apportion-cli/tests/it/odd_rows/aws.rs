//! Line items of AWS.

use apportion_testkit::deliveries::Random;
use apportion_testkit::fixture::{ExportBuilder, Value};

use super::{COSTS, Month, TEXTS, amount, sometimes};

const KINDS: [&str; 17] = [
    "Usage",
    "Usage",
    "Usage",
    "Tax",
    "Credit",
    "Refund",
    "Fee",
    "RIFee",
    "DiscountedUsage",
    "SavingsPlanCoveredUsage",
    "SavingsPlanNegation",
    "SavingsPlanRecurringFee",
    "SavingsPlanUpfrontFee",
    "EdpDiscount",
    "BundledDiscount",
    "PrivateRateDiscount",
    "RiVolumeDiscount",
];

const TEXT_COLUMNS: [&str; 12] = [
    "line_item_resource_id",
    "product_sku",
    "product_region_code",
    "line_item_usage_type",
    "line_item_operation",
    "line_item_availability_zone",
    "pricing_rate_code",
    "pricing_unit",
    "product_product_family",
    "bill_invoice_id",
    "line_item_legal_entity",
    "line_item_line_item_description",
];

const AMOUNT_COLUMNS: [&str; 7] = [
    "pricing_public_on_demand_cost",
    "reservation_effective_cost",
    "savings_plan_savings_plan_effective_cost",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
];

pub(super) fn month(random: &mut Random) -> Month {
    let (mut export, mut month) = (ExportBuilder::cur2(), Month::default());
    for index in 0..3 + random.below(20) {
        let (kind, cost) = (random.of(&KINDS), random.of(&COSTS));
        let currency = random.of(&["USD", "USD", "USD", "EUR"]);
        *month.billed.entry(currency).or_default() += cost;
        let (day, hour) = (1 + random.below(30), random.below(22));
        let end = match random.below(3) {
            0 => format!("2026-01-{day:02}T{hour:02}:59:59Z"),
            1 => "2026-02-01T00:00:00Z".to_owned(),
            _ => format!("2026-01-{day:02}T{:02}:00:00Z", hour + 1),
        };
        let mut row: Vec<(String, Value)> = vec![
            ("identity_line_item_id".to_owned(), format!("item-{index}").into()),
            ("line_item_line_item_type".to_owned(), kind.into()),
            ("line_item_unblended_cost".to_owned(), amount(cost).into()),
            ("line_item_currency_code".to_owned(), currency.into()),
            ("line_item_usage_start_date".to_owned(), format!("2026-01-{day:02}T{hour:02}:00:00Z").into()),
            ("line_item_usage_end_date".to_owned(), end.into()),
            ("line_item_product_code".to_owned(), random.of(&["AmazonEC2", "AmazonS3", "abc1", "AWSSupport"]).into()),
        ];
        for name in TEXT_COLUMNS {
            if sometimes(random, 40) {
                row.push((name.to_owned(), random.of(&TEXTS).into()));
            }
        }
        for name in AMOUNT_COLUMNS {
            if sometimes(random, 40) {
                row.push((name.to_owned(), amount(random.of(&COSTS)).into()));
            }
        }
        if sometimes(random, 70) {
            row.push(("line_item_usage_amount".to_owned(), random.of(&[0.0, 1.0, -1.0, 1e-9, 5e8]).into()));
        }
        let number = random.below(2);
        if kind.starts_with("SavingsPlan") {
            let arn = format!("arn:aws:savingsplans::111122223333:savingsplan/{number}");
            row.push(("savings_plan_savings_plan_a_r_n".to_owned(), arn.into()));
        }
        if ["DiscountedUsage", "RIFee"].contains(&kind) {
            let arn = format!("arn:aws:ec2:eu-central-1:111122223333:reserved-instances/{number}");
            row.push(("reservation_reservation_a_r_n".to_owned(), arn.into()));
        }
        if sometimes(random, 10) {
            row.push(("bill_billing_entity".to_owned(), "AWS Marketplace".into()));
        }
        export = export.row_of(row);
    }
    let object = export
        .default_value("bill_payer_account_id", "000011112222")
        .default_value("line_item_usage_account_id", "000033334444")
        .default_value("bill_billing_period_start_date", "2026-01-01T00:00:00Z")
        .default_value("bill_billing_period_end_date", "2026-02-01T00:00:00Z")
        .default_value("identity_time_interval", "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z")
        .parquet();
    month.objects.push(("data/BILLING_PERIOD=2026-01/bill-00001.snappy.parquet", object.to_vec()));
    month
}
