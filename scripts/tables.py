"""Finds the written tables under a destination, Parquet or Delta, local or mounted."""

import pathlib


def is_delta(path):
    return (path / "_delta_log").is_dir()


def present(destination):
    """Folders of the tables that hold rows; what is internal begins with an underscore."""
    paths = [path for path in pathlib.Path(destination).iterdir() if path.is_dir() and path.name[0] not in "_."]
    return sorted(path for path in paths if files(path))


def files(path):
    """The data files of a table's current version, in path order."""
    if is_delta(path):
        from deltalake import DeltaTable
        return sorted(uri.removeprefix("file://") for uri in DeltaTable(str(path)).file_uris())
    return sorted(str(file) for file in path.rglob("*.parquet"))


def partition_columns(path):
    """The partition columns of a table with rows, as its folders are named."""
    folders = pathlib.Path(files(path)[0]).relative_to(path).parent.parts
    return [folder.split("=", 1)[0] for folder in folders]


def duckdb_relation(path):
    """What DuckDB reads a table from: partition columns are in the names of folders."""
    if is_delta(path):
        names = ", ".join(f"'{file}'" for file in files(path))
        return f"read_parquet([{names}], hive_partitioning = true, hive_types_autocast = false)"
    return f"read_parquet('{path}/**/*.parquet', hive_partitioning = true, hive_types_autocast = false)"
