"""Chart and tabulate counts over time."""

from __future__ import annotations

from argos_sync.load.sql import ResultRows
from argos_sync.report import charts
from argos_sync.report.charts import Spec
from argos_sync.report.formatting import format_count
from argos_sync.report.periods import Period, choose_unit, sum_by_period
from argos_sync.report.section import DataTable


def chart_by_period(
    rows: ResultRows, colours: dict[str, str], title: str, smallest: str = "day"
) -> tuple[str, Spec | None, DataTable]:
    """Add up counts by a period that fits the chart.

    Args:
        rows: Date and counts.
        colours: Colour by name of the count, in the order of the counts.
        title: Plural noun for what is counted.
        smallest: Unit that the date of a row stands for, `day` or `week`.

    Returns:
        The unit of time, a chart unless all counts are zero, and the table.
    """
    unit = choose_unit([row[0] for row in rows], smallest)
    sums = sum_by_period(((day, [int(n) for n in counts]) for day, *counts in rows), unit)
    totals = [sum(column) for column in zip(*(counts for _, counts in sums), strict=True)]
    used = {name: colours[name] for name, n in zip(colours, totals, strict=True) if n}
    bars = [
        (period.first, period.end, dict(zip(colours, map(float, counts), strict=True)))
        for period, counts in sums
    ]
    chart = charts.stacked_bar_chart(bars, used, f"{title} per {unit}") if used else None
    heading = {"day": "Day", "week": "Week from", "month": "Month"}[unit]
    table = DataTable(
        (heading, "All", *map(str.capitalize, colours)),
        [
            (_format_period(period, unit), format_count(sum(counts)), *map(format_count, counts))
            for period, counts in reversed(sums)
        ],
    )
    return unit, chart, table


def _format_period(period: Period, unit: str) -> str:
    return f"{period.first:%Y-%m}" if unit == "month" else f"{period.first}"
