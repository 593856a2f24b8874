"""Comparison: differences between source and warehouse, found as soon as a day is complete."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from argos_sync.api.query import Query
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


class Unread:
    """The windows of `TASKS` that have not been read; a comparison asks for them."""

    def __init__(self, *tasks: Task) -> None:
        """Begin with all of them."""
        self.tasks = list(tasks or TASKS)

    def __call__(self) -> list[Window]:
        """Return the windows."""
        return [task.window for task in self.tasks if task.window]

    def finish(self, comparison: Comparison, task: Task, *items: Any) -> None:
        """Add the last page of a task."""
        self.tasks.remove(task)
        comparison.add(TaskPage(task, [*items], {}, done=True))


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
    unread = Unread()
    comparison = Comparison(FIRST, LAST, unread, warehouse.read)
    unread.finish(comparison, TASKS[1])
    assert warehouse.ranges == []
    unread.finish(comparison, TASKS[0])
    assert warehouse.ranges == [(0, 6)]
    unread.finish(comparison, TASKS[2])
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
    unread = Unread()
    comparison = Comparison(FIRST, LAST, unread, warehouse.read, content_of, compares_content=True)
    page = [item(2, "same", "x"), item(2, "edited", "new"), item(2, "new", "n")]
    unread.finish(comparison, TASKS[0], *page)
    unread.finish(comparison, TASKS[1], item(5, "marked", "m"))
    unread.finish(comparison, TASKS[2])
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
    unread = Unread()
    comparison = Comparison(
        FIRST, LAST, unread, warehouse.read, content_of, compares_content=compares_content
    )
    page = [item(2, key, "stub") for key in ("not marked", "marked", "vanished before", "unknown")]
    for one_task in TASKS:
        unread.finish(comparison, one_task, *(page if one_task is TASKS[0] else []))
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
    unread = Unread()
    comparison = Comparison(FIRST, LAST, unread, warehouse.read)
    for one_task in TASKS:
        page = [item(number, "source"), "no object"]
        unread.finish(comparison, one_task, *page)
    assert comparison.differences == []


def test_the_ends_of_the_calendar_are_compared_once() -> None:
    """There is not a day before the first, so it waits for its window, and none after the last."""
    versions = [SubmissionVersion(f"{one}", one, "", deleted=False) for one in (date.min, date.max)]
    warehouse = StoredVersions(*versions)
    early = Task("early", "", Query(), window=Window(date.min, date(2024, 12, 31)))
    late = Task("late", "", Query(), window=Window(date(2025, 1, 1), date.max))
    unread = Unread(early, late)
    comparison = Comparison(date.min, date.max, unread, warehouse.read)
    unread.finish(
        comparison, late, {"submission_id": f"{date.max}", "created_at": f"{date.max}T23:59:59"}
    )
    assert warehouse.ranges == []
    first = {"submission_id": f"{date.min}", "created_at": f"{date.min}T00:00:00"}
    unread.finish(comparison, early, first)
    assert (len(warehouse.ranges), comparison.differences) == (1, [])
    comparison.add(TaskPage(early, [], {}, done=True))
    assert (len(warehouse.ranges), comparison.stored_count) == (1, 2)
