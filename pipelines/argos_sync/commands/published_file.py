"""Write the tables and views of a published copy into a new DuckDB file.

A copy has no primary keys: in DuckDB they are indexes that must fit into memory. 15 million rows
needed more memory than a run may use (`BOUNDED_MEMORY`), and 3 million doubled the size of the
file. The comment of each table says what a row is and which columns identify it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from argos_sync.commands.published_rows import CURSOR, read_rows, select_columns
from argos_sync.commands.published_tables import StoredTable
from argos_sync.load.atomic_file import write_errors
from argos_sync.load.destinations.duckdb import STORAGE_VERSION, duckdb_file
from argos_sync.load.dialects import DUCKDB_TYPES, quote_literal, quote_name
from argos_sync.load.sql import Client
from argos_sync.shape.contract import Contract, Table
from argos_sync.shape.pseudonyms import SUBSTITUTES, Pseudonymizer
from argos_sync.warehouse.copied_views import copied_view
from argos_sync.warehouse.views import load_views


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

    def insert(
        self,
        client: Client,
        table: StoredTable,
        pseudonymizer: Pseudonymizer | None,
        where: str = "",
    ) -> int:
        """Copy the stored columns of a table of the warehouse, and return the number of rows.

        A warehouse in a DuckDB file has the same connection, so its rows need not pass through
        Python, unless they have identifiers to replace.
        """
        query = select_columns(client, table, where)
        if duckdb_file(client) is not None and not table.pseudonyms:
            return self._insert(table.stored, query)
        failures: list[Exception] = []

        def batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
            try:
                yield from reader
            except Exception as error:
                failures.append(error)
                raise

        rows = read_rows(client, table, query, pseudonymizer)
        # One statement, because DuckDB writes its complete row groups to disk. The rows of several
        # statements would stay in memory until the commit.
        stream = pa.RecordBatchReader.from_batches(rows.schema, batches(rows))
        self._connection.register(CURSOR, stream)
        try:
            return self._insert(table.stored, f"FROM {CURSOR}")
        except duckdb.Error:
            if not failures:
                raise
        finally:
            self._connection.unregister(CURSOR)
        raise failures[0]  # DuckDB's error has only its text

    def create_views(self, contract: Contract, zone: str) -> tuple[str, ...]:
        """Create the views that read only tables of the copy, and return their names.

        `contract` has the tables of the copy, and `zone` is the reporting time zone. Views lack the
        columns that would be NULL in every row.
        """
        names = []
        missing: dict[str, dict[str, str]] = {}
        substitutes = {
            (table, source): name
            for (table, source), name in SUBSTITUTES.items()
            if table in contract.tables and name in contract[table].columns_by_name
        }
        # A separate cursor, because USE changes the schema of everything that shares it.
        with write_errors(self._target_file), self._connection.cursor() as connection:
            connection.execute(f"USE {self._schema}")
            for view in load_views():
                copied = copied_view(view, contract, zone, substitutes, missing)
                if copied is None:
                    continue
                name = quote_name(view.name)
                try:
                    connection.execute(f"CREATE VIEW {name} AS {copied.select}")
                    if copied.missing:
                        described = connection.execute(f"DESCRIBE {copied.complete}").fetchall()
                        missing[view.name] = {
                            column: kind
                            for column, kind, *_ in described
                            if column in copied.missing
                        }
                except (duckdb.BinderException, duckdb.CatalogException):
                    continue
                self._comment("VIEW", f"{self._schema}.{name}", view.describe(zone), copied.columns)
                names.append(view.name)
        return tuple(names)

    def close(self) -> None:
        """Write everything into the file, and detach it."""
        self.run(f"CHECKPOINT {self._catalog}")
        self.run(f"DETACH {self._catalog}")

    def _comment(self, kind: str, name: str, comment: str, columns: Mapping[str, str]) -> None:
        self.run(f"COMMENT ON {kind} {name} IS {quote_literal(comment)}")
        for column, meaning in columns.items():
            self.run(f"COMMENT ON COLUMN {name}.{quote_name(column)} IS {quote_literal(meaning)}")

    def _insert(self, stored: Table, select: str) -> int:
        names = ", ".join(quote_name(column.name) for column in stored.columns)
        ((count,),) = self.run(f"INSERT INTO {self._qualified(stored)} ({names}) {select}")
        return int(count)

    def _qualified(self, table: Table) -> str:
        return f"{self._schema}.{quote_name(table.name)}"
