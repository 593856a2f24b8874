"""Compact a DuckDB file: deleted rows stay in its blocks until the file is rewritten."""

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
from argos_sync.load.target import Target, make_pipeline, working_dir

_TABLES = """
    SELECT schema_name, table_name,
        coalesce(list(column_name) FILTER (data_type IN ('VARCHAR', 'JSON')), [])
    FROM duckdb_columns() JOIN duckdb_tables() USING (database_name, schema_name, table_name)
    WHERE database_name = ?
    GROUP BY ALL
"""
"""Schema, name and text columns of each table of a database."""


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
        connection.execute("DETACH rewritten")
        connection.execute("CHECKPOINT")


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
