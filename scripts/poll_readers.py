#!/usr/bin/env python3
"""Polls written tables with other programs while `apportion run` republishes a month again and again.

    python scripts/poll_readers.py --binary target/release/apportion [--times 30] [--s3]

The sample's January of AWS is published in two versions that differ in every sum: as delivered, and
without some of its usage. While each replaces the other, readers in processes of their own ask for
the month's totals in `focus_charges` and `allocated_charges` and compare them with both versions.

| format, place | readers | promise |
| --- | --- | --- |
| Delta | deltalake, Polars, DuckDB over the files of one version | every answer is one of the two versions; no error |
| Parquet, anywhere | a file read in one piece | a month of one object per table: the same |
| Parquet, local disk | DuckDB, Polars, pyarrow, which open a file more than once | right after the run; an answer during it may fail or mix and must be repeated |
| Parquet, S3 | Polars, pyarrow, which ask for ranges | the same |

`--s3` also polls tables on moto. What was seen where nothing is promised is counted and shown.
Thirty times two local destinations take eight minutes with a debug binary on two busy cores; `--times 8` takes two.
Exits with 1 when a promise is broken or a reader saw too little to prove anything. Needs duckdb,
polars, pyarrow and deltalake; for `--s3` also moto[server] and boto3.
"""

import argparse
import collections
import contextlib
import json
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from decimal import Decimal

ROOT = pathlib.Path(__file__).resolve().parent.parent
MONTH = "2026-01"
TABLES = ("focus_charges", "allocated_charges")
COLUMNS = ("BilledCost", "EffectiveCost")
EXPORT = pathlib.Path("exports/aws/cur2/acme")


def totals(rows, billed, effective):
    return rows, Decimal(billed), Decimal(effective)


# Readers: a table's location and S3 options (or None) to the totals of the month.

def by_duckdb(path, _):
    import duckdb
    sums = ", ".join(f"sum({name})" for name in COLUMNS)
    relation = f"read_parquet('{path}/**/*.parquet', hive_partitioning = true, hive_types_autocast = false)"
    query = f"select count(*), {sums} from {relation} where x_BillingPeriod = '{MONTH}'"
    return totals(*duckdb.sql(query).fetchall()[0])


def by_duckdb_delta(path, _):
    import duckdb
    from deltalake import DeltaTable
    table = DeltaTable(path)
    month = [("x_BillingPeriod", "=", MONTH)]
    files = [uri.removeprefix("file://") for uri in table.file_uris(file_pruning_predicate=month)]
    sums = ", ".join(f"sum({name})" for name in COLUMNS)
    return totals(*duckdb.sql(f"select count(*), {sums} from read_parquet({files})").fetchall()[0])


def polars_totals(frame):
    import polars as pl
    frame = frame.filter(pl.col("x_BillingPeriod") == MONTH)
    row = frame.select(pl.len().alias("rows"), *(pl.col(name).sum() for name in COLUMNS)).collect().row(0)
    return totals(*row)


def by_polars(path, options):
    import polars as pl
    return polars_totals(pl.scan_parquet(f"{path}/**/*.parquet", hive_partitioning=True, storage_options=options))


def by_polars_delta(path, options):
    import polars as pl
    return polars_totals(pl.scan_delta(path, storage_options=options))


def arrow_totals(table):
    import pyarrow.compute as pc
    return totals(table.num_rows, *(pc.sum(table[name]).as_py() for name in COLUMNS))


def by_deltalake(path, options):
    from deltalake import DeltaTable
    table = DeltaTable(path, storage_options=options)
    return arrow_totals(table.to_pyarrow_table(
        filters=[("x_BillingPeriod", "=", MONTH)], columns=list(COLUMNS)))


def by_pyarrow(path, options):
    import pyarrow.dataset as ds
    from pyarrow.fs import LocalFileSystem, S3FileSystem
    store = LocalFileSystem() if options is None else S3FileSystem(
        access_key=options["aws_access_key_id"], secret_key=options["aws_secret_access_key"],
        endpoint_override=options["aws_endpoint"], region="us-east-1")
    data = ds.dataset(path.removeprefix("s3://"), filesystem=store, format="parquet", partitioning="hive")
    return arrow_totals(data.to_table(columns=list(COLUMNS), filter=ds.field("x_BillingPeriod") == MONTH))


def by_one_read(path, options):
    """Every object of the month in one request, so that it is of one version."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    if options is None:
        contents = [file.read_bytes() for file in pathlib.Path(path).glob(f"**/x_BillingPeriod={MONTH}/*.parquet")]
    else:
        import boto3
        client = boto3.client("s3", endpoint_url=options["aws_endpoint"], region_name="us-east-1",
                              aws_access_key_id=options["aws_access_key_id"],
                              aws_secret_access_key=options["aws_secret_access_key"])
        bucket, prefix = path.removeprefix("s3://").split("/", 1)
        keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")["Contents"]]
        keys = [key for key in keys if f"/x_BillingPeriod={MONTH}/" in key]
        contents = [client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
    return arrow_totals(pa.concat_tables(pq.read_table(pa.BufferReader(content)) for content in contents))


# By format and place: the readers, and those of them that are promised right answers during a run.
READERS = {
    ("delta", "local"): {"deltalake": by_deltalake, "polars": by_polars_delta, "duckdb": by_duckdb_delta},
    ("parquet", "local"): {
        "one piece": by_one_read, "duckdb": by_duckdb, "polars": by_polars, "pyarrow": by_pyarrow},
    ("delta", "s3"): {"deltalake": by_deltalake, "polars": by_polars_delta},
    ("parquet", "s3"): {"one piece": by_one_read, "polars": by_polars, "pyarrow": by_pyarrow},
}
PROMISED = {
    ("delta", "local"): {"deltalake", "polars", "duckdb"},
    ("parquet", "local"): {"one piece"},
    ("delta", "s3"): {"deltalake", "polars"},
    ("parquet", "s3"): {"one piece"},
}
# Readers ask often, but must leave the run a processor.
PAUSE_SECONDS = 0.02


def poll(reader, paths, options, known, stop, answers):
    """Asks until told to stop; tells how often each answer came."""
    seen, examples = collections.Counter(), []
    while not stop.is_set():
        for table, path in paths.items():
            try:
                answer = reader(path, options)
                kind = next((name for name, right in known[table].items() if right == answer), "inconsistent")
                example = f"{table}: {answer}"
            except Exception as error:  # whatever a reader raises is what its user would see
                kind, example = "error", f"{table}: {type(error).__name__}: {str(error)[:160]}"
            seen[kind] += 1
            if kind in ("inconsistent", "error") and len(examples) < 3:
                examples.append(example)
        time.sleep(PAUSE_SECONDS)
    answers.put((dict(seen), examples))


class World:
    """A destination, the two pipelines that write to it, and how its readers reach it."""

    def __init__(self, binary, folder, table_format, server=None):
        self.binary, self.folder, self.server = binary, folder, server
        self.place = "s3" if server else "local"
        self.format = table_format
        self.destination = f"s3://acme-finops/{table_format}" if server else f"{folder}/tables-{table_format}"
        self.options = server and {
            "aws_endpoint": server.endpoint, "aws_allow_http": "true", "aws_region": "us-east-1",
            "aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key,
        }
        text = (ROOT / "pipelines/sample.yaml").read_text()
        text = text.replace("../testdata/telemetry", str(ROOT / "testdata/telemetry"))
        self.pipelines = {}
        for name in ("whole", "smaller"):
            location = "../testdata/exports/aws/cur2/acme/"
            path = folder / f"{name}.yaml"
            path.write_text(text.replace(location, f"{folder / name / EXPORT}/"))
            self.pipelines[name] = path

    def publish(self, name):
        command = [self.binary, "run", self.pipelines[name], "--source", "aws-main", "--period", MONTH, "--destination",
                   self.destination, "--table-format", self.format, "--format", "json"]
        environment = os.environ | (self.server.environment() if self.server else {})
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}\n{done.stdout}")
        status = [unit["status"] for unit in json.loads(done.stdout)["sources"]]
        if status != ["published"]:
            sys.exit(f"publishing {name} in turn gave {status}; nothing was republished")

    def paths(self):
        return {table: f"{self.destination}/{table}" for table in TABLES}

    def read(self):
        """The totals at rest; all readers must agree on them."""
        result = {}
        for table, path in self.paths().items():
            answers = {name: reader(path, self.options) for name, reader in READERS[self.format, self.place].items()}
            if len(set(answers.values())) != 1:
                sys.exit(f"at rest the readers of {table} disagree: {answers}")
            result[table] = next(iter(answers.values()))
        return result


def smaller(folder):
    """Copies January's export without part of its usage."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    for path in sorted((folder / EXPORT / f"data/BILLING_PERIOD={MONTH}").glob("*.parquet")):
        table = pq.read_table(path)
        usage = pc.equal(table["line_item_line_item_type"], "Usage")
        some = pc.equal(table["line_item_product_code"], "AmazonS3")
        pq.write_table(table.filter(pc.invert(pc.and_(usage, some))), path, compression="snappy")


def check(world, times):
    """One destination: republish, poll, judge. Returns whether the promise held."""
    started = time.monotonic()
    known = {table: {} for table in TABLES}
    for name in ("whole", "smaller"):
        world.publish(name)
        for table, answer in world.read().items():
            known[table][name] = answer
    for table, versions in known.items():
        if len(set(versions.values())) != 2:
            sys.exit(f"the two versions of {table} have the same totals")
    # Forked processes would share the runtimes of Polars and deltalake with this one.
    context = multiprocessing.get_context("spawn")
    stop, pollers = context.Event(), []
    for name, reader in READERS[world.format, world.place].items():
        answers = context.Queue()
        process = context.Process(target=poll, args=(reader, world.paths(), world.options, known, stop, answers))
        process.start()
        pollers.append((name, process, answers))
    for turn in range(times):
        world.publish(("whole", "smaller")[turn % 2])
    stop.set()
    results = {name: answers.get(timeout=120) for name, _, answers in pollers}
    for _, process, _ in pollers:
        process.join()
    last = ("whole", "smaller")[(times - 1) % 2]
    at_rest = world.read() == {table: versions[last] for table, versions in known.items()}
    held = at_rest
    print(f"{world.format} on {world.place}: {times} republications in {time.monotonic() - started:.0f} s; "
          f"totals afterwards {'right' if at_rest else 'WRONG'}")
    for name, (seen, examples) in results.items():
        strict = name in PROMISED[world.format, world.place]
        wrong = seen.get("inconsistent", 0) + seen.get("error", 0)
        # A reader that never saw one of the versions has not looked during a change.
        looked = seen.get("whole", 0) > 0 and seen.get("smaller", 0) > 0
        held &= looked and not (strict and wrong)
        print(f"  {name:<10} {seen.get('whole', 0)} answers of one version, {seen.get('smaller', 0)} of the other, "
              f"{seen.get('inconsistent', 0)} inconsistent, {seen.get('error', 0)} errors"
              + ("" if strict else " (not promised)") + ("" if looked else "; TOO FEW"))
        for example in examples:
            print(f"    {example}")
    return held


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=lambda path: pathlib.Path(path).resolve(), required=True)
    parser.add_argument("--times", type=int, default=30, help="republications per destination (30)")
    parser.add_argument("--formats", default="delta,parquet", help="delta,parquet")
    parser.add_argument("--s3", action="store_true", help="poll tables on moto too")
    options = parser.parse_args()
    held = True
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        folder = pathlib.Path(folder)
        for name in ("whole", "smaller"):
            shutil.copytree(ROOT / "testdata" / EXPORT, folder / name / EXPORT)
        smaller(folder / "smaller")
        for table_format in options.formats.split(","):
            held &= check(World(options.binary, folder, table_format), options.times)
        if options.s3:
            import s3_servers
            server = stack.enter_context(s3_servers.moto(authenticated=False))
            server.client().create_bucket(Bucket="acme-finops")
            for table_format in options.formats.split(","):
                held &= check(World(options.binary, folder, table_format, server), options.times)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
