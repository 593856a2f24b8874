"""The diff of a chunk: new, changed, unchanged and newly deleted submissions."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from argos_sync.run.diff import count_first_fetches_by_day, diff_chunk
from argos_sync.warehouse.rows import StoredSubmission
from argos_sync.warehouse.submissions import Period
from support import NOW

CREATED = datetime(2025, 1, 10, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(days=9)


def fetched(**hashes: str) -> pa.Table:
    """Return a chunk's submissions with their content hashes."""
    return pa.table(
        {
            "submission_id": pa.array(list(hashes), pa.string()),
            "_content_hash": pa.array(list(hashes.values()), pa.string()),
            "created_at": pa.array([CREATED] * len(hashes), pa.timestamp("us", "UTC")),
        }
    )


def rows(*ids: str) -> dict[str, pa.Table]:
    """Return a chunk's rows, one of `submissions` for each id."""
    return {"submissions": pa.table({"submission_id": pa.array(ids, pa.string())})}


def stub_rows(*ids: str) -> dict[str, pa.Table]:
    """Return rows of deletion stubs that are marked now."""
    marks = pa.array([NOW] * len(ids), pa.timestamp("us", "UTC"))
    return {"submissions": rows(*ids)["submissions"].append_column("_deleted_at", marks)}


def stored(content_hash: str, *, deleted: bool = False, age: int = 1) -> StoredSubmission:
    """Return a submission of the warehouse, fetched some days ago, perhaps deleted before."""
    deleted_at, synced_at = BEFORE if deleted else None, NOW - timedelta(days=age)
    return StoredSubmission(content_hash, deleted_at, synced_at, BEFORE)


def test_new_changed_and_unchanged() -> None:
    """Only the rows of new and changed submissions are loaded."""
    diff = diff_chunk(
        rows("new", "changed", "unchanged"),
        fetched(new="1", changed="2", unchanged="3"),
        {"changed": stored("old"), "unchanged": stored("3")},
        set(),
    )
    assert (diff.new, diff.changed, diff.unchanged) == (1, ["changed"], ["unchanged"])
    assert diff.tables["submissions"]["submission_id"].to_pylist() == ["new", "changed"]


def test_a_deleted_submission_that_returns_is_changed() -> None:
    """Its mark must be cleared even if its content is the same."""
    diff = diff_chunk(rows("s1"), fetched(s1="1"), {"s1": stored("1", deleted=True)}, set())
    assert (diff.new, diff.changed, diff.unchanged) == (0, ["s1"], [])


def test_a_submission_without_rows_that_another_run_has_changed() -> None:
    """It is neither changed nor unchanged, so it is requested again."""
    diff = diff_chunk({}, fetched(s1="1"), {"s1": stored("2")}, set())
    assert (diff.new, diff.changed, diff.unchanged, diff.tables) == (0, [], [], {})


def timed_rows(*ids: str) -> dict[str, pa.Table]:
    """Return a chunk's rows of `submissions` that were fetched, and so changed, now."""
    times = pa.array([NOW] * len(ids), pa.timestamp("us", "UTC"))
    return {"submissions": rows(*ids)["submissions"].append_column("_changed_at", times)}


def test_unchanged_submissions_are_written_on_request() -> None:
    """They do not count as changed, and keep the time of their last change."""
    versions = {"s1": stored("1"), "s2": stored("old")}
    chunk = timed_rows("s1", "s2")
    diff = diff_chunk(chunk, fetched(s1="1", s2="2"), versions, set(), rewrites_unchanged=True)
    assert (diff.changed, diff.unchanged, diff.rewritten) == (["s2"], [], ["s1"])
    assert diff.tables["submissions"]["_changed_at"].to_pylist() == [BEFORE, NOW]


def test_quarantined_objects_are_loaded_once() -> None:
    """An object that is in quarantine is not loaded again."""
    quarantine = {"quarantine": pa.table({"quarantine_id": ["q1", "q2"]})}
    diff = diff_chunk(quarantine, fetched(), {}, {"q1"})
    assert diff.tables["quarantine"]["quarantine_id"].to_pylist() == ["q2"]


def test_first_fetches_are_counted_by_day() -> None:
    """A submission that an earlier chunk of the run had is not counted again."""
    versions = {"repeated": stored("1", age=0), "old": stored("2")}
    chunk = fetched(repeated="1", old="2", new="3")
    counts = count_first_fetches_by_day(chunk, versions, Period(NOW, NOW))
    assert counts == {date(2025, 1, 10): 2}


def test_deletion_stubs() -> None:
    """One that was loaded is unchanged; others are deleted, or changed if they were marked."""
    versions = {
        "loaded": stored("1", deleted=True),
        "whole": stored("old"),
        "loaded as a person": stored("3"),
        "vanished": stored("old", deleted=True),
    }
    ids = (*versions, "unknown")
    stubs = frozenset(ids)
    hashes = fetched(**dict(zip(ids, "12345", strict=True)))
    diff = diff_chunk(stub_rows(*ids), hashes, versions, set(), stubs)
    assert (diff.new, diff.changed, diff.unchanged) == (0, ["vanished"], ["loaded"])
    assert diff.deleted == ["whole", "loaded as a person", "unknown"]
    loaded = diff.tables["submissions"].to_pylist()
    assert {row["submission_id"]: row["_deleted_at"] for row in loaded} == {
        "whole": NOW,
        "loaded as a person": NOW,
        "vanished": BEFORE,
        "unknown": NOW,
    }
    without = diff_chunk(stub_rows(*ids), hashes, versions, set(), stubs, loads_unknown_stubs=False)
    assert without.deleted == ["whole", "loaded as a person"]
    assert "unknown" not in without.tables["submissions"]["submission_id"].to_pylist()


def test_deletion_stubs_do_not_count_as_returned() -> None:
    """One that came whole with an earlier chunk of the run does not count any more."""
    versions = {"earlier": stored("1", age=0), "old": stored("2")}
    table = fetched(earlier="9", old="9", unknown="9", new="3")
    stubs = frozenset({"earlier", "old", "unknown"})
    counts = count_first_fetches_by_day(table, versions, Period(NOW, NOW), stubs)
    assert counts == {date(2025, 1, 10): 0}
