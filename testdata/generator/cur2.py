"""Physical shape of a CUR 2.0 Data Export (table COST_AND_USAGE_REPORT): columns, types, layout.

One module, so that the sample, the fixtures and the benchmark cannot disagree about a type.
Nested maps follow the export: MAP(key_value{key required, value optional}); timestamps are
INT64 milliseconds UTC; rates and commitment start and end times are strings, not numbers.
"""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq

STRINGS = """
bill_bill_type bill_billing_entity bill_invoice_id bill_invoicing_entity bill_payer_account_id
bill_payer_account_name identity_line_item_id identity_time_interval line_item_availability_zone
line_item_blended_rate line_item_currency_code line_item_iam_principal line_item_legal_entity
line_item_line_item_description line_item_line_item_type line_item_net_unblended_rate
line_item_operation line_item_product_code line_item_resource_id line_item_tax_type
line_item_unblended_rate line_item_usage_account_id line_item_usage_account_name
line_item_usage_type pricing_currency pricing_lease_contract_length pricing_offering_class
pricing_public_on_demand_rate pricing_purchase_option pricing_rate_code pricing_rate_id
pricing_term pricing_unit product_comment product_fee_code product_fee_description
product_from_location product_from_location_type product_from_region_code
product_instance_family product_instance_type product_instancesku product_location
product_location_type product_operation product_pricing_unit product_product_family
product_region_code product_servicecode product_sku product_to_location
product_to_location_type product_to_region_code product_usagetype reservation_availability_zone
reservation_end_time reservation_modification_status reservation_normalized_units_per_reservation
reservation_number_of_reservations reservation_reservation_a_r_n reservation_start_time
reservation_subscription_id reservation_total_reserved_normalized_units
reservation_total_reserved_units reservation_units_per_reservation savings_plan_end_time
savings_plan_instance_type_family savings_plan_offering_type savings_plan_payment_option
savings_plan_purchase_term savings_plan_region savings_plan_savings_plan_a_r_n
savings_plan_start_time split_line_item_parent_resource_id
""".split()

TIMESTAMPS = """
bill_billing_period_end_date bill_billing_period_start_date line_item_usage_end_date
line_item_usage_start_date
""".split()

TEXT_MAPS = "cost_category product resource_tags tags".split()
NUMBER_MAPS = ["discount"]

DOUBLES = """
discount_bundled_discount discount_total_discount line_item_blended_cost
line_item_net_unblended_cost line_item_normalization_factor line_item_normalized_usage_amount
line_item_unblended_cost line_item_usage_amount pricing_public_on_demand_cost
reservation_amortized_upfront_cost_for_usage
reservation_amortized_upfront_fee_for_billing_period reservation_effective_cost
reservation_net_amortized_upfront_cost_for_usage
reservation_net_amortized_upfront_fee_for_billing_period reservation_net_effective_cost
reservation_net_recurring_fee_for_usage
reservation_net_unused_amortized_upfront_fee_for_billing_period
reservation_net_unused_recurring_fee reservation_net_upfront_value
reservation_recurring_fee_for_usage reservation_unused_amortized_upfront_fee_for_billing_period
reservation_unused_normalized_unit_quantity reservation_unused_quantity
reservation_unused_recurring_fee reservation_upfront_value
savings_plan_amortized_upfront_commitment_for_billing_period
savings_plan_net_amortized_upfront_commitment_for_billing_period
savings_plan_net_recurring_commitment_for_billing_period
savings_plan_net_savings_plan_effective_cost
savings_plan_recurring_commitment_for_billing_period savings_plan_savings_plan_effective_cost
savings_plan_savings_plan_rate savings_plan_total_commitment_to_date savings_plan_used_commitment
split_line_item_actual_usage split_line_item_net_split_cost split_line_item_net_unused_cost
split_line_item_public_on_demand_split_cost split_line_item_public_on_demand_unused_cost
split_line_item_reserved_usage split_line_item_split_cost split_line_item_split_usage
split_line_item_split_usage_ratio split_line_item_unused_cost
""".split()

TYPES = (
    {name: pa.string() for name in STRINGS}
    | {name: pa.timestamp("ms", tz="UTC") for name in TIMESTAMPS}
    | {name: pa.map_(pa.string(), pa.string()) for name in TEXT_MAPS}
    | {name: pa.map_(pa.string(), pa.float64()) for name in NUMBER_MAPS}
    | {name: pa.float64() for name in DOUBLES}
)

# An export's columns come in the order its SQL selects them; ours selects them by name.
SCHEMA = pa.schema([pa.field(name, TYPES[name]) for name in sorted(TYPES)])


def to_table(rows):
    """Turns line items (dicts of column name to value; Decimal for doubles) into a table."""
    unknown = {name for row in rows for name in row} - set(TYPES)
    if unknown:
        raise ValueError(f"columns unknown to CUR 2.0: {sorted(unknown)}")
    columns = []
    for field in SCHEMA:
        values = [row.get(field.name) for row in rows]
        if pa.types.is_float64(field.type):
            values = [None if value is None else float(value) for value in values]
        elif pa.types.is_map(field.type):
            item = float if pa.types.is_float64(field.type.item_type) else str
            values = [value and [(key, item(entry)) for key, entry in value.items()]
                      for value in values]
        columns.append(pa.array(values, type=field.type))
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def write_parquet(table, path, row_group_size=100_000):
    """Writes one data file as the export does: Snappy, no Arrow schema hint in the footer."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(
        table, path, compression="snappy", coerce_timestamps="ms", store_schema=False,
        row_group_size=row_group_size,
    )


def data_key(export, period, number):
    """Key of one data file below `<prefix>/<export>/` in the overwrite layout."""
    return f"data/BILLING_PERIOD={period}/{export}-{number:05d}.snappy.parquet"


def write_manifest(root, export, bucket, prefix, period, execution_id, numbers):
    """Writes the manifest that names the data files of the current version of one period."""
    manifest = {
        "exportArn": f"arn:aws:bcm-data-exports:us-east-1:111111111111:export/{export}",
        "executionId": execution_id,
        "billingPeriod": period,
        "contentType": "Parquet",
        "compression": "Snappy",
        "columns": [{"name": field.name, "type": manifest_type(field.type)} for field in SCHEMA],
        "dataFiles": [
            f"s3://{bucket}/{prefix}/{export}/{data_key(export, period, number)}"
            for number in numbers
        ],
    }
    path = f"{root}/metadata/BILLING_PERIOD={period}/{export}-Manifest.json"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(manifest, out, indent=1)
        out.write("\n")


def manifest_type(data_type):
    """The manifest's own word for a type."""
    if pa.types.is_map(data_type):
        return f"map<string,{'double' if pa.types.is_float64(data_type.item_type) else 'string'}>"
    if pa.types.is_timestamp(data_type):
        return "timestamp"
    return "double" if pa.types.is_float64(data_type) else "string"
