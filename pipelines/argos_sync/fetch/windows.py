"""Which days to ask for: pure calendar arithmetic over whole days."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from argos_sync.api import Query

EndDate = Literal["inclusive", "exclusive"]
"""How the server reads `end_date`; it is not documented (API page) and found out by a probe."""

_LONGEST_DAYS = 366
_LONGEST_UNKNOWN_DAYS = 31
_MOST_PAGES = 10
_RECENT = 8


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
            end = add_days(end, 1)
        return Query(start_date=self.start, end_date=end, request_type=section)


@dataclass(frozen=True, slots=True)
class DateRange:
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


ALL_DAYS = DateRange()


@dataclass(frozen=True, slots=True)
class DailyVolume:
    """How many submissions a day brings, as far as it is known.

    Attributes:
        counts: Submissions by day, where the warehouse already has some.
        recent: Days and submissions of the windows read last, newest last.
    """

    counts: Mapping[date, int] = field(default_factory=dict)
    recent: tuple[tuple[int, int], ...] = ()

    def on(self, day: date) -> float | None:
        """Return what a day is expected to bring; None when nothing is known yet."""
        if day in self.counts:
            return self.counts[day]
        if not self.recent:
            return None
        return sum(rows for _, rows in self.recent) / sum(days for days, _ in self.recent)

    def after(self, window: Window, rows: int) -> DailyVolume:
        """Return the pace once a window has been read."""
        if window.start is None or window.end is None:
            return self
        days = (window.end - window.start).days + 1
        return replace(self, recent=(*self.recent, (days, rows))[-_RECENT:])


def padded_window(wanted: DateRange) -> Window:
    """Return the server's days that surely hold a range of UTC days.

    The server's days may be UTC or Korean (API page), so a day more is asked for on either side,
    and the range then keeps the rows wanted.
    """
    first, last = wanted.first, wanted.last
    return Window(add_days(first, -1) if first else None, add_days(last, 1) if last else None)


def next_window(
    days: Window, pace: DailyVolume, today: date, workers: int, page_size: int
) -> tuple[Window, Window | None]:
    """Cut the next window off the days that are left, and return it with the rest.

    A fair share of what is left, so that all workers end at about the same time; but at least a
    page's worth, which joins quiet months, and at most some pages' worth, which splits busy days
    off. As long as nothing is known it is a share alone.

    Args:
        days: What is left to cut. Without a start it is one window: only its cursor divides it.
        pace: What days bring.
        today: Where open days are cut for the last time, UTC.
        workers: Windows that are read at once.
        page_size: Submissions a request brings.
    """
    if days.start is None:
        return days, None
    last = max(days.start, days.end or today)
    left = (last - days.start).days + 1
    share = math.ceil(left / (2 * workers))
    length, rows = 0, 0.0
    while length < min(left, _LONGEST_DAYS):
        expected = pace.on(add_days(days.start, length))
        rows += expected or 0.0
        if length and rows > page_size * _MOST_PAGES:
            break
        fair = share if expected is not None else min(share, _LONGEST_UNKNOWN_DAYS)
        if length >= fair and (expected is None or rows >= page_size):
            break
        length += 1
    if length >= left:
        return days, None
    first_left = add_days(days.start, length)
    return Window(days.start, add_days(first_left, -1)), Window(first_left, days.end)


def add_days(day: date, days: int) -> date:
    """Return a day some days away, or the calendar's own end."""
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))


def nightly_range(
    today: date, high_water_mark: datetime | None, lookback_days: int, first_day: date | None
) -> DateRange:
    """Return what a nightly sync reads: new rows, and the look-back window; open to the future.

    Args:
        today: The day in UTC.
        high_water_mark: Newest `created_at` of the last sync that finished; None before the first.
        lookback_days: Days that are read again because their submissions still change.
        first_day: Where the first sync begins; None is all history.
    """
    if high_water_mark is None:
        return DateRange(first_day)
    lookback = today - timedelta(days=lookback_days)
    first = min(high_water_mark.astimezone(UTC).date(), lookback)
    return DateRange(max(first, first_day) if first_day else first)
