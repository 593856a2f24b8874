"""The status history: periods without gaps or overlaps."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from argos_sync.commands.refresh import refresh
from argos_sync.run.history import history_rows
from argos_sync.shape.identity import content_hash
from argos_sync.shape.stubs import shape_stubs
from argos_sync.shape.tables import shape_submissions
from support import NOW, Rows, Warehouse, at, context_for
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made

DAY = datetime(2025, 1, 10, tzinfo=UTC)


def submission(result: str, status: str | None = None, reviewer: str = "system") -> dict[str, Any]:
    """Return a submission with a status."""
    aml = {"currentstatus": status, "risk_level_summary": "High"} if status else None
    return {
        "submission_id": "s1",
        "created_at": "2025-01-10-00-00-00-000",
        "reviewer": reviewer,
        "kyc": {"result": result},
        "aml": aml,
    }


def shaped(result: str, fetched_at: datetime) -> dict[str, Any]:
    """Return the tables of one submission."""
    item = submission(result)
    return shape_submissions([item], [content_hash(item)], fetched_at).tables


def continue_history(history: Rows, result: str, fetched_at: datetime) -> Rows:
    """Return the history after another fetch, in order."""
    stored = {"s1": history} if history else {}
    rows: Rows = history_rows(shaped(result, fetched_at), stored, ()).to_pylist()
    return sorted(rows, key=lambda row: row["valid_from"])


def periods(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """Return the history in order, with times as days since NOW."""
    rows = warehouse.query("SELECT * FROM submission_status_history ORDER BY valid_from")
    return [
        (
            row["kyc_result"],
            row["aml_current_status"],
            row["reviewer"],
            (row["valid_from"] - NOW).days,
            (row["valid_to"] - NOW).days if row["valid_to"] else None,
        )
        for row in rows
    ]


@pytest.mark.slow
@pytest.mark.covered
def test_a_changed_status_closes_the_period(warehouse: Warehouse) -> None:
    """The old period ends where the new one starts."""
    with Emulator([submission("pending")]) as api:
        context = context_for(api.base_url, warehouse.target)
        refresh(context, submission_ids=["s1"])
        api.store.update("s1", {"kyc": {"result": "approved"}})
        refresh(at(context, NOW + timedelta(days=1)), submission_ids=["s1"])
    assert periods(warehouse) == [
        ("pending", None, "system", 0, 1),
        ("approved", None, "system", 1, None),
    ]


def test_a_status_that_returns_is_another_period() -> None:
    """A status that the submission had before starts a new period."""
    history: Rows = []
    for day, result in enumerate(["pending", "approved", "pending"]):
        history = continue_history(history, result, NOW + timedelta(days=day))
    assert [row["kyc_result"] for row in history] == ["pending", "approved", "pending"]
    assert [row["valid_to"] for row in history] == [
        NOW + timedelta(days=1),
        NOW + timedelta(days=2),
        None,
    ]


@pytest.mark.slow
def test_sections_that_are_not_fetched_keep_their_status(warehouse: Warehouse) -> None:
    """A run without the AML section does not change an AML status."""
    with Emulator([submission("approved", "Red Flag")]) as api:
        refresh(context_for(api.base_url, warehouse.target), submission_ids=["s1"])
        api.store.update("s1", {"kyc": {"result": "rejected"}, "aml": {"currentstatus": "Clear"}})
        some = context_for(api.base_url, warehouse.target, request_types="others,kyc")
        refresh(at(some, NOW + timedelta(days=1)), submission_ids=["s1"])
    assert periods(warehouse) == [
        ("approved", "Red Flag", "system", 0, 1),
        ("rejected", "Red Flag", "system", 1, None),
    ]


def test_sections_that_are_not_shaped_keep_their_status() -> None:
    """The new period takes the status of other sections from the period before it."""
    aml = shape_submissions([submission("approved", "Red Flag")], ["hash"], NOW).tables
    stored = {"s1": history_rows(aml, {}, ()).to_pylist()}
    later = shaped("rejected", NOW + timedelta(days=1))
    rows = history_rows(later, stored, ("others", "kyc")).to_pylist()
    last = max(rows, key=lambda row: row["valid_from"])
    assert (last["kyc_result"], last["aml_current_status"]) == ("rejected", "Red Flag")


def test_a_deletion_ends_the_last_period() -> None:
    """A stub has no period of its own; a submission that returns begins one."""
    item = submission("approved")
    stub = {**item, "userid": "Deleted Submission"}
    tables = shape_stubs([stub], [content_hash(stub)], NOW + timedelta(days=1))
    assert history_rows(tables, {}, ()).to_pylist() == []
    ended = continue_history([], "approved", NOW)
    for _ in range(2):  # a stub that changes does not change the end
        ended = history_rows(tables, {"s1": ended}, ()).to_pylist()
    assert [row["valid_to"] for row in ended] == [NOW + timedelta(days=1)]
    returned = continue_history(ended, "approved", NOW + timedelta(days=3))
    assert [(row["valid_from"], row["valid_to"]) for row in returned] == [
        (NOW, NOW + timedelta(days=1)),
        (NOW + timedelta(days=3), None),
    ]


@pytest.mark.parametrize("behind", [timedelta(), timedelta(hours=3)])
def test_a_clock_that_was_set_back_causes_no_overlap(behind: timedelta) -> None:
    """A period always starts after the one before it."""
    history = continue_history([], "approved", NOW)
    first, second = continue_history(history, "rejected", NOW - behind)
    assert first["valid_from"] < first["valid_to"] == second["valid_from"]
    assert second["valid_to"] is None
