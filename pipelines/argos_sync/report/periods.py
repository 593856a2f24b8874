"""Time in pieces: days, weeks or months, whichever are few enough to be told apart in a chart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

_DAYS, _WEEKS = 62, 62
"""How many days, and else how many weeks, are drawn at most; longer times are drawn in months."""


@dataclass(frozen=True, slots=True)
class Period:
    """A piece of time.

    Attributes:
        first: Its first day.
        end: The day after its last.
    """

    first: date
    end: date


def choose_period(days: Sequence[date], smallest: str = "day") -> str:
    """Return the pieces that these days are best drawn in: `day`, `week` or `month`.

    Args:
        days: When there was something, in any order.
        smallest: What the days stand for themselves, `day` or `week`.
    """
    span = (max(days) - min(days)).days + 1 if days else 0
    if span <= _DAYS and smallest == "day":
        return "day"
    return "week" if span <= 7 * _WEEKS else "month"


def sum_by_period(
    rows: Iterable[tuple[date, Sequence[int]]], period: str
) -> list[tuple[Period, tuple[int, ...]]]:
    """Add up counts by period, in order of time; periods without rows are not there.

    Args:
        rows: A day and its counts, of which all rows have as many.
        period: `day`, `week` (from Monday) or `month`.
    """
    groups: dict[Period, list[Sequence[int]]] = defaultdict(list)
    for day, counts in rows:
        groups[_around(day, period)].append(counts)
    return [
        (one, tuple(map(sum, zip(*groups[one], strict=True))))
        for one in sorted(groups, key=lambda one: one.first)
    ]


def _around(day: date, period: str) -> Period:
    if period == "day":
        return Period(day, day + timedelta(days=1))
    if period == "week":
        monday = day - timedelta(days=day.weekday())
        return Period(monday, monday + timedelta(days=7))
    first = day.replace(day=1)
    return Period(first, (first + timedelta(days=31)).replace(day=1))
