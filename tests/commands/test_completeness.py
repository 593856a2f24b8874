"""Lists that are summaries, pages that are too heavy, and days whose requests are used up."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import pytest

from argos_sync.api.errors import ApiFailure, PageTooHeavy, RequestsUsedUp
from argos_sync.commands.backfill import backfill
from argos_sync.commands.doctor import run_checks
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import DAMAGED, Faults, generate
from argos_sync.run.context import Context
from combinations import pairs
from support import API_KEY, NOW, Rows, StopAfter, Warehouse, assert_equal, at, context_for
from whole_lists import Behaviour, Emulator, HidingEmulator

pytestmark = pytest.mark.tables_made

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 31)

ListRows = Literal["whole", "sections", "summary"]
LISTS: tuple[ListRows, ...] = ("whole", "sections", "summary")
MODES = {"whole": "list", "sections": "sections", "summary": "each"}


def context(api: Emulator, warehouse: Warehouse, **settings: Any) -> Context:
    """Return a context that finds out how whole submissions are read."""
    return context_for(api.base_url, warehouse.target, completeness="auto", **settings)


def configure(api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment variables that every command needs."""
    monkeypatch.setenv("SOURCES__ARGOS__API_KEY", API_KEY)
    monkeypatch.setenv("SOURCES__ARGOS__BASE_URL", api.base_url)


@pytest.mark.parametrize("list_rows", [*LISTS[:2], pytest.param("summary", marks=pytest.mark.slow)])
def test_every_cell_is_loaded(list_rows: ListRows, warehouse: Warehouse, january: Rows) -> None:
    """Whatever a list has of a submission, the warehouse has all of it."""
    rows = january[:30]
    with Emulator(rows, behaviour=Behaviour(list_rows=list_rows)) as api:
        sync(context(api, warehouse))
    assert_equal(warehouse, rows)
    assert warehouse.query("SELECT completeness FROM sync_runs WHERE completeness IS NOT NULL") == [
        {"completeness": MODES[list_rows]}
    ]


def interrupted(run: Context, api: Emulator, faults: Faults) -> None:
    """Sync with an API that fails for good after every other chunk, until a sync is done."""
    for chunks in (1, 2, 1):
        with pytest.raises(ApiFailure):
            sync(replace(run, progress=StopAfter(api, chunks)))
        api.faults = faults
    sync(run)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("list_rows", "any_warehouse"), pairs(LISTS, ["duckdb", "postgres"]), indirect=["any_warehouse"]
)
def test_every_cell_after_faults_and_interruptions(
    list_rows: ListRows, any_warehouse: Warehouse
) -> None:
    """Ties, short pages, repeated rows, failing requests and interruptions lose nothing."""
    rows = list(generate(80, seed=3, start=FIRST, end=LAST, messy=True))
    for row in rows[30:60]:
        row["created_at"] = rows[30]["created_at"]
    behaviour = Behaviour(
        list_rows=list_rows,
        order="descending",
        short_pages=True,
        empty_pages=True,
        duplicate_rows=True,
        nextpage_key_at_end="empty",
        end_date="exclusive",
        day_zone="Asia/Seoul",
    )
    faults = Faults(rate_502=0.07, rate_504=0.06, rate_truncate=0.06, rate_drop=0.06)
    with Emulator(rows, behaviour=behaviour, faults=faults) as api:
        run = context(api, any_warehouse, page_size=10)
        interrupted(replace(run, chunk_size=10), api, faults)
    assert_equal(any_warehouse, rows)


@pytest.mark.slow
def test_lists_that_become_summaries(warehouse: Warehouse, january: Rows) -> None:
    """A change of the API is noticed before a summary replaces anything, and the run goes on."""
    rows = january[:30]
    with Emulator(rows) as api:
        run = context(api, warehouse, page_size=10)
        assert backfill(run, FIRST, LAST).completeness == "list"
        api.behaviour = Behaviour(list_rows="summary")
        summary = backfill(run, FIRST, LAST, force=True)
    assert summary.note is not None
    assert summary.note.startswith("the API has changed: lists are summaries")
    assert (summary.submissions_changed, summary.completeness) == (0, "each")
    assert_equal(warehouse, rows)


def with_attempts(rows: Rows) -> Rows:
    """Return decided submissions, each with three attempts."""
    return [
        row | {"kyc": row["kyc"] | {"attempts": [{"attempt_cnt": number} for number in range(3)]}}
        for row in rows
        if isinstance(row.get("kyc"), dict)
    ]


def last_attempt(row: dict[str, Any]) -> dict[str, Any]:
    """Return a submission with its last attempt only."""
    return row | {"kyc": row["kyc"] | {"attempts": row["kyc"]["attempts"][-1:]}}


def without_matches(row: dict[str, Any]) -> dict[str, Any]:
    """Return a submission without the matches of its red flag."""
    aml = row.get("aml")
    if not isinstance(aml, dict):
        return row
    return row | {"aml": {key: value for key, value in aml.items() if key != "matches"}}


def test_lists_that_are_cut_short(warehouse: Warehouse, january: Rows) -> None:
    """A list of attempts that has some of them is no whole submission."""
    rows = with_attempts(january[:20])
    with HidingEmulator(rows, last_attempt) as api:
        assert sync(context(api, warehouse)).completeness == "each"
    assert_equal(warehouse, rows)


@pytest.mark.slow
def test_lists_that_are_cut_short_later(warehouse: Warehouse, january: Rows) -> None:
    """Every run compares one row, so that nothing is replaced by less of it."""
    rows = with_attempts(january[:20])
    with HidingEmulator(rows, lambda row: row) as api:
        run = context(api, warehouse)
        assert sync(run).completeness == "list"
        api.hide = last_attempt
        summary = sync(at(run, NOW + timedelta(days=1)))
    assert (summary.submissions_changed, summary.completeness) == (0, "each")
    assert_equal(warehouse, rows)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sync", "reconcile"])
def test_a_red_flag_far_from_the_first_rows(
    command: str, warehouse: Warehouse, january: Rows
) -> None:
    """It has matches, so that a list without them is noticed wherever the flag is."""
    calm = [row | {"aml": {"currentstatus": "Not Screened"}} for row in january[:230]]
    flagged = next(row for row in january if (row.get("aml") or {}).get("matches"))
    rows = [*calm, flagged | {"submission_id": "last", "created_at": "2025-01-31-23-00-00-000"}]
    with HidingEmulator(rows, without_matches) as api:
        run = context(api, warehouse)
        if command == "sync":
            assert sync(run).completeness == "each"
        else:
            sync(context_for(api.base_url, warehouse.target, completeness="list"))
            assert warehouse.count("matches") == 0
            result = reconcile(run, FIRST, LAST, deep=True)
            assert [day.changed for day in result.days] == [("last",)]
    assert_equal(warehouse, rows)


def test_a_submission_that_is_only_listed(warehouse: Warehouse, january: Rows) -> None:
    """If the API does not return a listed submission, its summary is not loaded, but reported."""
    rows = january[:10]
    hidden = rows[4]["submission_id"]

    class Forgetful(Emulator):
        def answer(self, query: str, body: bytes, api_key: str) -> Any:
            return super().answer(query.replace(hidden, "unknown"), body, api_key)

    with Forgetful(rows, behaviour=Behaviour(list_rows="summary")) as api:
        sync(context(api, warehouse, page_size=100, max_concurrency=2))
    assert_equal(warehouse, rows[:4] + rows[5:])
    (issue,) = warehouse.query(f"SELECT * FROM sync_issues WHERE submission_id = '{hidden}'")
    assert issue["problem"] == "listed, but not returned by its id"


@pytest.mark.parametrize(
    ("setting", "list_rows", "result"),
    [
        ("auto", "whole", "lists have whole submissions"),
        ("auto", "summary", "lists are summaries, so every submission is fetched by its id (lists"),
        ("each", "sections", "a list is a summary, and the lists of the four sections are whole"),
        ("list", "sections", "sources.argos.completeness is list, but a list is a summary"),
    ],
)
def test_doctor_compares_lists(
    *,
    setting: str,
    list_rows: ListRows,
    result: str,
    warehouse: Warehouse,
    january: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`doctor` says how whole submissions are read, and refuses a setting that loses fields."""
    with Emulator(january[:20], behaviour=Behaviour(list_rows=list_rows)) as api:
        configure(api, monkeypatch)
        monkeypatch.setenv("SOURCES__ARGOS__COMPLETENESS", setting)
        checks = {check.name: check for check in run_checks(warehouse.target)}
    assert checks["completeness"].message.startswith(result)
    assert checks["completeness"].passed is (setting != "list")
    assert checks["destination"].passed


@pytest.mark.slow
def test_doctor_updates_how_lists_are_read(
    warehouse: Warehouse, january: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `doctor` finds out counts for the next run."""
    with Emulator(january[:20]) as api:
        sync(context(api, warehouse))
        api.behaviour = Behaviour(list_rows="sections")
        configure(api, monkeypatch)
        monkeypatch.delenv("SOURCES__ARGOS__COMPLETENESS")
        run_checks(warehouse.target)
        summary = backfill(context(api, warehouse), FIRST, LAST)
    assert (summary.completeness, summary.note) == ("sections", None)


@pytest.mark.slow
def test_refresh_and_reconcile_of_summaries(warehouse: Warehouse, january: Rows) -> None:
    """Lists of a person, and deep comparisons, are of whole submissions, too."""
    rows = january[:40]
    email = next(row["email"] for row in rows if row.get("email"))
    with Emulator(rows, behaviour=Behaviour(list_rows="summary")) as api:
        run = context(api, warehouse)
        sync(run)
        assert refresh(run, email=email).submissions_changed == 0
        assert reconcile(run, FIRST, LAST, deep=True, dry_run=True).days == ()
        asked = api.request_count
        assert reconcile(run, FIRST, LAST).days == ()
        assert api.request_count - asked < 10
    assert_equal(warehouse, rows)


@pytest.mark.slow
@pytest.mark.parametrize("list_rows", LISTS)
def test_configured_sections(list_rows: ListRows, warehouse: Warehouse, january: Rows) -> None:
    """Sections that are not configured are never requested, whatever lists have."""
    rows = january[:30]
    with Emulator(rows, behaviour=Behaviour(list_rows=list_rows)) as api:
        sync(context(api, warehouse, request_types="others,kyc"))
        types = {request.parameters.get("request_type") for request in api.requests}
    assert types == {"others", "kyc"}
    assert warehouse.count("submissions") == 30
    assert warehouse.count("attempts") == sum(len(r["kyc"].get("attempts") or []) for r in rows)
    assert warehouse.count("applicants") == 0


@pytest.fixture
def heavy(january: Rows) -> Iterator[Emulator]:
    """Serve submissions whose pages may have 40 kB; one submission is larger than that."""
    rows = january[:80]
    rows[50]["aml"] = {"raw_data": {"text": "x" * 60_000}}
    rows[50]["kyc"] = {**rows[50]["kyc"], "comment": ["y" * 10_000]}
    with Emulator(rows, behaviour=Behaviour(max_page_bytes=65_000)) as api:
        yield api


@pytest.mark.slow
@pytest.mark.parametrize("list_rows", LISTS)
def test_pages_that_are_too_heavy(
    list_rows: ListRows, heavy: Emulator, warehouse: Warehouse
) -> None:
    """A submission too heavy for one response is read section by section, and no row is lost."""
    heavy.behaviour = replace(heavy.behaviour, list_rows=list_rows)
    sync(context(heavy, warehouse))
    assert_equal(warehouse, heavy.store.all())


@pytest.mark.slow
def test_a_submission_that_cannot_be_read(heavy: Emulator, warehouse: Warehouse) -> None:
    """Everything else is loaded; each night tries it again, until it can be read."""
    rows = heavy.store.all()
    heavy.behaviour = replace(heavy.behaviour, max_page_bytes=45_000)
    run = context(heavy, warehouse, lookback_days=1, sweep_days=0, open_days=0)
    with pytest.raises(PageTooHeavy) as caught:
        sync(run)
    assert rows[50]["submission_id"] not in str(caught.value)
    assert_equal(warehouse, rows[:50] + rows[51:])
    (gap,) = warehouse.query("SELECT * FROM sync_windows WHERE state = 'gap'")
    assert gap["page_key"] is None or rows[50]["submission_id"] not in gap["page_key"]
    newer = rows[0] | {"submission_id": "newer", "created_at": "2025-02-02T01:00:00Z"}
    heavy.store.add(newer)
    asked = heavy.request_count
    with pytest.raises(PageTooHeavy):
        sync(at(run, NOW + timedelta(days=1)))
    assert heavy.request_count - asked < 100
    assert_equal(warehouse, [*rows[:50], *rows[51:], newer])
    heavy.behaviour = replace(heavy.behaviour, max_page_bytes=None)
    sync(at(run, NOW + timedelta(days=2)))
    assert_equal(warehouse, [*rows, newer])
    assert warehouse.query("SELECT * FROM sync_windows WHERE state = 'gap'") == []


DAMAGED_FIELDS: dict[str, Any] = {
    "a score": {"recognition_score": DAMAGED},
    "a name": {"data": {"name": DAMAGED}},
    "a comment": {"kyc": {"result": "rejected", "comment": [DAMAGED]}},
    "an unknown field": {"unknown": {"deep": [DAMAGED]}},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damaged", "list_rows"),
    [("nan", "whole"), ("infinity", "summary"), ("bytes", "sections"), ("control", "whole")],
)
def test_values_that_are_not_json(
    damaged: Any, list_rows: ListRows, warehouse: Warehouse, january: Rows
) -> None:
    """Each is a value that does not fit; its submission and all others are loaded."""
    rows = january[:30]
    for place, fields in enumerate(DAMAGED_FIELDS.values(), start=11):
        rows[place] = rows[place] | fields
    behaviour = Behaviour(list_rows=list_rows, damaged=damaged)
    with Emulator(rows, behaviour=behaviour) as api:
        summary = sync(context(api, warehouse))
        again = sync(context(api, warehouse))
    assert (summary.submissions_new, again.submissions_changed) == (30, 0)
    (score,) = warehouse.query(
        "SELECT recognition_score, _extra FROM submissions"
        f" WHERE submission_id = '{rows[11]['submission_id']}'"
    )
    assert score["recognition_score"] is None
    assert "recognition_score" in score["_extra"]
    problems = warehouse.query("SELECT path, submission_id FROM sync_issues WHERE path <> ''")
    assert "recognition_score" in {issue["path"] for issue in problems}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "list_rows"),
    [("a score", "whole"), ("a comment", "sections"), ("a name", "summary")],
)
def test_a_submission_that_cannot_be_decoded(
    list_rows: ListRows, field: str, warehouse: Warehouse, january: Rows
) -> None:
    """Its window has a gap; all others are loaded, also those after it."""
    rows = january[:30]
    rows[12] = rows[12] | DAMAGED_FIELDS[field]
    behaviour = Behaviour(list_rows=list_rows, damaged="quote")
    with Emulator(rows, behaviour=behaviour) as api:
        run = context(api, warehouse, page_size=8)
        with pytest.raises(PageTooHeavy) as caught:
            sync(run)
        assert_equal(warehouse, rows[:12] + rows[13:])
        assert "no complete JSON object again and again" in str(caught.value)
        assert warehouse.query("SELECT state FROM sync_windows WHERE state = 'gap'")
        api.behaviour = Behaviour(list_rows=list_rows)
        sync(run)
    assert_equal(warehouse, rows)


@pytest.mark.slow
def test_few_requests_of_a_day(warehouse: Warehouse, january: Rows) -> None:
    """However few there are, each day's run gets further."""
    rows = january[:20]
    with Emulator(rows) as api:
        run = context_for(
            api.base_url, warehouse.target, completeness="each", max_requests_per_day=20
        )
        for day in range(5):
            with suppress(RequestsUsedUp):
                sync(at(run, NOW + timedelta(days=day)))
    assert_equal(warehouse, rows)


@pytest.mark.slow
def test_requests_of_a_day_are_used_up(warehouse: Warehouse, january: Rows) -> None:
    """The run stops after its chunk, says when it may go on, and the next day's run goes on."""
    rows = january[:100]
    now = datetime(2025, 2, 1, 22, 0, tzinfo=UTC)
    with Emulator(rows) as api:
        run = context_for(api.base_url, warehouse.target, now, page_size=5, max_requests_per_day=12)
        for _ in range(2):
            with pytest.raises(RequestsUsedUp, match=r"after 2025-02-02 00:00 UTC, in 2 hours"):
                backfill(run, FIRST, LAST)
        assert api.request_count == 12
        loaded = warehouse.count("submissions")
        assert 20 <= loaded < 100
        tomorrow = at(run, now + timedelta(hours=3))
        tomorrow.settings.max_requests_per_day = 1_000
        backfill(tomorrow, FIRST, LAST)
        assert api.request_count <= 12 + 20 + 4
    assert_equal(warehouse, rows)
    rows_ = warehouse.query("SELECT exit_status, error FROM sync_runs ORDER BY started_at, run_id")
    assert [row["exit_status"] for row in rows_] == [4, 4, 0]
