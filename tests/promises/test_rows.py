"""Promises about what is stored."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.forget import forget
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.load.sql import execute
from argos_sync.shape.contract import load_contract
from argos_sync.warehouse.views import load_views
from oracle import flatten
from promises.place import Place, everything
from published import DIRECT, QUASI, recognisable
from support import (
    LATER,
    NOW,
    Rows,
    assert_equal,
    at,
    created_at,
    ordered,
)
from warehouse.direct import connected
from warehouse.view_data import ANSWERS, assert_answers, load_data_set
from whole_lists import Behaviour, Emulator

pytestmark = [pytest.mark.slow, pytest.mark.tables_made]

JANUARY = date(2025, 1, 1), date(2025, 1, 31)
PERIODS = """
    SELECT submission_id, kyc_result, aml_current_status, reviewer, valid_from, valid_to
    FROM submission_status_history ORDER BY submission_id, valid_from
"""


@pytest.fixture
def january(january: Rows) -> Rows:
    """Return some submissions, in the order of their creation."""
    return sorted(january[:80], key=created_at)


def test_rerun(place: Place, january: Rows) -> None:
    """Only `_synced_at` changes, even if the signatures of image URLs do."""
    unchanging = [t.name for t in load_contract().tables.values() if t.from_api] + [
        "submission_status_history",
        "submission_changes",
        "sync_issues",
    ]
    stamps = "SELECT submission_id, _changed_at, _content_hash FROM submissions"
    with Emulator(january, behaviour=Behaviour(image_urls="signed", order="descending")) as api:
        context = place.context(api, lookback_days=60)
        sync(context)
        before = place.warehouse.tables(unchanging)
        stored = ordered(place.warehouse.query(stamps))
        assert len(before["submissions"]) == len(january)
        assert sync(at(context, LATER)).submissions_unchanged == len(january)
    assert place.warehouse.tables(unchanging) == before
    assert ordered(place.warehouse.query(stamps)) == stored


def test_children(place: Place, january: Rows) -> None:
    """Lists become shorter or empty, and sections disappear."""
    full = [recognisable(number) | {"created_at": january[0]["created_at"]} for number in range(3)]
    assert all(rows for name, rows in flatten(full).items())
    with Emulator([*full, *january]) as api:
        context = place.context(api, max_emptied="100%")
        sync(context)
        first, second, third = (submission["submission_id"] for submission in full)
        api.store.update(first, {"kyc": full[0]["kyc"] | {"attempts": [], "comment": []}})
        api.store.update(second, {"aml": None, "additional_list": [], "bank_verification": None})
        api.store.update(third, {"kyc": None, "data": None})
        refresh(at(context, LATER), submission_ids=[first, second, third])
        served = api.store.all()
    assert len(flatten(served)["attempts"]) < len(flatten([*full, *january])["attempts"])
    assert_equal(place.warehouse, served)


def test_deletions(place: Place, january: Rows) -> None:
    """The mark has the time of the run, and goes when the submission returns."""
    person = january[-1]["submission_id"]
    query = f"SELECT _deleted_at, _changed_at FROM submissions WHERE submission_id = '{person}'"
    with Emulator(january) as api:
        context = place.context(api)
        sync(context)
        api.store.delete(person)
        assert sync(at(context, LATER)).submissions_deleted == 1
        (marked,) = place.warehouse.query(query)
        assert_equal(place.warehouse, january)
        api.store.restore(person)
        assert sync(at(context, LATER + timedelta(days=1))).submissions_changed == 1
        (row,) = place.warehouse.query(query)
    assert [value.astimezone(UTC) for value in marked.values()] == [LATER, LATER]
    assert row["_deleted_at"] is None
    assert_equal(place.warehouse, january)


def test_history(place: Place) -> None:
    """Periods touch, and changes of other values do not start one."""
    first = {
        "submission_id": "s1",
        "created_at": "2025-01-10-00-00-00-000",
        "reviewer": "system",
        "kyc": {"result": "pending"},
    }
    changes: list[dict[str, Any]] = [
        {"kyc": {"result": "approved"}, "aml": {"currentstatus": "Not Screened"}},
        {"userid": "another user"},
        {"kyc": {"result": "rejected"}, "reviewer": "agent"},
    ]
    with Emulator([first, first | {"submission_id": "s2"}]) as api:
        context = place.context(api)
        sync(context)
        for day, change in enumerate(changes, start=1):
            api.store.update("s1", change)
            refresh(at(context, NOW + timedelta(days=day)), submission_ids=["s1"])
    assert [
        tuple(map(_days_since_start, row.values())) for row in place.warehouse.query(PERIODS)
    ] == [
        ("s1", "pending", None, "system", 0, 1),
        ("s1", "approved", "Not Screened", "system", 1, 3),
        ("s1", "rejected", "Not Screened", "agent", 3, None),
        ("s2", "pending", None, "system", 0, None),
    ]


def _days_since_start(value: Any) -> Any:
    return (value - NOW).days if isinstance(value, datetime) else value


DOUBLE_MATCHES = """
    INSERT INTO matches (submission_id, match_index, _dlt_id)
    SELECT submission_id, match_index, 'copy/' || _dlt_id FROM matches WHERE submission_id = '{0}'
"""
DAMAGE = (
    "DELETE FROM kyc WHERE submission_id = '{4}'",
    "DELETE FROM submissions WHERE submission_id = '{1}'",
    DOUBLE_MATCHES,
    "UPDATE applicants SET name = 'other' WHERE submission_id = '{2}'",
    "UPDATE submission_status_history SET kyc_result = 'other' WHERE submission_id = '{3}'",
)
"""Statements that lose, double and change rows of some submissions."""


def test_reconcile(place: Place, january: Rows) -> None:
    """A dry run reports what differs from the source or is damaged; the next run repairs it."""
    january[10] = january[10] | {"aml": {"matches": [{"score": 1}, {"score": 2}]}}
    doubled, *damaged, deleted, edited, missing = (s["submission_id"] for s in january[10:18])
    with Emulator(january) as api:
        context = place.context(api)
        api.store.delete(missing)
        sync(context)
        history = place.warehouse.query(PERIODS)
        with connected(place.warehouse) as client:
            for statement in DAMAGE:
                execute(client, statement.format(doubled, *damaged))
        api.store.restore(missing)
        api.store.delete(deleted)
        api.store.update(edited, {"userid": "edited"})
        dry_run = reconcile(at(context, LATER), *JANUARY, deep=True, dry_run=True)
        result = reconcile(at(context, LATER), *JANUARY, deep=True)
        last = reconcile(at(context, LATER), *JANUARY, deep=True, dry_run=True)
        api.store.restore(deleted)
        source = api.store.all()
    different = {key for day in dry_run.days for key in (*day.missing, *day.deleted, *day.changed)}
    assert different >= {doubled, *damaged, deleted, edited, missing}
    assert (dry_run.summary.exit_status, last.summary.exit_status) == (6, 0)
    assert (last.days, last.orphans) == ((), ())
    assert result.summary.submissions_deleted == 1
    assert_equal(place.warehouse, source)
    repaired = [row for row in place.warehouse.query(PERIODS) if row["submission_id"] != missing]
    untouched = {damaged[0], deleted}  # a lost row begins a new period, a deletion ends one
    assert [r for r in repaired if r["submission_id"] not in untouched] == [
        row for row in history if row["submission_id"] not in untouched
    ]


MARK = "".join(f"{number:x}" for number in range(10_000, 10_200))
"""Long and without repetition, so that no file compresses it."""


def test_forget(place: Place, january: Rows) -> None:
    """No row, state, view or byte of a file has a value of the person; no run brings one back."""
    person = recognisable(7) | {"created_at": january[0]["created_at"], "userid": f"u{MARK}"}
    person["data"] = person["data"] | {"name": f"n{MARK}"}
    one = str(person["submission_id"])
    markers = (MARK, f"{DIRECT}", f"{QUASI}", f"'{one}'")
    with Emulator([person, *january]) as api:
        context = place.context(api)
        sync(context)
        assert MARK in everything(place)
        assert place.files is None or MARK.encode() in stored_bytes(place.files)
        assert place.content is None or MARK in place.content()
        result = forget(at(context, LATER), [("userid", person["userid"])])
        assert result.erased["submissions"] == 1
        backfill(at(context, LATER), *JANUARY, force=True)
        refresh(at(context, LATER + timedelta(days=1)), submission_ids=[one])
    assert [marker for marker in markers if marker in everything(place)] == []
    if place.files is not None:
        assert MARK.encode() not in stored_bytes(place.files)
    if place.content is not None:
        content = place.content()
        assert [marker for marker in markers if marker in content] == []
    assert_equal(place.warehouse, january)


def stored_bytes(folder: Path) -> bytes:
    """Return the bytes of all files of a folder."""
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_views(place: Place, tmp_path: Path) -> None:
    """Real runs load the data set."""
    load_data_set(place.warehouse, tmp_path / "views")
    for view in ANSWERS:
        assert_answers(place.warehouse, view)
    for view in load_views():
        assert place.warehouse.count(view.name) > 0
