"""What the report tells of argos-sync itself: how old the rows are, and how its runs went."""

from __future__ import annotations

from argos_sync.load.sql import ResultRows
from argos_sync.report import charts
from argos_sync.report.charts import BLUE, GREY, ORANGE, VERMILLION
from argos_sync.report.formatting import (
    NO_VALUE,
    format_count,
    format_duration,
    format_time,
    pluralize,
)
from argos_sync.report.section import Content, DataTable

_MOST_RUNS = 12

_AGES = ((0, "less than a day"), (1, "1 to 6 days"), (7, "7 to 13 days"), (14, "14 to 29 days"))
_OLD = (30, "30 days or more")
_OUTCOMES = {"ok": BLUE, "differs": ORANGE, "failed": VERMILLION, "unfinished": GREY}
_WELL = {"ok", "differs"}
"""Outcomes of runs that did what they were for: a look for differences may find some."""


def describe_staleness(rows: ResultRows, bound: int | None) -> Content:
    """Tell how long ago submissions were fetched.

    Args:
        rows: Whole days, submissions, and days since the very oldest was fetched.
        bound: Days within which every row is to be fetched again; None when there is none.
    """
    bands = [*_AGES, _OLD]
    sums = {words: 0 for _, words in bands}
    for days, number, _ in rows:
        sums[next(words for least, words in reversed(bands) if days >= least)] += int(number)
    oldest = float(rows[0][2])
    if bound is None:
        promise = "there is no bound, since the sweep is off"
    else:
        promise = (
            f"the bound of {pluralize(bound, 'day')} is {'' if oldest <= bound else 'not '}kept"
        )
    age = format_duration(86_400 * oldest)
    return Content(
        f"The submission that was fetched longest ago was fetched {age} ago; {promise}.",
        charts.bar_chart(
            [(words, {"": float(n)}, format_count(n)) for words, n in sums.items()], {"": BLUE}
        ),
        DataTable(
            ("Last fetched", "Submissions"), [(words, format_count(n)) for words, n in sums.items()]
        ),
        (age, "since the oldest row was fetched"),
    )


def describe_runs(rows: ResultRows) -> Content:
    """Tell how the last runs went.

    Args:
        rows: Command, beginning, seconds, outcome, exit code, kind of the error, and submissions
            fetched, new, changed and deleted; the newest first.
    """
    last = rows[:_MOST_RUNS]
    bars = [
        (
            f"{format_time(begun, '%m-%d %H:%M')} {command}",
            {str(outcome): float(seconds or 0)},
            _how(str(outcome), seconds),
        )
        for command, begun, seconds, outcome, *_ in last
    ]
    bad = sum(row[3] not in _WELL for row in last)
    seen = {str(row[3]) for row in last}
    said = "all of them ended well" if not bad else f"{format_count(bad)} of them did not end well"
    good = next((row for row in rows if row[3] in _WELL), None)
    return Content(
        f"How long the last {pluralize(len(last), 'run')} took, the newest first; {said}.",
        charts.bar_chart(bars, {one: colour for one, colour in _OUTCOMES.items() if one in seen}),
        DataTable(
            (
                *("Began (UTC)", "Command", "Took", "Outcome", "Exit code", "Error"),
                *("Fetched", "New", "Changed", "Deleted"),
            ),
            [
                (
                    format_time(begun),
                    str(command),
                    format_duration(seconds),
                    str(outcome),
                    NO_VALUE if code is None else f"{code}",
                    str(error or NO_VALUE),
                    *(format_count(one or 0) for one in counts),
                )
                for command, begun, seconds, outcome, code, error, *counts in rows
            ],
        ),
        (format_time(good[1]) if good else "never", "last good run (UTC)"),
    )


def _how(outcome: str, seconds: float | None) -> str:
    if outcome == "ok":
        return format_duration(seconds)
    return outcome if seconds is None else f"{outcome}, {format_duration(seconds)}"
