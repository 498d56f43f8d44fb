"""Normalises bills of three providers to FOCUS charges in DuckDB, exactly (see the .sql files)."""

import pathlib

from . import allocate

HERE = pathlib.Path(__file__).parent
SQL = (HERE / "focus_charges.sql").read_text(encoding="utf-8")
GCP_SQL = (HERE / "gcp_charges.sql").read_text(encoding="utf-8")
AZURE_SQL = (HERE / "azure_charges.sql").read_text(encoding="utf-8")

# DuckDB prints a double as its shortest text and reads decimal text exactly, half away from zero.
MONEY = "try_cast(cast(x as varchar) as decimal(38, 12))"

MACROS = """
create or replace macro factor(x) as cast(cast(x as varchar) as decimal(19, 8));
create or replace macro credited(credits, types) as coalesce(list_sum(list_transform(
    list_filter(credits, lambda c: list_contains(types, c.type)),
    lambda c: cast(cast(c.amount as varchar) as decimal(38, 12)))), 0)::decimal(38, 12);
-- two halves, because a decimal has 38 digits in all
create or replace macro from_units(x) as ((x // 1000000000000)::decimal(20, 0)
    + (x % 1000000000000)::decimal(13, 0) * 0.000000000001::decimal(13, 12))::decimal(38, 12);
"""


def prepare(connection, source="aws-main", period="", cost_basis="gross"):
    """Defines the macros and variables that focus_charges.sql reads."""
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"create or replace macro money(x) as {MONEY}")
    connection.execute("create or replace macro rate(x) as try_cast(x as decimal(38, 18))")
    for name, value in {"source": source, "billing_period": period,
                        "cost_basis": cost_basis}.items():
        connection.execute(f"set variable {name} = '{value}'")


def prepare_clouds(connection):
    """Defines what gcp_charges.sql and azure_charges.sql read besides; after `prepare`."""
    connection.execute(allocate.MACROS)
    connection.execute(MACROS)
    for name in ("services", "regions"):
        connection.execute(f"create or replace table {name} as "
                           f"select * from read_csv('{HERE / name}.csv', header = true)")


def read_files(connection, files, relation="line_items", **constants):
    """Makes a view the rows of these Parquet files, with constant columns if wanted."""
    names = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    more = "".join(f", '{value}' as {name}" for name, value in constants.items())
    connection.execute(f"create or replace view {relation} as "
                       f"select *{more} from read_parquet([{names}])")
