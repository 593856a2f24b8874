"""Load rows into a scratch table as runs load theirs, and remove every trace of it.

dlt writes them through a pipeline and a schema of their own names, but with the destination, the
dataset and the staging dataset of the warehouse's own pipeline.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import dlt
import pyarrow as pa
from dlt.common.schema.typing import VERSION_TABLE_NAME

from argos_sync.load.ddl import execute_ddl
from argos_sync.load.destinations.duckdb import duckdb_file
from argos_sync.load.errors import destination_errors
from argos_sync.load.new_columns import add_new_columns
from argos_sync.load.pipeline import Warehouse
from argos_sync.load.source import LOADS, STATES, make_source, schema_name
from argos_sync.load.sql import Client, execute, execute_native, tables_exist
from argos_sync.shape.contract import Contract, Table

SCRATCH = "argos_sync_doctor"
"""The scratch table, and the name of its pipeline."""

SCRATCH_VIEW = f"{SCRATCH}_view"

_SECTIONS = ("doctor",)

_OWNERS = {
    VERSION_TABLE_NAME: ("schema_name", schema_name(_SECTIONS)),
    LOADS: ("schema_name", schema_name(_SECTIONS)),
    STATES: ("pipeline_name", SCRATCH),
}
"""dlt's own tables, with the column that names the owner of a row, and the scratch table's name
there; no run has it."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A place for a scratch table, in the dataset of a warehouse.

    `before` has, for each dataset by name, which of dlt's tables it had; None if it did not exist.
    """

    warehouse: Warehouse
    pipeline: dlt.Pipeline
    before: Mapping[str, frozenset[str] | None]

    @property
    def client(self) -> Client:
        """Return the connection of the warehouse."""
        return self.warehouse.client

    def load(self, table: Table, rows: pa.Table) -> None:
        """Create or widen the scratch table, and merge rows into it, in one load package.

        Raises:
            ArgosError: The destination refused it; see `Warehouse.load`.
        """
        contract = Contract({SCRATCH: table})
        with destination_errors(duckdb_file(self.client)):
            columns = add_new_columns(self.pipeline, self.client, contract)
            tables = {SCRATCH: rows}
            columns.remove_from(tables)
            source = make_source(lambda _: iter([tables]), _SECTIONS, columns.contract)
            self.pipeline.extract(source)
            self.pipeline.normalize()
            self.pipeline.load()

    def remove(self) -> None:
        """Remove the table, its view, and what dlt has noted about them; other rows stay.

        Datasets and tables of dlt that did not exist before are dropped. Whatever fails, the rest
        is removed.

        Raises:
            ArgosError: The first error.
        """
        steps = [
            step
            for name, tables in self.before.items()
            for step in _removals(self.client, name, tables)
        ]
        errors = []
        for step in steps:
            try:
                with destination_errors(duckdb_file(self.client)):
                    step()
            except Exception as error:  # noqa: BLE001 the others must run
                errors.append(error)
        if errors:
            raise errors[0]


@contextmanager
def open_scratch(warehouse: Warehouse) -> Iterator[Scratch]:
    """Provide a place for a scratch table; the block removes its traces."""
    own = warehouse.pipeline
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            SCRATCH,
            destination=own.destination,
            dataset_name=own.dataset_name,
            pipelines_dir=folder,
        )
        names = (warehouse.dataset, str(own.sql_client().staging_dataset_name))
        before = {name: _dlt_tables(warehouse.client, name) for name in names}
        try:
            yield Scratch(warehouse, pipeline, before)
        finally:
            own.activate()


def _dlt_tables(client: Client, dataset: str) -> frozenset[str] | None:
    with client.with_alternative_dataset_name(dataset):
        if not client.has_dataset():
            return None
        return frozenset(name for name in _OWNERS if tables_exist(client, [name]))


def _removals(
    client: Client, dataset: str, dlt_tables: frozenset[str] | None
) -> Iterator[Callable[[], object]]:
    """Yield functions that remove the traces in a dataset, one by one."""

    def inside(action: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            with client.with_alternative_dataset_name(dataset):
                if client.has_dataset():
                    execute_ddl(client, action)

        return run

    if dlt_tables is None:
        yield inside(client.drop_dataset)
        return
    yield inside(partial(_drop_view, client))
    for name in (SCRATCH, *(_OWNERS.keys() - dlt_tables)):
        yield inside(partial(client.drop_tables, name))
    for name in sorted(dlt_tables):
        column, owner = _OWNERS[name]
        statement = f"DELETE FROM {name} WHERE {column} = ?"  # noqa: S608 names only
        yield inside(partial(execute, client, statement, owner))


def _drop_view(client: Client) -> None:
    name = client.make_qualified_table_name(SCRATCH_VIEW)
    execute_native(client, f"DROP VIEW IF EXISTS {name}")
