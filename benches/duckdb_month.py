#!/usr/bin/env python3
"""The same month in DuckDB: normalise to FOCUS, allocate by the same rules, unit economics.

    python benches/duckdb_month.py {normalize,all} --data target/bench --out target/bench/duckdb

Prints seconds per phase and peak memory as one JSON line. Needs duckdb. The SQL is that of the
independent reference in scripts/reference; money is exact, or the comparison would be unfair.
"""

import argparse
import json
import pathlib
import resource
import shutil
import sys
import time

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
from reference import allocate, focus, rules, unit_economics  # noqa: E402

PERIOD = "2026-01"
LEDGERS = ["Billed", "Effective", "List", "Contracted"]


def manifest_files(data):
    """The data files the manifest names."""
    export = data / "cur2/bench"
    path = export / f"metadata/BILLING_PERIOD={PERIOD}/bench-Manifest.json"
    names = json.loads(path.read_text(encoding="utf-8"))["dataFiles"]
    return [export / name.split("/cur2/bench/", 1)[1] for name in names]


def copy(connection, query, path, order):
    connection.execute(f"copy (select * from ({query}) order by {order}) to '{path}' "
                       "(format parquet, compression zstd, row_group_size 122880)")


def normalize(connection, data, out):
    """Bill to sorted FOCUS charges."""
    focus.prepare(connection, "bench", PERIOD)
    focus.read_files(connection, manifest_files(data))
    copy(connection, focus.SQL, out / "focus_charges.parquet",
         "SubAccountId, ChargePeriodStart, ServiceName, x_ChargeId")


def load_telemetry(connection, data):
    connection.execute(allocate.MACROS)
    parts = []
    for name, folder, keyed in [("requests", "requests", True), ("traffic", "requests", False),
                                ("cpu_seconds", "cpu_seconds", True),
                                ("query_seconds", "query_seconds", True)]:
        parts.append(f"""
            select '{name}' as Telemetry, {'service' if keyed else "''"} as MatchKey,
                epoch_us(ts) // 86400000000 as Day, customer as Target,
                units({'cast(quantity as decimal(38, 12))' if folder == 'requests' else 'money(quantity)'})
                    as Units, 'current' as Period
            from read_parquet('{data}/telemetry/{folder}/*.parquet')""")
    connection.execute(f"""create or replace table telemetry as
        select * exclude (Units), sum(Units)::hugeint as Units
        from ({' union all '.join(parts)}) group by all""")


def spread(connection, out):
    """Allocation and unit economics from the written charges."""
    connection.execute(f"create or replace view focus_charges as "
                       f"select * from read_parquet('{out}/focus_charges.parquet')")
    allocate.allocate(connection, rules.BENCH)
    kept = ", ".join(allocate.KEPT)
    costs = ", ".join(f"cast(cast({c}Cost as decimal(38, 12)) * 0.000000000001 as decimal(38, 12)) "
                      f"as {c}Cost" for c in LEDGERS)
    copy(connection, f"""
        select '{PERIOD}' as x_BillingPeriod, date '1970-01-01' + day::integer as x_ChargeDate,
            x_Source, BillingCurrency, target as x_AllocationTargetId, rule as x_AllocationRuleId,
            part as x_AllocationActivity, driver as x_AllocationDriver, cell as x_CellId,
            charges as x_ChargeCount, {costs}, {kept}
        from splits
        where BilledCost <> 0 or EffectiveCost <> 0 or ListCost <> 0 or ContractedCost <> 0
        """, out / "allocated_charges.parquet", "x_ChargeDate, x_AllocationTargetId, x_CellId")
    for name, by_day in [("daily", True), ("monthly", False)]:
        union = " union all by name ".join(
            f"({unit_economics.figures(metric, by_day)})" for metric in unit_economics.METRICS)
        copy(connection, union, out / f"unit_economics_{name}.parquet", "metric, day, target")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("phase", choices=["normalize", "all"])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--memory-limit", help="for example 4GB; DuckDB's own default otherwise")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)

    connection = duckdb.connect()
    connection.execute(f"set temp_directory = '{options.out}/spill'")
    if options.memory_limit:
        connection.execute(f"set memory_limit = '{options.memory_limit}'")
    if options.threads:
        connection.execute(f"set threads = {options.threads}")
    seconds = {}
    started = time.perf_counter()
    normalize(connection, options.data, options.out)
    seconds["normalize"] = time.perf_counter() - started
    if options.phase == "all":
        started = time.perf_counter()
        load_telemetry(connection, options.data)
        spread(connection, options.out)
        seconds["allocate"] = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": round(peak)}))


if __name__ == "__main__":
    main()
