#!/usr/bin/env python3
"""Recomputes the hand-worked fixtures of testdata/fixtures/azure with DuckDB.

    python scripts/golden/azure_fixtures.py

Exits with 1 when a figure differs. Needs duckdb. Written from the export's documentation, not from
the project's SQL: prices and quantities are compared as decimals of the delivered text.
"""

import csv
import pathlib
import sys
from decimal import Decimal

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "testdata/fixtures/azure"
GROUP = ["x_LineItemType", "ChargeCategory", "ChargeClass", "ChargeFrequency", "PricingCategory",
         "CommitmentDiscountStatus", "x_Finality"]
COSTS = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"]

# The names a column had over the years, lower case.
NAMES = {
    "invoice": ["invoiceid"],
    "type": ["chargetype"],
    "model": ["pricingmodel"],
    "frequency": ["frequency"],
    "reservation": ["reservationid"],
    "benefit": ["benefitid"],
    "quantity": ["quantity", "usagequantity"],
    "unit_price": ["unitprice"],
    "public_price": ["paygprice"],
    "public_cost": ["paygcostinbillingcurrency"],
    "rate": ["exchangeratepricingtobilling"],
    "cost": ["costinbillingcurrency", "cost", "pretaxcost"],
}

SQL = """
with rows as (

    select
        is_actual,
        case when invoice is null then 'provisional' else 'final' end as finality,
        coalesce(type, 'Usage') as type,
        frequency,
        -- 'R' or 'S' where a commitment covers, or is, what the row is about
        case when model = 'Reservation' then 'R' when model = 'SavingsPlan' then 'S'
             when model is null and benefit ilike '%savingsPlanOrders%' then 'S'
             when model is null and coalesce(reservation, benefit) is not null then 'R'
             end as commitment,
        model = 'Spot' as is_spot,
        cost::decimal(38, 12) as cost,
        round(coalesce(try_cast(rate as decimal(18, 9)), 1)
            * (coalesce(unit_price, '0')::decimal(18, 9) * quantity::decimal(18, 9)), 12)
            as at_unit_price,
        case when try_cast(public_cost as decimal(38, 12)) <> 0
             then public_cost::decimal(38, 12)
             else round(coalesce(try_cast(rate as decimal(18, 9)), 1)
                * (coalesce(public_price, '0')::decimal(18, 9) * quantity::decimal(18, 9)), 12)
             end as at_public_price
    from delivered

),

charges as (

    select *, type in ('Purchase', 'Refund') as is_trade,
        type in ('UnusedReservation', 'UnusedSavingsPlan') as is_unused,
        type in ('Usage', 'Purchase', 'UnusedReservation', 'UnusedSavingsPlan') and not is_actual
            as has_prices
    from rows
    where not is_actual or (type in ('Purchase', 'Refund') and commitment is not null)

),

valued as (

    select *,
        case when is_actual then 0 else cost end as effective,
        case when not is_actual and (is_unused or (type = 'Usage' and commitment is not null))
             then 0 else cost end as billed,
        -- the larger of what was charged and what the price says, in the direction of the charge
        case when is_unused then 0
             when not has_prices then cost
             when cost < 0 then least(cost, at_unit_price)
             when cost > 0 then greatest(cost, at_unit_price)
             else at_unit_price end as contracted
    from charges

)

select
    type,
    case when type in ('Usage', 'Tax', 'Credit') or is_unused then
             case when is_unused then 'Usage' else type end
         when type = 'Purchase' then 'Purchase'
         when type = 'Refund' then case when is_actual then 'Purchase' else 'Usage' end
         else 'Adjustment' end as category,
    case when type = 'Refund' then 'Correction' end as class,
    case when frequency = 'OneTime' then 'One-Time'
         when frequency = 'Recurring' or type = 'Purchase' then 'Recurring'
         when type = 'Usage' or is_unused or frequency = 'UsageBased' then 'Usage-Based'
         else 'One-Time' end as charge_frequency,
    case when not has_prices and not (is_actual and type = 'Purchase') then null
         when is_unused or (type = 'Usage' and commitment is not null) then 'Committed'
         when type = 'Usage' and coalesce(is_spot, false) then 'Dynamic'
         else 'Standard' end as pricing,
    case when is_unused then 'Unused'
         when type = 'Usage' and commitment is not null then 'Used' end as status,
    {finality}
    sum(billed), sum(effective),
    sum(case when is_unused then 0
             when not has_prices then cost
             when contracted < 0 then least(contracted, at_public_price)
             when contracted > 0 then greatest(contracted, at_public_price)
             else at_public_price end),
    sum(contracted),
    count(*)
from valued
group by all
"""


def delivered(path, is_actual):
    """Rows of an export under the names above; what it does not have is None."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            lower = {name.lower(): value for name, value in row.items()}
            found = {name: next((lower[alias] for alias in aliases if lower.get(alias)), None)
                     for name, aliases in NAMES.items()}
            for name in ("quantity", "cost"):
                found[name] = format(Decimal(found[name] or 0), "f")
            yield (is_actual, *found.values())


def groups_of(path):
    """What an expectation groups by: finality only where it is the point."""
    header = next(line for line in path.read_text(encoding="utf-8").splitlines()
                  if not line.startswith("#"))
    return [name for name in GROUP if name in header.split(",")]


def charges(case, groups):
    """Charges of a case, grouped like an expectation."""
    actual, amortized = (FOLDER / f"{case}.{name}.csv" for name in ("actual", "amortized"))
    rows = list(delivered(actual, amortized.exists()))
    if amortized.exists():
        rows += delivered(amortized, False)
    connection = duckdb.connect()
    columns = ", ".join(f"{name} varchar" for name in NAMES)
    connection.execute(f"create table delivered (is_actual boolean, {columns})")
    marks = ", ".join("?" * (len(NAMES) + 1))
    connection.executemany(f"insert into delivered values ({marks})", rows)
    finality = "finality," if "x_Finality" in groups else ""
    found = connection.execute(SQL.format(finality=finality)).fetchall()
    names = [name for name in GROUP if finality or name != "x_Finality"]
    return sums((tuple(row[names.index(name)] for name in groups),
                 (*map(Decimal, row[-5:-1]), row[-1])) for row in found)


def sums(rows):
    """Figures added up by key: an expectation may group by more or by less than the SQL here."""
    totals = {}
    for key, figures in rows:
        before = totals.get(key, (0,) * len(figures))
        totals[key] = tuple(one + other for one, other in zip(before, figures))
    return totals


def expected(path, groups):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines()
             if not line.startswith("#")]
    return sums((tuple(row[name] or None for name in groups),
                 (*(Decimal(row[name]) for name in COSTS), int(row["rows"])))
                for row in csv.DictReader(lines))


def main():
    wrong = 0
    for path in sorted(FOLDER.glob("*.expect.csv")):
        groups = groups_of(path)
        found = charges(path.name.removesuffix(".expect.csv"), groups)
        wanted = expected(path, groups)
        for key in sorted(found.keys() | wanted.keys(), key=str):
            if found.get(key) != wanted.get(key):
                wrong += 1
                print(f"{path.name}: {key}\n  expected {wanted.get(key)}\n"
                      f"  found    {found.get(key)}")
    print("azure fixtures: all figures agree" if not wrong
          else f"azure fixtures: {wrong} figures differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
