"""Windows: whole days that cover a range, each of them once."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argos_sync.api.query import Query
from argos_sync.fetch.windows import (
    ALL_DAYS,
    DailyVolume,
    DateRange,
    EndDate,
    Window,
    next_window,
    nightly_range,
    padded_window,
)

TODAY = date(2025, 6, 15)
UNKNOWN = DailyVolume()
DAYS = st.dates(date(2015, 1, 1), date(2030, 12, 31))
ANY_DAY = st.dates() | DAYS | st.sampled_from([date.min, date.max])


def cut(days: DateRange, volume: DailyVolume = UNKNOWN, workers: int = 4) -> list[Window]:
    """Return all windows of a range, cut with a constant volume."""
    rest: Window | None = padded_window(days)
    windows = []
    while rest is not None:
        window, rest = next_window(rest, volume, TODAY, workers, page_size=500)
        windows.append(window)
    return windows


def lengths(windows: list[Window]) -> list[int]:
    """Return the number of days of each window."""
    return [(w.end - w.start).days + 1 for w in windows if w.start and w.end]


@settings(deadline=None)
@given(DAYS, st.integers(0, 1000), st.sampled_from([0, 3, 400, 90_000, None]), st.integers(1, 16))
def test_windows_cover_the_range_and_one_more_day_on_either_side(
    first: date, length: int, rows_per_day: int | None, workers: int
) -> None:
    """No day is missing and none is in two windows, whatever the volume."""
    last = first + timedelta(days=length)
    volume = UNKNOWN if rows_per_day is None else DailyVolume(recent=((1, rows_per_day),))
    windows = cut(DateRange(first, last), volume, workers)
    starts = [window.start for window in windows]
    ends = [window.end for window in windows]
    assert (starts[0], ends[-1]) == (first - timedelta(days=1), last + timedelta(days=1))
    assert starts[1:] == [end + timedelta(days=1) for end in ends[:-1] if end]
    assert all(days >= 1 for days in lengths(windows))


@settings(deadline=None)
@given(
    st.tuples(ANY_DAY, ANY_DAY).map(sorted),
    st.builds(
        DailyVolume,
        st.dictionaries(ANY_DAY, st.integers(0, 9_000), max_size=6),
        st.lists(st.tuples(st.integers(1, 400), st.integers(0, 9_000)), max_size=3).map(tuple),
        st.none() | st.builds(DateRange, st.none() | ANY_DAY, st.none() | ANY_DAY),
    ),
    ANY_DAY,
    st.integers(1, 16),
)
def test_windows_of_any_calendar_cover_each_day_once(
    ends: list[date], volume: DailyVolume, today: date, workers: int
) -> None:
    """Wherever the range and its submissions are; without submissions, windows are few."""
    first, last = ends
    rest: Window | None = Window(first, last)
    windows: list[Window] = []
    while rest is not None and len(windows) < 200:
        window, rest = next_window(rest, volume, today, workers, page_size=500)
        volume = volume.after(window, 0, today)
        windows.append(window)
    assert rest is None
    days = [(window.start, window.end) for window in windows]
    assert (days[0][0], days[-1][1]) == (first, last)
    for (start, end), (following, _) in pairwise(days):
        assert start is not None
        assert end is not None
        assert start <= end
        assert following == end + timedelta(days=1)


def test_workers_get_fair_shares() -> None:
    """Windows become shorter towards the end, so that no worker ends with a long one."""
    days = lengths(cut(DateRange(date(2024, 1, 1), date(2024, 12, 31)), workers=8))
    assert days[0] == 23
    assert days == sorted(days, reverse=True)
    assert len(days) < 90


def test_quiet_months_are_joined_and_busy_days_split_off() -> None:
    """A window has at least one page and at most ten, but a single day is never cut."""
    year = DateRange(date(2024, 1, 1), date(2024, 12, 31))
    assert len(cut(year, DailyVolume(recent=((30, 30),)))) == 2
    assert set(lengths(cut(year, DailyVolume(recent=((30, 30 * 5000),))))) == {1}
    busy = date(2024, 3, 10)
    counts = {date(2024, 1, 1) + timedelta(days=n): 1 for n in range(-1, 367)} | {busy: 20_000}
    windows = cut(year, DailyVolume(counts))
    assert Window(busy, busy) in windows
    assert len(windows) == 3


def test_the_expected_volume_is_that_of_the_recent_windows() -> None:
    """Windows read long before say little about the days to come."""
    volume = UNKNOWN
    days = Window(date(2024, 1, 1), date(2024, 1, 10))
    for number in range(20):
        volume = volume.after(days, 1000 if number < 5 else 10, TODAY)
    assert volume.average == 1.0


def test_empty_windows_double() -> None:
    """Centuries without submissions cost few requests, even if a clock is wrong."""
    rest: Window | None = Window(date(2015, 1, 1), date(9000, 1, 1))
    volume, windows = UNKNOWN, []
    while rest is not None:
        window, rest = next_window(rest, volume, date(9000, 1, 1), 1, page_size=500)
        volume = volume.after(window, 0, TODAY.replace(year=9000))
        windows.append(window)
    assert lengths(windows)[:5] == [31, 366, 732, 1464, 2928]
    assert len(windows) < 20


def test_implausible_days_are_read_with_their_neighbours() -> None:
    """Days before the source began and after today, and days that were read before."""
    windows = cut(DateRange(date(1900, 1, 1), date(2100, 12, 31)))
    assert windows[0] == Window(date(1899, 12, 31), date(2015, 1, 31))
    assert windows[-1].end == date(2101, 1, 1)
    assert windows[-1].start is not None
    assert windows[-1].start <= TODAY + timedelta(days=1)
    read = DailyVolume({date(1950, 1, 1): 1, date(2025, 5, 1): 400}, ((1, 9_000),), ALL_DAYS)
    assert len(cut(DateRange(date.min, date.max), read)) == 1
    busy = DailyVolume({date(1950, 1, 1): 9_000, date(2025, 5, 1): 9_000}, read=ALL_DAYS)
    assert [window.end for window in cut(DateRange(date.min, date.max), busy)] == [
        date(1950, 1, 1),
        date(2025, 5, 1),
        date.max,
    ]


def test_an_open_range_has_an_open_last_window() -> None:
    """A `created_at` in the future is read too."""
    windows = cut(DateRange(date(2025, 4, 1)))
    assert windows[0].start == date(2025, 3, 31)
    assert windows[-1].end is None
    assert cut(DateRange(date(2026, 1, 1))) == [Window(date(2025, 12, 31), None)]


def test_all_history_is_one_window() -> None:
    """Without a first day there is no start date, but there may be an end date."""
    assert cut(DateRange()) == [Window()]
    assert cut(DateRange(None, TODAY)) == [Window(None, TODAY + timedelta(days=1))]


@pytest.mark.parametrize(
    ("end_date", "requested"),
    [("inclusive", date(2025, 1, 5)), ("exclusive", date(2025, 1, 6)), (None, date(2025, 1, 6))],
)
def test_an_exclusive_or_unknown_end_requests_one_more_day(
    end_date: EndDate | None, requested: date
) -> None:
    """Rows that come twice are merged; missing rows would be lost."""
    window = Window(date(2025, 1, 1), date(2025, 1, 5))
    assert window.query(end_date) == Query(start_date=date(2025, 1, 1), end_date=requested)


def test_a_range_has_utc_days() -> None:
    """The day of `created_at` is its UTC day, whatever its time zone."""
    day = DateRange(date(2025, 1, 1), date(2025, 1, 1))
    assert datetime(2025, 1, 1, tzinfo=UTC) in day
    assert datetime(2025, 1, 1, 23, 59, 59, 999999, tzinfo=UTC) in day
    assert datetime(2025, 1, 2, tzinfo=UTC) not in day
    assert datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC) not in day


@pytest.mark.parametrize(
    ("mark", "first_day", "expected"),
    [
        (None, None, None),
        (None, date(2024, 1, 1), date(2024, 1, 1)),
        (datetime(2025, 6, 14, 12, tzinfo=UTC), None, date(2025, 6, 8)),
        (datetime(2025, 5, 1, 12, tzinfo=UTC), None, date(2025, 5, 1)),
        (datetime(2025, 6, 14, 12, tzinfo=UTC), date(2025, 6, 12), date(2025, 6, 12)),
    ],
)
def test_a_sync_starts_at_the_high_water_mark_or_the_look_back_window(
    mark: datetime | None, first_day: date | None, expected: date | None
) -> None:
    """At the earlier of the two, but never before `start_date`, and without an end."""
    assert nightly_range(TODAY, mark, 7, first_day) == DateRange(expected)


def test_ranges_at_the_ends_of_the_calendar() -> None:
    """There is not a day before the first and none after the last."""
    first, *_ = cut(DateRange(date.min, date(2, 12, 31)))
    *_, last = cut(DateRange(date(9998, 1, 1), date.max))
    assert (first.start, last.end) == (date.min, date.max)
    assert last.query("inclusive").end_date == date.max
    # No day is after the last one, so an end that is excluded would leave it out.
    assert last.query("exclusive").end_date is None
