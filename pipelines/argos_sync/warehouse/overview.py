"""Summarize what a warehouse holds and how its last runs went, on every destination."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import median_low
from typing import Any

from argos_sync.fetch.clock import utc_now
from argos_sync.fetch.completeness import ReadMode
from argos_sync.load.compact import has_unfinished_erasure
from argos_sync.load.sql import SOURCE_DIALECT, Client, count_rows, select
from argos_sync.shape.contract import (
    CHECKS,
    ERASURES,
    ISSUES,
    QUARANTINE,
    RUNS,
    SUBMISSIONS,
    load_contract,
)
from argos_sync.warehouse.quarantine import TOO_MANY_UNREADABLE
from argos_sync.warehouse.rows import read_rows
from argos_sync.warehouse.submissions import latest_credible
from argos_sync.warehouse.views import STALENESS, load_views

LAST_RUNS = 5
"""Runs in an overview, unless more are asked for."""

_BRINGS_NEW_DATA = "command IN ('sync', 'backfill')"
"""Condition on commands whose success shows that new data arrives; others fetch only what they are
given."""

_IS_SYNC = "command = 'sync'"

UNREADABLE = "TooManyUnreadable"
"""`error` of a run that has received too many submissions it could not read (`run.quarantine`)."""

_NEWEST_FIRST = "CASE WHEN started_at > ? THEN 1 ELSE 0 END, started_at DESC"
"""Order of runs; those that a wrong clock dated in the future come last."""

_MAX_SKEW = timedelta(minutes=5)
"""How far the clocks of two machines may differ."""

_SYNCS_TO_COMPARE = 20
_FEWEST_SYNCS = 3
"""Syncs that it takes to say when the next one is expected."""

_MIN_INTERVAL = timedelta(hours=1)
"""Syncs that are no further apart count as one: somebody has started some of them by hand."""

_DAY = timedelta(days=1)

_OPEN_ISSUES = f"""
    WITH runs AS (
        SELECT
            run_id,
            command,
            started_at,
            COALESCE(
                ended_at,
                MIN(started_at) OVER (
                    ORDER BY started_at ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
                )
            ) AS over_at
        FROM {RUNS}
    ),
    successes AS (
        SELECT command, MAX(started_at) AS last_success
        FROM {RUNS} WHERE exit_status = 0 AND started_at <= ? GROUP BY command
    )
    SELECT table_name, problem, COUNT(*)
    FROM (
        SELECT DISTINCT i.table_name, i.problem, i.path, i.submission_id
        FROM {ISSUES} AS i
        LEFT JOIN {SUBMISSIONS} AS s ON s.submission_id = i.submission_id
        LEFT JOIN runs AS r ON r.run_id = i.run_id
        LEFT JOIN successes AS o ON o.command = r.command
        WHERE
            (
                i.submission_id IS NOT NULL
                AND (s._changed_at IS NULL OR r.over_at IS NULL OR s._changed_at <= r.over_at)
            )
            OR (
                i.submission_id IS NULL
                AND (i.table_name <> '{QUARANTINE}' OR i.problem = '{TOO_MANY_UNREADABLE}')
                AND r.started_at <= ?
                AND (o.last_success IS NULL OR o.last_success <= r.started_at)
            )
    ) AS open_issues
    GROUP BY table_name, problem
"""  # noqa: S608 names only
"""An issue of a submission is open until a later run loads another version of it, and one of a run
until that command succeeds. A killed run has no end; the next one begins after it."""

_QUARANTINED = f"""
    SELECT '{QUARANTINE}', reason, COUNT(*) FROM {QUARANTINE} GROUP BY reason
"""  # noqa: S608 names only


@dataclass(frozen=True, slots=True)
class Overview:
    """What `status` shows.

    Attributes:
        rows: Number of rows by table.
        completeness: How the last run that read lists read whole submissions; None before one.
        runs: The last runs, newest first, with the columns of `sync_runs`.
        unreadable: Whether the last sync or backfill has received too many submissions that could
            not be read. Then what the warehouse has is not the source's, however new it is.
        last_success: When the last successful sync or backfill began, UTC.
        last_sync: When the last successful sync began, UTC.
        sync_unreadable: The same as `unreadable`, of syncs alone.
        next_expected: When the next sync should begin, UTC: the last successful sync plus the
            median time between syncs; None before three that are more than an hour apart.
        issues: Number of open issues by table and problem, and of objects in quarantine by
            reason, most frequent first, after an erasure that a run could not finish.
        max_age_days: Days since the submission with the oldest `_synced_at` was fetched, without
            soft-deleted ones; None if there is none.
        checks: The last result of each check, with `last_failed_at`; failed ones first.
    """

    rows: dict[str, int]
    completeness: ReadMode | None
    runs: list[dict[str, Any]]
    unreadable: bool
    last_success: datetime | None
    last_sync: datetime | None
    sync_unreadable: bool
    next_expected: datetime | None
    issues: list[dict[str, Any]]
    max_age_days: float | None
    checks: list[dict[str, Any]]


def read_overview(
    client: Client, now: datetime | None = None, *, runs: int = LAST_RUNS
) -> Overview:
    """Read what `status` shows, with some last `runs`; missing tables count as empty.

    Times after `now`, by default the current time, are from a wrong clock. So they say nothing
    about how long ago a run succeeded, and sort before all others.
    """
    limit = (now or utc_now()) + _MAX_SKEW
    return Overview(
        rows={name: count_rows(client, name) for name in load_contract().tables},
        completeness=_completeness(client, limit),
        runs=_last_runs(client, limit, runs),
        unreadable=_is_unreadable(client, limit, _BRINGS_NEW_DATA),
        last_success=_last_success(client, limit, _BRINGS_NEW_DATA),
        last_sync=_last_success(client, limit, _IS_SYNC),
        sync_unreadable=_is_unreadable(client, limit, _IS_SYNC),
        next_expected=_next_expected(client, limit),
        issues=_issues(client, limit),
        max_age_days=_max_age_days(client),
        checks=_checks(client, limit),
    )


def newest_time(client: Client, now: datetime) -> datetime | None:
    """Return the latest time of a fetch or a run, UTC; None before the first.

    Times in the future are those of a clock that was set back. If they are further ahead than
    `latest_credible`, that clock was wrong, and they do not count.
    """
    limit = latest_credible(now)
    queries = [
        f"SELECT MAX({column}) FROM {table} WHERE {column} <= ?"  # noqa: S608 names
        for table, column in ((SUBMISSIONS, "_synced_at"), (RUNS, "started_at"), (RUNS, "ended_at"))
    ]
    times = [row[0] for query in queries for row in select(client, query, limit) if row[0]]
    return max(time.astimezone(UTC) for time in times) if times else None


def last_run_start(client: Client, before: datetime, command: str | None = None) -> datetime | None:
    """Return when the last run before a time (UTC) began, or the last success of a command."""
    succeeded = f" AND exit_status = 0 AND command = '{command}'" if command else ""
    query = f"SELECT MAX(started_at) FROM {RUNS} WHERE started_at < ?{succeeded}"  # noqa: S608 ours
    rows = select(client, query, before)
    return rows[0][0].astimezone(UTC) if rows and rows[0][0] else None


def requests_by_day(client: Client, now: datetime) -> Counter[date]:
    """Return the requests of all runs that may have sent some today or later, by UTC day."""
    where = "requests_by_day IS NOT NULL AND (ended_at IS NULL OR ended_at >= ?)"
    query = f"SELECT requests_by_day FROM {RUNS} WHERE {where}"  # noqa: S608 a name
    counts: Counter[date] = Counter()
    for (text,) in select(client, query, now - _DAY):
        by_day = json.loads(text) if isinstance(text, str) else text
        counts.update({date.fromisoformat(day): count for day, count in by_day.items()})
    return counts


def _last_runs(client: Client, limit: datetime, count: int) -> list[dict[str, Any]]:
    columns = [column.name for column in load_contract()[RUNS].columns]
    query = f"SELECT {', '.join(columns)} FROM {RUNS} ORDER BY {_NEWEST_FIRST} LIMIT {count}"  # noqa: S608 names
    runs = [dict(zip(columns, row, strict=True)) for row in select(client, query, limit)]
    for run in runs:
        if isinstance(by_day := run["requests_by_day"], str):  # DuckDB returns JSON as text
            run["requests_by_day"] = json.loads(by_day)
    return runs


def _completeness(client: Client, limit: datetime) -> ReadMode | None:
    where = f"completeness IS NOT NULL ORDER BY {_NEWEST_FIRST} LIMIT 1"
    rows = select(client, f"SELECT completeness FROM {RUNS} WHERE {where}", limit)  # noqa: S608 names
    return rows[0][0] if rows else None


def _last_success(client: Client, limit: datetime, commands: str) -> datetime | None:
    # A backfill that an earlier run has finished sends no request.
    where = f"exit_status = 0 AND requests > 0 AND {commands} AND started_at <= ?"
    rows = select(client, f"SELECT MAX(started_at) FROM {RUNS} WHERE {where}", limit)  # noqa: S608 names
    started_at: datetime | None = rows[0][0] if rows else None
    return started_at.astimezone(UTC) if started_at else None


def _is_unreadable(client: Client, limit: datetime, commands: str) -> bool:
    """Whether none of some commands has succeeded since one failed with `UNREADABLE`."""
    where = f"(exit_status = 0 OR error = '{UNREADABLE}') AND {commands}"
    query = f"SELECT error FROM {RUNS} WHERE {where} ORDER BY {_NEWEST_FIRST} LIMIT 1"  # noqa: S608 names
    rows = select(client, query, limit)
    return bool(rows) and rows[0][0] is not None


def _next_expected(client: Client, limit: datetime) -> datetime | None:
    where = f"exit_status = 0 AND {_IS_SYNC} AND started_at <= ?"
    query = f"SELECT started_at FROM {RUNS} WHERE {where} ORDER BY 1 DESC LIMIT {_SYNCS_TO_COMPARE}"  # noqa: S608 ours
    starts: list[datetime] = []
    for (started_at,) in select(client, query, limit):
        start = started_at.astimezone(UTC)
        if not starts or starts[-1] - start > _MIN_INTERVAL:
            starts.append(start)
    if len(starts) < _FEWEST_SYNCS:
        return None
    # The median ignores a night without a sync, and a sync that was started by hand.
    return starts[0] + median_low([later - earlier for later, earlier in pairwise(starts)])


def _checks(client: Client, limit: datetime) -> list[dict[str, Any]]:
    columns = ("checked_at", "check_name", "place", "passed", "found", "sample")
    last: dict[tuple[str, str], dict[str, Any]] = {}
    last_failed_at: dict[tuple[str, str], datetime] = {}
    rows = read_rows(client, CHECKS, columns)
    for row in sorted(rows, key=lambda row: (row[0] <= limit, row[0])):
        result = dict(zip(columns, row, strict=True))
        key = (result["check_name"], result["place"])
        last[key] = result
        if not result["passed"]:
            last_failed_at[key] = result["checked_at"]
    order = sorted(last, key=lambda key: (last[key]["passed"], key not in last_failed_at, key))
    return [last[key] | {"last_failed_at": last_failed_at.get(key)} for key in order]


def _issues(client: Client, limit: datetime) -> list[dict[str, Any]]:
    """Return the open issues by table and problem, and the objects in quarantine by reason."""
    rows = [*select(client, _OPEN_ISSUES, limit, limit), *select(client, _QUARANTINED)]
    rows.sort(key=lambda row: (-row[2], *row[:2]))
    if has_unfinished_erasure(client):
        rows.insert(0, (ERASURES, "erased values are still in the file; the next run ends this", 1))
    columns = ("table_name", "problem", "count")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _max_age_days(client: Client) -> float | None:
    """Query the view `staleness`, or its definition if the view does not exist yet."""
    rows = select(client, f"SELECT MAX(max_age_days) FROM {STALENESS}")  # noqa: S608 a name
    if not rows:
        (view,) = (view for view in load_views() if view.name == STALENESS)
        query = view.select.sql(dialect=SOURCE_DIALECT, comments=False)
        rows = select(client, f"SELECT MAX(max_age_days) FROM ({query}) AS ages")  # noqa: S608 ours
    return float(rows[0][0]) if rows and rows[0][0] is not None else None
