"""Backfill: it loads every submission of the range from every kind of server."""

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any, get_args

import pytest

from argos_sync.api.crypto import EncryptionMode
from argos_sync.api.errors import PageLoop, TooManyEmptyPages
from argos_sync.api.page_walk import MAX_EMPTY_PAGES
from argos_sync.commands.backfill import backfill
from argos_sync.emulator import Faults, generate
from oracle import flatten
from support import Rows, Warehouse, assert_equal, at, context_for, in_range, ordered
from whole_lists import Behaviour, Emulator

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
    "keys as JSON": Behaviour(nextpage_key="json", nextpage_key_taken="opaque"),
    "keys in base64": Behaviour(nextpage_key="base64", empty_pages=True),
    "keys with types": Behaviour(nextpage_key="typed", order="descending"),
    "keys without time": Behaviour(nextpage_key="id"),
    "count too large": Behaviour(max_count=8),
    "count too large, 413": Behaviour(max_count=8, oversize="413"),
    "signed image URLs": Behaviour(image_urls="signed"),
}


@pytest.fixture
def january(january: Rows) -> Rows:
    """Return a quarter of the submissions, of which about 35 are in the range."""
    return january[::4]


@pytest.mark.parametrize("name", ["exclusive korean descending", "short, empty, doubled, shuffled"])
def test_loads_exactly_the_range(name: str, warehouse: Warehouse, january: Rows) -> None:
    """The order, the boundaries and the pages of the server make no difference."""
    with Emulator(january, behaviour=BEHAVIOURS[name]) as api:
        summary = backfill(context_for(api.base_url, warehouse.target, page_size=20), FIRST, LAST)
    assert summary.submissions_new == len(in_range(january, FIRST, LAST)) > 20
    assert_equal(warehouse, in_range(january, FIRST, LAST))


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
def test_a_second_backfill_changes_nothing(
    behaviour: Behaviour, warehouse: Warehouse, january: Rows
) -> None:
    """Every server returns the range completely, and all of it is unchanged the second time."""
    with Emulator(january, behaviour=behaviour) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20)
        first = backfill(context, FIRST, LAST)
        expected = in_range(api.store.all(), FIRST, LAST)
        tables = warehouse.tables(["submissions", "attempts"])
        second = backfill(context, FIRST, LAST, force=True)
    assert first.submissions_fetched == first.submissions_new == len(expected) > 20
    if behaviour.image_urls == "stable":
        assert_equal(warehouse, expected)
    assert (second.submissions_new, second.submissions_changed) == (0, 0)
    assert second.submissions_unchanged == len(expected)
    assert warehouse.count("attempts") == len(tables["attempts"])
    if behaviour.image_urls == "stable":
        assert warehouse.tables(["submissions", "attempts"]) == tables


@pytest.mark.parametrize(
    ("mode", "style"),
    [
        ("gcm", "json"),
        *(
            pytest.param(mode, style, marks=pytest.mark.slow)
            for mode in get_args(EncryptionMode)
            for style in ("query", "json")
            if (mode, style) != ("gcm", "json")
        ),
    ],
)
def test_loads_over_every_transport(
    mode: EncryptionMode, style: str, warehouse: Warehouse, january: Rows
) -> None:
    """Both request styles and all encryption modes load the same rows."""
    with Emulator(january, behaviour=Behaviour(encryption=mode)) as api:
        context = context_for(
            api.base_url, warehouse.target, encryption=mode, request_style=style, page_size=20
        )
        backfill(context, FIRST, LAST)
    assert_equal(warehouse, in_range(january, FIRST, LAST))


def test_irregular_submissions(warehouse: Warehouse) -> None:
    """Irregular values are loaded as the oracle says, or quarantined."""
    _load_irregular(warehouse, 150)


def _load_irregular(warehouse: Warehouse, count: int) -> None:
    irregular = generate(count, seed=3, messy=True, unencodable=True, broken=True)
    with Emulator(irregular, behaviour=Behaviour(order="shuffled", duplicate_rows=True)) as api:
        summary = backfill(
            context_for(api.base_url, warehouse.target, page_size=300),
            date(2025, 1, 1),
            date(2025, 12, 31),
        )
        served = api.store.all()
    assert_equal(warehouse, served)
    assert summary.issues == warehouse.count("sync_issues")
    assert warehouse.count("quarantine") > 0


@pytest.mark.slow
@pytest.mark.covered
def test_a_faulty_gateway(warehouse: Warehouse, january: Rows) -> None:
    """Requests are retried after errors, drops and truncated responses."""
    rates: dict[str, Any] = {name: 0.08 for name in asdict(Faults()) if name.startswith("rate_")}
    faults = Faults(**rates, seed=5, retry_after="0")
    with Emulator(january, faults=faults) as api:
        summary = backfill(context_for(api.base_url, warehouse.target, page_size=4), FIRST, LAST)
    assert summary.retries > 0
    assert_equal(warehouse, in_range(january, FIRST, LAST))


def test_a_repeated_page_key_is_an_error(warehouse: Warehouse, january: Rows) -> None:
    """A server that returns the same pages in a loop does not end the range."""
    with (
        Emulator(january, behaviour=Behaviour(repeated_key=True)) as api,
        pytest.raises(PageLoop),
    ):
        backfill(context_for(api.base_url, warehouse.target, page_size=2), FIRST, LAST)
    (run,) = warehouse.query("SELECT exit_status, error FROM sync_runs")
    assert run == {"exit_status": 4, "error": "PageLoop"}


@pytest.mark.slow
def test_a_walk_of_empty_pages_ends(warehouse: Warehouse, january: Rows) -> None:
    """Its window has a gap, the others are loaded, and a later run fills the gap."""
    with Emulator(january, behaviour=Behaviour(endless_day="2025-01-10")) as api:
        context = context_for(api.base_url, warehouse.target, page_size=5)
        with pytest.raises(TooManyEmptyPages, match=f"{MAX_EMPTY_PAGES} empty pages in a row"):
            backfill(context, FIRST, LAST)
        asked = [request for request in api.requests if not request.items]
        assert MAX_EMPTY_PAGES <= len(asked) < 3 * MAX_EMPTY_PAGES
        assert warehouse.query("SELECT state FROM sync_windows WHERE state = 'gap'")
        loaded = warehouse.count("submissions")
        assert 0 < loaded < len(in_range(january, FIRST, LAST))
        api.behaviour = Behaviour()
        backfill(context, FIRST, LAST)
    assert_equal(warehouse, in_range(january, FIRST, LAST))
    runs = warehouse.query("SELECT exit_status, error FROM sync_runs ORDER BY 1 DESC")
    assert runs[0] == {"exit_status": 4, "error": "TooManyEmptyPages"}


@pytest.mark.slow
def test_only_changed_submissions_count_as_changed(any_warehouse: Warehouse, january: Rows) -> None:
    """`_synced_at` changes for all submissions, `_changed_at` for changed ones only."""
    with Emulator(january) as api:
        context = context_for(api.base_url, any_warehouse.target)
        backfill(context, FIRST, LAST)
        changed = in_range(january, FIRST, LAST)[3]["submission_id"]
        api.store.update(changed, {"kyc": {"result": "rejected"}, "userid": "another user"})
        later = datetime(2025, 2, 2, tzinfo=UTC)
        summary = backfill(at(context, later), FIRST, LAST, force=True)
    assert (summary.submissions_new, summary.submissions_changed) == (0, 1)
    times = any_warehouse.query("SELECT submission_id, _synced_at, _changed_at FROM submissions")
    assert {row["_synced_at"].astimezone(UTC) for row in times} == {later}
    assert [r["submission_id"] for r in times if r["_changed_at"].astimezone(UTC) == later] == [
        changed
    ]


@pytest.mark.slow
def test_sections_that_are_not_fetched_do_not_change(
    any_warehouse: Warehouse, january: Rows
) -> None:
    """A run with some `request_types` changes only the tables of those sections."""
    with Emulator(january, behaviour=Behaviour(order="shuffled")) as api:
        all_sections = context_for(api.base_url, any_warehouse.target)
        backfill(all_sections, FIRST, LAST)
        for submission in in_range(january, FIRST, LAST):
            changes = {"kyc": {"result": "pending", "attempts": []}, "aml": None, "data": None}
            api.store.update(submission["submission_id"], changes)
        some = context_for(
            api.base_url,
            any_warehouse.target,
            request_types=["kyc", "others"],
            page_size=7,
            max_emptied="100%",
        )
        backfill(some, FIRST, LAST)
        requested = {r.parameters.get("request_type") for r in list(api.requests)[-8:]}
    before = flatten(in_range(january, FIRST, LAST))
    for name in ("applicants", "aml", "matches", "match_risk_icons", "bank_verification"):
        assert ordered(any_warehouse.table(name)) == ordered(before[name]), name
    assert {row["result"] for row in any_warehouse.table("kyc")} == {"pending"}
    assert any_warehouse.count("attempts") == any_warehouse.count("attempt_retries") == 0
    assert requested == {"kyc", "others"}


@pytest.mark.slow
def test_all_sections_equal_whole_submissions(warehouse: Warehouse, january: Rows) -> None:
    """Four sections that are read one by one give the same rows as whole submissions."""
    behaviour = Behaviour(order="shuffled", short_pages=True, duplicate_rows=True)
    with Emulator(january, behaviour=behaviour) as api:
        context = context_for(
            api.base_url, warehouse.target, request_types="kyc,aml,data,others", page_size=9
        )
        backfill(context, FIRST, LAST)
    assert_equal(warehouse, in_range(january, FIRST, LAST))


def test_every_table_exists_after_the_first_run(warehouse: Warehouse) -> None:
    """Every table of the contract exists, even if the source has no value for it."""
    minimal = {"submission_id": "s1", "created_at": "2025-01-10-00-00-00-000"}
    with Emulator([minimal]) as api:
        backfill(context_for(api.base_url, warehouse.target), FIRST, LAST)
    assert {name: warehouse.count(name) for name in flatten([])} == {
        name: int(name == "submissions") for name in flatten([])
    }


@pytest.mark.slow
def test_content_hashes_of_different_sections_differ(warehouse: Warehouse, january: Rows) -> None:
    """A removed section is removed, even if a run over other sections came between."""
    with Emulator(january) as api:
        all_sections = context_for(api.base_url, warehouse.target, max_emptied="100%")
        backfill(all_sections, FIRST, LAST)
        some = context_for(api.base_url, warehouse.target, request_types="others,kyc,data")
        backfill(some, FIRST, LAST)
        for submission in january:
            api.store.replace({k: v for k, v in submission.items() if k != "aml"})
        backfill(all_sections, FIRST, LAST)
        remaining = api.store.all()
    assert_equal(warehouse, in_range(remaining, FIRST, LAST))


def test_every_request_names_a_configured_section(warehouse: Warehouse, january: Rows) -> None:
    """With `request_types`, even the probe of `end_date` requests one of them."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target, request_types="others,kyc")
        backfill(context, date(2024, 6, 1), LAST)
        requested = {request.parameters.get("request_type") for request in api.requests}
    assert requested == {"others", "kyc"}
