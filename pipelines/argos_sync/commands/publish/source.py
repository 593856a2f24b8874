"""Open the warehouse that a copy is made of, in one snapshot, and copy its tables.

All tables are read in one snapshot, also while a run is loading, if the database has transactions.
A DuckDB file has either one writer or several readers, so no run can write to it meanwhile.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from argos_sync.commands.publish.file import PublishedFile
from argos_sync.commands.publish.publication import Publication
from argos_sync.commands.publish.tables import StoredTable, match_columns
from argos_sync.fetch.protection import stored_modes
from argos_sync.load.atomic_file import refuse_warehouse
from argos_sync.load.destinations.duckdb import BOUNDED_MEMORY, duckdb_file
from argos_sync.load.read_only import open_read_only
from argos_sync.load.sql import Client, dialect_of, execute_native, transaction
from argos_sync.load.target import Location, Target
from argos_sync.shape.contract import Contract, Table
from argos_sync.shape.pseudonyms import Pseudonymizer

log = logging.getLogger("argos_sync")

_POSTGRES_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
"""Keeps a transaction from seeing later commits, which PostgreSQL's default level shows."""


@dataclass(frozen=True, slots=True)
class Source:
    """A warehouse open for reading.

    Attributes:
        client: Its client.
        writer: The connection of DuckDB to write copies with; for a warehouse in a DuckDB file, the
            client's own.
        tables: The tables of a copy, with what the warehouse has of them.
        pseudonymizer: Makes pseudonyms of what the warehouse stores; None makes none.
    """

    client: Client
    writer: duckdb.DuckDBPyConnection
    tables: Sequence[StoredTable]
    pseudonymizer: Pseudonymizer | None

    @property
    def dataset(self) -> str:
        """Return the name of the dataset as the destination spells it."""
        return str(self.client.dataset_name)

    @property
    def contract(self) -> Contract:
        """Return the tables of the copy with the types that they have there."""
        return Contract({one.table.name: one.table for one in self.tables})

    def publication(self, now: datetime, *, strict: bool, zone: str) -> Publication:
        """Return what a copy is made with; see `Publication`."""
        tables = [one.table for one in self.tables]
        return Publication(tables, self.dataset, strict, zone, self.pseudonymizer, now)

    def copy_into(self, copy: PublishedFile) -> dict[str, int]:
        """Create all tables in a new copy, fill them, and return the number of rows by table."""
        rows = {}
        copy.run("BEGIN TRANSACTION")
        for one in self.tables:
            name = one.table.name
            copy.create(one.table)
            has_columns = bool(one.stored.columns)
            rows[name] = copy.insert(self.client, one, self.pseudonymizer) if has_columns else 0
            log.info("publish: %s, %d rows", name, rows[name])
        copy.run("COMMIT")
        return rows


@contextmanager
def open_source(
    target: Target,
    tables: Sequence[Table],
    folder: Path,
    output: Path,
    pseudonymizer: Pseudonymizer | None = None,
    *,
    location: Location | None = None,
) -> Iterator[Source]:
    """Open the warehouse in one snapshot.

    Args:
        target: Where the warehouse is.
        tables: The tables of a copy.
        folder: Private folder, into which a connection of its own moves rows out of memory.
        output: What will be written, which must not be the warehouse.
        pseudonymizer: Makes pseudonyms; None makes none.
        location: Names of the warehouse, if they are known.

    Raises:
        ConfigurationError: The output is the warehouse, or the destination is unknown.
        DestinationError: The warehouse is empty, locked or not reachable.
    """
    with open_read_only(target, location) as warehouse:
        client = warehouse.client
        if pseudonymizer is not None:
            pseudonymizer = replace(pseudonymizer, modes=stored_modes(warehouse.state))
        if (file := duckdb_file(client)) is not None:
            refuse_warehouse(output, file)
            matched = match_columns(warehouse, tables)
            yield Source(client, client.native_connection, matched, pseudonymizer)
            return
        settings = BOUNDED_MEMORY | {"temp_directory": str(folder)}
        with closing(duckdb.connect(config=settings)) as writer, transaction(client):
            if dialect_of(client) == "postgres":
                execute_native(client, _POSTGRES_SNAPSHOT)
            yield Source(client, writer, match_columns(warehouse, tables), pseudonymizer)


@contextmanager
def copied_tables(
    target: Target,
    tables: Sequence[Table],
    new_file: Path,
    pseudonymizer: Pseudonymizer | None = None,
) -> Iterator[tuple[PublishedFile, Source]]:
    """Copy tables into a new DuckDB file, which is complete when the block ends.

    Yield the copy, and the source that it was made of. For errors see `open_source`, and:

    Raises:
        ConfigurationError: The key for pseudonyms is not the warehouse's.
        DestinationError: The copy cannot be written.
    """
    with open_source(target, tables, new_file.parent, new_file, pseudonymizer) as source:
        copy = PublishedFile(source.writer, new_file, new_file, source.dataset)
        source.copy_into(copy)
        yield copy, source
        copy.close()
