"""The status history: periods without gaps, from whatever the runs saw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.refresh import refresh
from argos_sync.emulator import Emulator
from argos_sync.run.history import history_rows
from argos_sync.shape.identity import content_hash
from argos_sync.shape.tables import shape_submissions
from support import NOW, Warehouse, at, context_for

pytestmark = pytest.mark.tables_made

DAY = datetime(2025, 1, 10, tzinfo=UTC)


def submission(result: str, status: str | None = None, reviewer: str = "system") -> dict[str, Any]:
    """Return a submission in a state."""
    aml = {"currentstatus": status, "risk_level_summary": "High"} if status else None
    return {
        "submission_id": "s1",
        "created_at": "2025-01-10-00-00-00-000",
        "reviewer": reviewer,
        "kyc": {"result": result},
        "aml": aml,
    }


def periods(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """Return the history in order, with days since NOW for moments."""
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


def test_each_state_seen_is_a_period(any_warehouse: Warehouse) -> None:
    """Periods touch, the last is open, and a change of anything else begins none."""
    with Emulator([submission("pending")]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        backfill(context, DAY.date(), DAY.date())
        changes: list[dict[str, Any]] = [
            {"kyc": {"result": "approved"}, "aml": {"currentstatus": "Not Screened"}},
            {"userid": "somebody else"},
            {"aml": {"currentstatus": "Red Flag"}},
            {},
            {"kyc": {"result": "rejected"}, "reviewer": "agent"},
        ]
        for day, change in enumerate(changes, start=1):
            api.store.update("s1", change)
            refresh(at(context, NOW + timedelta(days=day)), submission_ids=["s1"])
    assert periods(any_warehouse) == [
        ("pending", None, "system", 0, 1),
        ("approved", "Not Screened", "system", 1, 3),
        ("approved", "Red Flag", "system", 3, 5),
        ("rejected", "Red Flag", "agent", 5, None),
    ]


def test_a_state_that_comes_back_is_another_period(any_warehouse: Warehouse) -> None:
    """History tells what was when, also when it was like that before."""
    with Emulator([submission("pending")]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        for day, result in enumerate(["pending", "approved", "pending"]):
            api.store.update("s1", {"kyc": {"result": result}})
            refresh(at(context, NOW + timedelta(days=day)), submission_ids=["s1"])
    assert [row[0] for row in periods(any_warehouse)] == ["pending", "approved", "pending"]


def test_what_is_not_fetched_stays_as_it_was(warehouse: Warehouse) -> None:
    """A run without the AML section does not end an AML state."""
    with Emulator([submission("approved", "Red Flag")]) as api:
        refresh(context_for(api.base_url, warehouse.target), submission_ids=["s1"])
        api.store.update("s1", {"kyc": {"result": "rejected"}, "aml": {"currentstatus": "Clear"}})
        some = context_for(api.base_url, warehouse.target, request_types="others,kyc")
        refresh(at(some, NOW + timedelta(days=1)), submission_ids=["s1"])
    assert periods(warehouse) == [
        ("approved", "Red Flag", "system", 0, 1),
        ("rejected", "Red Flag", "system", 1, None),
    ]


@pytest.mark.parametrize("behind", [timedelta(), timedelta(hours=3)])
def test_a_clock_that_was_set_back_makes_no_overlap(behind: timedelta) -> None:
    """A period never begins before the one it follows."""
    rows = states("approved", NOW)
    later = history_rows(states("rejected", NOW - behind), before(rows), ()).to_pylist()
    first, second = sorted(later, key=lambda row: row["valid_from"])
    assert first["valid_from"] < first["valid_to"] == second["valid_from"]
    assert second["valid_to"] is None


def states(result: str, at: datetime) -> dict[str, Any]:
    """Return the tables of one submission."""
    one = submission(result)
    return shape_submissions([one], [content_hash(one)], at).tables


def before(tables: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the history that a first load of these tables leaves."""
    return {"s1": history_rows(tables, {}, ()).to_pylist()}
