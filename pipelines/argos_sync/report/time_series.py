"""Count over time, by the unit of the period: few enough bars and points to tell apart."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from argos_sync.load.sql import ResultRows
from argos_sync.report.charts import Spec
from argos_sync.report.charts_over_time import Bar, stacked_bar_chart
from argos_sync.report.formatting import format_count
from argos_sync.report.scope import Scope, Unit
from argos_sync.report.section import DataTable

PARTIAL = "partial"
"""Word behind a unit that the period cuts off, or that is not over yet."""

HEADINGS = {"day": "Day", "week": "Week from", "month": "Month from"}


def split_periods(
    rows: ResultRows, scope: Scope
) -> tuple[list[Sequence[int]], list[tuple[date, Sequence[int]]]]:
    """Return the sums of counts in the period before, and the rows of the period.

    A row is a day and counts. The sums are one list, or none if there are no rows.
    """
    counted = [(day, [int(count or 0) for count in counts]) for day, *counts in rows]
    before = [counts for day, counts in counted if day not in scope.period]
    return [sum_columns(before)] if before else [], [
        (day, counts) for day, counts in counted if day in scope.period
    ]


def sum_columns(rows: Sequence[Sequence[int]]) -> list[int]:
    """Return the sum of each column; nothing of no rows."""
    return [sum(column) for column in zip(*rows, strict=True)]


def sum_by_unit(rows: Iterable[tuple[date, Sequence[int]]], scope: Scope) -> dict[Unit, list[int]]:
    """Return the sums of counts by unit of the period, in order; zeros where there are none."""
    counted = list(rows)
    width = len(counted[0][1]) if counted else 0
    sums = {unit: [0] * width for unit in scope.units}
    for day, counts in counted:
        unit = scope.unit_of(day)
        sums[unit] = [a + b for a, b in zip(sums[unit], counts, strict=True)]
    return sums


def chart_by_unit(
    rows: Iterable[tuple[date, Sequence[int]]],
    colours: Mapping[str, str],
    title: str,
    scope: Scope,
) -> tuple[Spec | None, DataTable]:
    """Return a chart and a table of counts by unit; no chart when all counts are zero.

    A row is a day and counts in the order of `colours`; `title` is the plural noun for what is
    counted.
    """
    sums = sum_by_unit(rows, scope)
    totals = sum_columns(list(sums.values()))
    used = {name: colours[name] for name, n in zip(colours, totals, strict=True) if n}
    bars = [
        Bar(unit.first, unit.end, dict(zip(colours, counts, strict=True)), unit.is_partial)
        for unit, counts in sums.items()
    ]
    chart = stacked_bar_chart(bars, used, f"{title} per {scope.unit}") if used else None
    table = DataTable(
        (HEADINGS[scope.unit], "All", *map(str.capitalize, colours)),
        [
            (label_unit(unit), *map(format_count, (sum(counts), *counts)))
            for unit, counts in reversed(sums.items())
        ],
    )
    return chart, table


def label_unit(unit: Unit) -> str:
    """Return the first day of a unit, and whether it is partial."""
    return f"{unit.first} ({PARTIAL})" if unit.is_partial else f"{unit.first}"


def describe_partial(scope: Scope, style: str) -> str:
    """Return a sentence about partial units, which a chart draws in a style; empty without any."""
    partial = sum(unit.is_partial for unit in scope.units)
    if not partial:
        return ""
    if partial == 1:
        return f" The partial {scope.unit} is {style}."
    return f" Partial {scope.unit}s are {style}."
