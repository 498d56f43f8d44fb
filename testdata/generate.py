#!/usr/bin/env python3
"""Writes the sample: three months of an invented company's bills at three clouds, and telemetry.

    python testdata/generate.py [--out testdata]

The same command writes the same rows at any time: no clock, no random state, one fixed seed.
Needs pyarrow. See README.md for what each oddity is there for.
"""

import argparse
import datetime as dt
import pathlib
import shutil

from generator import acme, azure_bill, bigquery, cost_export, cur2, gcp_bill, telemetry
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


def write_gcp(root):
    """What a monthly query in BigQuery leaves in a bucket: a folder per invoice month."""
    base = root / "exports/gcp/acme"
    shutil.rmtree(base, ignore_errors=True)
    for period in acme.PERIODS:
        table = bigquery.to_table(gcp_bill.bill(period))
        bigquery.write_parquet(table, base / bigquery.data_key(period))
        print(f"{period}: {table.num_rows} Google Cloud rows")


def write_azure(root):
    """Actual and amortized cost of each month; of February also the run of the 15th."""
    base = root / "exports/azure/acme"
    shutil.rmtree(base, ignore_errors=True)
    runs = [("2026-01", "202602060600", None), ("2026-02", "202602150600", dt.date(2026, 2, 14)),
            ("2026-02", "202603060600", None), ("2026-03", "202604010600", None)]
    for period, time, until in runs:
        days = acme.days(period)
        datasets = azure_bill.bill_until(period, until or days[-1])
        for kind, rows in zip(("Actual", "Amortized"), datasets):
            cost_export.write_run(base, "acme", f"acme-{kind.lower()}", f"{kind}Cost",
                                  (days[0], days[-1]), time, rows)
            print(f"{period}: {len(rows)} Azure rows of {kind.lower()} cost, run of {time}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    root = parser.parse_args().out
    write_export(root)
    write_gcp(root)
    write_azure(root)
    for period in acme.PERIODS:
        telemetry.write(root / "telemetry", period)


if __name__ == "__main__":
    main()
