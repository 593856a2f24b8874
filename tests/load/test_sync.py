"""Sync: new rows, the look-back window, and the high-water mark that only sync moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from argos_sync.api.errors import ServerError
from argos_sync.emulator import Behaviour, Emulator, Faults
from argos_sync.load.commands import backfill, sync
from argos_sync.load.pipeline import look_into
from argos_sync.load.state import high_water_mark
from support import StopAfter, Warehouse, assert_equal, at, context_for, created_at


def mark(warehouse: Warehouse) -> datetime | None:
    """Return the committed high-water mark."""
    with look_into(warehouse.target) as view:
        return high_water_mark(view.state)


def test_the_first_sync_loads_all_history(
    any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """Without a start_date everything comes, and the mark is the newest created_at."""
    with Emulator(january, behaviour=Behaviour(order="shuffled")) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    assert_equal(any_warehouse, january)
    assert mark(any_warehouse) == max(map(created_at, january))


def test_the_first_sync_begins_at_start_date(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """`start_date` bounds the first sync by UTC days."""
    with Emulator(january, behaviour=Behaviour(day_zone="Asia/Seoul")) as api:
        sync(context_for(api.base_url, warehouse.target, start_date="2025-01-15"))
    wanted = [s for s in january if created_at(s).date() >= date(2025, 1, 15)]
    assert_equal(warehouse, wanted)


def test_the_next_sync_loads_what_is_new_and_the_look_back_window(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """New rows come; changes show within the look-back window, and not before it."""
    ordered_by_age = sorted(january, key=created_at)
    old, young = ordered_by_age[0]["submission_id"], ordered_by_age[-2]["submission_id"]
    with Emulator(january[:-1]) as api:
        context = context_for(api.base_url, warehouse.target, lookback_days=7)
        sync(context)
        api.store.update(old, {"userid": "changed long ago"})
        api.store.update(young, {"userid": "changed lately"})
        api.store.add(january[-1])
        before = api.request_count
        report = sync(at(context, datetime(2025, 2, 1, 3, tzinfo=UTC)))
        queries = [request.parameters for request in list(api.requests)[before:]]
    assert (report.submissions_new, report.submissions_changed) == (1, 1)
    changed = warehouse.query("SELECT submission_id FROM submissions WHERE userid LIKE 'changed%'")
    assert [row["submission_id"] for row in changed] == [young]
    assert all(query["start_date"] >= "2025-01-24" for query in queries)


def test_a_sync_after_a_long_pause_reaches_back_to_the_mark(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """What was created while nothing ran is loaded, however long that was."""
    by_age = sorted(january, key=created_at)
    with Emulator(by_age[:100]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        for submission in by_age[100:]:
            api.store.add(submission)
        sync(at(context, datetime(2025, 6, 1, tzinfo=UTC)))
    assert_equal(warehouse, january)


def test_a_backfill_leaves_the_mark_alone(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """A backfill neither skips the mark ahead nor moves it back."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target)
        backfill(context, date(2025, 1, 20), date(2025, 1, 31))
        assert mark(warehouse) is None
        sync(context)
        reached = mark(warehouse)
        backfill(context, date(2025, 1, 1), date(2025, 1, 5))
    assert mark(warehouse) == reached == max(map(created_at, january))


def test_a_second_sync_changes_nothing(
    any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """The same API state gives the same rows, to the last column but `_synced_at`."""
    names = ("submissions", "applicants", "attempts", "matches", "kyc_comments", "sync_issues")
    with Emulator(january, behaviour=Behaviour(image_urls="signed", order="descending")) as api:
        context = context_for(api.base_url, any_warehouse.target, lookback_days=60)
        sync(context)
        before = any_warehouse.tables(names)
        stamps = any_warehouse.query(
            "SELECT submission_id, _changed_at, _content_hash FROM submissions"
        )
        report = sync(at(context, datetime(2025, 2, 2, tzinfo=UTC)))
    assert report.submissions_unchanged == len(january)
    assert any_warehouse.tables(names) == before
    again = any_warehouse.query("SELECT submission_id, _changed_at, _content_hash FROM submissions")
    assert sorted(map(str, again)) == sorted(map(str, stamps))


def test_a_row_from_the_future_hides_nothing(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """After a long pause everything created in it is loaded, wrong clocks or not."""
    by_age = sorted(january, key=created_at)
    future = by_age[0] | {"submission_id": "future", "created_at": "2031-01-01-00-00-00-000"}
    with Emulator([*by_age[:100], future]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(at(context, created_at(by_age[100])))
        for submission in by_age[100:]:
            api.store.add(submission)
        sync(at(context, datetime(2025, 6, 1, tzinfo=UTC)))
    assert_equal(warehouse, [*january, future])


def test_an_unfinished_first_sync_heeds_a_new_start_date(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """What was begun with another start_date does not set the mark."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20, start_date="2025-01-20")
        context = replace(context, chunk_size=40, progress=StopAfter(api, 1))
        with pytest.raises(ServerError):
            sync(context)
        api.faults = Faults()
        sync(context_for(api.base_url, warehouse.target))
    assert_equal(warehouse, january)
