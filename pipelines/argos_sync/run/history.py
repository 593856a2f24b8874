"""The status history (slowly changing dimension): one row per period a submission kept a status.

A run dates a change by when it fetched it. The rows of a submission and of its history are replaced
in one transaction, so a changed submission's history is always written completely: the periods the
warehouse has, and the period this chunk adds. A deletion ends the last period, and a submission
that returns begins another, so the only gaps are those in which it was deleted.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
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
    tables: Mapping[str, pa.Table],
    stored: Mapping[str, Sequence[Row]],
    sections: Sequence[str],
    unchanged: AbstractSet[str] = frozenset(),
) -> pa.Table:
    """Return the complete history of a chunk's new and changed submissions.

    `stored` are the periods the warehouse has, by submission id. The status of sections that were
    not fetched is carried over; an empty list means that all were fetched. Submissions with
    `_deleted_at` have no status any more. The status of `unchanged` ones, whose rows are only
    written again, is the current one since their last period began, whatever the warehouse has.
    """
    schema = arrow_schema(load_contract()[HISTORY])
    submissions = tables.get(SUBMISSIONS)
    if submissions is None:
        return schema.empty_table()
    is_whole = pc.is_null(submissions["_deleted_at"])
    ended = [
        period
        for row in submissions.filter(pc.invert(is_whole)).to_pylist()
        for period in _end(_periods_of(row, stored), row["_synced_at"])
    ]
    submissions = submissions.filter(is_whole)
    ids = submissions["submission_id"].combine_chunks()
    values = {
        "submission_id": ids,
        "valid_from": submissions["_synced_at"].combine_chunks(),
        **{
            name: _column(tables, ids, table, column)
            for name, (_, table, column) in _STATUS_COLUMNS.items()
            if name in status_columns(sections)
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
        for period in (_restore if row["submission_id"] in unchanged else _continue)(
            _periods_of(row, stored), {name: row[name] for name in values}
        )
    ]
    return pa.concat_tables(
        [
            rows.filter(pc.invert(has_periods)),
            pa.Table.from_pylist([*continued, *ended], schema=schema),
        ]
    )


def status_columns(sections: Sequence[str]) -> list[str]:
    """Return the columns of the history that runs over these sections fill."""
    sources = _STATUS_COLUMNS.items()
    return [name for name, (section, *_) in sources if not sections or section in sections]


def _column(tables: Mapping[str, pa.Table], ids: pa.Array, table: str, column: str) -> pa.Array:
    """Return a column's values in the order of `ids`; null for submissions without a row."""
    rows = tables.get(table)
    if rows is None:
        return pa.nulls(len(ids), pa.string())
    positions = pc.index_in(ids, value_set=rows["submission_id"].combine_chunks())
    return rows[column].combine_chunks().take(positions)


def _periods_of(row: Row, stored: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Return a submission's stored periods in order, without copies of the same period."""
    periods = stored.get(row["submission_id"], ())
    return sorted({_valid_from(period): period for period in periods}.values(), key=_valid_from)


def _restore(periods: Sequence[Row], current: Row) -> list[Row]:
    """Return the periods of a submission whose status has not changed since the last one began.

    If the last one has ended with another status, the one that followed it is lost.
    """
    *closed, last = periods
    is_same = all(last[name] == current[name] for name in _STATUS_COLUMNS if name in current)
    if last["valid_to"] is not None and not is_same:
        return [*periods, last | current | {"valid_from": last["valid_to"], "valid_to": None}]
    status = {name: value for name, value in current.items() if name in _STATUS_COLUMNS}
    return [*closed, last | status | {"valid_to": None}]


def _continue(periods: Sequence[Row], current: Row) -> list[Row]:
    """Return a submission's periods, with a new one if its status has changed or it returns."""
    last = max(periods, key=_valid_from)
    is_same = all(last[name] == current[name] for name in _STATUS_COLUMNS if name in current)
    if is_same and last["valid_to"] is None:
        return list(periods)
    *closed, last = _end(periods, current["valid_from"])
    start = max(current["valid_from"].astimezone(UTC), last["valid_to"].astimezone(UTC))
    return [*closed, last, last | current | {"valid_from": start, "valid_to": None}]


def _end(periods: Sequence[Row], at: datetime) -> list[Row]:
    """Return a submission's periods in order, the last one ended."""
    ordered = sorted(periods, key=_valid_from)
    if ordered and ordered[-1]["valid_to"] is None:
        # A period ends later than it begins, even if the clock was set back.
        end = max(at.astimezone(UTC), _valid_from(ordered[-1]) + _TICK)
        ordered[-1] = ordered[-1] | {"valid_to": end}
    return ordered


def _valid_from(period: Row) -> datetime:
    valid_from: datetime = period["valid_from"]
    return valid_from.astimezone(UTC)
