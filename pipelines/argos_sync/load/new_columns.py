"""Add the columns of a later contract to the tables of an earlier version before rows are loaded.

dlt would add them while it loads, and wait for every transaction that reads the table, with all
other readers behind it (`ddl`). A column that cannot be added now is left out of the run.
"""

import logging
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from dlt.destinations.job_client_impl import SqlJobClientBase

from argos_sync.load.ddl import RelationsInUseError, execute_ddl
from argos_sync.load.sql import Client, dialect_of, execute_native
from argos_sync.shape.contract import SUBMISSIONS, Column, Contract

log = logging.getLogger("argos_sync")

_Columns = tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """The contract of a run, and the names of the columns by table that it had to leave out."""

    contract: Contract
    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def remove_from(self, tables: MutableMapping[str, pa.Table]) -> None:
        """Remove the columns that are left out from rows by contract table.

        A submission whose rows lose a value gets an empty content hash, so that the next fetch
        loads it again.
        """
        incomplete: set[str] = set()
        for name, columns in self.left_out.items():
            if name not in tables:
                continue
            rows, table = tables[name], self.contract[name]
            surplus = [column for column in rows.column_names if column in columns]
            if name == SUBMISSIONS or table.belongs_to_submission:
                for column in surplus:
                    ids = rows["submission_id"].filter(pc.is_valid(rows[column]))
                    incomplete.update(ids.to_pylist())
            tables[name] = rows.drop_columns(surplus)
        if incomplete and SUBMISSIONS in tables:
            tables[SUBMISSIONS] = _without_hash(tables[SUBMISSIONS], incomplete)


def add_new_columns(pipeline: dlt.Pipeline, client: Client, contract: Contract) -> Columns:
    """Add the columns that existing tables lack, if others may read them for long.

    Only PostgreSQL's tables are changed; elsewhere dlt adds columns with the next rows. A column
    that must have a value is not added: `run.migrations` is the place for it.

    Args:
        pipeline: With the schemas that the destination has stored.
        client: A connected client of the pipeline's dataset.
        contract: The tables that the run writes.
    """
    if dialect_of(client) != "postgres":
        return Columns(contract)
    left_out: dict[str, frozenset[str]] = {}
    blockers: str = ""
    pauses: Sequence[float] | None = None
    for name, columns in _unknown_to_dlt(pipeline, contract).items():
        storage = _storage_of(pipeline, client, name)
        ((_, existing),) = storage.get_storage_tables([name])
        missing = [column for column in columns if column.name not in existing]
        if not (existing and missing):
            continue  # dlt creates the table, or an interrupted run has added the columns
        try:
            execute_ddl(client, partial(_add, storage, name, missing), (name,), pauses)
        except RelationsInUseError as error:
            left_out[name] = frozenset(column.name for column in missing)
            blockers, pauses = error.message, ()  # waiting once is enough
    if not left_out:
        return Columns(contract)
    log.warning(
        "%s: this run leaves out the new columns %s; the next one tries again, and submissions with"
        " a value in them are loaded again when they are next fetched",
        blockers,
        ", ".join(sorted(f"{name}.{one}" for name, names in left_out.items() for one in names)),
    )
    return Columns(_without(contract, left_out), left_out)


def _unknown_to_dlt(pipeline: dlt.Pipeline, contract: Contract) -> dict[str, _Columns]:
    """Return the nullable columns of the contract that no stored schema has, by existing table."""
    stored: dict[str, set[str]] = {}
    for schema in pipeline.schemas.values():
        for name, table in schema.tables.items():
            stored.setdefault(name, set()).update(table["columns"])
    columns = {
        name: tuple(c for c in table.columns if c.nullable and c.name not in stored[name])
        for name, table in contract.tables.items()
        if name in stored
    }
    return {name: unknown for name, unknown in columns.items() if unknown}


def _storage_of(pipeline: dlt.Pipeline, client: Client, table: str) -> SqlJobClientBase:
    """Return dlt's client for a schema that has the table, with our connection."""
    schemas = pipeline.schemas.items()
    schema = next(name for name, schema in sorted(schemas) if table in schema.tables)
    storage = cast("SqlJobClientBase", pipeline.destination_client(schema))
    storage.sql_client = client
    return storage


def _add(storage: SqlJobClientBase, name: str, columns: list[Column]) -> None:
    client, table = storage.sql_client, storage.prepare_load_table(name)
    additions = []
    for column in columns:
        hints: Any = {"name": column.name, "data_type": column.type}
        definition = storage.type_mapper.to_destination_type(hints, table)
        additions.append(f"ADD COLUMN {client.escape_column_name(column.name)} {definition}")
    target = client.make_qualified_table_name(name)
    execute_native(client, f"ALTER TABLE {target} {', '.join(additions)}")


def _without(contract: Contract, left_out: Mapping[str, frozenset[str]]) -> Contract:
    tables = {
        name: replace(
            table,
            columns=tuple(c for c in table.columns if c.name not in left_out.get(name, ())),
        )
        for name, table in contract.tables.items()
    }
    return Contract(tables)


def _without_hash(submissions: pa.Table, ids: set[str]) -> pa.Table:
    """Return submissions of which some have an empty content hash."""
    position = submissions.schema.get_field_index("_content_hash")
    hashes = submissions.column(position)
    is_incomplete = pc.is_in(
        submissions["submission_id"],
        value_set=pa.array(sorted(ids), submissions["submission_id"].type),
    )
    emptied = pc.if_else(is_incomplete, pa.scalar("", hashes.type), hashes)
    return submissions.set_column(position, submissions.schema.field(position), emptied)
