#!/usr/bin/env python3
"""Recomputes the hand-worked fixtures of testdata/fixtures/focus with DuckDB.

    python scripts/golden/focus_fixtures.py

Its SQL says in its own way what a FOCUS export becomes: it shares no text with the models under
sql/, works on narrower decimals, and finds the carriers of a commitment's cost with a window.
Exits with 1 when a figure differs. Needs duckdb.
"""

import csv
import json
import pathlib
import sys
from decimal import Decimal

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "testdata/fixtures/focus"
DEFAULTS = {
    "BillingAccountId": "111111111111",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-01-01T00:00:00Z",
    "BillingPeriodEnd": "2026-02-01T00:00:00Z",
    "ChargePeriodStart": "2026-01-05T00:00:00Z",
    "ChargePeriodEnd": "2026-01-06T00:00:00Z",
}
NUMBERS = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ListUnitPrice",
           "ContractedUnitPrice", "PricingQuantity", "x_PricingBlockSize", "x_EffectiveUnitPrice"]
TEXTS = ["BillingCurrency", "BillingPeriodStart", "ChargeCategory", "ChargeClass",
         "ChargeDescription", "ChargeFrequency", "ChargePeriodStart", "ChargeSubcategory",
         "InvoiceId", "x_InvoiceId", "CommitmentDiscountId", "CommitmentDiscountStatus", "CommitmentDiscountType",
         "PricingCategory", "PricingCurrency", "Provider", "ProviderName", "Publisher",
         "PublisherName", "ServiceCategory", "ServiceName", "ServiceProviderName", "SkuPriceId",
         "oci_BackReferenceNumber", "x_ConsumptionModelId", "x_PricingCurrency",
         "x_PublisherCategory", "x_ServiceId", "x_SkuMeterCategory", "x_SubscriptionInstanceId",
         # made from x_Credits by `bill`
         "credit_id", "credit_type"]
COSTS = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"]

SQL = r"""
with identified as (
    select
        bill.*,
        if(ChargeCategory = 'Usage' and x_SubscriptionInstanceId is not null
            and starts_with(coalesce(ChargeDescription, ''), 'Commitment'), 'Purchase',
            if(ChargeCategory in ('Usage', 'Purchase', 'Tax', 'Credit'), ChargeCategory,
                'Adjustment')) as kind,
        if(ChargeClass = 'Correction' or ChargeSubcategory = 'Refund'
            or (oci_BackReferenceNumber is not null and ChargePeriodStart < BillingPeriodStart),
            'Correction', null) as class,
        coalesce(
            CommitmentDiscountId,
            if(starts_with(coalesce(credit_type, ''), 'COMMITTED'), credit_id, null),
            if(coalesce(x_ConsumptionModelId, '7754-699E-0EBF') <> '7754-699E-0EBF'
                or starts_with(coalesce(ChargeDescription, ''), 'Commitment')
                or starts_with(coalesce(credit_type, ''), 'COMMITTED'),
                x_SubscriptionInstanceId, null)
        ) as commitment,
        coalesce(nullif(regexp_extract(lower(commitment), 'orders/([^/]+)', 1), ''),
            lower(commitment)) as held,
        if(commitment is null or kind <> 'Usage', null,
            if(coalesce(CommitmentDiscountStatus, ChargeSubcategory, '') like 'Unused%', 'Unused',
                if(class is null or CommitmentDiscountStatus = 'Used', 'Used', null))) as status,
        if(abs(EffectiveCost) > abs(BilledCost), EffectiveCost, BilledCost) as paid,
        coalesce(PricingCurrency, x_PricingCurrency, BillingCurrency) = BillingCurrency
            as comparable
    from bill
),
sized as (
    select
        identified.*,
        -- the block by which a row was divided too often, else one
        if(x_PricingBlockSize > 1 and paid <> 0 and PricingQuantity <> 0 and (
            coalesce(abs(ContractedCost * x_PricingBlockSize - paid) <= abs(paid) * 0.01, false)
            or coalesce(abs(ContractedUnitPrice::double * PricingQuantity * x_PricingBlockSize
                - paid) <= abs(paid) * 0.01, false)
            or coalesce(EffectiveCost <> 0
                and abs(x_EffectiveUnitPrice::double * PricingQuantity * x_PricingBlockSize
                - EffectiveCost) <= abs(EffectiveCost) * 0.01, false)
        ), x_PricingBlockSize, 1)::decimal(9, 0) as factor,
        bool_or(kind = 'Usage' and BilledCost = 0 and EffectiveCost <> 0)
            over (partition by held) and held is not null and kind = 'Purchase' as is_carried
    from identified
),
undone as (
    select
        sized.*,
        (PricingQuantity * factor)::decimal(18, 9) as amount,
        coalesce(ContractedCost * if(abs(ContractedCost) * 2 < abs(paid), factor, 1), 0)
            ::decimal(18, 9) as contracted,
        coalesce(ListCost * if(abs(ListCost) * 2 < abs(paid), factor, 1), 0)
            ::decimal(18, 9) as list
    from sized
),
contracted as (
    select
        undone.*,
        if(contracted <> 0 or paid = 0 or status = 'Unused', contracted,
            sign(paid) * greatest(abs(paid), if(comparable,
                sign(paid) * ContractedUnitPrice * amount, null)))::decimal(18, 9)
            as contracted_cost
    from undone
),
charges as (
    select
        kind as ChargeCategory,
        class as ChargeClass,
        case
            when kind = 'Purchase' and ChargeFrequency = 'One-Time' then 'One-Time'
            when kind = 'Purchase' and (ChargeFrequency is not null or commitment is not null)
                then 'Recurring'
            else coalesce(ChargeFrequency, if(kind = 'Usage', 'Usage-Based', 'One-Time'))
        end as ChargeFrequency,
        case
            when kind in ('Tax', 'Credit', 'Adjustment') or class is not null then null
            when status is not null then 'Committed'
            when kind = 'Usage' and PricingCategory like 'Commit%' then 'Committed'
            when PricingCategory in ('Dynamic', 'Other') then PricingCategory
            else 'Standard'
        end as PricingCategory,
        status as CommitmentDiscountStatus,
        coalesce(ServiceName,
            if(x_PublisherCategory = 'Vendor', coalesce(ChargeDescription, PublisherName, Publisher),
                null),
            meters.service_name, orders.service_name, x_SkuMeterCategory, ChargeDescription,
            CommitmentDiscountType, PublisherName, Publisher, ServiceProviderName, ProviderName,
            Provider) as Service,
        -- what is named by meter or order is classified by it
        if(ServiceName is null and coalesce(x_PublisherCategory, '') <> 'Vendor'
                and coalesce(meters.service_category, orders.service_category) is not null,
            coalesce(meters.service_category, orders.service_category),
            if(contracted.ServiceCategory in (select service_category from subcategories),
            contracted.ServiceCategory, coalesce(
                (select min(service_category) from google where service_id = x_ServiceId),
                (select min(service_category) from google where service_name = ServiceName),
                services.service_category, 'Other'))) as ServiceCategory,
        if(coalesce(InvoiceId, x_InvoiceId) is null, 'provisional', 'final') as x_Finality,
        BilledCost,
        if(is_carried, 0, EffectiveCost)::decimal(18, 9) as EffectiveCost,
        if(list <> 0 or paid = 0 or status = 'Unused', list,
            sign(paid) * greatest(abs(paid), sign(paid) * contracted_cost, if(comparable,
                sign(paid) * ListUnitPrice * amount, null)))::decimal(18, 9) as ListCost,
        contracted_cost as ContractedCost,
        -- the quantity of an ordinary charge that costs something is never zero
        if(kind not in ('Usage', 'Purchase') or class is not null, null,
            if(coalesce(amount, 0) = 0 and (contracted_cost <> 0 or list <> 0), 1,
                coalesce(amount, 0)))::decimal(18, 9) as PricingQuantity
    from contracted
    left join services on services.service_name = lower(ServiceName)
    left join meters on meters.meter_category = lower(x_SkuMeterCategory)
    left join orders on orders.resource_type
        = regexp_extract(lower(commitment), '^/providers/([^/]+/[^/]+)', 1)
)
select * rename (Service as ServiceName) from charges
"""


def rows_of(path):
    """Rows of a CSV file as dicts, comments left out."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines()
             if not line.startswith("#")]
    return list(csv.DictReader(lines))


def bill(path):
    """Rows of a fixture with the defaults of testdata/README.md, as text."""
    items = []
    for row in rows_of(path):
        item = dict(DEFAULTS)
        item.update({header.split(":")[0]: text.strip("'") or None for header, text in row.items()})
        for credit in json.loads(item.get("x_Credits") or "[]"):
            if credit["type"].startswith("COMMITTED"):
                item["credit_id"], item["credit_type"] = credit["id"], credit["type"]
        items.append(item)
    return items


def prepare(connection, items):
    columns = [f"{name} decimal(18, 9)" for name in NUMBERS] + [f"{name} text" for name in TEXTS]
    names = NUMBERS + TEXTS
    connection.execute(f"create or replace table bill ({', '.join(columns)})")
    connection.executemany(
        f"insert into bill values ({', '.join('?' * len(names))})",
        [[None if item.get(name) is None else
          Decimal(item[name]) if name in NUMBERS else item[name] for name in names]
         for item in items])
    for table, name in [("services", "focus_services"), ("google", "gcp_service_categories"),
                        ("subcategories", "focus_service_subcategories"),
                        ("meters", "azure_meter_categories"), ("orders", "azure_resource_types")]:
        seed = ROOT / f"sql/seeds/{name}.csv"
        connection.execute(
            f"create or replace table {table} as select * from read_csv('{seed}', comment = '#', "
            "header = true, all_varchar = true)")


def number(text):
    return Decimal(text) if text not in (None, "") else None


def main():
    wrong = 0
    for path in sorted(FOLDER.glob("*.expect.csv")):
        case = path.name.removesuffix(".expect.csv")
        items, wanted = bill(FOLDER / f"{case}.csv"), rows_of(path)
        header = list(wanted[0])
        split = header.index("BilledCost")
        keys, sums = header[:split], header[split:-1]
        connection = duckdb.connect()
        prepare(connection, items)
        connection.execute(f"create table charges as {SQL}")
        found = {row[:split]: row[split:] for row in connection.execute(
            f"select {', '.join(keys)}, {', '.join(f'sum({name})' for name in sums)}, count(*) "
            "from charges group by all").fetchall()}
        expected = {tuple(row[name] or None for name in keys):
                    tuple(number(row[name]) for name in sums) + (int(row["rows"]),)
                    for row in wanted}
        for key in sorted(found.keys() | expected.keys(), key=str):
            if found.get(key) != expected.get(key):
                wrong += 1
                print(f"{path.name}: {key}\n  expected {expected.get(key)}\n"
                      f"  found    {found.get(key)}")
        totals = {row["x_Ledger"]: row for row in rows_of(FOLDER / f"{case}.totals.csv")}
        for name in COSTS:
            source, kept = connection.execute(
                f"select (select coalesce(sum({name}), 0) from bill), sum({name}) from charges"
            ).fetchone()
            row = totals[name.removesuffix("Cost").lower()]
            stated = (Decimal(row["x_SourceTotal"]), Decimal(row["x_LeftOutTotal"]))
            if stated != (source, source - kept):
                wrong += 1
                print(f"{case}: {name} is {source} less {source - kept}, stated {stated}")
    print("focus fixtures: " + (f"{wrong} figures differ" if wrong else "all figures agree"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
