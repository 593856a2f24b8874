"""Shape deletion stubs into rows without personal values."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from argos_sync.shape.contract import SUBMISSIONS, Column, Table, load_contract
from argos_sync.shape.frames import JsonObject
from argos_sync.shape.stub_words import are_the_words
from argos_sync.shape.tables import shape_submissions


def shape_stubs(
    stubs: Sequence[JsonObject], hashes: Sequence[str], fetched_at: datetime
) -> dict[str, pa.Table]:
    """Convert deletion stubs to rows, by table, that are marked as deleted.

    Everything of privacy class `direct` or `quasi` is null, and so are the words themselves. Rows
    that then have nothing but keys are left out, except those of `submissions`. There are no issues
    to report: a stub's values are not kept. See `tables.shape_submissions` for the arguments.
    """
    contract = load_contract()
    shaped = shape_submissions(stubs, hashes, fetched_at, contract).tables
    tables: dict[str, pa.Table] = {}
    parent_keys: dict[str, set[tuple[Any, ...]]] = {}
    for table in reversed(contract.api_tables):  # children first: a row with children stays
        if table.name not in shaped:
            continue
        rows = _remove_values(table, shaped[table.name])
        keys = list(zip(*(rows[name].to_pylist() for name in table.key), strict=True))
        with_children = parent_keys.get(table.name, set())
        is_kept = [
            table.name == SUBMISSIONS or has_values or key in with_children
            for key, has_values in zip(keys, _have_values(table, rows), strict=True)
        ]
        if parent := contract.parent(table):
            kept_keys = (key for key, kept in zip(keys, is_kept, strict=True) if kept)
            parent_keys.setdefault(parent.name, set()).update(
                key[: len(parent.key)] for key in kept_keys
            )
        if any(is_kept):
            tables[table.name] = rows.filter(pa.array(is_kept))
    if SUBMISSIONS in tables:
        rows = tables[SUBMISSIONS]
        position = rows.schema.get_field_index("_deleted_at")
        tables[SUBMISSIONS] = rows.set_column(
            position, rows.schema.field(position), rows["_synced_at"]
        )
    return tables


def _remove_values(table: Table, rows: pa.Table) -> pa.Table:
    """Return the rows with null for personal values and for the words."""
    columns = [_remove_from(table, column, rows[column.name]) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=rows.schema)


def _remove_from(table: Table, column: Column, values: pa.ChunkedArray) -> pa.Array:
    if column.name in table.key:
        return values
    if column.privacy != "none":
        return pa.nulls(len(values), values.type)
    if column.type not in ("text", "json"):
        return values
    texts = values.to_pylist()
    is_words = [text is not None and are_the_words(text.strip('"')) for text in texts]
    return pa.array(
        [None if removed else text for text, removed in zip(texts, is_words, strict=True)],
        values.type,
    )


def _have_values(table: Table, rows: pa.Table) -> list[bool]:
    """Return for each row whether it has a value besides its key."""
    others = [column.name for column in table.columns if column.name not in table.key]
    values = zip(*(rows[name].to_pylist() for name in others), strict=True)
    return [any(value is not None for value in row) for row in values]
