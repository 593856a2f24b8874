"""Read and mark the submissions that a warehouse holds, by day and by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from argos_sync.fetch.windows import DateRange
from argos_sync.load.sql import Client, execute, key_batches
from argos_sync.shape.contract import SUBMISSIONS
from argos_sync.warehouse.submission_queries import (
    CREATED_DAY,
    count_by_day,
    created_in,
    select_submissions,
    to_date,
)

_MAX_HASHES = 100_000
"""About 30 MB in the fetch process."""


@dataclass(frozen=True, slots=True)
class DayStats:
    """Submissions created on a day, including soft-deleted ones.

    Attributes:
        day: Day of `created_at`, UTC.
        rows: Number of submissions.
        oldest_fetch: When the submission with the oldest `_synced_at` was fetched, UTC.
    """

    day: date
    rows: int
    oldest_fetch: datetime


@dataclass(frozen=True, slots=True)
class SubmissionVersion:
    """The values of a submission that reconcile compares.

    Attributes:
        submission_id: Its id.
        day: Day of `created_at`, UTC.
        content_hash: Hash of the version in the warehouse.
        deleted: Whether it is soft-deleted.
    """

    submission_id: str
    day: date
    content_hash: str
    deleted: bool


def stored_days(client: Client) -> list[DayStats]:
    """Return the days on which the warehouse has submissions, in order."""
    columns = f"{CREATED_DAY}, COUNT(*), MIN(_synced_at)"
    rows = select_submissions(client, columns, "GROUP BY 1 ORDER BY 1")
    return [
        DayStats(to_date(day), int(count), oldest.astimezone(UTC)) for day, count, oldest in rows
    ]


def content_hashes(
    client: Client, ranges: Sequence[DateRange], submission_ids: Sequence[str] = ()
) -> dict[str, str]:
    """Return content hashes by submission id, without soft-deleted submissions.

    Args:
        client: dlt's SQL client, connected.
        ranges: Days of `created_at` (UTC) of the submissions.
        submission_ids: More submissions, whenever they were created.

    Returns:
        The hashes; empty if there are too many to keep in memory.
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
    """Return how many submissions were created in these ranges, without soft-deleted ones.

    Args:
        client: dlt's SQL client, connected.
        ranges: Days of `created_at`, UTC.
        before: Time (UTC) from which on submissions are not counted.
    """
    in_ranges, parameters = created_in(ranges)
    where = f"WHERE _deleted_at IS NULL AND created_at < ? AND ({in_ranges})"
    rows = list(select_submissions(client, "COUNT(*)", where, before, *parameters))
    return int(rows[0][0]) if rows else 0


def count_not_fetched(client: Client, ranges: Sequence[DateRange], since: datetime) -> int:
    """Return how many submissions of these ranges were not fetched since a time, UTC."""
    where, parameters = _not_fetched(ranges, since)
    rows = list(select_submissions(client, "COUNT(*)", where, *parameters))
    return int(rows[0][0]) if rows else 0


def ids_not_fetched(client: Client, ranges: Sequence[DateRange], since: datetime) -> list[str]:
    """Return the ids of these ranges' submissions that were not fetched since a time, UTC."""
    where, parameters = _not_fetched(ranges, since)
    return [row[0] for row in select_submissions(client, "submission_id", where, *parameters)]


def filter_not_fetched(client: Client, submission_ids: Sequence[str], since: datetime) -> list[str]:
    """Return those of these submissions that were not fetched since a time, UTC."""
    where = "WHERE _deleted_at IS NULL AND _synced_at < ? AND submission_id = ANY(?)"
    not_fetched: list[str] = []
    for batch in key_batches(client, submission_ids):
        rows = select_submissions(client, "submission_id", where, since, batch)
        not_fetched += [row[0] for row in rows]
    return not_fetched


def count_not_fetched_by_day(
    client: Client, ranges: Sequence[DateRange], since: datetime
) -> dict[date, int]:
    """Return how many submissions of these ranges were not fetched since a time, by day."""
    where, parameters = _not_fetched(ranges, since)
    return count_by_day(client, where, *parameters)


def count_fetched_by_day(client: Client, since: datetime) -> dict[date, int]:
    """Return how many submissions were fetched since a time (UTC), by day of `created_at`."""
    return count_by_day(client, "WHERE _deleted_at IS NULL AND _synced_at >= ?", since)


def submission_versions(client: Client, days: DateRange) -> Iterator[SubmissionVersion]:
    """Yield every submission created in a range of days (UTC), including soft-deleted ones."""
    in_range, parameters = created_in([days])
    columns = f"submission_id, {CREATED_DAY}, _content_hash, _deleted_at"
    rows = select_submissions(client, columns, f"WHERE {in_range}", *parameters)
    for submission_id, day, content_hash, deleted_at in rows:
        yield SubmissionVersion(submission_id, to_date(day), content_hash, deleted_at is not None)


def mark_deleted(client: Client, submission_ids: Sequence[str], at: datetime) -> None:
    """Soft-delete submissions that the source no longer has; their rows stay.

    `_changed_at` is set, too, so that models built on it see the deletion.
    """
    columns = ("_deleted_at", "_changed_at", "_synced_at")
    for batch in key_batches(client, submission_ids):
        _set_timestamps(client, columns, at, "submission_id = ANY(?)", batch)


def mark_tombstones_fetched(
    client: Client, ranges: Sequence[DateRange], since: datetime, at: datetime
) -> None:
    """Set `_synced_at` of soft-deleted submissions in ranges that were read completely.

    Args:
        client: dlt's SQL client, connected.
        ranges: Days of `created_at` (UTC) that were read to their end.
        since: When reading began, UTC.
        at: The new value.
    """
    in_ranges, parameters = created_in(ranges)
    condition = f"_deleted_at IS NOT NULL AND _synced_at < ? AND ({in_ranges})"
    _set_timestamps(client, ("_synced_at",), at, condition, since, *parameters)


def _not_fetched(ranges: Sequence[DateRange], since: datetime) -> tuple[str, list[datetime]]:
    """Return a WHERE clause, and its parameters, for submissions not fetched since a time.

    Submissions created since then do not count: the source may have listed them too late.
    """
    in_ranges, parameters = created_in(ranges)
    where = f"WHERE _deleted_at IS NULL AND _synced_at < ? AND created_at < ? AND ({in_ranges})"
    return where, [since, since, *parameters]


def _set_timestamps(
    client: Client, columns: Sequence[str], at: datetime, condition: str, *parameters: Any
) -> None:
    """Set timestamp columns of the submissions that meet a condition."""
    assignments = ", ".join(f"{name} = ?" for name in columns)
    query = f"UPDATE {SUBMISSIONS} SET {assignments} WHERE {condition}"  # noqa: S608 names only
    execute(client, query, *[at] * len(columns), *parameters)
