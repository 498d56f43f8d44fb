"""Physical shape of Google's detailed usage cost export as BigQuery's EXPORT DATA writes it.

NUMERIC becomes DECIMAL(38, 9), FLOAT64 a double, TIMESTAMP microseconds without the UTC flag (the
values are UTC all the same), RECORD a struct, REPEATED a list. There is no manifest.
"""

import os

import pyarrow as pa
import pyarrow.parquet as pq

NUMERIC = pa.decimal128(38, 9)
TIMESTAMP = pa.timestamp("us")


def record(**fields):
    return pa.struct([pa.field(name, data_type) for name, data_type in fields.items()])


def texts(*names):
    return record(**{name: pa.string() for name in names})


LABELS = pa.list_(texts("key", "value"))

SCHEMA = pa.schema([
    ("billing_account_id", pa.string()),
    ("service", texts("id", "description")),
    ("sku", texts("id", "description")),
    ("usage_start_time", TIMESTAMP),
    ("usage_end_time", TIMESTAMP),
    ("project", record(
        id=pa.string(), number=pa.string(), name=pa.string(), labels=LABELS,
        ancestry_numbers=pa.string(),
        ancestors=pa.list_(texts("resource_name", "display_name")))),
    ("labels", LABELS),
    ("system_labels", LABELS),
    ("location", texts("location", "country", "region", "zone")),
    ("tags", pa.list_(record(
        key=pa.string(), value=pa.string(), inherited=pa.bool_(), namespace=pa.string()))),
    ("resource", texts("name", "global_name")),
    ("price", record(
        effective_price=NUMERIC, tier_start_amount=NUMERIC, unit=pa.string(),
        pricing_unit_quantity=NUMERIC, list_price=NUMERIC, effective_price_default=NUMERIC,
        list_price_consumption_model=NUMERIC)),
    ("subscription", texts("instance_id")),
    ("transaction_type", pa.string()),
    ("seller_name", pa.string()),
    ("export_time", TIMESTAMP),
    ("cost", pa.float64()),
    ("currency", pa.string()),
    ("currency_conversion_rate", pa.float64()),
    ("usage", record(
        amount=pa.float64(), unit=pa.string(), amount_in_pricing_units=pa.float64(),
        pricing_unit=pa.string())),
    ("credits", pa.list_(record(
        name=pa.string(), amount=pa.float64(), full_name=pa.string(), id=pa.string(),
        type=pa.string()))),
    ("invoice", texts("month", "publisher_type")),
    ("cost_type", pa.string()),
    ("adjustment_info", texts("id", "description", "mode", "type")),
    ("cost_at_list", pa.float64()),
    ("cost_at_effective_price_default", pa.float64()),
    ("cost_at_list_consumption_model", pa.float64()),
    ("consumption_model", texts("id", "description")),
])


def fitted(value, data_type):
    """A value as its column wants it: Decimals become doubles where the column is one."""
    if value is None:
        return None
    if pa.types.is_struct(data_type):
        unknown = set(value) - {field.name for field in data_type}
        if unknown:
            raise ValueError(f"fields unknown to the export: {sorted(unknown)}")
        return {field.name: fitted(value.get(field.name), field.type) for field in data_type}
    if pa.types.is_list(data_type):
        return [fitted(entry, data_type.value_type) for entry in value]
    if pa.types.is_float64(data_type):
        return float(value)
    if pa.types.is_decimal(data_type):
        return value.quantize(value.__class__(1).scaleb(-9))
    if pa.types.is_timestamp(data_type):
        return value.replace(tzinfo=None)
    return value


def to_table(rows):
    """Turns rows (dicts in the nested shape of the table, Decimal for numbers) into a table."""
    unknown = {name for row in rows for name in row} - set(SCHEMA.names)
    if unknown:
        raise ValueError(f"columns unknown to the export: {sorted(unknown)}")
    return pa.table({
        field.name: pa.array([fitted(row.get(field.name), field.type) for row in rows], field.type)
        for field in SCHEMA}, schema=SCHEMA)


def data_key(period, shard=0):
    """Key of one file below the export's folder: the invoice month is a folder."""
    return f"invoice_month={period.replace('-', '')}/{shard:012d}.parquet"


def write_parquet(table, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(table, path, compression="snappy", store_schema=False)
