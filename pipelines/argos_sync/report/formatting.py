"""Format values of the warehouse as text for a reader."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
NO_VALUE = "\N{EN DASH}"
"""Text for a missing value."""

_DECIMAL_BELOW = 10
_UNITS = ((48 * 3600, 86400, "days"), (3600, 3600, "h"), (60, 60, "min"), (0, 1, "s"))
"""Smallest duration in seconds that uses a unit, seconds per unit, and the unit's symbol."""

_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
"""Control characters, and those that change the direction of text (Unicode's Bidi_Control)."""


def format_code(value: Any, default: str) -> str:
    """Format a code, replacing invisible characters, or a missing or empty one as `default`."""
    text = _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", str(value or "")).strip()
    return text or default


def format_count(number: float) -> str:
    """Format a count with thousands separators."""
    return f"{number:,.0f}"


def format_share(part: float, whole: float) -> str:
    """Format a share as a percentage, with one decimal near 0 % and 100 %."""
    if not whole:
        return NO_VALUE
    percent = 100 * part / whole
    near_an_end = 0 < min(percent, 100 - percent) < _DECIMAL_BELOW
    return f"{percent:.{int(near_an_end)}f}{NO_BREAK_SPACE}%"


def pluralize(number: int, singular: str, plural: str | None = None) -> str:
    """Format a number with its noun, in the singular or the plural."""
    return f"{format_count(number)} {singular if number == 1 else plural or singular + 's'}"


def format_hours(value: float | None) -> str:
    """Format a duration given in hours."""
    return NO_VALUE if value is None else format_duration(3600 * value)


def format_duration(seconds: float | None) -> str:
    """Format a duration in the largest suitable unit."""
    if seconds is None:
        return NO_VALUE
    if seconds < 0:
        return f"\N{MINUS SIGN}{format_duration(-seconds)}"
    size, unit = next((size, unit) for smallest, size, unit in _UNITS if seconds >= smallest)
    number = seconds / size
    return f"{number:,.{int(number < _DECIMAL_BELOW)}f}{NO_BREAK_SPACE}{unit}"


def format_time(value: datetime | None, pattern: str = "%Y-%m-%d %H:%M") -> str:
    """Format a timestamp in UTC."""
    return NO_VALUE if value is None else f"{value.astimezone(UTC):{pattern}}"


def sum_counts(rows: Iterable[Sequence[Any]], key: Callable[[Any], str]) -> dict[str, list[int]]:
    """Add up the counts of rows with the same label: `key` of a row's first value."""
    sums: dict[str, list[int]] = {}
    for value, *counts in rows:
        label = key(value)
        before = sums.get(label, [0] * len(counts))
        sums[label] = [a + int(b or 0) for a, b in zip(before, counts, strict=True)]
    return sums
