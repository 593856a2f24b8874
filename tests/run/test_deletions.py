"""Gone is gone: what the source erased, wholly or in part, is erased with the next fetch.

One warehouse for each privacy mode has a submission that becomes a deletion stub, one that vanishes
and one that loses some fields. Their stored personal values, protected or not, are the markers.
"""

import shutil
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.run.context import Context
from argos_sync.run.summary import RunSummary
from argos_sync.shape.contract import load_contract
from argos_sync.warehouse.checks import COUNTS
from combinations import some
from published import DIRECT, recognisable
from support import NOW, Rows, Warehouse, assert_equal, at, context_for, empty_warehouse
from whole_lists import Behaviour, Emulator

KEY = "a secret that is long enough"
FIRST = datetime(2026, 1, 20, 3, tzinfo=UTC)
SECOND = FIRST + timedelta(days=1)
WORDS = {"status": "Deleted Submission"}
STUB, VANISHED, PARTIAL = "100", "101", "102"
CONTRACT = load_contract()
TABLES = [t for t in CONTRACT.tables.values() if t.from_api or t.belongs_to_submission]

MARK = "".join(f"{number:x}" for number in range(10_000, 10_200))
"""Long and without repetition, so DuckDB does not compress it."""

READABLE = ("plain", "encrypt")

REFUSED_AS = ("empty", "204", "400", "404", "410", "object", "list", "null")
"""How an API may answer an id that it does not have."""

OTHERS: Rows = [
    {"submission_id": f"other-{number}", "created_at": "2026-01-10-00-00-00-000"}
    for number in range(40)
]

ERASED_FIELDS = {
    "submissions": ("userid", "memo_text", "_extra"),
    "applicants": ("name", "email", "id_image", "ocr_raw", "date_of_birth", "_extra"),
    "attempts": ("selfie_image", "_extra"),
    "bank_verification": ("result", "account_number", "_extra"),
    "additional_answers": ("input_value",),
}
"""What `partly_deleted` no longer has, by table."""


def person(submission_id: str) -> dict[str, Any]:
    """Return a submission with all fields and marked personal texts."""
    item = recognisable(int(submission_id)) | {"submission_id": submission_id}
    item["userid"] = f"{DIRECT}{submission_id}{MARK}"
    item["data"]["favourite"] = f"{DIRECT}unknown-{submission_id}"
    item["kyc"]["attempts"][0]["selfieImage"] += "-of-attempt"
    item["kyc"]["attempts"][0]["favourite"] = f"{DIRECT}unknown-{submission_id}"
    item["bank_verification"]["favourite"] = f"{DIRECT}unknown-{submission_id}"
    return item


def partly_deleted(item: dict[str, Any]) -> dict[str, Any]:
    """Return the submission without some of its fields."""
    rest = deepcopy(item)
    for name in ("userid", "memo", "favourite", "argos_score", "email", "OCR_raw"):
        del rest[name]
    for name in ("name", "favourite", "date_of_birth"):
        del rest["data"][name]
    del rest["image"]["idImage"]
    for name in ("selfieImage", "favourite"):
        del rest["kyc"]["attempts"][0][name]
    del rest["additional_list"][0]["inputValue"]
    del rest["bank_verification"]
    return rest


@dataclass(frozen=True)
class Night:
    """A warehouse before and after the night in which the source has erased something.

    `before` and `after` have all rows by table; `bytes_before` is the DuckDB file.
    """

    warehouse: Warehouse
    context: Context
    mode: str
    before: dict[str, Rows]
    after: dict[str, Rows]
    summary: RunSummary
    bytes_before: bytes

    def rows(self, submission_id: str, tables: dict[str, Rows]) -> dict[str, Rows]:
        """Return a submission's rows by table, without tables that have none."""
        rows = {t.name: of(submission_id, tables[t.name]) for t in TABLES}
        return {name: found for name, found in rows.items() if found}

    def markers(self, submission_id: str) -> dict[tuple[str, str], set[str]]:
        """Return the stored personal texts by column that only this submission had."""
        markers: dict[tuple[str, str], set[str]] = {}
        for table in TABLES:
            for column in table.columns:
                if column.privacy != "none":
                    rows = self.before[table.name]
                    own = texts(of(submission_id, rows), column.name)
                    others = texts(
                        [r for r in rows if r["submission_id"] != submission_id], column.name
                    )
                    markers[table.name, column.name] = own - others
        return markers


def of(submission_id: str, rows: Rows) -> Rows:
    """Return the rows of a submission."""
    return [row for row in rows if row["submission_id"] == submission_id]


def texts(rows: Rows, column: str) -> set[str]:
    """Return the texts of a column."""
    return {str(row[column]) for row in rows if row.get(column) is not None}


def contents(warehouse: Warehouse) -> dict[str, Rows]:
    """Return all rows of all tables of the contract."""
    return {name: warehouse.query(f"SELECT * FROM {name}") for name in CONTRACT.tables}


def file_bytes(warehouse: Warehouse) -> bytes:
    """Return the bytes of a DuckDB file; none of another warehouse."""
    return Path(warehouse.target.file).read_bytes() if warehouse.target.file else b""


MODES = [
    "duckdb plain",
    *(pytest.param(f"duckdb {one}", marks=pytest.mark.slow) for one in ("hash", "encrypt", "drop")),
    pytest.param("postgres encrypt", marks=[pytest.mark.slow, pytest.mark.postgres]),
]


@pytest.fixture(scope="module", params=MODES)
def night(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Night]:
    """Load everything in a first sync, change the source, and sync again."""
    kind, mode = request.param.split()
    folder = tmp_path_factory.mktemp(mode)
    people = [person(one) for one in (STUB, VANISHED, PARTIAL)]
    unusable = people[0] | {"submission_id": int(STUB), "created_at": None}
    privacy = {"direct": mode, "quasi": mode, "key": KEY if mode in ("hash", "encrypt") else None}
    with (
        Emulator([*people, *OTHERS, unusable]) as api,
        empty_warehouse(kind, folder) as warehouse,
    ):
        if mode == "plain":
            shutil.copy(request.getfixturevalue("_made"), str(warehouse.target.file))
        context = context_for(api.base_url, warehouse.target, FIRST, privacy=privacy)
        sync(context)
        before, bytes_before = contents(warehouse), file_bytes(warehouse)
        api.store.delete("unidentified-1")
        api.store.update(STUB, WORDS)
        api.store.delete(VANISHED)
        api.store.replace(partly_deleted(people[2]))
        summary = sync(at(context, SECOND))
        after = contents(warehouse)
        yield Night(warehouse, context, mode, before, after, summary, bytes_before)


def test_a_stub_has_no_personal_value(night: Night) -> None:
    """All other values stay, in all tables; its history ends with the deletion."""
    before, left = (night.rows(STUB, rows) for rows in (night.before, night.after))
    changed = {
        (row["table_name"], row["column_name"]) for row in left.pop("submission_changes", [])
    }
    assert changed >= {
        (name, column.name)
        for name, rows in before.items()
        for column in CONTRACT[name].columns
        if column.privacy != "none" and any(row.get(column.name) is not None for row in rows)
    }
    assert left.keys() == before.keys()
    (history,) = left.pop("submission_status_history")
    assert (history["valid_from"], history["valid_to"]) == (FIRST, SECOND)
    for name, rows in left.items():
        classes = {column.name: column.privacy for column in CONTRACT[name].columns}
        added = ("_synced_at", "_changed_at", "_deleted_at", "_content_hash")
        for row, old in zip(rows, before[name], strict=True):
            values = {k: v for k, v in row.items() if k not in added and v is not None}
            assert values == {
                k: v
                for k, v in old.items()
                if k not in added and v is not None and classes.get(k, "none") == "none"
            }
    (submission,) = left["submissions"]
    assert submission["_deleted_at"] == submission["_changed_at"] == SECOND


def test_nothing_of_a_stub_is_left_anywhere(night: Night) -> None:
    """No table has a personal value of it, and no block of a DuckDB file."""
    markers = set().union(*night.markers(STUB).values())
    assert bool(markers) is (night.mode != "drop")
    everything = str(night.after)
    assert [one for one in markers if one in everything] == []
    if night.mode in READABLE:  # otherwise nobody can read whose objects these are
        assert night.after["quarantine"] == []
    stored = night.markers(STUB)["submissions", "userid"] if night.mode in READABLE else set()
    for text in stored if night.bytes_before else ():
        assert text.encode() in night.bytes_before
        assert text.encode() not in file_bytes(night.warehouse)


def test_a_vanished_submission_keeps_its_rows(night: Night) -> None:
    """It is marked, and its history ends."""
    before, left = (night.rows(VANISHED, rows) for rows in (night.before, night.after))
    (submission,), (history,) = left.pop("submissions"), left.pop("submission_status_history")
    assert submission["_deleted_at"] == SECOND
    assert (history["valid_from"], history["valid_to"]) == (FIRST, SECOND)
    old = before.pop("submissions")[0]
    changed = {"_deleted_at", "_changed_at", "_synced_at"}
    assert {k for k in old if old[k] != submission[k]} == changed
    del before["submission_status_history"]
    assert left == before


@pytest.mark.slow
@pytest.mark.parametrize("answer", some(REFUSED_AS, ("404", "object")))
def test_a_vanished_submission_may_be_refused(
    answer: Any, synced_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """However the API answers its id, it is marked, and the high-water mark advances."""
    gone = synced_submissions[-1]["submission_id"]
    newer = OTHERS[0] | {"created_at": "2025-01-31-23-59-00-000"}
    with Emulator([*synced_submissions, newer], behaviour=Behaviour(unknown_id=answer)) as api:
        api.store.delete(gone)
        night = NOW + timedelta(days=1)
        context = context_for(api.base_url, synced_warehouse.target, night, lookback_days=40)
        summary = sync(context)
        assert (summary.submissions_new, summary.submissions_deleted) == (1, 1)
        again = sync(at(context, NOW + timedelta(days=2)))
        assert (again.submissions_changed, again.submissions_deleted, again.retries) == (0, 0, 0)
    (marked,) = synced_warehouse.query(
        "SELECT submission_id FROM submissions WHERE _deleted_at IS NOT NULL"
    )
    assert marked == {"submission_id": gone}


def test_a_field_that_vanishes_is_null(night: Night) -> None:
    """Its value is in no other place either, such as `_extra`; other fields stay."""
    left = night.rows(PARTIAL, night.after)
    markers = night.markers(PARTIAL)
    everything = str(night.after)
    for name, columns in ERASED_FIELDS.items():
        for column in columns:
            assert texts(left.get(name, []), column) == set()
            erased = markers.get((name, column), set())
            assert [one for one in erased if one in everything] == [], column
    assert left["submissions"][0]["_deleted_at"] is None
    if night.mode != "drop":
        assert texts(left["applicants"], "full_name") == markers["applicants", "full_name"]


def test_deletions_are_counted(night: Night) -> None:
    """Once, as deleted and not as changed; the post-run checks agree with the source."""
    summary = night.summary
    assert (summary.submissions_deleted, summary.submissions_changed) == (2, 1)
    (counts,) = [check for check in summary.checks if check.check_name == COUNTS]
    assert counts.passed


def marks(warehouse: Warehouse) -> dict[str, int | None]:
    """Return the days from FIRST to `_deleted_at` of all people, by id."""
    rows = warehouse.query("SELECT submission_id, _deleted_at FROM submissions ORDER BY 1")
    return {
        row["submission_id"]: row["_deleted_at"] and (row["_deleted_at"] - FIRST).days
        for row in rows
        if not row["submission_id"].startswith("other")
    }


def after(days: int) -> datetime:
    """Return a time some days after FIRST."""
    return FIRST + timedelta(days=days)


@pytest.mark.slow
@pytest.mark.tables_made
def test_a_stub_comes_again_and_is_restored(warehouse: Warehouse) -> None:
    """Its first mark stays until the submission comes back whole."""
    whole = person(STUB)
    with Emulator([whole]) as api:
        context = context_for(api.base_url, warehouse.target)

        def fetch(days: int, item: dict[str, Any]) -> tuple[int, int, int]:
            api.store.replace(item)
            summary = refresh(at(context, after(days)), submission_ids=[STUB])
            assert summary.submissions_new == (days == 0)
            return (
                summary.submissions_deleted,
                summary.submissions_changed,
                summary.submissions_unchanged,
            )

        assert fetch(0, whole) == (0, 0, 0)
        assert fetch(1, whole | WORDS) == (1, 0, 0)
        assert fetch(2, whole | WORDS) == (0, 0, 1)
        assert fetch(3, whole | WORDS | {"argos_score": 7}) == (0, 1, 0)
        assert marks(warehouse) == {STUB: 1}
        assert fetch(4, whole) == (0, 1, 0)
    assert marks(warehouse) == {STUB: None}
    assert_equal(warehouse, [whole])
    history = warehouse.query(
        "SELECT valid_from, valid_to FROM submission_status_history ORDER BY 1"
    )
    assert [tuple(row.values()) for row in history] == [(after(0), after(1)), (after(4), None)]


@pytest.mark.slow
@pytest.mark.tables_made
def test_a_stub_is_erased_from_sections_that_are_not_fetched(warehouse: Warehouse) -> None:
    """They may have been fetched before."""
    with Emulator([person(STUB), person(VANISHED)]) as api:
        refresh(context_for(api.base_url, warehouse.target), submission_ids=[STUB, VANISHED])
        api.store.update(STUB, WORDS)
        some = context_for(api.base_url, warehouse.target, SECOND, request_types="others,kyc")
        refresh(some, submission_ids=[STUB])
    for table in ("applicants", "aml", "matches", "match_risk_icons"):
        rows = warehouse.query(f"SELECT submission_id FROM {table}")
        assert {row["submission_id"] for row in rows} == {VANISHED}, table
    proof = warehouse.query("SELECT table_name FROM sync_erasures WHERE rows_erased = 1")
    assert len(proof) == 4


@pytest.mark.slow
@pytest.mark.tables_made
def test_deleted_submissions_are_erased_after_some_days(any_warehouse: Warehouse) -> None:
    """With proof, but they are not on the suppression list: only stubs stay out."""
    people = [person(one) for one in (STUB, VANISHED, PARTIAL)]
    with Emulator([*people, *OTHERS]) as api:
        context = context_for(
            api.base_url, any_warehouse.target, lookback_days=60, erase_deleted_after_days=5
        )

        def night(days: int) -> RunSummary:
            return sync(at(context, after(days)))

        night(0)
        api.store.update(STUB, WORDS)
        api.store.delete(VANISHED)
        assert night(1).submissions_deleted == 2
        night(5)
        assert marks(any_warehouse) == {STUB: 1, VANISHED: 1, PARTIAL: None}
        assert any_warehouse.count("sync_erasures") == 0
        summary = night(6)
        assert marks(any_warehouse) == {PARTIAL: None}
        assert_equal(any_warehouse, [people[2], *OTHERS])
        proof = any_warehouse.query("SELECT run_id, table_name, rows_erased FROM sync_erasures")
        assert {row["run_id"] for row in proof} == {summary.run_id}
        erased = {row["table_name"]: row["rows_erased"] for row in proof}
        assert (erased["submissions"], erased["submission_status_history"]) == (2, 2)
        assert any_warehouse.count("sync_suppressions") == 0
        again = night(7)
        assert (again.submissions_new, again.submissions_deleted) == (0, 0)
        assert marks(any_warehouse) == {PARTIAL: None}
        api.store.replace(people[0])
        api.store.restore(VANISHED)
        assert night(8).submissions_new == 2
    assert_equal(any_warehouse, [*people, *OTHERS])


@pytest.mark.slow
@pytest.mark.tables_made
def test_deleted_submissions_can_be_erased_the_same_night(warehouse: Warehouse) -> None:
    """With 0 days, also from the blocks of a DuckDB file."""
    with Emulator([person(STUB), person(VANISHED), *OTHERS]) as api:
        context = context_for(
            api.base_url, warehouse.target, lookback_days=60, erase_deleted_after_days=0
        )
        sync(at(context, FIRST))
        assert MARK.encode() in file_bytes(warehouse)
        api.store.update(STUB, WORDS)
        api.store.delete(VANISHED)
        sync(at(context, SECOND))
    assert marks(warehouse) == {}
    assert MARK.encode() not in file_bytes(warehouse)
