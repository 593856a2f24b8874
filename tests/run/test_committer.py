"""The committer: rows, facts, plan and ledger are in one load package."""

from collections.abc import Callable
from datetime import date
from typing import Any, cast

import pytest

from argos_sync.fetch.checkpoint import unfinished_plan
from argos_sync.fetch.ledger import Plan
from argos_sync.fetch.windows import DateRange
from argos_sync.load.errors import LoadError
from argos_sync.load.pipeline import Warehouse
from argos_sync.run.committer import Committer
from argos_sync.run.journal import run_record
from argos_sync.run.summary import RunSummary
from support import NOW

SUMMARY = RunSummary("run-1", "backfill", NOW)
PLAN = Plan.new(
    "backfill",
    "run-1",
    started_at=NOW,
    days=DateRange(date(2025, 1, 1), date(2025, 1, 31)),
    sections=(),
)


class FakeWarehouse:
    """A warehouse that keeps load packages in memory.

    Attributes:
        packages: Table names of each package.
        state: The committed state.
        refuses: Whether it refuses load packages.
    """

    def __init__(self) -> None:
        """Start without packages."""
        self.packages: list[set[str]] = []
        self.state: dict[str, Any] = {}
        self.refuses = False

    def load(self, rows: dict[str, Any], update: Callable[[dict[str, Any]], None]) -> None:
        """Commit rows and state together, or nothing."""
        if self.refuses:
            raise LoadError("refused", "try again")
        self.packages.append(set(rows))
        update(self.state)


@pytest.fixture
def warehouse() -> FakeWarehouse:
    """Return an empty warehouse."""
    return FakeWarehouse()


@pytest.fixture
def committer(warehouse: FakeWarehouse) -> Committer:
    """Return a committer of the warehouse."""
    return Committer(cast("Warehouse", warehouse), SUMMARY, lambda: NOW)


def test_rows_facts_and_plan_are_committed_together(
    warehouse: FakeWarehouse, committer: Committer
) -> None:
    """Nothing is committed before, and nothing is left to commit after."""
    committer.remember({"end_date": "inclusive"})
    committer.advance(PLAN, ())
    assert (warehouse.packages, warehouse.state) == ([], {})
    assert committer.state == {"end_date": "inclusive"}
    assert committer.has_progress
    committer.commit(run_record(SUMMARY))
    assert warehouse.packages == [{"sync_runs"}]
    assert warehouse.state["end_date"] == "inclusive"
    assert unfinished_plan(warehouse.state, "backfill", ()) == PLAN
    assert not committer.has_progress


def test_facts_that_rows_need_are_committed_first(
    warehouse: FakeWarehouse, committer: Committer
) -> None:
    """In a package of their own, without the plan; not again if nothing has changed."""
    committer.advance(PLAN, ())
    for _ in range(2):
        committer.save({"privacy": "one"})
    assert (warehouse.packages, warehouse.state) == ([set()], {"privacy": "one"})
    committer.save({"privacy": "two"})
    assert (warehouse.packages, warehouse.state) == ([set(), set()], {"privacy": "two"})


def test_progress_of_refused_rows_is_not_saved_later(
    warehouse: FakeWarehouse, committer: Committer
) -> None:
    """Otherwise the run record would say that the refused rows were read."""
    committer.advance(PLAN, ())
    warehouse.refuses = True
    with pytest.raises(LoadError):
        committer.commit(run_record(SUMMARY))
    warehouse.refuses = False
    committer.commit(run_record(SUMMARY))
    assert unfinished_plan(warehouse.state, "backfill", ()) is None
