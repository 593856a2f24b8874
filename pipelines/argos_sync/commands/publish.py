"""A copy of the warehouse for analysts, as a DuckDB file: nothing in it tells who a person is.

What is copied is what the contract names and classes: a column, table or view that it does not know
stays behind, whatever it is. So do columns that are hashed or encrypted; their class stays. All
tables are read at one moment, also while a run is loading, where the database has transactions;
of a DuckDB file there is one writer or there are readers, so that there is no run meanwhile.

A copy has no primary keys, for in DuckDB those are indexes that have to fit into memory: 15 million
rows took more than a run may have (`BOUNDED_MEMORY`), 3 million doubled the size of the file. What
a row is says the comment of its table.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from argos_sync.load.atomic_file import (
    atomic_replacement,
    check_output_path,
    refuse_warehouse,
    write_errors,
)
from argos_sync.load.dialects import DUCKDB_TYPES, quote_literal, quote_name
from argos_sync.load.duckdb import BOUNDED_MEMORY
from argos_sync.load.errors import DestinationError
from argos_sync.load.read_only import ReadOnlyWarehouse, open_read_only
from argos_sync.load.sql import (
    Client,
    dialect_of,
    execute_native,
    stream_native,
    transaction,
    translate,
)
from argos_sync.load.target import Target, duckdb_file, refuse_ambiguous_name
from argos_sync.shape.columns import arrow_schema
from argos_sync.shape.contract import (
    CHECKS,
    HISTORY,
    ISSUES,
    RUNS,
    SUBMISSIONS,
    WINDOWS,
    Column,
    Contract,
    Table,
    load_contract,
)
from argos_sync.warehouse.views import duckdb_query, load_views

log = logging.getLogger("argos_sync")

_ALSO = (HISTORY, ISSUES, RUNS, WINDOWS, CHECKS)
"""Tables that are copied beside those of the API. The quarantine is not: it keeps objects whole."""

_LEFT_OUT = {
    # Whoever knows the rest of a submission could try what it says about somebody.
    SUBMISSIONS: {"_content_hash"},
    # The API's own, and nobody knows what it puts into it.
    WINDOWS: {"page_key"},
}
"""Columns of class `none` that say nothing to analysts and might say too much to others."""

_STREAM = "argos_publish"
"""What rows on their way from another database are called at both ends."""

_ROWS = 5_000
"""Rows that are in memory at once when they come from another database."""


@dataclass(frozen=True, slots=True)
class PublishResult:
    """What a copy holds.

    Attributes:
        file: The copy.
        rows: Rows by table.
        views: Views that read no table which was left out.
        columns_left_out: How many of the contract's columns of these tables it does not have.
    """

    file: Path
    rows: dict[str, int]
    views: tuple[str, ...]
    columns_left_out: int


@dataclass(frozen=True, slots=True)
class _Part:
    """A table of the copy.

    Attributes:
        table: Its columns as the copy has them.
        there: Those that the warehouse has; the others are empty.
    """

    table: Table
    there: tuple[Column, ...]


def publish(
    target: Target, file: Path, *, strict: bool = False, mode: int = 0o600
) -> PublishResult:
    """Write a copy of the warehouse without personal columns, in the place of an earlier one.

    Until the copy is whole the earlier one stays, and who reads it goes on reading it. A column
    that the warehouse does not have, such as one that is dropped for privacy, is there and empty,
    as is a table: queries go on working. Submissions marked as deleted are copied as they are.

    Args:
        target: Where the warehouse is.
        file: DuckDB file to make or to replace; links are followed.
        strict: Whether columns of class `quasi` are left out too.
        mode: Permissions of a new file; one that is replaced passes on its own.

    Raises:
        ConfigurationError: The file cannot be replaced or is named like the dataset, or the
            destination is not known.
        DestinationError: The warehouse is empty, locked or not reachable, or the copy cannot be
            written.
    """
    place = check_output_path(file)
    refuse_ambiguous_name(place, target.dataset)
    tables = public_tables(strict=strict)
    with atomic_replacement(place, mode) as new, open_read_only(target) as warehouse:
        if (source := duckdb_file(warehouse.storage)) is not None:
            refuse_warehouse(place, source)
            connection = warehouse.client.native_connection
            copy = _Copy(connection, new, place, warehouse.client.dataset_name)
            rows, views = _fill(copy, warehouse, tables, copy.insert_select)
        else:
            settings = BOUNDED_MEMORY | {"temp_directory": str(new.parent)}
            with closing(duckdb.connect(config=settings)) as own, _snapshot(warehouse.client):
                copy = _Copy(own, new, place, warehouse.client.dataset_name)
                rows, views = _fill(copy, warehouse, tables, copy.insert_batches)
    known = load_contract()
    left_out = sum(len(known[table.name].columns) - len(table.columns) for table in tables)
    return PublishResult(place, rows, views, left_out)


def public_tables(*, strict: bool) -> list[Table]:
    """Return the tables that are copied, with the columns that are.

    Args:
        strict: Whether columns of class `quasi` are left out too.
    """
    classes = {"none"} if strict else {"none", "quasi"}
    return [
        replace(
            table,
            columns=tuple(
                column
                for column in table.columns
                if column.privacy in classes and column.name not in _LEFT_OUT.get(table.name, ())
            ),
        )
        for table in load_contract().tables.values()
        if table.from_api or table.name in _ALSO
    ]


class _Copy:
    """The new file, attached to a connection of DuckDB's."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, new: Path, place: Path, dataset: str
    ) -> None:
        self._connection = connection
        self._place = place
        # A name that no other file has that is attached.
        self._catalog = quote_name(new.parent.name)
        self._schema = f"{self._catalog}.{quote_name(dataset)}"
        self.run(f"ATTACH {quote_literal(str(new))} AS {self._catalog} (READ_WRITE)")
        with write_errors(place):
            new.chmod(0o600)
        self.run(f"CREATE SCHEMA {self._schema}")

    def run(self, sql: str) -> list[Any]:
        """Run a statement on the copy."""
        with write_errors(self._place):
            return self._connection.execute(sql).fetchall()

    def create(self, table: Table) -> None:
        """Make an empty table, which says of itself what the contract says of it."""
        name, columns = self._named(table), table.columns
        declared = ", ".join(
            f"{quote_name(one.name)} {DUCKDB_TYPES[one.type]}{'' if one.nullable else ' NOT NULL'}"
            for one in columns
        )
        self.run(f"CREATE TABLE {name} ({declared})")
        self._comment("TABLE", name, table.comment, {one.name: one.comment for one in columns})

    def insert_select(self, client: Client, part: _Part) -> int:
        """Fill a table from one of the same connection; return the number of rows."""
        return self._insert(part, _query(client, part))

    def insert_batches(self, client: Client, part: _Part) -> int:
        """Fill a table from another database, piece by piece; return the number of rows."""
        schema = arrow_schema(replace(part.table, columns=part.there))
        failures: list[Exception] = []

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                for rows in _batches(client, _query(client, part)):
                    columns = zip(zip(*rows, strict=True), schema.types, strict=True)
                    arrays = [pa.array(values, of_type) for values, of_type in columns]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            except Exception as error:
                failures.append(error)
                raise

        # In a single statement, of which DuckDB writes to disk what is complete. What was inserted
        # by statements before would stay in memory up to the commit.
        self._connection.register(_STREAM, pa.RecordBatchReader.from_batches(schema, batches()))
        try:
            return self._insert(part, f"FROM {_STREAM}")
        except duckdb.Error:
            if not failures:
                raise
        raise failures[0]  # of which DuckDB knows only the text

    def create_views(self, contract: Contract) -> tuple[str, ...]:
        """Make the views that read no table which was left out; return their names.

        Args:
            contract: The tables that there are; a column that was left out is empty in views.
        """
        made = []
        # A cursor, so that USE holds for nothing else.
        with write_errors(self._place), self._connection.cursor() as connection:
            connection.execute(f"USE {self._schema}")
            for view in load_views():
                select = duckdb_query(view, contract)
                with suppress(duckdb.BinderException, duckdb.CatalogException):
                    connection.execute(f"CREATE VIEW {quote_name(view.name)} AS {select}")
                    made.append(view)
        for view in made:
            name = f"{self._schema}.{quote_name(view.name)}"
            self._comment("VIEW", name, view.description, view.columns)
        return tuple(view.name for view in made)

    def close(self) -> None:
        """Write everything into the one file."""
        self.run(f"CHECKPOINT {self._catalog}")
        self.run(f"DETACH {self._catalog}")

    def _comment(self, kind: str, name: str, said: str, columns: Mapping[str, str]) -> None:
        self.run(f"COMMENT ON {kind} {name} IS {quote_literal(said)}")
        for column, meaning in columns.items():
            self.run(f"COMMENT ON COLUMN {name}.{quote_name(column)} IS {quote_literal(meaning)}")

    def _insert(self, part: _Part, select: str) -> int:
        names = ", ".join(quote_name(column.name) for column in part.there)
        ((count,),) = self.run(f"INSERT INTO {self._named(part.table)} ({names}) {select}")
        return int(count)

    def _named(self, table: Table) -> str:
        return f"{self._schema}.{quote_name(table.name)}"


def _fill(
    copy: _Copy,
    warehouse: ReadOnlyWarehouse,
    tables: Sequence[Table],
    insert: Callable[[Client, _Part], int],
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Copy tables as they are at one moment; return their numbers of rows, and the views made."""
    rows = {}
    # One transaction of the copy's; for a DuckDB warehouse, of the same connection, the snapshot.
    copy.run("BEGIN TRANSACTION")
    parts = _parts(warehouse, tables)
    for part in parts:
        name = part.table.name
        copy.create(part.table)
        rows[name] = insert(warehouse.client, part) if part.there else 0
        log.info("publish: %s, %d rows", name, rows[name])
    copy.run("COMMIT")
    views = copy.create_views(Contract({part.table.name: part.table for part in parts}))
    copy.close()
    return rows, views


@contextmanager
def _snapshot(client: Client) -> Iterator[None]:
    """Read everything in one transaction, in PostgreSQL one that sees nothing of later ones."""
    with transaction(client):
        if dialect_of(client) == "postgres":
            execute_native(client, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _parts(warehouse: ReadOnlyWarehouse, tables: Sequence[Table]) -> list[_Part]:
    """Hold the tables against what the warehouse has of them."""
    stored = warehouse.columns([table.name for table in tables])
    if not stored[SUBMISSIONS]:
        raise DestinationError(
            f"there are no submissions in the dataset {warehouse.client.dataset_name}",
            "load something first, or name another dataset",
        )
    fold = warehouse.client.capabilities.casefold_identifier
    parts = []
    for table in tables:
        types = {column.name: stored[table.name].get(fold(column.name)) for column in table.columns}
        columns = tuple(_as_stored(column, types[column.name]) for column in table.columns)
        there = tuple(column for column in columns if types[column.name])
        parts.append(_Part(replace(table, columns=columns), there))
    return parts


def _as_stored(column: Column, stored: str | None) -> Column:
    """Return a column as the warehouse has it: hashed and encrypted values are texts."""
    if stored is None:
        return replace(column, nullable=True)
    return replace(column, type="text") if stored == "text" else column


def _query(client: Client, part: _Part) -> str:
    columns = (f"JSON_TEXT({one.name})" if one.type == "json" else one.name for one in part.there)
    words, _ = translate(client, f"SELECT {', '.join(columns)} FROM {part.table.name}")  # noqa: S608 names only
    return words


def _batches(client: Client, query: str) -> Iterable[Sequence[Sequence[Any]]]:
    """Yield the rows of a query, some at a time."""
    if dialect_of(client) == "postgres":
        # Without a cursor in the database its driver has all rows in memory before the first.
        execute_native(client, f"DECLARE {_STREAM} NO SCROLL CURSOR FOR {query}")
        while rows := execute_native(client, f"FETCH {_ROWS} FROM {_STREAM}"):
            yield rows
        execute_native(client, f"CLOSE {_STREAM}")
    else:
        with stream_native(client, query) as cursor:
            while rows := cursor.fetchmany(_ROWS):
                yield rows
