"""dlt's DuckLake destination, with every override of dlt that this package needs for it.

A lake is a catalog, here PostgreSQL or an SQLite file, and Parquet files in a folder or in S3.
DuckDB reads and writes both; it runs inside this process, and stores nothing of its own. As in
`duckdb`, each override names dlt's behaviour, the reason, and what would let us drop it.
"""

import atexit
import os
import tempfile
import threading
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from shutil import rmtree
from typing import Any

import duckdb
from dlt.common.destination.capabilities import DestinationCapabilitiesContext
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.destinations import ducklake
from dlt.destinations.impl.duckdb.configuration import DuckDbConnectionPool
from dlt.destinations.impl.ducklake.configuration import (
    DuckLakeClientConfiguration,
    DuckLakeCredentials,
)
from dlt.destinations.impl.ducklake.ducklake import DuckLakeClient
from dlt.destinations.impl.ducklake.sql_client import DuckLakeSqlClient
from dlt.destinations.sql_client import SqlClientBase, raise_open_connection_error
from duckdb import CatalogException, DuckDBPyConnection

from argos_sync.api.errors import ConfigurationError
from argos_sync.load.destinations.duckdb import BOUNDED_MEMORY
from argos_sync.load.destinations.duckdb_extensions import loadable_extensions
from argos_sync.load.destinations.merge_from_files import FileMergeClient, FileMergeSqlClient
from argos_sync.load.dialects import quote_name
from argos_sync.load.sql import execute_native

CATALOGS = {
    "postgresql": "postgres_scanner",
    "postgres": "postgres_scanner",
    "sqlite": "sqlite_scanner",
}
"""Catalogs that keep the promises, by dlt's name, each with DuckDB's extension for it."""

_SETTINGS = {
    "memory_limit": BOUNDED_MEMORY["memory_limit"],
    "threads": BOUNDED_MEMORY["threads"],
    # Each commit is the next snapshot of the whole lake, and is tried again after that of another
    # run or of the lease. Ten attempts, the default, can be used up by a busy lake.
    "ducklake_max_retry_count": 50,
}

_SPILL_PREFIX = f"argos-sync-{os.getuid()}-"

_pools: dict[tuple[str, ...], DuckDbConnectionPool] = {}
"""The pool of each lake, by the statements that open it. dlt makes dozens of clients per load
package, each with a configuration of its own."""

_pools_lock = threading.Lock()


def catalog_file(client: SqlClientBase[Any]) -> Path | None:
    """Return the SQLite file of a lake's catalog; None if there is none."""
    if not isinstance(client, DuckLakeSqlClient):
        return None
    catalog = client.credentials.catalog
    return Path(catalog.database or "") if catalog.drivername == "sqlite" else None


class DuckLake(ducklake):
    """dlt's DuckLake destination with the overrides below."""

    @property
    def client_class(self) -> type[DuckLakeClient]:
        """Return the client class that dlt instantiates for each step."""
        return _Client

    def configuration(
        self, initial_config: DuckLakeClientConfiguration, accept_partial: bool = False
    ) -> DuckLakeClientConfiguration:
        """Return the configuration, resolved once per dataset, with the lake's connection.

        dlt 1.31 opens a DuckDB for each of the 35 clients of a small sync, which loads extensions
        and attaches the lake each time: ten times the work of the sync itself. Here all clients of
        a lake share a DuckDB, each with a session of its own. Can go once dlt's pool does that for
        a lake.

        Raises:
            ConfigurationError: The catalog cannot keep the promises.
        """
        if initial_config is None or accept_partial:
            return super().configuration(initial_config, accept_partial)
        if initial_config.is_resolved():
            return initial_config
        key = (initial_config.dataset_name, initial_config.default_schema_name)
        if key not in self._resolved:
            config = super().configuration(initial_config)
            _check_catalog(config)
            self._resolved[key] = config
        config = self._resolved[key].copy()
        _share_connection(config)
        return config

    # Not created in `__init__`, whose signature dlt inspects.
    @cached_property
    def _resolved(self) -> dict[tuple[str, str | None], DuckLakeClientConfiguration]:
        return {}

    def capabilities(
        self,
        config: DuckLakeClientConfiguration | None = None,
        naming: NamingConvention | None = None,
    ) -> DestinationCapabilitiesContext:
        """Return DuckLake's capabilities, transactions included, see `duckdb.DuckDb`.

        Passing a configuration keeps dlt from resolving one.
        """
        capabilities = super().capabilities(config or self.spec(), naming)
        capabilities.supports_transactions = True
        return capabilities

    @classmethod
    def adjust_capabilities(
        cls,
        caps: DestinationCapabilitiesContext,
        config: DuckLakeClientConfiguration,
        naming: NamingConvention | None,
    ) -> DestinationCapabilitiesContext:
        """Return the capabilities for jobs that run one by one, whatever the catalog.

        dlt 1.31 runs them side by side with a catalog in PostgreSQL; they would only conflict,
        because each commit is the lake's next snapshot.
        """
        return super(ducklake, cls).adjust_capabilities(caps, config, naming)


class _SqlClient(FileMergeSqlClient, DuckLakeSqlClient):
    def catalog_name(self, quote: bool = True, casefold: bool = True) -> str:  # noqa: ARG002 dlt's
        """Return the lake's name, so that nothing is sought in its catalog's own database.

        dlt 1.31 looks a dataset up in all attached databases: one of the same name in the
        PostgreSQL of the catalog would count as that of the lake.
        """
        name = self.credentials.ducklake_name
        return self.capabilities.escape_identifier(name) if quote else name

    @raise_open_connection_error
    def open_connection(self) -> DuckDBPyConnection:
        """Open a session of the DuckDB that all clients of the lake share."""
        self._global_config |= _settings(self.credentials)
        # Not dlt's for DuckLake, which attaches the lake with each connection.
        connection: DuckDBPyConnection = super(DuckLakeSqlClient, self).open_connection()
        try:
            connection.execute(f"USE {self.catalog_name()}")
            with suppress(CatalogException):  # there is no such dataset yet
                self.use_dataset()
        except Exception:
            self.close_connection()
            raise
        return connection

    def close_connection(self) -> None:
        """Close the session; the last one closes the DuckDB."""
        super(DuckLakeSqlClient, self).close_connection()


class _Client(FileMergeClient, DuckLakeClient):
    """Merges straight from the load package's Parquet files."""

    def __init__(
        self,
        schema: Schema,
        config: DuckLakeClientConfiguration,
        capabilities: DestinationCapabilitiesContext,
    ) -> None:
        super().__init__(schema, config, capabilities)
        self.sql_client: _SqlClient = _SqlClient(
            self.sql_client.dataset_name,
            self.sql_client.staging_dataset_name,
            config.credentials,
            capabilities,
            config.override_data_path,
            config.automatic_migration,
        )


def open_read_only_lake(client: SqlClientBase[Any]) -> None:
    """Let a client of a lake that is not connected open it for reading; nothing is created."""
    if isinstance(client, DuckLakeSqlClient):
        credentials = client.credentials
        statements = credentials.statements or []
        attach = statements[-1].removesuffix(")") + ", READ_ONLY)"
        credentials.statements = [*statements[:-1], attach]
        credentials.conn_pool = _pool(credentials)


def describe_lake(client: SqlClientBase[Any]) -> str:
    """Return the versions of a lake and of what reads it; the client is connected."""
    if not isinstance(client, DuckLakeSqlClient):
        return ""
    ((extension,),) = execute_native(
        client,
        "SELECT extension_version FROM duckdb_extensions() WHERE extension_name = 'ducklake'",
    )
    name = metadata_table(client, "ducklake_metadata")
    ((version,),) = execute_native(client, f"SELECT value FROM {name} WHERE key = 'version'")  # noqa: S608 a name
    kind = "PostgreSQL" if catalog_file(client) is None else "SQLite"
    return f"DuckDB {duckdb.__version__}, extension {extension}, catalog {version} in {kind}"


def metadata_table(client: DuckLakeSqlClient, table: str) -> str:
    """Return the full name of a table of the catalog, which DuckLake attaches as a database."""
    credentials = client.credentials
    own = credentials.metadata_schema or credentials.ducklake_name
    schema = "main" if catalog_file(client) is not None else own
    database = f"__ducklake_metadata_{credentials.ducklake_name}"
    return ".".join(map(quote_name, (database, schema, table)))


def _check_catalog(config: DuckLakeClientConfiguration) -> None:
    """Check that the catalog is one that several processes can write to.

    Raises:
        ConfigurationError: It is another one, or the lake is named like its dataset, which every
            client of DuckDB would refuse as ambiguous.
    """
    credentials = config.credentials
    if credentials.ducklake_name.lower() == (config.dataset_name or "").lower():
        raise ConfigurationError(
            f"the DuckLake is named like its dataset, {config.dataset_name}",
            "give it another name: destination.ducklake.credentials.ducklake_name",
        )
    kind = credentials.catalog.drivername
    if kind not in CATALOGS:
        name = "a DuckDB file" if kind == "duckdb" else kind
        raise ConfigurationError(
            f"the catalog of the DuckLake is {name}, which cannot keep the promises",
            "use PostgreSQL, or SQLite for a lake that one machine writes:"
            " destination.ducklake.credentials.catalog = 'postgresql://...' or 'sqlite:///...'",
        )


def _share_connection(config: DuckLakeClientConfiguration) -> None:
    """Give the credentials the pool of their lake, which attaches the lake when it is opened."""
    credentials = config.credentials
    client = DuckLakeSqlClient(
        "lake",  # begins the name of the secret
        "",
        credentials,
        DestinationCapabilitiesContext.generic_capabilities(),
        config.override_data_path,
        config.automatic_migration,
    )
    attach = client.attach_statements(alias=credentials.ducklake_name)
    own = credentials.statements or []
    credentials.statements = [*own, *(statement["sql"] for statement in attach)]
    extensions = ["ducklake", CATALOGS[credentials.catalog.drivername]]
    if not credentials.storage.is_local_filesystem:
        extensions.append("httpfs")
    if any("credential_chain" in statement["sql"] for statement in attach):
        extensions.append("aws")
    loaded = loadable_extensions(extensions)
    credentials.extensions = [*(credentials.extensions or []), *loaded]
    credentials.conn_pool = _pool(credentials)


def _pool(credentials: DuckLakeCredentials) -> DuckDbConnectionPool:
    """Return the pool that opens a lake with the statements of the credentials."""
    key = tuple(credentials.statements or ())
    with _pools_lock:
        if key not in _pools:
            _pools[key] = DuckDbConnectionPool(credentials)
        return _pools[key]


def _settings(credentials: DuckLakeCredentials) -> dict[str, Any]:
    return _SETTINGS | {"temp_directory": _spill_folder()} | (credentials.global_config or {})


@cache
def _spill_folder() -> str:
    """Return a private folder for rows that do not fit into memory, and remove those of the dead.

    A DuckDB without a file of its own would spill into the current folder. Python removes the
    folder when the process ends.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{_SPILL_PREFIX}*-*"):
        process = folder.name.removeprefix(_SPILL_PREFIX).partition("-")[0]
        if process.isdecimal() and not _is_alive(int(process)):
            rmtree(folder, ignore_errors=True)
    own = tempfile.mkdtemp(prefix=f"{_SPILL_PREFIX}{os.getpid()}-")
    atexit.register(rmtree, own, ignore_errors=True)
    return own


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
