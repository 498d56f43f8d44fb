#!/usr/bin/env python3
"""Recomputes the hand-worked fixtures of testdata/fixtures/aws with DuckDB.

    python scripts/golden/fixtures.py

Exits with 1 when a figure differs. Needs duckdb and pyarrow.
"""

import csv
import json
import pathlib
import sys
from datetime import datetime
from decimal import Decimal

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "testdata")]
from generator import cur2  # noqa: E402
from reference import focus  # noqa: E402

GROUP = ["x_LineItemType", "ChargeCategory", "ChargeClass", "ChargeFrequency", "PricingCategory",
         "CommitmentDiscountStatus", "x_Finality"]
COSTS = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"]
DEFAULTS = {
    "bill_payer_account_id": "111111111111",
    "line_item_usage_account_id": "222222222222",
    "bill_billing_period_start_date": "2026-01-01T00:00:00Z",
    "bill_billing_period_end_date": "2026-02-01T00:00:00Z",
    "line_item_usage_start_date": "2026-01-05T00:00:00Z",
    "line_item_usage_end_date": "2026-01-06T00:00:00Z",
    "line_item_currency_code": "USD",
    "line_item_product_code": "AmazonEC2",
}


def rows_of(path):
    """Rows of a fixture file as dicts, comments left out."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines()
             if not line.startswith("#")]
    return list(csv.DictReader(lines))


def parse(kind, text):
    if text == "":
        return None
    if text == "''":
        return ""
    return {"text": str, "double": Decimal, "map": json.loads, "time": str}[kind](text)


def bill(path):
    """Line items of a fixture with the defaults of testdata/README.md."""
    items = []
    for number, row in enumerate(rows_of(path), start=1):
        item = dict(DEFAULTS)
        for header, text in row.items():
            name, kind = header.split(":")
            item[name] = parse(kind, text)
        item.setdefault("line_item_net_unblended_cost", item.get("line_item_unblended_cost"))
        item["identity_line_item_id"] = f"line-{number}"
        item["identity_time_interval"] = "/".join(
            item[f"line_item_usage_{end}_date"] for end in ("start", "end"))
        for name in cur2.TIMESTAMPS:
            item[name] = datetime.fromisoformat(item[name].replace("Z", "+00:00"))
        items.append(item)
    return items


def groups_of(path):
    """What an expectation groups by: finality only where it is the point."""
    return [name for name in GROUP if name in rows_of(path)[0]]


def charges(items, cost_basis, groups):
    """Charges of a bill, grouped like an expectation."""
    connection = duckdb.connect()
    focus.prepare(connection, "fixture", "2026-01", cost_basis)
    connection.register("line_items", cur2.to_table(items))
    sums = ", ".join(f"sum({name})" for name in COSTS)
    found = connection.execute(
        f"select {', '.join(groups)}, {sums}, count(*) from ({focus.SQL}) group by all").fetchall()
    return {row[:-5]: tuple(map(Decimal, row[-5:-1])) + (row[-1],) for row in found}


def expected(path, groups):
    return {tuple(row[name] or None for name in groups):
            tuple(Decimal(row[name]) for name in COSTS) + (int(row["rows"]),)
            for row in rows_of(path)}


def residual(items, column="line_item_unblended_cost"):
    """Exact value of the texts minus what twelve decimals keep, half away from zero."""
    total = Decimal(0)
    for item in items:
        if item.get(column) is not None:
            exact = Decimal(repr(float(item[column])))
            total += exact - exact.quantize(Decimal("1e-12"), "ROUND_HALF_UP")
    return total


def main():
    wrong = 0
    for path in sorted((ROOT / "testdata/fixtures/aws").glob("*.expect.csv")):
        case, *basis = path.name.removesuffix(".expect.csv").split(".")
        items = bill(path.with_name(f"{case}.csv"))
        groups = groups_of(path)
        found = charges(items, basis[0] if basis else "gross", groups)
        wanted = expected(path, groups)
        for key in sorted(found.keys() | wanted.keys(), key=str):
            if found.get(key) != wanted.get(key):
                wrong += 1
                print(f"{path.name}: {key}\n  expected {wanted.get(key)}\n  found    {found.get(key)}")
    for path in sorted((ROOT / "testdata/fixtures/aws").glob("*.residual.csv")):
        items = bill(path.with_name(path.name.replace(".residual", "")))
        for row in rows_of(path):
            if residual(items) != Decimal(row["x_ConversionResidual"]):
                wrong += 1
                print(f"{path.name}: found {residual(items):f}")
    print("fixtures: all figures agree" if not wrong else f"fixtures: {wrong} figures differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
