"""Sync: new rows, the look-back window, and the high-water mark that only sync moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from argos_sync.api.errors import ServerError
from argos_sync.commands.backfill import backfill
from argos_sync.commands.sync import sync
from argos_sync.emulator import Behaviour, Emulator, Faults
from argos_sync.fetch.checkpoint import high_water_mark
from argos_sync.fetch.chunks import Chunk
from argos_sync.fetch.job import FetchJob, fetch_in_thread
from argos_sync.load.read_only import open_read_only
from argos_sync.shape.contract import load_contract
from argos_sync.warehouse import submissions as submissions_module
from support import StopAfter, Warehouse, assert_equal, at, context_for, created_at, in_range

pytestmark = pytest.mark.tables_made


def mark(warehouse: Warehouse) -> datetime | None:
    """Return the committed high-water mark."""
    with open_read_only(warehouse.target) as view:
        return high_water_mark(view.state)


def closed(submission: dict[str, Any]) -> dict[str, Any]:
    """Return the submission with a final result and nothing that is monitored."""
    return submission | {"kyc": {"result": "rejected"}, "aml": None}


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
    with Emulator(map(closed, january[:-1])) as api:
        context = context_for(api.base_url, warehouse.target, lookback_days=7, sweep_days=0)
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
    # Requests for a single row are the probe's.
    asked = [query["start_date"] for query in queries if query["count"] != "1"]
    assert min(asked) == "2025-01-24"


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


NIGHT = datetime(2025, 3, 1, 3, tzinfo=UTC)


OPEN = [
    {"kyc": {"result": "pending"}},
    {"kyc": {"result": "incomplete"}},
    {"kyc": None},
    {"kyc": {"result": "approved"}, "aml": {"currentstatus": "Not Screened"}},
    {"kyc": {"result": "approved"}, "aml": {"currentstatus": "Red Flag"}},
]


@pytest.mark.parametrize("number", [5, 40])
def test_an_open_case_is_fetched_every_night(
    number: int, any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """However old it is, what may still change is asked for; by id, or by day if that is less."""
    source = [closed(s) for s in sorted(january, key=created_at)]
    source[:number] = [s | OPEN[i % len(OPEN)] for i, s in enumerate(source[:number])]
    with Emulator(source) as api:
        context = context_for(api.base_url, any_warehouse.target, sweep_days=0)
        sync(context)
        for submission in source[:number]:
            api.store.update(submission["submission_id"], {"userid": "changed"})
        api.store.update(source[200]["submission_id"], {"userid": "changed but closed"})
        report = sync(at(context, NIGHT))
    found = any_warehouse.query("SELECT submission_id FROM submissions WHERE userid = 'changed'")
    assert sorted(row["submission_id"] for row in found) == sorted(
        s["submission_id"] for s in source[:number]
    )
    assert report.submissions_changed == number
    assert report.requests < 20


@pytest.mark.parametrize("result", ["approved", "rejected"])
def test_a_closed_case_waits_for_the_sweep(
    result: str, warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """A final result without anything to monitor is not fetched with the open ones."""
    source = [closed(s) | {"kyc": {"result": result}} for s in january]
    with Emulator(source) as api:
        context = context_for(api.base_url, warehouse.target, sweep_days=0)
        sync(context)
        report = sync(at(context, NIGHT))
    # A night begins with the day of the newest submission.
    assert report.submissions_fetched == len(in_range(source, date(2025, 1, 31), NIGHT.date()))


def test_the_sweep_reaches_every_submission_in_time(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """Night after night a share, so that no row is ever older than sweep_days."""
    source = [closed(s) for s in january]
    fetched = []
    with Emulator(source) as api:
        context = context_for(api.base_url, warehouse.target, sweep_days=5, lookback_days=2)
        sync(at(context, NIGHT))
        for night in range(1, 12):
            now = NIGHT + timedelta(days=night)
            fetched.append(sync(at(context, now)).submissions_fetched)
            (row,) = warehouse.query("SELECT MIN(_synced_at) AS oldest FROM submissions")
            assert now - row["oldest"] < timedelta(days=5)
    assert max(fetched) < 2 * len(source) / 5
    assert sum(fetched[:5]) >= len(source)


def test_the_sweep_finds_what_appears_in_old_days(
    any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """A submission that comes late, even on a day without any, is loaded within sweep_days."""
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


def test_the_sweep_leaves_days_alone_that_nobody_asked_for(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """Before start_date only the days that a backfill brought are read again."""
    source = [closed(s) for s in january]
    with Emulator(source) as api:
        context = context_for(api.base_url, warehouse.target, sweep_days=1, start_date="2025-01-25")
        backfill(context, date(2025, 1, 3), date(2025, 1, 5))
        sync(context)
        sync(at(context, NIGHT))
    days = {created_at(s).date() for s in source}
    wanted = {day for day in days if day >= date(2025, 1, 25) or 3 <= day.day <= 5}
    assert_equal(warehouse, [s for s in source if created_at(s).date() in wanted])


def test_what_is_gone_is_marked_and_comes_back(
    any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """A deletion shows in the look-back window, and a return clears it; the rows stay."""
    person = max(january, key=created_at)["submission_id"]
    query = f"SELECT _deleted_at, _changed_at FROM submissions WHERE submission_id = '{person}'"
    with Emulator(january) as api:
        context = context_for(api.base_url, any_warehouse.target)
        sync(context)
        api.store.delete(person)
        deleted = sync(at(context, datetime(2025, 2, 2, 3, tzinfo=UTC)))
        (gone,) = any_warehouse.query(query)
        again = sync(at(context, datetime(2025, 2, 3, 3, tzinfo=UTC)))
        api.store.restore(person)
        back = sync(at(context, datetime(2025, 2, 4, 3, tzinfo=UTC)))
        (row,) = any_warehouse.query(query)
    assert deleted.submissions_deleted == 1
    assert gone["_deleted_at"] == gone["_changed_at"] == datetime(2025, 2, 2, 3, tzinfo=UTC)
    assert (again.submissions_deleted, back.submissions_changed) == (0, 1)
    assert row["_deleted_at"] is None
    assert_equal(any_warehouse, january)


def test_a_source_with_holes_empties_nothing(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """When more than a few are gone nothing is marked, and the run says so."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        for submission in january[::3]:
            api.store.delete(submission["submission_id"])
        report = sync(at(context, datetime(2025, 2, 2, 3, tzinfo=UTC)))
    assert report.submissions_deleted == 0
    assert report.note is not None
    assert "too many to mark" in report.note
    assert warehouse.query("SELECT problem FROM sync_issues") == [
        {"problem": "too many are gone from the source to mark them as deleted"}
    ]
    assert_equal(warehouse, january)


def test_a_list_with_a_hole_is_not_believed(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """What a list leaves out but its id still brings is not gone."""
    hidden = max(january, key=created_at)
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        # Listed on a day long before, as if the index that lists are made of were broken.
        api.store.replace(hidden | {"created_at": "2024-01-01-00-00-00-000"})
        report = sync(at(context, datetime(2025, 2, 2, 3, tzinfo=UTC)))
        moved = api.store.get(hidden["submission_id"])
    assert (report.submissions_deleted, report.submissions_changed) == (0, 1)
    assert_equal(warehouse, [s for s in january if s is not hidden] + [moved])


def test_a_night_without_news_changes_no_table(
    any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """Only `_synced_at` moves, and the run and its windows are recorded."""
    tables = [name for name in load_contract().tables if name not in ("sync_runs", "sync_windows")]
    with Emulator(january) as api:
        context = context_for(api.base_url, any_warehouse.target)
        sync(context)
        before = any_warehouse.tables(tables)
        sync(at(context, datetime(2025, 2, 1, 4, tzinfo=UTC)))  # notes which views there are
        (loads_before,) = any_warehouse.query("SELECT COUNT(*) AS n FROM _dlt_loads")
        report = sync(at(context, datetime(2025, 2, 2, 3, tzinfo=UTC)))
        (loads,) = any_warehouse.query("SELECT COUNT(*) AS n FROM _dlt_loads")
    assert report.submissions_unchanged == report.submissions_fetched > 0
    assert any_warehouse.tables(tables) == before
    assert loads["n"] == loads_before["n"] + 1


def test_a_night_without_news_is_few_packages(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """What is found as it was waits for the next commit."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20)
        sync(context)
        before = warehouse.count("_dlt_loads")
        report = sync(at(replace(context, chunk_size=40), NIGHT))
        assert report.submissions_unchanged > 3 * 40
        # The window's own, if it ends after the first chunk, and the last.
        assert warehouse.count("_dlt_loads") <= before + 2


@pytest.mark.parametrize("most", [1_000, 100])
def test_what_is_held_is_told_to_who_fetches(
    most: int,
    any_warehouse: Warehouse,
    january: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that it need not become rows; but nobody who is marked as gone, nor more than has room."""
    monkeypatch.setattr(submissions_module, "_MAX_HASHES", most)
    told: list[dict[str, str]] = []

    def telling(reading: FetchJob, *arguments: Any) -> AbstractContextManager[Iterator[Chunk]]:
        told.append(dict(reading.stored_hashes))
        return fetch_in_thread(reading, *arguments)

    with Emulator(january) as api:
        context = context_for(api.base_url, any_warehouse.target, lookback_days=60)
        sync(context)
        api.store.delete(january[0]["submission_id"])
        assert sync(at(context, NIGHT)).submissions_deleted == 1
        report = sync(replace(at(context, NIGHT + timedelta(hours=1)), chunks=telling))
    hashes = any_warehouse.query(
        "SELECT submission_id, _content_hash FROM submissions WHERE _deleted_at IS NULL"
    )
    expected = {row["submission_id"]: row["_content_hash"] for row in hashes}
    assert told == [expected if most == 1_000 else {}]
    assert report.submissions_unchanged == len(january) - 1
    assert_equal(any_warehouse, january)
