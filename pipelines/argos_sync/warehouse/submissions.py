"""Read and mark the submissions that a warehouse holds, by day and by id.

A range of days is about `created_at`, UTC.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from argos_sync.fetch.windows import DateRange, add_days
from argos_sync.load.sql import (
    Client,
    ResultRows,
    execute,
    key_batches,
    select,
    tables_exist,
    transaction,
)
from argos_sync.shape.contract import HISTORY, SUBMISSIONS

_CREATED_DAY = "UTC_DAY(created_at)"
"""The UTC day of `created_at`, in the SQL of `load.sql`."""

_OUTSIDE = "(_synced_at < ? OR _synced_at > ?)"
"""Condition on submissions that were not fetched in a period."""

HAS_CHANGED = "submission_id IN (SELECT submission_id FROM changed)"
"""Condition on rows of changed submissions, for the queries of `select_changed`."""

_MAX_AHEAD = timedelta(days=1)

_MAX_HASHES = 100_000
"""About 30 MB in the fetch process."""


@dataclass(frozen=True, slots=True)
class Period:
    """The time from the start of a run until now, UTC.

    A run begins after all that the warehouse knows, so exactly the submissions whose `_synced_at`
    is in the period were fetched by the run. Later times are from a run whose clock was wrong.
    """

    since: datetime
    until: datetime

    def __contains__(self, moment: datetime) -> bool:
        """Whether a time is in the period."""
        return self.since <= moment.astimezone(UTC) <= self.until


@dataclass(frozen=True, slots=True)
class DayStats:
    """Submissions created on a UTC day, with soft-deleted ones, and their oldest `_synced_at`."""

    day: date
    rows: int
    oldest_fetch: datetime


@dataclass(frozen=True, slots=True)
class SubmissionVersion:
    """The values of a submission that reconcile compares; `day` is the UTC day of `created_at`."""

    submission_id: str
    day: date
    content_hash: str
    deleted: bool


def latest_credible(now: datetime) -> datetime:
    """Return the latest time that a clock may have written that was only set back since.

    A later one was written by a clock that was wrong, and says nothing.
    """
    try:
        return now + _MAX_AHEAD
    except OverflowError:  # the clock is wrong now
        return now


def stored_days(client: Client) -> list[DayStats]:
    """Return the days on which the warehouse has submissions, in order."""
    columns = f"{_CREATED_DAY}, COUNT(*), MIN(_synced_at)"
    rows = select_submissions(client, columns, "GROUP BY 1 ORDER BY 1")
    return [
        DayStats(to_date(day), int(count), oldest.astimezone(UTC)) for day, count, oldest in rows
    ]


def content_hashes(
    client: Client, ranges: Sequence[DateRange], submission_ids: Sequence[str] = ()
) -> dict[str, str]:
    """Return content hashes by submission id, without soft-deleted submissions.

    These are the submissions of the ranges, and others named by id. The result is empty if there
    are too many hashes to keep in memory.
    """
    in_ranges, parameters = created_in(ranges)
    where = f"WHERE _deleted_at IS NULL AND ({in_ranges}) LIMIT {_MAX_HASHES + 1}"
    columns = "submission_id, _content_hash"
    rows = [*select_submissions(client, columns, where, *parameters)] if ranges else []
    for batch in key_batches(client, submission_ids):
        by_id = "WHERE _deleted_at IS NULL AND submission_id = ANY(?)"
        rows += select_submissions(client, columns, by_id, batch)
    return {row[0]: row[1] for row in rows} if len(rows) <= _MAX_HASHES else {}


def count_submissions(client: Client, ranges: Sequence[DateRange], before: datetime) -> int:
    """Return how many submissions of these ranges were created before a time, UTC.

    Soft-deleted ones do not count.
    """
    in_ranges, parameters = created_in(ranges)
    where = f"WHERE _deleted_at IS NULL AND created_at < ? AND ({in_ranges})"
    return sum(count_by_day(client, where, before, *parameters).values())


def count_all_submissions(client: Client) -> int:
    """Return how many submissions the warehouse has, with soft-deleted ones."""
    return sum(int(count) for (count,) in select_submissions(client, "COUNT(*)", ""))


def ids_not_fetched(client: Client, ranges: Sequence[DateRange], period: Period) -> list[str]:
    """Return the ids of these ranges' submissions that were not fetched in a period."""
    where, parameters = _not_fetched(ranges, period)
    return [row[0] for row in select_submissions(client, "submission_id", where, *parameters)]


def filter_not_fetched(client: Client, submission_ids: Sequence[str], period: Period) -> list[str]:
    """Return those of these submissions that were not fetched in a period."""
    where = f"WHERE _deleted_at IS NULL AND {_OUTSIDE} AND submission_id = ANY(?)"
    bounds = (period.since, period.until)
    return [
        row[0]
        for batch in key_batches(client, submission_ids)
        for row in select_submissions(client, "submission_id", where, *bounds, batch)
    ]


def count_not_fetched_by_day(
    client: Client, ranges: Sequence[DateRange], period: Period
) -> dict[date, int]:
    """Return how many submissions of these ranges were not fetched in a period, by day."""
    where, parameters = _not_fetched(ranges, period)
    return count_by_day(client, where, *parameters)


def count_fetched_by_day(client: Client, period: Period) -> dict[date, int]:
    """Return how many submissions were fetched in a period, by day of `created_at`."""
    where = "WHERE _deleted_at IS NULL AND _synced_at >= ? AND _synced_at <= ?"
    return count_by_day(client, where, period.since, period.until)


def recently_fetched_ids(client: Client, number: int) -> list[str]:
    """Return the ids of some submissions, those fetched last, without soft-deleted ones."""
    order = f"ORDER BY _synced_at DESC, created_at DESC LIMIT {number}"
    rows = select_submissions(client, "submission_id", f"WHERE _deleted_at IS NULL {order}")
    return [row[0] for row in rows]


def submission_versions(client: Client, days: DateRange) -> Iterator[SubmissionVersion]:
    """Yield every submission of a range, including soft-deleted ones."""
    in_range, parameters = created_in([days])
    columns = f"submission_id, {_CREATED_DAY}, _content_hash, _deleted_at"
    rows = select_submissions(client, columns, f"WHERE {in_range}", *parameters)
    for submission_id, day, content_hash, deleted_at in rows:
        yield SubmissionVersion(submission_id, to_date(day), content_hash, deleted_at is not None)


def mark_deleted(client: Client, submission_ids: Sequence[str], at: datetime) -> None:
    """Soft-delete submissions that the source no longer has; their rows stay.

    `_changed_at` is set, too, so that models built on it see the deletion, and the last period of
    the status history ends.
    """
    assignments = "_deleted_at = ?, _changed_at = ?, _synced_at = ?"
    query = f"UPDATE {SUBMISSIONS} SET {assignments} WHERE submission_id = ANY(?)"  # noqa: S608 names only
    is_current = "valid_to IS NULL AND submission_id = ANY(?)"
    # A period ends later than it begins, even if the clock was set back.
    end = "GREATEST(MOMENT(?), valid_from + INTERVAL '1' MICROSECOND)"
    ended = f"UPDATE {HISTORY} SET valid_to = {end} WHERE {is_current}"  # noqa: S608 names only
    has_history = bool(submission_ids) and tables_exist(client, [HISTORY])
    with transaction(client):
        for batch in key_batches(client, submission_ids):
            execute(client, query, at, at, at, batch)
            if has_history:
                execute(client, ended, at, batch)


def ids_deleted_before(client: Client, before: datetime) -> list[str]:
    """Return the ids of submissions that were marked as deleted until a time, UTC; in order."""
    where = "WHERE _deleted_at <= ? ORDER BY 1"
    return [row[0] for row in select_submissions(client, "submission_id", where, before)]


def mark_tombstones_fetched(client: Client, ranges: Sequence[DateRange], period: Period) -> None:
    """Set `_synced_at` of soft-deleted submissions in ranges that were read completely."""
    in_ranges, parameters = created_in(ranges)
    condition = f"_deleted_at IS NOT NULL AND {_OUTSIDE} AND ({in_ranges})"
    query = f"UPDATE {SUBMISSIONS} SET _synced_at = ? WHERE {condition}"  # noqa: S608 names only
    execute(client, query, period.until, period.since, period.until, *parameters)


def select_submissions(
    client: Client, columns: str, clauses: str, *parameters: Any, joins: Sequence[str] = ()
) -> ResultRows:
    """Return columns of submissions; no rows if the table does not exist yet.

    `clauses` is everything after FROM and JOIN. Each table of `joins` is joined by `submission_id`;
    its alias is its first letter, and that of submissions is `s`.
    """
    joined = "".join(
        f" LEFT JOIN {name} AS {name[0]} ON {name[0]}.submission_id = s.submission_id"
        for name in joins
    )
    query = f"SELECT {columns} FROM {SUBMISSIONS} AS s{joined} {clauses}"  # noqa: S608 names only
    return select(client, query, *parameters)


def select_changed(client: Client, query: str, since: datetime | None) -> ResultRows:
    """Return the rows of a query about the submissions that have changed since a time, UTC.

    They are selected once, however often the query uses the condition `HAS_CHANGED`. A query about
    all submissions (None) does not use it.
    """
    if since is None:
        return select(client, query)
    changed = f"SELECT submission_id FROM {SUBMISSIONS} WHERE _changed_at > ?"  # noqa: S608 a name
    return select(client, f"WITH changed AS ({changed}) {query}", since)


def count_by_day(
    client: Client, where: str, *parameters: Any, joins: Sequence[str] = ()
) -> dict[date, int]:
    """Return how many submissions meet a WHERE clause, by UTC day of `created_at`."""
    columns, clauses = f"{_CREATED_DAY}, COUNT(*)", f"{where} GROUP BY 1"
    rows = select_submissions(client, columns, clauses, *parameters, joins=joins)
    return {to_date(day): int(count) for day, count in rows}


def created_in(ranges: Sequence[DateRange]) -> tuple[str, list[datetime]]:
    """Return a condition, and its parameters, for submissions created in any of the ranges."""
    conditions, parameters = [], []
    for days in ranges:
        bounds = []
        if days.first:
            bounds.append("created_at >= ?")
            parameters.append(midnight(days.first))
        if days.last and days.last < date.max:
            bounds.append("created_at < ?")
            parameters.append(midnight(add_days(days.last, 1)))
        conditions.append("(" + (" AND ".join(bounds) or "1 = 1") + ")")
    return " OR ".join(conditions) or "1 = 0", parameters


def midnight(day: date) -> datetime:
    """Return the beginning of a UTC day."""
    return datetime.combine(day, time(), UTC)


def to_date(value: date | datetime) -> date:
    """Return a day as a date; some drivers return a datetime."""
    return value.date() if isinstance(value, datetime) else value


def _not_fetched(ranges: Sequence[DateRange], period: Period) -> tuple[str, list[datetime]]:
    """Return a WHERE clause, and its parameters, for submissions not fetched in a period.

    Submissions created since its start do not count: the source may have listed them too late.
    """
    in_ranges, parameters = created_in(ranges)
    where = f"WHERE _deleted_at IS NULL AND {_OUTSIDE} AND created_at < ? AND ({in_ranges})"
    return where, [period.since, period.until, period.since, *parameters]
