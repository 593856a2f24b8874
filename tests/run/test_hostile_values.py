"""Values that look like SQL or format strings: all commands treat them as plain values."""

from datetime import date, timedelta

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.refresh import refresh
from support import NOW, Rows, Warehouse, assert_equal, at, context_for
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 31)
CODE = [
    "x'); DROP TABLE submissions; --",
    'x"; DROP TABLE submissions; --',
    "%s %(id)s %% {0} {submission_id} $1 ? :id",
    "\\'; DELETE FROM submissions; --",
    "'' OR 1 = 1",
]


def hostile_submissions(january: Rows) -> Rows:
    """Return submissions whose ids, user ids, addresses and names look like code."""
    return [
        item | {"submission_id": code, "userid": code, "email": code, "data": {"name": code}}
        for item, code in zip(january, CODE, strict=False)
    ]


def test_a_backfill_stores_hostile_values(warehouse: Warehouse, january: Rows) -> None:
    """They are stored as they are."""
    with Emulator(hostile_submissions(january)) as api:
        backfill(context_for(api.base_url, warehouse.target), FIRST, LAST)
        assert_equal(warehouse, api.store.all())


@pytest.mark.slow
def test_values_are_never_code(any_warehouse: Warehouse, january: Rows) -> None:
    """Commands load, compare, refresh and mark submissions with hostile ids."""
    with Emulator([*hostile_submissions(january), *january[len(CODE) : 40]]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        backfill(context, FIRST, LAST)
        assert_equal(any_warehouse, api.store.all())

        for code in CODE:
            api.store.update(code, {"userid": f"{code}{code}", "matches": []})
        later = at(context, NOW + timedelta(days=1))
        refresh(later, submission_ids=CODE[:2])
        refresh(later, userid=CODE[2] * 2)
        refresh(later, email=CODE[3])
        assert reconcile(later, FIRST, LAST, deep=True).summary.submissions_changed == 1
        assert_equal(any_warehouse, api.store.all())

        for code in CODE[1:]:
            api.store.delete(code)
        reconcile(at(context, NOW + timedelta(days=2)), FIRST, LAST, max_deleted=0.2)
    marked = any_warehouse.query(
        "SELECT submission_id FROM submissions WHERE _deleted_at > '2025-01-01'"
    )
    assert sorted(row["submission_id"] for row in marked) == sorted(CODE[1:])
    assert any_warehouse.count("submissions") == 40
