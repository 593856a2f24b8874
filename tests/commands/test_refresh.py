"""Refresh: a submission that is fetched again replaces all its rows in all tables."""

from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError, NotFound
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from support import Rows, Warehouse, assert_equal, context_for
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.tables_made

CHILDREN = ("attempts", "attempt_retries", "matches", "match_risk_icons", "kyc_comments")


def count_children(warehouse: Warehouse, submission_id: str) -> list[int]:
    """Return the number of rows of a submission in each child table."""
    return [
        len(warehouse.query(f"SELECT 1 FROM {name} WHERE submission_id = '{submission_id}'"))
        for name in CHILDREN
    ]


def check_removed_children(warehouse: Warehouse, submissions: Rows) -> None:
    """Remove the children of the second submission, refresh it, and check its rows."""
    submission_id = submissions[1]["submission_id"]
    without_children = submissions[1] | {"kyc": {"result": "approved"}, "aml": None}
    assert min(count_children(warehouse, submission_id)) > 0
    with Emulator([without_children]) as api:
        refresh(context_for(api.base_url, warehouse.target), submission_ids=[submission_id])
    assert max(count_children(warehouse, submission_id)) == 0
    assert_equal(warehouse, [submissions[0], without_children, *submissions[2:]])


def test_removed_children_are_deleted(
    synced_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """A submission that loses its attempts, matches and comments keeps no row of them."""
    check_removed_children(synced_warehouse, synced_submissions)


@pytest.mark.slow
def test_removed_children_are_deleted_everywhere(
    any_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """The same on every destination."""
    with Emulator(synced_submissions) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    check_removed_children(any_warehouse, synced_submissions)


def test_an_id_that_is_refused(synced_warehouse: Warehouse, synced_submissions: Rows) -> None:
    """The others are refreshed, and only a wrong address is a failure."""
    here, gone = (synced_submissions[place]["submission_id"] for place in (1, 2))
    with Emulator(synced_submissions, behaviour=Behaviour(unknown_id="404")) as api:
        api.store.delete(gone)
        api.store.update(here, {"userid": "changed"})
        context = context_for(api.base_url, synced_warehouse.target)
        summary = refresh(context, submission_ids=[gone, here])
        assert (summary.submissions_fetched, summary.submissions_changed) == (1, 1)
        elsewhere = context_for(f"{api.base_url}/v4", synced_warehouse.target)
        with pytest.raises(NotFound, match="base_url is probably wrong"):
            refresh(elsewhere, submission_ids=[gone, here])


@pytest.mark.parametrize(
    "selector",
    [
        pytest.param({"submission_ids": ["selected"]}, marks=pytest.mark.slow),
        pytest.param({"userid": "u-1"}, marks=pytest.mark.slow),
        {"email": "person@example.org"},
    ],
    ids=["submission_id", "userid", "email"],
)
def test_selectors(
    selector: dict[str, Any], warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """Submission id, user id and address each select exactly that submission."""
    selected = synced_submissions[1] | {"submission_id": "selected"}
    with Emulator([selected, *synced_submissions[2:20]]) as api:
        summary = refresh(context_for(api.base_url, warehouse.target), **selector)
    assert (summary.submissions_fetched, summary.submissions_new) == (1, 1)
    assert_equal(warehouse, [selected])


def test_an_unknown_submission(warehouse: Warehouse) -> None:
    """It is no failure, and nothing is loaded."""
    with Emulator([]) as api:
        summary = refresh(context_for(api.base_url, warehouse.target), submission_ids=["unknown"])
    assert (summary.submissions_fetched, summary.exit_status) == (0, 0)


def test_a_selector_is_required(warehouse: Warehouse) -> None:
    """The error names the options."""
    with pytest.raises(ConfigurationError, match="--submission-id, --userid or --email"):
        refresh(context_for("http://127.0.0.1:1/v3", warehouse.target))
