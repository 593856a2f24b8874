"""The dlt pipeline `argos_sync`, opened so that the warehouse is the only memory it trusts."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

import dlt
import pyarrow as pa
from dlt.common.destination.client import JobClientBase, WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.state_sync import load_pipeline_state_from_destination

from argos_sync.api.errors import ArgosError, ConfigurationError
from argos_sync.config import add_defaults
from argos_sync.fetch.checkpoint import State
from argos_sync.fetch.windows import ALL_DAYS, DateRange
from argos_sync.load.duckdb import (
    DUCKDB,
    database_file,
    make_destination,
    remove_temp_files,
    remove_truncated_file,
)
from argos_sync.load.errors import DestinationError, destination_errors
from argos_sync.load.locks import lock_days, lock_file, lock_session, opening_lock
from argos_sync.load.partitions import (
    PIPELINE,
    drop_orphaned_staging,
    drop_staging,
    partition_name,
    pipeline_name,
    staging_layout,
)
from argos_sync.load.pending import finish_pending, note_base
from argos_sync.load.shortcuts import take_shortcuts
from argos_sync.load.source import SOURCE, schema_name, tables_source
from argos_sync.shape.contract import Contract, load_contract, tables_for_sections


@dataclass(frozen=True, slots=True)
class Target:
    """Where a run loads to.

    Attributes:
        destination: Name of a dlt destination.
        dataset: Dataset (schema) in it.
        pipelines_dir: Folder of dlt's working directories; None is dlt's own.
        file: DuckDB file that goes before the configured one.
    """

    destination: str = DUCKDB
    dataset: str = SOURCE
    pipelines_dir: str | None = None
    file: str | None = None


def _nothing(_: State) -> None:
    """Leave the state as it is."""


@dataclass(frozen=True, slots=True)
class Warehouse:
    """An open pipeline with a connection that is held, so that no other process writes meanwhile.

    Attributes:
        pipeline: dlt's pipeline.
        client: dlt's SQL client, connected.
        sections: `request_type`s that are fetched; empty means all of them.
        contract: What its tables are like.
        shared: What the pipeline of the nightly runs remembers, when this is one of a partition.
    """

    pipeline: dlt.Pipeline
    client: SqlClientBase[Any]
    sections: Sequence[str] = ()
    contract: Contract = field(default_factory=load_contract)
    shared: State | None = None

    @property
    def state(self) -> State:
        """The source's state, as last committed; a copy."""
        return (self.shared or {}) | _of_source(self.pipeline.state)

    @property
    def storage(self) -> SqlJobClientBase:
        """A client of dlt's for whole tables, not connected."""
        return cast("SqlJobClientBase", self.pipeline.destination_client())

    @property
    def has_tables(self) -> bool:
        """Whether all tables and columns of the contract were made."""
        own = self.pipeline.schemas.get(schema_name(self.sections))
        made = self._made_by([own] if own else [])
        return made.tables.items() >= tables_for_sections(self.sections, self.contract).items()

    @property
    def made(self) -> Contract:
        """The contract's tables that were made, with those of its columns that were.

        Also those that only runs over other sections fill, whose schemas came with the state.
        """
        return self._made_by(self.pipeline.schemas.values())

    def _made_by(self, schemas: Iterable[dlt.Schema]) -> Contract:
        made: dict[str, set[str]] = {}
        for schema in schemas:
            for name, table in schema.tables.items():
                made.setdefault(name, set()).update(table["columns"])
        return Contract(
            {
                name: replace(
                    table, columns=tuple(c for c in table.columns if c.name in made[name])
                )
                for name, table in self.contract.tables.items()
                if name in made
            }
        )

    def load(
        self, tables: dict[str, pa.Table], update_state: Callable[[State], object] = _nothing
    ) -> None:
        """Commit rows and state together.

        Args:
            tables: Rows by contract table; may be empty, the state is then committed alone. Taken
                from there when they are on disk, so that memory need not hold them any longer.
            update_state: Changes the source's state.

        Raises:
            DestinationError: The destination is locked or not reachable.
            LoadError: The destination refused the rows.
        """
        try:
            with destination_errors():
                if not self.pipeline.schema_names:
                    # New, or what is committed could not be taken back after a load that failed:
                    # on an empty state the next one would be built, and stored.
                    _begin_from_destination(self.pipeline)
                note_base(self.pipeline, self.client)
                # dlt's `run` would first restore from the destination, where this begins anyway.
                self.pipeline.extract(
                    tables_source(tables, update_state, self.sections, self.contract)
                )
                tables.clear()
                # What dlt made of the rows are young reference cycles, which keep them in memory
                # until they are found; Python, left to itself, would look after many loads.
                gc.collect(0)
                self.pipeline.normalize()
                self.pipeline.load()
        except ArgosError:
            # dlt would try the failed package again before everything else, and its local state
            # already counts the package's rows: go back to what is committed.
            with suppress(Exception):  # the destination may be gone; the next load tries again
                _begin_from_destination(self.pipeline)
            raise


@dataclass(frozen=True, slots=True)
class ReadOnlyWarehouse:
    """A warehouse open for reading.

    Attributes:
        client: dlt's SQL client, connected.
        state: The source's state, as last committed.
        storage: dlt's client for whole tables; `client` is its connection.
    """

    client: SqlClientBase[Any]
    state: State
    storage: SqlJobClientBase

    def columns(self, tables: Iterable[str]) -> dict[str, dict[str, str | None]]:
        """Return which columns tables have, with dlt's types; none for one that does not exist.

        Names of columns are written as the destination writes them.
        """
        return {
            name: {column: hints.get("data_type") for column, hints in columns.items()}
            for name, columns in self.storage.get_storage_tables(tables)
        }


def _not_at_all(_: Warehouse) -> None:
    """Prepare nothing."""


@contextmanager
def open_warehouse(
    target: Target,
    sections: Sequence[str] = (),
    command: str = "run",
    contract: Contract | None = None,
    *,
    days: DateRange = ALL_DAYS,
    prepare: Callable[[Warehouse], object] = _not_at_all,
) -> Iterator[Warehouse]:
    """Open the pipeline for some days, alone, and bring it to where the warehouse stands.

    Some days alone are a partition: where the destination takes several writers at once, they are
    loaded by a pipeline of their own, which shares neither state nor staging tables with others.

    A package that a killed run left behind is loaded first if the warehouse still is what the
    package was built on. Otherwise it may be another's since, put back from a backup, say, and the
    package's cursors would speak of rows that are not there. It is thrown away then, and its rows
    are fetched again, for state counts only once its package is complete.

    Args:
        target: Where the warehouse is.
        sections: `request_type`s that are fetched; empty means all of them.
        command: Named to whom wants to open it meanwhile.
        contract: What its tables are like; the shipped one when left out.
        days: Which ones are written to, UTC.
        prepare: Called before a partition is opened, with the pipeline of the nightly runs, while
            nobody else opens the warehouse: makes what all of them share.

    Raises:
        ConfigurationError: The destination is not known, or its credentials are missing.
        DestinationError: The destination is locked or not reachable.
    """
    add_defaults()
    take_shortcuts()
    contract = contract or load_contract()
    with destination_errors():
        working = working_dir(target)
        partition = partition_name(days)
        if partition and not _takes_several(target, working):
            partition = None
        with _only_run_here(working, command, partition):
            pipeline = make_pipeline(target, working, partition)
            # Held to the end of the run: a DuckDB file is locked for as long as it is open.
            held = pipeline.sql_client()
            remove_truncated_file(held)
            with (
                lock_session(held, pipeline.sql_client) as session,
                _connected(held, partition),
            ):
                remove_temp_files(held)
                shared: State | None = None
                with opening_lock(working.with_suffix(".turn"), session, target.dataset):
                    lock_days(session, target.dataset, command, days)
                    if partition:
                        nightly = make_pipeline(target, working)
                        _begin_from_destination(nightly)
                        common = Warehouse(nightly, held, sections, contract)
                        prepare(common)
                        shared = common.state
                if not partition:
                    drop_orphaned_staging(held)
                pipeline.activate()
                finish_pending(pipeline, held)
                _begin_from_destination(pipeline)
                yield Warehouse(pipeline, held, sections, contract, shared)


@contextmanager
def _connected(client: SqlClientBase[Any], partition: str | None) -> Iterator[None]:
    """Connect for as long as the block runs; a partition leaves no staging tables behind."""
    with client:
        try:
            yield
        finally:
            if partition:
                with suppress(Exception):  # the next run that is alone does it
                    drop_staging(client)


@contextmanager
def _only_run_here(working: Path, command: str, partition: str | None) -> Iterator[None]:
    """Keep other processes of this machine out of the same working directories."""
    with lock_file(working.with_suffix(".lock"), command, shared=partition is not None):
        if partition is None:
            yield
            return
        with lock_file(working.with_name(f"{working.name}_{partition}.lock"), command):
            yield


@contextmanager
def open_read_only(target: Target) -> Iterator[ReadOnlyWarehouse]:
    """Open the warehouse for reading; nothing is created or changed.

    Raises:
        ConfigurationError: The destination is not known, or its credentials are missing.
        DestinationError: There is none yet, or it is locked or not reachable.
    """
    add_defaults()
    with destination_errors():
        pipeline = make_pipeline(target, working_dir(target))
        client = cast("SqlJobClientBase", pipeline.destination_client())
        if (file := duckdb_file(client)) is not None:
            if not file.exists():
                raise DestinationError(
                    f"there is no DuckDB file at {file}",
                    "load something first, or name another file",
                )
            cast("DuckDbClient", client).config.credentials.read_only = True
        with client:
            yield ReadOnlyWarehouse(client.sql_client, _committed_state(client), client)


def duckdb_file(client: JobClientBase) -> Path | None:
    """Return the file of a DuckDB; None for any other destination."""
    return database_file(client.config.credentials) if isinstance(client, DuckDbClient) else None


def _committed_state(client: SqlJobClientBase) -> State:
    try:
        stored = load_pipeline_state_from_destination(PIPELINE, cast("WithStateSync", client))
    except DestinationUndefinedEntity:
        return {}
    return _of_source(stored or {})


def _of_source(pipeline_state: Mapping[str, Any]) -> State:
    """Return a copy of the part of dlt's state that belongs to the source."""
    return dict(pipeline_state.get("sources", {}).get(SOURCE, {}))


def _begin_from_destination(pipeline: dlt.Pipeline) -> None:
    """Forget the working directory and take state and schemas from the destination."""
    pipeline.drop()
    pipeline.sync_destination()


def _takes_several(target: Target, working: Path) -> bool:
    """Whether the destination takes several writers at once."""
    return duckdb_file(make_pipeline(target, working).destination_client()) is None


def make_pipeline(target: Target, working: Path, partition: str | None = None) -> dlt.Pipeline:
    """Return dlt's pipeline for a warehouse, not connected.

    Args:
        target: Where the warehouse is.
        working: Folder of its working directory.
        partition: Name of the partition it is for; None for that of all other runs.
    """
    layout = staging_layout(partition) if partition else None
    return dlt.pipeline(
        pipeline_name(partition),
        destination=make_destination(target.destination, target.file, layout),
        dataset_name=target.dataset,
        pipelines_dir=str(working),
    )


def working_dir(target: Target) -> Path:
    """Return the folder of the pipeline that belongs to this warehouse alone.

    A package that a killed run left behind must never be loaded into another warehouse, so the
    directory is named after the address of the destination (dlt's own text of it has no
    credentials).
    """
    if not target.dataset.strip():
        raise ConfigurationError(
            "the dataset has no name", "give --dataset a name, or leave it out"
        )
    base = Path(target.pipelines_dir or get_dlt_pipelines_dir()).absolute()
    client = make_pipeline(target, base).destination_client()
    if not isinstance(client, SqlJobClientBase):
        raise ConfigurationError(
            f"{target.destination} has no SQL tables that rows can be merged into",
            "sync into a database or warehouse, such as duckdb or postgres; for Delta or Iceberg"
            " tables publish that and copy it, see README, Destinations",
        )
    address = f"{target.destination} {client.config} {target.dataset}"
    return base / blake2b(address.encode(), digest_size=8).hexdigest()
