#!/usr/bin/env python3
"""Reads every written table with four independent readers and compares what they see.

    python scripts/readers.py output/sample

DuckDB, Polars and pyarrow read Parquet tables; for Delta tables deltalake lists the files and reads
them too, Polars scans the table and DuckDB reads the listed files. Row counts and the sum of every
decimal column must be the same, and every column of a Delta table must have a comment. Exits with 1
on a difference. Needs duckdb, polars, pyarrow and, for Delta, deltalake.
"""

import sys
from decimal import Context, Decimal

import duckdb
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from tables import duckdb_relation, is_delta, present

EXACT = Context(prec=60)


def total(values):
    """Sum of decimals without rounding; missing values count nothing."""
    result = Decimal(0)
    for value in values:
        if value is not None:
            result = EXACT.add(result, Decimal(value))
    return format(result.normalize(EXACT), "f")


def by_duckdb(path):
    relation = duckdb_relation(path)
    schema = duckdb.sql(f"describe select * from {relation}").fetchall()
    names = [row[0] for row in schema if row[1].startswith("DECIMAL")]
    sums = "".join(f', sum("{name}")::varchar' for name in names)
    rows, *sums = duckdb.sql(f"select count(*){sums} from {relation}").fetchall()[0]
    return rows, {name: total([value]) for name, value in zip(names, sums, strict=True)}


def by_polars(path):
    if is_delta(path):
        frame = polars.scan_delta(str(path))
    else:
        frame = polars.scan_parquet(f"{path}/**/*.parquet", hive_partitioning=False)
    names = [n for n, kind in frame.collect_schema().items() if isinstance(kind, polars.Decimal)]
    table = frame.select(names).collect() if names else None
    rows = frame.select(polars.len()).collect().item()
    return rows, {name: total(table[name]) for name in names}


def of_arrow(table):
    names = [field.name for field in table.schema if pa.types.is_decimal(field.type)]
    sums = {}
    for name in names:
        # pyarrow keeps the precision of a sum at 38 digits; per chunk it cannot overflow silently
        sums[name] = total(pc.sum(chunk).as_py() for chunk in table[name].chunks)
    return table.num_rows, sums


def by_pyarrow(path):
    if is_delta(path):
        from deltalake import DeltaTable
        files = [uri.removeprefix("file://") for uri in DeltaTable(str(path)).file_uris()]
        return of_arrow(ds.dataset(files, format="parquet").to_table())
    return of_arrow(ds.dataset(str(path), format="parquet", partitioning=None).to_table())


def by_deltalake(path):
    from deltalake import DeltaTable
    return of_arrow(pa.table(DeltaTable(str(path)).to_pyarrow_table()))


def without_comment(path):
    """Columns of a Delta table that do not say what they are."""
    from deltalake import DeltaTable
    return [field.name for field in DeltaTable(str(path)).schema().fields if not field.metadata.get("comment")]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    paths = present(sys.argv[1])
    if not paths:
        sys.exit(f"no tables under {sys.argv[1]}")
    wrong = 0
    for path in paths:
        readers = {"duckdb": by_duckdb, "polars": by_polars, "pyarrow": by_pyarrow}
        if is_delta(path):
            readers["deltalake"] = by_deltalake
        seen = {name: reader(path) for name, reader in readers.items()}
        rows, sums = next(iter(seen.values()))
        agree = all(result == (rows, sums) for result in seen.values())
        wrong += not agree
        kind = "delta" if is_delta(path) else "parquet"
        print(f"{path.name:<24}{kind:<8}{rows:>10} rows, {len(sums):>2} decimal columns, "
              f"{', '.join(seen)}: {'agree' if agree else 'DIFFER'}")
        silent = without_comment(path) if is_delta(path) else []
        if silent:
            wrong += 1
            print("   without a comment:", ", ".join(silent))
        if not agree:
            for name, result in seen.items():
                print("  ", name, result[0], {k: v for k, v in result[1].items() if sums.get(k) != v})
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
