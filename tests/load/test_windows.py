"""Windows: whole days that surely hold a range, and nothing twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argos_sync.api import Query
from argos_sync.load.windows import Range, Window, nightly_range, plan_windows

TODAY = date(2025, 6, 15)
DAYS = st.dates(date(2015, 1, 1), date(2030, 12, 31))


@given(DAYS, st.integers(0, 6000))
def test_windows_tile_the_range_with_a_day_more_on_either_side(first: date, length: int) -> None:
    """No day is missing, none is in two windows, and there are never too many windows."""
    last = first + timedelta(days=length)
    windows = plan_windows(Range(first, last), TODAY)
    days = [
        window.start + timedelta(days=offset)
        for window in windows
        if window.start and window.end
        for offset in range((window.end - window.start).days + 1)
    ]
    assert days == [first + timedelta(days=offset) for offset in range(-1, length + 2)]
    assert len(windows) <= 120


def test_an_open_range_has_an_open_last_window() -> None:
    """Submissions with a clock ahead of ours are not cut off."""
    windows = plan_windows(Range(date(2025, 4, 1)), TODAY)
    assert windows[0].start == date(2025, 3, 31)
    assert windows[-1].end is None
    assert plan_windows(Range(date(2026, 1, 1)), TODAY) == [Window(date(2025, 12, 31), None)]


def test_all_history_is_one_window() -> None:
    """Without a first day nothing is filtered, but an end may be."""
    assert plan_windows(Range(), TODAY) == [Window()]
    assert plan_windows(Range(None, TODAY), TODAY) == [Window(None, TODAY + timedelta(days=1))]


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
    day = Range(date(2025, 1, 1), date(2025, 1, 1))
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
    assert nightly_range(TODAY, mark, 7, first_day) == Range(expected)


def test_the_ends_of_the_calendar_are_ends() -> None:
    """A range that touches them is planned like any other."""
    windows = plan_windows(Range(date.min, date.max), TODAY)
    assert (windows[0].start, windows[-1].end) == (date.min, date.max)
    assert windows[-1].query(None).end_date == date.max
