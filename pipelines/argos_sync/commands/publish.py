"""`publish`: copy the warehouse for analysts into a DuckDB file, without personal data.

All tables are read in one snapshot, also while a run is loading, if the database has transactions.
A DuckDB file has either one writer or several readers, so no run can write to it meanwhile.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from argos_sync.commands.published_file import PublishedFile
from argos_sync.commands.published_tables import match_columns, public_tables
from argos_sync.fetch.protection import stored_modes
from argos_sync.load.atomic_file import atomic_replacement, check_output_path, refuse_warehouse
from argos_sync.load.destinations.duckdb import BOUNDED_MEMORY, duckdb_file
from argos_sync.load.read_only import ReadOnlyWarehouse, open_read_only
from argos_sync.load.sql import dialect_of, execute_native, transaction
from argos_sync.load.target import Target, locate, refuse_ambiguous_name
from argos_sync.shape.contract import Contract, Table, load_contract
from argos_sync.shape.pseudonyms import Pseudonymizer
from argos_sync.warehouse.views import UTC

log = logging.getLogger("argos_sync")

_POSTGRES_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
"""Keeps a transaction from seeing later commits, which PostgreSQL's default level shows."""


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
    target: Target,
    file: Path,
    *,
    strict: bool = False,
    mode: int = 0o600,
    zone: str = UTC,
    pseudonymizer: Pseudonymizer | None = None,
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
        pseudonymizer: Makes the columns with pseudonyms; None leaves them out.

    Raises:
        ConfigurationError: The file cannot be replaced or is named like the dataset, the
            destination is unknown, or the key for pseudonyms is not the warehouse's.
        DestinationError: The warehouse is empty, locked or not reachable, or the copy cannot be
            written.
    """
    output = check_output_path(file)
    refuse_ambiguous_name(output, locate(target).dataset)
    tables = public_tables(strict=strict, pseudonyms=pseudonymizer is not None)
    with (
        atomic_replacement(output, mode) as new_file,
        copied_tables(target, tables, new_file, output, pseudonymizer) as (copy, rows, copied),
    ):
        views = copy.create_views(copied, zone)
    return PublishResult(output, rows, views, count_left_out(tables))


def count_left_out(tables: Sequence[Table]) -> int:
    """Return how many of the contract's columns of these tables are not copied."""
    contract = load_contract()
    return sum(
        len(contract[table.name].columns_by_name.keys() - table.columns_by_name.keys())
        for table in tables
    )


@contextmanager
def copied_tables(
    target: Target,
    tables: Sequence[Table],
    new_file: Path,
    output: Path,
    pseudonymizer: Pseudonymizer | None = None,
) -> Iterator[tuple[PublishedFile, dict[str, int], Contract]]:
    """Copy tables into a new DuckDB file, which is complete when the block ends.

    Yield the copy, the rows by table, and the tables with the types that they have there. Errors
    name the output, which must not be the warehouse.

    Raises:
        ConfigurationError: The output is the warehouse, the destination is unknown, or the key for
            pseudonyms is not the warehouse's.
        DestinationError: The warehouse is empty, locked or not reachable, or the copy cannot be
            written.
    """
    with open_source(target, new_file.parent, output) as (warehouse, writer):
        copy = PublishedFile(writer, new_file, output, warehouse.client.dataset_name)
        yield copy, *_fill(copy, warehouse, tables, pseudonymizer)
        copy.close()


@contextmanager
def open_source(
    target: Target, folder: Path, output: Path
) -> Iterator[tuple[ReadOnlyWarehouse, duckdb.DuckDBPyConnection]]:
    """Open the warehouse in one snapshot, and a connection of DuckDB to write the copy with.

    A warehouse in a DuckDB file has the same connection. Elsewhere the connection is a new one,
    which moves rows out of memory into `folder`.

    Raises:
        ConfigurationError: The output is the warehouse, or the destination is unknown.
        DestinationError: There is no warehouse yet, or it is locked or not reachable.
    """
    with open_read_only(target) as warehouse:
        if (source := duckdb_file(warehouse.client)) is not None:
            refuse_warehouse(output, source)
            yield warehouse, warehouse.client.native_connection
        else:
            settings = BOUNDED_MEMORY | {"temp_directory": str(folder)}
            with closing(duckdb.connect(config=settings)) as writer, transaction(warehouse.client):
                if dialect_of(warehouse.client) == "postgres":
                    execute_native(warehouse.client, _POSTGRES_SNAPSHOT)
                yield warehouse, writer


def _fill(
    copy: PublishedFile,
    warehouse: ReadOnlyWarehouse,
    tables: Sequence[Table],
    pseudonymizer: Pseudonymizer | None,
) -> tuple[dict[str, int], Contract]:
    """Copy tables in one snapshot; return the rows by table, and the tables with their types."""
    rows = {}
    if pseudonymizer is not None:
        pseudonymizer = replace(pseudonymizer, modes=stored_modes(warehouse.state))
    # For a DuckDB warehouse this transaction is also the snapshot: the connection is the same.
    copy.run("BEGIN TRANSACTION")
    matched = match_columns(warehouse, tables)
    for one in matched:
        table = one.table
        copy.create(table)
        rows[table.name] = (
            copy.insert(warehouse.client, one, pseudonymizer) if one.stored.columns else 0
        )
        log.info("publish: %s, %d rows", table.name, rows[table.name])
    copy.run("COMMIT")
    return rows, Contract({one.table.name: one.table for one in matched})
