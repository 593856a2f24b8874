"""Comparison: differences between source and warehouse, found as soon as a day is complete."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from argos_sync.api import Query
from argos_sync.commands.comparison import Comparison, DayDifference
from argos_sync.fetch.task import Task, TaskPage
from argos_sync.fetch.windows import DateRange, Window
from argos_sync.warehouse.submissions import SubmissionVersion

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 10)


def day(number: int) -> date:
    """Return a day of the range; the first one is 0."""
    return FIRST + timedelta(days=number)


def task(first: int, last: int) -> Task:
    """Return the task that reads a range of days."""
    window = Window(day(first), day(last))
    return Task(str(first), "", Query(), window=window)


TASKS = [task(-1, 3), task(4, 7), task(8, 10)]


def item(number: int, key: str, content: str = "") -> dict[str, Any]:
    """Return a submission of the source, created on a day."""
    created = datetime(2025, 1, 1, 12, tzinfo=UTC) + timedelta(days=number)
    return {"submission_id": key, "created_at": created.isoformat(), "userid": content}


def stored(number: int, key: str, content: str = "", *, deleted: bool = False) -> SubmissionVersion:
    """Return a submission of the warehouse, created on a day."""
    return SubmissionVersion(key, day(number), content, deleted)


class StoredVersions:
    """A warehouse that records the ranges it is asked for.

    Attributes:
        ranges: First and last day of each read range, as numbers.
    """

    def __init__(self, *versions: SubmissionVersion) -> None:
        """Store submissions."""
        self.versions = versions
        self.ranges: list[tuple[int, int]] = []

    def read(self, days: DateRange) -> Iterator[SubmissionVersion]:
        """Return the submissions of a range."""
        first, last = days.first, days.last
        assert first is not None
        assert last is not None
        self.ranges.append(((first - FIRST).days, (last - FIRST).days))
        return (version for version in self.versions if first <= version.day <= last)


def content_of(submission: Any) -> tuple[str, bool]:
    """Return the content hash of a submission in these tests, and whether it is a stub."""
    return str(submission["userid"]), submission["userid"].startswith("stub")


def test_each_day_is_compared_as_soon_as_it_is_complete() -> None:
    """A window can return rows of the day before it, so that day waits for the window too."""
    warehouse = StoredVersions()
    comparison = Comparison(FIRST, LAST, TASKS, warehouse.read)
    comparison.add(TaskPage(TASKS[1], [], {}, done=True))
    assert warehouse.ranges == []
    comparison.add(TaskPage(TASKS[0], [], {}, done=True))
    assert warehouse.ranges == [(0, 6)]
    comparison.add(TaskPage(TASKS[2], [], {}, done=True))
    assert warehouse.ranges == [(0, 6), (7, 9)]


def test_differences_by_day() -> None:
    """Submissions are missing, deleted or changed; one that was marked and returned is missing."""
    warehouse = StoredVersions(
        stored(2, "same", "x"),
        stored(2, "edited", "old"),
        stored(2, "deleted"),
        stored(5, "marked", deleted=True),
        stored(6, "marked and deleted", deleted=True),
        stored(6, "also deleted"),
    )
    comparison = Comparison(FIRST, LAST, TASKS, warehouse.read, content_of, compares_content=True)
    page = [item(2, "same", "x"), item(2, "edited", "new"), item(2, "new", "n")]
    comparison.add(TaskPage(TASKS[0], page, {}, done=True))
    comparison.add(TaskPage(TASKS[1], [item(5, "marked", "m")], {}, done=True))
    comparison.add(TaskPage(TASKS[2], [], {}, done=True))
    assert comparison.differences == [
        DayDifference(day(2), 3, 3, ("new",), ("deleted",), ("edited",)),
        DayDifference(day(5), 1, 0, ("marked",), marked=("marked",)),
        DayDifference(day(6), 0, 1, deleted=("also deleted",)),
    ]
    assert comparison.stored_count == 4


@pytest.mark.parametrize("compares_content", [False, True])
def test_deletion_stubs_are_not_at_the_source(compares_content: bool) -> None:
    """A stub differs if its row is not marked, or if contents are compared and have changed."""
    warehouse = StoredVersions(
        stored(2, "not marked", "old"),
        stored(2, "marked", "stub", deleted=True),
        stored(2, "vanished before", "old", deleted=True),
    )
    comparison = Comparison(
        FIRST, LAST, TASKS, warehouse.read, content_of, compares_content=compares_content
    )
    page = [item(2, key, "stub") for key in ("not marked", "marked", "vanished before", "unknown")]
    for one_task in TASKS:
        comparison.add(TaskPage(one_task, page if one_task is TASKS[0] else [], {}, done=True))
    changed = ("vanished before",) if compares_content else ()
    assert comparison.differences == [
        DayDifference(day(2), 0, 1, deleted=("not marked",), changed=changed, stubs=("not marked",))
    ]


def test_missing_submissions_can_turn_out_to_be_stubs() -> None:
    """They no longer count as submissions of the source."""
    difference = DayDifference(day(1), 3, 1, ("a", "b", "c"), marked=("b", "c"))
    rest = DayDifference(day(1), 2, 1, ("a", "c"), marked=("c",))
    assert difference.without_stubs({"b", "x"}) == rest
    assert not rest.without_stubs({"a", "c"}).differs


@pytest.mark.parametrize("number", [-1, 10])
def test_days_outside_the_range_are_ignored(number: int) -> None:
    """The windows include them, because the days of the server may not be UTC days."""
    warehouse = StoredVersions(stored(number, "warehouse"))
    comparison = Comparison(FIRST, LAST, TASKS, warehouse.read)
    for one_task in TASKS:
        page = [item(number, "source"), "no object"]
        comparison.add(TaskPage(one_task, page, {}, done=True))
    assert comparison.differences == []
