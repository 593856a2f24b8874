"""Queries of the benchmarks on a DuckDB file; each runs in a separate process.

    python tests/bench/warehouse.py QUERY FILE [ARGUMENTS]

The result is printed as JSON.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import duckdb

_TABLES = """
    SELECT table_name FROM duckdb_tables()
    WHERE schema_name = 'argos' AND NOT starts_with(table_name, '_dlt') ORDER BY table_name
"""


def count(file: str) -> list[int]:
    """Return the number of submissions, and of distinct ids."""
    with duckdb.connect(file, read_only=True) as connection:
        query = "SELECT COUNT(*), COUNT(DISTINCT submission_id) FROM argos.submissions"
        return list(connection.execute(query).fetchone() or ())


def contents(file: str) -> dict[str, str]:
    """Return a fingerprint of the rows of each table, without column `_synced_at`."""
    with duckdb.connect(file, read_only=True) as connection:
        fingerprints = {}
        for table in _tables(connection):
            columns = [name for name in _columns(connection, table) if name != "_synced_at"]
            query = f"SELECT COUNT(*), bit_xor(hash({', '.join(columns)})) FROM argos.{table}"
            fingerprints[table] = str(connection.execute(query).fetchone())
        return fingerprints


def enlarge(file: str, times: str) -> list[int]:
    """Copy all submissions under new ids, in every table.

    Args:
        file: A DuckDB file, which is changed in place.
        times: How often each submission exists afterwards.

    Returns:
        The result of `count`.

    Raises:
        ValueError: Keys are no longer unique.
    """
    with duckdb.connect(file) as connection:
        connection.execute("SET preserve_insertion_order = false")
        for table in _tables(connection):
            columns = _columns(connection, table)
            if "submission_id" not in columns or table == "sync_issues":
                continue
            # Row keys begin with the id, and neither contains "~".
            keys = {"submission_id": "submission_id || '~' || n"}
            if "_dlt_id" in columns:
                keys["_dlt_id"] = "replace(_dlt_id, submission_id, submission_id || '~' || n)"
            renamed = ", ".join(f"{value} AS {name}" for name, value in keys.items())
            connection.execute(
                f"INSERT INTO argos.{table} SELECT t.* REPLACE ({renamed})"
                f" FROM argos.{table} AS t, range(1, {int(times)}) AS numbers(n)"
            )
            key = list(keys)[-1]
            if key == "_dlt_id" or table == "submissions":
                query = f"SELECT COUNT(*) - COUNT(DISTINCT {key}) FROM argos.{table}"
                if connection.execute(query).fetchone() != (0,):
                    raise ValueError(f"{key} of {table} is not unique")
        connection.execute("CHECKPOINT")
    return count(file)


QUERIES: dict[str, Callable[..., Any]] = {
    "count": count,
    "contents": contents,
    "enlarge": enlarge,
}


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [name for (name,) in connection.execute(_TABLES).fetchall()]


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in connection.execute(f"DESCRIBE argos.{table}").fetchall()]


if __name__ == "__main__":
    _, name, *arguments = sys.argv
    print(json.dumps(QUERIES[name](*arguments)))  # noqa: T201
