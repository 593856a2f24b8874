"""What the warehouse holds by day, which of it is still open, and what a run did not see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from argos_sync.fetch.windows import DateRange, add_days
from argos_sync.load.sql import Client, ResultRows, execute, key_batches, select
from argos_sync.shape.contract import SUBMISSIONS

_FINAL = ("approved", "rejected")
_DAY = "UTC_DAY(created_at)"
_MOST_HASHES = 100_000
"""About 30 MB in the process that fetches."""


@dataclass(frozen=True, slots=True)
class DayStats:
    """Submissions created on a day, those marked as deleted included.

    Attributes:
        day: UTC.
        rows: How many.
        oldest: When the one fetched longest ago was fetched, UTC.
    """

    day: date
    rows: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class SubmissionVersion:
    """A submission as reconcile compares it."""

    submission_id: str
    day: date
    content_hash: str
    deleted: bool


def stored_days(client: Client) -> list[DayStats]:
    """Return the days the warehouse has submissions of, in order."""
    rows = _select(client, f"{_DAY}, COUNT(*), MIN(_synced_at)", "GROUP BY 1 ORDER BY 1")
    return [
        DayStats(_date(day), int(number), oldest.astimezone(UTC)) for day, number, oldest in rows
    ]


def count_open_by_day(client: Client, before: date, sections: Sequence[str]) -> dict[date, int]:
    """Return how many submissions created before a day are still open, by day.

    Open means that the result may still come, or the risk may still change: `kyc.result` not
    final, approved but not screened for AML yet, or with red flags that are monitored.

    Args:
        client: Connected.
        before: First day (UTC) that does not count.
        sections: `request_type`s that are fetched; what is never fetched keeps nothing open.
    """
    joins, condition = _open(sections)
    if not condition:
        return {}
    where = f"WHERE _deleted_at IS NULL AND created_at < ? AND ({condition})"
    return _by_day(client, where, _start(before), joins=joins)


def open_submission_ids(
    client: Client, ranges: Sequence[DateRange], sections: Sequence[str]
) -> list[str]:
    """Return the open submissions created in these ranges."""
    joins, condition = _open(sections)
    within, moments = _within(ranges)
    if not condition or not ranges:
        return []
    where = f"WHERE _deleted_at IS NULL AND ({condition}) AND ({within}) ORDER BY 1"
    rows = _select(client, "s.submission_id", where, *moments, joins=joins)
    return [row[0] for row in rows]


def content_hashes(
    client: Client, ranges: Sequence[DateRange], submission_ids: Sequence[str] = ()
) -> dict[str, str]:
    """Return content hashes by submission id, without what is marked as deleted.

    Args:
        client: Connected.
        ranges: Who was created on these days, UTC.
        submission_ids: And these.

    Returns:
        Nothing where there are more than are worth their room in memory.
    """
    within, moments = _within(ranges)
    where = f"WHERE _deleted_at IS NULL AND ({within}) LIMIT {_MOST_HASHES + 1}"
    columns = "submission_id, _content_hash"
    rows = [*_select(client, columns, where, *moments)] if ranges else []
    for portion in key_batches(client, submission_ids):
        one_by_one = "WHERE _deleted_at IS NULL AND submission_id = ANY(?)"
        rows += _select(client, columns, one_by_one, portion)
    return {row[0]: row[1] for row in rows} if len(rows) <= _MOST_HASHES else {}


def count_submissions(client: Client, ranges: Sequence[DateRange], before: datetime) -> int:
    """Return how many submissions, without deleted ones, were created in these ranges.

    Args:
        client: Connected.
        ranges: UTC days.
        before: Moment (UTC) from which on nothing counts.
    """
    within, moments = _within(ranges)
    where = f"WHERE _deleted_at IS NULL AND created_at < ? AND ({within})"
    rows = list(_select(client, "COUNT(*)", where, before, *moments))
    return int(rows[0][0]) if rows else 0


def count_not_fetched(client: Client, ranges: Sequence[DateRange], since: datetime) -> int:
    """Return how many submissions of these ranges were not fetched since a moment, UTC."""
    where, parameters = _unseen(ranges, since)
    rows = list(_select(client, "COUNT(*)", where, *parameters))
    return int(rows[0][0]) if rows else 0


def ids_not_fetched(client: Client, ranges: Sequence[DateRange], since: datetime) -> list[str]:
    """Return the submissions of these ranges that were not fetched since a moment, UTC."""
    where, parameters = _unseen(ranges, since)
    return [row[0] for row in _select(client, "submission_id", where, *parameters)]


def filter_not_fetched(client: Client, submission_ids: Sequence[str], since: datetime) -> list[str]:
    """Return which of these submissions were not fetched since a moment, UTC."""
    where = "WHERE _deleted_at IS NULL AND _synced_at < ? AND submission_id = ANY(?)"
    found: list[str] = []
    for portion in key_batches(client, submission_ids):
        rows = _select(client, "submission_id", where, since, portion)
        found += [row[0] for row in rows]
    return found


def count_not_fetched_by_day(
    client: Client, ranges: Sequence[DateRange], since: datetime
) -> dict[date, int]:
    """Return how many submissions of these ranges were not fetched since a moment, by day."""
    where, parameters = _unseen(ranges, since)
    return _by_day(client, where, *parameters)


def count_fetched_by_day(client: Client, since: datetime) -> dict[date, int]:
    """Return how many submissions were fetched since a moment (UTC), by day of `created_at`."""
    return _by_day(client, "WHERE _deleted_at IS NULL AND _synced_at >= ?", since)


def submission_versions(client: Client, wanted: DateRange) -> Iterator[SubmissionVersion]:
    """Yield every submission created in a range."""
    within, moments = _within([wanted])
    columns = f"submission_id, {_DAY}, _content_hash, _deleted_at"
    for key, day, content_hash, deleted_at in _select(client, columns, f"WHERE {within}", *moments):
        yield SubmissionVersion(key, _date(day), content_hash, deleted_at is not None)


def mark_deleted(client: Client, submission_ids: Sequence[str], at: datetime) -> None:
    """Mark submissions as gone from the source; what is known of them stays.

    `_changed_at` moves too, so that models built on it see the deletion.
    """
    columns = ("_deleted_at", "_changed_at", "_synced_at")
    for portion in key_batches(client, submission_ids):
        _update(client, columns, at, "submission_id = ANY(?)", portion)


def mark_deleted_fetched(
    client: Client, ranges: Sequence[DateRange], since: datetime, at: datetime
) -> None:
    """Note that marked submissions of ranges that were read to their end are still gone."""
    within, moments = _within(ranges)
    condition = f"_deleted_at IS NOT NULL AND _synced_at < ? AND ({within})"
    _update(client, ("_synced_at",), at, condition, since, *moments)


def _open(sections: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Return the tables to join, by first letter, and what makes a submission open."""
    conditions = {
        ("kyc",): f"k.result IS NULL OR LOWER(k.result) NOT IN {_FINAL}",
        ("aml",): "LOWER(a.current_status) = 'red flag'",
        ("kyc", "aml"): "LOWER(k.result) = 'approved' AND LOWER(a.current_status) = 'not screened'",
    }
    kept = [
        f"({condition})"
        for needed, condition in conditions.items()
        if not sections or set(needed) <= set(sections)
    ]
    joins = tuple(name for name in ("kyc", "aml") if not sections or name in sections)
    return joins, " OR ".join(kept)


def _unseen(ranges: Sequence[DateRange], since: datetime) -> tuple[str, list[datetime]]:
    within, moments = _within(ranges)
    where = f"WHERE _deleted_at IS NULL AND _synced_at < ? AND created_at < ? AND ({within})"
    # What was created since has not been asked for.
    return where, [since, since, *moments]


def _within(ranges: Sequence[DateRange]) -> tuple[str, list[datetime]]:
    """Return a condition, with its parameters, that holds for what was created in the ranges."""
    conditions, moments = [], []
    for one in ranges:
        bounds = []
        if one.first:
            bounds.append("created_at >= ?")
            moments.append(_start(one.first))
        if one.last:
            bounds.append("created_at < ?")
            moments.append(_start(add_days(one.last, 1)))
        conditions.append("(" + (" AND ".join(bounds) or "1 = 1") + ")")
    return " OR ".join(conditions) or "1 = 0", moments


def _by_day(
    client: Client, where: str, *parameters: Any, joins: Sequence[str] = ()
) -> dict[date, int]:
    rows = _select(client, f"{_DAY}, COUNT(*)", f"{where} GROUP BY 1", *parameters, joins=joins)
    return {_date(day): int(number) for day, number in rows}


def _select(
    client: Client, columns: str, rest: str, *parameters: Any, joins: Sequence[str] = ()
) -> ResultRows:
    """Return rows about submissions `s`; none when there is no table yet."""
    joined = "".join(
        f" LEFT JOIN {name} AS {name[0]} ON {name[0]}.submission_id = s.submission_id"
        for name in joins
    )
    query = f"SELECT {columns} FROM {SUBMISSIONS} AS s{joined} {rest}"  # noqa: S608 names only
    return select(client, query, *parameters)


def _update(
    client: Client, columns: Sequence[str], at: datetime, condition: str, *parameters: Any
) -> None:
    """Set columns of submissions to a moment."""
    values = ", ".join(f"{name} = ?" for name in columns)
    query = f"UPDATE {SUBMISSIONS} SET {values} WHERE {condition}"  # noqa: S608 names only
    execute(client, query, *[at] * len(columns), *parameters)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _date(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value
