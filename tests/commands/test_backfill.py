"""Backfill: every submission of the range, in every table, whatever the server is like."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

import pytest

from argos_sync.api.errors import PageLoop
from argos_sync.commands.backfill import backfill
from argos_sync.emulator import Behaviour, Emulator, Faults, generate
from oracle import flatten
from support import Warehouse, assert_equal, at, context_for, in_range, ordered

pytestmark = pytest.mark.tables_made

FIRST, LAST = date(2025, 1, 10), date(2025, 1, 20)

BEHAVIOURS = {
    "plain": Behaviour(),
    "descending": Behaviour(order="descending"),
    "shuffled": Behaviour(order="shuffled"),
    "exclusive": Behaviour(end_date="exclusive"),
    "korean days": Behaviour(day_zone="Asia/Seoul"),
    "exclusive korean descending": Behaviour(
        end_date="exclusive", day_zone="Asia/Seoul", order="descending"
    ),
    "short pages": Behaviour(short_pages=True),
    "empty pages": Behaviour(empty_pages=True),
    "short, empty, doubled, shuffled": Behaviour(
        short_pages=True, empty_pages=True, duplicate_rows=True, order="shuffled"
    ),
    "null key at the end": Behaviour(nextpage_key_at_end="null"),
    "empty key at the end": Behaviour(nextpage_key_at_end="empty"),
    "count too large": Behaviour(max_count=30),
    "count too large, 413": Behaviour(max_count=30, oversize="413"),
    "signed image URLs": Behaviour(image_urls="signed"),
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
def test_loads_exactly_the_range_from_any_server(
    behaviour: Behaviour, warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """The rows are those of the range, whatever the order, boundaries and pages of the server."""
    with Emulator(january, behaviour=behaviour) as api:
        context = context_for(api.base_url, warehouse.target)
        report = backfill(context, FIRST, LAST)
        wanted = in_range(api.store.all(), FIRST, LAST)
        stable = behaviour.image_urls == "stable"
        first = warehouse.tables(["submissions", "attempts"])
        again = backfill(context, FIRST, LAST, force=True)
    assert report.submissions_fetched == report.submissions_new == len(wanted)
    if stable:
        assert_equal(warehouse, wanted)
    assert (again.submissions_new, again.submissions_changed) == (0, 0)
    assert again.submissions_unchanged == len(wanted)
    assert warehouse.tables(["submissions", "attempts"]) == first


@pytest.mark.parametrize("style", ["query", "json"])
@pytest.mark.parametrize("mode", ["off", "ecb", "cbc", "gcm"])
def test_loads_over_every_transport(
    mode: Any, style: str, warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """Both request styles and all encryption modes bring the same rows."""
    with Emulator(january, behaviour=Behaviour(encryption=mode)) as api:
        context = context_for(
            api.base_url, warehouse.target, encryption=mode, request_style=style, page_size=200
        )
        backfill(context, FIRST, LAST)
    assert_equal(warehouse, in_range(january, FIRST, LAST))


def test_two_thousand_messy_submissions_equal_the_flattening(any_warehouse: Warehouse) -> None:
    """Every irregularity the API page names lands as the contract says, on every destination."""
    messy = generate(2000, seed=3, messy=True, unencodable=True, broken=True)
    with Emulator(messy, behaviour=Behaviour(order="shuffled", duplicate_rows=True)) as api:
        report = backfill(
            context_for(api.base_url, any_warehouse.target, page_size=300),
            date(2025, 1, 1),
            date(2025, 12, 31),
        )
        served = api.store.all()
    assert_equal(any_warehouse, served)
    assert report.issues == any_warehouse.count("sync_issues")
    assert any_warehouse.count("quarantine") > 0


def test_a_faulty_gateway_loses_nothing(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """Errors, drops and cut-off answers are repeated until the page is whole."""
    rates = {name: 0.08 for name in asdict(Faults()) if name.startswith("rate_")}
    with Emulator(january, faults=Faults(**rates, seed=5, retry_after="0")) as api:
        report = backfill(context_for(api.base_url, warehouse.target, page_size=10), FIRST, LAST)
    assert report.retries > 0
    assert_equal(warehouse, in_range(january, FIRST, LAST))


def test_a_key_that_comes_again_ends_the_run_with_an_error(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """A server that pages in circles is a fault, not an end."""
    with (
        Emulator(january, behaviour=Behaviour(repeated_key=True)) as api,
        pytest.raises(PageLoop),
    ):
        backfill(context_for(api.base_url, warehouse.target, page_size=10), FIRST, LAST)
    (run,) = warehouse.query("SELECT exit_status, error FROM sync_runs")
    assert run == {"exit_status": 4, "error": "PageLoop"}


def test_only_what_differs_is_rewritten(
    any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """`_synced_at` moves for all, `_changed_at` and the rows for those that changed only."""
    with Emulator(january) as api:
        context = context_for(api.base_url, any_warehouse.target)
        backfill(context, FIRST, LAST)
        changed = in_range(january, FIRST, LAST)[3]["submission_id"]
        api.store.update(changed, {"kyc": {"result": "rejected"}, "userid": "someone else"})
        later = datetime(2025, 2, 2, tzinfo=UTC)
        report = backfill(at(context, later), FIRST, LAST, force=True)
    assert (report.submissions_new, report.submissions_changed) == (0, 1)
    times = any_warehouse.query("SELECT submission_id, _synced_at, _changed_at FROM submissions")
    assert {row["_synced_at"].astimezone(UTC) for row in times} == {later}
    assert [r["submission_id"] for r in times if r["_changed_at"].astimezone(UTC) == later] == [
        changed
    ]


def test_sections_that_are_not_fetched_stay_as_they_are(
    any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """A run over some request_types fills their tables and leaves all others alone."""
    with Emulator(january, behaviour=Behaviour(order="shuffled")) as api:
        everything = context_for(api.base_url, any_warehouse.target)
        backfill(everything, FIRST, LAST)
        for submission in in_range(january, FIRST, LAST):
            changes = {"kyc": {"result": "pending", "attempts": []}, "aml": None, "data": None}
            api.store.update(submission["submission_id"], changes)
        some = context_for(
            api.base_url, any_warehouse.target, request_types=["kyc", "others"], page_size=7
        )
        backfill(some, FIRST, LAST)
        asked = {request.parameters.get("request_type") for request in list(api.requests)[-20:]}
    before = flatten(in_range(january, FIRST, LAST))
    for name in ("applicants", "aml", "matches", "match_risk_icons", "bank_verification"):
        assert ordered(any_warehouse.table(name)) == ordered(before[name]), name
    assert {row["result"] for row in any_warehouse.table("kyc")} == {"pending"}
    assert any_warehouse.count("attempts") == any_warehouse.count("attempt_retries") == 0
    assert asked == {"kyc", "others"}


def test_sections_joined_equal_the_whole(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """All four sections walked one by one bring what one request brings."""
    behaviour = Behaviour(order="shuffled", short_pages=True, duplicate_rows=True)
    with Emulator(january, behaviour=behaviour) as api:
        context = context_for(
            api.base_url, warehouse.target, request_types="kyc,aml,data,others", page_size=9
        )
        backfill(context, FIRST, LAST)
    assert_equal(warehouse, in_range(january, FIRST, LAST))


def test_every_table_exists_after_the_first_run(warehouse: Warehouse) -> None:
    """A query finds every table of the contract, also when the source has nothing for it."""
    lonely = {"submission_id": "s1", "created_at": "2025-01-10-00-00-00-000"}
    with Emulator([lonely]) as api:
        backfill(context_for(api.base_url, warehouse.target), FIRST, LAST)
    assert {name: warehouse.count(name) for name in flatten([])} == {
        name: int(name == "submissions") for name in flatten([])
    }


def test_a_hash_of_some_sections_is_not_that_of_the_whole(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """A section that is gone at the source goes, whatever runs over other sections saw between."""
    with Emulator(january) as api:
        everything = context_for(api.base_url, warehouse.target)
        backfill(everything, FIRST, LAST)
        some = context_for(api.base_url, warehouse.target, request_types="others,kyc,data")
        backfill(some, FIRST, LAST)
        for submission in january:
            api.store.replace({k: v for k, v in submission.items() if k != "aml"})
        backfill(everything, FIRST, LAST)
        left = api.store.all()
    assert_equal(warehouse, in_range(left, FIRST, LAST))


def test_a_probe_fetches_no_section_that_is_not_asked_for(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """With request_types set, every single request names one of them."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target, request_types="others,kyc")
        backfill(context, date(2024, 6, 1), LAST)
        asked = {request.parameters.get("request_type") for request in api.requests}
    assert asked == {"others", "kyc"}
