"""Forget: a person is gone from every table, stays away, and nobody else is touched."""

from __future__ import annotations

import json
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
from argos_sync.emulator import Emulator
from argos_sync.fetch.protection import Protection
from argos_sync.load.errors import LoadError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.run import erasure
from argos_sync.run.context import Context
from argos_sync.shape.contract import load_contract
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

KEY = "a secret that is long enough"
MODES = ("plain", "hash", "encrypt", "drop")
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
JANUARY = (date(2025, 1, 1), date(2025, 1, 31))


@pytest.fixture
def january(january: Rows) -> Rows:
    """Enough of it: what is compared again and again is every row of every table."""
    return january[:60]


def protected(api: Emulator, warehouse: Warehouse, mode: str, **settings: Any) -> Context:
    """Return a context in which everything personal has one mode."""
    privacy = {"direct": mode, "quasi": mode, "key": KEY if mode in ("hash", "encrypt") else None}
    return context_for(api.base_url, warehouse.target, privacy=privacy, **settings)


def person(submissions: Rows, number: int = 20) -> dict[str, Any]:
    """Return somebody whose user id nobody else has."""
    return submissions[number] | {"userid": "the-person", "email": "Person@Example.com"}


def with_person(submissions: Rows, number: int = 20) -> Rows:
    """Return the submissions with somebody among them who is known by everything."""
    return [*submissions[:number], person(submissions, number), *submissions[number + 1 :]]


def everything(warehouse: Warehouse) -> dict[str, Rows]:
    """Return all rows of all tables that hold submissions."""
    tables = load_contract().tables.values()
    return warehouse.tables(t.name for t in tables if t.from_api or t.belongs_to_submission)


def without(rows: dict[str, Rows], submission_id: str) -> dict[str, Rows]:
    """Return the rows of all others."""
    return {
        name: [row for row in found if row["submission_id"] != submission_id]
        for name, found in rows.items()
    }


@pytest.mark.parametrize(
    ("database", "mode", "kind"),
    [
        ("duckdb", "plain", "email"),
        ("duckdb", "hash", "userid"),
        ("duckdb", "drop", "submission_id"),
        ("postgres", "encrypt", "email"),
    ],
)
def test_a_forgotten_person_does_not_come_back(
    database: str, mode: str, kind: str, january: Rows, tmp_path: Path
) -> None:
    """Neither by backfill, sync, refresh nor reconcile; all others stay as they are."""
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
        again = reconcile(at(context, LATER + timedelta(hours=2)), day, day, deep=True)
        assert everything(warehouse) == others
        proof = warehouse.query("SELECT table_name, rows_erased, run_id FROM sync_erasures")
        listed = json.dumps(warehouse.query("SELECT * FROM sync_suppressions"), default=str)
    assert again.days == ()
    erased = {name: len(before[name]) - len(others[name]) for name in before}
    assert sum(erased.values()) > 3
    assert {name: result.erased[name] for name in erased} == erased
    assert {row["table_name"]: row["rows_erased"] for row in proof} == result.erased
    assert {row["run_id"] for row in proof} == {result.summary.run_id}
    assert one["submission_id"] not in listed
    assert "person" not in listed.lower()


@pytest.mark.parametrize("mode", MODES)
def test_a_person_is_found_by_whatever_the_warehouse_keeps(
    mode: str, warehouse: Warehouse, january: Rows
) -> None:
    """Three people by three names; what is not kept is refused before anything is done."""
    people = {
        "submission_id": january[3]["submission_id"],
        "userid": january[9]["userid"],
        "email": january[20]["email"],
    }
    with Emulator(january[:40]) as api:
        context = protected(api, warehouse, mode)
        sync(context)
        for left, (kind, value) in zip((39, 38, 37), people.items(), strict=True):
            if mode == "drop" and kind != "submission_id":
                with pytest.raises(ConfigurationError, match=r"does not store .* --submission-id"):
                    forget(context, [(kind, value)])
                assert warehouse.count("sync_suppressions") == 1
            else:
                forget(context, [(kind, value)])
                assert warehouse.count("submissions") == left


@pytest.mark.parametrize("mode", ["plain", "hash"])
def test_who_comes_under_a_forgotten_address_is_kept_away_too(
    mode: str, warehouse: Warehouse, january: Rows
) -> None:
    """A new submission, and an old one that gets the address, in whatever spelling."""
    known, old = person(january), january[30]["submission_id"]
    later = january[50] | {"email": "PERSON@example.com "}
    with Emulator(with_person(january[:50])) as api:
        context = protected(api, warehouse, mode)
        sync(context)
        others = without(everything(warehouse), known["submission_id"])
        forget(context, [("email", "person@EXAMPLE.com")])
        # Of a hashed address only one spelling finds the row at once.
        assert (everything(warehouse) == others) is (mode == "plain")
        api.store.add(later)
        api.store.update(old, {"email": " person@example.com"})
        backfill(at(context, LATER), *JANUARY, force=True)
        others = without(others, old)
        assert everything(warehouse) == others
        # The id is listed by now: another address does not bring the submission back.
        api.store.update(old, {"email": "somebody@example.com"})
        backfill(at(context, LATER), *JANUARY, force=True)
        assert everything(warehouse) == others
    proof = warehouse.query("SELECT COUNT(DISTINCT run_id) AS n FROM sync_erasures")
    assert proof == [{"n": 2}]


def test_an_erasure_that_fails_on_the_way_is_tried_again(
    postgres_dataset: str, tmp_path: Path, january: Rows
) -> None:
    """Nothing counts as read before who was forgotten is gone from it."""
    warehouse = postgres_warehouse(tmp_path, postgres_dataset)
    with Emulator([person(january), *january[:5]]) as api:
        context = protected(api, warehouse, "hash")
        sync(context)
        forget(context, [("email", "person@EXAMPLE.com")])
        assert warehouse.count("submissions") == 6  # hashed in another spelling
        warehouse.query(REFUSE_DELETION)
        with pytest.raises(LoadError):
            backfill(at(context, LATER), *JANUARY)
        warehouse.query("DROP FUNCTION refuse CASCADE; SELECT 1")
        backfill(at(context, LATER), *JANUARY)
    assert warehouse.count("submissions") == 5


def test_an_erasure_that_fails_on_the_way_leaves_every_row(
    any_warehouse: Warehouse, january: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one transaction with its proof, which is written last."""
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


@pytest.mark.parametrize(
    ("any_warehouse", "mode"),
    [*(("duckdb", mode) for mode in MODES), ("postgres", "encrypt")],
    indirect=["any_warehouse"],
)
def test_quarantine_is_searched(mode: str, any_warehouse: Warehouse, january: Rows) -> None:
    """An object without a usable id names its person itself; hashed, nobody can read it."""
    lost = {k: v for k, v in person(january).items() if k != "submission_id"}
    other = {k: v for k, v in january[7].items() if k != "submission_id"}
    with Emulator([*january[:50], lost, other]) as api:
        context = protected(api, any_warehouse, mode)
        sync(context)
        assert any_warehouse.count("quarantine") == 2
        if mode == "drop":
            return
        forget(context, [("userid", "the-person")])
        assert any_warehouse.count("quarantine") == (2 if mode == "hash" else 1)
        # Fetched again, it says whose it is.
        backfill(at(context, LATER), *JANUARY, force=True)
        assert any_warehouse.count("quarantine") == 1


@pytest.mark.parametrize("dies", ["erasure.erase", "run.Run.finish"])
def test_an_erasure_that_is_killed_is_complete_once_it_is_repeated(
    dies: str, warehouse: Warehouse, january: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof comes with the erasure: the second finds nobody by an address that is gone."""
    one = person(january[:30], 10)
    with Emulator(with_person(january[:30], 10)) as api:
        context = protected(api, warehouse, "plain")
        sync(context)
        rows = sum(len(found) for found in everything(warehouse).values())
        with monkeypatch.context() as patch:
            patch.setattr(f"argos_sync.run.{dies}", _power_cut)
            with pytest.raises(KeyboardInterrupt):
                forget(context, [("email", one["email"])])
        forget(at(context, LATER), [("email", one["email"])])
    erased = rows - sum(len(found) for found in everything(warehouse).values())
    proof = warehouse.query("SELECT SUM(rows_erased) AS n FROM sync_erasures")
    assert erased > 3
    assert proof == [{"n": erased}]


def _power_cut(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def states(warehouse: Warehouse) -> list[str]:
    """Return all that pipelines remember or have remembered, the latest last."""
    rows = warehouse.query("SELECT state FROM _dlt_pipeline_state ORDER BY _dlt_load_id")
    return [json.dumps(decompress_state(row["state"])) for row in rows]


def test_what_only_names_a_submission_loses_the_name(
    any_warehouse: Warehouse, january: Rows
) -> None:
    """Cursors in the state and in the ledger, old states, issues; the backfill still ends well."""
    with Emulator(january) as api:
        context = context_for(api.base_url, any_warehouse.target, page_size=10, max_concurrency=1)
        context = replace(context, chunk_size=10, progress=StopAfter(api, 3))
        with pytest.raises(Exception, match="500"):
            backfill(context, *JANUARY)
        latest = states(any_warehouse)[-1]
        (one,) = [key for key in api.store.ids() if key in latest]
        forget(context, [("submission_id", one)])
        assert not [state for state in states(any_warehouse) if one in state]
        ledger = any_warehouse.query("SELECT page_key FROM sync_windows")
        assert one not in json.dumps(ledger, default=str)
        api.faults = type(api.faults)()
        backfill(context_for(api.base_url, any_warehouse.target), *JANUARY)
    assert_equal(any_warehouse, [s for s in january if s["submission_id"] != one])


def test_a_list_is_taken_over_before_a_warehouse_is_loaded_anew(
    any_warehouse: Warehouse, january: Rows
) -> None:
    """Another policy needs another dataset; who was forgotten in the old one stays forgotten."""
    one = person(january)
    other = f"{any_warehouse.target.dataset}_b"
    with Emulator(with_person(january)) as api:
        plain = protected(api, any_warehouse, "plain")
        sync(plain)
        forget(plain, [("email", one["email"])])
        hashed = protected(api, any_warehouse, "hash")
        with pytest.raises(ConfigurationError, match="--as-in OLD --dataset NEW"):
            sync(at(hashed, LATER))
        anew = replace(hashed, target=replace(hashed.target, dataset=other))
        assert forget(anew, [], any_warehouse.target.dataset).suppressions_added == 2
        sync(at(anew, LATER))
    kept = any_warehouse.query(f"SELECT submission_id FROM {other}.submissions")
    assert len(kept) == len(january) - 1
    assert one["submission_id"] not in {row["submission_id"] for row in kept}


def test_a_list_of_another_key_is_refused(warehouse: Warehouse, january: Rows) -> None:
    """Without the key nobody could be kept away; it may be among the old ones."""
    with Emulator(january[:50]) as api:
        context = protected(api, warehouse, "hash")
        sync(context)
        forget(context, [("userid", "the-person")])
        other = {"direct": "hash", "quasi": "hash", "key": "another secret of some length"}
        anew = replace(warehouse.target, dataset="anew")
        refused = context_for(api.base_url, anew, privacy=other)
        with pytest.raises(ConfigurationError, match=r"privacy key .* old_keys"):
            forget(refused, [], "argos")
        former = other | {"old_keys": KEY}
        forget(context_for(api.base_url, anew, privacy=former), [], "argos")


def test_another_list_is_added_to_ones_own(warehouse: Warehouse, january: Rows) -> None:
    """Each keeps the secret it was made with, and both keep people away."""
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
    kept = {row["submission_id"] for row in warehouse.query("FROM other.submissions")}
    assert kept == {one["submission_id"] for one in january[2:5]}


def test_a_list_of_a_warehouse_that_is_not_there_is_refused(
    any_warehouse: Warehouse, january: Rows
) -> None:
    """A slip in its name would bring everybody back."""
    with Emulator(january[:5]) as api:
        context = protected(api, any_warehouse, "plain")
        sync(context)
        with pytest.raises(ConfigurationError, match="no submissions in the dataset no_such"):
            forget(context, [], "no_such")


def test_another_with_almost_the_same_user_id_stays(warehouse: Warehouse, january: Rows) -> None:
    """Of addresses only neither case nor blanks count."""
    people = [one | {"userid": name} for one, name in zip(january, ("Kim", "kim"), strict=False)]
    with Emulator(people) as api:
        context = protected(api, warehouse, "hash")
        sync(context)
        forget(context, [("userid", "Kim")])
    (left,) = warehouse.query("SELECT submission_id FROM submissions")
    assert left["submission_id"] == people[1]["submission_id"]


def test_what_the_pipeline_remembers_outlives_a_package_that_never_was_complete(
    any_warehouse: Warehouse, january: Rows
) -> None:
    """Its state is the newest by number, but not the one that counts, and goes."""
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


def test_nobody_to_forget_is_refused(warehouse: Warehouse, january: Rows) -> None:
    """A mistake in a script must not pass for an erasure."""
    with Emulator(january[:5]) as api:
        for nobody in ([], [("userid", " ")], [("userid", "somebody"), ("email", "")]):
            with pytest.raises(ConfigurationError, match="nobody"):
                forget(context_for(api.base_url, warehouse.target), nobody)


def test_forgetting_needs_no_api(warehouse: Warehouse, january: Rows) -> None:
    """Nor a key of it."""
    with Emulator(january[:50]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
    context.settings.api_key = None  # type: ignore[assignment] # as load_settings(api=False)
    forget(context, [("submission_id", january[3]["submission_id"])])
    assert warehouse.count("submissions") == 49


def test_a_duckdb_file_keeps_no_block_of_who_was_erased(
    warehouse: Warehouse, january: Rows
) -> None:
    """The file is written anew, as private as it was, and with its keys, comments and views."""
    file = Path(str(warehouse.target.file))
    # Long, and nothing in it comes twice, so that it is not compressed.
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


def test_nor_does_a_run_that_erases_on_its_way(warehouse: Warehouse, january: Rows) -> None:
    """Somebody gets an address that was forgotten, and is erased by the next run."""
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


def test_a_slip_in_the_dataset_is_no_erasure(warehouse: Warehouse, january: Rows) -> None:
    """Nor does it make a dataset of that name."""
    with Emulator(january[:5]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        slip = replace(context, target=replace(context.target, dataset="agros"))
        with pytest.raises(ConfigurationError, match="no submissions in the dataset agros"):
            forget(slip, [("userid", "somebody")])
    schemas = warehouse.query("SELECT schema_name FROM information_schema.schemata")
    assert "agros" not in {row["schema_name"] for row in schemas}
