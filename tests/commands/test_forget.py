"""Forget: a person is erased from every table and not loaded again; all others stay."""

import json
import unicodedata
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from dlt.common.versioned_state import decompress_state

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.backfill import backfill
from argos_sync.commands.forget import forget
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.fetch.protection import Protection
from argos_sync.load.errors import LoadError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.run import erasure
from argos_sync.run.context import Context
from argos_sync.shape.contract import load_contract
from combinations import some
from support import (
    NOW,
    Rows,
    StopAfter,
    Warehouse,
    assert_equal,
    at,
    context_for,
    created_at,
    empty_warehouse,
    postgres_warehouse,
)
from whole_lists import Emulator

KEY = "a secret that is long enough"
LATER = NOW + timedelta(days=1)
DESCRIBED = """
    SELECT table_name, column_name, data_type, is_nullable, comment
    FROM duckdb_columns() WHERE schema_name = 'argos' ORDER BY ALL
"""
REFUSE_DELETION = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN RAISE EXCEPTION ''no''; END';
    CREATE TRIGGER refuse BEFORE DELETE ON submissions EXECUTE FUNCTION refuse();
    SELECT 1
"""
LISTED = [
    ("duckdb", "hash", "userid"),
    ("duckdb", "drop", "submission_id"),
    ("postgres", "encrypt", "email"),
]
"""A database, a privacy mode, and how somebody is named."""

JANUARY = (date(2025, 1, 1), date(2025, 1, 31))


@pytest.fixture
def january(january: Rows) -> Rows:
    """Return fewer submissions: these tests compare every row of every table."""
    return january[:60]


def protected(api: Emulator, warehouse: Warehouse, mode: str, **settings: Any) -> Context:
    """Return a context with one privacy mode for all personal columns."""
    privacy = {"direct": mode, "quasi": mode, "key": KEY if mode in ("hash", "encrypt") else None}
    return context_for(api.base_url, warehouse.target, privacy=privacy, **settings)


def person(submissions: Rows, number: int = 20) -> dict[str, Any]:
    """Return a submission with a user id and an address that no other one has."""
    return submissions[number] | {"userid": "the-person", "email": "Person@Example.com"}


def with_person(submissions: Rows, number: int = 20) -> Rows:
    """Return the submissions, one of them replaced by the person's."""
    return [*submissions[:number], person(submissions, number), *submissions[number + 1 :]]


def everything(warehouse: Warehouse) -> dict[str, Rows]:
    """Return all rows of all tables with submissions."""
    tables = load_contract().tables.values()
    return warehouse.tables(t.name for t in tables if t.from_api or t.belongs_to_submission)


def without(rows: dict[str, Rows], submission_id: str) -> dict[str, Rows]:
    """Return the rows of all other submissions."""
    return {
        name: [row for row in table_rows if row["submission_id"] != submission_id]
        for name, table_rows in rows.items()
    }


def test_a_person_is_erased_and_listed(
    synced_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """All rows of the person are erased, and the proof has no personal data."""
    with Emulator() as api:
        context = context_for(api.base_url, synced_warehouse.target)
        result = forget(at(context, LATER), [("email", "PERSON@example.org ")])
    person = synced_submissions[1]
    assert_equal(synced_warehouse, [item for item in synced_submissions if item is not person])
    proof = synced_warehouse.query("SELECT table_name, rows_erased FROM sync_erasures")
    assert {row["table_name"]: row["rows_erased"] for row in proof} == result.erased
    assert (result.erased["submissions"], result.suppressions_added) == (1, 2)
    suppressions = synced_warehouse.query("SELECT * FROM sync_suppressions")
    assert person["submission_id"] not in str(suppressions)
    assert "person" not in str(suppressions).lower()


@pytest.mark.slow
@pytest.mark.tables_made
def test_a_listed_person_is_not_loaded(warehouse: Warehouse, january: Rows) -> None:
    """Their later submissions are not loaded, whatever the spelling of the address."""
    with Emulator(january[:5]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        forget(context, [("email", "person@EXAMPLE.com")])
        api.store.add(january[5] | {"email": " PERSON@example.com"})
        summary = backfill(at(context, LATER), *JANUARY)
    assert summary.submissions_new == 0
    assert_equal(warehouse, january[:5])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("database", "mode", "kind"),
    some(LISTED, LISTED[:1]),
)
def test_no_command_loads_a_forgotten_person(
    database: str, mode: str, kind: str, january: Rows, tmp_path: Path
) -> None:
    """Backfill, sync, refresh and reconcile do not; the rows of all others do not change."""
    one = person(january)
    day = created_at(one).date()
    with Emulator(with_person(january)) as api, empty_warehouse(database, tmp_path) as warehouse:
        context = protected(api, warehouse, mode)
        sync(context)
        before = everything(warehouse)
        others = without(before, one["submission_id"])
        result = forget(at(context, LATER), [(kind, one[kind])])
        assert everything(warehouse) == others
        backfill(at(context, LATER), day, day, force=True)
        sync(at(context, LATER + timedelta(hours=1)))
        refresh(at(context, LATER), submission_ids=[one["submission_id"]])
        comparison = reconcile(at(context, LATER + timedelta(hours=2)), day, day, deep=True)
        assert everything(warehouse) == others
        proof = warehouse.query("SELECT table_name, rows_erased, run_id FROM sync_erasures")
        suppressions = json.dumps(warehouse.query("SELECT * FROM sync_suppressions"), default=str)
    assert comparison.days == ()
    erased = {name: len(before[name]) - len(others[name]) for name in before}
    assert sum(erased.values()) > 3
    assert {name: result.erased[name] for name in erased} == erased
    assert {row["table_name"]: row["rows_erased"] for row in proof} == result.erased
    assert {row["run_id"] for row in proof} == {result.summary.run_id}
    assert one["submission_id"] not in suppressions
    assert "person" not in suppressions.lower()


@pytest.mark.slow
@pytest.mark.parametrize("mode", some(["encrypt", "drop"], ["encrypt"]))
def test_a_person_is_found_by_every_stored_identifier(
    mode: str, warehouse: Warehouse, january: Rows
) -> None:
    """An identifier that the warehouse does not store is refused before anything is erased."""
    people = {
        "submission_id": january[3]["submission_id"],
        "userid": january[9]["userid"],
        "email": january[20]["email"],
    }
    with Emulator(january[:40]) as api:
        context = protected(api, warehouse, mode)
        sync(context)
        for remaining, (kind, value) in zip((39, 38, 37), people.items(), strict=True):
            if mode == "drop" and kind != "submission_id":
                with pytest.raises(ConfigurationError, match=r"does not store .* --submission-id"):
                    forget(context, [(kind, value)])
                assert warehouse.count("sync_suppressions") == 1
            else:
                forget(context, [(kind, value)])
                assert warehouse.count("submissions") == remaining


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["hash"])
def test_submissions_with_a_forgotten_address(
    mode: str, warehouse: Warehouse, january: Rows
) -> None:
    """A new one is not loaded, and an old one that gets the address is erased."""
    known, old = person(january), january[30]["submission_id"]
    later = january[50] | {"email": "PERSON@example.com "}
    with Emulator(with_person(january[:50])) as api:
        context = protected(api, warehouse, mode)
        sync(context)
        others = without(everything(warehouse), known["submission_id"])
        forget(context, [("email", "person@EXAMPLE.com")])
        # A hashed address is found immediately only if it has the same spelling.
        assert (everything(warehouse) == others) is (mode == "plain")
        api.store.add(later)
        api.store.update(old, {"email": " person@example.com"})
        backfill(at(context, LATER), *JANUARY, force=True)
        others = without(others, old)
        assert everything(warehouse) == others
        # Its id is on the suppression list now, so it is not loaded with another address either.
        api.store.update(old, {"email": "somebody@example.com"})
        backfill(at(context, LATER), *JANUARY, force=True)
        assert everything(warehouse) == others
    proof = warehouse.query("SELECT COUNT(DISTINCT run_id) AS n FROM sync_erasures")
    assert proof == [{"n": 2}]


@pytest.mark.slow
def test_a_failed_erasure_is_repeated_by_the_next_run(
    postgres_dataset: str, tmp_path: Path, january: Rows
) -> None:
    """A chunk does not count as read before the forgotten people in it are erased."""
    warehouse = postgres_warehouse(tmp_path, postgres_dataset)
    with Emulator([person(january), *january[:5]]) as api:
        context = protected(api, warehouse, "hash")
        sync(context)
        forget(context, [("email", "person@EXAMPLE.com")])
        assert warehouse.count("submissions") == 6  # stored as the hash of another spelling
        warehouse.query(REFUSE_DELETION)
        with pytest.raises(LoadError):
            backfill(at(context, LATER), *JANUARY)
        warehouse.query("DROP FUNCTION refuse CASCADE; SELECT 1")
        backfill(at(context, LATER), *JANUARY)
    assert warehouse.count("submissions") == 5


@pytest.mark.slow
def test_a_failed_erasure_erases_nothing(
    any_warehouse: Warehouse, january: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The erasure and its proof are one transaction; the proof is written last."""
    one = person(january[:5], 2)
    with Emulator(with_person(january[:5], 2)) as api:
        context = protected(api, any_warehouse, "plain")
        sync(context)
        before = everything(any_warehouse)
        with monkeypatch.context() as patch:
            patch.setattr(erasure, "insert", Mock(side_effect=RuntimeError("no space left")))
            with pytest.raises(RuntimeError):
                forget(context, [("userid", "the-person")])
        assert everything(any_warehouse) == before
        forget(context, [("userid", "the-person")])
    assert everything(any_warehouse) == without(before, one["submission_id"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("any_warehouse", "mode"),
    [("duckdb", "plain"), ("duckdb", "hash"), ("postgres", "encrypt")],
    indirect=["any_warehouse"],
)
def test_quarantined_objects_are_erased(mode: str, any_warehouse: Warehouse, january: Rows) -> None:
    """They are searched for the person's identifiers; hashed objects cannot be read."""
    anonymous = {k: v for k, v in person(january).items() if k != "submission_id"}
    other = {k: v for k, v in january[7].items() if k != "submission_id"}
    with Emulator([*january[:50], anonymous, other]) as api:
        context = protected(api, any_warehouse, mode)
        sync(context)
        assert any_warehouse.count("quarantine") == 2
        if mode == "drop":
            return
        forget(context, [("userid", "the-person")])
        assert any_warehouse.count("quarantine") == (2 if mode == "hash" else 1)
        # When it is fetched again, its plain values match the suppression list.
        backfill(at(context, LATER), *JANUARY, force=True)
        assert any_warehouse.count("quarantine") == 1


@pytest.mark.slow
@pytest.mark.parametrize("killed_in", ["erasure.transaction", "run.Run.finish"])
def test_a_killed_erasure_is_complete_after_a_repetition(
    killed_in: str, warehouse: Warehouse, january: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof is complete too, although the second run finds no rows by the address."""
    one = person(january[:30], 10)
    with Emulator(with_person(january[:30], 10)) as api:
        context = protected(api, warehouse, "plain")
        sync(context)
        rows = sum(map(len, everything(warehouse).values()))
        with monkeypatch.context() as patch:
            patch.setattr(f"argos_sync.run.{killed_in}", _kill)
            with pytest.raises(KeyboardInterrupt):
                forget(context, [("email", one["email"])])
        forget(at(context, LATER), [("email", one["email"])])
    erased = rows - sum(map(len, everything(warehouse).values()))
    proof = warehouse.query("SELECT SUM(rows_erased) AS n FROM sync_erasures")
    assert erased > 3
    assert proof == [{"n": erased}]


def _kill(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def states(warehouse: Warehouse) -> list[str]:
    """Return all stored pipeline states, the latest one last."""
    rows = warehouse.query("SELECT state FROM _dlt_pipeline_state ORDER BY _dlt_load_id")
    return [json.dumps(decompress_state(row["state"])) for row in rows]


@pytest.mark.slow
def test_mentions_of_a_submission_are_erased(any_warehouse: Warehouse, january: Rows) -> None:
    """Cursors in states and in the ledger are erased; the backfill can still be resumed."""
    with Emulator(january) as api:
        context = context_for(api.base_url, any_warehouse.target, page_size=10, max_concurrency=1)
        context = replace(context, chunk_size=10, progress=StopAfter(api, 3))
        with pytest.raises(Exception, match="500"):
            backfill(context, *JANUARY)
        latest = states(any_warehouse)[-1]
        (one,) = [key for key in api.store.ids() if key in latest]
        stored = len(states(any_warehouse))
        forget(context, [("submission_id", one)])
        assert len(states(any_warehouse)) >= stored  # other facts in them are still needed
        assert not [state for state in states(any_warehouse) if one in state]
        ledger = any_warehouse.query("SELECT page_key FROM sync_windows")
        assert one not in json.dumps(ledger, default=str)
        api.faults = type(api.faults)()
        backfill(context_for(api.base_url, any_warehouse.target), *JANUARY)
    assert_equal(any_warehouse, [s for s in january if s["submission_id"] != one])


@pytest.mark.slow
def test_a_new_dataset_inherits_the_suppression_list(
    any_warehouse: Warehouse, january: Rows
) -> None:
    """Another privacy policy needs a new dataset; forgotten people are not loaded into it."""
    one = person(january)
    other = f"{any_warehouse.target.dataset}_b"
    with Emulator(with_person(january)) as api:
        plain = protected(api, any_warehouse, "plain")
        sync(plain)
        forget(plain, [("email", one["email"])])
        hashed = protected(api, any_warehouse, "hash")
        with pytest.raises(ConfigurationError, match="--as-in OLD --dataset NEW"):
            sync(at(hashed, LATER))
        new_dataset = replace(hashed, target=replace(hashed.target, dataset=other))
        assert forget(new_dataset, [], any_warehouse.target.dataset).suppressions_added == 2
        sync(at(new_dataset, LATER))
    stored = any_warehouse.query(f"SELECT submission_id FROM {other}.submissions")
    assert len(stored) == len(january) - 1
    assert one["submission_id"] not in {row["submission_id"] for row in stored}


@pytest.mark.slow
def test_a_suppression_list_with_an_unknown_key_is_refused(
    warehouse: Warehouse, january: Rows
) -> None:
    """Without the key nobody would match; it may be one of the old keys."""
    with Emulator(january[:50]) as api:
        context = protected(api, warehouse, "hash")
        sync(context)
        forget(context, [("userid", "the-person")])
        other = {"direct": "hash", "quasi": "hash", "key": "another secret of some length"}
        new_dataset = replace(warehouse.target, dataset="new_dataset")
        refused = context_for(api.base_url, new_dataset, privacy=other)
        with pytest.raises(ConfigurationError, match=r"privacy key .* old_keys"):
            forget(refused, [], "argos")
        former = other | {"old_keys": KEY}
        forget(context_for(api.base_url, new_dataset, privacy=former), [], "argos")


@pytest.mark.slow
@pytest.mark.covered
def test_a_lost_key_of_the_suppression_list(synced_warehouse: Warehouse) -> None:
    """The message says how to go on; a key that is in use cannot be discarded."""
    with Emulator() as api:
        context = context_for(api.base_url, synced_warehouse.target)
        forget(context, [("userid", "u-1")])
        with open_warehouse(synced_warehouse.target) as opened:
            opened.load({}, lambda state: state.pop("suppression_secrets"))
        with pytest.raises(ConfigurationError, match="forget --discard-key") as refused:
            sync(at(context, LATER))
        (lost,) = {row["key_id"] for row in synced_warehouse.query("FROM sync_suppressions")}
        assert f"--discard-key {lost} " in str(refused.value)
        with pytest.raises(ConfigurationError, match=lost):
            forget(context, [("userid", "u-1")], lost_key="another")
        for _ in range(2):
            forget(at(context, LATER), [("userid", "u-1")], lost_key=lost)
        (key,) = {row["key_id"] for row in synced_warehouse.query("FROM sync_suppressions")}
        assert key != lost
        with pytest.raises(ConfigurationError, match="is not lost"):
            forget(at(context, LATER), [("userid", "u-1")], lost_key=key)
        assert synced_warehouse.count("sync_suppressions") == 1
        refresh(at(context, LATER), submission_ids=["nobody"])


@pytest.mark.slow
def test_two_suppression_lists_are_merged(warehouse: Warehouse, january: Rows) -> None:
    """Each entry keeps the secret it was hashed with, and all entries match."""
    target = warehouse.target
    first, second = (one["submission_id"] for one in january[:2])
    with Emulator(january[:5]) as api:
        context = protected(api, warehouse, "plain")
        other = replace(context, target=replace(target, dataset="other"))
        sync(context)
        sync(other)
        forget(context, [("submission_id", first)])
        forget(other, [("submission_id", second)])
        file = Path(str(target.file)).stat().st_ino
        assert forget(other, [], target.dataset).suppressions_added == 1
        assert Path(str(target.file)).stat().st_ino == file  # nothing was erased
        sync(at(other, LATER))
    stored = {row["submission_id"] for row in warehouse.query("FROM other.submissions")}
    assert stored == {one["submission_id"] for one in january[2:5]}


@pytest.mark.slow
def test_a_missing_dataset_has_no_suppression_list(any_warehouse: Warehouse, january: Rows) -> None:
    """A misspelled name is refused, because without the list everybody would be loaded."""
    with Emulator(january[:5]) as api:
        context = protected(api, any_warehouse, "plain")
        sync(context)
        with pytest.raises(ConfigurationError, match="no submissions in the dataset no_such"):
            forget(context, [], "no_such")


COMPOSED = {"userid": "홍길동-\u00e9", "email": "zo\u00eb@m\u00fcnchen.de"}
DECOMPOSED = {
    "userid": unicodedata.normalize("NFD", COMPOSED["userid"]),
    "email": "zoe\u0308@xn--mnchen-3ya.de",
}


FORMS = [
    ("duckdb", "plain", COMPOSED, DECOMPOSED),
    ("postgres", "plain", DECOMPOSED, COMPOSED),
    ("duckdb", "hash", DECOMPOSED, COMPOSED),
    ("duckdb", "hash", COMPOSED, DECOMPOSED),
    ("duckdb", "encrypt", COMPOSED, DECOMPOSED),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("any_warehouse", "mode", "stored", "given"),
    some(FORMS, FORMS[1:3]),
    indirect=["any_warehouse"],
)
def test_a_person_is_found_in_every_form_of_unicode(
    any_warehouse: Warehouse,
    january: Rows,
    mode: str,
    stored: dict[str, str],
    given: dict[str, str],
) -> None:
    """Rows keep the spelling of the source, and later submissions are kept out in both."""
    people = [january[n] | {kind: text} for n, (kind, text) in enumerate(stored.items())]
    with Emulator([*people, *january[2:5]]) as api:
        context = protected(api, any_warehouse, mode)
        refresh(context, **stored)
        sync(at(context, NOW + timedelta(hours=1)))
        if mode == "plain":
            rows = any_warehouse.query("SELECT userid FROM submissions")
            assert stored["userid"] in {row["userid"] for row in rows}
        for kind, text in given.items():
            assert refresh(at(context, LATER), **{kind: text}).submissions_fetched == 1
            forget(at(context, LATER), [(kind, text)])
        ids = {row["submission_id"] for row in any_warehouse.query("SELECT * FROM submissions")}
        assert ids == {one["submission_id"] for one in january[2:5]}
        for number, one in enumerate((COMPOSED, DECOMPOSED), start=10):
            api.store.add(january[number] | one)
        backfill(at(context, LATER), *JANUARY, force=True)
    assert any_warehouse.count("submissions") == 3


@pytest.mark.slow
def test_user_ids_are_case_sensitive(warehouse: Warehouse, january: Rows) -> None:
    """Only e-mail addresses are compared without case and surrounding blanks."""
    people = [one | {"userid": name} for one, name in zip(january, ("Kim", "kim"), strict=False)]
    with Emulator(people) as api:
        context = protected(api, warehouse, "hash")
        sync(context)
        forget(context, [("userid", "Kim")])
    (remaining,) = warehouse.query("SELECT submission_id FROM submissions")
    assert remaining["submission_id"] == people[1]["submission_id"]


@pytest.mark.slow
def test_an_incomplete_package_does_not_cost_the_state(
    any_warehouse: Warehouse, january: Rows
) -> None:
    """Its state has the highest version but was never committed, and is erased."""
    with Emulator(january[:5]) as api:
        context = protected(api, any_warehouse, "hash")
        for day in range(2):
            sync(at(context, NOW + timedelta(days=day)))
        with open_warehouse(any_warehouse.target) as opened:
            table = opened.client.make_qualified_table_name("_dlt_pipeline_state")
            opened.client.execute_sql(
                f"INSERT INTO {table} (version, engine_version, pipeline_name, state, created_at,"
                " _dlt_load_id, _dlt_id) SELECT version + 5, engine_version, pipeline_name, 'x',"
                f" created_at, 'never', 'never' FROM {table} LIMIT 1"
            )
        forget(at(context, LATER), [("submission_id", january[0]["submission_id"])])
        with open_read_only(any_warehouse.target) as view:
            assert Protection.configured(context.settings).state_changes(view.state) == {}
    assert states(any_warehouse)
    assert all("argos" in state for state in states(any_warehouse))


def test_missing_identifiers_are_refused(warehouse: Warehouse, january: Rows) -> None:
    """A mistake in a script must not look like an erasure."""
    with Emulator(january[:5]) as api:
        for identifiers in ([], [("userid", " ")], [("userid", "another user"), ("email", "")]):
            with pytest.raises(ConfigurationError, match="nobody"):
                forget(context_for(api.base_url, warehouse.target), identifiers)


@pytest.mark.slow
def test_forget_does_not_use_the_api(warehouse: Warehouse, january: Rows) -> None:
    """It needs no API key either."""
    with Emulator(january[:50]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
    context.settings.api_key = None  # type: ignore[assignment] # as load_settings(api=False)
    forget(context, [("submission_id", january[3]["submission_id"])])
    assert warehouse.count("submissions") == 49


@pytest.mark.slow
def test_a_duckdb_file_has_no_block_of_an_erased_person(
    warehouse: Warehouse, january: Rows
) -> None:
    """The file is rewritten with the same permissions, keys, comments and views."""
    file = Path(str(warehouse.target.file))
    # Long and without repetition, so it is not compressed.
    mark = "".join(f"{number:x}" for number in range(10_000, 10_200))
    with Emulator([january[0] | {"userid": mark}, *january[1:60]]) as api:
        context = context_for(api.base_url, warehouse.target)
        for day in range(2):
            sync(at(context, NOW + timedelta(days=day)))
        assert mark.encode() in file.read_bytes()
        file.chmod(0o640)
        described = warehouse.query(DESCRIBED)
        forget(context, [("userid", mark)])
    assert mark.encode() not in file.read_bytes()
    assert warehouse.query(DESCRIBED) == described
    assert warehouse.query("SELECT submissions FROM staleness") == [{"submissions": 59}]
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in file.parent.iterdir()) == ["kyc.duckdb", "pipelines"]


@pytest.mark.slow
def test_a_refresh_that_erases_rewrites_the_file(warehouse: Warehouse, january: Rows) -> None:
    """A submission that gets a forgotten address is erased by the next run."""
    file = Path(str(warehouse.target.file))
    mark = "".join(f"{number:x}" for number in range(10_000, 10_200))
    with Emulator([january[0] | {"userid": mark}, *january[1:60]]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        forget(context, [("email", "person@example.com")])
        assert mark.encode() in file.read_bytes()
        api.store.update(january[0]["submission_id"], {"email": "person@example.com"})
        refresh(at(context, LATER), submission_ids=[january[0]["submission_id"]])
    assert warehouse.count("submissions") == 59
    assert mark.encode() not in file.read_bytes()


@pytest.mark.slow
def test_a_misspelled_dataset_is_refused(warehouse: Warehouse, january: Rows) -> None:
    """No dataset with that name is created."""
    with Emulator(january[:5]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        misspelled = replace(context, target=replace(context.target, dataset="agros"))
        with pytest.raises(ConfigurationError, match="no submissions in the dataset agros"):
            forget(misspelled, [("userid", "another user")])
    schemas = warehouse.query("SELECT schema_name FROM information_schema.schemata")
    assert "agros" not in {row["schema_name"] for row in schemas}
