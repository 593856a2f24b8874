"""Chunks: their size, one version of each submission, issues and quarantine."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from argos_sync.api.query import Query
from argos_sync.fetch.chunks import Chunk, ChunkBuilder
from argos_sync.fetch.completeness import Reading
from argos_sync.fetch.job import ClientOptions, FetchJob
from argos_sync.fetch.ledger import LedgerEntry, Plan, TaskProgress
from argos_sync.fetch.protection import NO_PROTECTION
from argos_sync.fetch.task import Task, TaskPage
from argos_sync.fetch.windows import DateRange, Window
from argos_sync.fetch.work_queue import WorkQueue
from argos_sync.shape.suppression import SuppressionList, suppression_hash

NOW = datetime(2025, 2, 1, tzinfo=UTC)
DAYS = Window(None, None)
PLAN = Plan("backfill", "run", NOW, DateRange(), windows={"w": (DAYS, TaskProgress())})
TASK = Task("w", "", Query(), window=DAYS)


def builder(
    is_loader_waiting: Callable[[], bool] = lambda: False,
    seconds: Callable[[], float] = time.monotonic,
    **options: Any,
) -> ChunkBuilder:
    """Return a builder of chunks of the one plan."""
    job = FetchJob("run", WorkQueue(PLAN), Reading(), ClientOptions({}), lambda: NOW, **options)
    return ChunkBuilder(job, is_loader_waiting, seconds)


def submission(number: int, **fields: Any) -> dict[str, Any]:
    """Return a small submission."""
    return {
        "submission_id": f"s{number}",
        "created_at": f"2025-01-{number:02}-00-00-00-000",
        **fields,
    }


def page(*items: Any, cursor: Any = None, done: bool = False) -> TaskPage:
    """Return a page of the one task."""
    return TaskPage(TASK, list(items), cursor, done)


def names(chunk: Chunk) -> list[str]:
    """Return the ids of the submissions that became rows."""
    ids: list[str] = chunk.tables["submissions"]["submission_id"].to_pylist()
    return ids


def test_a_chunk_is_complete_when_it_is_full() -> None:
    """The size is in submissions, checked after each page; the first chunk is half as large."""
    chunks = builder(chunk_size=6)
    assert chunks.add(page(submission(1), submission(2), cursor={"": 1}), NOW) == []
    (full,) = chunks.add(page(submission(3), submission(4), cursor={"": 2}), NOW)
    assert names(full) == ["s1", "s2", "s3", "s4"]
    newest = datetime(2025, 1, 4, tzinfo=UTC)
    assert full.ledger == (LedgerEntry("w", DAYS, TaskProgress({"": 2}, rows=4, newest=newest)),)
    assert full.plan == PLAN.with_progress("w", full.ledger[0].progress)
    assert chunks.take() == []
    assert chunks.add(page(*map(submission, range(5, 10))), NOW) == []
    (second,) = chunks.add(page(submission(10), submission(11)), NOW)
    assert second.submissions == 7


def test_a_chunk_is_complete_when_it_has_many_bytes() -> None:
    """Few submissions may be large; those in quarantine count as well."""
    large = {"aml": {"raw_data": {"text": "x" * 60_000}}}
    chunks = builder(chunk_bytes=100_000)
    assert chunks.add(page(submission(1, **large)), NOW) == []
    (full,) = chunks.add(page(submission(2, **large), cursor={"": 2}), NOW)
    assert names(full) == ["s1", "s2"]
    assert full.ledger[0].progress.cursor == {"": 2}
    assert chunks.add(page(submission(3), submission(4)), NOW) == []
    unusable = {"created_at": "yesterday", **large}
    assert chunks.add(page(unusable), NOW) == []
    (second,) = chunks.add(page(unusable | {"userid": "another"}), NOW)
    assert names(second) == ["s3", "s4"]
    assert chunks.add(page(submission(5)), NOW) == []


def test_unchanged_duplicates_are_dropped() -> None:
    """Within a page and between pages."""
    chunks = builder()
    chunks.add(page(submission(1), submission(1)), NOW)
    chunks.add(page(submission(1), submission(2), done=True), NOW)
    (chunk,) = chunks.take()
    assert names(chunk) == ["s1", "s2"]
    assert chunk.submissions == 2


OLD, NEW = "2025-01-05-00-00-00-000", "2025-01-06T00:00:00Z"
VERSIONS = {
    "later in the walk": ({}, {}, 1),
    "updated later": ({"updated_at": OLD}, {"updated_at": NEW}, 1),
    "updated earlier": ({"updated_at": NEW}, {"updated_at": OLD}, 0),
    "updated at the same time": ({"updated_at": NEW}, {"updated_at": "2025-01-06"}, 1),
    "updated at an unreadable time": ({"updated_at": NEW}, {"updated_at": "soon"}, 1),
    "one without a time": ({"updated_at": NEW}, {}, 1),
}


@pytest.mark.parametrize("pages", [1, 2, 3])
@pytest.mark.parametrize("name", VERSIONS)
def test_one_version_of_a_submission_counts(name: str, pages: int) -> None:
    """The one updated later, else the later one; on a page, on two, and in two chunks."""
    first, second, counts = VERSIONS[name]
    wrong = {"argos_score": "high"}
    items = [
        submission(1, userid="first", kyc={"result": "x", "comment": ["a", "b"]}, **first, **wrong),
        submission(1, userid="second", kyc={"result": "x", "comment": ["c"]}, **second),
    ]
    chunks = builder()
    if pages == 1:
        assert chunks.add(page(items[0], submission(2), items[1]), NOW) == []
    else:
        chunks.add(page(items[0], submission(2)), NOW)
        before = chunks.take() if pages == 3 else []
        chunks.add(page(items[1]), NOW)
        if before and not counts:
            (chunk,) = chunks.take()
            assert (chunk.submissions, chunk.tables) == (0, {})
            return
    (chunk,) = chunks.take()
    rows = chunk.tables["submissions"].to_pylist()
    assert [row["userid"] for row in rows if row["submission_id"] == "s1"] == [
        "second" if counts else "first"
    ]
    assert len(chunk.tables["kyc_comments"]) == 2 - counts
    assert chunk.submissions == len(rows) == (1 if pages == 3 else 2)
    issues = chunk.tables.get("sync_issues", pa.table({"path": []}))["path"].to_pylist()
    assert ("argos_score" in issues) is not bool(counts)
    assert chunk.ledger[0].progress.rows == (3 if pages == 3 else 2)


def test_a_single_package_keeps_the_first_version() -> None:
    """If all chunks are committed in one load package, no later chunk can replace a version."""
    chunks = builder(single_package=True, chunk_size=1)
    (first,) = chunks.add(page(submission(1)), NOW)
    assert chunks.add(page(submission(1, userid="new")), NOW) == []
    (second,) = chunks.take()
    assert names(first) == ["s1"]
    assert "submissions" not in second.tables


def test_a_cursor_that_names_a_suppressed_submission_is_not_used() -> None:
    """Cursors are stored, so one more page is read again instead."""
    hashed = suppression_hash(b"key", "submission_id", "s2")
    protection = replace(
        NO_PROTECTION, suppression=SuppressionList(frozenset([hashed]), {"": b"key"})
    )
    chunks = builder(protection=protection)
    chunks.add(page(submission(1), cursor={"": {"id": "s1"}}), NOW)
    chunks.add(page(submission(3), submission(2), cursor={"": {"id": "s2"}}), NOW)
    (chunk,) = chunks.take()
    assert chunk.suppressed == ("s2",)
    assert [entry.progress.cursor for entry in chunk.ledger] == [{"": {"id": "s1"}}]
    assert "s2" not in str(chunk.plan)


def test_submissions_outside_the_range_are_left_out() -> None:
    """A window asks for more days than the task keeps."""
    chunks = builder()
    task = replace(TASK, days=DateRange(date(2025, 1, 2), date(2025, 1, 2)))
    chunks.add(TaskPage(task, [*map(submission, (1, 2, 3))], None, done=True), NOW)
    (chunk,) = chunks.take()
    assert names(chunk) == ["s2"]


def test_unusable_objects_are_quarantined() -> None:
    """Each is stored once and unaltered, each is one issue, and other rows are loaded."""
    chunks = builder()
    broken = {"created_at": "yesterday", "submission_id": "s9", "name": "Kim"}
    chunks.add(page(broken, broken, "text", submission(1)), NOW)
    (chunk,) = chunks.take()
    quarantined = chunk.tables["quarantine"].to_pylist()
    assert [(row["reason"], row["_extra"]) for row in quarantined] == [
        (
            "created_at: not a timestamp (YYYY-MM-DD-HH-MM-SS-ZZZ or ISO 8601) but a text",
            '{"created_at":"yesterday","submission_id":"s9","name":"Kim"}',
        ),
        ("not an object", '"text"'),
    ]
    issues = chunk.tables["sync_issues"].to_pylist()
    assert [(i["table_name"], i["path"]) for i in issues] == [
        ("quarantine", "created_at"),
        ("quarantine", ""),
    ]
    assert len({issue["issue_id"] for issue in issues}) == 2


def test_jobs_of_a_run_have_issues_of_their_own() -> None:
    """No issue replaces that of another job, and a submission fetched twice has its issues once."""

    def issue_ids(*items: Any) -> list[str]:
        chunks = builder()
        chunks.add(page(*items), NOW)
        return [row["issue_id"] for row in chunks.take()[0].tables["sync_issues"].to_pylist()]

    one, two = (submission(number) | {"kyc": "none"} for number in (1, 2))
    assert issue_ids(one) == issue_ids(one)
    assert not {*issue_ids(one), *issue_ids("text")} & {*issue_ids(two), *issue_ids("words")}


def test_a_page_without_a_cursor_keeps_the_last_cursor() -> None:
    """Resuming at a cursor must never skip submissions."""
    chunks = builder()
    chunks.add(page(submission(1), cursor={"": 1}), NOW)
    chunks.add(page(submission(2), cursor=None), NOW)
    (chunk,) = chunks.take()
    assert chunk.ledger[0].progress.cursor == {"": 1}


def test_submissions_with_their_stored_hash_do_not_become_rows() -> None:
    """They are counted as fetched. Once changed, a submission has no stored hash any more."""
    stored, changed = submission(1), submission(1, userid="changed")
    hashes = {"s1": NO_PROTECTION.content_hash(stored, ()), "s2": "hash of another version"}
    chunks = builder(stored_hashes=hashes)
    chunks.add(page(stored, submission(2), submission(3), cursor={"": 1}), NOW)
    (first,) = chunks.take()
    assert names(first) == ["s2", "s3"]
    assert first.fetched["submission_id"].to_pylist() == ["s1", "s2", "s3"]
    assert first.submissions == 3
    assert first.ledger[0].progress.rows == 3
    chunks.add(page(changed), NOW)
    (second,) = chunks.take()
    assert names(second) == ["s1"]
    chunks.add(page(stored, done=True), NOW)
    (third,) = chunks.take()
    assert names(third) == ["s1"], "the warehouse has the changed version by then"


def test_a_deletion_stub_becomes_rows_without_personal_values() -> None:
    """Also if its hash is stored: an earlier version loaded it as a person."""
    stub = submission(1, userid="Deleted Submission", email="kim@example.com", unknown="Kim")
    chunks = builder(stored_hashes={"s1": NO_PROTECTION.content_hash(stub, ())})
    chunks.add(page(submission(2), stub, done=True), NOW)
    (chunk,) = chunks.take()
    assert chunk.stubs == {"s1"}
    marks = zip(names(chunk), chunk.tables["submissions"]["_deleted_at"].to_pylist(), strict=True)
    assert dict(marks) == {"s1": NOW, "s2": None}
    assert set(chunk.tables) == {"submissions"}


def test_the_stub_of_a_suppressed_submission_is_dropped() -> None:
    """It becomes no row."""
    hashed = suppression_hash(b"key", "submission_id", "s1")
    suppression = SuppressionList(frozenset([hashed]), {"": b"key"})
    chunks = builder(protection=replace(NO_PROTECTION, suppression=suppression))
    chunks.add(page(submission(1, userid="Deleted Submission"), done=True), NOW)
    (chunk,) = chunks.take()
    assert (chunk.tables, chunk.stubs, chunk.suppressed) == ({}, frozenset(), ("s1",))


def test_a_busy_loader_gets_full_chunks_only() -> None:
    """Every load package has a fixed cost, so a chunk grows to its full size meanwhile."""
    moments = iter(range(0, 1_000, 100))
    chunks = builder(is_loader_waiting=lambda: False, chunk_size=6, seconds=lambda: next(moments))
    assert chunks.add(page(submission(1), submission(2)), NOW) == []
    (full,) = chunks.add(page(submission(3)), NOW)
    assert full.submissions == 3


def test_an_idle_loader_gets_a_chunk_after_ten_seconds() -> None:
    """A slow API still commits regularly: a small chunk is complete, with its cursor."""
    now = 100.0
    chunks = builder(is_loader_waiting=lambda: True, seconds=lambda: now)
    assert chunks.add(page(submission(1)), NOW) == []
    now = 109.9
    assert chunks.add(page(submission(2), cursor={"": 2}), NOW) == []
    now = 110.0
    (small,) = chunks.add(page(), NOW)
    assert small.submissions == 2
    newest = datetime(2025, 1, 2, tzinfo=UTC)
    assert small.plan == PLAN.with_progress("w", TaskProgress({"": 2}, rows=2, newest=newest))
    assert chunks.add(page(submission(3)), NOW) == []


def test_the_last_chunk_is_left_for_the_end() -> None:
    """It also commits the run record, which would otherwise need a load package of its own."""
    chunks = builder(chunk_size=4)
    assert chunks.add(page(*map(submission, range(1, 6)), done=True), NOW) == []
    (last,) = chunks.take()
    assert last.submissions == 5
