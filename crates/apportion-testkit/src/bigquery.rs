//! Google Cloud billing rows as BigQuery writes them to Parquet, from JSON.
//!
//! `NUMERIC` is DECIMAL(38, 9), a timestamp has no time zone although it is UTC, records are
//! structs and repeated records are lists. A row names only what it is about; the rest is NULL.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use arrow::json::ReaderBuilder;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn double(name: &str) -> Field {
    Field::new(name, DataType::Float64, true)
}

fn numeric(name: &str) -> Field {
    Field::new(name, DataType::Decimal128(38, 9), true)
}

fn time(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, None), true)
}

fn record(name: &str, fields: Vec<Field>) -> Field {
    Field::new(name, DataType::Struct(Fields::from(fields)), true)
}

fn texts(name: &str, fields: &[&str]) -> Field {
    record(name, fields.iter().map(|field| text(field)).collect())
}

fn repeated(name: &str, entry: &Field) -> Field {
    let element = Field::new("element", entry.data_type().clone(), true);
    Field::new(name, DataType::List(Arc::new(element)), true)
}

fn pairs(name: &str) -> Field {
    repeated(name, &texts("pair", &["key", "value"]))
}

/// A list of credits.
pub(crate) fn credits(name: &str) -> Field {
    let credit = vec![text("name"), double("amount"), text("full_name"), text("id"), text("type")];
    repeated(name, &record("credit", credit))
}

/// The detailed usage cost export of 2026.
#[must_use]
pub fn detailed() -> Schema {
    let ancestors = texts("ancestor", &["resource_name", "display_name"]);
    let project = vec![
        text("id"),
        text("number"),
        text("name"),
        pairs("labels"),
        text("ancestry_numbers"),
        repeated("ancestors", &ancestors),
    ];
    let tag = vec![text("key"), text("value"), Field::new("inherited", DataType::Boolean, true), text("namespace")];
    let price = vec![
        numeric("effective_price"),
        numeric("tier_start_amount"),
        text("unit"),
        numeric("pricing_unit_quantity"),
        numeric("list_price"),
        numeric("effective_price_default"),
        numeric("list_price_consumption_model"),
    ];
    let usage = vec![double("amount"), text("unit"), double("amount_in_pricing_units"), text("pricing_unit")];
    Schema::new(vec![
        text("billing_account_id"),
        texts("service", &["id", "description"]),
        texts("sku", &["id", "description"]),
        time("usage_start_time"),
        time("usage_end_time"),
        record("project", project),
        pairs("labels"),
        pairs("system_labels"),
        texts("location", &["location", "country", "region", "zone"]),
        repeated("tags", &record("tag", tag)),
        texts("resource", &["name", "global_name"]),
        record("price", price),
        texts("subscription", &["instance_id"]),
        text("transaction_type"),
        text("seller_name"),
        time("export_time"),
        double("cost"),
        text("currency"),
        double("currency_conversion_rate"),
        record("usage", usage),
        credits("credits"),
        texts("invoice", &["month", "publisher_type"]),
        text("cost_type"),
        texts("adjustment_info", &["id", "description", "mode", "type"]),
        double("cost_at_list"),
        double("cost_at_effective_price_default"),
        double("cost_at_list_consumption_model"),
        texts("consumption_model", &["id", "description"]),
    ])
}

/// The FOCUS export (preview) of 2026: the members of its records have capitals, its amounts are `NUMERIC`.
#[must_use]
pub fn focus() -> Schema {
    const TEXTS: &[&str] = &[
        "AvailabilityZone",
        "BillingAccountId",
        "BillingAccountType",
        "BillingCurrency",
        "ChargeCategory",
        "ChargeClass",
        "ChargeDescription",
        "ConsumedUnit",
        "PricingCategory",
        "PricingCurrency",
        "PricingUnit",
        "ProviderName",
        "PublisherName",
        "RegionId",
        "RegionName",
        "ResourceId",
        "ResourceName",
        "ServiceName",
        "SkuId",
        "SkuPriceId",
        "SubAccountId",
        "SubAccountName",
        "x_CostType",
        "x_Location",
        "x_ServiceId",
        "x_SubscriptionInstanceId",
        "x_ConsumptionModelId",
        "x_ConsumptionModelDescription",
    ];
    const AMOUNTS: &[&str] = &[
        "BilledCost",
        "ConsumedQuantity",
        "ContractedCost",
        "ContractedUnitPrice",
        "EffectiveCost",
        "ListCost",
        "ListUnitPrice",
        "PricingCurrencyContractedUnitPrice",
        "PricingCurrencyEffectiveCost",
        "PricingCurrencyListUnitPrice",
        "PricingQuantity",
        "x_PriceEffectivePriceDefault",
        "x_PriceListPriceConsumptionModel",
        "x_CostAtEffectivePriceDefault",
        "x_CostAtListConsumptionModel",
    ];
    const TIMES: &[&str] =
        &["BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd", "x_ExportTime"];
    let labels = |name: &str| repeated(name, &texts("label", &["Key", "Value"]));
    let tag = vec![text("Key"), text("Value"), Field::new("x_Inherited", DataType::Boolean, true), text("x_Namespace")];
    let credit = vec![text("Name"), numeric("Amount"), text("FullName"), text("Id"), text("Type")];
    let ancestors = texts("ancestor", &["ResourceName", "DisplayName"]);
    let project =
        vec![text("Id"), text("Number"), text("Name"), text("AncestryNumbers"), repeated("Ancestors", &ancestors)];
    let mut fields: Vec<Field> = TEXTS.iter().map(|name| text(name)).collect();
    fields.extend(AMOUNTS.iter().map(|name| numeric(name)));
    fields.extend(TIMES.iter().map(|name| time(name)));
    fields.extend([
        double("x_CurrencyConversionRate"),
        record("x_Project", project),
        repeated("x_Credits", &record("credit", credit)),
        labels("x_Labels"),
        labels("x_ProjectLabels"),
        labels("x_SystemLabels"),
        repeated("x_Tags", &record("tag", tag)),
    ]);
    Schema::new(fields)
}

/// The same schema without some top-level columns, as older exports have it.
#[must_use]
pub fn without(schema: &Schema, names: &[&str]) -> Schema {
    let kept = schema.fields().iter().filter(|field| !names.contains(&field.name().as_str()));
    Schema::new(kept.cloned().collect::<Vec<_>>())
}

/// Rows as one Parquet object; members a row does not name are NULL.
///
/// # Panics
/// When a row does not fit the schema.
#[must_use]
#[expect(clippy::expect_used, reason = "a wrong fixture ends the test that wrote it")]
pub fn parquet(schema: Schema, rows: &[Value]) -> Bytes {
    let schema = Arc::new(schema);
    let mut decoder =
        ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(rows.len().max(1)).build_decoder().expect("schema");
    decoder.serialize(rows).expect("rows fit the schema");
    let batch = decoder.flush().expect("rows fit the schema");
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut content = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut content, schema, Some(properties)).expect("schema");
    if let Some(batch) = batch {
        writer.write(&batch).expect("batch");
    }
    writer.close().expect("footer");
    Bytes::from(content)
}
