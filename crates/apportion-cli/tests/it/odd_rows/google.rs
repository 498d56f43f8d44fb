//! Rows of a Google Cloud export.

use apportion_testkit::bigquery;
use apportion_testkit::deliveries::Random;
use serde_json::{Value, json};

use super::{COSTS, Month, TEXTS, amount, sometimes};

const CREDITS: [Option<&str>; 10] = [
    Some("DISCOUNT"),
    Some("PROMOTION"),
    Some("COMMITTED_USAGE_DISCOUNT"),
    Some("FREE_TIER"),
    Some("RESELLER_MARGIN"),
    Some("SUBSCRIPTION_BENEFIT"),
    Some("COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE"),
    Some("SUSTAINED_USAGE_DISCOUNT"),
    Some("FEE_UTILIZATION_OFFSET"),
    None,
];

/// What stands in place of a record.
fn odd(random: &mut Random, column: &str) -> Value {
    let text = random.of(&TEXTS);
    match column {
        "project" => random_of(random, &[Value::Null, json!({"id": "p", "name": text}), json!({"id": text})]),
        "resource" => random_of(random, &[Value::Null, json!({"name": text}), json!({"global_name": "//x"})]),
        "location" => random_of(
            random,
            &[Value::Null, json!({"location": "global"}), json!({"location": text}), json!({"region": text})],
        ),
        "usage" => random_of(
            random,
            &[
                Value::Null,
                json!({"amount": 0.0, "unit": "seconds", "amount_in_pricing_units": 0.0, "pricing_unit": "hour"}),
                json!({"amount": -5.0, "unit": "bytes", "amount_in_pricing_units": -5.0, "pricing_unit": text}),
            ],
        ),
        "adjustment_info" => json!({"id": "a", "mode": "PARTIAL_CORRECTION", "type": text}),
        "sku" => random_of(random, &[Value::Null, json!({"id": "B1", "description": text})]),
        "service" => random_of(random, &[Value::Null, json!({"id": "X", "description": text})]),
        "cost_type" => json!(random.of(&["tax", "adjustment", "rounding_error"])),
        "transaction_type" => json!(random.of(&["THIRD_PARTY_RESELLER", "THIRD_PARTY_AGENCY"])),
        _ => Value::Null,
    }
}

fn random_of(random: &mut Random, values: &[Value]) -> Value {
    values.get(random.below(values.len())).cloned().unwrap_or_default()
}

const COLUMNS: [&str; 10] = [
    "project",
    "resource",
    "location",
    "usage",
    "adjustment_info",
    "sku",
    "service",
    "cost_type",
    "transaction_type",
    "cost_at_list",
];

pub(super) fn month(random: &mut Random) -> Month {
    let (mut rows, mut month) = (Vec::new(), Month::default());
    for _ in 0..3 + random.below(20) {
        let currency = random.of(&["USD", "USD", "USD", "EUR"]);
        let mut cost = random.of(&COSTS);
        let (day, hour) = (1 + random.below(30), random.below(22));
        let mut row = json!({
            "billing_account_id": "0123AB-4567CD-89EF01",
            "service": {"id": "6F81-5844-456A", "description": "Compute Engine"},
            "sku": {"id": "CF4E-A0C7-E3BF", "description": "N2 Instance Core running in Frankfurt"},
            "project": {"id": "shop", "number": "1", "name": "Shop"},
            "location": {"location": "europe-west3", "country": "DE", "region": "europe-west3"},
            "usage": {"amount": 3600.0, "unit": "seconds", "amount_in_pricing_units": 1.0, "pricing_unit": "hour"},
            "usage_start_time": format!("2026-01-{day:02}T{hour:02}:00:00"),
            "usage_end_time": format!("2026-01-{day:02}T{:02}:00:00", hour + 1),
            "export_time": "2026-02-02T04:00:00", "invoice": {"month": "202601"},
            "currency": currency, "cost": amount(cost), "cost_at_list": amount(cost), "cost_type": "regular",
        });
        for column in COLUMNS {
            if sometimes(random, 20) {
                row[column] = odd(random, column);
            }
        }
        let credits = if sometimes(random, 40) { 1 + random.below(3) } else { 0 };
        let credits: Vec<Value> = (0..credits)
            .map(|_| {
                let credit = random.of(&COSTS);
                cost += credit;
                let (name, kind) = (random.of(&TEXTS), random.of(&CREDITS));
                json!({"name": name, "amount": amount(credit), "full_name": name, "id": random.of(&TEXTS), "type": kind})
            })
            .collect();
        row["credits"] = Value::Array(credits);
        *month.billed.entry(currency).or_default() += cost;
        rows.push(row);
    }
    let object = bigquery::parquet(bigquery::detailed(), &rows);
    month.objects.push(("invoice_month=202601/bill.parquet", object.to_vec()));
    month
}
