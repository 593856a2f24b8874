"""From a page of submissions to Arrow tables, one pass, nothing lost.

A value without a column, or one that does not fit its column, goes to `_extra` of its row under
its concrete API path, and its place and problem (never the value) to the list of issues.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from argos_sync.shape.columns import ARROW_TYPES, arrow_schema, read_columns
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
"""The problem of a field the contract does not know."""

_EMPTY_OBJECT: JsonObject = {}


@dataclass(frozen=True, slots=True)
class Issue:
    """One value that did not fit or is not known; never the value itself."""

    submission_id: str | None
    table_name: str
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class ShapedPage:
    """What a page became.

    Attributes:
        tables: Arrow tables by name; a table without rows is left out.
        issues: What did not fit, in the order it was met.
    """

    tables: dict[str, pa.Table]
    issues: list[Issue]


@dataclass(frozen=True, slots=True)
class _Source:
    """An API object that fills columns of a row: the row's own object or one inside it.

    Attributes:
        paths: API paths from the row's object to this one, both included.
        columns: Key in the object and column, for each value read from it.
        known: Keys the contract knows of it; None when another table looks after the rest.
    """

    paths: tuple[str, ...]
    columns: tuple[tuple[str, Column], ...]
    known: frozenset[str] | None


def shape_submissions(
    submissions: Sequence[JsonObject],
    hashes: Sequence[str],
    fetched_at: datetime,
    contract: Contract | None = None,
) -> ShapedPage:
    """Turn submissions into the rows of all tables.

    Args:
        submissions: Decoded submissions with a usable id and `created_at` (`identity.identify`),
            each at most once.
        hashes: The `identity.content_hash` of each.
        fetched_at: When the page was received (UTC); becomes `_synced_at` and `_changed_at`.
        contract: The table contract; the shipped one when left out.
    """
    if not submissions:
        return ShapedPage({}, [])
    contract = contract or load_contract()
    frames = build_frames(submissions, contract)
    # Frames note in their parents what cannot be a row, so all values are read before any
    # `_extra` is written.
    arrays = {
        name: _read_values(frame, contract) for name, frame in frames.items() if frame.parents
    }
    ids = arrays[SUBMISSIONS]["submission_id"]
    now = pa.array([fetched_at] * len(submissions), ARROW_TYPES["timestamp"])
    hashed = pa.array(hashes, pa.string())
    made = {SUBMISSIONS: {"_synced_at": now, "_changed_at": now, "_content_hash": hashed}}
    tables = {
        name: _arrow_table(
            frames[name], values | _key_columns(frames[name], ids) | made.get(name, {})
        )
        for name, values in arrays.items()
    }
    issues = [issue for frame in frames.values() for issue in _issues(frame, ids)]
    return ShapedPage(tables, issues)


def _read_values(frame: Frame, contract: Contract) -> dict[str, pa.Array]:
    arrays: dict[str, pa.Array] = {}
    for source in _sources(frame.table, contract):
        objects = _source_objects(frame, source)
        if source.known is not None:
            _add_unknown_fields(frame, source.paths[-1], source.known, objects)
        keys = {column.name: key for key, column in source.columns}
        for column, array, misfits in read_columns(objects, source.columns):
            arrays[column.name] = array
            for row, problem in misfits:
                path = concrete_path(column.path or "", frame.positions[row])
                frame.add_extra(row, path, objects[row][keys[column.name]], problem)
    return arrays


def _sources(table: Table, contract: Contract) -> tuple[_Source, ...]:
    """Return what a row's columns are read from, the row's own object first."""
    root = table.root or ""
    grouped: dict[str, list[tuple[str, Column]]] = {root: []}
    for column in table.api_columns:
        holder, _, key = (column.path or "").rpartition(".")
        grouped.setdefault(holder, []).append((key.removesuffix(ITEM), column))
    looks_after_root = not table.from_scalars and (root != "" or table.name == SUBMISSIONS)
    return tuple(
        _Source(
            paths=_nested_paths(root, holder),
            columns=tuple(columns),
            known=contract.known_keys[holder] if holder != root or looks_after_root else None,
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
    """Return for each row the object to read from; an empty one where the API has none."""
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
    frame: Frame, path: str, known: frozenset[str], objects: list[JsonObject]
) -> None:
    if all(map(known.issuperset, objects)):
        return
    for row, item in enumerate(objects):
        if not item.keys() <= known:
            prefix = f"{concrete_path(path, frame.positions[row])}." if path else ""
            for key in sorted(item.keys() - known):
                reported = prefix + safe_name(key)
                frame.add_extra(row, prefix + quote_key(key), item[key], UNKNOWN_FIELD, reported)


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
