"""Windows: whole days that surely hold a range, and nothing twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argos_sync.api import Query
from argos_sync.fetch.windows import (
    DailyVolume,
    DateRange,
    Window,
    next_window,
    nightly_range,
    padded_window,
)

TODAY = date(2025, 6, 15)
UNKNOWN = DailyVolume()
DAYS = st.dates(date(2015, 1, 1), date(2030, 12, 31))


def pieces(wanted: DateRange, pace: DailyVolume = UNKNOWN, workers: int = 4) -> list[Window]:
    """Return all windows a range is cut into at one pace."""
    rest: Window | None = padded_window(wanted)
    found = []
    while rest is not None:
        window, rest = next_window(rest, pace, TODAY, workers, page_size=500)
        found.append(window)
    return found


def lengths(windows: list[Window]) -> list[int]:
    """Return how many days each window has."""
    return [(w.end - w.start).days + 1 for w in windows if w.start and w.end]


@given(DAYS, st.integers(0, 3000), st.sampled_from([0, 3, 400, 90_000, None]), st.integers(1, 16))
def test_windows_tile_the_range_with_a_day_more_on_either_side(
    first: date, length: int, a_day: int | None, workers: int
) -> None:
    """No day is missing and none is in two windows, whatever days bring."""
    last = first + timedelta(days=length)
    pace = UNKNOWN if a_day is None else DailyVolume(recent=((1, a_day),))
    windows = pieces(DateRange(first, last), pace, workers)
    days = [
        window.start + timedelta(days=offset)
        for window in windows
        if window.start and window.end
        for offset in range((window.end - window.start).days + 1)
    ]
    assert days == [first + timedelta(days=offset) for offset in range(-1, length + 2)]


def test_workers_get_fair_shares() -> None:
    """Windows become shorter towards the end, so that no worker is left alone with a long one."""
    found = lengths(pieces(DateRange(date(2024, 1, 1), date(2024, 12, 31)), workers=8))
    assert found[0] == 23
    assert found == sorted(found, reverse=True)
    assert len(found) < 90


def test_quiet_months_are_joined_and_busy_days_split_off() -> None:
    """A window is worth a page at least and ten pages at most, but one day is never cut."""
    year = DateRange(date(2024, 1, 1), date(2024, 12, 31))
    assert len(pieces(year, DailyVolume(recent=((30, 30),)))) == 2
    assert set(lengths(pieces(year, DailyVolume(recent=((30, 30 * 5000),))))) == {1}
    busy = date(2024, 3, 10)
    counts = {date(2024, 1, 1) + timedelta(days=n): 1 for n in range(-1, 367)} | {busy: 20_000}
    windows = pieces(year, DailyVolume(counts))
    assert Window(busy, busy) in windows
    assert len(windows) == 3


def test_the_pace_is_that_of_the_windows_read_last() -> None:
    """What was long ago says little about the days to come."""
    pace = UNKNOWN
    for number in range(20):
        pace = pace.after(Window(date(2024, 1, 1), date(2024, 1, 10)), 1000 if number < 5 else 10)
    assert pace.on(date(2024, 6, 1)) == 1.0


def test_an_open_range_has_an_open_last_window() -> None:
    """Submissions with a clock ahead of ours are not cut off."""
    windows = pieces(DateRange(date(2025, 4, 1)))
    assert windows[0].start == date(2025, 3, 31)
    assert windows[-1].end is None
    assert pieces(DateRange(date(2026, 1, 1))) == [Window(date(2025, 12, 31), None)]


def test_all_history_is_one_window() -> None:
    """Without a first day nothing is filtered, but an end may be."""
    assert pieces(DateRange()) == [Window()]
    assert pieces(DateRange(None, TODAY)) == [Window(None, TODAY + timedelta(days=1))]


@pytest.mark.parametrize(
    ("end_date", "asked"),
    [("inclusive", date(2025, 1, 5)), ("exclusive", date(2025, 1, 6)), (None, date(2025, 1, 6))],
)
def test_an_excluded_or_unknown_end_is_asked_a_day_later(end_date: None, asked: date) -> None:
    """A day too many is merged away; a day too few would be lost."""
    window = Window(date(2025, 1, 1), date(2025, 1, 5))
    assert window.query(end_date, "kyc") == Query(
        start_date=date(2025, 1, 1), end_date=asked, request_type="kyc"
    )


def test_a_range_is_of_utc_days() -> None:
    """The day of created_at is that of UTC, whatever zone the moment is written in."""
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
def test_a_night_reads_from_the_mark_or_the_look_back_whichever_is_earlier(
    mark: datetime | None, first_day: date | None, expected: date | None
) -> None:
    """Never later than either of them, never before start_date, always open to the future."""
    assert nightly_range(TODAY, mark, 7, first_day) == DateRange(expected)


def test_the_ends_of_the_calendar_are_ends() -> None:
    """A range that touches them is planned like any other."""
    windows = pieces(DateRange(date.min, date.max), DailyVolume(recent=((366, 0),)))
    assert (windows[0].start, windows[-1].end) == (date.min, date.max)
    assert windows[-1].query(None).end_date == date.max
