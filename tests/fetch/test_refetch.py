"""Fetching submissions again: by day or one by one, whichever takes fewer requests."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from argos_sync.fetch.refetch import RefetchSplit, cheapest_requests, id_tasks
from argos_sync.fetch.windows import DateRange

DAY = date(2025, 1, 10)
QUIET = {DAY + timedelta(days=n): 10 for n in range(-30, 30)}


def test_single_submissions_of_a_busy_day_are_fetched_one_by_one() -> None:
    """One request for the submission is less than ten for the day."""
    assert cheapest_requests({DAY: 1}, QUIET | {DAY: 5000}, 500) == RefetchSplit(
        (), (DateRange(DAY, DAY),)
    )


def test_many_submissions_are_fetched_by_day() -> None:
    """A day that fits on a page is one request, however many submissions it brings."""
    assert cheapest_requests({DAY: 8}, QUIET, 500) == RefetchSplit((DateRange(DAY, DAY),), ())


def test_nearby_days_share_a_request() -> None:
    """Days that fit on one page together are read together."""
    to_fetch = {DAY + timedelta(days=n): 2 for n in (0, 1, 5)}
    assert cheapest_requests(to_fetch, QUIET, 500) == RefetchSplit(
        (DateRange(DAY, DAY + timedelta(days=5)),), ()
    )


def test_a_busy_day_between_is_not_read() -> None:
    """Joining the two quiet days around it would cost more requests than it saves."""
    busy = DAY + timedelta(days=3)
    to_fetch = {DAY: 8, busy + timedelta(days=3): 8}
    ranges = (DateRange(DAY, DAY), DateRange(busy + timedelta(days=3), busy + timedelta(days=3)))
    assert cheapest_requests(to_fetch, QUIET | {busy: 100_000}, 500) == RefetchSplit(ranges, ())


def test_labels_do_not_contain_ids() -> None:
    """Labels are logged."""
    (task,) = id_tasks("open case", ["secret-id"])
    assert (task.name, task.label) == ("open case/1", "open case 1 of 1")


@given(
    st.dictionaries(st.integers(0, 400), st.integers(1, 3000), max_size=60),
    st.integers(1, 700),
)
def test_every_day_is_fetched_once(numbers: dict[int, int], page_size: int) -> None:
    """Each day is in exactly one range, and the total is never more than one by one."""
    days = {DAY + timedelta(days=n): number for n, number in numbers.items()}
    split = cheapest_requests(days, days, page_size)
    ranges = (*split.by_day, *split.by_id)
    assert all(sum(one.has_day(day) for one in ranges) == 1 for day in days)
    requests = sum(
        max(1, -(-sum(n for d, n in days.items() if is_requested(d, one)) // page_size))
        for one in split.by_day
    ) + sum(n for day, n in days.items() if any(one.has_day(day) for one in split.by_id))
    assert requests <= sum(days.values())


def is_requested(day: date, one: DateRange) -> bool:
    """Whether a day is requested with a range: one more day on either side."""
    assert one.first
    assert one.last
    return one.first - timedelta(days=1) <= day <= one.last + timedelta(days=1)
