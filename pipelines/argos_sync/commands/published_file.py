"""Write the tables and views of a published copy into a new DuckDB file.

A copy has no primary keys: in DuckDB they are indexes that must fit into memory. 15 million rows
needed more memory than a run may use (`BOUNDED_MEMORY`), and 3 million doubled the size of the
file. The comment of each table says what a row is and which columns identify it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from argos_sync.load.atomic_file import write_errors
from argos_sync.load.destinations.duckdb import STORAGE_VERSION
from argos_sync.load.dialects import DUCKDB_TYPES, quote_literal, quote_name
from argos_sync.load.sql import Client, dialect_of, execute_native, stream_native, translate
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.contract import Contract, Table
from argos_sync.warehouse.views import duckdb_query, load_views

_STREAM = "argos_publish"
"""Name of the cursor in the source database, and of the stream of its rows in DuckDB."""

_BATCH_ROWS = 5_000
"""Rows in memory at once when they come from another database."""


class PublishedFile:
    """A new DuckDB file, attached to a DuckDB connection."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, new_file: Path, target_file: Path, dataset: str
    ) -> None:
        """Create the file and its schema, named like the dataset.

        Errors name `target_file`, the file that the new one will replace.

        Raises:
            DestinationError: The file cannot be written.
        """
        self._connection = connection
        self._target_file = target_file
        # The folder's name is unique, so no other attached file can have this name.
        self._catalog = quote_name(new_file.parent.name)
        self._schema = f"{self._catalog}.{quote_name(dataset)}"
        options = f"(READ_WRITE, STORAGE_VERSION '{STORAGE_VERSION}')"
        self.run(f"ATTACH {quote_literal(str(new_file))} AS {self._catalog} {options}")
        with write_errors(target_file):
            new_file.chmod(0o600)
        self.run(f"CREATE SCHEMA {self._schema}")

    def run(self, sql: str) -> list[Any]:
        """Run a statement, and return its rows."""
        with write_errors(self._target_file):
            return self._connection.execute(sql).fetchall()

    def create(self, table: Table) -> None:
        """Create an empty table with the contract's comments."""
        name, columns = self._qualified(table), table.columns
        definitions = ", ".join(
            f"{quote_name(column.name)} {DUCKDB_TYPES[column.type]}"
            f"{'' if column.nullable else ' NOT NULL'}"
            for column in columns
        )
        self.run(f"CREATE TABLE {name} ({definitions})")
        comments = {column.name: column.comment for column in columns}
        self._comment("TABLE", name, table.comment, comments)

    def insert_select(self, client: Client, stored: Table) -> int:
        """Copy the columns of a table of the same connection, and return the number of rows."""
        return self._insert(stored, _select_columns(client, stored))

    def insert_batches(self, client: Client, stored: Table) -> int:
        """Copy the columns of a table of another database, and return the number of rows."""
        schema = arrow_schema(stored)
        failures: list[Exception] = []

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                for rows in _fetch_batches(client, _select_columns(client, stored)):
                    columns = zip(zip(*rows, strict=True), schema.types, strict=True)
                    arrays = [pa.array(values, arrow_type) for values, arrow_type in columns]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            except Exception as error:
                failures.append(error)
                raise

        # One statement, because DuckDB writes its complete row groups to disk. The rows of several
        # statements would stay in memory until the commit.
        self._connection.register(_STREAM, pa.RecordBatchReader.from_batches(schema, batches()))
        try:
            return self._insert(stored, f"FROM {_STREAM}")
        except duckdb.Error:
            if not failures:
                raise
        raise failures[0]  # DuckDB's error has only its text

    def create_views(self, contract: Contract, zone: str) -> tuple[str, ...]:
        """Create the views that read only tables of the copy, and return their names.

        `contract` has the tables of the copy, and `zone` is the reporting time zone. Columns that
        are left out are null in views.
        """
        names = []
        # A separate cursor, because USE changes the schema of everything that shares it.
        with write_errors(self._target_file), self._connection.cursor() as connection:
            connection.execute(f"USE {self._schema}")
            for view in load_views():
                name, select = quote_name(view.name), duckdb_query(view, contract, zone)
                try:
                    connection.execute(f"CREATE VIEW {name} AS {select}")
                except (duckdb.BinderException, duckdb.CatalogException):
                    continue
                self._comment("VIEW", f"{self._schema}.{name}", view.describe(zone), view.columns)
                names.append(view.name)
        return tuple(names)

    def close(self) -> None:
        """Write everything into the file, and detach it."""
        self.run(f"CHECKPOINT {self._catalog}")
        self.run(f"DETACH {self._catalog}")

    def _comment(self, kind: str, name: str, comment: str, columns: Mapping[str, str]) -> None:
        statements = [f"COMMENT ON {kind} {name} IS {quote_literal(comment)}"] + [
            f"COMMENT ON COLUMN {name}.{quote_name(column)} IS {quote_literal(meaning)}"
            for column, meaning in columns.items()
        ]
        script = ";\n".join(statements)
        # Tables are created in a transaction already; of views, each statement would be one, and
        # wait for the disk.
        self.run(script if kind == "TABLE" else f"BEGIN TRANSACTION;\n{script};\nCOMMIT")

    def _insert(self, stored: Table, select: str) -> int:
        names = ", ".join(quote_name(column.name) for column in stored.columns)
        ((count,),) = self.run(f"INSERT INTO {self._qualified(stored)} ({names}) {select}")
        return int(count)

    def _qualified(self, table: Table) -> str:
        return f"{self._schema}.{quote_name(table.name)}"


def _select_columns(client: Client, stored: Table) -> str:
    """Return the query, in the warehouse's dialect, for the stored columns of a table."""
    columns = ", ".join(
        f"JSON_TEXT({column.name})" if column.type == "json" else column.name
        for column in stored.columns
    )
    query, _ = translate(client, f"SELECT {columns} FROM {stored.name}")  # noqa: S608 names only
    return query


def _fetch_batches(client: Client, query: str) -> Iterable[Sequence[Sequence[Any]]]:
    """Yield the rows of a query in batches."""
    if dialect_of(client) == "postgres":
        # Without a server-side cursor the driver reads all rows before it returns the first.
        execute_native(client, f"DECLARE {_STREAM} NO SCROLL CURSOR FOR {query}")
        while rows := execute_native(client, f"FETCH {_BATCH_ROWS} FROM {_STREAM}"):
            yield rows
        execute_native(client, f"CLOSE {_STREAM}")
    else:
        with stream_native(client, query) as cursor:
            while rows := cursor.fetchmany(_BATCH_ROWS):
                yield rows
