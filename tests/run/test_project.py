"""A warehouse remembers its project: another project's submissions are never mixed into it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.check import Check
from argos_sync.commands.doctor import run_checks
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import generate
from argos_sync.fetch.project import project_changes, project_fingerprint
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.run.context import Context
from argos_sync.run.project import AnotherProject
from combinations import pairs, some
from support import NOW, Warehouse, assert_equal, at, context_for
from whole_lists import Behaviour, Emulator

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 31)
OWN_KEY, NEW_KEY, OTHER_KEY = "own-" * 10, "new-" * 10, "other-" * 8
OWN = generate(30, seed=1, start=FIRST, end=LAST)
OTHER = generate(25, seed=2, start=FIRST, end=LAST)
TABLES = ("submissions", "applicants", "sync_runs", "_dlt_loads", "_dlt_pipeline_state")

COMMANDS: dict[str, Callable[[Context], object]] = {
    "sync": sync,
    "backfill": lambda context: backfill(context, FIRST, LAST),
    "refresh": lambda context: refresh(context, submission_ids=[OTHER[0]["submission_id"]]),
    "refresh by user": lambda context: refresh(context, userid="somebody"),
    "reconcile": lambda context: reconcile(context, FIRST, LAST, max_deleted=1.0),
    "reconcile --dry-run": lambda context: reconcile(context, FIRST, LAST, dry_run=True),
}


def load(warehouse: Warehouse, api_key: str = OWN_KEY, **settings: Any) -> None:
    """Sync the warehouse's own project."""
    with Emulator(OWN) as api:
        sync(context_for(api.base_url, warehouse.target, api_key=api_key, **settings))


def counts(warehouse: Warehouse) -> dict[str, int]:
    """Return the number of rows of tables that every run writes to."""
    return {name: warehouse.count(name) for name in TABLES}


def fingerprint(warehouse: Warehouse) -> str | None:
    """Return the fingerprint that the warehouse remembers."""
    with open_read_only(warehouse.target) as opened:
        return project_fingerprint(opened.state)


def forget_project(warehouse: Warehouse) -> None:
    """Remove the fingerprint, as if an earlier version had written the state."""
    with open_warehouse(warehouse.target) as opened:
        opened.load({}, lambda state: state.pop("project"))


def check_of(warehouse: Warehouse, base_url: str, api_key: str) -> Check:
    """Return what `doctor` says about the project."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCES__ARGOS__API_KEY", api_key)
        patch.setenv("SOURCES__ARGOS__BASE_URL", base_url)
        (check,) = (one for one in run_checks(warehouse.target) if one.name == "project")
    return check


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.tables_made
@pytest.mark.parametrize(
    ("command", "any_warehouse"),
    pairs(some([*COMMANDS], [*COMMANDS][:2]), ["duckdb", "postgres"]),
    indirect=["any_warehouse"],
)
def test_another_project_is_refused(any_warehouse: Warehouse, command: str) -> None:
    """Not a row is written, not even about the run; a later run with the own key goes on."""
    load(any_warehouse)
    before, known = counts(any_warehouse), fingerprint(any_warehouse)
    with Emulator(OTHER) as api:
        context = context_for(api.base_url, any_warehouse.target, api_key=OTHER_KEY)
        with pytest.raises(AnotherProject, match=f"fingerprint {known}.*--new-key") as raised:
            COMMANDS[command](context)
        assert api.request_count == 6
    assert raised.value.exit_code == 2
    assert OTHER_KEY not in str(raised.value)
    assert counts(any_warehouse) == before
    assert fingerprint(any_warehouse) == known
    load(any_warehouse)
    assert_equal(any_warehouse, OWN)


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.parametrize("policy", some(["plain", "hash"], ["hash"]))
def test_a_rotated_key_passes(
    warehouse: Warehouse, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One request shows that the project is the same; the next run needs none."""
    settings: dict[str, Any] = {"privacy": {"direct": policy, "quasi": policy, "key": "p" * 40}}
    load(warehouse, **settings)
    old = fingerprint(warehouse)
    with Emulator(OWN) as api:
        context = context_for(api.base_url, warehouse.target, api_key=NEW_KEY, **settings)
        for requests in (2, 1):
            report = refresh(context, submission_ids=[OWN[0]["submission_id"]])
            assert (report.requests, report.submissions_unchanged) == (requests, 1)
        report = sync(at(context, NOW + timedelta(days=1)))
        assert report.submissions_new == report.submissions_deleted == 0
        assert report.note is None
    assert fingerprint(warehouse) not in (old, None)
    assert caplog.text == ""


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.tables_made
def test_first_pages_may_be_all_new(warehouse: Warehouse) -> None:
    """Then some known submissions are requested by id."""
    load(warehouse)
    newer = generate(200, seed=3, start=date(2024, 1, 1), end=date(2024, 12, 31))
    with Emulator(newer + OWN) as api:
        context = context_for(api.base_url, warehouse.target, api_key=NEW_KEY)
        report = refresh(context, submission_ids=[OWN[0]["submission_id"]])
    assert report.requests == 3  # a list of 200, a known id, and the submission itself


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.tables_made
def test_new_key_accepts_another_project(warehouse: Warehouse) -> None:
    """`sync --new-key` asks nothing, and remembers the key."""
    load(warehouse)
    with Emulator(OTHER) as api:
        context = context_for(api.base_url, warehouse.target, api_key=OTHER_KEY)
        sync(context, new_key=True)
        assert warehouse.count("submissions") > len(OWN)
        sync(context)


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.tables_made
def test_a_warehouse_of_an_earlier_version(warehouse: Warehouse) -> None:
    """It takes the key of its own project, and refuses that of another one."""
    load(warehouse)
    forget_project(warehouse)
    with Emulator(OTHER) as api:
        context = context_for(api.base_url, warehouse.target, api_key=OTHER_KEY)
        with pytest.raises(AnotherProject, match="loaded from: the API returns none"):
            sync(context)
    assert fingerprint(warehouse) is None
    load(warehouse, NEW_KEY)
    assert fingerprint(warehouse) is not None


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.tables_made
def test_an_empty_source_proves_nothing(warehouse: Warehouse) -> None:
    """Nothing is written or marked as deleted, and the key is not remembered."""
    load(warehouse)
    known = fingerprint(warehouse)
    with Emulator() as api:
        context = context_for(api.base_url, warehouse.target, api_key=OTHER_KEY)
        report = sync(at(context, NOW + timedelta(days=1)))
        check = check_of(warehouse, api.base_url, OTHER_KEY)
    assert report.submissions_deleted == 0
    assert_equal(warehouse, OWN)
    assert fingerprint(warehouse) == known
    assert check == Check(
        "project",
        passed=True,
        message=f"API key with fingerprint {known}; the API returns no submission to compare",
    )


@pytest.mark.tables_made
def test_an_empty_warehouse_takes_any_key(warehouse: Warehouse) -> None:
    """There is nothing to mix."""
    with Emulator() as api:
        for api_key in (OWN_KEY, OTHER_KEY):
            context = context_for(api.base_url, warehouse.target, api_key=api_key)
            refresh(context, submission_ids=["nobody"])
            with open_read_only(warehouse.target) as opened:
                assert project_changes(opened.state, api_key) == {}
        assert api.request_count == 2


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.postgres
@pytest.mark.parametrize("any_warehouse", ["postgres"], indirect=True)
def test_a_partition_is_of_the_same_project(any_warehouse: Warehouse) -> None:
    """A backfill's own state does not hide the project of the nightly runs."""
    with Emulator(OWN) as api:
        own = context_for(api.base_url, any_warehouse.target, api_key=OWN_KEY)
        backfill(own, FIRST, LAST)
        rotated = replace(own, settings=own.settings.copy())
        rotated.settings["api_key"] = NEW_KEY
        backfill(rotated, FIRST, LAST, force=True)
        requests = api.request_count
        refresh(rotated, submission_ids=[OWN[0]["submission_id"]])
        assert api.request_count == requests + 1


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.tables_made
def test_doctor_says_which_project_it_is(warehouse: Warehouse) -> None:
    """The check fails for the key of another project, and the state stays as it is."""
    with Emulator(OWN) as api, Emulator(OTHER) as other:
        message = check_of(warehouse, api.base_url, OWN_KEY).message
        assert message == "there are no submissions yet; the first run remembers the API key"
        load(warehouse)
        known = f"API key with fingerprint {fingerprint(warehouse)}"
        message = check_of(warehouse, api.base_url, OWN_KEY).message
        assert message == f"{known}; the configured one matches"
        message = check_of(warehouse, api.base_url, NEW_KEY).message
        assert message.startswith(f"{known}; the configured one is of the same project")
        check = check_of(warehouse, other.base_url, OTHER_KEY)
        assert (check.passed, check.exit_code) == (False, 2)
        assert "the API returns none of its submissions" in check.message
    assert known.endswith(str(fingerprint(warehouse)))


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.tables_made
def test_a_refused_key_is_recorded(warehouse: Warehouse) -> None:
    """A key that the API does not know is no other project."""
    load(warehouse)
    with Emulator(OWN, behaviour=Behaviour(api_key=OWN_KEY)) as api:
        context = context_for(api.base_url, warehouse.target, api_key=NEW_KEY)
        with pytest.raises(Exception, match="api_key"):
            sync(at(context, NOW + timedelta(days=1)))
    assert 3 in [row["exit_status"] for row in warehouse.query("SELECT * FROM sync_runs")]


def test_the_state_has_no_hash_that_anybody_could_make() -> None:
    """The fingerprint is keyed with a secret of the warehouse, which stays the same."""
    state = project_changes({}, OWN_KEY)
    assert project_changes({}, OWN_KEY) != state
    assert project_changes(state, OWN_KEY) == {}
    changed = project_changes(state, NEW_KEY)
    assert changed["project"]["secret"] == state["project"]["secret"]
    assert project_fingerprint(changed) != project_fingerprint(state)
    assert OWN_KEY not in json.dumps(state)
    fingerprint = project_fingerprint(state)
    assert fingerprint is not None
    assert len(fingerprint) == 8
