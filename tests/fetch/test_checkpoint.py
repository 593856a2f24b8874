"""The checkpoint: plans are stored and resumed, and finished plans leave their result."""

import base64
import json
from datetime import UTC, date, datetime

import pytest

from argos_sync.fetch.checkpoint import (
    SYNC,
    State,
    complete_before,
    drop_cursors,
    high_water_mark,
    mentions_any,
    save_plan,
    unfinished_plan,
)
from argos_sync.fetch.ledger import Plan, TaskProgress
from argos_sync.fetch.windows import DateRange, Window

NEWEST = datetime(2025, 1, 31, 12, 0, 0, 123000, tzinfo=UTC)
STARTED = datetime(2025, 2, 1, tzinfo=UTC)
SECTIONS = ("others", "kyc")
UNREAD = TaskProgress()


def plan_with(first: TaskProgress, second: TaskProgress, name: str = SYNC) -> Plan:
    """Return a plan of two windows."""
    windows = {
        "run/0": (Window(None, date(2025, 1, 1)), first),
        "run/1": (Window(date(2025, 1, 2), None), second),
    }
    days = DateRange(date(2025, 1, 1))
    return Plan(name, "run", STARTED, days, SECTIONS, windows=windows, window_count=2)


def test_a_stored_plan_is_restored() -> None:
    """Windows, cursors, counts and moments survive JSON."""
    state: State = {}
    cursor = {"others": {"id": "x", "created_at": 5}}
    plan = plan_with(UNREAD, TaskProgress(cursor, done=False, rows=3, newest=NEWEST))
    save_plan(state, plan)
    assert unfinished_plan(json.loads(json.dumps(state)), SYNC, SECTIONS) == plan


def test_a_plan_is_stored_compacted() -> None:
    """Adjacent finished windows are stored as one."""
    state: State = {}
    done = TaskProgress({}, done=True, rows=2, newest=NEWEST)
    plan = plan_with(done, done).with_window(Window(date(2025, 2, 2), date(2025, 2, 3)))
    save_plan(state, plan)
    stored = unfinished_plan(state, SYNC, SECTIONS)
    assert stored == plan.compacted()
    assert list(state["plans"][SYNC]["windows"]) == ["run/0", "run/2"]


def test_a_plan_over_other_sections_is_not_resumed() -> None:
    """Its cursors belong to other walks."""
    state: State = {}
    save_plan(state, plan_with(UNREAD, UNREAD))
    assert unfinished_plan(state, SYNC, ()) is None


def test_a_finished_sync_advances_the_high_water_mark() -> None:
    """The mark is the newest created_at of all windows, and never moves back."""
    state: State = {"high_water_mark": "2025-01-30T00:00:00+00:00"}
    save_plan(state, plan_with(TaskProgress(done=True), TaskProgress(done=True, newest=NEWEST)))
    assert high_water_mark(state) == NEWEST
    assert state["plans"] == {}
    save_plan(state, plan_with(TaskProgress(done=True), TaskProgress(done=True)))
    assert high_water_mark(state) == NEWEST


def test_a_finished_backfill_leaves_the_high_water_mark_alone() -> None:
    """It is noted as finished, up to the day that may have grown since."""
    state: State = {}
    done = TaskProgress(done=True, newest=NEWEST)
    save_plan(state, plan_with(done, done, "backfill x"))
    assert high_water_mark(state) is None
    assert complete_before(state, "backfill x", SECTIONS) == date(2025, 1, 31)
    assert complete_before(state, "backfill x", ()) is None
    assert complete_before(state, "backfill y", SECTIONS) is None


def test_the_high_water_mark_is_never_in_the_future() -> None:
    """One row with a wrong clock must not hide all submissions created until then."""
    state: State = {}
    future = TaskProgress(done=True, newest=datetime(2031, 1, 1, tzinfo=UTC))
    save_plan(state, plan_with(future, future))
    assert high_water_mark(state) == STARTED


def test_cursors_that_name_an_erased_submission_are_dropped() -> None:
    """The window restarts; other windows keep their cursors."""
    state: State = {}
    erased = TaskProgress({"": {"key": ["erased-id", 5]}}, rows=3, newest=NEWEST)
    kept = TaskProgress({"": {"key": ["another-id", 5]}}, rows=4, newest=NEWEST)
    save_plan(state, plan_with(erased, kept))
    drop_cursors(state, {"erased-id"})
    plan = unfinished_plan(state, SYNC, SECTIONS)
    assert plan == plan_with(TaskProgress(newest=NEWEST), kept)


@pytest.mark.parametrize(
    "key",
    [
        {"id": "김-1", "created_at": "x"},
        {"id": {"S": "김-1"}},
        json.dumps({"id": "김-1"}),
        base64.urlsafe_b64encode(json.dumps({"id": "김-1"}).encode()).decode(),
        "after 김-1",
    ],
)
def test_ids_within_cursors(key: object) -> None:
    """A cursor that is a text may hide an id, which must not stay in the state."""
    assert mentions_any({"": key}, {"김-1"})
    assert not mentions_any({"": key}, {"another"})
