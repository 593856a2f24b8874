"""Compact a DuckDB file: deleted rows stay in its blocks until the file is rewritten.

That happens after an erasure, when the run has closed the file. A killed run does not get there, so
the erasure itself creates a table that only a file with such blocks has: the next run finds it, and
rewrites the file.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from argos_sync.fetch.job import CHUNK_BYTES
from argos_sync.load.atomic_file import atomic_replacement
from argos_sync.load.destinations.duckdb import (
    BOUNDED_MEMORY,
    STORAGE_VERSION,
    duckdb_file,
    has_large_texts,
    loading_settings,
)
from argos_sync.load.dialects import quote_literal, quote_name
from argos_sync.load.errors import destination_errors
from argos_sync.load.locks import lock_file
from argos_sync.load.sql import Client, execute_native, tables_exist
from argos_sync.load.target import Target, make_pipeline, working_dir

_TABLES = """
    SELECT schema_name, table_name,
        coalesce(list(column_name) FILTER (data_type IN ('VARCHAR', 'JSON')), [])
    FROM duckdb_columns() JOIN duckdb_tables() USING (database_name, schema_name, table_name)
    WHERE database_name = ?
    GROUP BY ALL
"""
"""Schema, name and text columns of each table of a database."""

_SCHEMAS = """
    SELECT schema_name FROM duckdb_tables() WHERE database_name = 'rewritten' AND table_name = ?
"""
"""Schemas of the new file with a table of some name."""

UNFINISHED = "_unfinished_erasure"
"""Table of a dataset, without rows: the file still has blocks of rows that were erased."""


def mark_unfinished_erasure(client: Client) -> None:
    """Note, in the transaction of an erasure, that a DuckDB file has to be rewritten."""
    if duckdb_file(client) is not None:
        name = client.make_qualified_table_name(UNFINISHED)
        execute_native(client, f"CREATE TABLE IF NOT EXISTS {name} (nothing BOOLEAN)")


def has_unfinished_erasure(client: Client) -> bool:
    """Return whether a DuckDB file still has blocks of rows that were erased."""
    return duckdb_file(client) is not None and tables_exist(client, [UNFINISHED])


def compact(target: Target, command: str) -> None:
    """Rewrite a DuckDB file without the blocks of deleted rows.

    Processes that have the file open for reading keep the old one until they close it; those that
    are kept out meanwhile see the name of the command. Does nothing if it is not a DuckDB file.

    Raises:
        DestinationError: The file is locked, or there is no space for a second one.
    """
    working = working_dir(target)
    with destination_errors():
        file = duckdb_file(make_pipeline(target, working).sql_client())
        if file is None:
            return  # without a lock: other processes may be loading
        with lock_file(working.with_suffix(".lock"), command):
            if file.is_file() and has_large_texts(file):
                _replace_by_copy(file.resolve(), loading_settings(str(file)), _copy_in_slices)
            elif file.is_file():
                _replace_by_copy(file.resolve(), BOUNDED_MEMORY, _copy_at_once)


def _replace_by_copy(
    file: Path, settings: dict[str, Any], copy: Callable[[duckdb.DuckDBPyConnection, str], None]
) -> None:
    # The connection keeps the old file locked until it is replaced, so nobody writes to it.
    with (
        duckdb.connect(str(file), config=settings) as connection,
        atomic_replacement(file) as new,
    ):
        connection.execute(
            f"ATTACH {quote_literal(str(new))} AS rewritten (STORAGE_VERSION '{STORAGE_VERSION}')"
        )
        ((catalog,),) = connection.execute("SELECT current_catalog()").fetchall()
        copy(connection, catalog)
        _remove_marks(connection)
        connection.execute("DETACH rewritten")
        connection.execute("CHECKPOINT")


def _remove_marks(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the new file say that no erasure is unfinished, in whichever dataset it was."""
    for (schema,) in connection.execute(_SCHEMAS, [UNFINISHED]).fetchall():
        connection.execute(f"DROP TABLE rewritten.{quote_name(schema)}.{UNFINISHED}")


def _copy_at_once(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    connection.execute(f"COPY FROM DATABASE {quote_name(catalog)} TO rewritten")


def _copy_in_slices(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Copy large texts as they were loaded: in row groups with the bytes of a chunk."""
    connection.execute(f"COPY FROM DATABASE {quote_name(catalog)} TO rewritten (SCHEMA)")
    tables = connection.execute(_TABLES, [catalog]).fetchall()
    for schema, table, texts in tables:
        name = f"{quote_name(schema)}.{quote_name(table)}"
        source = f"{quote_name(catalog)}.{name}"
        for first, last in _slices(connection, source, texts):
            connection.execute(
                f"INSERT INTO rewritten.{name} SELECT * FROM {source}"  # noqa: S608 names only
                " WHERE rowid BETWEEN ? AND ?",
                [first, last],
            )
            connection.execute("CHECKPOINT rewritten")


def _slices(
    connection: duckdb.DuckDBPyConnection, table: str, texts: Sequence[str]
) -> list[tuple[int, int]]:
    """Return the first and last row id of slices of a table, in order."""
    lengths = [f"coalesce(strlen({quote_name(name)}), 0)" for name in texts] or ["0"]
    rows = connection.execute(f"SELECT rowid, {' + '.join(lengths)} FROM {table} ORDER BY 1")  # noqa: S608 names only
    slices: list[tuple[int, int]] = []
    size = 0
    while batch := rows.fetchmany(10_000):
        for row_id, length in batch:
            if not slices or size + length > CHUNK_BYTES:
                slices.append((row_id, row_id))
                size = 0
            slices[-1] = (slices[-1][0], row_id)
            size += length
    return slices
