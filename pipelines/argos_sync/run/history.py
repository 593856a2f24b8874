"""The status history (slowly changing dimension): one row per period a submission kept a status.

A run dates a change by when it fetched it. The rows of a submission and of its history are replaced
in one transaction, so a changed submission's history is always written completely: the periods the
warehouse has, and the period this chunk adds.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.contract import HISTORY, SUBMISSIONS, load_contract

Row = dict[str, Any]

_STATUS_COLUMNS = {
    "kyc_result": ("kyc", "kyc", "result"),
    "aml_current_status": ("aml", "aml", "current_status"),
    "aml_risk_level_summary": ("aml", "aml", "risk_level_summary"),
    "reviewer": ("others", SUBMISSIONS, "reviewer"),
}
"""Section, table and column that each column of the history is copied from."""

_TICK = timedelta(microseconds=1)


def history_rows(
    tables: Mapping[str, pa.Table], stored: Mapping[str, Sequence[Row]], sections: Sequence[str]
) -> pa.Table:
    """Return the complete history of a chunk's new and changed submissions.

    `stored` are the periods the warehouse has, by submission id. The status of sections that were
    not fetched is carried over; an empty list means that all were fetched.
    """
    schema = arrow_schema(load_contract()[HISTORY])
    submissions = tables.get(SUBMISSIONS)
    if submissions is None:
        return schema.empty_table()
    ids = submissions["submission_id"].combine_chunks()
    values = {
        "submission_id": ids,
        "valid_from": submissions["_synced_at"].combine_chunks(),
        **{
            name: _column(tables, ids, table, column)
            for name, (section, table, column) in _STATUS_COLUMNS.items()
            if not sections or section in sections
        },
    }
    rows = pa.Table.from_arrays(
        [values.get(field.name, pa.nulls(len(ids), field.type)) for field in schema], schema=schema
    )
    if not stored:
        return rows
    has_periods = pc.is_in(ids, value_set=pa.array(list(stored), ids.type))
    continued = [
        period
        for row in rows.filter(has_periods).to_pylist()
        for period in _continue(stored[row["submission_id"]], {name: row[name] for name in values})
    ]
    return pa.concat_tables(
        [rows.filter(pc.invert(has_periods)), pa.Table.from_pylist(continued, schema=schema)]
    )


def _column(tables: Mapping[str, pa.Table], ids: pa.Array, table: str, column: str) -> pa.Array:
    """Return a column's values in the order of `ids`; null for submissions without a row."""
    rows = tables.get(table)
    if rows is None:
        return pa.nulls(len(ids), pa.string())
    positions = pc.index_in(ids, value_set=rows["submission_id"].combine_chunks())
    return rows[column].combine_chunks().take(positions)


def _continue(periods: Sequence[Row], current: Row) -> list[Row]:
    """Return a submission's periods, with a new one if its status has changed."""
    *closed, last = sorted(periods, key=lambda row: row["valid_from"].astimezone(UTC))
    if all(last[name] == current[name] for name in _STATUS_COLUMNS if name in current):
        return [*closed, last]
    # A period starts later than the one before it, even if the clock was set back.
    start = max(current["valid_from"].astimezone(UTC), last["valid_from"].astimezone(UTC) + _TICK)
    return [*closed, last | {"valid_to": start}, last | current | {"valid_from": start}]
