"""Finds the written tables under a destination, Parquet or Delta, local or mounted."""

import pathlib

TABLES = ["focus_charges", "driver_quantities", "allocated_charges", "unit_economics_daily",
          "unit_economics_monthly", "reconciliation", "completeness"]


def is_delta(path):
    return (path / "_delta_log").is_dir()


def present(destination):
    """Folders of the tables that exist, in the order they are computed."""
    paths = [pathlib.Path(destination) / name for name in TABLES]
    return [path for path in paths if path.is_dir()]


def duckdb_relation(path):
    """What DuckDB reads a table from: partition columns are in Parquet files, not in Delta's."""
    if is_delta(path):
        from deltalake import DeltaTable
        files = ", ".join(f"'{uri.removeprefix('file://')}'" for uri in DeltaTable(str(path)).file_uris())
        return f"read_parquet([{files}], hive_partitioning = true, hive_types_autocast = false)"
    return f"read_parquet('{path}/**/*.parquet', hive_partitioning = false)"
