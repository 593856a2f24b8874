"""Describe AML screening: open alerts, and how many submissions are flagged."""

from datetime import date

from argos_sync.load.sql import ResultRows
from argos_sync.report import charts
from argos_sync.report.charts import BLUE, GREY, ORANGE, VERMILLION
from argos_sync.report.formatting import format_count, format_share, pluralize, sum_counts
from argos_sync.report.section import Content, DataTable
from argos_sync.report.time_series import chart_by_period, split_implausible

_RISKS = {"high": VERMILLION, "medium": ORANGE, "low": BLUE, "other": GREY}


def describe_alerts(rows: ResultRows) -> Content:
    """Describe open alerts by risk level.

    A row has a risk level, its submissions with an open alert, matches, and age of the oldest in
    days.
    """
    counts = sum_counts((row[:3] for row in rows), _risk)
    levels = [level for level in _RISKS if level in counts]
    total, high = sum(row[0] for row in counts.values()), counts.get("high", [0])[0]
    ages = {level: max(int(row[3]) for row in rows if _risk(row[0]) == level) for level in levels}
    bars = [(level, {"": counts[level][0]}, format_count(counts[level][0])) for level in levels]
    return Content(
        f"{pluralize(total, 'submission has', 'submissions have')} an open red flag,"
        f" {format_count(high)} of high risk. The oldest red flag has been open for"
        f" {pluralize(max(ages.values()), 'day')}.",
        charts.bar_chart(bars, {"": VERMILLION}),
        DataTable(
            ("Risk", "Submissions", "Matches", "Oldest (days)"),
            [(level, *map(format_count, (*counts[level], ages[level]))) for level in levels],
        ),
        (format_count(total), "open AML alerts"),
    )


def describe_hit_rate(rows: ResultRows, today: date) -> Content:
    """Describe how many of the decided submissions have a red flag.

    A row has a week, its submissions decided, and those with a red flag by risk as in `_RISKS`.
    """
    rows, _, not_shown = split_implausible(rows, 0, slice(1, 2), today)
    if not rows:
        return Content(not_shown.strip())
    decided = sum(int(row[1]) for row in rows)
    by_risk = [(week, *counts) for week, _, *counts in rows]
    flagged = sum(int(number) for _, *counts in by_risk for number in counts)
    rate = format_share(flagged, decided)
    unit, chart, table = chart_by_period(by_risk, _RISKS, "red flags", "week")
    return Content(
        f"{format_count(flagged)} of {pluralize(decided, 'decided submission')}"
        f" {'has' if flagged == 1 else 'have'} a red flag ({rate}), by {unit} of creation."
        f"{not_shown}",
        chart,
        table,
        (rate, "of decided submissions have a red flag"),
    )


def _risk(level: object) -> str:
    risk = str(level).lower()
    return risk if risk in _RISKS else "other"
