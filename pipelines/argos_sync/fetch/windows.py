"""Which days to ask the API for: calendar arithmetic over whole days, by pendulum.

`nightly_range` decides the recent days of a sync; `commands.sync` adds the older submissions that
`run.upkeep` chooses. `probe_end_date` finds out how the server reads `end_date`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Self

import pendulum

from argos_sync.api import ArgosClient, Query
from argos_sync.api.errors import InvalidFormat, InvalidParameter
from argos_sync.shape.identity import Identity, identify

EndDate = Literal["inclusive", "exclusive"]
"""How the server reads `end_date`. The vendor does not document it; a probe finds it out."""

_LONGEST_DAYS = 366
_LONGEST_UNKNOWN_DAYS = 31
_MIN_PAGES = 5
_MAX_PAGES = 10
_RECENT_WINDOWS = 8


@dataclass(frozen=True, slots=True)
class Window:
    """Whole days of `created_at`, in the server's time zone, read in one walk.

    Both ends are included. No start is the beginning of all history, and no end is open-ended.
    """

    start: date | None = None
    end: date | None = None

    @property
    def label(self) -> str:
        """Return the days as text for people."""
        return f"{self.start or 'the beginning'} to {self.end or 'now'}"

    def query(self, end_date: EndDate | None) -> Query:
        """Return the API query for the window.

        While it is unknown how the server reads `end_date`, the query asks for one more day: rows
        that come twice are merged, rows that do not come are lost.
        """
        end = self.end
        if end is not None and end_date != "inclusive":
            end = add_days(end, 1)
        return Query(start_date=self.start, end_date=end)


@dataclass(frozen=True, slots=True)
class DateRange:
    """Days of `created_at` to keep, UTC, both ends included; None is the beginning or the end."""

    first: date | None = None
    last: date | None = None

    def __contains__(self, created_at: datetime) -> bool:
        """Whether a submission created at this moment is in the range."""
        return self.has_day(day_of(created_at))

    def has_day(self, day: date) -> bool:
        """Whether a UTC day is in the range."""
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


ALL_DAYS = DateRange()


@dataclass(frozen=True, slots=True)
class DailyVolume:
    """How many submissions a day is expected to bring.

    That is the number the warehouse already has, or the average of the windows read last. Of these,
    `recent` has the numbers of days and submissions, newest last.
    """

    counts: Mapping[date, int] = field(default_factory=dict)
    recent: tuple[tuple[int, int], ...] = ()

    def on(self, day: date) -> float | None:
        """Return the expected number of submissions; None while nothing is known."""
        if day in self.counts:
            return self.counts[day]
        if not self.recent:
            return None
        return sum(rows for _, rows in self.recent) / sum(days for days, _ in self.recent)

    def after(self, window: Window, rows: int) -> Self:
        """Return the volume updated with a window that has been read."""
        if window.start is None or window.end is None:
            return self
        days = (window.end - window.start).days + 1
        return replace(self, recent=(*self.recent, (days, rows))[-_RECENT_WINDOWS:])


def padded_window(days: DateRange) -> Window:
    """Return the window of server days that covers a range of UTC days.

    The server's days may be UTC or Korean (the vendor does not say), so the window has one more day
    on either side; the range then drops the extra rows.
    """
    first, last = days.first, days.last
    return Window(add_days(first, -1) if first else None, add_days(last, 1) if last else None)


def next_window(
    days: Window, volume: DailyVolume, today: date, workers: int, page_size: int
) -> tuple[Window, Window | None]:
    """Cut the next window off the remaining days; return it and the rest.

    A window is a fair share of the remaining days, so that all workers finish at about the same
    time. It covers at least `_MIN_PAGES` pages of submissions, which joins quiet months and keeps
    last pages, which are not full, few; and at most `_MAX_PAGES`, which splits off busy days. While
    the volume is unknown, only the share counts. Days without a start are one window, divided only
    by its cursor; open-ended days end with the UTC day `today`.
    """
    if days.start is None:
        return days, None
    last = max(days.start, days.end or today)
    remaining = (last - days.start).days + 1
    # A worker that is alone needs no fair share.
    share = math.ceil(remaining / (2 * workers)) if workers > 1 else remaining
    length, rows = 0, 0.0
    while length < min(remaining, _LONGEST_DAYS):
        # Not `add_days`: a backfill of decades asks for each of its days.
        expected = volume.on(days.start + timedelta(days=length))
        more = rows + (expected or 0.0)
        if length and more > page_size * _MAX_PAGES:
            break
        fair = share if expected is not None else min(share, _LONGEST_UNKNOWN_DAYS)
        if length >= fair and (expected is None or rows >= page_size * _MIN_PAGES):
            break
        length, rows = length + 1, more
    if length >= remaining:
        return days, None
    first_remaining = add_days(days.start, length)
    return Window(days.start, add_days(first_remaining, -1)), Window(first_remaining, days.end)


def add_days(day: date, days: int) -> date:
    """Return the day that is `days` days later, or the end of the calendar."""
    try:
        return pendulum.date(day.year, day.month, day.day).add(days=days)
    except (OverflowError, ValueError):
        return date.max if days > 0 else date.min


def day_of(moment: datetime) -> date:
    """Return the UTC day of a moment."""
    # Not by pendulum: this is asked of every submission, and a night would take a quarter longer.
    return moment.astimezone(UTC).date()


def nightly_range(
    today: date, high_water_mark: datetime | None, lookback_days: int, first_day: date | None
) -> DateRange:
    """Return the recent days of a nightly sync: new submissions and the look-back window.

    The range has no end, so that a `created_at` in the future is read too. The first sync, which
    has no high-water mark yet, begins with `first_day`; None is all history.
    """
    if high_water_mark is None:
        return DateRange(first_day)
    first = min(day_of(high_water_mark), add_days(today, -lookback_days))
    return DateRange(max(first, first_day) if first_day else first)


async def probe_end_date(client: ArgosClient, section: str | None = None) -> EndDate | None:
    """Find out whether the server includes `end_date`.

    The probe asks for a single day that has a submission, from that day to that day: rows come only
    if the end is included. It costs two requests with most servers. The server's days may be UTC or
    Korean, so the next day is tried too.

    The client should ask for a single row per page. The section has to contain `created_at`; None
    asks for all sections. Returns None if there is no submission to find out with.
    """
    sample = await _first_submission(client, Query(request_type=section))
    if sample is None:
        return None
    day = sample.created_at.date()
    try:
        for candidate in (day, add_days(day, 1)):
            one_day = Query(start_date=candidate, end_date=candidate, request_type=section)
            if await _first_submission(client, one_day) is not None:
                return "inclusive"
    except (InvalidParameter, InvalidFormat):
        pass  # a server that excludes the end may reject an empty range
    return "exclusive"


async def _first_submission(client: ArgosClient, query: Query) -> Identity | None:
    async for page in client.first_pages(query):
        for item in page.items:
            if isinstance(identity := identify(item), Identity):
                return identity
    return None
