"""A source with two versions of a submission: one of them counts, in every command."""

from datetime import date, timedelta
from typing import Any

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from support import NOW, Rows, Warehouse, assert_equal, at, context_for
from twins import Twins
from whole_lists import Behaviour

pytestmark = [pytest.mark.slow, pytest.mark.tables_made]

DAYS = (date(2025, 1, 1), date(2025, 1, 31))


def with_versions(january: Rows) -> tuple[Rows, Rows]:
    """Return rows with versions of two submissions, and the rows that count."""
    rows: Rows = january[:12]
    earlier = rows[3] | {"kyc": {"result": "pending"}, "updated_at": "2025-01-03-00-00-00-000"}
    later = rows[3] | {"kyc": {"result": "approved"}, "updated_at": "2025-01-09-00-00-00-000"}
    first, last = ({**rows[7], "reviewer": name} for name in ("first", "last"))
    for row in (first, last):
        row.pop("updated_at", None)
    served = [*rows[:3], later, earlier, *rows[4:7], first, last, *rows[8:]]
    return served, [*rows[:3], later, *rows[4:7], last, *rows[8:]]


@pytest.mark.parametrize(
    ("list_rows", "mode"), [("whole", "list"), ("sections", "sections"), ("summary", "each")]
)
def test_no_night_finds_a_change(
    list_rows: Any, mode: Any, warehouse: Warehouse, january: Rows
) -> None:
    """Each submission is loaded once, and no command finds a change or adds to the history."""
    served, counting = with_versions(january)
    with Twins(served, behaviour=Behaviour(list_rows=list_rows)) as api:
        context = context_for(
            api.base_url, warehouse.target, page_size=5, completeness=mode, lookback_days=60
        )
        first = sync(context)
        assert (first.submissions_fetched, first.submissions_new) == (12, 12)
        assert_equal(warehouse, counting)
        for night in (1, 2):
            summary = sync(at(context, NOW + timedelta(days=night)))
            assert (summary.submissions_new, summary.submissions_changed) == (0, 0)
        again = at(context, NOW + timedelta(days=3))
        assert backfill(again, *DAYS, force=True).submissions_changed == 0
        ids = [counting[3]["submission_id"], counting[7]["submission_id"]]
        summary = refresh(again, submission_ids=ids)
        assert (summary.submissions_fetched, summary.submissions_changed) == (2, 0)
        assert reconcile(again, *DAYS, deep=True, dry_run=True).days == ()
    assert_equal(warehouse, counting)
    assert warehouse.count("submission_status_history") == len(counting)
