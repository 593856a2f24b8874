"""Counts over time: what is drawn of them, and what is written."""

from __future__ import annotations

from argos_sync.load.sql import ResultRows
from argos_sync.report import charts
from argos_sync.report.charts import Spec
from argos_sync.report.formatting import format_count
from argos_sync.report.periods import Period, choose_period, sum_by_period
from argos_sync.report.section import DataTable


def chart_by_period(
    rows: ResultRows, colours: dict[str, str], what: str, smallest: str = "day"
) -> tuple[str, Spec | None, DataTable]:
    """Put days or weeks together to what can be drawn.

    Args:
        rows: Day and counts.
        colours: Of the counts, in their order.
        what: Is counted.
        smallest: What a day of the rows stands for.

    Returns:
        The unit of time, a chart unless all counts are zero, and the numbers.
    """
    period = choose_period([row[0] for row in rows], smallest)
    sums = sum_by_period(((day, [int(one) for one in counts]) for day, *counts in rows), period)
    totals = [sum(column) for column in zip(*(counts for _, counts in sums), strict=True)]
    used = {part: colours[part] for part, n in zip(colours, totals, strict=True) if n}
    drawn = [
        (one.first, one.end, dict(zip(colours, map(float, counts), strict=True)))
        for one, counts in sums
    ]
    chart = charts.stacked_bar_chart(drawn, used, f"{what} a {period}") if used else None
    named = {"day": "Day", "week": "Week from", "month": "Month"}[period]
    numbers = DataTable(
        (named, "All", *map(str.capitalize, colours)),
        [
            (_written(one, period), format_count(sum(counts)), *map(format_count, counts))
            for one, counts in reversed(sums)
        ],
    )
    return period, chart, numbers


def _written(period: Period, unit: str) -> str:
    return f"{period.first:%Y-%m}" if unit == "month" else f"{period.first}"
