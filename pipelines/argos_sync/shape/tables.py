"""Convert a page of submissions to Arrow tables without losing a value.

A value that has no column, or does not fit its column, goes to `_extra` of its row under its
concrete API path. Its path and problem, never the value, go to the list of issues.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa

from argos_sync.shape.arrow_columns import ARROW_TYPES, arrow_schema, read_columns
from argos_sync.shape.contract import ITEM, SUBMISSIONS, Column, Contract, load_contract, safe_name
from argos_sync.shape.frames import (
    Frame,
    JsonObject,
    as_object,
    build_frames,
    concrete_path,
    quote_key,
)
from argos_sync.shape.values import is_absent, to_json

EXTRA = "_extra"
UNKNOWN_FIELD = "unknown field"
"""Problem of a field that is not in the contract."""

_EMPTY_OBJECT: JsonObject = {}


class Issue(NamedTuple):
    """Report one value that has no column or does not fit it; never the value itself.

    `_extra` of the table has the value. Unknown names in the API path that may be personal are `*`.
    """

    submission_id: str | None
    table_name: str
    path: str
    problem: str


class ShapedPage(NamedTuple):
    """Hold the rows of a page by table, without tables that have none, and the issues."""

    tables: dict[str, pa.Table]
    issues: list[Issue]


def shape_submissions(
    submissions: Sequence[JsonObject],
    hashes: Sequence[str],
    fetched_at: datetime,
    contract: Contract | None = None,
) -> ShapedPage:
    """Convert submissions to the rows of all tables.

    Args:
        submissions: Decoded submissions with a valid id and `created_at` (see
            `identity.identify`), each at most once.
        hashes: `identity.content_hash` of each submission.
        fetched_at: Time the page arrived, in UTC; becomes `_synced_at` and `_changed_at`.
        contract: The table contract; the shipped one by default.
    """
    if not submissions:
        return ShapedPage({}, [])
    contract = contract or load_contract()
    frames = build_frames(submissions, contract)
    # Reading values may add extras to any frame, so read all values before building `_extra`.
    arrays = {
        name: _read_values(frame, contract) for name, frame in frames.items() if frame.parents
    }
    ids = arrays[SUBMISSIONS]["submission_id"]
    now = pa.array([fetched_at] * len(submissions), ARROW_TYPES["timestamp"])
    content_hashes = pa.array(hashes, pa.string())
    arrays[SUBMISSIONS] |= {"_synced_at": now, "_changed_at": now, "_content_hash": content_hashes}
    tables = {name: _arrow_table(frames[name], values, ids) for name, values in arrays.items()}
    issues = [
        Issue(ids[frame.parents[row]].as_py(), name, path, problem)
        for name, frame in frames.items()
        for row, path, problem in frame.problems
    ]
    return ShapedPage(tables, issues)


def _read_values(frame: Frame, contract: Contract) -> dict[str, pa.Array]:
    """Read the columns of a frame, and add what does not fit them to its extras."""
    table, root = frame.table, frame.table.root or ""
    # A row's columns are read from its own object, which comes first, and from objects inside it.
    columns_by_path: dict[str, list[tuple[str, Column]]] = {root: []}
    for column in table.api_columns:
        holder, _, key = (column.path or "").rpartition(".")
        columns_by_path.setdefault(holder, []).append((key.removesuffix(ITEM), column))
    # Rows without an object of their own leave its unknown fields to another table.
    keeps_root = not table.from_scalars and (root != "" or table.name == SUBMISSIONS)
    arrays: dict[str, pa.Array] = {}
    for path, columns in columns_by_path.items():
        objects = _read_objects(frame, path)
        if path != root or keeps_root:
            _add_unknown_fields(frame, path, contract.documented_keys[path], objects)
        for key, column, array, errors in read_columns(objects, columns):
            arrays[column.name] = array
            for row, problem in errors:
                place = concrete_path(column.path or "", frame.positions[row])
                frame.add_extra(row, place, objects[row][key], problem)
    return arrays


def _read_objects(frame: Frame, path: str) -> list[JsonObject]:
    """Return the object at an API path for each row; an empty one where the API has none."""
    objects, reached = frame.objects, frame.table.root or ""
    for key in filter(None, path.removeprefix(reached).split(".")):
        reached = f"{reached}.{key}".lstrip(".")
        inner = [item.get(key, _EMPTY_OBJECT) for item in objects]
        for row, value in enumerate(inner):
            if type(value) is not dict:
                single = as_object(value)
                if single is None and not is_absent(value):
                    place = concrete_path(reached, frame.positions[row])
                    frame.add_extra(row, place, value, "not an object")
                inner[row] = single or _EMPTY_OBJECT
        objects = inner
    return objects


def _add_unknown_fields(
    frame: Frame, path: str, documented_keys: frozenset[str], objects: list[JsonObject]
) -> None:
    if all(map(documented_keys.issuperset, objects)):
        return
    for row, item in enumerate(objects):
        if not item.keys() <= documented_keys:
            prefix = f"{concrete_path(path, frame.positions[row])}." if path else ""
            for key in sorted(item.keys() - documented_keys):
                safe_path = prefix + safe_name(key)
                frame.add_extra(row, prefix + quote_key(key), item[key], UNKNOWN_FIELD, safe_path)


def _arrow_table(frame: Frame, values: dict[str, pa.Array], ids: pa.Array) -> pa.Table:
    """Return the rows of a frame: its values, keys and extras, and null in other columns."""
    extras: list[str | None] = [None] * len(frame.parents)
    for row, extra in frame.extras.items():
        extras[row] = to_json(extra)
    values[EXTRA] = pa.array(extras, pa.string())
    values["submission_id"] = ids.take(pa.array(frame.parents, pa.int64()))
    for depth, name in enumerate(frame.table.index_columns):
        values[name] = pa.array([positions[depth] for positions in frame.positions], pa.int64())
    schema = arrow_schema(frame.table)
    columns = [
        values[column.name] if column.name in values else pa.nulls(len(extras), column.type)
        for column in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
