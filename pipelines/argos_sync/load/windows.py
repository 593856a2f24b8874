"""Which days to ask for: pure calendar arithmetic over whole days."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from argos_sync.api import Query

EndDate = Literal["inclusive", "exclusive"]
"""How the server reads `end_date`; it is not documented (API page) and found out by a probe."""

_ONE_DAY = timedelta(days=1)
_LONGEST_DAYS = 31
_MOST_WINDOWS = 120


@dataclass(frozen=True, slots=True)
class Window:
    """Whole days of `created_at`, in the server's own time zone, asked for in one walk.

    Attributes:
        start: First day; None is the beginning of all history.
        end: Last day, included; None is open.
    """

    start: date | None = None
    end: date | None = None

    @property
    def label(self) -> str:
        """The days, for people."""
        return f"{self.start or 'the beginning'} to {self.end or 'now'}"

    def query(self, end_date: EndDate | None, section: str | None = None) -> Query:
        """Return what to ask the API for.

        Args:
            end_date: How the server reads `end_date`. When it is not known, a day more is asked
                for: rows that come twice are merged, rows that do not come are lost.
            section: `request_type`; None for all sections in one request.
        """
        end = self.end
        if end is not None and end_date != "inclusive":
            end = shifted(end, 1)
        return Query(start_date=self.start, end_date=end, request_type=section)


@dataclass(frozen=True, slots=True)
class Range:
    """Moments of `created_at` to keep, UTC.

    Attributes:
        first: First day; None keeps everything from the beginning.
        last: Last day, included; None keeps everything to the end.
    """

    first: date | None = None
    last: date | None = None

    def __contains__(self, created_at: datetime) -> bool:
        """Whether a submission created then is in the range."""
        day = created_at.astimezone(UTC).date()
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)


def plan_windows(wanted: Range, today: date) -> list[Window]:
    """Cut a range into windows that together surely hold all of it, oldest first.

    The server's days may be UTC or Korean (API page): a day more is asked for on either side of
    the whole range, and `Range` then keeps the rows wanted. Between windows nothing is doubled.

    Args:
        wanted: Days in UTC. Without a first day one window holds all history; without a last day
            the last window is open.
        today: Where an open range is cut for the last time, UTC.
    """
    if wanted.first is None:
        return [Window(None, shifted(wanted.last, 1) if wanted.last else None)]
    start = shifted(wanted.first, -1)
    end = max(start, shifted(wanted.last, 1) if wanted.last else today)
    days = (end - start).days + 1
    length = max(_LONGEST_DAYS, math.ceil(days / _MOST_WINDOWS))
    firsts = [start + timedelta(days=offset) for offset in range(0, days, length)]
    lasts = [first - _ONE_DAY for first in firsts[1:]]
    return list(map(Window, firsts, [*lasts, end if wanted.last else None]))


def shifted(day: date, days: int) -> date:
    """Return a day some days away, or the calendar's own end."""
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))


def nightly_range(
    today: date, high_water_mark: datetime | None, lookback_days: int, first_day: date | None
) -> Range:
    """Return what a nightly sync reads: new rows, and the look-back window; open to the future.

    Args:
        today: The day in UTC.
        high_water_mark: Newest `created_at` of the last sync that finished; None before the first.
        lookback_days: Days that are read again because their submissions still change.
        first_day: Where the first sync begins; None is all history.
    """
    if high_water_mark is None:
        return Range(first_day)
    lookback = today - timedelta(days=lookback_days)
    first = min(high_water_mark.astimezone(UTC).date(), lookback)
    return Range(max(first, first_day) if first_day else first)
