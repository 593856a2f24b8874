"""Fetching again: by day or one by one, whichever costs fewer requests."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from argos_sync.fetch.refetch import RefetchSplit, cheapest_requests, id_tasks
from argos_sync.fetch.windows import DateRange

DAY = date(2025, 1, 10)
QUIET = {DAY + timedelta(days=n): 10 for n in range(-30, 30)}


def test_a_few_are_asked_for_one_by_one() -> None:
    """One request brings one submission, or a page of them."""
    assert cheapest_requests({DAY: 1}, QUIET | {DAY: 5000}, 500) == RefetchSplit(
        (), (DateRange(DAY, DAY),)
    )


def test_many_are_read_by_the_day() -> None:
    """A day that fits a page is one request, however many of it are wanted."""
    assert cheapest_requests({DAY: 8}, QUIET, 500) == RefetchSplit((DateRange(DAY, DAY),), ())


def test_neighbours_share_a_request() -> None:
    """Days whose rows fit a page together are read together."""
    wanted = {DAY + timedelta(days=n): 2 for n in (0, 1, 5)}
    assert cheapest_requests(wanted, QUIET, 500) == RefetchSplit(
        (DateRange(DAY, DAY + timedelta(days=5)),), ()
    )


def test_a_busy_day_is_not_read_for_its_neighbours() -> None:
    """Between two quiet days it would cost more than it saves."""
    busy = DAY + timedelta(days=3)
    wanted = {DAY: 8, busy + timedelta(days=3): 8}
    ranges = (DateRange(DAY, DAY), DateRange(busy + timedelta(days=3), busy + timedelta(days=3)))
    assert cheapest_requests(wanted, QUIET | {busy: 100_000}, 500) == RefetchSplit(ranges, ())


def test_labels_do_not_tell_whom_is_asked_for() -> None:
    """They end in logs."""
    (task,) = id_tasks("open case", ["secret-id"])
    assert (task.name, task.label) == ("open case/1", "open case 1 of 1")


@given(
    st.dictionaries(st.integers(0, 400), st.integers(1, 3000), max_size=60),
    st.integers(1, 700),
)
def test_every_day_is_fetched_once(wanted: dict[int, int], page_size: int) -> None:
    """No day is left out or in two ranges, and it never costs more than one by one."""
    days = {DAY + timedelta(days=n): number for n, number in wanted.items()}
    split = cheapest_requests(days, days, page_size)
    both = (*split.by_day, *split.by_id)
    assert all(sum(one.has_day(day) for one in both) == 1 for day in days)
    requests = sum(
        max(1, -(-sum(n for d, n in days.items() if near(d, one)) // page_size))
        for one in split.by_day
    ) + sum(n for day, n in days.items() if any(one.has_day(day) for one in split.by_id))
    assert requests <= sum(days.values())


def near(day: date, one: DateRange) -> bool:
    """Whether a day is asked for with a range: a day more on either side."""
    assert one.first
    assert one.last
    return one.first - timedelta(days=1) <= day <= one.last + timedelta(days=1)
