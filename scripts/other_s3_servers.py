#!/usr/bin/env python3
"""Runs the sample on S3 servers that others wrote, and checks what a server must not change.

    python scripts/other_s3_servers.py --binary target/release/apportion [--servers moto,radosgw,careless]

- moto in auth mode and Ceph's radosgw: bills, telemetry and tables on the server give the totals of
  local folders, in both formats; a second run changes no object of a table; wrong keys are refused
  and no secret is shown; `vacuum` deletes an orphan there and nothing else.
- careless: moto behind a proxy that drops the conditions of writes, as some servers ignore them.
  Delta must be refused there before anything is written; Parquet must work.

A server whose programs are not installed is skipped with a message; with --require that is an error.
Needs moto[server] and boto3; radosgw as s3_servers.py says. Exits with 1 on a difference.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import s3_servers

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPORTS = {"aws/cur2": "aws/cur2/acme", "gcp": "gcp/acme", "azure": "azure/acme"}
PERIOD = ("--period", "2026-01")
TOTALS = ("SELECT x_BillingPeriod, sum(BilledCost), sum(EffectiveCost), sum(ListCost), sum(ContractedCost), "
          "count(*) FROM allocated_charges GROUP BY 1 ORDER BY 1")


class Wrong(Exception):
    """Something is not as promised."""


def expect(condition, message):
    if not condition:
        raise Wrong(message)


class Commands:
    """Calls of the binary, with or without a server."""

    def __init__(self, binary, folder, server=None, secret=None):
        self.binary, self.folder = binary, folder
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = environment | (server.environment() if server else {})
        if secret:
            self.environment["AWS_SECRET_ACCESS_KEY"] = secret

    def call(self, *arguments):
        return subprocess.run([self.binary, *arguments], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True)

    def ok(self, *arguments):
        done = self.call(*arguments)
        expect(done.returncode == 0, f"{' '.join(map(str, arguments))} ended with {done.returncode}:\n"
                                     f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout


def pipeline(folder, table_format):
    """The sample with everything in buckets."""
    text = (ROOT / "pipelines/sample.yaml").read_text()
    for export in EXPORTS.values():
        text = text.replace(f"../testdata/exports/{export}/", f"s3://acme-billing/{export}/")
    text = text.replace("../testdata/telemetry/", "s3://acme-telemetry/telemetry/")
    text = text.replace("../output/sample/", f"s3://acme-finops/{table_format}/")
    path = folder / f"{table_format}.yaml"
    path.write_text(text.replace("format: parquet", f"format: {table_format}"))
    return path


def upload(client):
    for bucket in ("acme-billing", "acme-telemetry", "acme-finops"):
        client.create_bucket(Bucket=bucket)
    for bucket, folder in (("acme-billing", "exports"), ("acme-telemetry", "telemetry")):
        root = ROOT / "testdata" / folder
        prefix = "telemetry/" if folder == "telemetry" else ""
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            client.put_object(Bucket=bucket, Key=prefix + path.relative_to(root).as_posix(), Body=path.read_bytes())


def objects(client, prefix):
    """Entity tags of the tables' objects; what is internal changes with every run."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="acme-finops", Prefix=prefix)
    found = {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}
    return {key: tag for key, tag in found.items() if "/_apportion/" not in key}


def whole_sample(binary, folder, server, expected):
    """Both formats on a server that keeps its promises."""
    client = server.client()
    upload(client)
    for table_format in ("parquet", "delta"):
        started = time.monotonic()
        commands, file = Commands(binary, folder, server), pipeline(folder, table_format)
        wrong = Commands(binary, folder, server, secret="not-the-secret-of-this-server").call("run", file, *PERIOD)
        said = wrong.stdout + wrong.stderr
        expect(wrong.returncode == 1, f"wrong keys ended with {wrong.returncode}: {said[-800:]}")
        expect("not-the-secret" not in said and server.secret_key not in said, "a secret is shown")
        expect(not objects(client, table_format), "something was written with wrong keys")
        commands.ok("run", file, *PERIOD)
        answer = commands.ok("query", "--pipeline", file, "--format", "csv", TOTALS)
        expect(answer == expected, f"{table_format} totals differ:\n{answer}instead of\n{expected}")
        before = objects(client, table_format)
        report = json.loads(commands.ok("run", file, *PERIOD, "--format", "json"))
        statuses = {unit["status"] for unit in report["sources"] + report["allocations"]}
        expect("published" not in statuses, f"the second run published: {statuses}")
        expect(objects(client, table_format) == before, "the second run changed an object")
        stray = f"{table_format}/allocated_charges/x_BillingPeriod=2026-01/part-00099.parquet"
        client.put_object(Bucket="acme-finops", Key=stray, Body=b"somebody's")
        time.sleep(1.1)  # listings have whole seconds
        clean = ("vacuum", file, "--older-than", "0s", "--force", "--format", "json", "--work-directory", folder)
        deleted = json.loads(commands.ok(*clean))["objects"]
        expect(stray not in {f"{table_format}/{entry['object']}" for entry in deleted}, f"vacuum deleted {deleted}")
        found = commands.call("run", file, *PERIOD)
        expect("part-00099.parquet" in found.stdout + found.stderr, "a run does not tell what nobody of us wrote")
        client.delete_object(Bucket="acme-finops", Key=stray)
        expect(objects(client, table_format) == before, "vacuum changed an object of a table")
        answer = commands.ok("query", "--pipeline", file, "--format", "csv", TOTALS)
        expect(answer == expected, f"{table_format} totals differ after vacuum")
        print(f"  {table_format}: totals of local folders, nothing changed by a second run, wrong keys refused, "
              f"what others wrote is told and left ({time.monotonic() - started:.0f} s)")


def refusal(binary, folder, server, expected):
    """A server on which a Delta table could lose commits."""
    client = server.client()
    upload(client)
    commands, file = Commands(binary, folder, server), pipeline(folder, "delta")
    done = commands.call("run", file, *PERIOD)
    expect(done.returncode == 2, f"Delta ended with {done.returncode}: {done.stderr[-800:]}")
    expect("conditional" in done.stderr and "parquet" in done.stderr, f"the refusal is not clear: {done.stderr[-800:]}")
    expect(not objects(client, "delta"), f"objects were written: {objects(client, 'delta')}")
    file = pipeline(folder, "parquet")
    commands.ok("run", file, *PERIOD)
    answer = commands.ok("query", "--pipeline", file, "--format", "csv", TOTALS)
    expect(answer == expected, f"parquet totals differ:\n{answer}instead of\n{expected}")
    print("  delta: refused before anything was written; parquet: totals of local folders")


SERVERS = {
    "moto": (s3_servers.moto, whole_sample),
    "radosgw": (s3_servers.radosgw, whole_sample),
    "careless": (s3_servers.careless_moto, refusal),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=lambda path: pathlib.Path(path).resolve(), required=True)
    parser.add_argument("--servers", default="moto,radosgw,careless", help="moto,radosgw,careless")
    parser.add_argument("--require", action="store_true", help="a server that is not installed is an error")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        local = Commands(options.binary, folder)
        local.ok("run", ROOT / "pipelines/sample.yaml", *PERIOD, "--destination", folder / "local")
        expected = local.ok("query", "--destination", folder / "local", "--format", "csv", TOTALS)
        for name in options.servers.split(","):
            missing = s3_servers.radosgw_missing() if name == "radosgw" else []
            if missing:
                print(f"{name}: skipped, not installed: {', '.join(missing)}")
                failed |= options.require
                continue
            start, check = SERVERS[name]
            started = time.monotonic()
            with start() as server:
                print(f"{server.name}: up after {time.monotonic() - started:.0f} s")
                try:
                    check(options.binary, folder, server, expected)
                except Wrong as error:
                    print(f"  WRONG: {error}")
                    failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
