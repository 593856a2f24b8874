"""Columns whose values stop to fit: the run fails, instead of rows that lose a column."""

from datetime import UTC, date, datetime, timedelta

import pytest

from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import generate
from argos_sync.run.quarantine import TooManyUnreadable
from support import Rows, Warehouse, assert_equal, at, closed, context_for
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made

NIGHT = datetime(2025, 2, 1, 3, tzinfo=UTC)
UPDATED = "2025-01-31-10-00-00-000"
OTHER_FORM = "31/01/2025 10:00"


def submissions(count: int) -> Rows:
    """Return submissions of January that are not open and have `updated_at`."""
    generated = generate(count, seed=3, start=date(2025, 1, 1), end=date(2025, 1, 31))
    return [closed(item) | {"updated_at": UPDATED} for item in generated]


def change(api: Emulator, items: Rows, value: str) -> None:
    """Let the source send another `updated_at` of submissions."""
    for item in items:
        api.store.update(item["submission_id"], {"updated_at": value})


def results(warehouse: Warehouse) -> list[tuple[object, ...]]:
    """Return the recorded results of the check."""
    query = (
        "SELECT place, passed, found FROM sync_checks WHERE check_name = 'values_fit'"
        " ORDER BY checked_at"
    )
    return [tuple(row.values()) for row in warehouse.query(query)]


@pytest.mark.slow
@pytest.mark.covered
def test_a_column_that_no_longer_fits_fails_every_sync(warehouse: Warehouse) -> None:
    """It does so until its values fit again, also while nothing else changes."""
    items = submissions(40)
    with Emulator(items) as api:
        context = context_for(api.base_url, warehouse.target, NIGHT, lookback_days=40)
        sync(context)
        change(api, items[10:], OTHER_FORM)
        for night in (1, 2):
            with pytest.raises(TooManyUnreadable, match=r"values of submissions\.updated_at no"):
                sync(at(context, NIGHT + timedelta(days=night)))
        assert results(warehouse) == [("submissions.updated_at", False, 30)]
        one = items[0]["submission_id"]
        assert refresh(at(context, NIGHT), submission_ids=[one]).exit_status == 0
        change(api, items[10:], UPDATED)
        assert sync(at(context, NIGHT + timedelta(days=3))).exit_status == 0
        assert results(warehouse)[1:] == [("submissions.updated_at", True, 0)]
        assert_equal(warehouse, items)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["few", "always", "half"])
def test_other_values_that_do_not_fit_fail_no_run(case: str, warehouse: Warehouse) -> None:
    """A few, those of a column that never fitted, and a half of the values are only issues."""
    items = submissions(60)
    with Emulator(items) as api:
        if case == "always":
            change(api, items[5:], OTHER_FORM)
        context = context_for(api.base_url, warehouse.target, NIGHT, lookback_days=40)
        assert sync(context).exit_status == 0
        if case == "half":
            change(api, items[:30], "2025-01-31-11-00-00-000")
        other = {"few": items[:19], "always": items[5:], "half": items[30:]}[case]
        change(api, other, f"{OTHER_FORM}:00")
        assert sync(at(context, NIGHT + timedelta(days=1))).exit_status == 0
        assert results(warehouse) == []
