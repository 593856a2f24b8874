"""The nightly share of the sweep."""

from datetime import date, timedelta

from argos_sync.fetch.windows import DateRange, Window
from argos_sync.run.upkeep import (
    daily_volume,
    days_beside,
    join_other_days,
    plan_sweep,
    upkeep_window,
)
from argos_sync.warehouse.submissions import DayStats
from support import NOW

FIRST, BEFORE = date(2025, 1, 1), date(2025, 1, 11)


def day(number: int, age: float, rows: int = 10) -> DayStats:
    """Return a stored day; 0 is the first, and its last fetch was `age` days ago."""
    return DayStats(FIRST + timedelta(days=number), rows, NOW - timedelta(days=age))


def sweep(days: list[DayStats], synced: DateRange | None, sweep_days: int) -> list[DateRange]:
    """Return tonight's share of the sweep."""
    return plan_sweep(days, BEFORE, synced, NOW, sweep_days)


def test_the_days_fetched_longest_ago_come_first() -> None:
    """A night reads the number of submissions divided by `sweep_days`."""
    days = [day(0, 1), day(2, 3), day(4, 2), day(6, 1)]
    assert sweep(days, None, 4 + 1) == [DateRange(date(2025, 1, 3), date(2025, 1, 3))]


def test_all_due_days_are_read() -> None:
    """No submission becomes older than `sweep_days` before the next night."""
    days = [day(0, 9), day(2, 9), day(4, 9), day(6, 1)]
    assert [one.first for one in sweep(days, None, 10)] == [
        date(2025, 1, 1),
        date(2025, 1, 3),
        date(2025, 1, 5),
    ]


def test_days_of_one_night_are_read_in_order() -> None:
    """Each range costs a day more on either side, so days are joined to few ranges."""
    days = [day(number, 9 + number % 2 / 10) for number in range(6)]
    assert sweep(days, None, 3 * 100) == [DateRange(FIRST, FIRST)]
    ranges = sweep([*days, day(7, 1), day(8, 1)], None, 4)
    assert ranges[0] == DateRange(FIRST, date(2025, 1, 6))


def test_empty_synced_days_are_read_with_the_day_before_them() -> None:
    """Late submissions are found there, before the first day too."""
    days = [day(2, 9), day(6, 1)]
    synced = DateRange(FIRST, date(2025, 1, 10))
    assert sweep(days, synced, 10) == [DateRange(FIRST, date(2025, 1, 6))]


def test_days_to_read_again_join_over_empty_synced_days() -> None:
    """Not over days with submissions, and not over days that only a backfill may have read."""
    first, second, third, last = (FIRST + timedelta(days=number) for number in (0, 4, 6, 9))
    stored = {first, second, third, last}
    synced = DateRange(first, last)
    assert join_other_days(stored, [], stored, synced) == [synced]
    assert join_other_days({first, second, last}, [], stored, synced) == [
        DateRange(first, second),
        DateRange(last, last),
    ]
    assert join_other_days({first, second}, [DateRange(second, second)], stored, synced) == [
        DateRange(first, first)
    ]
    apart = [DateRange(one, one) for one in sorted(stored)]
    assert join_other_days(stored, [], stored, None) == apart


def test_the_sweep_can_be_turned_off() -> None:
    """With `sweep_days` 0 nothing is read."""
    assert sweep([day(0, 9)], None, 0) == []


def test_days_beside_a_range_wait_for_their_turn() -> None:
    """Only a day beside that is not read otherwise is read with the range, and not kept."""
    days = DateRange(date(2025, 1, 3), date(2025, 1, 5))
    window, kept = upkeep_window(days, lambda day: day == date(2025, 1, 6))
    assert window == Window(date(2025, 1, 2), date(2025, 1, 5))
    assert kept == DateRange(date(2025, 1, 3), date(2025, 1, 6))


def test_days_beside_a_range_that_lacks_submissions() -> None:
    """A day is read if the day of the range next to it lacks stored submissions."""
    ranges = [DateRange(None, date(2025, 1, 3)), DateRange(date(2025, 1, 5), date(2025, 1, 9))]
    assert days_beside(ranges, {date(2025, 1, 7)}) == []
    assert days_beside(ranges, {date(2025, 1, 3), date(2025, 1, 5)}) == [
        (Window(date(2025, 1, 4), date(2025, 1, 4)), ranges[0]),
        (Window(date(2025, 1, 4), date(2025, 1, 4)), ranges[1]),
    ]


def test_empty_centuries_are_read_with_the_day_before_them() -> None:
    """A submission of the calendar's first day does not make a range begin before it."""
    days = [DayStats(date.min, 1, NOW - timedelta(days=9)), day(0, 1)]
    ranges = sweep(days, DateRange(None, date(2025, 1, 10)), 10)
    assert ranges == [DateRange(date.min, date(2024, 12, 31))]


def test_expected_volume() -> None:
    """The average is that of the last plausible days; days without a count that were read are 0."""
    days = [day(0, 1, rows=4), day(3, 1, rows=8)]
    outliers = [DayStats(one, 1, NOW) for one in (date.min, date.max)]
    volume = daily_volume([outliers[0], *days, outliers[1]], NOW.date())
    assert volume.average == 3
    assert volume.counts == {FIRST: 4, date(2025, 1, 4): 8, date.min: 1, date.max: 1}
    assert daily_volume(outliers, NOW.date()).average is None
