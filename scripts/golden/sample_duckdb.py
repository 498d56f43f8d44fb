#!/usr/bin/env python3
"""Computes what pipelines/sample.yaml must give, in DuckDB, from the raw Parquet files.

    python scripts/golden/sample_duckdb.py [--out testdata/golden/sample]

Never reads our own output. Writes sorted CSV with decimals as text. Needs duckdb.
"""

import argparse
import csv
import json
import pathlib
import sys
from decimal import Decimal

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from reference import allocate, focus, rules, unit_economics  # noqa: E402

PERIODS = ["2026-01", "2026-02", "2026-03"]
EXPORT = ROOT / "testdata/exports/aws/cur2/acme"
GCP = ROOT / "testdata/exports/gcp/acme"
AZURE = ROOT / "testdata/exports/azure/acme"
KEPT = ["ServiceCategory", *allocate.KEPT]
TELEMETRY = [  # name, folder, time, match column, target, quantity
    ("requests", "requests", "ts", "service", "customer_id", "request_count"),
    ("traffic", "requests", "ts", None, "customer_id", "request_count"),
    ("cpu_seconds", "cpu_seconds", "bucket_start", "service", "customer", "cpu_seconds"),
    ("query_seconds", "query_seconds", "day", "database", "customer", "seconds"),
]
# Days on which something is odd, and two ordinary ones; all days would be 15,000 rows.
DAYS = {"2026-01-01", "2026-01-18", "2026-01-20", "2026-01-21", "2026-02-10", "2026-02-14",
        "2026-02-15", "2026-03-31"}
LEDGERS = ["Billed", "Effective", "List", "Contracted"]


def data_files(period):
    """What the manifest names, in the local copy of the bucket; never the whole folder."""
    path = EXPORT / f"metadata/BILLING_PERIOD={period}/acme-Manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    return [EXPORT / uri.split("/cur2/acme/", 1)[1] for uri in manifest["dataFiles"]]


def azure_file(export, period):
    """The data file that the newest run of a month's export names."""
    (month,) = AZURE.glob(f"{export}/{period.replace('-', '')}01-*")
    (run,) = max(month.iterdir()).iterdir()
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    (blob,) = manifest["blobs"]
    return AZURE / blob["blobName"].removeprefix("acme/")


def load_charges(connection, period):
    """All three bills of a month as `focus_charges`, each tied to its provider's own totals."""
    focus.prepare(connection, "aws-main", period)
    focus.prepare_clouds(connection)
    focus.read_files(connection, data_files(period))
    connection.execute(f"create table focus_charges as {focus.SQL}")

    connection.execute("set variable source = 'gcp-analytics'")
    focus.read_files(connection, [GCP / f"invoice_month={period.replace('-', '')}/*.parquet"],
                     "gcp_rows")
    connection.execute(f"insert into focus_charges by name {focus.GCP_SQL}")
    tie(connection, period, "gcp-analytics", ["Billed", "Effective"],
        "select sum(money(cost)) + sum(list_sum(list_transform(credits, lambda c: money(c.amount)))) "
        "from gcp_rows")

    connection.execute("set variable source = 'azure-loyalty'")
    for dataset, export in [("ActualCost", "acme-actual"), ("AmortizedCost", "acme-amortized")]:
        focus.read_files(connection, [azure_file(export, period)], dataset, dataset=dataset)
    connection.execute("create view azure_rows as "
                       "select * from ActualCost union all by name select * from AmortizedCost")
    connection.execute(f"insert into focus_charges by name {focus.AZURE_SQL}")
    for dataset, ledger in [("ActualCost", "Billed"), ("AmortizedCost", "Effective")]:
        tie(connection, period, "azure-loyalty", [ledger],
            f"select sum(money(costInBillingCurrency)) from {dataset}")


def tie(connection, period, source, ledgers, total):
    """Stops unless the charges of a source add up to what its provider's own rows say."""
    (wanted,) = connection.execute(total).fetchone()
    for ledger in ledgers:
        (found,) = connection.execute(
            f"select sum({ledger}Cost) from focus_charges where x_Source = '{source}'").fetchone()
        if found != wanted:
            raise SystemExit(f"{period}: {source} says {wanted}, {ledger} is {found}")
    print(f"{period}: {source} {' and '.join(ledgers)} {wanted}")


def load_telemetry(connection, period):
    """Daily quantities of all days, with the period they are in, in units of 10^-12."""
    parts = []
    for name, folder, time, match, target, quantity in TELEMETRY:
        glob = ROOT / f"testdata/telemetry/{folder}/*.parquet"
        key = f"coalesce({match}, '')" if match else "''"
        parts.append(f"""
            select '{name}' as Telemetry, {key} as MatchKey, epoch_us({time}) // 86400000000 as Day,
                {target} as Target, units(cast(cast({quantity} as varchar) as decimal(38, 12)))
                    as Units, strftime({time}, '%Y-%m') as Month
            from read_parquet('{glob}')""")
    before = (duckdb.execute(f"select strftime(date '{period}-01' - interval 1 month, '%Y-%m')")
              .fetchone()[0])
    connection.execute(allocate.MACROS)
    connection.execute(f"""
        create or replace table telemetry as
        select Telemetry, MatchKey, Day, Target, sum(Units)::hugeint as Units,
            case Month when '{period}' then 'current' when '{before}' then 'previous' else 'other' end
                as Period
        from ({' union all '.join(parts)}) group by all""")


def money(units):
    return format(Decimal(units).scaleb(-12), "f")


def write(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(sorted(rows, key=lambda row: tuple("" if v is None else str(v) for v in row)))
    print(f"{path.name}: {len(rows)} rows")


def totals(connection, period):
    """Rows and cost of focus_charges by source, line item type and category."""
    sums = ", ".join(f"sum({ledger}Cost)::varchar" for ledger in LEDGERS)
    return [(period, *row) for row in connection.execute(
        f"""select x_Source, x_LineItemType, ChargeCategory, ChargeClass, ChargeFrequency, PricingCategory,
            CommitmentDiscountStatus, x_Finality, count(*), {sums} from focus_charges group by all""").fetchall()]


def allocated(connection, period):
    """Cost by target, service, rule and finality; rows that are zero everywhere are not written."""
    sums = ", ".join(f"sum({ledger}Cost)::hugeint as {ledger}" for ledger in LEDGERS)
    found = connection.execute(
        f"select target, service, rule, x_Finality, {sums} from splits group by all").fetchall()
    return [(period, *row[:4], *map(money, row[4:])) for row in found if any(row[4:])]


def databases(connection, period):
    """What each customer's databases cost at each provider: the question of the README."""
    found = connection.execute("""
        select target, ServiceProviderName, ServiceName, sum(EffectiveCost)::hugeint
        from splits where ServiceCategory = 'Databases' group by all""").fetchall()
    return [(period, *row[:3], money(row[3])) for row in found if row[3]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "testdata/golden/sample")
    out = parser.parse_args().out
    charges, split, database, daily, monthly = [], [], [], [], []
    for period in PERIODS:
        connection = duckdb.connect()
        load_charges(connection, period)
        load_telemetry(connection, period)
        allocate.allocate(connection, rules.SAMPLE, KEPT)
        difference = connection.execute(
            "select " + ", ".join(
                f"(select sum({c}Cost) from cells) - (select sum({c}Cost) from splits)"
                for c in LEDGERS)).fetchone()
        if any(difference):
            raise SystemExit(f"{period}: allocation lost {difference}")
        charges += totals(connection, period)
        split += allocated(connection, period)
        database += databases(connection, period)
        daily += [row for row in unit_economics.daily(connection, period) if row[1] in DAYS]
        monthly += unit_economics.monthly(connection, period)
    costs = [f"{ledger}Cost" for ledger in LEDGERS]
    write(out / "focus_charges.csv",
          ["x_BillingPeriod", "x_Source", "x_LineItemType", "ChargeCategory", "ChargeClass", "ChargeFrequency",
           "PricingCategory", "CommitmentDiscountStatus", "x_Finality", "rows", *costs], charges)
    write(out / "allocated_charges.csv",
          ["x_BillingPeriod", "x_AllocationTargetId", "x_Service", "x_AllocationRuleId", "x_Finality",
           *costs],
          split)
    write(out / "database_costs.csv",
          ["x_BillingPeriod", "x_AllocationTargetId", "ServiceProviderName", "ServiceName",
           "EffectiveCost"], database)
    write(out / "unit_economics_daily.csv", unit_economics.DAILY, daily)
    write(out / "unit_economics_monthly.csv", unit_economics.MONTHLY, monthly)


if __name__ == "__main__":
    main()
