"""What the benchmarks ask of a DuckDB file, each question in a process of its own.

    python tests/bench/warehouse.py QUESTION FILE [ARGUMENTS]

The answer is printed as JSON.
"""

from __future__ import annotations

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
    """Return how many submissions there are, and how many different ones."""
    with duckdb.connect(file, read_only=True) as connection:
        query = "SELECT COUNT(*), COUNT(DISTINCT submission_id) FROM argos.submissions"
        return list(connection.execute(query).fetchone() or ())


def contents(file: str) -> dict[str, str]:
    """Return a text for each table that differs when its rows do, in more than `_synced_at`."""
    with duckdb.connect(file, read_only=True) as connection:
        found = {}
        for table in _tables(connection):
            kept = [name for name in _columns(connection, table) if name != "_synced_at"]
            query = f"SELECT COUNT(*), bit_xor(hash({', '.join(kept)})) FROM argos.{table}"
            found[table] = str(connection.execute(query).fetchone())
        return found


def enlarge(file: str, times: str) -> list[int]:
    """Copy all submissions under other ids, in the tables that a run has made.

    Args:
        file: Changed in place.
        times: How many submissions there are of each in the end.

    Returns:
        The same as `count`.

    Raises:
        ValueError: Keys are not unique any more.
    """
    with duckdb.connect(file) as connection:
        connection.execute("SET preserve_insertion_order = false")
        for table in _tables(connection):
            columns = _columns(connection, table)
            if "submission_id" not in columns or table == "sync_issues":
                continue
            # The row keys begin with the id, and neither has a "~" in it.
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


QUESTIONS: dict[str, Callable[..., Any]] = {
    "count": count,
    "contents": contents,
    "enlarge": enlarge,
}


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [name for (name,) in connection.execute(_TABLES).fetchall()]


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in connection.execute(f"DESCRIBE argos.{table}").fetchall()]


if __name__ == "__main__":
    _, question, *arguments = sys.argv
    print(json.dumps(QUESTIONS[question](*arguments)))  # noqa: T201
