"""Plans: progress adds up, unsettled days are read again, finished windows are merged."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from argos_sync.fetch.ledger import Plan, TaskProgress
from argos_sync.fetch.windows import DateRange, Window

NEWEST = datetime(2025, 1, 31, 12, 0, 0, 123000, tzinfo=UTC)
STARTED = datetime(2025, 2, 1, tzinfo=UTC)


def plan_of(*windows: Window) -> Plan:
    """Return a plan whose days have all been cut into these windows."""
    plan = Plan("sync", "run", STARTED, DateRange(date(2025, 1, 1)))
    for window in windows:
        plan = plan.with_window(window)
    return plan


def advance(plan: Plan, *steps: TaskProgress) -> Plan:
    """Return the plan after a step in each of its windows."""
    for (name, (_, progress)), step in zip(plan.windows.items(), steps, strict=False):
        plan = plan.with_progress(name, progress.advanced_by(step))
    return plan


def test_progress_adds_up() -> None:
    """Rows are summed, the newest moment stays, and a step without a cursor keeps the last."""
    plan = plan_of(Window(None, date(2025, 1, 1)), Window(date(2025, 1, 2), None))
    plan = advance(plan, TaskProgress({"": 1}, rows=2, newest=NEWEST))
    plan = advance(plan, TaskProgress(None, done=True, rows=3))
    assert plan.windows["run/0"][1] == TaskProgress({"": 1}, done=True, rows=5, newest=NEWEST)
    assert list(plan.unfinished) == ["run/1"]
    assert not plan.finished


def test_reopening_restarts_unsettled_windows() -> None:
    """A finished window that was read before its last day was over is not finished any more."""
    plan = plan_of(
        Window(date(2025, 1, 1), date(2025, 1, 30)),
        Window(date(2025, 1, 31), date(2025, 1, 31)),
        Window(date(2025, 2, 1), None),
    )
    done = TaskProgress({}, done=True, rows=1)
    assert list(advance(plan, done, done, done).reopened().unfinished) == ["run/1", "run/2"]


def test_reopening_splits_a_window_at_the_settled_day() -> None:
    """Of a long window only the days after it are read again."""
    plan = plan_of(Window(date(2024, 1, 1), date(2025, 1, 31)))
    reopened = advance(plan, TaskProgress({}, done=True, rows=5, newest=NEWEST)).reopened()
    assert [window for window, _ in reopened.windows.values()] == [
        Window(date(2024, 1, 1), date(2025, 1, 30)),
        Window(date(2025, 1, 31), date(2025, 1, 31)),
    ]
    assert list(reopened.unfinished) == ["run/1"]
    assert reopened.window_count == 2


def test_compacting_merges_adjacent_finished_windows() -> None:
    """The plan stays small however many windows it had, and means the same."""
    days = [Window(date(2025, 1, n), date(2025, 1, n)) for n in range(1, 8)]
    done, unread = TaskProgress({}, done=True, rows=2, newest=NEWEST), TaskProgress()
    plan = advance(plan_of(*days), done, done, done, unread, done, unread, done)
    compacted = plan.compacted()
    assert compacted.windows["run/0"] == (
        Window(date(2025, 1, 1), date(2025, 1, 3)),
        TaskProgress({}, done=True, rows=6, newest=NEWEST),
    )
    finished = [name for name, (_, progress) in compacted.windows.items() if progress.done]
    assert finished == ["run/0", "run/4", "run/6"]
    assert compacted.unfinished == plan.unfinished
    assert compacted.window_count == 7


def test_the_share_that_is_read() -> None:
    """It is that of the days, the one before and the one after included; unknown without an end."""
    days = DateRange(date(2025, 1, 2), date(2025, 1, 9))
    plan = Plan.new("backfill", "run", STARTED, days, ())
    assert plan.share_read == 0
    plan = replace(plan, uncut=Window(date(2025, 1, 6), date(2025, 1, 10)))
    assert plan.share_read == 0.5
    plan = plan.with_window(Window(date(2025, 1, 1), date(2025, 1, 5)))
    assert plan.share_read == 0
    (name,) = plan.windows
    assert plan.with_progress(name, TaskProgress(done=True)).share_read == 0.5
    assert plan_of().share_read is None


@pytest.mark.parametrize(("rows", "share"), [(0, 0.5), (20, 0.7), (500, 1)])
def test_the_share_of_a_window_that_is_partly_read(rows: int, share: float) -> None:
    """It is estimated from the submissions of a day in the finished windows."""
    plan = Plan.new("backfill", "run", STARTED, DateRange(date(2025, 1, 2), date(2025, 1, 9)), ())
    plan = replace(plan, uncut=None).with_window(Window(date(2025, 1, 1), date(2025, 1, 5)))
    plan = plan.with_window(Window(date(2025, 1, 6), date(2025, 1, 10)))
    plan = advance(plan, TaskProgress(done=True, rows=50), TaskProgress({}, rows=rows))
    assert plan.share_read == pytest.approx(share)
