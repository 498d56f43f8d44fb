//! Charges do not depend on the order of the rows they are made from.
//!
//! Rows of most exports have no id: the key of a charge is a hash over what its row says, and rows
//! that say the same are numbered. Two rows that differ in a column the hash forgets would be numbered
//! by chance, and a rerun over other files would give other bytes. So every delivered column is
//! tried: pairs of rows that differ in it alone, once in this order and once in the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use apportion_engine::{Engine, EngineOptions, ModelGraph};
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;

use crate::case_table::{TextTable, text_rows};
use crate::plans::{PROVIDERS, parameters};
use crate::repository;

/// What every row of a provider says, and its column that numbers the pairs.
fn base(source: &str) -> (&'static [(&'static str, &'static str)], &'static str) {
    match source {
        "src_gcp__line_items" => (
            &[
                ("billing_account_id", "1"),
                ("cost", "8"),
                ("cost_type", "regular"),
                ("currency", "USD"),
                ("invoice_month", "202601"),
                ("service_id", "6F81-5844-456A"),
                ("sku_id", "S"),
                ("usage_start_time", "2026-01-05T00:00:00Z"),
                ("usage_end_time", "2026-01-06T00:00:00Z"),
                ("usage_amount", "4"),
                ("usage_amount_in_pricing_units", "4"),
            ],
            "resource_name",
        ),
        "src_azure__line_items" => (
            &[
                ("dataset", "AmortizedCost"),
                ("date", "2026-01-05T00:00:00Z"),
                ("billing_currency", "USD"),
                ("charge_type", "Usage"),
                ("cost", "8"),
                ("meter_category", "Storage"),
                ("quantity", "4"),
                ("subscription_id", "1"),
            ],
            "resource_id",
        ),
        _ => (
            &[
                ("BilledCost", "8"),
                ("BillingAccountId", "1"),
                ("BillingCurrency", "USD"),
                ("BillingPeriodStart", "2026-01-01T00:00:00Z"),
                ("BillingPeriodEnd", "2026-02-01T00:00:00Z"),
                ("ChargeCategory", "Usage"),
                ("ChargePeriodStart", "2026-01-05T00:00:00Z"),
                ("ChargePeriodEnd", "2026-01-06T00:00:00Z"),
                ("EffectiveCost", "8"),
                ("InvoiceIssuerName", "Example"),
                ("ListCost", "8"),
                ("PricingQuantity", "4"),
                ("ServiceName", "Example"),
            ],
            "ResourceId",
        ),
    }
}

/// Two values of a column of this kind.
fn values(kind: &str) -> [&'static str; 2] {
    match kind {
        "timestamp" => ["2026-01-07T00:00:00Z", "2026-01-08T00:00:00Z"],
        "float64" => ["2", "3"],
        "map" => [r#"{"a": "x"}"#, r#"{"a": "y"}"#],
        "map_float64" => [r#"{"a": -1}"#, r#"{"a": -2}"#],
        "credits" => {
            [r#"[{"type": "DISCOUNT", "amount": -1, "id": "x"}]"#, r#"[{"type": "DISCOUNT", "amount": -1, "id": "y"}]"#]
        }
        "bool" => ["true", "false"],
        _ => ["first", "other"],
    }
}

/// What rows say in a column that none of them is about.
fn same(kind: &str) -> &'static str {
    match kind {
        "timestamp" => "2026-01-06T00:00:00Z",
        "float64" => "1",
        "map" => r#"{"b": "z"}"#,
        "map_float64" => r#"{"b": -1}"#,
        "credits" => r#"[{"type": "DISCOUNT", "amount": -0.5, "id": "z"}]"#,
        "bool" => "true",
        _ => "same",
    }
}

#[tokio::test]
async fn rows_that_differ_in_one_column_give_the_same_charges_in_any_order() {
    let models = repository().join("testdata/models");
    let graph = ModelGraph::from_dir(&repository().join("sql")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut options = EngineOptions::new(directory.path());
    options.target_partitions = 1;
    let engine = Engine::try_new(&options).unwrap();
    let mut ambiguous = Vec::new();
    // Rows of AWS have an id, and a check that it is unique.
    for (source, map) in PROVIDERS.into_iter().filter(|(source, _)| *source != "src_aws__cur") {
        let columns: Vec<(String, String)> = TextTable::read(&models.join(format!("schemas/{source}.csv")))
            .header
            .iter()
            .map(|header| header.split_once(':').unwrap())
            .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
            .collect();
        let (base, pair) = base(source);
        // The number of a pair is in its resource; which dataset and month a row is of decides whether it counts.
        let decides = [pair, "dataset", "invoice_month"];
        let tried: Vec<&(String, String)> =
            columns.iter().filter(|(name, _)| !decides.contains(&name.as_str())).collect();
        // Beside rows that say only what they must, and beside rows that say something in every column.
        let mut rows = Vec::new();
        for (index, (changed, kind)) in tried.iter().enumerate() {
            for (filled, value) in
                [false, true].into_iter().flat_map(|filled| values(kind).map(|value| (filled, value)))
            {
                let cell = |(name, kind): &(String, String)| {
                    let usual = base.iter().find(|(known, _)| known == name).map(|(_, value)| (*value).to_owned());
                    if name == changed {
                        Some(value.to_owned())
                    } else if name == pair {
                        Some(format!("{} {index}", if filled { "filled" } else { "bare" }))
                    } else {
                        usual.or_else(|| filled.then(|| same(kind).to_owned()))
                    }
                };
                rows.push(columns.iter().map(cell).collect::<Vec<_>>());
            }
        }
        let header = columns.iter().map(|(name, kind)| format!("{name}:{kind}")).collect::<Vec<_>>();
        let mut answers = Vec::new();
        for reversed in [false, true] {
            if reversed {
                rows.reverse();
            }
            let table = TextTable { header: header.clone(), rows: rows.clone(), ..TextTable::default() };
            let batch = table.typed(source, &models);
            let context = engine.new_context();
            let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
            context.register_table(TableReference::bare(source), Arc::new(table)).unwrap();
            let charges = graph.dataframe(&context, map, &parameters()).await.unwrap();
            let place = charges.schema().fields().iter().position(|field| field.name() == "ResourceId").unwrap();
            let batches = charges.collect().await.unwrap();
            let answer: BTreeSet<(Option<String>, Vec<Option<String>>)> =
                batches.iter().flat_map(text_rows).map(|row| (row[place].clone(), row)).collect();
            answers.push(answer);
        }
        assert!(answers[0].len() >= rows.len(), "{source}: only {} charges", answers[0].len());
        let pairs: BTreeSet<Option<String>> =
            answers[0].symmetric_difference(&answers[1]).map(|(resource, _)| resource.clone()).collect();
        for resource in pairs {
            let resource = resource.unwrap_or_default();
            let number: Option<usize> = resource.rsplit(' ').next().and_then(|number| number.parse().ok());
            let column = number.and_then(|number| tried.get(number)).map_or("?", |(name, _)| name.as_str());
            ambiguous.push(format!("{source}.{column} ({resource})"));
        }
    }
    assert!(ambiguous.is_empty(), "the key of a charge forgets {ambiguous:#?}");
}

/// Staged columns that follow from others in the key: (staging, where the key is made, columns).
const FOLLOW: [(&str, &str, &[&str]); 3] = [
    (
        "stg_gcp__line_items",
        "intermediate/focus/int_focus__gcp_items.sql",
        // The month is the unit's, a type is part of an id, and the key has credits as one text.
        &[
            "billing_period_start",
            "billing_period_end",
            "resource_type",
            "credits",
            "credit_count",
            "credits_by_type",
            "sustained_use_credits",
            "discount_credits",
            "resource_commitment_credits",
            "spend_commitment_credits",
            "fee_offset_credits",
            "discounts",
        ],
    ),
    // In one case; the key has it as delivered.
    ("stg_azure__line_items", "intermediate/focus/int_focus__azure_items.sql", &["charge_type"]),
    (
        "stg_focus__charges",
        "intermediate/focus/int_focus__native_items.sql",
        // The key has the commitment that was found and amounts with all their decimals.
        &[
            "commitment_id",
            "list_cost",
            "contracted_cost",
            "pricing_quantity",
            "has_no_length",
            "has_no_region_id",
            "has_own_invoice_id",
            "has_own_tags",
        ],
    ),
];

#[tokio::test]
async fn every_staged_column_is_in_the_key_or_follows_from_it() {
    let graph = ModelGraph::from_dir(&repository().join("sql")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::try_new(&EngineOptions::new(directory.path())).unwrap();
    for (staging, file, follow) in FOLLOW {
        let source = staging.replacen("stg_", "src_", 1);
        let source = source.as_str();
        let context = engine.new_context();
        let batch = TextTable::default().typed(source, &repository().join("testdata/models"));
        let table = MemTable::try_new(batch.schema(), vec![vec![]]).unwrap();
        context.register_table(TableReference::bare(source), Arc::new(table)).unwrap();
        let staged = graph.dataframe(&context, staging, &parameters()).await.unwrap();
        let sql = std::fs::read_to_string(repository().join("sql").join(file)).unwrap();
        let (before, _) = sql.split_once(") as charge_key").unwrap();
        let (_, key) = before.rsplit_once("charge_id(").unwrap();
        let named: BTreeSet<&str> =
            key.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
        let forgotten: Vec<String> = staged
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .filter(|name| !named.contains(name.as_str()) && !follow.contains(&name.as_str()))
            .collect();
        assert!(forgotten.is_empty(), "the key of {file} forgets {forgotten:?}");
        let idle: Vec<_> = follow.iter().filter(|name| named.contains(**name)).collect();
        assert!(idle.is_empty(), "{file} has {idle:?} in its key");
    }
}
