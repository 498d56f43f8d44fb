"""Normalises CUR 2.0 to FOCUS charges in DuckDB, exactly (see focus_charges.sql)."""

import pathlib

SQL = (pathlib.Path(__file__).parent / "focus_charges.sql").read_text(encoding="utf-8")

# DuckDB prints a double as its shortest text and reads decimal text exactly, half away from zero.
MONEY = "try_cast(cast(x as varchar) as decimal(38, 12))"


def prepare(connection, source="aws-main", period="", cost_basis="gross"):
    """Defines the macros and variables that focus_charges.sql reads."""
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"create or replace macro money(x) as {MONEY}")
    connection.execute("create or replace macro rate(x) as try_cast(x as decimal(38, 18))")
    for name, value in {"source": source, "billing_period": period,
                        "cost_basis": cost_basis}.items():
        connection.execute(f"set variable {name} = '{value}'")


def read_files(connection, files):
    """Makes `line_items` the rows of these Parquet files."""
    names = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    connection.execute(f"create or replace view line_items as select * from read_parquet([{names}])")
