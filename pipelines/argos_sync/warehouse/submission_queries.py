"""Build and run the queries over `submissions` that this room's modules share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from argos_sync.fetch.windows import DateRange, add_days
from argos_sync.load.sql import Client, ResultRows, select
from argos_sync.shape.contract import SUBMISSIONS

CREATED_DAY = "UTC_DAY(created_at)"
"""The UTC day of `created_at`, in the SQL of `load.sql`."""

HAS_CHANGED = "submission_id IN (SELECT submission_id FROM changed)"
"""Condition on rows of changed submissions, for the queries of `select_changed`."""


def select_submissions(
    client: Client, columns: str, clauses: str, *parameters: Any, joins: Sequence[str] = ()
) -> ResultRows:
    """Return columns of submissions; no rows if the table does not exist yet.

    Args:
        client: dlt's SQL client, connected.
        columns: Expressions to select, separated by commas.
        clauses: Everything after FROM and JOIN.
        parameters: One for each `?`.
        joins: Tables to join by `submission_id`; the alias of each is its first letter, and that of
            submissions is `s`.
    """
    joined = "".join(
        f" LEFT JOIN {name} AS {name[0]} ON {name[0]}.submission_id = s.submission_id"
        for name in joins
    )
    query = f"SELECT {columns} FROM {SUBMISSIONS} AS s{joined} {clauses}"  # noqa: S608 names only
    return select(client, query, *parameters)


def select_changed(client: Client, query: str, since: datetime | None) -> ResultRows:
    """Return the rows of a query that may use `HAS_CHANGED` as a condition.

    The changed submissions are selected once, however often the query uses the condition.

    Args:
        client: dlt's SQL client, connected.
        query: Query, which does not use the condition if `since` is None.
        since: Time (UTC) since which submissions have changed.
    """
    if since is None:
        return select(client, query)
    changed = f"SELECT submission_id FROM {SUBMISSIONS} WHERE _changed_at > ?"  # noqa: S608 a name
    return select(client, f"WITH changed AS ({changed}) {query}", since)


def count_by_day(
    client: Client, where: str, *parameters: Any, joins: Sequence[str] = ()
) -> dict[date, int]:
    """Return how many submissions meet a WHERE clause, by UTC day of `created_at`."""
    columns, clauses = f"{CREATED_DAY}, COUNT(*)", f"{where} GROUP BY 1"
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
        if days.last:
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
