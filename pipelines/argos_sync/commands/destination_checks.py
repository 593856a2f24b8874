"""The checks of `doctor` that do what runs do at the destination, with a scratch table.

dlt writes a Parquet file with a column of every type, loads it, merges a changed row with a new
column; a view and its comment follow, and everything is removed, also when a step fails.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, cast

import pyarrow as pa

from argos_sync.commands.check import Check, run_check
from argos_sync.load.ddl import execute_ddl
from argos_sync.load.errors import DatabaseException, LoadError, error_kind
from argos_sync.load.pipeline import Warehouse
from argos_sync.load.scratch import SCRATCH, SCRATCH_VIEW, Scratch, open_scratch
from argos_sync.load.sql import execute, execute_all_native, quote_column, tables_exist
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.contract import Column, ColumnType, Table
from argos_sync.warehouse.comments import TABLE, VIEW, comment_on
from argos_sync.warehouse.view_updates import replace_views

_VALUES: dict[str, Any] = {
    "id": "first",
    "a_text": 'it\'s "30 %" \\ 김민수',
    "a_timestamp": datetime(2025, 1, 31, 23, 59, 59, 123456, tzinfo=UTC),
    "a_date": date(1930, 2, 28),
    "a_double": 0.1,
    "a_bigint": 2**53 + 1,
    "a_bool": True,
    "a_json": '{"\u00e4": [1, null, "b"]}',
}
"""A value of every type, by column."""

_OTHER_ROW = dict.fromkeys(_VALUES) | {"id": "second"}

_NEW_COLUMN = Column("new_column", "text", "none", "Added.")


def _columns() -> tuple[Column, ...]:
    key = Column("id", "text", "none", "Key.", nullable=False)
    types = {name: name.removeprefix("a_") for name in _VALUES if name != "id"}
    columns = (
        Column(name, cast("ColumnType", type_), "none", "?") for name, type_ in types.items()
    )
    return (key, *columns)


_TABLE = Table(SCRATCH, "Made by doctor.", ("id",), _columns())


def check_writing(warehouse: Warehouse) -> list[Check]:
    """Return the result of each step, up to the first that fails, and of the clean-up.

    Rows of the warehouse are neither read nor written.
    """
    checks: list[Check] = []
    with open_scratch(warehouse) as scratch:
        try:
            for name, step, remedy in _STEPS:
                checks.append(_run_step(name, partial(step, scratch), remedy))
                if not checks[-1].passed:
                    break
        finally:
            remedy = f"drop the table {SCRATCH} and its view, and run doctor again"
            checks.append(_run_step("clean-up", partial(_clean_up, scratch), remedy))
    return checks


def _run_step(name: str, step: Callable[[], str], remedy: str) -> Check:
    """Return the result of a step; an error without a remedy of its own gets the step's."""

    def run() -> str:
        try:
            return step()
        except LoadError as error:
            is_general = error.remedy == LoadError.advice
            raise LoadError(error.message, remedy if is_general else error.remedy) from None
        except DatabaseException as error:
            raise LoadError(f"the destination refused it ({error_kind(error)})", remedy) from None

    return run_check(name, run)


def _load(scratch: Scratch) -> str:
    if tables_exist(scratch.client, [SCRATCH]):
        scratch.remove()  # a killed process has left it
    scratch.load(_TABLE, _rows(_TABLE, _VALUES, _OTHER_ROW))
    return "created a table and loaded a Parquet file with a column of every type"


def _merge(scratch: Scratch) -> str:
    table = replace(_TABLE, columns=(*_TABLE.columns, _NEW_COLUMN))
    changed = _OTHER_ROW | {"a_text": "changed", _NEW_COLUMN.name: "added"}
    scratch.load(table, _rows(table, changed))
    names = ", ".join(column.name for column in table.columns)
    query = f"SELECT {names} FROM {SCRATCH} ORDER BY id"  # noqa: S608 names only
    stored = [
        dict(zip(names.split(", "), row, strict=True)) for row in execute(scratch.client, query)
    ]
    expected = [{_NEW_COLUMN.name: None} | _VALUES, changed]
    if [row["id"] for row in stored] != [row["id"] for row in expected]:
        raise LoadError(f"{len(stored)} rows are there after a merge, and not 2", _REPORT)
    different = {
        name
        for row, values in zip(stored, expected, strict=True)
        for name, value in values.items()
        if _plain(name, row[name]) != _plain(name, value)
    }
    if different:
        raise LoadError(f"values come back changed: {', '.join(sorted(different))}", _REPORT)
    return "added a column, and replaced one of two rows; all values came back as they were"


def _view(scratch: Scratch) -> str:
    table = scratch.client.make_qualified_table_name(SCRATCH)
    column = quote_column(scratch.client, "id")
    query = f"SELECT {column} FROM {table}"  # noqa: S608 names only
    replace_views(scratch.client, {SCRATCH_VIEW: query}, ())
    rows = execute(scratch.client, f"SELECT COUNT(*) FROM {SCRATCH_VIEW}")  # noqa: S608 a name
    return f"created a view, which has {rows[0][0]} rows"


def _comment(scratch: Scratch) -> str:
    client = scratch.client
    statements = [
        *comment_on(client, TABLE, SCRATCH, _TABLE.description, {"a_text": "it's 30 %; a text"}),
        *comment_on(client, VIEW, SCRATCH_VIEW, "Made by doctor.", {"id": "Key."}),
    ]
    execute_ddl(client, partial(execute_all_native, client, statements))
    return f"wrote {len(statements)} comments" if statements else "the destination has none"


def _clean_up(scratch: Scratch) -> str:
    scratch.remove()
    return "removed all of it"


_REPORT = "report it with the name of the destination and its version"
_TABLES = "let the user create and change tables in the dataset and in its staging dataset"

_STEPS: tuple[tuple[str, Callable[[Scratch], str], str], ...] = (
    ("load", _load, _TABLES),
    ("merge", _merge, _TABLES),
    (
        "view",
        _view,
        "let the user create views in the dataset; without them only tables are loaded",
    ),
    ("comment", _comment, "let the user comment on tables and views; without them rows are loaded"),
)
"""Name, step, and the remedy if the destination refuses it."""


def _rows(table: Table, *rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(table))


def _plain(name: str, value: Any) -> Any:
    """Return a value as it can be compared, whatever type the driver has for it."""
    if name == "a_json" and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    return value
