#!/usr/bin/env python3
"""A year of three sources: backfill with bounded memory, then a night with nothing new.

    python benches/year.py --binary target/release/apportion [--rows 300000] [--memory-limit 2GiB]

Generates twelve months of an export once and reads them as three sources. Prints wall time and peak
memory of the backfill, of a run right after it, and of a run after one month was delivered again;
then `apportion verify` must find every month in order. Needs duckdb, numpy and pyarrow.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

import compare

ROOT = pathlib.Path(__file__).resolve().parents[1]
MONTHS = [f"2025-{month:02d}" for month in range(1, 13)]
SOURCES = ["north", "south", "west"]


def generate(options):
    """Twelve months below the data folder, unless they are there."""
    done = options.data / f"done-{options.rows}"
    if done.exists():
        return
    shutil.rmtree(options.data, ignore_errors=True)
    for month in MONTHS:
        command = [sys.executable, ROOT / "benches/generate.py", "--rows", str(options.rows), "--out", options.data]
        subprocess.run(command, check=True, env={**os.environ, "APPORTION_BENCH_MONTH": month})
    done.touch()


def pipeline(options):
    """The benchmark's pipeline with three sources in place of one."""
    text = (ROOT / "benches/pipeline.yaml").read_text(encoding="utf-8")
    head, rest = text.split("sources:\n", 1)
    _, tail = rest.split("telemetry:\n", 1)
    sources = ""
    for name in SOURCES:
        # Links, because two sources that read the same place are refused.
        folder = options.data / "sources" / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(options.data / "cur2/bench", folder, copy_function=os.link)
        sources += f"  {name}: {{ format: aws_cur_2, location: {folder}/ }}\n"
    text = f"{head}sources:\n{sources}\ntelemetry:\n{tail}".replace("../target/bench", str(options.data))
    path = options.data / "year.yaml"
    path.write_text(text.replace(f"{options.data}/ours/", f"{options.data}/year/"), encoding="utf-8")
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=lambda path: pathlib.Path(path).resolve(), required=True)
    parser.add_argument("--rows", type=int, default=300_000, help="line items a month and source, roughly")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "target/bench-year")
    parser.add_argument("--memory-limit", default="2GiB")
    parser.add_argument("--parallel", default="1")
    options = parser.parse_args()
    options.data = options.data.resolve()
    generate(options)
    path = pipeline(options)
    shutil.rmtree(options.data / "year", ignore_errors=True)
    limit = ["--memory-limit", options.memory_limit]
    backfill = ["backfill", path, "--from", MONTHS[0], "--to", MONTHS[-1], "--parallel", options.parallel, *limit]
    again = [options.data / f"cur2/bench/data/BILLING_PERIOD={MONTHS[5]}"]
    for name, command in [("backfill", backfill), ("nothing new", ["run", path, *limit]),
                          ("one month delivered again", ["run", path, *limit])]:
        if name.startswith("one month"):
            for file in again[0].iterdir():
                file.touch()
        _, seconds, memory = compare.measure([options.binary, *command])
        print(f"{name:<26} {seconds:8.1f} s   peak {memory:7.0f} MiB", flush=True)
    subprocess.run([options.binary, "verify", path], check=True, stdout=subprocess.DEVNULL)
    print(f"verified: {len(MONTHS)} months of {len(SOURCES)} sources")


if __name__ == "__main__":
    main()
