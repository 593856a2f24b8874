"""Write the tables and views of a published copy into a DuckDB file.

A copy has no primary keys: in DuckDB they are indexes that must fit into memory. 15 million rows
needed more memory than a run may use (`BOUNDED_MEMORY`), and 3 million doubled the size of the
file. The comment of each table says what a row is and which columns identify it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from argos_sync.commands.publish.publication import (
    PUBLICATION,
    Publication,
    column_comments,
    create_statement,
    insert_statement,
    relations_query,
)
from argos_sync.commands.publish.rows import CURSOR, read_rows, select_columns
from argos_sync.commands.publish.tables import StoredTable
from argos_sync.load.atomic_file import write_errors
from argos_sync.load.destinations.duckdb import STORAGE_VERSION, duckdb_file
from argos_sync.load.dialects import DUCKDB_TYPES, quote_literal, quote_name
from argos_sync.load.errors import DestinationError
from argos_sync.load.sql import Client
from argos_sync.shape.contract import Contract, Table
from argos_sync.shape.pseudonyms import SUBSTITUTES, Pseudonymizer
from argos_sync.warehouse.copied_views import copied_view
from argos_sync.warehouse.views import load_views


class PublishedFile:
    """The DuckDB file of a copy, new or to be updated, attached to a DuckDB connection."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, new_file: Path, target_file: Path, dataset: str
    ) -> None:
        """Attach a file, and create it with a schema, named like the dataset, if it is new.

        Errors name `target_file`, the file that the new one will replace.

        Raises:
            DestinationError: The file cannot be written.
        """
        self._connection = connection
        self._target_file = target_file
        # The folder's name is unique, so no other attached file can have this name.
        self._catalog = new_file.parent.name
        self._schema = f"{quote_name(self._catalog)}.{quote_name(dataset)}"
        self._file = new_file
        if new_file.exists():
            self._attach()
        else:
            self._attach(f", STORAGE_VERSION '{STORAGE_VERSION}'")
            with write_errors(target_file):
                new_file.chmod(0o600)
            self.run(f"CREATE SCHEMA {self._schema}")

    def run(self, sql: str) -> list[Any]:
        """Run a statement, and return its rows."""
        with write_errors(self._target_file):
            return self._connection.execute(sql).fetchall()

    def create(self, table: Table) -> None:
        """Create an empty table with the contract's comments."""
        name, columns = self.qualified(table.name), table.columns
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
    ) -> int:
        """Copy the stored columns of a table of the warehouse, and return the number of rows.

        A warehouse in a DuckDB file has the same connection, so its rows need not pass through
        Python, unless they have identifiers to replace.
        """
        query = select_columns(client, table)
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
        raise failures[0]  # DuckDB's error has only its text

    def insert_selected(self, stored: Table, query: str) -> int:
        """Copy the rows of a query on the file's connection into a table; return their number."""
        return self._insert(stored, query)

    def insert_rows(self, stored: Table, rows: pa.Table, name: str | None = None) -> int:
        """Insert rows into a table, or into another one of this name; return their number."""
        with write_errors(self._target_file):
            self._connection.register(CURSOR, rows)
        return self._insert(stored, f"FROM {CURSOR}", name)

    def export(self, name: str, file: Path, target: Path) -> None:
        """Write a table into a new Parquet file; errors name `target`, which it will become."""
        options = "(FORMAT parquet, COMPRESSION zstd)"
        query = f"COPY {self.qualified(name)} TO {quote_literal(str(file))} {options}"
        with write_errors(target):
            self._connection.execute(query)

    def count(self, name: str) -> int:
        """Return the number of rows of a table."""
        return self.counts([name])[name]

    def counts(self, names: Iterable[str]) -> dict[str, int]:
        """Return the numbers of rows, by table."""
        return self.counts_of({name: self.qualified(name) for name in names})

    def counts_of(self, relations: Mapping[str, str]) -> dict[str, int]:
        """Return the numbers of rows of relations that the connection can read, by name."""
        queries = [
            f"SELECT {quote_literal(name)}, COUNT(*) FROM {relation}"  # noqa: S608 names only
            for name, relation in relations.items()
        ]
        # One statement takes as long as three.
        return dict(self.run(" UNION ALL ".join(queries))) if queries else {}

    def record(self, publication: Publication) -> None:
        """Create the table `publication` with its row, once everything else is there."""
        name = self.qualified(PUBLICATION)
        self.run(create_statement(name))
        self._comment("TABLE", name, "What the copy was made with: one row.", column_comments())
        # DuckDB writes a view in another way once it has read it from a file.
        self.close()
        self._attach()
        with write_errors(self._target_file):
            row = publication.row(self.relations())
            self._connection.execute(insert_statement(name), row)

    def record_update(self, publication: Publication) -> None:
        """Change the row of the table `publication` to the time of an update."""
        with write_errors(self._target_file):
            update = f"UPDATE {self.qualified(PUBLICATION)} SET published_at = ?"  # noqa: S608 a name
            self._connection.execute(update, [publication.now])

    def publication_row(self) -> dict[str, Any] | None:
        """Return the row of the table `publication`; None if there is none."""
        try:
            with write_errors(self._target_file):
                result = self._connection.execute(f"SELECT * FROM {self.qualified(PUBLICATION)}")  # noqa: S608 a name
        except (duckdb.CatalogException, duckdb.BinderException):
            return None
        names = [column[0] for column in result.description or ()]
        row = result.fetchone()
        return dict(zip(names, row, strict=True)) if row else None

    def relations(self) -> str:
        """Return a hash of the tables and views of the file, and of their comments."""
        ((relations,),) = self.run(relations_query(self._catalog))
        return str(relations)

    def views(self) -> tuple[str, ...]:
        """Return the names of the views of the file, in order."""
        in_file = f"database_name = {quote_literal(self._catalog)} AND NOT internal"
        query = f"SELECT view_name FROM duckdb_views() WHERE {in_file}"  # noqa: S608 names only
        return tuple(sorted(name for (name,) in self.run(query)))

    def create_views(self, contract: Contract, zone: str) -> dict[str, str]:
        """Create the views that read only tables of the copy, and return their queries by name.

        `contract` has the tables of the copy, and `zone` is the reporting time zone. Views lack the
        columns that would be NULL in every row.
        """
        queries = {}
        missing: dict[str, dict[str, str]] = {}
        substitutes = {
            (table, source): name
            for (table, source), name in SUBSTITUTES.items()
            if table in contract.tables and name in contract[table].columns_by_name
        }
        # A separate cursor, because USE changes the schema of everything that shares it.
        with write_errors(self._target_file), self._connection.cursor() as connection:
            connection.execute(f"USE {self._schema}")
            views = load_views()
            read = {name for view in views for name in view.reads}
            for view in views:
                copied = copied_view(view, contract, zone, substitutes, missing)
                if copied is None:
                    continue
                name = quote_name(view.name)
                try:
                    connection.execute(f"CREATE VIEW {name} AS {copied.select}")
                    if copied.missing and view.name in read:
                        described = connection.execute(f"DESCRIBE {copied.complete}").fetchall()
                        missing[view.name] = {
                            column: kind
                            for column, kind, *_ in described
                            if column in copied.missing
                        }
                except (duckdb.BinderException, duckdb.CatalogException):
                    continue
                self._comment("VIEW", f"{self._schema}.{name}", view.describe(zone), copied.columns)
                queries[view.name] = copied.select
        return queries

    def close(self) -> None:
        """Write everything into the file, and detach it."""
        self.run(f"CHECKPOINT {quote_name(self._catalog)}")
        self.run(f"DETACH {quote_name(self._catalog)}")

    def discard(self) -> None:
        """Detach the file without what was not committed."""
        for statement in ("ROLLBACK", f"DETACH {quote_name(self._catalog)}"):
            with suppress(duckdb.Error, DestinationError):  # no transaction, or a damaged file
                self.run(statement)

    def qualified(self, name: str) -> str:
        """Return the qualified name of a table."""
        return f"{self._schema}.{quote_name(name)}"

    def _attach(self, options: str = "") -> None:
        file, name = quote_literal(str(self._file)), quote_name(self._catalog)
        self.run(f"ATTACH {file} AS {name} (READ_WRITE{options})")

    def _comment(self, kind: str, name: str, comment: str, columns: Mapping[str, str]) -> None:
        statements = [f"COMMENT ON {kind} {name} IS {quote_literal(comment)}"] + [
            f"COMMENT ON COLUMN {name}.{quote_name(column)} IS {quote_literal(meaning)}"
            for column, meaning in columns.items()
        ]
        script = ";\n".join(statements)
        # Tables are created in a transaction already; of views, each statement would be one, and
        # wait for the disk.
        self.run(script if kind == "TABLE" else f"BEGIN TRANSACTION;\n{script};\nCOMMIT")

    def _insert(self, stored: Table, select: str, name: str | None = None) -> int:
        names = ", ".join(quote_name(column.name) for column in stored.columns)
        ((count,),) = self.run(
            f"INSERT INTO {name or self.qualified(stored.name)} ({names}) {select}"
        )
        return int(count)
