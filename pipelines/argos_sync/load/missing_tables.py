"""Create tables and columns that somebody has dropped from a warehouse.

dlt believes the schema it has stored in the destination: it never looks whether tables and columns
are still there, and the next load of rows fails. So each run compares the two when it opens.
"""

import logging
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any, cast

import dlt
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations.job_client_impl import SqlJobClientBase

from argos_sync.load.ddl import execute_ddl
from argos_sync.load.errors import DestinationError
from argos_sync.load.source import LOADS, STATES
from argos_sync.load.sql import Client, execute, execute_all_native, select, tables_exist
from argos_sync.shape.contract import SUBMISSIONS, SUPPRESSIONS, load_contract

log = logging.getLogger("argos_sync")

_ANY_SUBMISSION = f"SELECT 1 FROM {SUBMISSIONS} LIMIT 1"  # noqa: S608 a name

_DEFAULTS = {"timestamp": "'1970-01-01 00:00:00+00:00'", "text": "''", "bigint": "0"}
"""Literals for lost values that must not be null, by dlt's type: a time before all others has a
submission fetched again first."""


def check_state_tables(client: Client) -> None:
    """Refuse a warehouse that has submissions, but no longer all of dlt's tables with the state.

    Without the state nothing shows from which project and with which keys the rows were made. And
    while dlt's table of schemas is there, dlt never creates the others again, so every load fails.

    Raises:
        DestinationError: A table with the state is missing.
    """
    if tables_exist(client, (STATES, LOADS)) or not select(client, _ANY_SUBMISSION):
        return
    raise DestinationError(
        f"the dataset has submissions, but lacks {STATES} or {LOADS}, which hold the state of the"
        " runs",
        "restore both from a backup of the dataset; without one, rename the dataset, and load a new"
        " one with argos-sync backfill --from D --to D",
    )


def restore_missing_tables(pipeline: dlt.Pipeline, client: Client) -> None:
    """Create the tables and columns that the stored schemas have and the destination lacks.

    They are empty, so the log says how to fill them. The client is connected.

    Raises:
        RelationsInUseError: Transactions of others read a table that lacks a column.
    """
    lost_columns: dict[str, list[TColumnSchema]] = {}
    lost_tables: set[str] = set()
    for storage in _storages(pipeline, client):
        for name, columns in storage.get_storage_tables(storage.schema.tables):
            lost = storage.schema.get_new_table_columns(
                name, columns, storage.capabilities.generates_case_sensitive_identifiers()
            )
            if lost and not columns:
                lost_tables.add(name)
            elif lost and name not in lost_columns:
                _add_columns(storage, name, lost)
                lost_columns[name] = lost
        if not lost_tables.isdisjoint(storage.schema.tables):
            storage.update_stored_schema(only_tables=lost_tables, force=True)
    if not (lost_tables or lost_columns):
        return
    places = [f"{name}.{one['name']}" for name, lost in lost_columns.items() for one in lost]
    log.warning(
        "the warehouse lacked %s; created without values. What the API has comes back with"
        " `argos-sync reconcile --from D --to D --deep`",
        ", ".join(sorted([*lost_tables, *places])),
    )
    if SUPPRESSIONS in lost_tables | lost_columns.keys():
        log.warning("the suppression list is lost: forget the people again who were on it")


def _storages(pipeline: dlt.Pipeline, client: Client) -> Iterable[SqlJobClientBase]:
    """Yield dlt's client for each stored schema, with our connection."""
    for name in sorted(pipeline.schemas):
        storage = cast("SqlJobClientBase", pipeline.destination_client(name))
        storage.sql_client = client
        yield storage


def _add_columns(storage: SqlJobClientBase, name: str, lost: Collection[TColumnSchema]) -> None:
    """Add columns to a table that may have rows.

    dlt would add them as NOT NULL, which databases refuse. Rows of a submission that have lost a
    part of their key can never be found again, so they are removed first. A submission that has
    lost its times or its hash must not count as unchanged.
    """
    client, table = storage.sql_client, storage.prepare_load_table(name)
    known = load_contract().tables.get(name)
    names = {column["name"] for column in lost}
    belongs = known is not None and (known.belongs_to_submission or name == SUBMISSIONS)
    if known is not None and belongs and not names.isdisjoint(known.key):
        execute(client, f"DELETE FROM {name} WHERE 1 = 1")  # noqa: S608 a name
    is_required = {
        column["name"]
        for column in lost
        if known and column["name"] in known.columns_by_name and not column.get("nullable", True)
    }
    if name == SUBMISSIONS and is_required and "_content_hash" not in names:
        execute(client, f"UPDATE {name} SET _content_hash = '' WHERE 1 = 1")  # noqa: S608 a name
    additions = []
    for column in lost:
        definition = storage.type_mapper.to_destination_type(cast("Any", column), table)
        if column["name"] in is_required and column["data_type"] in _DEFAULTS:
            definition += f" DEFAULT {_DEFAULTS[column['data_type']]}"
        quoted = client.escape_column_name(str(column["name"]))
        additions.append(f"ADD COLUMN {quoted} {definition}")
    target = client.make_qualified_table_name(name)
    statements = [f"ALTER TABLE {target} {addition}" for addition in additions]
    execute_ddl(client, partial(execute_all_native, client, statements), (name,))
