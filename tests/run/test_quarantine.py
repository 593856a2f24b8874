"""Submissions that cannot be read: they are seen, not gone, and are tried again."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import generate
from argos_sync.run.context import Context
from argos_sync.run.quarantine import TooManyUnreadable
from argos_sync.run.summary import RunSummary
from argos_sync.warehouse.overview import UNREADABLE as ERROR
from argos_sync.warehouse.overview import read_overview
from combinations import some
from listener import Listener
from support import Rows, Warehouse, assert_equal, at, closed, context_for, duckdb_warehouse
from warehouse.direct import connected
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.tables_made

NIGHT = datetime(2025, 2, 1, 3, tzinfo=UTC)
DAYS = date(2025, 1, 1), date(2025, 1, 31)
UNREADABLE = ["", "05/01/2025 09:00", ["2025-01-05"]]


def submissions(count: int = 60) -> Rows:
    """Return submissions of January that are not open."""
    generated = generate(count, seed=3, start=DAYS[0], end=DAYS[1])
    return [closed(item) for item in generated]


def stored(warehouse: Warehouse, submission_id: str) -> dict[str, Any]:
    """Return a row of `submissions`."""
    (row,) = warehouse.query(f"SELECT * FROM submissions WHERE submission_id = '{submission_id}'")
    return row


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.parametrize("value", some(UNREADABLE, UNREADABLE[:2]))
def test_an_unreadable_submission_is_not_deleted(value: Any, warehouse: Warehouse) -> None:
    """Its row stays as it was, whatever command fetches it, until it can be read again."""
    items = submissions()
    one = items[-1]["submission_id"]
    with Emulator(items) as api:
        context = context_for(api.base_url, warehouse.target, NIGHT, lookback_days=40)
        sync(context)
        before = stored(warehouse, one)
        api.store.misdate(one, value)
        commands: list[Callable[[Context], RunSummary]] = [
            sync,
            lambda night: refresh(night, submission_ids=[one]),
            lambda night: reconcile(night, *DAYS).summary,
            lambda night: reconcile(night, *DAYS, deep=True).summary,
            sync,
        ]
        for number, command in enumerate(commands, start=1):
            summary = command(at(context, NIGHT + timedelta(days=number)))
            assert (summary.submissions_deleted, summary.exit_status) == (0, 0)
            assert [check for check in summary.checks if not check.passed] == []
            assert {**stored(warehouse, one), "_synced_at": None} == {**before, "_synced_at": None}
            assert warehouse.count("quarantine") == 1
        api.store.misdate(one, next(i["created_at"] for i in items if i["submission_id"] == one))
        sync(at(context, NIGHT + timedelta(days=9)))
        assert warehouse.count("quarantine") == 0
        assert_equal(warehouse, items)


@pytest.mark.slow
@pytest.mark.covered
def test_all_unreadable_is_not_all_deleted(any_warehouse: Warehouse) -> None:
    """A form that is not read deletes nothing, and nothing is reported as gone."""
    items = submissions()
    with Emulator(items) as api:
        context = context_for(api.base_url, any_warehouse.target, NIGHT, lookback_days=40)
        sync(context)
        api.behaviour = Behaviour(created_at="unknown")
        result = reconcile(at(context, NIGHT + timedelta(days=1)), *DAYS, dry_run=True)
        assert result.days == ()
        assert result.summary.note == (
            "no difference among 60 submissions; 60 submissions of the source cannot be read"
        )


def count_of(warehouse: Warehouse, condition: str) -> int:
    """Return how many rows of `sync_issues` meet a condition."""
    return int(warehouse.query(f"SELECT COUNT(*) AS n FROM sync_issues WHERE {condition}")[0]["n"])


@pytest.mark.slow
@pytest.mark.covered
def test_an_unread_form_fails_every_run_and_is_stored_once(warehouse: Warehouse) -> None:
    """Every sync fails, stores each object once, and reads all of them once it can."""
    items = submissions()
    with Emulator(items) as api:
        context = context_for(api.base_url, warehouse.target, NIGHT)
        api.behaviour = Behaviour(created_at="unknown", image_urls="signed")
        for night in range(3):
            with pytest.raises(TooManyUnreadable, match="60 of 60 objects that the API"):
                sync(at(context, NIGHT + timedelta(days=night)))
            assert warehouse.count("quarantine") == 60
        runs = warehouse.query("SELECT exit_status, error FROM sync_runs WHERE command = 'sync'")
        assert [tuple(run.values()) for run in runs] == [(4, ERROR)] * 3
        assert count_of(warehouse, "problem = 'too many cannot be read'") == 3
        assert count_of(warehouse, "problem <> 'too many cannot be read'") == 60
        for days in (10, 11):
            # A later night in another form: old ones are asked for by id.
            api.behaviour = Behaviour(created_at="epoch_seconds")
            summary = sync(at(context, NIGHT + timedelta(days=days)))
            assert summary.exit_status == 0
            assert warehouse.count("quarantine") == 0
            assert warehouse.count("submissions") == 60


@pytest.mark.slow
@pytest.mark.covered
def test_changed_content_replaces_the_quarantined_object(any_warehouse: Warehouse) -> None:
    """The quarantine has one row for a submission, with what was received last."""
    items = submissions(5)
    one = items[0]["submission_id"]
    with Emulator(items) as api:
        api.store.misdate(one, "soon")
        context = context_for(api.base_url, any_warehouse.target, NIGHT)
        for userid in ("u-1", "u-2"):
            api.store._rewrite(one, api.store.get(one) | {"userid": userid})
            sync(context)
            (row,) = any_warehouse.table("quarantine")
            assert (row["submission_id"], row["_extra"]["userid"]) == (one, userid)
        assert any_warehouse.count("sync_issues") == 2


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.parametrize("mode", some(["plain", "hash", "drop"], ["hash", "drop"]))
def test_old_submissions_leave_the_quarantine(mode: str, tmp_path: Path) -> None:
    """They are asked for by id, whatever the warehouse has of the object."""
    warehouse = duckdb_warehouse(tmp_path)
    items = submissions()
    old = sorted(items, key=lambda item: str(item["created_at"]))[:5]
    privacy = {"direct": mode, "key": "a secret that is long enough"}
    with Emulator(items) as api:
        for item in old:
            api.store.misdate(item["submission_id"], "soon")
        context = context_for(
            api.base_url, warehouse.target, NIGHT, privacy=privacy, lookback_days=2, sweep_days=0
        )
        assert sync(context).submissions_new == 55
        assert warehouse.count("quarantine") == 5
        asked = api.request_count
        assert sync(at(context, NIGHT + timedelta(days=1))).issues == 0
        assert warehouse.count("quarantine") == warehouse.count("sync_issues") == 5
        by_id = [r for r in list(api.requests)[asked:] if "submission_id" in r.parameters]
        assert len(by_id) == 5
        for item in old:
            api.store.misdate(item["submission_id"], item["created_at"])
        summary = sync(at(context, NIGHT + timedelta(days=2)))
        assert (summary.submissions_new, summary.exit_status) == (5, 0)
        assert warehouse.count("quarantine") == 0
        assert warehouse.count("submissions") == 60


@pytest.mark.slow
@pytest.mark.covered
def test_a_few_unreadable_submissions_do_not_fail_a_run(warehouse: Warehouse) -> None:
    """Nineteen of twenty are too few to tell."""
    items = submissions(20)
    with Emulator(items) as api:
        for item in items[1:]:
            api.store.misdate(item["submission_id"], "soon")
        context = context_for(api.base_url, warehouse.target, NIGHT)
        assert sync(context).exit_status == 0
        assert warehouse.count("quarantine") == 19


@pytest.mark.slow
@pytest.mark.covered
def test_an_unread_form_of_known_submissions(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is deleted; status is stale at once, the webhook is told, and recovery clears it."""
    items = submissions()
    with Listener() as listener, Emulator(items) as api:
        monkeypatch.setenv("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", f"{listener.url}/secret")
        context = context_for(api.base_url, warehouse.target, NIGHT, lookback_days=40)
        sync(context)
        before = warehouse.table("submissions")
        api.behaviour = Behaviour(created_at="empty")
        with pytest.raises(TooManyUnreadable, match="60 of 60"):
            sync(at(context, NIGHT + timedelta(days=1)))
        assert warehouse.table("submissions") == before
        assert count_of(warehouse, "problem LIKE '%gone%'") == 0
        assert "exit 4: 60 of 60 objects" in str(listener.posts[0].body)
        with connected(warehouse) as client:
            assert read_overview(client).unreadable
        api.behaviour = Behaviour(created_at="epoch_milliseconds")
        summary = sync(at(context, NIGHT + timedelta(days=2)))
        assert (summary.submissions_fetched, summary.submissions_new) == (60, 0)
        assert warehouse.count("quarantine") == 0
        assert warehouse.table("submissions") == before
        with connected(warehouse) as client:
            assert not read_overview(client).unreadable
