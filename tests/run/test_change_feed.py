"""The change feed: which columns have changed, and when, and never their values."""

from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from argos_sync.commands.forget import forget
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from support import NOW, Warehouse, at, context_for, duckdb_warehouse
from warehouse.direct import connected
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made

FEED = """
    SELECT submission_id, changed_at, table_name, column_name
    FROM submission_changes ORDER BY 1, 2, 3, 4"""

BEFORE: dict[str, Any] = {
    "submission_id": "s1",
    "created_at": "2025-01-10-00-00-00-000",
    "updated_at": "2025-01-10-00-00-00-000",
    "reviewer": "system",
    "recognition_score": "0.5",
    "data": {"name": "Kim", "documentNumber": "M1", "idcard_expireDate": "2030-01-01"},
    "image": {"idImage": "https://images.example.com/s1/id.jpg?signature=1"},
    "OCR_raw": {"a": {"value": "x", "score": 1}, "b": {"value": "y", "score": 2}},
    "kyc": {
        "result": "pending",
        "attempts": [{"livenessScore": 50, "retryCode": ["liveness_error"]}],
    },
    "aml": {"currentstatus": "Red Flag", "matches": [{"score": 0.5, "risk_icons": ["PEP", "SAN"]}]},
}
AFTER = BEFORE | {
    "updated_at": "2025-01-11T00:00:00Z",
    "recognition_score": 0.50,  # the same number
    "favourite": "blue",  # a field that the contract does not know
    "data": {"name": "Kim", "documentNumber": "M2"},
    "image": {"idImage": "https://images.example.com/s1/id.jpg?signature=2"},
    "OCR_raw": {"b": {"score": 2.0, "value": "y"}, "a": {"score": 1, "value": "x"}},
    "kyc": {
        "result": "pending",
        "attempts": [{"livenessScore": 60, "retryCode": ["liveness_error"]}, {"errorCode": "E1"}],
    },
    "aml": None,
}
CHANGES = [
    ("aml", "current_status"),
    ("applicants", "document_number"),
    ("applicants", "idcard_expire_date"),
    ("attempts", "error_code"),
    ("attempts", "liveness_score"),
    ("match_risk_icons", "risk_icon"),
    ("matches", "score"),
    ("submissions", "_extra"),
    ("submissions", "updated_at"),
]
"""The columns in which the two versions differ."""


def feed(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """Return the change feed, with times as days since NOW."""
    return [
        (key, (changed_at.astimezone(UTC) - NOW).days, table, column)
        for key, changed_at, table, column in (row.values() for row in warehouse.query(FEED))
    ]


def test_a_first_load_is_no_change(warehouse: Warehouse) -> None:
    """Nor is that of a deletion stub; what a restored submission has more of is."""
    with Emulator([BEFORE]) as api:
        context = context_for(api.base_url, warehouse.target)
        api.store.leave_stub("s1")
        sync(context)
        assert (warehouse.count("submissions"), feed(warehouse)) == (1, [])
        api.store.replace(BEFORE)
        sync(at(context, NOW + timedelta(days=1)))
    changed = {(table, column) for _, _, table, column in feed(warehouse)}
    assert ("applicants", "document_number") in changed
    assert not {("submissions", "created_at"), ("kyc", "result")} & changed


@pytest.mark.slow
@pytest.mark.covered
def test_changed_columns_are_named(any_warehouse: Warehouse) -> None:
    """Also those of rows that come or go; not the query part of a URL, nor the order of keys."""
    with Emulator([BEFORE, BEFORE | {"submission_id": "s2"}]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        refresh(context, submission_ids=["s1", "s2"])
        assert feed(any_warehouse) == []
        api.store.replace(AFTER)
        refresh(at(context, NOW + timedelta(days=1)), submission_ids=["s1", "s2"])
    assert feed(any_warehouse) == [("s1", 1, *place) for place in CHANGES]


@pytest.mark.slow
def test_the_feed_goes_on(warehouse: Warehouse) -> None:
    """Earlier changes stay, also when rows are only written again; a deletion is a change."""
    first = [("s1", 1, *place) for place in CHANGES]
    with Emulator([BEFORE]) as api:
        context = context_for(api.base_url, warehouse.target)
        refresh(context, submission_ids=["s1"])
        api.store.replace(AFTER)
        refresh(at(context, NOW + timedelta(days=1)), submission_ids=["s1"])
        with connected(warehouse) as client:
            attempts = client.make_qualified_table_name("attempts")
            client.execute_sql(f"UPDATE {attempts} SET error_code = 'damaged' WHERE 1 = 1")
        day = NOW.date().replace(month=1, day=10)
        reconcile(at(context, NOW + timedelta(days=2)), day, day, deep=True)
        assert warehouse.query(
            "SELECT COUNT(*) AS n FROM attempts WHERE error_code = 'damaged'"
        ) == [{"n": 0}]
        assert feed(warehouse) == first
        api.store.replace(AFTER | {"reviewer": "agent"})
        refresh(at(context, NOW + timedelta(days=3)), submission_ids=["s1"])
        assert feed(warehouse) == [*first, ("s1", 3, "submissions", "reviewer")]
        api.store.leave_stub("s1")
        refresh(at(context, NOW + timedelta(days=4)), submission_ids=["s1"])
        erased = {tuple(place) for _, days, *place in feed(warehouse) if days == 4}
        assert {("applicants", "document_number"), ("submissions", "_extra")} <= erased
        forget(at(context, NOW + timedelta(days=5)), [("submission_id", "s1")])
    assert feed(warehouse) == []


@pytest.mark.slow
def test_protected_values_are_compared(tmp_path: Path) -> None:
    """Hashed and encrypted values differ if the plain ones do; dropped columns are not compared."""
    privacy = {
        "direct": "encrypt",
        "columns": {"applicants.idcard_expire_date": "drop", "submissions._extra": "hash"},
        "key": "a secret that is long enough",
    }
    warehouse = duckdb_warehouse(tmp_path)
    with Emulator([BEFORE]) as api:
        context = context_for(api.base_url, warehouse.target, privacy=privacy)
        refresh(context, submission_ids=["s1"])
        api.store.replace(AFTER)
        refresh(at(context, NOW + timedelta(days=1)), submission_ids=["s1"])
    places = [place for place in CHANGES if place[1] != "idcard_expire_date"]
    assert feed(warehouse) == [("s1", 1, *place) for place in places]
