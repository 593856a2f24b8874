"""Sync: new submissions, the look-back window, open submissions, the sweep, and deletions."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from argos_sync.api.errors import ServerError
from argos_sync.commands.backfill import backfill
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import Faults, generate
from argos_sync.fetch.checkpoint import high_water_mark
from argos_sync.fetch.chunks import Chunk
from argos_sync.fetch.job import FetchJob
from argos_sync.fetch.thread import fetch_in_thread
from argos_sync.load.read_only import open_read_only
from argos_sync.shape.contract import load_contract
from argos_sync.warehouse import submissions as stored_submissions
from support import (
    Rows,
    StopAfter,
    Warehouse,
    assert_equal,
    at,
    closed,
    context_for,
    created_at,
    in_range,
)
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.tables_made


def stored_mark(warehouse: Warehouse) -> datetime | None:
    """Return the committed high-water mark."""
    with open_read_only(warehouse.target) as view:
        return high_water_mark(view.state)


def test_a_sync_loads_everything_and_sets_the_mark(warehouse: Warehouse, january: Rows) -> None:
    """The high-water mark is the newest `created_at`."""
    with Emulator(january[:60], behaviour=Behaviour(order="shuffled")) as api:
        sync(context_for(api.base_url, warehouse.target))
    assert_equal(warehouse, january[:60])
    assert stored_mark(warehouse) == max(map(created_at, january[:60]))


def test_the_second_sync_reads_all_tiers(
    synced_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """New, recently changed, open and deleted submissions are found; closed old ones wait."""
    old, still_open, *_, deleted, recent = synced_submissions
    with Emulator(synced_submissions) as api:
        context = context_for(api.base_url, synced_warehouse.target, sweep_days=0, lookback_days=14)
        for item in (old, still_open, recent):
            api.store.update(item["submission_id"], {"userid": "changed"})
        api.store.delete(deleted["submission_id"])
        api.store.add(recent | {"submission_id": "new"})
        summary = sync(at(context, datetime(2025, 2, 1, 4, tzinfo=UTC)))
    assert (summary.submissions_new, summary.submissions_deleted) == (1, 1)
    changed = synced_warehouse.query(
        "SELECT submission_id FROM submissions WHERE userid = 'changed'"
    )
    assert {row["submission_id"] for row in changed} == {
        item["submission_id"] for item in (still_open, recent)
    }


@pytest.mark.slow
def test_the_first_sync_starts_at_start_date(warehouse: Warehouse, january: Rows) -> None:
    """`start_date` is a UTC day."""
    january = january[::6]
    with Emulator(january, behaviour=Behaviour(day_zone="Asia/Seoul")) as api:
        sync(context_for(api.base_url, warehouse.target, start_date="2025-01-15"))
    expected = [s for s in january if created_at(s).date() >= date(2025, 1, 15)]
    assert_equal(warehouse, expected)


@pytest.mark.slow
def test_the_next_sync_reads_the_look_back_window(warehouse: Warehouse, january: Rows) -> None:
    """New submissions are loaded; changes are loaded within the look-back window only."""
    ordered_by_age = sorted(january, key=created_at)
    old, young = ordered_by_age[0]["submission_id"], ordered_by_age[-2]["submission_id"]
    with Emulator(map(closed, january[:-1])) as api:
        context = context_for(api.base_url, warehouse.target, lookback_days=7, sweep_days=0)
        sync(context)
        api.store.update(old, {"userid": "changed, but old"})
        api.store.update(young, {"userid": "changed and recent"})
        api.store.add(january[-1])
        before = api.request_count
        summary = sync(at(context, datetime(2025, 2, 1, 3, tzinfo=UTC)))
        queries = [request.parameters for request in list(api.requests)[before:]]
    assert (summary.submissions_new, summary.submissions_changed) == (1, 1)
    changed = warehouse.query("SELECT submission_id FROM submissions WHERE userid LIKE 'changed%'")
    assert [row["submission_id"] for row in changed] == [young]
    # The probe of `end_date` requests single rows.
    first_days = [query["start_date"] for query in queries if query["count"] != "1"]
    assert min(first_days) == "2025-01-24"


@pytest.mark.slow
def test_a_sync_after_a_long_pause(warehouse: Warehouse, january: Rows) -> None:
    """It loads everything created since the high-water mark."""
    by_age = sorted(january, key=created_at)
    with Emulator(by_age[:100]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        for submission in by_age[100:]:
            api.store.add(submission)
        sync(at(context, datetime(2025, 6, 1, tzinfo=UTC)))
    assert_equal(warehouse, january)


@pytest.mark.slow
def test_a_backfill_does_not_move_the_high_water_mark(warehouse: Warehouse, january: Rows) -> None:
    """Neither forward nor back."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target)
        backfill(context, date(2025, 1, 20), date(2025, 1, 31))
        assert stored_mark(warehouse) is None
        sync(context)
        reached = stored_mark(warehouse)
        backfill(context, date(2025, 1, 1), date(2025, 1, 5))
    assert stored_mark(warehouse) == reached == max(map(created_at, january))


@pytest.mark.slow
def test_a_submission_from_the_future(warehouse: Warehouse, january: Rows) -> None:
    """A wrong `created_at` does not move the high-water mark past later submissions."""
    by_age = sorted(january, key=created_at)
    future = by_age[0] | {"submission_id": "future", "created_at": "2031-01-01-00-00-00-000"}
    with Emulator([*by_age[:100], future]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(at(context, created_at(by_age[100])))
        for submission in by_age[100:]:
            api.store.add(submission)
        sync(at(context, datetime(2025, 6, 1, tzinfo=UTC)))
    assert_equal(warehouse, [*january, future])


@pytest.mark.slow
def test_an_unfinished_first_sync_with_a_new_start_date(
    warehouse: Warehouse, january: Rows
) -> None:
    """The first sync starts over, and its mark is not that of the unfinished one."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20, start_date="2025-01-20")
        context = replace(context, chunk_size=40, progress=StopAfter(api, 1))
        with pytest.raises(ServerError):
            sync(context)
        api.faults = Faults()
        sync(context_for(api.base_url, warehouse.target))
    assert_equal(warehouse, january)


NIGHT = datetime(2025, 3, 1, 3, tzinfo=UTC)
NIGHTS = int(os.environ.get("NIGHTS", "2"))
"""Nights of a test that takes a second for each; after 30 it finds every change."""


OPEN: list[dict[str, Any]] = [
    {"kyc": {"result": "pending"}},
    {"kyc": {"result": "incomplete"}},
    {"kyc": None},
    {"kyc": {"result": "approved"}, "aml": {"currentstatus": "Red Flag"}},
]


@pytest.mark.slow
@pytest.mark.parametrize("number", [5, 40])
def test_open_submissions_are_refreshed(
    number: int, any_warehouse: Warehouse, january: Rows
) -> None:
    """However old they are, they are requested by id, or by day if that is cheaper."""
    source = [closed(s) for s in sorted(january, key=created_at)]
    source[:number] = [s | OPEN[i % len(OPEN)] for i, s in enumerate(source[:number])]
    with Emulator(source) as api:
        context = context_for(api.base_url, any_warehouse.target, sweep_days=0)
        sync(context)
        for submission in source[:number]:
            api.store.update(submission["submission_id"], {"userid": "changed"})
        api.store.update(source[200]["submission_id"], {"userid": "changed, but not open"})
        summary = sync(at(context, NIGHT))
    changed = any_warehouse.query("SELECT submission_id FROM submissions WHERE userid = 'changed'")
    assert sorted(row["submission_id"] for row in changed) == sorted(
        s["submission_id"] for s in source[:number]
    )
    assert summary.submissions_changed == number
    assert summary.requests < 20


@pytest.mark.slow
@pytest.mark.parametrize(
    "status",
    [
        {"kyc": {"result": "rejected"}},
        # What a screening without a match says.
        {"kyc": {"result": "approved"}, "aml": {"currentstatus": "Not Screened"}},
    ],
)
def test_settled_submissions_are_not_refreshed(
    status: dict[str, Any], warehouse: Warehouse, january: Rows
) -> None:
    """A submission with a final result and without a red flag is fetched by the sweep only."""
    source = [closed(s) | status for s in january]
    with Emulator(source) as api:
        context = context_for(api.base_url, warehouse.target, sweep_days=0)
        sync(context)
        summary = sync(at(context, NIGHT))
    # The nightly range starts on the day of the newest submission.
    assert summary.submissions_fetched == len(in_range(source, date(2025, 1, 31), NIGHT.date()))


@pytest.mark.slow
def test_submissions_are_open_for_some_days(any_warehouse: Warehouse, january: Rows) -> None:
    """A pending submission is fetched nightly for `open_days` after its last change."""
    source = [closed(s) for s in sorted(january, key=created_at)]
    first = source[0]["submission_id"]
    source[0] |= {"kyc": {"result": "pending"}}

    with Emulator(source) as api:
        context = context_for(api.base_url, any_warehouse.target, sweep_days=0, open_days=10)

        def is_requested(days: int) -> bool:
            count = api.request_count
            sync(at(context, NIGHT + timedelta(days=days)))
            new = list(api.requests)[count - api.request_count :]
            return any(request.parameters.get("submission_id") == first for request in new)

        sync(at(context, NIGHT))
        assert [is_requested(days) for days in (1, 9, 11)] == [True, True, False]
        api.store.update(first, {"userid": "changed"})
        refresh(at(context, NIGHT + timedelta(days=12)), submission_ids=[first])
        assert [is_requested(days) for days in (13, 21, 23)] == [True, True, False]


@pytest.mark.slow
def test_the_sweep_fetches_every_submission_in_time(warehouse: Warehouse, january: Rows) -> None:
    """No row is ever older than `sweep_days`, so late changes are found in that time."""
    source = [closed(s) for s in january]
    nights = []
    with Emulator(source) as api:
        context = context_for(api.base_url, warehouse.target, sweep_days=5, lookback_days=2)
        sync(at(context, NIGHT))
        changed = api.store.ids()[::20]
        for submission_id in changed:
            api.store.update(submission_id, {"userid": "changed"})
        for night in range(1, 8):
            now = NIGHT + timedelta(days=night)
            nights.append(sync(at(context, now)))
            (row,) = warehouse.query("SELECT MIN(_synced_at) AS oldest FROM submissions")
            assert now - row["oldest"] < timedelta(days=5)
    fetched = [night.submissions_fetched for night in nights]
    assert max(fetched) < 2 * len(source) / 5
    assert sum(fetched[:5]) >= len(source)
    assert sum(night.submissions_changed for night in nights[:5]) == len(changed)


@pytest.mark.slow
def test_nights_over_settled_submissions(warehouse: Warehouse) -> None:
    """Each asks for under 5 % of a year of submissions; within a month late changes are found."""
    last = NIGHT.date() - timedelta(days=10)
    source = generate(2_000, seed=5, start=last - timedelta(days=355), end=last)
    source = [closed(submission) for submission in source]
    with Emulator(source) as api:
        context = context_for(api.base_url, warehouse.target, page_size=10)
        full = sync(at(context, NIGHT)).requests
        changed = api.store.ids()[::50]
        for submission_id in changed:
            api.store.update(submission_id, {"userid": "changed"})
        nights = [sync(at(context, NIGHT + timedelta(days=1 + night))) for night in range(NIGHTS)]
        source = api.store.all()
    assert max(night.submissions_fetched for night in nights) < 0.05 * len(source)
    assert max(night.requests for night in nights) <= 0.05 * full
    if context.settings.sweep_days <= NIGHTS:
        assert sum(night.submissions_changed for night in nights) == len(changed)
        assert_equal(warehouse, source)


@pytest.mark.slow
@pytest.mark.covered
def test_the_sweep_reads_days_beside_if_it_has_to(warehouse: Warehouse) -> None:
    """Submissions that the server lists under the day after are found there, not one by one."""
    last = NIGHT.date() - timedelta(days=10)
    source = [closed(s) for s in generate(200, seed=5, start=last - timedelta(days=19), end=last)]
    with Emulator(source, behaviour=Behaviour(day_zone="Asia/Seoul")) as api:
        context = context_for(api.base_url, warehouse.target, sweep_days=6)
        sync(at(context, NIGHT))
        for submission_id in api.store.ids():
            api.store.update(submission_id, {"userid": "changed"})
        before = api.request_count
        changed = sum(
            sync(at(context, NIGHT + timedelta(days=night))).submissions_changed
            for night in range(1, 7)
        )
        queries = [request.parameters for request in list(api.requests)[before:]]
        source = api.store.all()
    assert not any("submission_id" in query for query in queries)
    assert changed == len(source)
    assert_equal(warehouse, source)


@pytest.mark.slow
def test_the_sweep_finds_late_submissions(any_warehouse: Warehouse, january: Rows) -> None:
    """A late submission, even on an empty day, is loaded within `sweep_days`."""
    source = [closed(s) for s in january]
    early = closed(january[0]) | {"submission_id": "e", "created_at": "2024-06-01-00-00-00-000"}
    between = closed(january[0]) | {"submission_id": "b", "created_at": "2025-02-10-00-00-00-000"}
    with Emulator(source) as api:
        context = context_for(api.base_url, any_warehouse.target, sweep_days=3, lookback_days=1)
        sync(at(context, NIGHT))
        api.store.add(early)
        api.store.add(between)
        for night in range(1, 4):
            sync(at(context, NIGHT + timedelta(days=night)))
    assert_equal(any_warehouse, [*source, early, between])


@pytest.mark.slow
def test_the_sweep_does_not_read_days_before_start_date(
    warehouse: Warehouse, january: Rows
) -> None:
    """Only the days that a backfill has loaded are read again."""
    source = [closed(s) for s in january]
    with Emulator(source) as api:
        context = context_for(api.base_url, warehouse.target, sweep_days=1, start_date="2025-01-25")
        backfill(context, date(2025, 1, 3), date(2025, 1, 5))
        sync(context)
        sync(at(context, NIGHT))
    days = {created_at(s).date() for s in source}
    synced = {day for day in days if day >= date(2025, 1, 25) or 3 <= day.day <= 5}
    assert_equal(warehouse, [s for s in source if created_at(s).date() in synced])


@pytest.mark.slow
def test_too_many_deletions(warehouse: Warehouse, january: Rows) -> None:
    """Nothing is marked, the run records an issue, and the next one reads these days again."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target, sweep_days=0, open_days=0)
        sync(context)
        for submission in january[::3]:
            api.store.delete(submission["submission_id"])
        # It moves the look-back window of the later night away from the days before it.
        new = {"submission_id": "new", "created_at": "2025-02-07-01-00-00-000"}
        api.store.add(new)
        summary = sync(at(context, datetime(2025, 2, 7, 3, tzinfo=UTC)))
        for submission in january[::3]:
            api.store.restore(submission["submission_id"])
        later = sync(at(context, datetime(2025, 2, 12, 3, tzinfo=UTC)))
    assert [check for check in later.checks if not check.passed] == []
    assert warehouse.query("SELECT * FROM sync_windows WHERE state = 'emptied'") == []
    assert summary.submissions_deleted == 0
    assert summary.note is not None
    assert "too many to mark" in summary.note
    assert warehouse.query("SELECT problem FROM sync_issues") == [
        {"problem": "too many are gone from the source to mark them as deleted"}
    ]
    assert_equal(warehouse, [*january, new])


@pytest.mark.slow
def test_an_incomplete_list(warehouse: Warehouse, january: Rows) -> None:
    """A submission that is missing from a list but found by its id is not deleted."""
    hidden = max(january, key=created_at)
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        # On another day, as if the index behind the API's lists were broken.
        api.store.replace(hidden | {"created_at": "2024-01-01-00-00-00-000"})
        summary = sync(at(context, datetime(2025, 2, 2, 3, tzinfo=UTC)))
        moved = api.store.get(hidden["submission_id"])
    assert (summary.submissions_deleted, summary.submissions_changed) == (0, 1)
    assert_equal(warehouse, [s for s in january if s is not hidden] + [moved])


@pytest.mark.slow
def test_a_night_without_changes(warehouse: Warehouse, january: Rows) -> None:
    """Only `_synced_at` changes, and the run and its windows are recorded."""
    tables = [name for name in load_contract().tables if name not in ("sync_runs", "sync_windows")]
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        before = warehouse.tables(tables)
        sync(at(context, datetime(2025, 2, 1, 4, tzinfo=UTC)))  # saves the state about views
        (loads_before,) = warehouse.query("SELECT COUNT(*) AS n FROM _dlt_loads")
        summary = sync(at(context, datetime(2025, 2, 2, 3, tzinfo=UTC)))
        (loads,) = warehouse.query("SELECT COUNT(*) AS n FROM _dlt_loads")
    assert summary.submissions_unchanged == summary.submissions_fetched > 0
    assert warehouse.tables(tables) == before
    assert loads["n"] == loads_before["n"] + 1


@pytest.mark.slow
def test_a_night_without_changes_needs_few_load_packages(
    warehouse: Warehouse, january: Rows
) -> None:
    """The progress of unchanged submissions waits for the next commit."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20)
        sync(context)
        before = warehouse.count("_dlt_loads")
        summary = sync(at(replace(context, chunk_size=40), NIGHT))
        assert summary.submissions_unchanged > 3 * 40
        # The package of the window, if it ends after the first chunk, and the last one.
        assert warehouse.count("_dlt_loads") <= before + 2


@pytest.mark.slow
@pytest.mark.parametrize("max_hashes", [1_000, 100])
def test_stored_hashes_are_sent_to_the_fetch_job(
    max_hashes: int,
    any_warehouse: Warehouse,
    january: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Except those of deleted submissions, and none if there are too many."""
    monkeypatch.setattr(stored_submissions, "_MAX_HASHES", max_hashes)
    sent_hashes: list[dict[str, str]] = []

    def record_hashes(job: FetchJob, *arguments: Any) -> AbstractContextManager[Iterator[Chunk]]:
        sent_hashes.append(dict(job.stored_hashes))
        return fetch_in_thread(job, *arguments)

    with Emulator(january) as api:
        context = context_for(api.base_url, any_warehouse.target, lookback_days=60)
        sync(context)
        api.store.delete(january[0]["submission_id"])
        assert sync(at(context, NIGHT)).submissions_deleted == 1
        summary = sync(replace(at(context, NIGHT + timedelta(hours=1)), chunks=record_hashes))
    hashes = any_warehouse.query(
        "SELECT submission_id, _content_hash FROM submissions WHERE _deleted_at IS NULL"
    )
    expected = {row["submission_id"]: row["_content_hash"] for row in hashes}
    assert sent_hashes == [expected if max_hashes == 1_000 else {}]
    assert summary.submissions_unchanged == len(january) - 1
    assert_equal(any_warehouse, january)
