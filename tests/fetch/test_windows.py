"""Windows: whole days that cover a range, each of them once."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argos_sync.api import Query
from argos_sync.fetch.windows import (
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
    for number in range(20):
        volume = volume.after(
            Window(date(2024, 1, 1), date(2024, 1, 10)), 1000 if number < 5 else 10
        )
    assert volume.on(date(2024, 6, 1)) == 1.0


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
    """There is no day before the first and none after the last."""
    first, *_ = cut(DateRange(date.min, date(2, 12, 31)))
    *_, last = cut(DateRange(date(9998, 1, 1), date.max))
    assert (first.start, last.end) == (date.min, date.max)
    assert last.query(None).end_date == date.max
