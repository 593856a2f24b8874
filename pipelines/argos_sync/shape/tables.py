"""Convert a page of submissions to Arrow tables without losing a value.

A value that has no column, or does not fit its column, goes to `_extra` of its row under its
concrete API path. Its path and problem, never the value, go to the list of issues.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from argos_sync.shape.arrow_columns import ARROW_TYPES, arrow_schema, read_columns
from argos_sync.shape.contract import (
    ITEM,
    SUBMISSIONS,
    Column,
    Contract,
    Table,
    load_contract,
    safe_name,
)
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


@dataclass(frozen=True, slots=True)
class Issue:
    """Report one value that has no column or does not fit it; never the value itself.

    Attributes:
        submission_id: Id of the submission.
        table_name: Table whose `_extra` has the value.
        path: Concrete API path; unknown names that may be personal are `*`.
        problem: One line.
    """

    submission_id: str | None
    table_name: str
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class ShapedPage:
    """Hold the rows of a page.

    Attributes:
        tables: Arrow tables by name; tables without rows are left out.
        issues: Values that have no column or do not fit it.
    """

    tables: dict[str, pa.Table]
    issues: list[Issue]


@dataclass(frozen=True, slots=True)
class _Source:
    """Describe an API object that fills columns of a row: the row's object or one inside it.

    Attributes:
        paths: API paths from the row's object to this one, both included.
        columns: Pairs of the key in the object and the column that takes its value.
        documented_keys: Keys of the object in the contract; None if another table keeps the
            unknown ones.
    """

    paths: tuple[str, ...]
    columns: tuple[tuple[str, Column], ...]
    documented_keys: frozenset[str] | None


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
    added = {SUBMISSIONS: {"_synced_at": now, "_changed_at": now, "_content_hash": content_hashes}}
    tables = {
        name: _arrow_table(
            frames[name], values | _key_columns(frames[name], ids) | added.get(name, {})
        )
        for name, values in arrays.items()
    }
    issues = [issue for frame in frames.values() for issue in _issues(frame, ids)]
    return ShapedPage(tables, issues)


def _read_values(frame: Frame, contract: Contract) -> dict[str, pa.Array]:
    arrays: dict[str, pa.Array] = {}
    for source in _sources(frame.table, contract):
        objects = _source_objects(frame, source)
        if source.documented_keys is not None:
            _add_unknown_fields(frame, source.paths[-1], source.documented_keys, objects)
        keys = {column.name: key for key, column in source.columns}
        for column, array, errors in read_columns(objects, source.columns):
            arrays[column.name] = array
            for row, problem in errors:
                path = concrete_path(column.path or "", frame.positions[row])
                frame.add_extra(row, path, objects[row][keys[column.name]], problem)
    return arrays


def _sources(table: Table, contract: Contract) -> tuple[_Source, ...]:
    """Return the objects that a row's columns are read from, the row's own object first."""
    root = table.root or ""
    grouped: dict[str, list[tuple[str, Column]]] = {root: []}
    for column in table.api_columns:
        holder, _, key = (column.path or "").rpartition(".")
        grouped.setdefault(holder, []).append((key.removesuffix(ITEM), column))
    keeps_root = not table.from_scalars and (root != "" or table.name == SUBMISSIONS)
    return tuple(
        _Source(
            paths=_nested_paths(root, holder),
            columns=tuple(columns),
            documented_keys=contract.documented_keys[holder]
            if holder != root or keeps_root
            else None,
        )
        for holder, columns in grouped.items()
    )


def _nested_paths(root: str, holder: str) -> tuple[str, ...]:
    paths = [root]
    inner = holder.removeprefix(root).strip(".")
    for step in inner.split(".") if inner else []:
        paths.append(f"{paths[-1]}.{step}".lstrip("."))
    return tuple(paths)


def _source_objects(frame: Frame, source: _Source) -> list[JsonObject]:
    """Return the object to read from for each row; an empty one where the API has none."""
    objects = frame.objects
    for path in source.paths[1:]:
        key = path.rpartition(".")[2]
        inner = [item.get(key, _EMPTY_OBJECT) for item in objects]
        for row, value in enumerate(inner):
            if type(value) is not dict:
                single = as_object(value)
                if single is None and not is_absent(value):
                    frame.add_extra(
                        row, concrete_path(path, frame.positions[row]), value, "not an object"
                    )
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


def _key_columns(frame: Frame, ids: pa.Array) -> dict[str, pa.Array]:
    keys = {"submission_id": ids.take(pa.array(frame.parents, pa.int64()))}
    for depth, name in enumerate(frame.table.index_columns):
        keys[name] = pa.array([positions[depth] for positions in frame.positions], pa.int64())
    return keys


def _extra_column(frame: Frame) -> pa.Array:
    texts: list[str | None] = [None] * len(frame.parents)
    for row, extra in frame.extras.items():
        texts[row] = to_json(extra)
    return pa.array(texts, pa.string())


def _arrow_table(frame: Frame, values: dict[str, pa.Array]) -> pa.Table:
    schema = arrow_schema(frame.table)
    values = values | {EXTRA: _extra_column(frame)}
    rows = len(frame.parents)
    columns = [
        values[column.name] if column.name in values else pa.nulls(rows, column.type)
        for column in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _issues(frame: Frame, ids: pa.Array) -> Iterator[Issue]:
    for row, path, problem in frame.problems:
        yield Issue(ids[frame.parents[row]].as_py(), frame.table.name, path, problem)
