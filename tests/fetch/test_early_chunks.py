"""Early chunks: what is given out before it is full, because nothing else is being loaded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from argos_sync.api import Query
from argos_sync.fetch.chunks import ChunkBuilder
from argos_sync.fetch.plan import Plan, TaskProgress, WorkQueue
from argos_sync.fetch.reader import Task, TaskPage
from argos_sync.fetch.windows import DateRange, Window

NOW = datetime(2025, 2, 1, tzinfo=UTC)
PLAN = Plan("backfill", "run", NOW, DateRange(), windows={"w": (Window(), TaskProgress())})
TASK = Task("w", "", lambda _: Query(), window=Window())


def page(numbers: Iterable[int], *, done: bool = False) -> TaskPage:
    """Return a page of small submissions."""
    created_at = "2025-01-01-00-00-00-000"
    items = [{"submission_id": f"s{n}", "created_at": created_at} for n in numbers]
    return TaskPage(TASK, items, None, done)


def builder(**options: Any) -> ChunkBuilder:
    """Return a builder whose clock stands still and that somebody waits for."""
    return ChunkBuilder(
        "run", WorkQueue(PLAN), **{"wanted": lambda: True, "seconds": float} | options
    )


def test_nothing_is_given_out_early_while_something_is_loaded() -> None:
    """A package has its price: what need not wait for it grows to its full size."""
    time = iter(range(0, 1_000, 100))
    building = builder(wanted=lambda: False, size=14, seconds=lambda: next(time))
    assert building.add(page(range(5)), NOW) == []
    (full,) = building.add(page(range(5, 7)), NOW)
    assert full.submissions == 7


def test_a_slow_api_still_commits_regularly() -> None:
    """What was fetched ten seconds ago is given out, however little, with its cursor."""
    time = 100.0
    building = builder(seconds=lambda: time)
    assert building.add(page([1]), NOW) == []
    time = 109.9
    assert building.add(page([2]), NOW) == []
    time = 110.0
    (late,) = building.add(page([]), NOW)
    assert late.submissions == 2
    assert late.plan == PLAN.after(
        "w", TaskProgress(rows=2, newest=datetime(2025, 1, 1, tzinfo=UTC))
    )
    assert building.add(page([3]), NOW) == []


def test_the_last_chunk_is_left_for_the_end() -> None:
    """It also brings the record of how the run ended, which would else need a package."""
    building = builder(size=4)
    assert building.add(page(range(5), done=True), NOW) == []
    (last,) = building.take()
    assert last.submissions == 5
