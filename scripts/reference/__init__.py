"""The pipeline once more, in DuckDB: written apart from the project's own code, to check it."""
