"""Comparison: what two sides do not have in common, as soon as a day is complete."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from argos_sync.api import Query
from argos_sync.commands.comparison import Comparison, DayDifference
from argos_sync.fetch.reader import Task, TaskPage
from argos_sync.fetch.windows import DateRange, Window
from argos_sync.warehouse.submissions import SubmissionVersion

FIRST = date(2025, 1, 1)
WANTED = DateRange(FIRST, FIRST + timedelta(days=9))


def day(number: int) -> date:
    """Return a day of the range, the first being 0."""
    return FIRST + timedelta(days=number)


def task(first: int, last: int) -> Task:
    """Return the task that reads some days."""
    window = Window(day(first), day(last))
    return Task(str(first), "", lambda _: Query(), window=window)


TASKS = [task(-1, 3), task(4, 7), task(8, 10)]


def item(number: int, key: str, content: str = "") -> dict[str, Any]:
    """Return a submission of a day."""
    created = datetime(2025, 1, 1, 12, tzinfo=UTC) + timedelta(days=number)
    return {"submission_id": key, "created_at": created.isoformat(), "userid": content}


class Side:
    """A warehouse that remembers what it was asked for."""

    def __init__(self, *rows: SubmissionVersion) -> None:
        """Take its submissions."""
        self.rows, self.asked = rows, list[tuple[int, int]]()

    def look(self, wanted: DateRange) -> Iterator[SubmissionVersion]:
        """Return what lies in a range."""
        assert wanted.first
        assert wanted.last
        self.asked.append(((wanted.first - FIRST).days, (wanted.last - FIRST).days))
        return (row for row in self.rows if wanted.first <= row.day <= wanted.last)


def held(number: int, key: str, content: str = "", *, deleted: bool = False) -> SubmissionVersion:
    """Return a submission of the warehouse."""
    return SubmissionVersion(key, day(number), content, deleted)


def content(submission: Any) -> str:
    """Return what tells two versions apart here."""
    return str(submission["userid"])


def test_each_day_is_compared_when_nothing_of_it_can_come_any_more() -> None:
    """A window's rows may lie a day beside it, so the day before the next window waits too."""
    side = Side()
    comparison = Comparison(WANTED, TASKS, side.look)
    comparison.add(TaskPage(TASKS[1], [], {}, done=True))
    assert side.asked == []
    comparison.add(TaskPage(TASKS[0], [], {}, done=True))
    assert side.asked == [(0, 6)]
    comparison.add(TaskPage(TASKS[2], [], {}, done=True))
    assert side.asked == [(0, 6), (7, 9)]


def test_differences_by_day() -> None:
    """Missing, gone and changed are told apart; a marked one counts as missing when it is back."""
    side = Side(
        held(2, "same", "x"),
        held(2, "edited", "old"),
        held(2, "gone"),
        held(5, "marked", deleted=True),
        held(6, "marked and gone", deleted=True),
        held(6, "also gone"),
    )
    comparison = Comparison(WANTED, TASKS, side.look, content)
    page = [item(2, "same", "x"), item(2, "edited", "new"), item(2, "new", "n")]
    comparison.add(TaskPage(TASKS[0], page, {}, done=True))
    comparison.add(TaskPage(TASKS[1], [item(5, "marked", "m")], {}, done=True))
    comparison.add(TaskPage(TASKS[2], [], {}, done=True))
    assert comparison.differences == [
        DayDifference(day(2), 3, 3, ("new",), ("gone",), ("edited",)),
        DayDifference(day(5), 1, 0, ("marked",)),
        DayDifference(day(6), 0, 1, deleted=("also gone",)),
    ]
    assert comparison.stored_count == 4


@pytest.mark.parametrize("number", [-1, 10])
def test_the_days_beside_the_range_do_not_count(number: int) -> None:
    """They are asked for because the server's days may not be UTC."""
    side = Side(held(number, "warehouse"))
    comparison = Comparison(WANTED, TASKS, side.look)
    for one in TASKS:
        comparison.add(TaskPage(one, [item(number, "source"), "no object"], {}, done=True))
    assert comparison.differences == []
