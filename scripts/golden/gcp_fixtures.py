#!/usr/bin/env python3
"""Recomputes the figures of the hand-worked fixtures of testdata/fixtures/gcp with DuckDB.

    python scripts/golden/gcp_fixtures.py                  # compares, exits with 1 on a difference
    python scripts/golden/gcp_fixtures.py --parquet DIR    # writes DIR/<case>/<case>.parquet

Names, units and tags of an expectation are left to the binary's own test. The Parquet files have
the types that BigQuery writes. Needs duckdb and pyarrow.
"""

import csv
import json
import pathlib
import sys
from datetime import datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "testdata/fixtures/gcp"
GROUPS = ["x_BillingPeriod", "x_LineItemType", "ChargeCategory", "ChargeClass", "ChargeFrequency",
          "PricingCategory", "CommitmentDiscountStatus", "x_Finality"]
SUMS = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "PricingQuantity",
        "ConsumedQuantity"]
# An export from before these columns existed does not have them at all.
WITHOUT = {"old_export": [
    "price", "tags", "resource", "subscription", "transaction_type", "seller_name",
    "adjustment_info", "cost_at_list", "cost_at_effective_price_default",
    "cost_at_list_consumption_model", "consumption_model"]}

# The export as BigQuery writes it: NUMERIC has nine decimals, times are UTC without saying so.
TEXT, DOUBLE, NUMERIC, TIME = pa.string(), pa.float64(), pa.decimal128(38, 9), pa.timestamp("us")
ENTRIES = pa.list_(pa.struct([("key", TEXT), ("value", TEXT)]))
SCHEMA = pa.schema([
    ("billing_account_id", TEXT),
    ("service", pa.struct([("id", TEXT), ("description", TEXT)])),
    ("sku", pa.struct([("id", TEXT), ("description", TEXT)])),
    ("usage_start_time", TIME),
    ("usage_end_time", TIME),
    ("project", pa.struct([("id", TEXT), ("number", TEXT), ("name", TEXT), ("labels", ENTRIES)])),
    ("labels", ENTRIES),
    ("system_labels", ENTRIES),
    ("location", pa.struct([("location", TEXT), ("country", TEXT), ("region", TEXT), ("zone", TEXT)])),
    ("tags", pa.list_(pa.struct([("key", TEXT), ("value", TEXT), ("inherited", pa.bool_()),
                                 ("namespace", TEXT)]))),
    ("resource", pa.struct([("name", TEXT), ("global_name", TEXT)])),
    ("price", pa.struct([("effective_price", NUMERIC), ("tier_start_amount", NUMERIC), ("unit", TEXT),
                         ("pricing_unit_quantity", NUMERIC), ("list_price", NUMERIC),
                         ("effective_price_default", NUMERIC),
                         ("list_price_consumption_model", NUMERIC)])),
    ("subscription", pa.struct([("instance_id", TEXT)])),
    ("transaction_type", TEXT),
    ("seller_name", TEXT),
    ("export_time", TIME),
    ("cost", DOUBLE),
    ("currency", TEXT),
    ("currency_conversion_rate", DOUBLE),
    ("usage", pa.struct([("amount", DOUBLE), ("unit", TEXT), ("amount_in_pricing_units", DOUBLE),
                         ("pricing_unit", TEXT)])),
    ("credits", pa.list_(pa.struct([("name", TEXT), ("amount", DOUBLE), ("full_name", TEXT),
                                    ("id", TEXT), ("type", TEXT)]))),
    ("invoice", pa.struct([("month", TEXT), ("publisher_type", TEXT)])),
    ("cost_type", TEXT),
    ("adjustment_info", pa.struct([("id", TEXT), ("description", TEXT), ("mode", TEXT),
                                   ("type", TEXT)])),
    ("cost_at_list", DOUBLE),
    ("cost_at_effective_price_default", DOUBLE),
    ("cost_at_list_consumption_model", DOUBLE),
    ("consumption_model", pa.struct([("id", TEXT), ("description", TEXT)])),
])

# What a fixture does not say (testdata/README.md).
DEFAULTS = {
    "billing_account_id": "0123AB-4567CD-89EF01",
    "service": {"id": "6F81-5844-456A", "description": "Compute Engine"},
    "sku": {"id": "CF4E-A0C7-E3BF", "description": "N2 Instance Core running in Frankfurt"},
    "project": {"id": "acme-core", "number": "1001", "name": "Acme Core"},
    "location": {"location": "europe-west3", "country": "DE", "region": "europe-west3"},
    "usage_start_time": "2026-01-05T10:00:00Z",
    "usage_end_time": "2026-01-05T11:00:00Z",
    "export_time": "2026-01-06T04:00:00Z",
    "currency": "USD",
    "currency_conversion_rate": 1.0,
    "cost_type": "regular",
    "transaction_type": "GOOGLE",
    "seller_name": "Google",
    "invoice": {"month": "202601"},
    "credits": [],
    "labels": [],
    "system_labels": [],
    "tags": [],
}


def lines(path):
    return [line for line in path.read_text(encoding="utf-8").splitlines()
            if line and not line.startswith("#")]


def typed(value, kind):
    """A JSON value as Python's form of an Arrow type."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: typed(value.get(field.name), field.type) for field in kind}
    if pa.types.is_list(kind):
        return [typed(entry, kind.value_type) for entry in value]
    if pa.types.is_decimal(kind):
        return Decimal(str(value))
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(value.removesuffix("Z"))
    return float(value) if pa.types.is_floating(kind) else value


def merged(default, said):
    """Members of a record that a fixture says, over those it does not."""
    if not isinstance(default, dict) or not isinstance(said, dict):
        return said
    return {**default, **{name: merged(default.get(name), value) for name, value in said.items()}}


def export(path):
    """A fixture as the table that BigQuery would write."""
    rows = []
    for line in lines(path):
        said = json.loads(line)
        if said.keys() - set(SCHEMA.names):
            sys.exit(f"{path.name}: unknown columns {sorted(said.keys() - set(SCHEMA.names))}")
        row = merged(DEFAULTS, said)
        rows.append({field.name: typed(row.get(field.name), field.type) for field in SCHEMA})
    return pa.Table.from_pylist(rows, schema=SCHEMA).drop_columns(WITHOUT.get(path.stem, []))


# Every row becomes charges: itself, what a commitment covers of it, what a fee left unused, and its
# credits after the fact. The figures are stated per charge; `share` is counted in 10^-12.
SQL = """
with months as (
    select *, left(invoice.month, 4) || '-' || right(invoice.month, 2) as x_BillingPeriod,
        (x_BillingPeriod || '-01')::timestamp + interval 1 month as next_month,
        timezone('America/Los_Angeles', timezone('UTC', export_time)) as exported,
        case
            when bool_or(exported >= next_month + interval 7 days
                or cost_type = 'rounding_error' and exported >= next_month)
                over (partition by billing_account_id, x_BillingPeriod) then 'final'
            else 'provisional'
        end as x_Finality
    from export
), amounts as (
    select *,
        money(cost) as gross,
        credit_sum(credits, ['SUSTAINED_USAGE_DISCOUNT', 'DISCOUNT']) as rate,
        credit_sum(credits, ['COMMITTED_USAGE_DISCOUNT', 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE'])
            as commitment,
        credit_sum(credits, ['FEE_UTILIZATION_OFFSET']) as offset_sum,
        len(list_filter(coalesce(credits, []), lambda c: c.type = 'FEE_UTILIZATION_OFFSET')) > 0
            as is_new_fee,
        coalesce(money(cost_at_list), money(cost)) as listed,
        money(cost_at_effective_price_default) as standard,
        make_timestamptz(left(invoice.month, 4)::int, right(invoice.month, 2)::int, 1, 0, 0, 0,
            'America/Los_Angeles') as opened,
        case
            when price.pricing_unit_quantity > 0
                then share(money(usage.amount_in_pricing_units), 1::money,
                    price.pricing_unit_quantity::money)
            else money(coalesce(usage.amount_in_pricing_units, 0))
        end as quantity,
        money(coalesce(usage.amount, 0)) as consumed
    from months
), kinds as (
    select *,
        cost_type = 'regular' and is_new_fee as fee,
        cost_type = 'regular' and not is_new_fee and starts_with(sku.description, 'Commitment')
            as old_fee,
        cost_type = 'regular' and not is_new_fee and not starts_with(sku.description, 'Commitment')
            as used,
        used and coalesce(consumption_model.id, '7754-699E-0EBF') <> '7754-699E-0EBF' as cheaper,
        used and not cheaper and commitment <> 0 as credited,
        -- a discount that turns the sign of its row, or stands beside no cost, is a charge of its own
        rate <> 0 and gross + rate <> 0 and sign(gross) * sign(gross + rate) <= 0
            and (used or old_fee
                or cost_type = 'adjustment' and adjustment_info.type = 'USAGE_CORRECTION')
            and not (cheaper and standard is not null) as beyond,
        case when beyond then gross else gross + rate end as net,
        credited and commitment < 0 and -commitment < net as partly,
        cost_type = 'adjustment'
            and coalesce(adjustment_info.type, adjustment_info.mode) is not null
            and timezone('UTC', usage_start_time) < opened as corrects
    from amounts
), shares as (
    select *,
        case when partly then share(listed, -commitment, net) else 0::money end as covered_list,
        case when partly then share(quantity, -commitment, net) else 0::money end as covered_quantity,
        case when partly then share(consumed, -commitment, net) else 0::money end as covered_consumed
    from kinds
), charges as (
    -- the row itself, or the part of it that no commitment covers
    select
        x_BillingPeriod,
        x_Finality,
        cost_type as x_LineItemType,
        case
            when fee or old_fee then 'Purchase'
            when used then 'Usage'
            when cost_type = 'tax' then 'Tax'
            when cost_type = 'adjustment' and adjustment_info.type = 'USAGE_CORRECTION' then 'Usage'
            when cost_type = 'adjustment' and adjustment_info.type = 'GOODWILL' then 'Credit'
            else 'Adjustment'
        end as ChargeCategory,
        case when corrects then 'Correction' end as ChargeClass,
        case ChargeCategory
            when 'Usage' then 'Usage-Based' when 'Purchase' then 'Recurring' else 'One-Time'
        end as ChargeFrequency,
        case
            when ChargeCategory not in ('Usage', 'Purchase') then null
            when cheaper or (credited and not partly) then 'Committed'
            when used and contains(sku.description, 'Preemptible') then 'Dynamic'
            else 'Standard'
        end as PricingCategory,
        case when PricingCategory = 'Committed' then 'Used' end as CommitmentDiscountStatus,
        case
            when cheaper then 0 when fee then net + commitment
            else net + commitment + offset_sum
        end as BilledCost,
        case when fee then 0 else net + commitment + offset_sum end as EffectiveCost,
        listed - covered_list as ListCost,
        case
            when cheaper then coalesce(standard, net) when partly then net + commitment else net
        end as ContractedCost,
        case when PricingCategory is not null
            then signed(quantity - covered_quantity, ListCost, ContractedCost) end as PricingQuantity,
        case when ChargeCategory = 'Usage' then consumed - covered_consumed end as ConsumedQuantity
    from shares
    union all
    select x_BillingPeriod, x_Finality, cost_type, 'Usage', null, 'Usage-Based', 'Committed', 'Used', 0, 0,
        covered_list, -commitment, signed(covered_quantity, covered_list, -commitment),
        covered_consumed
    from shares where partly
    union all
    select x_BillingPeriod, x_Finality, cost_type, 'Usage', null, 'Usage-Based', 'Committed', 'Unused', 0,
        net + commitment + offset_sum, 0, 0, net + commitment + offset_sum, null
    from shares where fee and net + commitment + offset_sum <> 0
    union all
    select x_BillingPeriod, x_Finality, credit.type, 'Credit', null, 'One-Time', null, null,
        money(credit.amount), money(credit.amount),
        case when is_rate then 0 else money(credit.amount) end, money(credit.amount),
        null, null
    from (
        select *, coalesce(credit.type in ('SUSTAINED_USAGE_DISCOUNT', 'DISCOUNT'), false) as is_rate
        from (select x_BillingPeriod, x_Finality, beyond, unnest(credits) as credit from shares)
    )
    where is_rate and beyond or credit.type is null or credit.type not in (
        'SUSTAINED_USAGE_DISCOUNT', 'DISCOUNT', 'COMMITTED_USAGE_DISCOUNT',
        'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE', 'FEE_UTILIZATION_OFFSET')
    union all
    -- what fees were offset by must be what covered usage costs, per account and currency
    select x_BillingPeriod, x_Finality, 'FEE_UTILIZATION_OFFSET', 'Adjustment', null, 'One-Time', null, null,
        difference, 0, 0, 0, null, null
    from (
        select x_BillingPeriod, x_Finality,
            sum(case when cheaper then net + commitment when fee then offset_sum else 0 end)
                as difference
        from shares group by x_BillingPeriod, x_Finality, billing_account_id, currency
    ) where difference <> 0
)
"""


def charges(table, groups, sums):
    """Charges of an export, grouped and summed as an expectation is."""
    connection = duckdb.connect()
    connection.execute("""
        create type money as decimal(38, 12);
        create macro money(number) as cast(cast(number as varchar) as decimal(38, 12));
        create macro credit_sum(credits, types) as coalesce(list_sum(list_transform(
            list_filter(credits, lambda c: list_contains(types, c.type)),
            lambda c: money(c.amount)))::decimal(38, 12), 0::money);
        create macro pico(amount) as cast(replace(cast(amount as varchar), '.', '') as hugeint);
        create macro share(amount, part, whole) as cast(sign(amount) * cast(
            (2 * pico(abs(amount)) * pico(part) + pico(whole)) // (2 * pico(whole))
            as decimal(26, 0)) * 0.000000000001::decimal(12, 12) as decimal(38, 12));
        -- the sign of a charge lives in its quantity; a cost without a quantity is one unit
        create macro signed(quantity, list, contracted) as case
            when list = 0 and contracted = 0 then quantity
            else case when list + contracted < 0 then -1 else 1 end
                * case when quantity = 0 then 1::money else abs(quantity) end
        end;
        set timezone = 'UTC';
    """)
    for field in SCHEMA:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    connection.register("export", table)
    columns = [*groups, *(f"sum({name})::decimal(38, 12)" for name in sums), "count(*)"]
    group = f"group by {', '.join(groups)}" if groups else ""
    found = connection.execute(f"{SQL} select {', '.join(columns)} from charges {group}").fetchall()
    return {row[:len(groups)]: row[len(groups):] for row in found}


def expected(path):
    """Groups and sums that this script computes, and the figures of an expectation by them."""
    reader = csv.DictReader(lines(path))
    groups = [name for name in reader.fieldnames if name in GROUPS]
    sums = [name for name in reader.fieldnames if name in SUMS]
    figures = {}
    for row in reader:
        key = tuple(row[name] or None for name in groups)
        before = figures.get(key, [None] * len(sums) + [0])
        values = [Decimal(row[name]) if row[name] else None for name in sums] + [int(row["rows"])]
        figures[key] = [old if new is None else new if old is None else old + new
                        for old, new in zip(before, values)]
    return groups, sums, {key: tuple(values) for key, values in figures.items()}


def residual(table):
    """Exact value of cost and credits less what twelve decimals keep, half away from zero."""
    total = Decimal(0)
    for row in table.to_pylist():
        for number in [row["cost"], *(credit["amount"] for credit in row["credits"] or [])]:
            exact = Decimal(repr(number))
            total += exact - exact.quantize(Decimal("1e-12"), "ROUND_HALF_UP")
    return total


def main():
    cases = {path.name.removesuffix(".expect.csv"): path
             for path in sorted(FIXTURES.glob("*.expect.csv"))}
    if sys.argv[1:2] == ["--parquet"]:
        for case in cases:
            folder = pathlib.Path(sys.argv[2]) / case
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(export(FIXTURES / f"{case}.jsonl"), folder / f"{case}.parquet")
        return 0
    wrong = 0
    for case, path in cases.items():
        table = export(FIXTURES / f"{case}.jsonl")
        groups, sums, wanted = expected(path)
        found = charges(table, groups, sums)
        for key in sorted(found.keys() | wanted.keys(), key=str):
            if found.get(key) != wanted.get(key):
                wrong += 1
                print(f"{case}: {key}\n  expected {wanted.get(key)}\n  found    {found.get(key)}")
        residuals = FIXTURES / f"{case}.residual.csv"
        for row in csv.DictReader(lines(residuals)) if residuals.exists() else []:
            if residual(table) != Decimal(row["x_ConversionResidual"]):
                wrong += 1
                print(f"{residuals.name}: found {residual(table):f}")
    print("fixtures: all figures agree" if not wrong else f"fixtures: {wrong} figures differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
