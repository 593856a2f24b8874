"""Requests grow with the submissions there are, not with the days of the calendar."""

from datetime import date, timedelta

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.sync import sync
from argos_sync.run.context import Context
from support import NOW, Rows, Warehouse, assert_equal, at, context_for, in_range
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.tables_made

OUTLIERS = (
    "0001-01-01-00-00-00-000",
    "0001-01-02-23-59-59-999",
    "1066-10-14-09-00-00-000",
    "1969-07-20-20-17-40-000",
    "2099-12-31-23-59-59-999",
    "9999-12-31-23-59-59-999",
)
"""Values of `created_at` that no submission can have."""


def outliers(template: Rows) -> Rows:
    """Return submissions with wrong dates."""
    return [
        template[number] | {"submission_id": f"outlier-{number}", "created_at": text}
        for number, text in enumerate(OUTLIERS)
    ]


def nights(context: Context, count: int) -> list[int]:
    """Run the nightly sync, and return the requests of each night."""
    return [sync(at(context, NOW + timedelta(days=night))).requests for night in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("end_date", ["inclusive", "exclusive"])
@pytest.mark.parametrize(
    ("first", "last"), [(date(1900, 1, 1), date(2100, 12, 31)), (date.min, date.max)]
)
def test_a_backfill_of_centuries(
    end_date: str, first: date, last: date, warehouse: Warehouse, january: Rows
) -> None:
    """It asks for a few windows more than for the days that have submissions."""
    rows = [*january[:300], *outliers(january)]
    with Emulator(rows, behaviour=Behaviour(end_date=end_date)) as api:  # type: ignore[arg-type]
        context = context_for(api.base_url, warehouse.target)
        requests = backfill(context, first, last).requests
        assert requests <= 300 / 100 + 30
        again = backfill(context, first, last, force=True)
        assert again.requests <= 300 / 100 + 20
        result = reconcile(context, first, last)
        assert result.summary.requests <= 300 / 100 + 20
    assert result.days == ()
    assert_equal(warehouse, in_range(rows, first, last))


@pytest.mark.slow
def test_nights_with_wrong_dates(any_warehouse: Warehouse, january: Rows) -> None:
    """A sync reads a few windows more, and marks the one that is gone."""
    rows = [*january[:300], *outliers(january)]
    with Emulator(rows, behaviour=Behaviour(day_zone="Asia/Seoul")) as api:
        context = context_for(api.base_url, any_warehouse.target, sweep_days=3)
        requests = nights(context, 6)
        assert max(requests) <= 20
        api.store.delete("outlier-0")
        sync(at(context, NOW + timedelta(days=6)))
        sync(at(context, NOW + timedelta(days=9)))
    marked = any_warehouse.query(
        "SELECT submission_id FROM submissions WHERE _deleted_at IS NOT NULL ORDER BY 1"
    )
    assert [row["submission_id"] for row in marked] == ["outlier-0"]
    assert_equal(any_warehouse, rows)


@pytest.mark.slow
def test_a_reconcile_finds_what_is_missing_at_the_ends(
    any_warehouse: Warehouse, january: Rows
) -> None:
    """The first and the last day of the calendar are compared once, and repaired."""
    rows = [*january[:50], *outliers(january)]
    with Emulator(january[:50]) as api:
        backfill(context_for(api.base_url, any_warehouse.target), date.min, date.max)
    with Emulator(rows) as api:
        context = context_for(api.base_url, any_warehouse.target)
        result = reconcile(context, date.min, date.max)
        assert (result.summary.submissions_new, result.summary.requests <= 40) == (6, True)
        api.store.delete("outlier-0")
        api.store.delete("outlier-5")
        result = reconcile(at(context, NOW + timedelta(days=1)), date.min, date.max, deep=True)
        assert [day.day for day in result.days] == [date.min, date.max]
        assert result.summary.submissions_deleted == 2
        assert result.summary.requests <= 16
