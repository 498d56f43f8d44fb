#!/usr/bin/env python3
"""Reads every written table with independent readers, as their users would, and compares what they see.

    python scripts/readers.py output/sample [--without spark]

| reader | a Parquet table | a Delta table |
| --- | --- | --- |
| DuckDB | `read_parquet('folder/**/*.parquet', hive_partitioning = true)` | the files of the current version |
| Polars | `scan_parquet(folder, hive_partitioning=True)` | `scan_delta` |
| pandas | `read_parquet(folder)` | `DeltaTable.to_pandas()` |
| pyarrow | `pyarrow.parquet.read_table(folder)` | the files of the current version as a Hive dataset |
| deltalake | | `DeltaTable.to_pyarrow_table()` |
| Spark | `spark.read.parquet(folder)` | the files of the current version below their `basePath` |

The names of columns, how many rows each partition has, and the sum of every decimal column must be
the same as DuckDB says, and every column of a Delta table must have a comment. Tables are whatever
the destination holds. Exits with 1 on a difference. Needs duckdb, polars, pyarrow, pandas and, for
Delta, deltalake; for Spark also pyspark and Java 17 or newer.
"""

import argparse
import functools
import pathlib
import sys
from collections import Counter
from decimal import Context, Decimal

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from tables import duckdb_relation, files, is_delta, partition_columns, present

EXACT = Context(prec=60)


def total(values):
    """Sum of decimals without rounding; missing values count nothing."""
    result = Decimal(0)
    for value in values:
        if value is not None:
            result = EXACT.add(result, Decimal(value))
    return format(result.normalize(EXACT), "f")


def seen(columns, partitions, sums):
    """What a reader saw: names of columns, rows of each partition, sums of decimal columns."""
    return {"columns": sorted(columns), "rows": dict(sorted(partitions.items())), "sums": dict(sorted(sums.items()))}


def by_duckdb(path):
    relation = duckdb_relation(path)
    schema = duckdb.sql(f"describe select * from {relation}").fetchall()
    keys = ", ".join(f'"{name}"' for name in partition_columns(path))
    counts = duckdb.sql(f"select {keys}, count(*) from {relation} group by all").fetchall()
    names = [row[0] for row in schema if row[1].startswith("DECIMAL")]
    sums = ", ".join(f'sum("{name}")::varchar' for name in names)
    values = duckdb.sql(f"select {sums} from {relation}").fetchall()[0] if names else []
    return seen([row[0] for row in schema], {tuple(row[:-1]): row[-1] for row in counts},
                {name: total([value]) for name, value in zip(names, values, strict=True)})


def by_polars(path):
    frame = polars.scan_delta(str(path)) if is_delta(path) else polars.scan_parquet(path, hive_partitioning=True)
    schema, keys = frame.collect_schema(), partition_columns(path)
    names = [name for name, kind in schema.items() if isinstance(kind, polars.Decimal)]
    table = frame.select(names).collect() if names else None
    counts = frame.group_by(keys).len().collect().rows()
    return seen(schema.names(), {tuple(map(str, row[:-1])): row[-1] for row in counts},
                {name: total(table[name]) for name in names})


def of_arrow(table, path):
    names = [field.name for field in table.schema if pa.types.is_decimal(field.type)]
    # pyarrow keeps the precision of a sum at 38 digits; per chunk it cannot overflow silently
    sums = {name: total(pc.sum(chunk).as_py() for chunk in table[name].chunks) for name in names}
    keys = [table[name].cast(pa.string()).to_pylist() for name in partition_columns(path)]
    return seen(table.column_names, Counter(zip(*keys, strict=True)), sums)


def by_pyarrow(path):
    if is_delta(path):
        data = ds.dataset(files(path), format="parquet", partitioning="hive", partition_base_dir=str(path))
        return of_arrow(data.to_table(), path)
    return of_arrow(pq.read_table(path), path)


def by_deltalake(path):
    from deltalake import DeltaTable
    return of_arrow(pa.table(DeltaTable(str(path)).to_pyarrow_table()), path)


def by_pandas(path):
    if is_delta(path):
        from deltalake import DeltaTable
        frame = DeltaTable(str(path)).to_pandas()
    else:
        frame = pandas.read_parquet(path)
    keys = [frame[name].astype(str) for name in partition_columns(path)]
    decimals = {name: column.dropna() for name, column in frame.items() if column.dtype == object}
    sums = {name: total(column) for name, column in decimals.items() if column.map(type).eq(Decimal).any()}
    return seen(frame.columns, Counter(zip(*keys, strict=True)), sums)


@functools.cache
def spark():
    from pyspark.sql import SparkSession
    settings = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1", "spark.driver.memory": "1g",
                "spark.sql.shuffle.partitions": "1", "spark.ui.showConsoleProgress": "false"}
    session = SparkSession.builder.master("local[1]").appName("readers").config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def by_spark(path):
    from pyspark.sql import functions, types
    read = spark().read
    frame = (read.option("basePath", str(path)).parquet(*files(path)) if is_delta(path)
             else read.parquet(str(path)))
    keys = [functions.col(name).cast("string") for name in partition_columns(path)]
    counts = {tuple(row[:-1]): row[-1] for row in frame.groupBy(*keys).count().collect()}
    names = [field.name for field in frame.schema if isinstance(field.dataType, types.DecimalType)]
    values = frame.agg(*(functions.sum(name) for name in names)).collect()[0] if names else []
    return seen(frame.columns, counts, {name: total([value]) for name, value in zip(names, values, strict=True)})


def without_comment(path):
    """Columns of a Delta table that do not say what they are."""
    from deltalake import DeltaTable
    return [field.name for field in DeltaTable(str(path)).schema().fields if not field.metadata.get("comment")]


def difference(expected, found):
    """What two readers do not agree about, in short."""
    for what in ("columns", "rows", "sums"):
        if expected[what] != found[what]:
            one, other = expected[what], found[what]
            pairs = (lambda it: set(it.items())) if isinstance(one, dict) else set
            only = sorted(pairs(one) - pairs(other), key=str), sorted(pairs(other) - pairs(one), key=str)
            return f"{what}: duckdb has {only[0][:5]}, it has {only[1][:5]}"
    return None


def attempt(reader, path):
    """What a reader saw, or how it failed."""
    try:
        return reader(path), None
    except Exception as error:  # noqa: BLE001 - whatever a reader raises is what its user would meet
        return None, f"{type(error).__name__}: {error}"


def check(path, readers):
    """Prints how readers agree about a table; returns how many do not."""
    expected = by_duckdb(path)
    wrong = {}
    for name, reader in readers.items():
        if name == "deltalake" and not is_delta(path):
            continue
        found, failure = attempt(reader, path)
        problem = failure or difference(expected, found)
        if problem:
            wrong[name] = problem
    silent = without_comment(path) if is_delta(path) else []
    if silent:
        wrong["comments"] = f"missing for {', '.join(silent)}"
    kind = "delta" if is_delta(path) else "parquet"
    print(f"{path.name:<24}{kind:<8}{sum(expected['rows'].values()):>10} rows in {len(expected['rows'])} partitions, "
          f"{len(expected['sums'])} decimal columns: {'DIFFER' if wrong else 'agree'}")
    for name, problem in wrong.items():
        print(f"   {name}: {problem}")
    return len(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("destination", type=pathlib.Path)
    parser.add_argument("--without", default="", help="readers to leave out, for example spark")
    options = parser.parse_args()
    paths = present(options.destination)
    if not paths:
        sys.exit(f"no tables under {options.destination}")
    readers = {"polars": by_polars, "pandas": by_pandas, "pyarrow": by_pyarrow, "deltalake": by_deltalake,
               "spark": by_spark}
    readers = {name: reader for name, reader in readers.items() if name not in options.without.split(",")}
    print(f"DuckDB against {', '.join(readers)}")
    return 1 if sum(check(path, readers) for path in paths) else 0


if __name__ == "__main__":
    sys.exit(main())
