"""The status history: when a run first saw a submission in another state.

Its rows go with their submission in one transaction (`hints`), so they are always written whole:
what the warehouse has of a changed submission, and what this chunk adds to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from argos_sync.shape.columns import arrow_schema
from argos_sync.shape.contract import HISTORY, SUBMISSIONS, load_contract

Row = dict[str, Any]

_STATE = {
    "kyc_result": ("kyc", "kyc", "result"),
    "aml_current_status": ("aml", "aml", "current_status"),
    "aml_risk_level_summary": ("aml", "aml", "risk_level_summary"),
    "reviewer": ("others", SUBMISSIONS, "reviewer"),
}
"""Where each column of a state comes from: section, table and column."""

_TICK = timedelta(microseconds=1)


def history_rows(
    tables: Mapping[str, pa.Table], before: Mapping[str, Sequence[Row]], sections: Sequence[str]
) -> pa.Table:
    """Return the whole history of a chunk's submissions.

    Args:
        tables: Rows of new and changed submissions by contract table.
        before: What the warehouse has of their history, by submission.
        sections: `request_type`s that were fetched; the state of others stays as it was. Empty
            means all of them.
    """
    schema = arrow_schema(load_contract()[HISTORY])
    submissions = tables.get(SUBMISSIONS)
    if submissions is None:
        return schema.empty_table()
    ids = submissions["submission_id"].combine_chunks()
    seen = {
        "submission_id": ids,
        "valid_from": submissions["_synced_at"].combine_chunks(),
        **{
            name: _column(tables, ids, table, column)
            for name, (section, table, column) in _STATE.items()
            if not sections or section in sections
        },
    }
    rows = pa.Table.from_arrays(
        [seen.get(field.name, pa.nulls(len(ids), field.type)) for field in schema], schema=schema
    )
    if not before:
        return rows
    has_past = pc.is_in(ids, value_set=pa.array(list(before), ids.type))
    continued = [
        row
        for now in rows.filter(has_past).to_pylist()
        for row in _continued(before[now["submission_id"]], {k: now[k] for k in seen})
    ]
    return pa.concat_tables(
        [rows.filter(pc.invert(has_past)), pa.Table.from_pylist(continued, schema=schema)]
    )


def _column(tables: Mapping[str, pa.Table], ids: pa.Array, table: str, column: str) -> pa.Array:
    """Return a column's values in the order of `ids`; empty for submissions without a row."""
    rows = tables.get(table)
    if rows is None:
        return pa.nulls(len(ids), pa.string())
    places = pc.index_in(ids, value_set=rows["submission_id"].combine_chunks())
    return rows[column].combine_chunks().take(places)


def _continued(past: Sequence[Row], now: Row) -> list[Row]:
    """Return a submission's periods with the state seen now: as they were, or with one more."""
    *closed, last = sorted(past, key=lambda row: _moment(row["valid_from"]))
    if all(last[name] == now[name] for name in _STATE if name in now):
        return [*closed, last]
    # Later than the period before it in any case, also when a clock was set back.
    since = max(_moment(now["valid_from"]), _moment(last["valid_from"]) + _TICK)
    return [*closed, last | {"valid_to": since}, last | now | {"valid_from": since}]


def _moment(value: datetime) -> datetime:
    return value.astimezone(UTC)
