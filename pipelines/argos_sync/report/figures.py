"""Hold key figures of the period, and compare them with the period before."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from argos_sync.report.formatting import (
    NO_BREAK_SPACE,
    NO_VALUE,
    format_count,
    format_duration,
    format_share,
)

Kind = Literal["count", "share", "seconds", "age"]

_FORMATS: Mapping[Kind, Callable[[float], str]] = {
    "count": format_count,
    "share": lambda share: format_share(share, 1),
    "seconds": format_duration,
    "age": lambda seconds: f"{format_duration(seconds)} ago",
}
_DECIMAL_BELOW = 10
_SMALLEST_CHANGE = 0.05
"""Smallest change worth an arrow, in percent or percentage points: others would be shown as 0.0."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Hold a key figure.

    Attributes:
        key: Name in the summary.
        label: Name on the page.
        kind: What the value is: a count, a share from 0 to 1, seconds, or an age in seconds.
        value: Value in the period; None if there is nothing to count.
        before: Value in the period before, or None.
    """

    key: str
    label: str
    kind: Kind
    value: float | None
    before: float | None = None

    @property
    def text(self) -> str:
        """Return the value as text."""
        return NO_VALUE if self.value is None else _FORMATS[self.kind](self.value)

    @property
    def before_text(self) -> str:
        """Return the value in the period before as text."""
        return NO_VALUE if self.before is None else _FORMATS[self.kind](self.before)

    @property
    def direction(self) -> str:
        """Return `up`, `down` or `unchanged`, compared with the period before."""
        change = self._change or 0
        if abs(change) < _SMALLEST_CHANGE:
            return "unchanged"
        return "up" if change > 0 else "down"

    @property
    def change(self) -> str:
        """Return the size of the change as text; empty if there is nothing to compare."""
        if self._change is None:
            return ""
        unit = "points" if self.kind == "share" else "%"
        size = abs(self._change)
        return f"{size:,.{int(size < _DECIMAL_BELOW)}f}{NO_BREAK_SPACE}{unit}"

    @property
    def _change(self) -> float | None:
        """Return the change in percentage points of a share, or else in percent."""
        if self.value is None or self.before is None:
            return None
        if self.kind == "share":
            return 100 * (self.value - self.before)
        return 100 * (self.value / self.before - 1) if self.before > 0 else None


def ratio(part: float, whole: float) -> float | None:
    """Return a share from 0 to 1; None of nothing."""
    return part / whole if whole else None
