"""Which days to ask the API for: calendar arithmetic over whole days, by pendulum.

`nightly_range` decides the recent days of a sync; `commands.sync` adds the older submissions that
`run.upkeep` chooses. `probe_end_date` finds out how the server reads `end_date`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Self

import pendulum

from argos_sync.api.errors import InvalidFormat, InvalidParameter
from argos_sync.api.query import Query
from argos_sync.shape.identity import Identity, identify

if TYPE_CHECKING:
    from argos_sync.api.client import ArgosClient

EndDate = Literal["inclusive", "exclusive"]
"""How the server reads `end_date`. The vendor does not document it; a probe finds it out."""

FIRST_PLAUSIBLE_DAY = date(2015, 1, 1)
"""The source is younger: submissions created before this day have a wrong date, and are few."""

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
        if self.start is None:
            return f"until {self.end}" if self.end else "all days"
        return f"{self.start} to {self.end or 'now'}"

    def query(self, end_date: EndDate | None) -> Query:
        """Return the API query for the window.

        While it is unknown how the server reads `end_date`, the query asks for one more day: rows
        that come twice are merged, rows that do not come are lost.
        """
        end = self.end
        if end is not None and end_date != "inclusive":
            # The calendar has no day after its last one, which must not be left out.
            end = add_days(end, 1) if end < date.max else None
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
class Stretch:
    """Days in a row that are each expected to bring as many submissions.

    None is not known. A stretch that `is_guess` may bring any number.
    """

    days: int
    expected: float | None
    is_guess: bool = False


@dataclass(frozen=True, slots=True)
class DailyVolume:
    """How many submissions a day is expected to bring.

    Attributes:
        counts: Submissions that the warehouse already has, by day.
        recent: Numbers of days and submissions of the windows read last, newest last. Their average
            is expected of all other days.
        read: Days that were read completely: those without a count are expected to stay empty.
    """

    counts: Mapping[date, int] = field(default_factory=dict)
    recent: tuple[tuple[int, int], ...] = ()
    read: DateRange | None = None

    @property
    def average(self) -> float | None:
        """Return the submissions per day of the windows read last; None before the first."""
        if not self.recent:
            return None
        return sum(rows for _, rows in self.recent) / sum(days for days, _ in self.recent)

    @property
    def longest(self) -> int:
        """Return how many days of unknown volume may be in one window.

        After empty windows each is twice as long as those before it, so that empty centuries cost
        few requests.
        """
        longest = 0 if self.average else 2 * max((days for days, _ in self.recent), default=0)
        return max(_LONGEST_DAYS, longest)

    def stretches(self, first: date, last: date, today: date) -> Iterator[Stretch]:
        """Yield the days of a range in order, as stretches.

        Implausible days without a count are expected to be empty.
        """
        begin, end = first.toordinal(), last.toordinal() + 1
        edges = {FIRST_PLAUSIBLE_DAY.toordinal(), today.toordinal() + 2}
        if self.read is not None:
            edges |= {self.read.first.toordinal()} if self.read.first else set()
            edges |= {self.read.last.toordinal() + 1} if self.read.last else set()
        for day in self.counts:
            if first <= day <= last:
                edges |= {day.toordinal(), day.toordinal() + 1}
        inside = sorted(edge for edge in edges if begin < edge < end)
        for start, following in pairwise([begin, *inside, end]):
            day, days = date.fromordinal(start), following - start
            if day in self.counts:
                yield Stretch(days, self.counts[day])
            elif not is_plausible(day, today) or (self.read and self.read.has_day(day)):
                yield Stretch(days, 0)
            else:
                yield Stretch(days, self.average, is_guess=True)

    def after(self, window: Window, rows: int, today: date) -> Self:
        """Return the volume updated with a window that has been read."""
        if window.start is None or window.end is None:
            return self
        stretches = self.stretches(window.start, window.end, today)
        # Empty centuries say nothing about the days to come.
        days = sum(one.days for one in stretches if one.is_guess or one.expected)
        if not days:
            return self
        return replace(self, recent=(*self.recent, (days, rows))[-_RECENT_WINDOWS:])


def is_plausible(day: date, today: date) -> bool:
    """Whether submissions may have been created on a day, in any time zone."""
    return FIRST_PLAUSIBLE_DAY <= day <= add_days(today, 1)


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
    the volume is unknown, only the share counts. Days that are expected to be empty do not count
    at all. Days without a start are one window, divided only by its cursor; open-ended days end
    with the UTC day `today`.
    """
    if days.start is None:
        return days, None
    last = max(days.start, days.end or today)
    stretches = [*volume.stretches(days.start, last, today)]
    filled = sum(one.days for one in stretches if one.expected != 0)
    # A worker that is alone needs no fair share.
    share = math.ceil(filled / (2 * workers)) if workers > 1 else filled
    length, counted, guesses, rows = 0, 0, 0, 0.0
    for stretch in stretches:
        expected = stretch.expected
        if expected is None:
            take: float = min(share, _LONGEST_UNKNOWN_DAYS) - counted
        else:
            to_least = _days_for(page_size * _MIN_PAGES - rows, expected)
            take = max(share - counted, to_least)
            if expected == 0 and take > 0:
                take = stretch.days
            elif expected:
                to_most = math.floor((page_size * _MAX_PAGES - rows) / expected)
                take = min(take, max(to_most, 0 if rows else 1))
        if stretch.is_guess:
            take = min(take, volume.longest - guesses)
            guesses += stretch.days
        number = int(max(0, min(take, stretch.days)))
        length, rows = length + number, rows + number * (expected or 0.0)
        counted += number if expected != 0 else 0
        if number < stretch.days:
            break
    else:
        return days, None
    first_remaining = add_days(days.start, length)
    return Window(days.start, add_days(first_remaining, -1)), Window(first_remaining, days.end)


def _days_for(rows: float, expected: float) -> float:
    """Return after how many days so many submissions are expected."""
    if rows <= 0:
        return 0
    return math.ceil(rows / expected) if expected else math.inf


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


async def probe_end_date(client: "ArgosClient", section: str | None = None) -> EndDate | None:
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


async def _first_submission(client: "ArgosClient", query: Query) -> Identity | None:
    async for page in client.first_pages(query):
        for item in page.items:
            if isinstance(identity := identify(item), Identity):
                return identity
    return None
