"""Open a warehouse for reading; nothing is created or changed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

from dlt.common.destination.client import WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.state_sync import load_pipeline_state_from_destination

from argos_sync.fetch.checkpoint import State
from argos_sync.load.ddl import blockers_named
from argos_sync.load.destinations.duckdb import check_file, duckdb_file
from argos_sync.load.destinations.ducklake import open_read_only_lake
from argos_sync.load.errors import MissingFileError, destination_errors
from argos_sync.load.partitions import PIPELINE
from argos_sync.load.source import source_state
from argos_sync.load.target import Location, Target, locate


@dataclass(frozen=True, slots=True)
class ReadOnlyWarehouse:
    """A warehouse open for reading, and its state as last committed.

    `storage` is dlt's client for whole tables, and `client` its connection.
    """

    client: SqlClientBase[Any]
    state: State
    storage: SqlJobClientBase

    def columns(self, tables: Iterable[str]) -> dict[str, dict[str, str | None]]:
        """Return the columns of tables with dlt's types; none for a table that does not exist.

        Column names are spelled as the destination spells them.
        """
        return {
            name: {column: hints.get("data_type") for column, hints in columns.items()}
            for name, columns in self.storage.get_storage_tables(tables)
        }


@contextmanager
def open_read_only(target: Target, location: Location | None = None) -> Iterator[ReadOnlyWarehouse]:
    """Open the warehouse for reading.

    Args:
        target: Where the warehouse is.
        location: Its names, if they are known; it takes a while to find out.

    Raises:
        ConfigurationError: The destination is unknown, or its credentials are missing.
        DestinationError: There is no warehouse yet, or it is locked or not reachable. Sessions of
            PostgreSQL whose locks keep the block from reading are named.
    """
    with destination_errors():
        client = (location or locate(target)).storage
        if (file := duckdb_file(client.sql_client)) is not None:
            if not file.exists():
                raise MissingFileError(
                    f"there is no DuckDB file at {file}",
                    "load something first, or name another file",
                )
            cast("DuckDbClient", client).config.credentials.read_only = True
            check_file(client.sql_client)
        open_read_only_lake(client.sql_client)
        with destination_errors(file), client, blockers_named(client.sql_client, "read"):
            stored = None
            with suppress(DestinationUndefinedEntity):
                states = cast("WithStateSync", client)
                stored = load_pipeline_state_from_destination(PIPELINE, states)
            yield ReadOnlyWarehouse(client.sql_client, source_state(stored or {}), client)
