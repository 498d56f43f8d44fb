//! Columns of `src_gcp__line_items` and where they lie in the export's nested records.
//!
//! Schema: <https://docs.cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/detailed-usage>
//! (read 2026-11). The standard export lacks `resource` and `price`; older files lack more.

use crate::contract::{ColumnKind, DeliveryColumns, PeriodColumn, SourceColumn, SourceContract};

type Columns = &'static [(&'static str, &'static [&'static str])];

const TEXTS: Columns = &[
    ("adjustment_description", &["adjustment_info", "description"]),
    ("adjustment_id", &["adjustment_info", "id"]),
    ("adjustment_mode", &["adjustment_info", "mode"]),
    ("adjustment_type", &["adjustment_info", "type"]),
    ("billing_account_id", &["billing_account_id"]),
    ("consumption_model_description", &["consumption_model", "description"]),
    ("consumption_model_id", &["consumption_model", "id"]),
    ("cost_type", &["cost_type"]),
    ("currency", &["currency"]),
    ("invoice_month", &["invoice", "month"]),
    ("invoice_publisher_type", &["invoice", "publisher_type"]),
    ("location_country", &["location", "country"]),
    ("location_location", &["location", "location"]),
    ("location_region", &["location", "region"]),
    ("location_zone", &["location", "zone"]),
    ("price_unit", &["price", "unit"]),
    ("project_id", &["project", "id"]),
    ("project_name", &["project", "name"]),
    ("project_number", &["project", "number"]),
    ("resource_global_name", &["resource", "global_name"]),
    ("resource_name", &["resource", "name"]),
    ("seller_name", &["seller_name"]),
    ("service_description", &["service", "description"]),
    ("service_id", &["service", "id"]),
    ("sku_description", &["sku", "description"]),
    ("sku_id", &["sku", "id"]),
    ("subscription_instance_id", &["subscription", "instance_id"]),
    ("transaction_type", &["transaction_type"]),
    ("usage_pricing_unit", &["usage", "pricing_unit"]),
    ("usage_unit", &["usage", "unit"]),
];

const TIMES: Columns = &[
    ("export_time", &["export_time"]),
    ("usage_end_time", &["usage_end_time"]),
    ("usage_start_time", &["usage_start_time"]),
];

const AMOUNTS: Columns = &[
    ("cost", &["cost"]),
    ("cost_at_effective_price_default", &["cost_at_effective_price_default"]),
    ("cost_at_list", &["cost_at_list"]),
    ("cost_at_list_consumption_model", &["cost_at_list_consumption_model"]),
    ("currency_conversion_rate", &["currency_conversion_rate"]),
    ("price_effective_price", &["price", "effective_price"]),
    ("price_effective_price_default", &["price", "effective_price_default"]),
    ("price_list_price", &["price", "list_price"]),
    ("price_list_price_consumption_model", &["price", "list_price_consumption_model"]),
    ("price_pricing_unit_quantity", &["price", "pricing_unit_quantity"]),
    ("price_tier_start_amount", &["price", "tier_start_amount"]),
    ("usage_amount", &["usage", "amount"]),
    ("usage_amount_in_pricing_units", &["usage", "amount_in_pricing_units"]),
];

const TEXT_MAPS: Columns = &[
    ("labels", &["labels"]),
    ("project_labels", &["project", "labels"]),
    ("system_labels", &["system_labels"]),
    ("tags", &["tags"]),
];

const CREDITS: Columns = &[("credits", &["credits"])];

const REQUIRED: &[&str] = &[
    "billing_account_id",
    "cost",
    "cost_type",
    "credits",
    "currency",
    "invoice_month",
    "service_description",
    "service_id",
    "sku_description",
    "sku_id",
    "usage_end_time",
    "usage_start_time",
];

/// Where and when what was used, and what it cost.
const TELLING: &[&str] = &["cost", "project_id", "resource_name", "sku_id", "usage_amount", "usage_start_time"];

/// Google adds rows and never changes them: <https://cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/detailed-usage>.
const DELIVERY: DeliveryColumns =
    DeliveryColumns { day: "usage_start_time", exported: Some("export_time"), telling: &[], settling: &[] };

pub(super) fn line_items() -> SourceContract {
    let mut all: Vec<SourceColumn> = Vec::new();
    for (kind, columns) in [
        (ColumnKind::Text, TEXTS),
        (ColumnKind::Time, TIMES),
        (ColumnKind::Amount, AMOUNTS),
        (ColumnKind::TextMap, TEXT_MAPS),
        (ColumnKind::Credits, CREDITS),
    ] {
        let column = |(name, path): &(&str, &'static [&'static str])| SourceColumn {
            path,
            ..SourceColumn::plain(name, kind, REQUIRED.contains(name))
        };
        all.extend(columns.iter().map(column));
    }
    all.sort_by(|left, right| left.name.cmp(&right.name));
    SourceContract {
        telling: TELLING,
        ..SourceContract::new("src_gcp__line_items", all, PeriodColumn::Month("invoice_month"), DELIVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_required_column_is_in_the_contract() {
        let contract = line_items();
        assert_eq!(contract.columns.iter().filter(|column| column.required).count(), REQUIRED.len());
    }
}
