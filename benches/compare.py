#!/usr/bin/env python3
"""Runs our binary and DuckDB side by side on the same month and prints the ratios.

    python benches/compare.py --binary target/release/apportion [--rows 5000000] [--rounds 3]

Generates the month if it is absent. Runs alternate, so that a busy machine is busy for both. Each
measurement is one process; peak memory is what the kernel counted for it. At the end every ledger
and every allocated figure of the two must agree to the last digit. Needs duckdb, numpy, pyarrow.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[1]
PERIOD = "2026-01"
COSTS = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"]
CUT = "# What follows this line is left out when only normalization is measured."


def measure(command):
    """Runs a process; returns its standard output, wall seconds and peak memory in MiB."""
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        output.seek(0)
        text = output.read()
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{text}")
    return text, seconds, usage.ru_maxrss / 1024


def pipeline(options, only_charges):
    """The pipeline for this data folder, with or without allocation."""
    text = (ROOT / "benches/pipeline.yaml").read_text(encoding="utf-8")
    head, tail = text.split(CUT)
    if only_charges:
        text = head + tail[tail.index("destination:"):]
    text = text.replace("../target/bench", str(options.data))
    name = "charges" if only_charges else "all"
    path = options.data / f"pipeline-{name}.yaml"
    path.write_text(text.replace(f"{options.data}/ours/", f"{options.data}/ours-{name}/"),
                    encoding="utf-8")
    return path, options.data / f"ours-{name}"


def ours(options, only_charges):
    """One run of our binary into an empty destination."""
    path, destination = pipeline(options, only_charges)
    shutil.rmtree(destination, ignore_errors=True)
    command = [options.binary, "run", path, "--period", PERIOD, "--format", "json",
               "--work-directory", options.data / "work"]
    (options.data / "work").mkdir(exist_ok=True)
    if options.memory_limit_mib:
        command += ["--memory-limit", f"{options.memory_limit_mib}MiB"]
    if options.threads:
        command += ["--jobs", str(options.threads)]
    text, seconds, peak = measure([str(part) for part in command])
    report = json.loads(text)
    phases = report["seconds"]
    return seconds, peak, phases


def duck(options, only_charges):
    """One run of DuckDB."""
    name = "charges" if only_charges else "all"
    command = [sys.executable, ROOT / "benches/duckdb_month.py",
               "normalize" if only_charges else "all",
               "--data", options.data, "--out", options.data / f"duckdb-{name}"]
    if options.memory_limit_mib:
        command += ["--memory-limit", f"{options.memory_limit_mib}MiB"]
    if options.threads:
        command += ["--threads", str(options.threads)]
    text, seconds, peak = measure([str(part) for part in command])
    return seconds, peak, json.loads(text)["seconds"]


def verify(options):
    """Totals by line item type, and allocated cost by target, service and rule, to the digit."""
    mine, theirs = options.data / "ours-all", options.data / "duckdb-all"
    sums = ", ".join(f"sum({cost})::varchar" for cost in COSTS)
    wrong = 0
    for table, keys in [
        ("focus_charges", "x_LineItemType, ChargeCategory, CommitmentDiscountStatus, PricingCategory"),
        ("allocated_charges", "x_AllocationTargetId, {service}, x_AllocationRuleId"),
    ]:
        found = []
        for source, service in [(f"{mine}/{table}/**/*.parquet", "x_Service"),
                                (f"{theirs}/{table}.parquet", "service")]:
            found.append(set(duckdb.sql(
                f"select {keys.format(service=service)}, {sums} "
                f"from read_parquet('{source}', hive_partitioning = false) group by all").fetchall()))
        difference = found[0] ^ found[1]
        wrong += len(difference)
        print(f"{table}: {len(found[0])} groups, {len(difference)} differ")
        for row in sorted(difference, key=str)[:10]:
            print("  ", "ours  " if row in found[0] else "duckdb", row)
    return wrong


def show(label, mine, theirs, unit):
    left, right = statistics.median(mine), statistics.median(theirs)
    print(f"{label:<22}{left:>10.1f}{right:>10.1f} {unit:<4}{left / right:>8.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/apportion")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "target/bench")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-limit-mib", type=int, help="for both")
    parser.add_argument("--threads", type=int, help="for both")
    options = parser.parse_args()
    options.data = options.data.resolve()
    if not (options.data / "cur2").is_dir():
        subprocess.run([sys.executable, ROOT / "benches/generate.py", "--rows", str(options.rows),
                        "--out", options.data], check=True)
    results = {(who, what): [] for who in ("ours", "duckdb") for what in ("charges", "all")}
    for number in range(options.rounds):
        for what in ("charges", "all"):
            for who, run in (("ours", ours), ("duckdb", duck)):
                result = run(options, what == "charges")
                results[who, what].append(result)
                print(f"round {number + 1} {who} {what}: {result[0]:.1f} s, {result[1]:.0f} MiB",
                      file=sys.stderr)

    def column(who, what, pick):
        return [pick(result) for result in results[who, what]]

    print(f"\n{'median of ' + str(options.rounds):<22}{'ours':>10}{'duckdb':>10}{'ratio':>13}")
    rows = [("normalize, wall", "charges", lambda r: r[0], "s"),
            ("normalize, peak memory", "charges", lambda r: r[1], "MiB"),
            ("allocate, wall", "all", lambda r: r[2]["allocate"], "s"),
            ("whole, wall", "all", lambda r: r[0], "s"),
            ("whole, peak memory", "all", lambda r: r[1], "MiB")]
    for label, what, pick, unit in rows:
        show(label, column("ours", what, pick), column("duckdb", what, pick), unit)
    print()
    return 1 if verify(options) else 0


if __name__ == "__main__":
    sys.exit(main())
