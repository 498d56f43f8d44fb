//! Rows of an Azure enrolment, in both data sets.

use apportion_testkit::deliveries::Random;

use super::{COSTS, Month, TEXTS, decimal, sometimes};

const HEADER: [&str; 24] = [
    "BillingCurrencyCode",
    "CostInBillingCurrency",
    "Date",
    "ChargeType",
    "Frequency",
    "PricingModel",
    "PublisherType",
    "SubscriptionId",
    "Quantity",
    "UnitOfMeasure",
    "EffectivePrice",
    "UnitPrice",
    "MeterId",
    "MeterCategory",
    "MeterSubCategory",
    "MeterName",
    "ResourceId",
    "ResourceName",
    "ResourceLocation",
    "ReservationId",
    "benefitId",
    "ProductName",
    "PartNumber",
    "ConsumedService",
];

fn field(random: &mut Random, name: &str) -> String {
    let text = match name {
        "ChargeType" => random.of(&[
            "Usage",
            "Usage",
            "Purchase",
            "Refund",
            "Tax",
            "RoundingAdjustment",
            "UnusedReservation",
            "UnusedSavingsPlan",
        ]),
        "Frequency" => random.of(&["UsageBased", "Recurring", "OneTime"]),
        "PricingModel" => random.of(&["OnDemand", "Reservation", "Spot", "SavingsPlan"]),
        "PublisherType" => random.of(&["Azure", "Marketplace", "Microsoft", "AWS"]),
        "Quantity" => random.of(&["0.5", "1", "-2", "10", "0"]),
        "UnitOfMeasure" => random.of(&["1 Hour", "100 Hours", "1M", "10K", "1 GB/Month", "", "Hours", "10000s"]),
        "EffectivePrice" | "UnitPrice" => random.of(&["", "0", "0.25", "1"]),
        "SubscriptionId" => "5f0c1a00-0000-4000-8000-000000000001",
        "MeterId" if sometimes(random, 80) => "a1b20000-0000-4000-8000-000000000001",
        "MeterCategory" if sometimes(random, 80) => "Virtual Machines",
        "ResourceId" if sometimes(random, 70) => {
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm"
        }
        "ReservationId" | "benefitId" if sometimes(random, 60) => "",
        _ => random.of(&TEXTS),
    };
    text.to_owned()
}

/// What a row costs in the actual and in the amortised data; `None` where it is not in them.
fn costs(kind: &str, is_committed: bool, cost: i64) -> (Option<i64>, Option<i64>) {
    match kind {
        "UnusedReservation" | "UnusedSavingsPlan" => (None, Some(cost)),
        "Usage" if is_committed => (Some(0), Some(cost)),
        "Purchase" | "Refund" if is_committed => (Some(cost), None),
        _ => (Some(cost), Some(cost)),
    }
}

pub(super) fn month(random: &mut Random) -> Month {
    let mut month = Month::default();
    let (mut actual, mut amortized) = (HEADER.join(",") + "\r\n", HEADER.join(",") + "\r\n");
    for _ in 0..3 + random.below(20) {
        let (cost, day) = (random.of(&COSTS), 1 + random.below(31));
        let fields = HEADER.map(|name| match name {
            "BillingCurrencyCode" => "EUR".to_owned(),
            "Date" => format!("01/{day:02}/2026"),
            _ => field(random, name),
        });
        let line = |cost: i64| {
            let fields = HEADER.iter().zip(&fields);
            let fields = fields.map(|(name, field)| match *name {
                "CostInBillingCurrency" => decimal(cost),
                _ => field.clone(),
            });
            fields.collect::<Vec<_>>().join(",") + "\r\n"
        };
        let [.., kind, _, model, _] = &fields[..7] else { unreachable!("seven columns") };
        let (billed, amortised) = costs(kind, ["Reservation", "SavingsPlan"].contains(&model.as_str()), cost);
        actual.extend(billed.map(line));
        amortized.extend(amortised.map(line));
        *month.billed.entry("EUR").or_default() += billed.unwrap_or_default();
    }
    month.objects.push(("actual/20260101-20260131/cost.csv", actual.into_bytes()));
    month.objects.push(("amortized/20260101-20260131/cost.csv", amortized.into_bytes()));
    month
}
