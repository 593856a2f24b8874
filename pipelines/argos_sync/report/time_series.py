"""Chart and tabulate counts over time, by day, week or month: few enough to tell apart."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

import pendulum

from argos_sync.fetch.windows import FIRST_PLAUSIBLE_DAY, add_days, is_plausible
from argos_sync.load.sql import ResultRows
from argos_sync.report import charts
from argos_sync.report.charts import Spec
from argos_sync.report.formatting import format_count, pluralize
from argos_sync.report.section import DataTable

_MAX_DAYS, _MAX_WEEKS = 62, 62
"""Longest range drawn in days, and in weeks; longer ranges are drawn in months."""

_MAX_DAYS_AHEAD = 366
"""Later dates are wrong. Dates until then are drawn, for the clock may be wrong instead."""


def chart_by_period(
    rows: ResultRows, colours: dict[str, str], title: str, smallest: str = "day"
) -> tuple[str, Spec | None, DataTable]:
    """Return a unit of time, and a chart and a table of counts by that unit.

    A row is a date, which stands for a unit `smallest`, and counts in the order of `colours`.
    `title` is the plural noun for what is counted. There is no chart when all counts are zero.
    """
    unit = choose_unit([row[0] for row in rows], smallest)
    sums = sum_by_period(((day, [int(n) for n in counts]) for day, *counts in rows), unit)
    totals = [sum(column) for column in zip(*(counts for *_, counts in sums), strict=True)]
    used = {name: colours[name] for name, n in zip(colours, totals, strict=True) if n}
    bars = [(first, end, dict(zip(colours, counts, strict=True))) for first, end, counts in sums]
    chart = charts.stacked_bar_chart(bars, used, f"{title} per {unit}") if used else None
    heading = {"day": "Day", "week": "Week from", "month": "Month"}[unit]
    pattern = "%Y-%m" if unit == "month" else "%Y-%m-%d"
    table = DataTable(
        (heading, "All", *map(str.capitalize, colours)),
        [
            (f"{first:{pattern}}", *map(format_count, (sum(counts), *counts)))
            for first, _, counts in reversed(sums)
        ],
    )
    return unit, chart, table


def split_implausible(
    rows: ResultRows, day: int, counts: slice, today: date
) -> tuple[ResultRows, int, str]:
    """Return the rows to draw, how many submissions the others count, and a sentence about those.

    A chart from year 1 to 9999 would show nothing. `day` and `counts` are positions in a row; the
    sentence is empty if all rows are drawn.
    """
    last = add_days(today, _MAX_DAYS_AHEAD)
    drawn = [row for row in rows if is_plausible(row[day], last)]
    outside = [row for row in rows if not is_plausible(row[day], last)]
    number = sum(int(count) for row in outside for count in row[counts])
    if not number:
        return drawn, 0, ""
    dates = f"before {FIRST_PLAUSIBLE_DAY} or after {last}"
    are = pluralize(number, "submission is", "submissions are")
    return drawn, number, f" {are} not shown, with a date {dates}."


def choose_unit(days: Sequence[date], smallest: str = "day") -> str:
    """Return the unit that suits dates: `day`, `week` or `month`, but none below `smallest`."""
    span = (max(days) - min(days)).days + 1
    if span <= _MAX_DAYS and smallest == "day":
        return "day"
    return "week" if span <= 7 * _MAX_WEEKS else "month"


def sum_by_period(
    rows: Iterable[tuple[date, Sequence[int]]], unit: str
) -> list[tuple[date, date, tuple[int, ...]]]:
    """Return the first day of each period with rows, the day after its last, and its counts.

    All rows have the same number of counts. Weeks begin on Monday.
    """
    groups: dict[tuple[date, date], list[Sequence[int]]] = defaultdict(list)
    for day, counts in rows:
        first = pendulum.date(day.year, day.month, day.day).start_of(unit)
        groups[first, first.add(**{f"{unit}s": 1})].append(counts)
    return [(*days, tuple(map(sum, zip(*groups[days], strict=True)))) for days in sorted(groups)]
