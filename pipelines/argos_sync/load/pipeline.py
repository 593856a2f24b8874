"""Open a warehouse for writing with the dlt pipeline `argos_sync`.

State and schemas always come from the destination, never from the working directory, so losing or
restoring either of them loses no row.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

import dlt
import pyarrow as pa
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase

from argos_sync.api.errors import ArgosError
from argos_sync.fetch.checkpoint import LONGEST_TEXT, State
from argos_sync.fetch.protection import PROTECTION_FACTS
from argos_sync.fetch.windows import ALL_DAYS, DateRange
from argos_sync.load.ddl import blockers_named
from argos_sync.load.destinations.duckdb import (
    LARGE_TEXT,
    check_file,
    checkpoint,
    duckdb_file,
    fit_to_texts,
    remove_temp_files,
    remove_truncated_file,
)
from argos_sync.load.destinations.postgres import check_privileges, lift_time_limits
from argos_sync.load.errors import destination_errors
from argos_sync.load.locks import CheckLock, lock_file, lock_session, opening_lock
from argos_sync.load.missing_tables import check_state_tables, restore_missing_tables
from argos_sync.load.new_columns import Columns, add_new_columns
from argos_sync.load.partitions import partition_name
from argos_sync.load.run_lock import lock_run, no_check
from argos_sync.load.source import make_source, schema_name, source_state
from argos_sync.load.staging import (
    drop_orphaned_staging,
    drop_staging,
    has_own_staging,
    make_run_token,
)
from argos_sync.load.target import Target, check_writable, locate, make_pipeline
from argos_sync.shape.arrow_columns import longest_text
from argos_sync.shape.contract import Contract, load_contract, tables_for_sections


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A warehouse open for writing, with a connection that keeps other processes out.

    It has the tables of the contract, of which those of the sections (`request_type`s) are written;
    empty means all of them. For a partition, `shared` is the state of the nightly runs' pipeline.
    The contract has none of the columns that are left out of this run.
    `check_lock` raises an error when another run may be writing.
    """

    pipeline: dlt.Pipeline
    client: SqlClientBase[Any]
    sections: Sequence[str] = ()
    contract: Contract = field(default_factory=load_contract)
    shared: State | None = None
    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    check_lock: CheckLock = no_check

    @property
    def dataset(self) -> str:
        """Return the name of its dataset, as the destination spells it."""
        return str(self.client.dataset_name)

    @property
    def state(self) -> State:
        """Return a copy of the source's state, as last committed.

        What a partition's own state says about the protection of all rows may be outdated.
        """
        shared = self.shared or {}
        protection = {name: shared[name] for name in PROTECTION_FACTS & shared.keys()}
        return shared | source_state(self.pipeline.state) | protection

    @property
    def storage(self) -> SqlJobClientBase:
        """Return dlt's client for whole tables, not connected."""
        return cast("SqlJobClientBase", self.pipeline.destination_client())

    @property
    def has_tables(self) -> bool:
        """Whether all tables and columns of the contract exist."""
        own = self.pipeline.schemas.get(schema_name(self.sections))
        existing = self._tables_of([own] if own else [])
        return existing.tables.items() >= tables_for_sections(self.sections, self.contract).items()

    @property
    def existing(self) -> Contract:
        """Return the contract's tables and columns that exist.

        They include those that only runs over other sections fill, whose schemas are restored from
        the destination.
        """
        return self._tables_of(self.pipeline.schemas.values())

    def has_column(self, table: str, column: str) -> bool:
        """Whether a table exists with a column; quicker than `existing`."""
        return any(
            column in schema.tables[table]["columns"]
            for schema in self.pipeline.schemas.values()
            if table in schema.tables
        )

    def _tables_of(self, schemas: Iterable[dlt.Schema]) -> Contract:
        columns: dict[str, set[str]] = {}
        for schema in schemas:
            for name, table in schema.tables.items():
                columns.setdefault(name, set()).update(table["columns"])
        return Contract(
            {
                name: replace(
                    table, columns=tuple(c for c in table.columns if c.name in columns[name])
                )
                for name, table in self.contract.tables.items()
                if name in columns
            }
        )

    def load(
        self, tables: dict[str, pa.Table], update_state: Callable[[State], object] | None = None
    ) -> None:
        """Commit rows and state together in one load package.

        Args:
            tables: Rows by contract table; if empty, the state is committed alone. The dictionary
                is emptied once the rows are on disk, so that memory need not hold them any longer.
            update_state: Changes the source's state.

        Raises:
            DestinationError: The destination is locked or not reachable, or this run has lost its
                lock.
            LoadError: The destination refused the rows.
        """
        Columns(self.contract, self.left_out).remove_from(tables)
        longest = longest_text(tables.values())
        is_large = longest > LARGE_TEXT

        def generate(state: State) -> Iterator[Mapping[str, pa.Table]]:
            yield tables
            if is_large:
                state[LONGEST_TEXT] = max(longest, state.get(LONGEST_TEXT, 0))
            if update_state is not None:
                update_state(state)

        try:
            with destination_errors():
                fit_to_texts(self.client, longest)
                if not self.pipeline.schema_names:
                    # After a failed load the committed state could not be restored: the next load
                    # would build on an empty state and store it.
                    _restore_from_destination(self.pipeline)
                # Not `pipeline.run`, which would first restore from the destination once more.
                self.pipeline.extract(make_source(generate, self.sections, self.contract))
                tables.clear()
                # dlt leaves the rows in young reference cycles; Python would find them only after
                # many loads.
                gc.collect(0)
                self.pipeline.normalize()
                self.check_lock()
                self.pipeline.load()
                if is_large:
                    checkpoint(self.client)
        except (ArgosError, KeyboardInterrupt):
            # dlt would retry the failed package before everything else, and its local state
            # already counts the package's rows: return to what is committed.
            with suppress(Exception):  # if the destination is gone, the next load tries again
                _restore_from_destination(self.pipeline)
            raise


@contextmanager
def open_warehouse(
    target: Target,
    sections: Sequence[str] = (),
    command: str = "run",
    contract: Contract | None = None,
    *,
    days: DateRange = ALL_DAYS,
    prepare: Callable[[Warehouse], object] | None = None,
) -> Iterator[Warehouse]:
    """Open the warehouse for some days, exclusively, in the state the destination has.

    A bounded range of UTC days is a partition: where the destination takes several writers, it
    is loaded by a pipeline of its own, which shares neither state nor staging dataset with others.

    Other processes see the name of the command while they are kept out. Before a partition is
    opened, and while no other process can open the warehouse, `prepare` creates what all partitions
    share; it gets a warehouse with the pipeline of nightly runs.

    A load package that an interrupted run left in the working directory is discarded and its rows
    are fetched again: state counts only once its package is committed. Tables and columns that
    somebody has dropped are created again.

    Raises:
        ConfigurationError: The destination is unknown, refused, or tried and not allowed, or its
            credentials are missing.
        DestinationError: The destination is locked or not reachable.
    """
    check_writable(target)
    location, contract = locate(target), contract or load_contract()
    working = location.working
    with destination_errors(), ExitStack() as locks:
        session = locks.enter_context(lock_session(location.client))
        partition = partition_name(days) if session and has_own_staging(session) else None
        # Keep other processes of this machine out of the same working directories, which a new
        # pipeline may wipe.
        lock = working.with_suffix(".lock")
        locks.enter_context(lock_file(lock, command, shared=partition is not None))
        if partition:
            lock = working.with_name(f"{working.name}_{partition}.lock")
            locks.enter_context(lock_file(lock, command))
        pipeline = make_pipeline(target, working, partition)
        client = pipeline.sql_client()
        remove_truncated_file(client)
        check_file(client)
        # Open until the run ends: DuckDB locks its file for as long as it is open.
        with (
            destination_errors(duckdb_file(client)),
            client,
            ExitStack() as cleanup,
            blockers_named(client),
        ):
            remove_temp_files(client)
            lift_time_limits(client)
            check_privileges(client)
            check_state_tables(client)
            run_token = make_run_token()
            stages = run_token if has_own_staging(client) else None
            if stages:
                pipeline = make_pipeline(target, working, partition, stages)
            shared: State | None = None
            with opening_lock(working.with_suffix(".turn"), session, location.dataset):
                other_runs = lock_run(
                    client,
                    session,
                    location,
                    run_token=run_token,
                    command=command,
                    days=days,
                )
                check_lock = cleanup.enter_context(other_runs)
                if stages:
                    cleanup.callback(drop_staging, client, run_token)
                if partition:
                    nightly = make_pipeline(target, working, run_token=stages)
                    _restore_from_destination(nightly)
                    restore_missing_tables(nightly, client)
                    columns = add_new_columns(nightly, client, contract)
                    whole = Warehouse(
                        nightly,
                        client,
                        sections,
                        columns.contract,
                        left_out=columns.left_out,
                        check_lock=check_lock,
                    )
                    if prepare is not None:
                        prepare(whole)
                    shared = whole.state
            if stages and not partition:
                drop_orphaned_staging(client)
            pipeline.activate()
            _restore_from_destination(pipeline)
            if not partition:
                restore_missing_tables(pipeline, client)
                columns = add_new_columns(pipeline, client, contract)
            fit_to_texts(client, source_state(pipeline.state).get(LONGEST_TEXT, 0))
            yield Warehouse(
                pipeline,
                client,
                sections,
                columns.contract,
                shared,
                columns.left_out,
                check_lock,
            )


def _restore_from_destination(pipeline: dlt.Pipeline) -> None:
    """Discard the working directory and restore state and schemas from the destination."""
    pipeline.drop()
    pipeline.sync_destination()
