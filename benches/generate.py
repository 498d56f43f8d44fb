#!/usr/bin/env python3
"""Writes one large month: a CUR 2.0 Data Export and telemetry, for the benchmark.

    python benches/generate.py --rows 5000000 --out /tmp/apportion-bench

Vectorised and file by file, so memory stays bounded. Needs numpy and pyarrow. The shape is that of
the sample (testdata/generator/cur2.py); names, prices and quantities are invented.
"""

import argparse
import concurrent.futures
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "testdata"), str(ROOT / "benches")]
from generator import cur2  # noqa: E402
from month import estate, lines, telemetry  # noqa: E402

ROWS_PER_FILE = 450_000
ROW_GROUP = 100_000


def write_part(out, rows, number, hours):
    """One data file: all lines of a range of hours. Runs in its own process."""
    table = lines.of_hours(estate.build(rows), hours, last=hours.stop == estate.HOURS)
    cur2.write_parquet(table, f"{out}/{cur2.data_key('bench', estate.PERIOD, number)}", ROW_GROUP)
    return table.num_rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000, help="line items, roughly")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    export = options.out / "cur2" / "bench"

    files = min(16, max(1, round(options.rows / ROWS_PER_FILE)))
    bounds = [estate.HOURS * n // files for n in range(files + 1)]
    tasks = [(str(export), options.rows, n + 1, range(bounds[n], bounds[n + 1]))
             for n in range(files)]
    with concurrent.futures.ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        written = sum(pool.map(write_part, *zip(*tasks, strict=True)))
    cur2.write_manifest(str(export), "bench", "bench-billing", "cur2", estate.PERIOD,
                        "00000000-0000-4000-8000-000000000001", range(1, files + 1))
    measured = telemetry.write(options.out / "telemetry", options.rows)
    print(f"{written} line items in {files} files, {measured} telemetry rows, {options.out}")


if __name__ == "__main__":
    main()
