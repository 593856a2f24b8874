"""Chunks: bounded numbers of submissions that are loaded and committed together.

`ChunkBuilder` decides when a chunk is full, and which submissions of a page become rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import pyarrow as pa

from argos_sync.fetch.checkpoint import mentions_any
from argos_sync.fetch.ledger import LedgerEntry, Plan, TaskProgress
from argos_sync.fetch.protection import NO_PROTECTION, Protection
from argos_sync.fetch.quarantine import IssueCollector
from argos_sync.fetch.reader import TaskPage
from argos_sync.fetch.work_queue import WorkQueue
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.contract import SUBMISSIONS, load_contract, tables_for_sections
from argos_sync.shape.identity import Identity, InvalidIdentity, identify
from argos_sync.shape.tables import shape_submissions

CHUNK_SUBMISSIONS = 20_000
"""Submissions per chunk. A load package costs about half a second however small it is, so a chunk
should carry seconds of work; a thousand submissions take about 3 MB of memory. The first chunk of a
job has half as many, so that loading starts sooner."""

_MAX_FETCH_SECONDS = 10.0
"""After this time an idle loader gets a chunk that is not full, because committed submissions need
not be fetched again after an interruption."""

_FETCHED_COLUMNS = ("submission_id", "created_at", "_content_hash", "_synced_at")


@cache
def _fetched_schema() -> pa.Schema:
    schema = arrow_schema(load_contract()[SUBMISSIONS])
    return pa.schema([schema.field(name) for name in _FETCHED_COLUMNS])


def fetched_table(rows: Sequence[tuple[str, datetime, str, datetime]] = ()) -> pa.Table:
    """Return a table of fetched submissions.

    Args:
        rows: Submission id, `created_at`, content hash and time of fetching.
    """
    schema = _fetched_schema()
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(*column) for column in zip(columns, schema.types, strict=True)]
    return pa.table(arrays, schema)


@dataclass(slots=True)
class Chunk:
    """Rows that are committed together, with the progress that belongs to them.

    Attributes:
        tables: Rows by contract table, without those of unchanged submissions. Tables without rows
            are missing.
        submissions: Number of submissions, unchanged ones included.
        issues: Number of values that did not fit, and of quarantined objects.
        plan: The plan once the chunk is loaded; None if the job has no plan.
        ledger: Windows that have advanced with the chunk.
        suppressed: Ids of fetched submissions that are on the suppression list.
        suppressed_quarantine: Quarantine ids of fetched objects that are on the suppression list.
        last: Whether it is the last chunk of the job.
        fetched: All submissions of the chunk, see `fetched_table`.
    """

    tables: dict[str, pa.Table]
    submissions: int
    issues: int
    plan: Plan | None = None
    ledger: tuple[LedgerEntry, ...] = ()
    suppressed: tuple[str, ...] = ()
    suppressed_quarantine: tuple[str, ...] = ()
    last: bool = False
    fetched: pa.Table = field(default_factory=fetched_table)


@dataclass(slots=True)
class ChunkBuilder:
    """Builds chunks from pages.

    A chunk never contains two versions of a submission: if a submission comes again unchanged, it
    is dropped; if it comes again changed, it starts the next chunk, which then replaces it.

    Attributes:
        run_id: Id of the run, written to issues and quarantine.
        queue: Records the progress of its tasks.
        protection: Protects submissions before they become rows.
        sections: `request_type`s that were read; tables of other sections are left out. Empty reads
            all sections.
        single_package: Whether all chunks are committed in one load package. Only the first version
            of each submission is then used.
        stored_hashes: Content hashes of stored submissions by id, without deleted ones; they may be
            incomplete. A submission that has its stored hash does not become rows. Changed
            submissions are removed from it, because the warehouse will have their new version.
        size: Submissions per chunk.
        is_loader_waiting: Whether the loader is idle, and so may get a smaller chunk.
        seconds: Monotonic clock.
    """

    run_id: str
    queue: WorkQueue
    protection: Protection = NO_PROTECTION
    sections: Sequence[str] = ()
    single_package: bool = False
    stored_hashes: dict[str, str] = field(default_factory=dict)
    size: int = CHUNK_SUBMISSIONS
    is_loader_waiting: Callable[[], bool] = lambda: False
    seconds: Callable[[], float] = time.monotonic
    _issues: IssueCollector = field(init=False)
    _is_first: bool = True
    _started: float = 0.0
    _pages: int = 0
    _hashes: dict[str, str] = field(default_factory=dict)
    _batches: dict[str, list[pa.Table]] = field(default_factory=dict)
    _fetched: list[tuple[str, datetime, str, datetime]] = field(default_factory=list)
    _suppressed: set[str] = field(default_factory=set)
    _suppressed_quarantine: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Create the collector of issues."""
        self._issues = IssueCollector(self.run_id, self.protection)

    def add(self, page: TaskPage, received_at: datetime) -> list[Chunk]:
        """Add a page; return the chunks that are complete, usually none."""
        chunks: list[Chunk] = []
        to_shape: dict[str, tuple[dict[str, Any], str]] = {}
        newest: datetime | None = None
        rows = 0
        suppressed: set[str] = set()
        for item in page.items:
            identity = identify(item)
            if self.protection.suppression.matches(item):
                if isinstance(identity, Identity):
                    suppressed.add(identity.submission_id)
                else:
                    self._suppressed_quarantine.add(self._issues.quarantine_id(item))
                continue
            if isinstance(identity, InvalidIdentity):
                self._issues.quarantine(item, identity, received_at)
                continue
            if identity.created_at not in page.task.days:
                continue
            content_hash = self.protection.content_hash(item, self.sections)
            earlier_hash = self._hashes.get(identity.submission_id)
            if earlier_hash == content_hash or (earlier_hash and self.single_package):
                continue
            if earlier_hash:
                self._shape(to_shape, received_at)
                to_shape = {}
                chunks += self.take()
            self._hashes[identity.submission_id] = content_hash
            self._fetched.append(
                (identity.submission_id, identity.created_at, content_hash, received_at)
            )
            rows += 1
            if self.stored_hashes.get(identity.submission_id) != content_hash:
                self.stored_hashes.pop(identity.submission_id, None)
                to_shape[identity.submission_id] = (item, content_hash)
            newest = max(newest or identity.created_at, identity.created_at)
        self._shape(to_shape, received_at)
        self._suppressed |= suppressed
        # Cursors are stored, so a cursor that names a suppressed submission must not be used.
        cursor = None if mentions_any(page.cursor, suppressed) else page.cursor
        self.queue.record(page, TaskProgress(cursor, page.done, rows, newest))
        if not self._pages:
            self._started = self.seconds()
        self._pages += 1
        return chunks + (self.take() if self._is_ready() else [])

    def take(self) -> list[Chunk]:
        """Return the collected pages as a chunk and start the next; return none without pages."""
        if not (self._pages or self._batches or self._issues.count):
            return []
        issues = self._issues.count
        tables = {name: pa.concat_tables(batches) for name, batches in self._batches.items()}
        chunk = Chunk(
            tables | self._issues.take_tables(),
            len(self._fetched),
            issues,
            self.queue.plan,
            self.queue.take_ledger(),
            tuple(sorted(self._suppressed)),
            tuple(sorted(self._suppressed_quarantine)),
            fetched=fetched_table(self._fetched),
        )
        self._is_first = False
        self._batches, self._pages, self._fetched = {}, 0, []
        self._suppressed, self._suppressed_quarantine = set(), set()
        if not self.single_package:
            self._hashes = {}
        return [chunk]

    def _is_ready(self) -> bool:
        """Whether the chunk is full, or the loader has been idle for too long."""
        plan = self.queue.plan
        if plan is not None and plan.finished and not self.queue.extra_tasks:
            return False  # the rest is the last chunk, which also commits the run record
        if len(self._fetched) >= (self.size / 2 if self._is_first else self.size):
            return True
        return self.is_loader_waiting() and self.seconds() - self._started >= _MAX_FETCH_SECONDS

    def _shape(
        self, to_shape: dict[str, tuple[dict[str, Any], str]], received_at: datetime
    ) -> None:
        """Shape submissions into rows, and protect them."""
        items = [item for item, _ in to_shape.values()]
        hashes = [content_hash for _, content_hash in to_shape.values()]
        shaped = shape_submissions(items, hashes, received_at)
        filled = tables_for_sections(self.sections)
        for name, rows in shaped.tables.items():
            if name in filled:
                protected = self.protection.policy.protect(name, rows)
                self._batches.setdefault(name, []).append(protected)
        self._issues.add_issues(issue for issue in shaped.issues if issue.table_name in filled)
