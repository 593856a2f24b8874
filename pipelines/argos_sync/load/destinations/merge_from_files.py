"""Merge a load package straight from its Parquet files, for destinations whose engine is DuckDB.

dlt 1.31 copies rows into staging tables, merges them and truncates the tables; DuckDB compresses
the staged rows at each checkpoint, which was half the cost of a load, and DuckLake keeps them in
files of old snapshots. Can go once dlt can merge from files without a staging dataset.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

from dlt.common.destination.client import (
    FollowupJobRequest,
    HasFollowupJobs,
    LoadJob,
    RunnableLoadJob,
)
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.storages.load_package import LoadJobInfo
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

from argos_sync.load.dialects import quote_literal


class FileMergeSqlClient(DuckDbSqlClient):
    """A connection that names files where dlt's merge names a staging table, if `files` is set."""

    files: Mapping[str, Sequence[str]] | None = None
    """Paths of Parquet files by table."""

    def with_files(self, files: Mapping[str, Sequence[str]]) -> Self:
        """Return a copy that names files, to write SQL with."""
        # Not `copy`, which asks for an attribute that dlt looks up in the connection.
        client = object.__new__(type(self))
        client.__dict__.update(self.__dict__, files=files)
        return client

    def get_qualified_table_names(
        self, table_name: str, quote: bool = True, casefold: bool = True
    ) -> tuple[str, str]:
        """Return a table's name, and a subquery over its files with the table's columns."""
        if self.files is None:
            return super().get_qualified_table_names(table_name, quote, casefold)
        name = self.make_qualified_table_name(table_name, quote=quote, casefold=casefold)
        parts = [f"(SELECT * FROM {name} LIMIT 0)"]  # noqa: S608 names only
        if files := self.files.get(table_name):
            paths = ", ".join(map(quote_literal, files))
            parts.append(f"(SELECT * FROM read_parquet([{paths}]))")  # noqa: S608 names only
        return name, f"({' UNION ALL BY NAME '.join(parts)})"


class FileMergeClient(DuckDbClient):
    """A client whose merges read the files of the load package; it has no staging dataset."""

    sql_client: FileMergeSqlClient

    # Not created in `__init__`, which each destination has its own of.
    @cached_property
    def _prepared(self) -> dict[str, PreparedTableSchema]:
        return {}

    def prepare_load_table(self, table_name: str) -> PreparedTableSchema:
        """Return a table's schema, marked as free of duplicates and prepared once.

        dlt 1.31 numbers staged rows with a window function to find duplicates that a killed job
        wrote twice, unless the table says there are none; rows in a file occur once. dlt also
        copies the schema for every question about it.
        """
        if table_name not in self._prepared:
            prepared: Any = super().prepare_load_table(table_name)
            self._prepared[table_name] = prepared | {"x-stage-data-deduplicated": True}
        return self._prepared[table_name]

    def initialize_storage(self, truncate_tables: Iterable[str] | None = None) -> None:
        """Create the dataset, but no staging dataset."""
        if self.sql_client.dataset_name != self.sql_client.staging_dataset_name:
            super().initialize_storage(truncate_tables or ())

    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:  # noqa: ARG002 dlt's
        """Return False: rows to merge are read from the package's own files."""
        return False

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """Return the load job of a file; rows to merge stay in their file."""
        if table["write_disposition"] == "merge" and file_path.endswith(".parquet"):
            return _RowsJob(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def create_table_chain_completed_followup_jobs(
        self,
        table_chain: Sequence[PreparedTableSchema],
        completed_table_chain_jobs: Sequence[LoadJobInfo] | None = None,
    ) -> list[FollowupJobRequest]:
        """Return the merge of a table chain, reading from the files of its completed jobs."""
        if table_chain[0]["write_disposition"] != "merge":
            return super().create_table_chain_completed_followup_jobs(
                table_chain, completed_table_chain_jobs
            )
        files: dict[str, list[str]] = {}
        for job in completed_table_chain_jobs or ():
            files.setdefault(job.job_file_info.table_name, []).append(job.file_path)
        client = self.sql_client.with_files(files)
        return [SqlMergeFollowupJob.from_table_chain(table_chain, client)]


class _RowsJob(RunnableLoadJob, HasFollowupJobs):
    """Leaves rows in their file, where the merge that follows reads them.

    It has to run although it does nothing: dlt 1.31 waits a second for a job that is completed when
    it is created (`load_single_package`).
    """

    def run(self) -> None:
        """Do nothing."""
