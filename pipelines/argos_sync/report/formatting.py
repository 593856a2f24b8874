"""How values of the warehouse are written for a person, whatever is in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
NO_VALUE = "\N{EN DASH}"
"""Written where there is no value."""

_TENTHS_BELOW = 10
_UNITS = ((48 * 3600, 86400, "days"), (3600, 3600, "h"), (60, 60, "min"), (0, 1, "s"))
"""From how many seconds on a unit is used, how many it has, and how it is written."""

_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
"""Characters that are not seen, or that turn the text around them (Unicode's Bidi_Control)."""


def format_code(value: Any, unnamed: str) -> str:
    """Return a code as it is shown: what cannot be seen in it is marked.

    Args:
        value: As the warehouse has it.
        unnamed: What stands for none.
    """
    shown = _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", str(value or "")).strip()
    return shown or unnamed


def format_count(number: float) -> str:
    """Write a number of things."""
    return f"{number:,.0f}"


def format_share(part: float, whole: float) -> str:
    """Write what share of the whole a part is."""
    if not whole:
        return NO_VALUE
    percent = 100 * part / whole
    near_an_end = 0 < min(percent, 100 - percent) < _TENTHS_BELOW
    return f"{percent:.{int(near_an_end)}f}{NO_BREAK_SPACE}%"


def format_score(value: float | None) -> str:
    """Write the average of a score."""
    return NO_VALUE if value is None else f"{value:.1f}"


def pluralize(number: int, one: str, many: str | None = None) -> str:
    """Write a number and what it counts."""
    return f"{format_count(number)} {one if number == 1 else many or one + 's'}"


def format_hours(value: float | None) -> str:
    """Write a time that is told in hours."""
    return NO_VALUE if value is None else format_duration(3600 * value)


def format_duration(seconds: float | None) -> str:
    """Write a time in the unit that suits it."""
    if seconds is None:
        return NO_VALUE
    if seconds < 0:
        return f"\N{MINUS SIGN}{format_duration(-seconds)}"
    size, unit = next((size, unit) for least, size, unit in _UNITS if seconds >= least)
    number = seconds / size
    return f"{number:,.{int(number < _TENTHS_BELOW)}f}{NO_BREAK_SPACE}{unit}"


def format_time(value: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """Write a moment, UTC."""
    return NO_VALUE if value is None else f"{value.astimezone(UTC):{form}}"


def sum_counts(rows: Iterable[Sequence[Any]], key: Callable[[Any], str]) -> dict[str, list[int]]:
    """Add up counts of rows that are the same for a person.

    Args:
        rows: A value and its counts.
        key: What a value is for a person.
    """
    sums: dict[str, list[int]] = {}
    for value, *counts in rows:
        known = sums.setdefault(key(value), [0] * len(counts))
        known[:] = [a + int(b or 0) for a, b in zip(known, counts, strict=True)]
    return sums
