"""Describe argos-sync itself: the age of the rows and the outcome of its runs."""

from argos_sync.load.sql import ResultRows
from argos_sync.report.charts import BLUE, GREY, ORANGE, VERMILLION, bar_chart
from argos_sync.report.figures import Figure
from argos_sync.report.formatting import (
    NO_VALUE,
    format_count,
    format_duration,
    format_time,
    pluralize,
)
from argos_sync.report.scope import Scope
from argos_sync.report.section import Content, DataTable

_MAX_RUNS = 9

_AGE_BANDS = (
    (0, "less than a day"),
    (1, "1 to 6 days"),
    (7, "7 to 13 days"),
    (14, "14 to 29 days"),
    (30, "30 days or more"),
)
"""Smallest age in days of each band, and its label."""

_OUTCOMES = {"ok": BLUE, "differs": ORANGE, "failed": VERMILLION, "unfinished": GREY}
_GOOD_OUTCOMES = {"ok", "differs"}
"""Outcomes of successful runs; `reconcile --dry-run` succeeds when it finds a difference."""


def describe_staleness(rows: ResultRows, scope: Scope) -> Content:
    """Describe how long ago submissions were last fetched.

    A row has an age in whole days, its number of submissions, and the exact age of the oldest row
    in days.
    """
    bound = scope.bound
    sums = {label: 0 for _, label in _AGE_BANDS}
    for days, number, _ in rows:
        label = next(label for start, label in reversed(_AGE_BANDS) if days >= start)
        sums[label] += int(number)
    oldest = float(rows[0][2])
    if bound is None:
        verdict = "There is no limit, because the sweep is off (sweep_days is 0)."
    else:
        comparison = "within" if oldest <= bound else "over"
        verdict = f"That is {comparison} the limit of {pluralize(bound, 'day')} (sweep_days)."
    age = format_duration(86_400 * oldest)
    counts = {label: format_count(number) for label, number in sums.items()}
    return Content(
        f"The oldest row was fetched {age} ago. {verdict}",
        bar_chart([(one, {"": sums[one]}, counts[one]) for one in sums], {"": BLUE}),
        DataTable(("Last fetched", "Submissions"), [*counts.items()]),
        (
            Figure("oldest_data_seconds", "Oldest data", "seconds", 86_400 * oldest),
            Figure("all_submissions", "Submissions in all", "count", sum(sums.values())),
        ),
    )


def describe_runs(rows: ResultRows, scope: Scope) -> Content:
    """Describe the duration and outcome of the latest runs.

    A row has a command, its start time, seconds, outcome, exit code, kind of error, and submissions
    fetched, new, changed and deleted; the newest comes first.
    """
    latest = rows[:_MAX_RUNS]
    last_good = next((row for row in rows if row[3] in _GOOD_OUTCOMES), None)
    age = max((scope.now - last_good[1]).total_seconds(), 0) if last_good else None
    failed = sum(row[3] == "failed" for row in rows)
    figures = (
        Figure("last_success_age_seconds", "Last successful run", "age", age),
        Figure("failed_runs", f"Failed runs (of {len(rows)})", "count", failed),
    )
    bars = [
        (
            f"{format_time(started, '%m-%d %H:%M')} {command}",
            {str(outcome): float(seconds or 0)},
            _bar_text(str(outcome), seconds),
        )
        for command, started, seconds, outcome, *_ in latest
    ]
    if len(bars) == 1:
        return Content(f"One so far: {bars[0][0]}, {latest[0][3]}.", figures=figures)
    failures = sum(row[3] not in _GOOD_OUTCOMES for row in latest)
    verdict = f"{failures} of them did not succeed." if failures else "All of them succeeded."
    outcomes = {str(row[3]) for row in latest}
    return Content(
        f"Duration of the last {len(latest)} runs, newest first. {verdict}",
        bar_chart(bars, {name: one for name, one in _OUTCOMES.items() if name in outcomes}),
        DataTable(
            (
                *("Started (UTC)", "Command", "Duration", "Outcome", "Exit code", "Error"),
                *("Fetched", "New", "Changed", "Deleted"),
            ),
            [
                (
                    format_time(started),
                    str(command),
                    format_duration(seconds),
                    str(outcome),
                    NO_VALUE if code is None else f"{code}",
                    str(error or NO_VALUE),
                    *(format_count(number or 0) for number in counts),
                )
                for command, started, seconds, outcome, code, error, *counts in rows
            ],
        ),
        figures,
    )


def _bar_text(outcome: str, seconds: float | None) -> str:
    if outcome == "ok":
        return format_duration(seconds)
    return outcome if seconds is None else f"{outcome}, {format_duration(seconds)}"
