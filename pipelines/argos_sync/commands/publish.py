"""`publish`: copy the warehouse for analysts into a DuckDB file, without personal data.

Only columns that the contract declares, with a privacy class that may be published, are copied.
Unknown tables, columns and views are not copied; neither are columns of class `direct`, even if
they are hashed or encrypted.

All tables are read in one snapshot, also while a run is loading, if the database has transactions.
A DuckDB file has either one writer or several readers, so no run can write to it meanwhile.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from argos_sync.commands.published_file import PublishedFile
from argos_sync.load.atomic_file import atomic_replacement, check_output_path, refuse_warehouse
from argos_sync.load.destinations.duckdb import BOUNDED_MEMORY, duckdb_file
from argos_sync.load.errors import DestinationError
from argos_sync.load.read_only import ReadOnlyWarehouse, open_read_only
from argos_sync.load.sql import Client, dialect_of, execute_native, transaction
from argos_sync.load.target import Target, locate, refuse_ambiguous_name
from argos_sync.shape.contract import (
    CHANGES,
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
from argos_sync.warehouse.views import UTC

log = logging.getLogger("argos_sync")

_POSTGRES_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
"""Keeps a transaction from seeing later commits, which PostgreSQL's default level shows."""

_OTHER_TABLES = (HISTORY, CHANGES, ISSUES, RUNS, WINDOWS, CHECKS)
"""Tables that are copied besides those of the API. The quarantine is not: it has whole objects."""

_UNPUBLISHED_COLUMNS = {
    # With the rest of a submission, anybody could test guesses of its personal values.
    SUBMISSIONS: {"_content_hash"},
    # The API chooses what it contains.
    WINDOWS: {"page_key"},
}
"""Columns of class `none` that are of no use to analysts and might reveal something to others."""


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The contents of a copy: rows by table, and names of views.

    Views over tables that are left out are left out too. `columns_left_out` is the number of the
    contract's columns of these tables that are not copied.
    """

    file: Path
    rows: dict[str, int]
    views: tuple[str, ...]
    columns_left_out: int


def publish(
    target: Target, file: Path, *, strict: bool = False, mode: int = 0o600, zone: str = UTC
) -> PublishResult:
    """Write a copy of the warehouse without personal columns, and replace an earlier copy.

    The earlier copy is replaced when the new one is complete; programs that have it open can read
    it to the end. A table or column that the warehouse does not have, for example because the
    privacy policy drops it, is created and stays empty, so queries keep working. Submissions that
    are marked as deleted are copied.

    Args:
        target: Where the warehouse is.
        file: DuckDB file to create or to replace; links are followed.
        strict: Whether columns of class `quasi` are left out too.
        mode: Permissions of a new file; a replaced file keeps its permissions.
        zone: Reporting time zone of the views, an IANA name.

    Raises:
        ConfigurationError: The file cannot be replaced or is named like the dataset, or the
            destination is unknown.
        DestinationError: The warehouse is empty, locked or not reachable, or the copy cannot be
            written.
    """
    output = check_output_path(file)
    refuse_ambiguous_name(output, locate(target).dataset)
    tables = public_tables(strict=strict)
    with (
        atomic_replacement(output, mode) as new_file,
        copied_tables(target, tables, new_file, output) as (copy, rows, copied),
    ):
        views = copy.create_views(copied, zone)
    contract = load_contract()
    left_out = sum(len(contract[table.name].columns) - len(table.columns) for table in tables)
    return PublishResult(output, rows, views, left_out)


@contextmanager
def copied_tables(
    target: Target, tables: Sequence[Table], new_file: Path, output: Path
) -> Iterator[tuple[PublishedFile, dict[str, int], Contract]]:
    """Copy tables into a new DuckDB file, which is complete when the block ends.

    Yield the copy, the rows by table, and the tables with the types that they have there. Errors
    name the output, which must not be the warehouse.

    Raises:
        ConfigurationError: The output is the warehouse, or the destination is unknown.
        DestinationError: The warehouse is empty, locked or not reachable, or the copy cannot be
            written.
    """
    with open_read_only(target) as warehouse:
        dataset = warehouse.client.dataset_name
        if (source := duckdb_file(warehouse.client)) is not None:
            refuse_warehouse(output, source)
            writer = warehouse.client.native_connection
            copy = PublishedFile(writer, new_file, output, dataset)
            yield copy, *_fill(copy, warehouse, tables, copy.insert_select)
            copy.close()
        else:
            settings = BOUNDED_MEMORY | {"temp_directory": str(new_file.parent)}
            with closing(duckdb.connect(config=settings)) as writer, transaction(warehouse.client):
                if dialect_of(warehouse.client) == "postgres":
                    execute_native(warehouse.client, _POSTGRES_SNAPSHOT)
                copy = PublishedFile(writer, new_file, output, dataset)
                yield copy, *_fill(copy, warehouse, tables, copy.insert_batches)
                copy.close()


def public_tables(*, strict: bool) -> list[Table]:
    """Return the tables that are copied, with the columns that are copied; see `publish`."""
    classes = {"none"} if strict else {"none", "quasi"}
    return [
        replace(
            table,
            columns=tuple(
                column
                for column in table.columns
                if column.privacy in classes
                and column.name not in _UNPUBLISHED_COLUMNS.get(table.name, ())
            ),
        )
        for table in load_contract().tables.values()
        if table.from_api or table.name in _OTHER_TABLES
    ]


def _fill(
    copy: PublishedFile,
    warehouse: ReadOnlyWarehouse,
    tables: Sequence[Table],
    insert: Callable[[Client, Table], int],
) -> tuple[dict[str, int], Contract]:
    """Copy tables in one snapshot; return the rows by table, and the tables with their types."""
    rows = {}
    # For a DuckDB warehouse this transaction is also the snapshot: the connection is the same.
    copy.run("BEGIN TRANSACTION")
    matched = _match_columns(warehouse, tables)
    for table, stored in matched:
        copy.create(table)
        rows[table.name] = insert(warehouse.client, stored) if stored.columns else 0
        log.info("publish: %s, %d rows", table.name, rows[table.name])
    copy.run("COMMIT")
    return rows, Contract({table.name: table for table, _ in matched})


def _match_columns(
    warehouse: ReadOnlyWarehouse, tables: Sequence[Table]
) -> list[tuple[Table, Table]]:
    """Return each table with the warehouse's types, and again with only the warehouse's columns.

    Raises:
        DestinationError: The dataset has no submissions.
    """
    stored = warehouse.columns([table.name for table in tables])
    if not stored[SUBMISSIONS]:
        raise DestinationError(
            f"there are no submissions in the dataset {warehouse.client.dataset_name}",
            "load something first, or name another dataset",
        )
    fold = warehouse.client.capabilities.casefold_identifier
    matched = []
    for table in tables:
        types = {column.name: stored[table.name].get(fold(column.name)) for column in table.columns}
        columns = tuple(_with_stored_type(column, types[column.name]) for column in table.columns)
        stored_columns = tuple(column for column in columns if types[column.name])
        matched.append((replace(table, columns=columns), replace(table, columns=stored_columns)))
    return matched


def _with_stored_type(column: Column, stored: str | None) -> Column:
    """Return a column with the warehouse's type: hashed and encrypted values are texts."""
    if stored is None:
        return replace(column, nullable=True)
    return replace(column, type="text") if stored == "text" else column
