"""State: plans come back as they were stored, and end as they should."""

from __future__ import annotations

from datetime import UTC, date, datetime

from argos_sync.load.chunks import Progress
from argos_sync.load.state import SYNC, Plan, State, high_water_mark, store_plan, stored_plan
from argos_sync.load.windows import Range, Window

NEWEST = datetime(2025, 1, 31, 12, 0, 0, 123000, tzinfo=UTC)
BEGUN = datetime(2025, 2, 1, tzinfo=UTC)
WINDOWS = [Window(None, date(2025, 1, 1)), Window(date(2025, 1, 2), None)]


def plan(name: str = SYNC) -> Plan:
    """Return a plan of two windows."""
    return Plan.new(
        name,
        "run",
        begun=BEGUN,
        wanted=Range(date(2025, 1, 1)),
        sections=("others", "kyc"),
        windows=WINDOWS,
    )


def test_a_plan_comes_back_as_it_was() -> None:
    """Windows, cursors, counts and moments survive the way through JSON."""
    state: State = {}
    cursor = {"others": {"id": "x", "created_at": 5}}
    begun = plan().after({"run/1": Progress(cursor, done=False, rows=3, newest=NEWEST)})
    store_plan(state, begun)
    assert stored_plan(state, SYNC, ("others", "kyc")) == begun


def test_a_plan_over_other_sections_is_not_gone_on_with() -> None:
    """Its cursors belong to other walks."""
    state: State = {}
    store_plan(state, plan())
    assert stored_plan(state, SYNC, ()) is None


def test_progress_adds_up() -> None:
    """Rows are summed, the newest moment stays, and a page without a cursor keeps the last."""
    one = plan().after({"run/0": Progress({"": 1}, rows=2, newest=NEWEST)})
    two = one.after({"run/0": Progress(None, done=True, rows=3)})
    assert two.windows["run/0"][1] == Progress({"": 1}, done=True, rows=5, newest=NEWEST)
    assert list(two.left) == ["run/1"]


def test_a_finished_sync_moves_the_mark_and_goes() -> None:
    """The mark is the newest created_at of all windows, and never moves back."""
    state: State = {"high_water_mark": "2025-01-30T00:00:00+00:00"}
    done = plan().after({"run/0": Progress(done=True), "run/1": Progress(done=True, newest=NEWEST)})
    store_plan(state, done)
    assert high_water_mark(state) == NEWEST
    assert state["plans"] == {}
    store_plan(state, plan().after(dict.fromkeys(plan().windows, Progress(done=True))))
    assert high_water_mark(state) == NEWEST


def test_a_finished_backfill_leaves_the_mark() -> None:
    """Only sync moves it."""
    state: State = {}
    done = Progress(done=True, newest=NEWEST)
    store_plan(state, plan("backfill x").after({"run/0": done, "run/1": done}))
    assert high_water_mark(state) is None


def test_a_mark_never_lies_in_the_future() -> None:
    """One row with a wrong clock must not hide all that is created until then."""
    state: State = {}
    late = Progress(done=True, newest=datetime(2031, 1, 1, tzinfo=UTC))
    store_plan(state, plan().after({"run/0": late, "run/1": late}))
    assert high_water_mark(state) == BEGUN


def test_windows_that_could_still_grow_are_begun_anew() -> None:
    """A window read before its last day was over is not done when the plan is taken up again."""
    windows = [
        Window(date(2025, 1, 1), date(2025, 1, 30)),
        Window(date(2025, 1, 31), date(2025, 1, 31)),
        Window(date(2025, 2, 1), None),
    ]
    begun = Plan.new("backfill", "run", begun=BEGUN, wanted=Range(), sections=(), windows=windows)
    done = begun.after(dict.fromkeys(begun.windows, Progress({}, done=True, rows=1)))
    assert list(done.reopened().left) == ["run/1", "run/2"]
