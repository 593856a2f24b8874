"""Wrong clocks: order comes from what the warehouse knows, and no clock loses rows."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.sync import sync
from argos_sync.fetch.checkpoint import high_water_mark
from argos_sync.fetch.clock import RunClock, utc_now
from argos_sync.load.read_only import open_read_only
from argos_sync.warehouse.overview import Overview, read_overview
from combinations import some
from support import NOW, Rows, Warehouse, assert_equal, at, context_for, created_at
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WRONG_CLOCKS = [
    datetime(1970, 1, 1, tzinfo=UTC),
    NOW - 40 * DAY,
    NOW + 400 * DAY,
    datetime(2099, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, tzinfo=UTC),
]


def stepping(*steps: timedelta) -> Callable[[], datetime]:
    """Return a clock that is this far from `NOW` at each look; in the end it stays."""
    times = [NOW + step for step in steps]
    return lambda: times.pop(0) if len(times) > 1 else times[0]


def marked(warehouse: Warehouse) -> list[str]:
    """Return the ids of submissions that are marked as deleted."""
    rows = warehouse.query("SELECT submission_id FROM submissions WHERE _deleted_at IS NOT NULL")
    return sorted(row["submission_id"] for row in rows)


def overview_at(warehouse: Warehouse, now: datetime) -> Overview:
    """Return what `status` shows at a time."""
    with open_read_only(warehouse.target) as view:
        return read_overview(view.client, now)


def assert_history_is_ordered(warehouse: Warehouse) -> None:
    """Assert that periods end later than they begin, and before the next one."""
    periods: dict[str, Rows] = {}
    for row in warehouse.query("SELECT * FROM submission_status_history ORDER BY valid_from"):
        periods.setdefault(row["submission_id"], []).append(row)
    for rows in periods.values():
        for row in rows:
            assert row["valid_to"] is None or row["valid_from"] < row["valid_to"]
        for row, following in pairwise(rows):
            assert row["valid_to"] <= following["valid_from"]


def test_the_clock_of_a_run_never_goes_back() -> None:
    """It stands still until the machine's clock has caught up; the fetch process gets a copy."""
    clock = RunClock(stepping(HOUR, -HOUR, 2 * HOUR), NOW)
    assert [clock(), clock(), clock()] == [NOW + HOUR, NOW + HOUR, NOW + 2 * HOUR]
    clock.advance(NOW + 3 * HOUR)
    assert clock() == NOW + 3 * HOUR
    copy = pickle.loads(pickle.dumps(RunClock(utc_now, datetime(2099, 1, 1, tzinfo=UTC))))  # noqa: S301 ours
    assert copy() == datetime(2099, 1, 1, tzinfo=UTC)


@pytest.mark.slow
@pytest.mark.parametrize("looks", some([1, 2, 3, 5], [3]))
def test_a_clock_set_back_during_a_run(looks: int, any_warehouse: Warehouse, january: Rows) -> None:
    """Rows just fetched are not marked as deleted, and the one that is gone is."""
    with Emulator(january[:60]) as api:
        context = context_for(api.base_url, any_warehouse.target, lookback_days=60)
        sync(at(context, NOW - DAY))
        api.store.delete(january[3]["submission_id"])
        summary = sync(replace(context, clock=stepping(*[timedelta()] * looks, -HOUR)))
    assert marked(any_warehouse) == [january[3]["submission_id"]]
    assert [check for check in summary.checks if not check.passed] == []
    assert_history_is_ordered(any_warehouse)


@pytest.mark.slow
def test_a_clock_set_back_between_runs(any_warehouse: Warehouse, january: Rows) -> None:
    """What the second run does not fetch is known not to be fetched; a change comes after."""
    with Emulator(january[:60]) as api:
        context = context_for(api.base_url, any_warehouse.target, lookback_days=60)
        sync(at(context, NOW))
        api.store.delete(january[3]["submission_id"])
        api.store.update(january[4]["submission_id"], {"kyc": {"result": "changed"}})
        summary = sync(at(context, NOW - HOUR))
        assert (summary.submissions_deleted, summary.submissions_changed) == (1, 1)
        assert summary.started_at > NOW
        api.store.restore(january[3]["submission_id"])
        api.store.update(january[4]["submission_id"], {"kyc": {"result": "changed again"}})
        sync(at(context, NOW - HOUR))
    assert marked(any_warehouse) == []
    assert_history_is_ordered(any_warehouse)
    assert overview_at(any_warehouse, NOW + HOUR).runs[0]["submissions_fetched"] == 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "any_warehouse"),
    some(
        [(clock, kind) for clock in WRONG_CLOCKS for kind in ("duckdb", "postgres")],
        [(WRONG_CLOCKS[3], "duckdb"), (WRONG_CLOCKS[1], "postgres")],
    ),
    ids=str,
    indirect=["any_warehouse"],
)
def test_a_night_with_a_wrong_clock(
    wrong: datetime, any_warehouse: Warehouse, january: Rows
) -> None:
    """It loses no rows; the nights after it find what changed, vanished and appeared."""
    by_age = sorted(january, key=created_at)
    future = by_age[0] | {"submission_id": "future", "created_at": "2050-01-01-00-00-00-000"}
    early, late = by_age[:60], by_age[60:80]
    with Emulator([*early, future]) as api:
        context = context_for(api.base_url, any_warehouse.target, erase_deleted_after_days=30)
        begin = created_at(early[-1]) + HOUR
        sync(at(context, begin))
        api.store.delete(early[1]["submission_id"])
        sync(at(context, begin + DAY))
        sync(at(context, wrong))
        assert any_warehouse.count("submissions") == 61
        # The alarm: what a wrong clock dated is no success of that time.
        later = begin + 3 * DAY
        success = overview_at(any_warehouse, later).last_success
        assert success is not None
        assert later - success >= DAY
        # No run for longer than the look-back window: the mark alone says where to go on.
        for submission in late:
            api.store.add(submission)
        api.store.delete(early[2]["submission_id"])
        api.store.update(early[5]["submission_id"], {"kyc": {"result": "changed"}})
        for night in range(20, 23):
            summary = sync(at(context, begin + night * DAY))
            # Nor is all read again and again.
        assert summary.submissions_fetched < 81
        overview = overview_at(any_warehouse, begin + 23 * DAY)
        assert overview.last_success == begin + 22 * DAY
        assert overview.runs[0]["started_at"].astimezone(UTC) == begin + 22 * DAY
        now = [item for item in api.store.all() if item["submission_id"] != "future"]
    gone = [early[number] for number in (1, 2)]
    assert marked(any_warehouse) == sorted(item["submission_id"] for item in gone)
    assert_equal(any_warehouse, [*now, future, *gone])
    assert_history_is_ordered(any_warehouse)
    with open_read_only(any_warehouse.target) as view:
        oldest = view.client.execute_sql("SELECT MIN(_synced_at) FROM submissions")
    assert oldest


@pytest.mark.slow
def test_a_backfill_with_a_wrong_clock(warehouse: Warehouse, january: Rows) -> None:
    """Days that were not over are read again, although the note says that they were."""
    by_age = sorted(january, key=created_at)
    middle = created_at(by_age[50])
    month = middle.date().replace(day=1), middle.date().replace(day=31)
    with Emulator(by_age[:50]) as api:
        context = context_for(api.base_url, warehouse.target)
        backfill(at(context, datetime(2099, 1, 1, tzinfo=UTC)), *month)
        api.store.add(by_age[50])
        backfill(at(context, middle + HOUR), *month)
        with open_read_only(warehouse.target) as view:
            assert high_water_mark(view.state) is None
    assert_equal(warehouse, by_age[:51])
