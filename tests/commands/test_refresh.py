"""Refresh: a submission fetched again replaces all its rows, children that are gone included."""

from __future__ import annotations

from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
from support import Warehouse, assert_equal, context_for

pytestmark = pytest.mark.tables_made

CHILDREN = ("attempts", "attempt_retries", "matches", "match_risk_icons", "kyc_comments")


def with_children(submissions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a copy of a submission that surely has every kind of child."""
    return submissions[5] | {
        "submission_id": "has-everything",
        "userid": "u-1",
        "email": "someone@example.org",
        "kyc": {
            "result": "rejected",
            "comment": ["a", "b"],
            "commentCode": ["A", "B"],
            "attempts": [{"attemptCnt": 1, "retryCode": ["r"], "retryMsg": ["m"]}],
        },
        "aml": {"currentstatus": "Red Flag", "matches": [{"score": 1, "risk_icons": ["x"]}]},
    }


def test_children_that_are_gone_are_gone(
    any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """A submission that lost its attempts, matches and comments leaves none behind."""
    full = with_children(january)
    with Emulator([*january, full]) as api:
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
    assert_equal(any_warehouse, [*january, bare])


@pytest.mark.parametrize(
    "selector",
    [
        {"submission_ids": ["has-everything"]},
        {"userid": "u-1"},
        {"email": "someone@example.org"},
    ],
    ids=lambda selector: next(iter(selector)),
)
def test_each_selector_fetches_the_person(
    selector: dict[str, Any], warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """By submission id, user id or address, exactly that submission is fetched again."""
    with Emulator([*january[:20], with_children(january)]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        api.store.update("has-everything", {"reviewer": "agent!"})
        report = refresh(context, **selector)
    assert (report.submissions_fetched, report.submissions_changed) == (1, 1)
    (row,) = warehouse.query("SELECT submission_id FROM submissions WHERE reviewer = 'agent!'")
    assert row == {"submission_id": "has-everything"}


def test_the_source_may_not_know_the_submission(warehouse: Warehouse) -> None:
    """A submission that does not exist is no failure, and loads nothing."""
    with Emulator([]) as api:
        report = refresh(context_for(api.base_url, warehouse.target), submission_ids=["nobody"])
    assert (report.submissions_fetched, report.exit_status) == (0, 0)


def test_nothing_to_refresh_is_a_usage_error(warehouse: Warehouse) -> None:
    """Without a selector the command says what to give."""
    with pytest.raises(ConfigurationError, match="--submission-id, --userid or --email"):
        refresh(context_for("http://127.0.0.1:1/v3", warehouse.target))
