"""Which dlt destination a name stands for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from dlt import current
from dlt.common.destination import AnyDestination, Destination
from dlt.common.destination.capabilities import DestinationCapabilitiesContext
from dlt.common.destination.client import (
    FollowupJobRequest,
    HasFollowupJobs,
    LoadJob,
    RunnableLoadJob,
)
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.common.storages.configuration import WithLocalFiles
from dlt.common.storages.load_package import LoadJobInfo
from dlt.destinations import duckdb
from dlt.destinations.impl.duckdb.configuration import (
    DuckDbClientConfiguration,
    DuckDbCredentials,
)
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.sql_client import SqlClientBase
from dlt.destinations.sql_jobs import SqlMergeFollowupJob
from duckdb import DuckDBPyConnection

from argos_sync.load.duckdb_sql import quote_literal

DUCKDB = "duckdb"

BOUNDED_MEMORY: dict[str, Any] = {
    # dlt asks for a checkpoint a gigabyte, and until then DuckDB keeps what was loaded in memory.
    "checkpoint_threshold": "32MB",
    # DuckDB's own default is most of the machine; beyond the limit it works on disk. It asks for
    # 125 MB a thread (its guide "OOM Errors"), so there are few.
    "memory_limit": "320MB",
    "threads": min(2, os.cpu_count() or 1),
}
"""Settings of a DuckDB; `destination.duckdb.credentials.global_config` goes before."""

_WHILE_LOADING = BOUNDED_MEMORY | {"memory_limit": "160MB"}
"""Less, for a chunk is in memory as well; merges and checks of two million submissions do with it
and with half of it."""


_HEADERS_BYTES = 3 * 4_096
"""What DuckDB writes first: the main header and two database headers (its storage format)."""


def make_destination(
    name: str, file: str | None = None, staging_layout: str | None = None
) -> AnyDestination:
    """Return the dlt destination called `name`, as dlt knows it or as `module.factory`.

    Args:
        name: Name of a destination.
        file: DuckDB file that goes before the configured one.
        staging_layout: What goes before the configured name of the staging dataset, with `%s` in
            the place of the dataset's; not for DuckDB.
    """
    if name == DUCKDB:
        explicit: dict[str, Any] = {"credentials": f"duckdb:///{file}"} if file else {}
        found: Any = DuckDb(destination_name=DUCKDB, **explicit)
    else:
        layout = {"staging_dataset_name_layout": staging_layout} if staging_layout else {}
        found = Destination.from_reference(name, **layout)
    if issubclass(found.spec, WithLocalFiles):
        # Otherwise dlt takes relative paths to begin where the first pipeline was started that had
        # this working directory (1.31, `initial_cwd` in `Pipeline._bind_local_files`).
        found.config_params["local_dir"] = str(Path(current.run_context().local_dir).absolute())
    return cast("AnyDestination", found)


def remove_truncated_file(client: SqlClientBase[Any]) -> None:
    """Remove a DuckDB file that was not made to its end, for DuckDB refuses to open it.

    A process that is killed, or runs out of space, while it makes the file leaves one without its
    headers: nothing can have been stored in it.
    """
    file = database_file(getattr(client, "credentials", None))
    if file and file.is_file() and file.stat().st_size < _HEADERS_BYTES:
        begun = file.read_bytes()
        if not begun or begun[8:12] == b"DUCK":
            file.unlink()


def remove_temp_files(client: SqlClientBase[Any]) -> None:
    """Remove what a killed run had moved out of memory, once the DuckDB file is ours.

    DuckDB puts it into a folder named like the file, and removes it when a later run needs that
    folder, which may be never.
    """
    if file := database_file(getattr(client, "credentials", None)):
        for left in Path(f"{file}.tmp").glob("duckdb_temp_*"):
            left.unlink(missing_ok=True)


def database_file(credentials: Any) -> Path | None:
    """Return the file of a DuckDB; None for anything else, such as MotherDuck's databases.

    dlt's clients for those are DuckDB's too, and a file may be named like one.
    """
    if isinstance(credentials, DuckDbCredentials):
        return Path(credentials.database)
    return None


class DuckDb(duckdb):
    """dlt's DuckDB, able to hold a dataset named like its file.

    DuckDB names the catalog after the file, so in `argos.duckdb` the name `argos.submissions`
    could mean a schema or a catalog and is refused ("Ambiguous reference to catalog or schema").
    dlt leaves the catalog out of its SQL; this one puts it in where it is needed.
    """

    @property
    def client_class(self) -> type[DuckDbClient]:
        """The client that dlt makes for each step."""
        return _Client

    def configuration(
        self, initial_config: DuckDbClientConfiguration, accept_partial: bool = False
    ) -> DuckDbClientConfiguration:
        """Return the configuration, which dlt looks up again for each of its clients.

        It is looked up once for a dataset, and each client gets a copy with connections of its
        own.
        """
        if initial_config is None or accept_partial:
            return super().configuration(initial_config, accept_partial)
        if initial_config.is_resolved():
            return initial_config
        named = (initial_config.dataset_name, initial_config.default_schema_name)
        if named not in self._looked_up:
            self._looked_up[named] = super().configuration(initial_config)
        found = self._looked_up[named].copy()
        found.credentials.on_resolved()
        return found

    # Not made in `__init__`, whose signature dlt reads.
    @cached_property
    def _looked_up(self) -> dict[tuple[str, str | None], DuckDbClientConfiguration]:
        return {}

    def capabilities(
        self,
        config: DuckDbClientConfiguration | None = None,
        naming: NamingConvention | None = None,
    ) -> DestinationCapabilitiesContext:
        """Return what DuckDB can, for which dlt reads its whole configuration again each time.

        dlt does not say that it has transactions (1.31), and so merges a table that is alone
        without one: a process that is killed between its two statements loses the rows.
        """
        found = super().capabilities(config or self.spec(), naming)
        found.supports_transactions = True
        return found


class _Client(DuckDbClient):
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
        self._prepared: dict[str, PreparedTableSchema] = {}

    def prepare_load_table(self, table_name: str) -> PreparedTableSchema:
        """Return a table's schema, which dlt copies for each question it has of it.

        Rows that are merged from files are there once. Into staging tables a job that had written
        its rows when its process was killed writes them again, and dlt numbers the rows of each
        key with a window function to find those, unless it is told otherwise.
        """
        if table_name not in self._prepared:
            prepared: Any = super().prepare_load_table(table_name)
            self._prepared[table_name] = prepared | {"x-stage-data-deduplicated": True}
        return self._prepared[table_name]

    def initialize_storage(self, truncate_tables: Iterable[str] | None = None) -> None:
        """Make the dataset, but none for staging."""
        if self.sql_client.dataset_name != self.sql_client.staging_dataset_name:
            super().initialize_storage(truncate_tables or ())

    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:  # noqa: ARG002 dlt's
        """Answer that nothing is staged: what is merged is read from the package's own files."""
        return False

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """Return the job of a file; one of rows to be merged leaves them where they are."""
        if table["write_disposition"] == "merge" and file_path.endswith(".parquet"):
            return _RowsJob(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def create_table_chain_completed_followup_jobs(
        self,
        table_chain: Sequence[PreparedTableSchema],
        completed_table_chain_jobs: Sequence[LoadJobInfo] | None = None,
    ) -> list[FollowupJobRequest]:
        """Return the merge of a chain of tables, which is told where their rows are."""
        if table_chain[0]["write_disposition"] != "merge":
            return super().create_table_chain_completed_followup_jobs(
                table_chain, completed_table_chain_jobs
            )
        files: dict[str, list[str]] = {}
        for job in completed_table_chain_jobs or ():
            files.setdefault(job.job_file_info.table_name, []).append(job.file_path)
        return [SqlMergeFollowupJob.from_table_chain(table_chain, _Files(self.sql_client, files))]


class _RowsJob(RunnableLoadJob, HasFollowupJobs):
    """Rows that stay in their file: the merge that follows reads them there.

    A job that has nothing to do has to be run all the same, for dlt waits a second for one that it
    finds done (dlt 1.31, `load_single_package`).
    """

    def run(self) -> None:
        """Do nothing."""


class _SqlClient(DuckDbSqlClient):
    def open_connection(self) -> DuckDBPyConnection:
        """Connect, bounded."""
        bounds = BOUNDED_MEMORY if self.credentials.read_only else _WHILE_LOADING
        self._global_config |= bounds | (self.credentials.global_config or {})
        return super().open_connection()

    def catalog_name(self, quote: bool = True, casefold: bool = True) -> str | None:
        """Return the catalog when leaving it out would be ambiguous."""
        name = Path(str(getattr(self.credentials, "database", ""))).name.partition(".")[0]
        if casefold:
            name = self.capabilities.casefold_identifier(name)
        if name not in (self.dataset_name, self.staging_dataset_name):
            return None
        return self.capabilities.escape_identifier(name) if quote else name

    def warn_if_catalog_equals_dataset_name(self) -> None:
        """Stay silent: here the names are told apart."""


class _Files(_SqlClient):
    """Where dlt's merge names a staging table, the files of a package that hold its rows."""

    def __init__(self, client: _SqlClient, files: Mapping[str, Sequence[str]]) -> None:
        """Take the names of a client, and the paths of Parquet files by table."""
        super().__init__(
            client.dataset_name,
            client.staging_dataset_name,
            client.credentials,
            client.capabilities,
        )
        self._files = files

    def get_qualified_table_names(
        self, table_name: str, quote: bool = True, casefold: bool = True
    ) -> tuple[str, str]:
        """Return the name of a table, and what has the rows to merge into it, columns alike."""
        name = self.make_qualified_table_name(table_name, quote=quote, casefold=casefold)
        parts = [f"(SELECT * FROM {name} LIMIT 0)"]  # noqa: S608 names only
        if files := self._files.get(table_name):
            paths = ", ".join(map(quote_literal, files))
            parts.append(f"(SELECT * FROM read_parquet([{paths}]))")  # noqa: S608 names only
        return name, f"({' UNION ALL BY NAME '.join(parts)})"
