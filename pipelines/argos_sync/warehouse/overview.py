"""What the warehouse holds and how its last runs went, on every destination."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median_low
from typing import Any

from argos_sync.load.sql import SOURCE_DIALECT, Client, select
from argos_sync.shape.contract import CHECKS, ISSUES, RUNS, load_contract
from argos_sync.warehouse.rows import read_rows
from argos_sync.warehouse.views import STALENESS, load_views

_LAST_RUNS = 5

_BRING_NEW = ("sync", "backfill")
"""Commands whose success says that data keeps coming; others touch what is asked for."""

_NIGHTS = 8
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Overview:
    """What `status` tells.

    Attributes:
        rows: Rows by table.
        runs: The last runs, newest first, with the columns of `sync_runs`.
        last_success: When the last sync or backfill that succeeded began, UTC.
        next_expected: When a sync is to begin next, UTC: the usual time between those that
            succeeded after the last of them, or a day while there are less than three.
        issues: Issues by table and problem, most frequent first.
        max_age_days: Days since the submission that was fetched longest ago was; None when there
            is none, not counting those gone from the source.
        checks: What each check found last, with `last_failed_at`; those that failed first.
    """

    rows: dict[str, int]
    runs: list[dict[str, Any]]
    last_success: datetime | None
    next_expected: datetime | None
    issues: list[dict[str, Any]]
    max_age_days: float | None
    checks: list[dict[str, Any]]


def read_overview(client: Client) -> Overview:
    """Read what `status` tells; tables that do not exist yet count as empty."""
    run_columns = [column.name for column in load_contract()[RUNS].columns]
    return Overview(
        rows={name: count_rows(client, name) for name in load_contract().tables},
        runs=_last_runs(client, run_columns),
        last_success=_last_success(client),
        next_expected=_next_expected(client),
        issues=_issues(client),
        max_age_days=_max_age_days(client),
        checks=_checks(client),
    )


def count_rows(client: Client, table: str) -> int:
    """Return how many rows a table has; 0 when it does not exist yet."""
    rows = select(client, f"SELECT COUNT(*) FROM {table}")  # noqa: S608 a name
    return int(rows[0][0]) if rows else 0


def _last_runs(client: Client, columns: list[str]) -> list[dict[str, Any]]:
    query = f"SELECT {', '.join(columns)} FROM {RUNS} ORDER BY started_at DESC LIMIT {_LAST_RUNS}"  # noqa: S608 names
    return [dict(zip(columns, row, strict=True)) for row in select(client, query)]


def _last_success(client: Client) -> datetime | None:
    counted = ", ".join(f"'{name}'" for name in _BRING_NEW)
    # A backfill that was finished before asks for nothing.
    where = f"exit_status = 0 AND requests > 0 AND command IN ({counted})"
    rows = select(client, f"SELECT MAX(started_at) FROM {RUNS} WHERE {where}")  # noqa: S608 names
    moment: datetime | None = rows[0][0] if rows else None
    return moment.astimezone(UTC) if moment else None


def _next_expected(client: Client) -> datetime | None:
    where = f"exit_status = 0 AND command = 'sync' ORDER BY 1 DESC LIMIT {_NIGHTS}"
    rows = select(client, f"SELECT started_at FROM {RUNS} WHERE {where}")  # noqa: S608 ours
    begun = [row[0].astimezone(UTC) for row in rows]
    # A median, so that a night that was left out or a run by hand changes nothing.
    between = [later - earlier for later, earlier in pairwise(begun)]
    usual = median_low(between) if len(between) > 1 else _DAY
    return begun[0] + usual if begun else None


def _checks(client: Client) -> list[dict[str, Any]]:
    columns = ("checked_at", "check_name", "place", "passed", "found", "sample")
    last: dict[tuple[str, str], dict[str, Any]] = {}
    failed: dict[tuple[str, str], datetime] = {}
    for row in sorted(read_rows(client, CHECKS, columns), key=lambda row: row[0]):
        found = dict(zip(columns, row, strict=True))
        key = (found["check_name"], found["place"])
        last[key] = found
        if not found["passed"]:
            failed[key] = found["checked_at"]
    order = sorted(last, key=lambda key: (last[key]["passed"], key not in failed, key))
    return [last[key] | {"last_failed_at": failed.get(key)} for key in order]


def _issues(client: Client) -> list[dict[str, Any]]:
    columns = ("table_name", "problem")
    names = ", ".join(columns)
    query = f"SELECT {names}, COUNT(*) FROM {ISSUES} GROUP BY {names} ORDER BY 3 DESC, 1, 2"  # noqa: S608 names
    return [dict(zip((*columns, "count"), row, strict=True)) for row in select(client, query)]


def _max_age_days(client: Client) -> float | None:
    """Ask the view, or the table in the view's own words when the view is not there yet."""
    rows = select(client, f"SELECT MAX(max_age_days) FROM {STALENESS}")  # noqa: S608 a name
    if not rows:
        (view,) = (view for view in load_views() if view.name == STALENESS)
        query = view.select.sql(dialect=SOURCE_DIALECT, comments=False)
        rows = select(client, f"SELECT MAX(max_age_days) FROM ({query}) AS found")  # noqa: S608 ours
    return float(rows[0][0]) if rows and rows[0][0] is not None else None
