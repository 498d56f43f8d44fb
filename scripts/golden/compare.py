#!/usr/bin/env python3
"""Compares a run of pipelines/sample.yaml with the golden results, to the last digit.

    python scripts/golden/compare.py output/sample

Reads our tables with DuckDB. Exits with 1 on any difference. Needs duckdb, for Delta deltalake.
"""

import csv
import pathlib
import sys
from decimal import Decimal

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from tables import duckdb_relation  # noqa: E402

GOLDEN = ROOT / "testdata/golden/sample"
COSTS = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"]
SHOWN = 10


def golden(name):
    with (GOLDEN / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        return next(reader), list(reader)


def query(name, header, relation):
    """Our table in the shape of its golden file: grouped where the golden file is."""
    if name.startswith("unit_economics"):
        columns = ", ".join(header)
        return f"select {columns} from {relation}"
    keys = [column for column in header if column not in (*COSTS, "rows")]
    figures = ["count(*) as rows"] if "rows" in header else []
    figures += [f"sum({cost}) as {cost}" for cost in COSTS]
    having = "" if "rows" in header else " having " + " or ".join(
        f"sum({cost}) <> 0" for cost in COSTS)
    return f"select {', '.join(keys)}, {', '.join(figures)} from {relation} group by all{having}"


def comparable(row):
    """Values as text; numbers as numbers, so that 1.50 equals 1.5."""
    def value(text):
        try:
            return Decimal(text)
        except ArithmeticError:
            return text
    return tuple(value("" if v is None else str(v)) if n else str(v) for n, v in enumerate(row))


def differences(name, destination):
    header, wanted = golden(name)
    relation = duckdb_relation(pathlib.Path(destination) / name)
    casts = ", ".join(f"{column}::varchar" for column in header)
    found = duckdb.sql(f"select {casts} from ({query(name, header, relation)})").fetchall()
    if "x_ChargeDate" in header:
        days = {row[header.index("x_ChargeDate")] for row in wanted}
        found = [row for row in found if row[header.index("x_ChargeDate")] in days]
    figures = sum(column in (*COSTS, "rows", "x_Cost", "x_Quantity", "x_UnitCost", "x_UnitCostReason")
                  for column in header)
    cut = len(header) - figures
    left, right = ({row[:cut]: row[cut:] for row in map(comparable, rows)}
                   for rows in (wanted, found))
    if len(right) != len(found):
        print(f"{name}: {len(found) - len(right)} rows share a key")
    wrong = [key for key in left.keys() | right.keys() if left.get(key) != right.get(key)]
    print(f"{name}: {len(wanted)} golden rows, {len(found)} found, {len(wrong)} differ")
    for key in sorted(wrong, key=str)[:SHOWN]:
        print("  ", *map(str, key), "\n     golden", *map(str, left.get(key, ["absent"])),
              "\n     found ", *map(str, right.get(key, ["absent"])))
    return len(wrong) + len(found) - len(right)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    names = ["focus_charges", "allocated_charges", "unit_economics_daily", "unit_economics_monthly"]
    return 1 if sum(differences(name, sys.argv[1]) for name in names) else 0


if __name__ == "__main__":
    sys.exit(main())
