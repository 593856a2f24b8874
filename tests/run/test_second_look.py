"""A source that answers with holes empties nothing, and what has really lost a section loses it."""

import json
import shutil
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError, ServerError
from argos_sync.commands.backfill import backfill
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import Faults
from argos_sync.run import content_guard
from argos_sync.run.content_guard import SectionLoss
from argos_sync.run.context import Context
from argos_sync.run.summary import NoProgress, RunSummary
from argos_sync.shape.contract import load_contract
from combinations import pairs, some
from listener import Listener
from support import (
    NOW,
    Rows,
    StopAfter,
    Warehouse,
    assert_equal,
    at,
    context_for,
    duckdb_warehouse,
)
from whole_lists import Behaviour, Emulator, HidingEmulator

pytestmark = [pytest.mark.tables_made, pytest.mark.slow]

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 31)
NEXT, THIRD = NOW + timedelta(days=1), NOW + timedelta(days=2)
TABLES = [t.name for t in load_contract().tables.values() if t.from_api or t.belongs_to_submission]
WHOLE = Behaviour()
KEY = "a secret that is long enough"

WAYS: dict[str, dict[str, Any]] = {
    "list": {},
    "request_types": {"request_types": "others,kyc,aml,data"},
    "sections": {"completeness": "sections"},
    "each": {"completeness": "each"},
}
EMPTY: dict[str, Behaviour] = {
    "aml without items": Behaviour(empty=["aml"]),
    "kyc null": Behaviour(empty=["kyc"], empty_as="null"),
    "data null": Behaviour(empty=["data"], empty_as="null"),
    "others without fields": Behaviour(empty=["others"]),
    "attempts as lists": Behaviour(empty=["attempts"], empty_as="list"),
    "attempts null": Behaviour(empty=["attempts"], empty_as="null"),
    "matches as objects": Behaviour(empty=["matches"], empty_as="object"),
    "everything but others": Behaviour(empty=["kyc", "aml", "data"], empty_as="object"),
}
USUALLY_EMPTY = ("aml without items", "data null", "others without fields", "attempts null")

BOUNDS = [
    *(("5%", 19, 0), ("5%", 20, 4), ("10%", 32, 0), ("10%", 33, 4)),
    *(("0.5", 99, 0), ("0%", 20, 4)),
]
"""A share, how many lose a section, and the exit status."""

MATCH = {"score": 0.9, "argos_number": "ARG-1", "resource_id": "r", "risk_icons": ["PEP"]}
RED_FLAG = {"currentstatus": "Red Flag", "matches": [MATCH]}


@pytest.fixture(scope="session")
def people(january: Rows) -> Rows:
    """Return submissions of January 2025, of which more than 40 have a red flag."""
    return [row | {"aml": RED_FLAG} if n % 8 == 0 else row for n, row in enumerate(january[:320])]


def stored(warehouse: Warehouse, *ignored: str) -> dict[str, Rows]:
    """Return all rows of submissions, their children and their history, but not when they came."""
    tables = {name: warehouse.query(f"SELECT * FROM {name}") for name in TABLES}
    for row in tables["submissions"]:
        for column in ("_synced_at", *ignored):
            del row[column]
    return {name: sorted(rows, key=repr) for name, rows in tables.items()}


def days_to_read(warehouse: Warehouse) -> list[date]:
    """Return the days that the next sync reads whatever their age."""
    query = "SELECT window_from FROM sync_windows WHERE state = 'emptied' ORDER BY 1"
    return [row["window_from"] for row in warehouse.query(query)]


def issues(warehouse: Warehouse) -> set[str]:
    """Return the tables that too many submissions have lost, by the recorded issues."""
    query = "SELECT table_name FROM sync_issues WHERE problem LIKE 'too many came back%'"
    return {row["table_name"] for row in warehouse.query(query)}


def without(submission: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a submission without a section, or without a list of one."""
    section, _, part = path.partition(".")
    if part:
        return submission | {section: {k: v for k, v in submission[section].items() if k != part}}
    return {key: value for key, value in submission.items() if key != section}


def all_again(context: Context) -> Context:
    """Return the context with a look-back window over all submissions."""
    context.settings.lookback_days = 40
    return context


@pytest.mark.covered
@pytest.mark.parametrize(("empty", "way"), pairs(some(EMPTY, USUALLY_EMPTY), [*WAYS]))
def test_holes_of_a_night_replace_nothing(
    way: str, empty: str, warehouse: Warehouse, people: Rows
) -> None:
    """Rows, history and content stay, the run says so, and the next night finds no change."""
    with Emulator(people) as api:
        run = all_again(context_for(api.base_url, warehouse.target, **WAYS[way]))
        sync(run)
        before = stored(warehouse)
        api.behaviour = EMPTY[empty]
        summary = sync(at(run, NEXT))
        assert stored(warehouse) == before
        assert summary.exit_status == 4
        assert summary.note is not None
        sections = set(api.behaviour.empty or ())
        assert all(f"--accept-emptied {section}" in summary.note for section in sections)
        assert issues(warehouse)
        assert (summary.submissions_changed, summary.submissions_deleted) == (0, 0)
        assert [check for check in summary.checks if not check.passed] == []
        api.behaviour = WHOLE
        summary = sync(at(run, THIRD))
    assert (summary.exit_status, summary.note, summary.submissions_changed) == (0, None, 0)
    assert stored(warehouse) == before
    assert days_to_read(warehouse) == []
    query = "SELECT exit_status FROM sync_runs WHERE command = 'sync' ORDER BY started_at"
    assert [row["exit_status"] for row in warehouse.query(query)] == [0, 4, 0]


@pytest.mark.parametrize("mode", some(["hash", "encrypt", "drop"], ["encrypt"]))
def test_protected_values_are_guarded(mode: str, tmp_path: Path, people: Rows) -> None:
    """A value need not be readable to be missed; one that is not stored may come and go."""
    # Of a few, nothing of section `others` is stored but `updated_at`, which shows no section.
    ignored = ("_changed_at", "_content_hash", "updated_at") if mode == "drop" else ()
    privacy = {"direct": mode, "quasi": mode, "key": None if mode == "drop" else KEY}
    warehouse = duckdb_warehouse(tmp_path)
    with Emulator(people) as api:
        run = all_again(context_for(api.base_url, warehouse.target, privacy=privacy))
        sync(run)
        before = stored(warehouse, *ignored)
        for empty in ("data null", "matches as objects", "others without fields"):
            api.behaviour = EMPTY[empty]
            assert sync(at(run, NEXT)).exit_status == 4
            assert stored(warehouse, *ignored) == before
        api.behaviour = WHOLE
        assert sync(at(run, THIRD)).submissions_changed == 0 or mode == "drop"
    assert stored(warehouse, *ignored) == before


def test_old_days_are_read_again_the_next_night(any_warehouse: Warehouse, people: Rows) -> None:
    """Neither age nor settings matter, and a working directory may be lost in between."""
    with Emulator(people) as api:
        run = context_for(api.base_url, any_warehouse.target, sweep_days=0, open_days=0)
        sync(all_again(run))
        before = stored(any_warehouse)
        api.behaviour = EMPTY["aml without items"]
        assert sync(at(run, NEXT)).exit_status == 4
        assert days_to_read(any_warehouse)[0] < date(2025, 1, 3)
        run.settings.lookback_days = 1
        for moment in (NEXT, THIRD):  # the fault stays for another night
            shutil.rmtree(str(any_warehouse.target.pipelines_dir))
            assert sync(at(run, moment + timedelta(hours=1))).exit_status == 4
            assert len(set(days_to_read(any_warehouse))) == len(days_to_read(any_warehouse))
        api.behaviour = WHOLE
        sync(at(run, THIRD + timedelta(days=1)))
        assert days_to_read(any_warehouse) == []
        asked = api.request_count
        summary = sync(at(run, THIRD + timedelta(days=2)))
    assert api.request_count - asked < 5
    assert summary.submissions_fetched < 40
    assert stored(any_warehouse) == before


@pytest.mark.parametrize(
    ("command", "any_warehouse"),
    pairs(["refresh", "backfill", "reconcile"], ["duckdb", "postgres"]),
    indirect=["any_warehouse"],
)
def test_other_commands_withhold_too(command: str, any_warehouse: Warehouse, people: Rows) -> None:
    """What they withhold, the next sync asks for; a finished backfill asks again itself."""

    def work(run: Context) -> RunSummary:
        if command == "refresh":
            return refresh(run, submission_ids=[row["submission_id"] for row in people[:60]])
        if command == "reconcile":
            return reconcile(run, FIRST, LAST, deep=True).summary
        return backfill(run, FIRST, LAST, force=force)

    with Emulator(people) as api:
        run = context_for(api.base_url, any_warehouse.target, sweep_days=0, open_days=0)
        sync(run)
        before, force = stored(any_warehouse), True
        api.behaviour = EMPTY["kyc null"]
        assert work(at(run, NEXT)).exit_status == 4
        force = False
        assert command == "reconcile" or work(at(run, NEXT)).exit_status == 4
        assert stored(any_warehouse) == before
        assert days_to_read(any_warehouse) != []
        api.behaviour = WHOLE
        assert sync(at(run, THIRD)).submissions_changed == 0
        assert days_to_read(any_warehouse) == []
    assert stored(any_warehouse) == before


@pytest.mark.covered
def test_single_ones_are_replaced(warehouse: Warehouse, people: Rows) -> None:
    """Up to the bound, what has lost a section is asked for once more, and then loses it here."""
    with Emulator(people) as api:
        run = all_again(context_for(api.base_url, warehouse.target))
        sync(run)
        changed = list(people)
        for number, path in ((0, "aml"), (8, "aml.matches"), (1, "kyc"), (2, "data")):
            changed[number] = without(people[number], path)
            api.store.replace(changed[number])
        asked = api.request_count
        summary = sync(at(run, NEXT))
        assert api.request_count - asked <= 4 + 5
    assert (summary.exit_status, summary.note, summary.submissions_changed) == (0, None, 4)
    assert summary.submissions_fetched == len(people)
    assert days_to_read(warehouse) == []
    assert_equal(warehouse, changed)
    query = "SELECT exit_status FROM sync_runs WHERE command = 'sync' ORDER BY started_at"
    assert [row["exit_status"] for row in warehouse.query(query)] == [0, 0]


def with_long_lists(row: dict[str, Any]) -> dict[str, Any]:
    """Return a submission with two entries in each list that seldom gets shorter."""
    match = MATCH | {"risk_icons": ["PEP", "SAN"]}
    attempt = {"attemptCnt": 1, "retryCode": ["a", "b"], "retryMsg": ["c", "d"]}
    return row | {
        "kyc": {"result": "approved", "attempts": [attempt, attempt | {"attemptCnt": 2}]},
        "aml": RED_FLAG | {"matches": [match, match | {"resource_id": "s"}]},
    }


def shortened(row: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a submission without the last attempt, match, or retry or risk icon of them."""
    row = json.loads(json.dumps(row))
    attempts, matches = row["kyc"]["attempts"], row["aml"]["matches"]
    lists = {
        "attempts": [attempts],
        "retries": [attempts[-1]["retryCode"], attempts[-1]["retryMsg"]],
        "matches": [matches],
        "risk icons": [matches[-1]["risk_icons"]],
    }
    for entries in lists[name]:
        entries.pop()
    return row


FEW = ("p10", "p20", "p30")


@pytest.fixture
def listed(january: Rows) -> Rows:
    """Return submissions with long lists, and numbers as ids."""
    rows = enumerate(map(with_long_lists, january[:60]))
    return [row | {"submission_id": f"p{number}"} for number, row in rows]


@pytest.mark.covered
@pytest.mark.parametrize(
    "name", some(["attempts", "retries", "matches", "risk icons"], ["retries", "matches"])
)
def test_shorter_lists_of_a_few(name: str, warehouse: Warehouse, listed: Rows) -> None:
    """Where a list of the API cuts them short, nothing is replaced, and it is not believed again.

    Where they have become shorter, they are loaded.
    """

    def cut(row: dict[str, Any]) -> dict[str, Any]:
        return shortened(row, name) if row["submission_id"] in FEW else row

    with HidingEmulator(listed, lambda row: row) as api:
        run = all_again(context_for(api.base_url, warehouse.target, completeness="auto"))
        assert sync(run).completeness == "list"
        before = stored(warehouse)
        api.hide = cut
        summary = sync(at(run, NEXT))
        assert (summary.exit_status, summary.completeness) == (0, "each")
        assert summary.submissions_changed == 0
        assert stored(warehouse) == before
        assert days_to_read(warehouse) == []
        api.hide = lambda row: row
        for row in listed:
            api.store.replace(cut(row))
        assert sync(at(run, THIRD)).submissions_changed == len(FEW)
    assert_equal(warehouse, list(map(cut, listed)))


class Interrupt(NoProgress):
    """Progress that ends the run after its first chunk."""

    def chunk_loaded(self, summary: RunSummary) -> None:
        """Interrupt the run."""
        raise KeyboardInterrupt


@pytest.mark.parametrize("is_killed", [False, True])
def test_shorter_lists_of_many(
    is_killed: bool, warehouse: Warehouse, listed: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only some are asked for once more; if the list was wrong, the others are read again."""
    monkeypatch.setattr(content_guard, "_MAX_SHORTER", 1)
    with HidingEmulator(listed, lambda row: row) as api:
        run = context_for(api.base_url, warehouse.target, completeness="auto", sweep_days=0)
        run = all_again(run)
        sync(run)
        before = stored(warehouse, "_changed_at")
        api.hide = lambda row: shortened(row, "attempts") if row["submission_id"] in FEW else row
        if is_killed:
            with pytest.raises(KeyboardInterrupt):
                sync(at(replace(run, progress=Interrupt()), NEXT))
            assert stored(warehouse, "_changed_at")["attempts"] != before["attempts"]
        run.settings.lookback_days, run.settings.open_days = (0, 0) if is_killed else (40, 30)
        assert sync(at(run, THIRD)).completeness == "each"
        assert days_to_read(warehouse) != []
        run.settings.lookback_days, run.settings.open_days = 0, 0
        sync(at(run, THIRD + timedelta(days=1)))
        assert days_to_read(warehouse) == []
    assert stored(warehouse, "_changed_at")["attempts"] == before["attempts"]


@pytest.mark.parametrize(
    ("share", "lost", "exit_status"),
    some(BOUNDS, BOUNDS[:2]),
)
def test_the_bound(
    share: str, lost: int, exit_status: int, warehouse: Warehouse, people: Rows
) -> None:
    """It is a share of those that had the section, and applies to twenty or more."""
    rows = [row | {"aml": RED_FLAG} for row in people]
    with Emulator(rows) as api:
        run = all_again(context_for(api.base_url, warehouse.target, max_emptied=share))
        sync(run)
        before = stored(warehouse)
        changed = [without(row, "aml") for row in rows[:lost]] + rows[lost:]
        for row in changed[:lost]:
            api.store.replace(row)
        api.store.add(people[0] | {"submission_id": "new"})
        assert sync(at(run, NEXT)).exit_status == exit_status
    if exit_status:
        for name in ("aml", "matches", "match_risk_icons"):
            after = [row for row in stored(warehouse)[name] if row["submission_id"] != "new"]
            assert after == before[name]
    else:
        assert warehouse.count("aml") == len(rows) - lost + 1


def test_a_true_loss_is_accepted(warehouse: Warehouse, people: Rows) -> None:
    """Only the named sections are replaced; a section goes with its list."""
    with Emulator(people) as api:
        run = all_again(context_for(api.base_url, warehouse.target))
        sync(run)
        before = stored(warehouse)
        changed = [without(row, "aml") for row in people]
        for row in changed:
            api.store.replace(row)
        assert sync(at(run, NEXT), ["kyc"]).exit_status == 4
        assert stored(warehouse) == before
        run.settings.lookback_days = 1
        assert sync(at(run, THIRD), ["aml"]).exit_status == 0
    assert_equal(warehouse, changed)
    assert days_to_read(warehouse) == []


def test_there_is_no_such_section(warehouse: Warehouse) -> None:
    """The message names the sections."""
    with pytest.raises(ConfigurationError, match="aml, attempts, data"):
        sync(context_for("http://127.0.0.1:1", warehouse.target), ["comments"])


@dataclass
class Heal(NoProgress):
    """Progress that repairs the source after some pages."""

    api: Emulator
    pages: int

    def page_fetched(self, task: str, items: int) -> None:
        """Count a page."""
        self.pages -= 1
        if not self.pages:
            self.api.behaviour = WHOLE


@pytest.mark.parametrize("pages", some([1, 2, 3], [2]))
def test_a_fault_of_some_windows(pages: int, warehouse: Warehouse, people: Rows) -> None:
    """Whether it is few or many, nothing is lost: a second look finds the few of them whole."""
    with Emulator(people) as api:
        run = context_for(api.base_url, warehouse.target, page_size=10, max_concurrency=1)
        run = replace(all_again(run), chunk_size=40)
        sync(run)
        before = stored(warehouse)
        api.behaviour = EMPTY["aml without items"]
        summary = sync(at(replace(run, progress=Heal(api, pages)), NEXT))
        assert stored(warehouse) == before
        assert summary.submissions_changed == 0
        assert sync(at(run, THIRD)).exit_status == 0
    assert stored(warehouse) == before


@pytest.mark.parametrize("chunks", some([1, 2, 4], [2]))
def test_an_interruption_empties_nothing(chunks: int, warehouse: Warehouse, people: Rows) -> None:
    """Whatever a failed run has withheld, the next one asks for, although its window is read."""
    with Emulator(people) as api:
        run = context_for(
            api.base_url, warehouse.target, page_size=20, max_concurrency=1, sweep_days=0
        )
        run = replace(all_again(run), chunk_size=40)
        sync(run)
        before = stored(warehouse)
        api.behaviour = EMPTY["kyc null"]
        with pytest.raises(ServerError):
            sync(at(replace(run, progress=StopAfter(api, chunks)), NEXT))
        assert stored(warehouse) == before
        assert days_to_read(warehouse) != []
        api.faults, api.behaviour = Faults(), WHOLE
        run.settings.lookback_days, run.settings.open_days = 0, 0
        sync(at(run, THIRD))
        assert days_to_read(warehouse) == []
    assert stored(warehouse) == before


def test_a_failed_second_look_is_repeated(warehouse: Warehouse, people: Rows) -> None:
    """Few have lost a section; the API fails before they are asked for once more."""
    with Emulator(people) as api:
        run = all_again(context_for(api.base_url, warehouse.target))
        sync(run)
        changed = [without(row, "kyc") for row in people[:5]] + people[5:]
        for row in changed[:5]:
            api.store.replace(row)
        with pytest.raises(ServerError):
            sync(at(replace(run, progress=StopAfter(api, 1)), NEXT))
        assert_equal(warehouse, people)
        api.faults = Faults()
        run.settings.lookback_days, run.settings.sweep_days = 0, 0
        assert sync(at(run, THIRD)).submissions_changed == 5
    assert_equal(warehouse, changed)


def test_stubs_and_single_fields_do_not_count(warehouse: Warehouse, people: Rows) -> None:
    """Deletions at the source are erased here, however many there are."""
    with Emulator(people) as api:
        run = all_again(context_for(api.base_url, warehouse.target))
        sync(run)
        for row in people[:100]:
            api.store.leave_stub(row["submission_id"])
        for row in people[100:200]:
            api.store.remove_fields(row["submission_id"], ["data.name", "userid"])
        summary = sync(at(run, NEXT))
        assert (summary.exit_status, summary.submissions_deleted) == (0, 100)
    assert days_to_read(warehouse) == []
    names = warehouse.query("SELECT COUNT(name) AS n FROM applicants")
    assert names == [{"n": sum("name" in row.get("data", {}) for row in people[200:])}]


@pytest.mark.parametrize(
    ("table", "place"),
    [("matches", "matches"), ("bank_verification", "others (bank_verification)")],
)
def test_a_loss_names_section_and_table(table: str, place: str) -> None:
    """A section can have several tables, each with a loss of its own."""
    assert str(SectionLoss(table, 60, 1_000)) == f"60 of 1,000 have lost {place}"


def test_the_webhook_is_told(
    warehouse: Warehouse, people: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets numbers and sections."""
    with Listener() as listener, Emulator(people) as api:
        monkeypatch.setenv("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", listener.url)
        run = all_again(context_for(api.base_url, warehouse.target))
        sync(run)
        api.behaviour = EMPTY["matches as objects"]
        sync(at(run, NEXT))
        (text,) = [json.loads(post.body)["text"] for post in listener.posts]
    assert "exit 4: of the submissions fetched again, 4" in text
    assert "have lost matches" in text
