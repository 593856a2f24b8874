"""Read the rows of a published copy from the warehouse, and put pseudonyms in.

A query returns identifiers under the names of the columns with their pseudonyms. They are replaced
in memory, batch by batch, and are never written into the copy.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import duckdb
import pyarrow as pa

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.publish.tables import StoredTable
from argos_sync.load.destinations.duckdb import duckdb_file
from argos_sync.load.sql import (
    Client,
    ResultRows,
    dialect_of,
    execute,
    execute_native,
    stream_native,
    translate,
)
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.pseudonyms import PseudonymError, Pseudonymizer

CURSOR = "argos_publish"
"""Name of the cursor in the source database, and of the stream of its rows in DuckDB."""

BATCH_ROWS = 5_000
"""Rows in memory at once when they pass through Python."""


def select_columns(client: Client, table: StoredTable) -> str:
    """Return the query, in the warehouse's dialect, for the stored columns of a table."""
    query, _ = translate(client, _select(table))
    return query


def read_rows_of(
    client: Client,
    table: StoredTable,
    submission_ids: Sequence[str],
    pseudonymizer: Pseudonymizer | None,
) -> pa.Table:
    """Return the rows of some submissions, with pseudonyms in place of identifiers.

    The ids are as many as fit into one statement.
    """
    query = f"{_select(table)} WHERE submission_id = ANY(?)"
    batch = _make_batch(execute(client, query, list(submission_ids)), arrow_schema(table.stored))
    if pseudonymizer is not None and table.pseudonyms:
        batch = _with_pseudonyms(batch, table, pseudonymizer)
    return pa.Table.from_batches([batch])


def _select(table: StoredTable) -> str:
    sources = {one.name: one.source for one in table.pseudonyms}
    columns = ", ".join(
        f"JSON_TEXT({column.name})"
        if column.type == "json"
        else f"{sources[column.name]} AS {column.name}"
        if column.name in sources
        else column.name
        for column in table.stored.columns
    )
    return f"SELECT {columns} FROM {table.stored.name}"  # noqa: S608 names only


def _make_batch(rows: ResultRows, schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    arrays = [
        pa.array(values, arrow_type)
        for values, arrow_type in zip(columns, schema.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def read_rows(
    client: Client,
    table: StoredTable,
    query: str,
    pseudonymizer: Pseudonymizer | None,
    connection: duckdb.DuckDBPyConnection | None = None,
) -> pa.RecordBatchReader:
    """Return the rows of a query by `select_columns`, with pseudonyms in place of identifiers.

    `connection` is what reads from a DuckDB file; None opens a new one, so that the client's own
    connection can write the rows at the same time.
    """
    batches = _arrow_batches(client, table, query, connection)
    if pseudonymizer is not None and table.pseudonyms:
        batches = (_with_pseudonyms(batch, table, pseudonymizer) for batch in batches)
    return pa.RecordBatchReader.from_batches(arrow_schema(table.stored), batches)


def arrow_reader(connection: duckdb.DuckDBPyConnection, query: str) -> pa.RecordBatchReader:
    """Return the rows of a query of DuckDB in batches."""
    relation: Any = connection.sql(query)
    # DuckDB 1.4 has the method under another name.
    read = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
    return read(BATCH_ROWS)


def _arrow_batches(
    client: Client,
    table: StoredTable,
    query: str,
    connection: duckdb.DuckDBPyConnection | None,
) -> Iterator[pa.RecordBatch]:
    schema = arrow_schema(table.stored)
    if duckdb_file(client) is not None:
        own = client.native_connection.cursor() if connection is None else nullcontext(connection)
        with own as reader:
            for batch in arrow_reader(reader, query):
                columns = [
                    column.cast(arrow_type)
                    for column, arrow_type in zip(batch.columns, schema.types, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)
        return
    for rows in _fetch_batches(client, query):
        yield _make_batch(rows, schema)


def _with_pseudonyms(
    batch: pa.RecordBatch, table: StoredTable, pseudonymizer: Pseudonymizer
) -> pa.RecordBatch:
    columns = list(batch.columns)
    for one in table.pseudonyms:
        position = batch.schema.get_field_index(one.name)
        try:
            columns[position] = pseudonymizer.replace(table.stored.name, one, columns[position])
        except PseudonymError as error:
            raise ConfigurationError(
                str(error),
                "set sources.argos.privacy.key, or old_keys, to the key it was written with",
            ) from None
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _fetch_batches(client: Client, query: str) -> Iterable[Sequence[Sequence[Any]]]:
    """Yield the rows of a query in batches."""
    if dialect_of(client) == "postgres":
        # Without a server-side cursor the driver reads all rows before it returns the first.
        execute_native(client, f"DECLARE {CURSOR} NO SCROLL CURSOR FOR {query}")
        while rows := execute_native(client, f"FETCH {BATCH_ROWS} FROM {CURSOR}"):
            yield rows
        execute_native(client, f"CLOSE {CURSOR}")
    else:
        with stream_native(client, query) as cursor:
            while rows := cursor.fetchmany(BATCH_ROWS):
                yield rows
