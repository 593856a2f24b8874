"""dlt's DuckDB destination, with every override of dlt that this package needs for it.

Each override names dlt's behaviour in the version it was checked against, the reason, and the
upstream change that would let us drop it; `docs/decisions/overrides-of-dlt.md` lists them all.
"""

import dataclasses
import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from dlt.common.configuration import configspec
from dlt.common.destination.capabilities import DestinationCapabilitiesContext
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.destinations import duckdb
from dlt.destinations.impl.duckdb.configuration import (
    DuckDbClientConfiguration,
    DuckDbCredentials,
)
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.sql_client import SqlClientBase
from duckdb import DuckDBPyConnection, connect

from argos_sync.load.destinations.merge_from_files import FileMergeClient, FileMergeSqlClient
from argos_sync.load.dialects import quote_literal
from argos_sync.load.errors import DestinationError
from argos_sync.load.sql import execute_native

BOUNDED_MEMORY: dict[str, Any] = {
    # dlt sets a checkpoint every gigabyte, and DuckDB keeps loaded rows in memory until then.
    "checkpoint_threshold": "32MB",
    # DuckDB's default is most of the machine; beyond the limit it spills to disk. It needs 125 MB
    # per thread (DuckDB's guide "OOM Errors"), hence few threads.
    "memory_limit": "320MB",
    "threads": min(2, os.cpu_count() or 1),
}
"""DuckDB settings; `destination.duckdb.credentials.global_config` overrides them."""

STORAGE_VERSION = "v1.4.0"
"""New files are written in the format of this version of DuckDB, so that it and every later one can
read them. DuckDB's default is the format of the version that creates the file."""

_LOADING_MEGABYTES = 160
"""Lower, because a chunk is in memory as well; merges and checks of two million submissions also
passed with half of it."""

LARGE_TEXT = 16 * 1024
"""Bytes of a text from which on DuckDB needs other settings: it works on 2,048 rows at once, and
so many of these texts have more bytes than a chunk."""

_MEMORY_PER_BYTE = 8
"""Bytes of memory that DuckDB needs for each byte of the longest text it stores; 7 were enough for
texts of 60 MB."""

_longest_texts: dict[str, int] = {}
"""Bytes of the longest text by DuckDB file. dlt makes dozens of clients per load package, each with
a configuration of its own, and DuckDB's settings are those of the file in the whole process."""

_HEADERS_BYTES = 3 * 4_096
"""Size of the main header and the two database headers that DuckDB writes first (its page "Storage
Versions and Format")."""

_MAGIC = slice(8, 12)
"""Where each file has the bytes `DUCK`."""

_PLAIN_URL = re.compile(r"duckdb:///(?P<file>[^?]+)")


def duckdb_file(client: SqlClientBase[Any]) -> Path | None:
    """Return the file of a DuckDB database; None for anything else.

    MotherDuck's databases are None too: dlt's client for them derives from DuckDB's, and their name
    may look like a file.
    """
    credentials = getattr(client, "credentials", None)
    return Path(credentials.database) if isinstance(credentials, DuckDbCredentials) else None


def check_file(client: SqlClientBase[Any]) -> None:
    """Refuse to open a file that DuckDB has not made, if the destination is a DuckDB file.

    DuckDB would try to read some of them with extensions that it downloads.

    Raises:
        DestinationError: It is a folder, or has another beginning than DuckDB's files.
    """
    file = duckdb_file(client)
    if file is None or not file.exists():
        return
    if file.is_dir():
        raise DestinationError(f"{file} is a folder", "name a DuckDB file")
    with file.open("rb") as stream:
        beginning = stream.read(_MAGIC.stop)
    if beginning and beginning[_MAGIC] != b"DUCK":
        raise DestinationError(
            f"{file} is not a DuckDB file, or its beginning is damaged",
            "name another file; if it was the warehouse, restore a backup, or move it away and load"
            " everything again (docs/operations.md)",
        )


def remove_truncated_file(client: SqlClientBase[Any]) -> None:
    """Remove a truncated DuckDB file, which DuckDB refuses to open.

    A process that is killed or runs out of space while it creates the file leaves it without its
    headers; no row can have been stored in it.
    """
    file = duckdb_file(client)
    if file and file.is_file() and file.stat().st_size < _HEADERS_BYTES:
        content = file.read_bytes()
        if not content or content[_MAGIC] == b"DUCK":
            file.unlink()


def remove_temp_files(client: SqlClientBase[Any]) -> None:
    """Remove rows that a killed run had spilled to disk.

    DuckDB spills into a folder named after the database file and empties it only when a later run
    spills again, which may never happen. Call this once the file is locked by this process.
    """
    if file := duckdb_file(client):
        for spilled in Path(f"{file}.tmp").glob("duckdb_temp_*"):
            spilled.unlink(missing_ok=True)


def fit_to_texts(client: SqlClientBase[Any], longest: int) -> None:
    """Let this process store texts of up to some bytes in a DuckDB file.

    A file that has large texts must always be written to with these settings.
    """
    file = duckdb_file(client)
    if file is None or longest <= max(LARGE_TEXT, _longest_texts.get(str(file), 0)):
        return
    _longest_texts[str(file)] = longest
    own = client.credentials.global_config or {}
    for name, value in loading_settings(str(file)).items():
        if name not in own:
            execute_native(client, f"SET GLOBAL {name} = {quote_literal(str(value))}")


def checkpoint(client: SqlClientBase[Any]) -> None:
    """Write what was committed into a DuckDB file, so that the next rows get their own row group.

    Rows that are committed later are otherwise appended to the row group, which with large texts
    would not fit into memory.
    """
    if duckdb_file(client) is not None:
        execute_native(client, "CHECKPOINT")


def has_large_texts(file: Path) -> bool:
    """Return whether this process knows that a DuckDB file has large texts, see `fit_to_texts`."""
    return str(file) in _longest_texts


def loading_settings(file: str) -> dict[str, Any]:
    """Return the settings to write to a DuckDB file with."""
    longest = _longest_texts.get(file, 0)
    megabytes = _LOADING_MEGABYTES + longest * _MEMORY_PER_BYTE // 1_000_000
    settings = BOUNDED_MEMORY | {"memory_limit": f"{megabytes}MB"}
    if longest > LARGE_TEXT:
        # DuckDB merges small row groups, and needs memory for all texts of 2,048 rows to do so.
        settings |= {"max_vacuum_tasks": 0}
    return settings


@configspec(init=False)
class _Credentials(DuckDbCredentials):
    def parse_native_representation(self, native_value: Any) -> None:
        """Take the file out of a URL.

        dlt 1.31 has it parsed by SQLAlchemy where that is installed, as it is with Dagster; to
        import it takes a fifth of the time of `status`. Can go once dlt parses URLs itself.
        """
        plain = _PLAIN_URL.fullmatch(native_value) if isinstance(native_value, str) else None
        if plain is None:
            super().parse_native_representation(native_value)
        else:
            self.database = plain["file"]

    def __str__(self) -> str:
        """Return the URL, for dlt's own reports of a load."""
        return f"duckdb:///{self.database}"


@configspec(init=False)
class _Configuration(DuckDbClientConfiguration):
    # The name that dlt knows the credentials by.
    credentials: _Credentials = dataclasses.field(default=None)  # type: ignore[assignment]


class DuckDb(duckdb):
    """dlt's DuckDB destination with the overrides below."""

    spec: type[DuckDbClientConfiguration] = _Configuration

    @property
    def client_class(self) -> type[DuckDbClient]:
        """Return the client class that dlt instantiates for each step."""
        return _Client

    def configuration(
        self, initial_config: DuckDbClientConfiguration, accept_partial: bool = False
    ) -> DuckDbClientConfiguration:
        """Return the configuration, resolved once per dataset.

        dlt 1.31 resolves it again for each client it makes, dozens of times per load package
        (`Destination.client`); that was a fifth of a small run. Each client gets a copy with
        connections of its own. Can go once dlt caches resolved destination configurations.
        """
        if initial_config is None or accept_partial:
            return super().configuration(initial_config, accept_partial)
        if initial_config.is_resolved():
            return initial_config
        key = (initial_config.dataset_name, initial_config.default_schema_name)
        if key not in self._resolved:
            self._resolved[key] = super().configuration(initial_config)
        config = self._resolved[key].copy()
        config.credentials.on_resolved()
        return config

    # Not created in `__init__`, whose signature dlt inspects.
    @cached_property
    def _resolved(self) -> dict[tuple[str, str | None], DuckDbClientConfiguration]:
        return {}

    def capabilities(
        self,
        config: DuckDbClientConfiguration | None = None,
        naming: NamingConvention | None = None,
    ) -> DestinationCapabilitiesContext:
        """Return DuckDB's capabilities, transactions included.

        dlt 1.31 leaves `supports_transactions` of DuckDB unset and merges a single table without a
        transaction: a process killed between DELETE and INSERT loses the rows. Can go once dlt
        declares that DuckDB has transactions. Passing a configuration keeps dlt from resolving one.
        """
        capabilities = super().capabilities(config or self.spec(), naming)
        capabilities.supports_transactions = True
        return capabilities


class _Client(FileMergeClient):
    """Merges straight from the load package's Parquet files, with bounded memory."""

    def __init__(
        self,
        schema: Schema,
        config: DuckDbClientConfiguration,
        capabilities: DestinationCapabilitiesContext,
    ) -> None:
        super().__init__(schema, config, capabilities)
        self.sql_client: _SqlClient = _SqlClient(
            self.sql_client.dataset_name,
            self.sql_client.staging_dataset_name,
            config.credentials,
            capabilities,
        )


class _SqlClient(FileMergeSqlClient):
    def open_connection(self) -> DuckDBPyConnection:
        """Connect with bounded memory, and create a file that older versions of DuckDB can read.

        dlt 1.31 has no default for `global_config` that leaves the other credentials alone, and
        sets it after DuckDB has created the file. Can go once a default can be set through a
        configuration provider, and the storage version before the file is created.
        """
        _create_file(self)
        bounds = BOUNDED_MEMORY
        if not self.credentials.read_only:
            bounds = loading_settings(self.credentials.database)
        self._global_config |= bounds | (self.credentials.global_config or {})
        return super().open_connection()


def _create_file(client: _SqlClient) -> None:
    """Create the DuckDB file if there is none, with `STORAGE_VERSION`."""
    file = duckdb_file(client)
    if file and not file.exists() and not client.credentials.read_only:
        connect(str(file), config={"storage_compatibility_version": STORAGE_VERSION}).close()
