"""Group dates into days, weeks or months, few enough to tell apart in a chart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

_MAX_DAYS, _MAX_WEEKS = 62, 62
"""Longest range drawn in days, and in weeks; longer ranges are drawn in months."""


@dataclass(frozen=True, slots=True)
class Period:
    """Represent a day, week or month.

    Attributes:
        first: First day.
        end: Day after the last day.
    """

    first: date
    end: date


def choose_unit(days: Sequence[date], smallest: str = "day") -> str:
    """Return the unit that suits a range of dates: `day`, `week` or `month`.

    Args:
        days: Dates with data, in any order.
        smallest: Unit that each date stands for, `day` or `week`.
    """
    span = (max(days) - min(days)).days + 1 if days else 0
    if span <= _MAX_DAYS and smallest == "day":
        return "day"
    return "week" if span <= 7 * _MAX_WEEKS else "month"


def sum_by_period(
    rows: Iterable[tuple[date, Sequence[int]]], unit: str
) -> list[tuple[Period, tuple[int, ...]]]:
    """Add up counts by period, in chronological order, leaving out periods without rows.

    Args:
        rows: A date and its counts; all rows have the same number of counts.
        unit: `day`, `week` (from Monday) or `month`.
    """
    groups: dict[Period, list[Sequence[int]]] = defaultdict(list)
    for day, counts in rows:
        groups[_period_of(day, unit)].append(counts)
    return [
        (period, tuple(map(sum, zip(*groups[period], strict=True))))
        for period in sorted(groups, key=lambda period: period.first)
    ]


def _period_of(day: date, unit: str) -> Period:
    if unit == "day":
        return Period(day, day + timedelta(days=1))
    if unit == "week":
        monday = day - timedelta(days=day.weekday())
        return Period(monday, monday + timedelta(days=7))
    first = day.replace(day=1)
    return Period(first, (first + timedelta(days=31)).replace(day=1))
