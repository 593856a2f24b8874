"""State: plans come back as they were stored, and end as they should."""

from __future__ import annotations

from datetime import UTC, date, datetime

from argos_sync.fetch.checkpoint import SYNC, State, high_water_mark, save_plan, unfinished_plan
from argos_sync.fetch.plan import Plan, TaskProgress
from argos_sync.fetch.windows import DateRange, Window

NEWEST = datetime(2025, 1, 31, 12, 0, 0, 123000, tzinfo=UTC)
BEGUN = datetime(2025, 2, 1, tzinfo=UTC)
WINDOWS = [Window(None, date(2025, 1, 1)), Window(date(2025, 1, 2), None)]


def plan(name: str = SYNC) -> Plan:
    """Return a plan of two windows."""
    return cut_plan(WINDOWS, name)


def cut_plan(windows: list[Window], name: str = SYNC) -> Plan:
    """Return a plan whose days have all been cut."""
    named = {f"run/{place}": (window, TaskProgress()) for place, window in enumerate(windows)}
    wanted = DateRange(date(2025, 1, 1))
    return Plan(name, "run", BEGUN, wanted, ("others", "kyc"), windows=named, cuts=len(windows))


def after(plan: Plan, **progress: TaskProgress) -> Plan:
    """Return the plan with its windows so far."""
    for place, now in progress.items():
        name = f"run/{place.removeprefix('w')}"
        plan = plan.after(name, plan.windows[name][1].then(now))
    return plan


def test_a_plan_comes_back_as_it_was() -> None:
    """Windows, cursors, counts and moments survive the way through JSON."""
    state: State = {}
    cursor = {"others": {"id": "x", "created_at": 5}}
    begun = after(plan(), w1=TaskProgress(cursor, done=False, rows=3, newest=NEWEST))
    save_plan(state, begun)
    assert unfinished_plan(state, SYNC, ("others", "kyc")) == begun


def test_a_plan_over_other_sections_is_not_gone_on_with() -> None:
    """Its cursors belong to other walks."""
    state: State = {}
    save_plan(state, plan())
    assert unfinished_plan(state, SYNC, ()) is None


def test_progress_adds_up() -> None:
    """Rows are summed, the newest moment stays, and a page without a cursor keeps the last."""
    one = after(plan(), w0=TaskProgress({"": 1}, rows=2, newest=NEWEST))
    two = after(one, w0=TaskProgress(None, done=True, rows=3))
    assert two.windows["run/0"][1] == TaskProgress({"": 1}, done=True, rows=5, newest=NEWEST)
    assert list(two.left) == ["run/1"]


def test_a_finished_sync_moves_the_mark_and_goes() -> None:
    """The mark is the newest created_at of all windows, and never moves back."""
    state: State = {"high_water_mark": "2025-01-30T00:00:00+00:00"}
    done = after(plan(), w0=TaskProgress(done=True), w1=TaskProgress(done=True, newest=NEWEST))
    save_plan(state, done)
    assert high_water_mark(state) == NEWEST
    assert state["plans"] == {}
    save_plan(state, after(plan(), w0=TaskProgress(done=True), w1=TaskProgress(done=True)))
    assert high_water_mark(state) == NEWEST


def test_a_finished_backfill_leaves_the_mark() -> None:
    """Only sync moves it."""
    state: State = {}
    done = TaskProgress(done=True, newest=NEWEST)
    save_plan(state, after(plan("backfill x"), w0=done, w1=done))
    assert high_water_mark(state) is None


def test_a_mark_never_lies_in_the_future() -> None:
    """One row with a wrong clock must not hide all that is created until then."""
    state: State = {}
    late = TaskProgress(done=True, newest=datetime(2031, 1, 1, tzinfo=UTC))
    save_plan(state, after(plan(), w0=late, w1=late))
    assert high_water_mark(state) == BEGUN


def test_windows_that_could_still_grow_are_begun_anew() -> None:
    """A window read before its last day was over is not done when the plan is taken up again."""
    windows = [
        Window(date(2025, 1, 1), date(2025, 1, 30)),
        Window(date(2025, 1, 31), date(2025, 1, 31)),
        Window(date(2025, 2, 1), None),
    ]
    read = TaskProgress({}, done=True, rows=1)
    done = after(cut_plan(windows), w0=read, w1=read, w2=read)
    assert list(done.reopened().left) == ["run/1", "run/2"]


def test_what_could_still_grow_is_cut_off_what_could_not() -> None:
    """Of a long window only the days since are read again."""
    long = cut_plan([Window(date(2024, 1, 1), date(2025, 1, 31))])
    done = after(long, w0=TaskProgress({}, done=True, rows=5, newest=NEWEST))
    again = done.reopened()
    assert [window for window, _ in again.windows.values()] == [
        Window(date(2024, 1, 1), date(2025, 1, 30)),
        Window(date(2025, 1, 31), date(2025, 1, 31)),
    ]
    assert list(again.left) == ["run/1"]
    assert again.cuts == 2


def test_neighbours_that_are_done_are_stored_as_one() -> None:
    """State stays small however many windows there were, and says the same."""
    days = [Window(date(2025, 1, n), date(2025, 1, n)) for n in range(1, 8)]
    read = TaskProgress({}, done=True, rows=2, newest=NEWEST)
    plan = after(cut_plan(days), w0=read, w1=read, w2=read, w4=read, w6=read)
    state: State = {}
    save_plan(state, plan)
    stored = unfinished_plan(state, SYNC, ("others", "kyc"))
    assert stored is not None
    assert stored.windows["run/0"] == (
        Window(date(2025, 1, 1), date(2025, 1, 3)),
        TaskProgress({}, done=True, rows=6, newest=NEWEST),
    )
    assert [name for name, (_, progress) in stored.windows.items() if progress.done] == [
        "run/0",
        "run/4",
        "run/6",
    ]
    assert stored.left == plan.left
    assert stored.cuts == 7
