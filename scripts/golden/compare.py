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
TABLES = ["focus_charges", "allocated_charges", "unit_economics_daily", "unit_economics_monthly"]


def golden(name):
    with (GOLDEN / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        return next(reader), list(reader)


def tables(destination):
    """Our tables as views of a connection."""
    connection = duckdb.connect()
    for name in TABLES:
        relation = duckdb_relation(pathlib.Path(destination) / name)
        connection.execute(f"create view {name} as select * from {relation}")
    return connection


def comparable(row):
    """Values as text; numbers as numbers, so that 1.50 equals 1.5."""
    def value(text):
        try:
            return Decimal(text)
        except ArithmeticError:
            return text
    return tuple(value("" if v is None else str(v)) if n else str(v) for n, v in enumerate(row))


def differences(connection, name):
    header, wanted = golden(name)
    question = (GOLDEN / f"{name}.sql").read_text(encoding="utf-8")
    casts = ", ".join(f"{column}::varchar" for column in header)
    found = connection.execute(f"select {casts} from ({question})").fetchall()
    figures = sum(column in (*COSTS, "rows", "x_Cost", "x_CostWithoutQuantity", "x_Quantity", "x_UnitCost", "x_UnitCostReason")
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
    connection = tables(sys.argv[1])
    names = sorted(path.stem for path in GOLDEN.glob("*.csv"))
    return 1 if sum(differences(connection, name) for name in names) else 0


if __name__ == "__main__":
    sys.exit(main())
