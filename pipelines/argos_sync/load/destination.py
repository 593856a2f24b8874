"""Which dlt destination a name stands for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from dlt import current
from dlt.common.destination import AnyDestination, Destination
from dlt.common.destination.capabilities import DestinationCapabilitiesContext
from dlt.common.destination.client import FollowupJobRequest
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.common.schema.utils import get_columns_names_with_prop
from dlt.common.storages.configuration import WithLocalFiles
from dlt.destinations import duckdb
from dlt.destinations.impl.duckdb.configuration import (
    DuckDbClientConfiguration,
    DuckDbCredentials,
)
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.sql_client import SqlClientBase
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

DUCKDB = "duckdb"

BOUNDED_MEMORY: dict[str, Any] = {
    # dlt asks for a checkpoint a gigabyte, and until then DuckDB keeps what was loaded in memory.
    "checkpoint_threshold": "32MB",
    # DuckDB's own default is most of the machine; beyond the limit it works on disk. It asks for
    # 125 MB a thread (its guide "OOM Errors"), so there are few.
    "memory_limit": "320MB",
    "threads": min(2, os.cpu_count() or 1),
}
"""Settings of a DuckDB that loads; `destination.duckdb.credentials.global_config` goes before."""


_HEADERS_BYTES = 3 * 4_096
"""What DuckDB writes first: the main header and two database headers (its storage format)."""


def named_destination(
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


def remove_unfinished_file(client: SqlClientBase[Any]) -> None:
    """Remove a DuckDB file that was not made to its end, for DuckDB refuses to open it.

    A process that is killed, or runs out of space, while it makes the file leaves one without its
    headers: nothing can have been stored in it.
    """
    file = file_of(getattr(client, "credentials", None))
    if file and file.is_file() and file.stat().st_size < _HEADERS_BYTES:
        begun = file.read_bytes()
        if not begun or begun[8:12] == b"DUCK":
            file.unlink()


def remove_spilled_rows(client: SqlClientBase[Any]) -> None:
    """Remove what a killed run had moved out of memory, once the DuckDB file is ours.

    DuckDB puts it into a folder named like the file, and removes it when a later run needs that
    folder, which may be never.
    """
    if file := file_of(getattr(client, "credentials", None)):
        for left in Path(f"{file}.tmp").glob("duckdb_temp_*"):
            left.unlink(missing_ok=True)


def file_of(credentials: Any) -> Path | None:
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
        """Return what DuckDB can, for which dlt reads its whole configuration again each time."""
        return super().capabilities(config or self.spec(), naming)


class _Client(DuckDbClient):
    def __init__(
        self,
        schema: Schema,
        config: DuckDbClientConfiguration,
        capabilities: DestinationCapabilitiesContext,
    ) -> None:
        super().__init__(schema, config, capabilities)
        self.sql_client = _SqlClient(
            self.sql_client.dataset_name,
            self.sql_client.staging_dataset_name,
            config.credentials,
            capabilities,
        )
        self._prepared: dict[str, PreparedTableSchema] = {}
        self._staged: dict[str, bool] = {}

    def prepare_load_table(self, table_name: str) -> PreparedTableSchema:
        """Return a table's schema, which dlt copies for each question it has of it."""
        if table_name not in self._prepared:
            self._prepared[table_name] = super().prepare_load_table(table_name)
        return self._prepared[table_name]

    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:
        """Answer what dlt asks for every table once for every table of its chain."""
        if table_name not in self._staged:
            self._staged[table_name] = super().should_load_data_to_staging_dataset(table_name)
        return self._staged[table_name]

    def _create_merge_followup_jobs(
        self, table_chain: Sequence[PreparedTableSchema]
    ) -> list[FollowupJobRequest]:
        return [_MergeJob.from_table_chain(table_chain, self.sql_client)]


class _MergeJob(SqlMergeFollowupJob):
    """dlt's merge, finding rows that are twice in staging by their keys alone.

    A job that had written its rows when its process was killed writes them again, and staging has
    them twice. dlt numbers the rows of each key with a window function, through which all columns
    have to go: half the time of a merge. DuckDB has a number for every row of a table.
    """

    @classmethod
    def gen_merge_sql(
        cls, table_chain: Sequence[PreparedTableSchema], sql_client: SqlClientBase[Any]
    ) -> list[str]:
        """Return dlt's statements, after one that leaves each root row in staging once.

        dlt finds the root's keys without repetition, but then inserts every row in staging that
        has one of them (dlt 1.31, `gen_merge_sql`).
        """
        root: Any = table_chain[0]
        _, staging = sql_client.get_qualified_table_names(root["name"])
        keys = map(sql_client.escape_column_name, get_columns_names_with_prop(root, "primary_key"))
        one_of_each = f"SELECT MIN(rowid) FROM {staging} GROUP BY {', '.join(keys)}"  # noqa: S608 names only
        once = f"DELETE FROM {staging} WHERE rowid NOT IN ({one_of_each})"  # noqa: S608 names only
        return [once, *super().gen_merge_sql(table_chain, sql_client)]

    @classmethod
    def gen_select_from_dedup_sql(  # noqa: PLR0917 the signature is dlt's
        cls,
        table_name: str,
        primary_keys: Sequence[str],
        columns: Sequence[str],
        dedup_sort: Any = None,
        condition: Any = None,
        condition_columns: Any = None,
        skip_dedup: bool = False,
    ) -> str:
        """Return SQL that selects one row of each key, any of them."""
        if dedup_sort is not None or skip_dedup:
            return super().gen_select_from_dedup_sql(
                table_name,
                primary_keys,
                columns,
                dedup_sort,
                condition,
                condition_columns,
                skip_dedup,
            )
        one_of_each = f"SELECT MIN(rowid) FROM {table_name} GROUP BY {', '.join(primary_keys)}"  # noqa: S608 names only
        return (
            f"SELECT {', '.join(columns)} FROM {table_name}"  # noqa: S608 names only
            f" WHERE rowid IN ({one_of_each}) AND ({condition or '1 = 1'})"
        )


class _SqlClient(DuckDbSqlClient):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._global_config |= BOUNDED_MEMORY | (self.credentials.global_config or {})

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
