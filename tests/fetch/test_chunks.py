"""Chunks: bounded, each submission once, issues and quarantine along with their rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from argos_sync.api import Query
from argos_sync.fetch.chunks import Chunk, ChunkBuilder
from argos_sync.fetch.plan import LedgerEntry, Plan, TaskProgress, WorkQueue
from argos_sync.fetch.protection import NO_PROTECTION
from argos_sync.fetch.reader import Task, TaskPage
from argos_sync.fetch.windows import DateRange, Window
from argos_sync.shape.suppression import SuppressionList, suppression_hash

NOW = datetime(2025, 2, 1, tzinfo=UTC)
DAYS = Window(None, None)
PLAN = Plan("backfill", "run", NOW, DateRange(), windows={"w": (DAYS, TaskProgress())})
TASK = Task("w", "", lambda _: Query(), window=DAYS)


def builder(**options: Any) -> ChunkBuilder:
    """Return a builder that wants everything."""
    return ChunkBuilder("run", WorkQueue(PLAN), **options)


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
    """Return the submissions of a chunk."""
    found: list[str] = chunk.tables["submissions"]["submission_id"].to_pylist()
    return found


def test_a_chunk_is_given_out_when_it_is_full() -> None:
    """Size is counted in submissions, at page boundaries; of the first half is enough."""
    chunks = builder(size=6)
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


def test_a_row_that_comes_again_unchanged_is_dropped() -> None:
    """Neither within a page nor between pages is a submission taken twice."""
    chunks = builder()
    chunks.add(page(submission(1), submission(1)), NOW)
    chunks.add(page(submission(1), submission(2), done=True), NOW)
    (chunk,) = chunks.take()
    assert names(chunk) == ["s1", "s2"]
    assert chunk.submissions == 2


def test_a_row_that_comes_again_changed_starts_the_next_chunk() -> None:
    """Two versions in one package would mix their children; the later version wins."""
    chunks = builder()
    (first,) = chunks.add(page(submission(1), submission(2), submission(1, userid="new")), NOW)
    (second,) = chunks.take()
    assert (names(first), names(second)) == (["s1", "s2"], ["s1"])
    assert (first.ledger, first.plan) == ((), PLAN)
    assert second.tables["submissions"]["userid"].to_pylist() == ["new"]


def test_one_package_takes_each_submission_once() -> None:
    """Where all chunks are committed together, the first version stays."""
    chunks = builder(whole=True, size=1)
    (first,) = chunks.add(page(submission(1)), NOW)
    assert chunks.add(page(submission(1, userid="new")), NOW) == []
    (second,) = chunks.take()
    assert names(first) == ["s1"]
    assert "submissions" not in second.tables


def test_a_place_that_names_who_was_forgotten_is_none_to_stop_at() -> None:
    """Cursors are stored; a page more is read again instead."""
    hashed = suppression_hash(b"key", "submission_id", "s2")
    protection = replace(
        NO_PROTECTION, suppression=SuppressionList(frozenset([hashed]), {"": b"key"})
    )
    chunks = builder(protection=protection)
    chunks.add(page(submission(1), cursor={"": {"id": "s1"}}), NOW)
    chunks.add(page(submission(3), submission(2), cursor={"": {"id": "s2"}}), NOW)
    (chunk,) = chunks.take()
    assert chunk.suppressed == ("s2",)
    assert [step.progress.cursor for step in chunk.ledger] == [{"": {"id": "s1"}}]
    assert "s2" not in str(chunk.plan)


def test_what_is_not_wanted_is_left_out() -> None:
    """Rows of the day more that is asked for do not count."""
    chunks = builder()
    task = replace(TASK, days=DateRange(date(2025, 1, 2), date(2025, 1, 2)))
    chunks.add(TaskPage(task, [*map(submission, (1, 2, 3))], None, done=True), NOW)
    (chunk,) = chunks.take()
    assert names(chunk) == ["s2"]


def test_unusable_objects_go_to_quarantine_once_and_are_told() -> None:
    """They stop nothing, are kept whole, and the issue has no value."""
    chunks = builder()
    broken = {"created_at": "yesterday", "submission_id": "s9", "name": "Kim"}
    chunks.add(page(broken, broken, "text", submission(1)), NOW)
    (chunk,) = chunks.take()
    kept = chunk.tables["quarantine"].to_pylist()
    assert [(row["reason"], row["_extra"]) for row in kept] == [
        (
            "created_at: not a timestamp (YYYY-MM-DD-HH-MM-SS-ZZZ or ISO 8601) but a text",
            '{"created_at":"yesterday","submission_id":"s9","name":"Kim"}',
        ),
        ("not an object", '"text"'),
    ]
    issues = chunk.tables["sync_issues"].to_pylist()
    assert [(i["table_name"], i["path"]) for i in issues] == [
        ("quarantine", "created_at"),
        ("quarantine", "created_at"),
        ("quarantine", ""),
    ]
    assert len({issue["issue_id"] for issue in issues}) == 3


def test_a_page_without_a_place_to_stop_keeps_the_earlier_one() -> None:
    """A cursor is only ever one from which nothing is missing."""
    chunks = builder()
    chunks.add(page(submission(1), cursor={"": 1}), NOW)
    chunks.add(page(submission(2), cursor=None), NOW)
    (chunk,) = chunks.take()
    assert chunk.ledger[0].progress.cursor == {"": 1}


def test_what_is_held_as_it_is_does_not_become_rows() -> None:
    """It is seen all the same, and once it has changed it is no longer what the warehouse holds."""
    as_held, changed = submission(1), submission(1, userid="changed")
    held = {"s1": NO_PROTECTION.content_hash(as_held, ()), "s2": "of another version"}
    chunks = builder(stored_hashes=held)
    chunks.add(page(as_held, submission(2), submission(3), cursor={"": 1}), NOW)
    (first,) = chunks.add(page(changed), NOW)
    assert names(first) == ["s2", "s3"]
    assert first.fetched["submission_id"].to_pylist() == ["s1", "s2", "s3"]
    assert first.submissions == 3
    assert first.ledger[0].progress.rows == 3
    (second,) = chunks.add(page(as_held, done=True), NOW)
    assert names(second) == ["s1"]
    (third,) = chunks.take()
    assert names(third) == ["s1"], "the warehouse has the changed one by then"
