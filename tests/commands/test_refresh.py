"""Refresh: a submission that is fetched again replaces all its rows in all tables."""

from __future__ import annotations

from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
from support import Rows, Warehouse, assert_equal, context_for

pytestmark = pytest.mark.tables_made

CHILDREN = ("attempts", "attempt_retries", "matches", "match_risk_icons", "kyc_comments")


def with_children(submissions: Rows) -> dict[str, Any]:
    """Return a submission with rows in every child table."""
    return submissions[5] | {
        "submission_id": "has-everything",
        "userid": "u-1",
        "email": "person@example.org",
        "kyc": {
            "result": "rejected",
            "comment": ["a", "b"],
            "commentCode": ["A", "B"],
            "attempts": [{"attemptCnt": 1, "retryCode": ["r"], "retryMsg": ["m"]}],
        },
        "aml": {"currentstatus": "Red Flag", "matches": [{"score": 1, "risk_icons": ["x"]}]},
    }


def test_removed_children_are_deleted(any_warehouse: Warehouse, january: Rows) -> None:
    """A submission that loses its attempts, matches and comments keeps no row of them."""
    full = with_children(january)
    with Emulator([*january[:20], full]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        sync(context)
        mine = "WHERE submission_id = 'has-everything'"
        before = {
            name: len(any_warehouse.query(f"SELECT 1 FROM {name} {mine}")) for name in CHILDREN
        }
        bare = full | {"kyc": {"result": "approved"}, "aml": {"currentstatus": "Not Screened"}}
        api.store.replace(bare)
        refresh(context, submission_ids=["has-everything"])
        after = {
            name: len(any_warehouse.query(f"SELECT 1 FROM {name} {mine}")) for name in CHILDREN
        }
    assert min(before.values()) > 0
    assert after == dict.fromkeys(CHILDREN, 0)
    assert_equal(any_warehouse, [*january[:20], bare])


@pytest.mark.parametrize(
    "selector",
    [
        {"submission_ids": ["has-everything"]},
        pytest.param({"userid": "u-1"}, marks=pytest.mark.slow),
        pytest.param({"email": "person@example.org"}, marks=pytest.mark.slow),
    ],
    ids=["submission_id", "userid", "email"],
)
def test_selectors(selector: dict[str, Any], warehouse: Warehouse, january: Rows) -> None:
    """Submission id, user id and address each select exactly that submission."""
    with Emulator([*january[:20], with_children(january)]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        api.store.update("has-everything", {"reviewer": "agent!"})
        summary = refresh(context, **selector)
    assert (summary.submissions_fetched, summary.submissions_changed) == (1, 1)
    (row,) = warehouse.query("SELECT submission_id FROM submissions WHERE reviewer = 'agent!'")
    assert row == {"submission_id": "has-everything"}


def test_an_unknown_submission(warehouse: Warehouse) -> None:
    """It is no failure, and nothing is loaded."""
    with Emulator([]) as api:
        summary = refresh(context_for(api.base_url, warehouse.target), submission_ids=["unknown"])
    assert (summary.submissions_fetched, summary.exit_status) == (0, 0)


def test_a_selector_is_required(warehouse: Warehouse) -> None:
    """The error names the options."""
    with pytest.raises(ConfigurationError, match="--submission-id, --userid or --email"):
        refresh(context_for("http://127.0.0.1:1/v3", warehouse.target))
