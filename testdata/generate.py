#!/usr/bin/env python3
"""Writes the sample: three months of an invented company's AWS bill and telemetry.

    python testdata/generate.py [--out testdata]

The same command writes the same rows at any time: no clock, no random state, one fixed seed.
Needs pyarrow. See README.md for what each oddity is there for.
"""

import argparse
import pathlib
import shutil

from generator import acme, cur2, telemetry
from generator.bill import bill

BUCKET, PREFIX, EXPORT = "acme-billing", "cur2", "acme"


def write_export(root):
    """The bucket copy of the export: data files and manifests of three billing periods."""
    base = root / "exports" / "aws" / PREFIX / EXPORT
    shutil.rmtree(base, ignore_errors=True)
    for period in acme.PERIODS:
        table = cur2.to_table(bill(period))
        # February came in two files; all other months in one.
        cut = table.num_rows // 2 if period == "2026-02" else table.num_rows
        parts = [table.slice(0, cut), table.slice(cut)]
        numbers = [n for n, part in enumerate(parts, start=1) if part.num_rows]
        for number in numbers:
            cur2.write_parquet(parts[number - 1], base / cur2.data_key(EXPORT, period, number))
        if period == "2026-01":
            # Left behind by an earlier, longer delivery: no manifest names it, nobody may read it.
            cur2.write_parquet(table.slice(100, 40), base / cur2.data_key(EXPORT, period, 2))
        execution = f"5d0c0000-0000-4000-8000-{period.replace('-', ''):>012}"
        cur2.write_manifest(base, EXPORT, BUCKET, PREFIX, period, execution, numbers)
        print(f"{period}: {table.num_rows} line items")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    root = parser.parse_args().out
    write_export(root)
    for period in acme.PERIODS:
        telemetry.write(root / "telemetry", period)


if __name__ == "__main__":
    main()
