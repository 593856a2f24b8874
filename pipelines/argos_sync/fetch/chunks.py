"""From pages to chunks: bounded amounts of rows that are loaded and committed together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import pyarrow as pa

from argos_sync.fetch.checkpoint import mentions_any
from argos_sync.fetch.plan import LedgerEntry, Plan, TaskProgress, WorkQueue
from argos_sync.fetch.protection import NO_PROTECTION, Protection
from argos_sync.fetch.reader import TaskPage
from argos_sync.shape.columns import arrow_schema
from argos_sync.shape.contract import (
    ISSUES,
    QUARANTINE,
    SUBMISSIONS,
    load_contract,
    tables_for_sections,
)
from argos_sync.shape.identity import Identity, InvalidIdentity, identify
from argos_sync.shape.tables import Issue, shape_submissions
from argos_sync.shape.values import to_json

CHUNK_SUBMISSIONS = 20_000
"""A load package costs about half a second whatever is in it, so a chunk has to carry seconds of
work; and its rows are what memory holds: about 3 MB a thousand. The first chunk of a reading has
half as many, so that loading begins sooner."""

_ENOUGH_SECONDS = 10.0
"""After so long an API is so slow that fewer are better loaded now, when nothing else is to be
loaded: what is loaded need not be fetched again."""


@cache
def _seen_schema() -> pa.Schema:
    whole = arrow_schema(load_contract()[SUBMISSIONS])
    names = ("submission_id", "created_at", "_content_hash", "_synced_at")
    return pa.schema([whole.field(name) for name in names])


def fetched_table(rows: Sequence[tuple[str, datetime, str, datetime]] = ()) -> pa.Table:
    """Return who was seen: id, moment of creation, content hash, moment of fetching."""
    schema = _seen_schema()
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pa.table([pa.array(*one) for one in zip(columns, schema.types, strict=True)], schema)


@dataclass(slots=True)
class Chunk:
    """What is committed together.

    Attributes:
        tables: Rows by contract table; tables without rows are left out, and so are the rows of
            submissions that were known to be as they were.
        submissions: Submissions in it, those that are as they were too.
        issues: Values that did not fit, and objects in quarantine.
        plan: As it stands once the chunk is loaded; None when there is none.
        ledger: Windows that came on with it.
        suppressed: Ids of submissions in its pages that must not come back.
        suppressed_quarantine: Ids in quarantine of objects in its pages that must not either.
        last: Whether nothing comes after it.
        fetched: All its submissions, as `fetched_table` has them.
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
    """Collects pages into chunks.

    A chunk never holds two versions of one submission: a row that comes again unchanged is
    dropped, and one that comes again changed starts the next chunk, which then replaces it.

    Attributes:
        run_id: Written to issues and quarantine.
        queue: Told how far its tasks have come.
        protection: What happens to submissions before they become rows.
        sections: `request_type`s that were fetched; tables of others are left alone. Empty: all.
        whole: Whether all chunks are committed together. A submission is then taken once, in the
            version that came first.
        stored_hashes: Content hashes of what the warehouse held when the reading began, by submission id,
            without what is marked as deleted; need not be all. What comes back with its hash does
            not become rows. Who changes is taken from it, for the warehouse moves on with them.
        size: Submissions that make a chunk full.
        is_loader_waiting: Whether somebody waits for a chunk, who then gets a smaller one.
        seconds: Monotonic.
    """

    run_id: str
    queue: WorkQueue
    protection: Protection = NO_PROTECTION
    sections: Sequence[str] = ()
    whole: bool = False
    stored_hashes: dict[str, str] = field(default_factory=dict)
    size: int = CHUNK_SUBMISSIONS
    is_loader_waiting: Callable[[], bool] = lambda: False
    seconds: Callable[[], float] = time.monotonic
    _begun: float = 0.0
    _taken: bool = False
    _hashes: dict[str, str] = field(default_factory=dict)
    _batches: dict[str, list[pa.Table]] = field(default_factory=dict)
    _issues: list[Issue] = field(default_factory=list)
    _quarantined: dict[str, dict[str, Any]] = field(default_factory=dict)
    _pages: int = 0
    _seen: list[tuple[str, datetime, str, datetime]] = field(default_factory=list)
    _suppressed: set[str] = field(default_factory=set)
    _suppressed_quarantine: set[str] = field(default_factory=set)
    _issue_count: int = 0

    def add(self, page: TaskPage, received_at: datetime) -> list[Chunk]:
        """Take in a page; return the chunks that are ready now, mostly none."""
        full: list[Chunk] = []
        fresh: dict[str, tuple[dict[str, Any], str]] = {}
        newest: datetime | None = None
        taken = 0
        forgotten: set[str] = set()
        for item in page.items:
            identity = identify(item)
            if self.protection.suppression.matches(item):
                if isinstance(identity, Identity):
                    forgotten.add(identity.submission_id)
                else:
                    self._suppressed_quarantine.add(self._quarantine_id(item))
                continue
            if isinstance(identity, InvalidIdentity):
                self._quarantine(item, identity, received_at)
                continue
            if identity.created_at not in page.task.days:
                continue
            hashed = self.protection.content_hash(item, self.sections)
            before = self._hashes.get(identity.submission_id)
            if before == hashed or (before and self.whole):
                continue
            if before:
                self._shape(fresh, received_at)
                fresh = {}
                full += self.take()
            self._hashes[identity.submission_id] = hashed
            self._seen.append((identity.submission_id, identity.created_at, hashed, received_at))
            taken += 1
            if self.stored_hashes.get(identity.submission_id) != hashed:
                self.stored_hashes.pop(identity.submission_id, None)
                fresh[identity.submission_id] = (item, hashed)
            newest = max(newest or identity.created_at, identity.created_at)
        self._shape(fresh, received_at)
        self._suppressed |= forgotten
        # Cursors are stored: one that names who was forgotten is no place to stop at.
        cursor = None if mentions_any(page.cursor, forgotten) else page.cursor
        self.queue.record(page, TaskProgress(cursor, page.done, taken, newest))
        if not self._pages:
            self._begun = self.seconds()
        self._pages += 1
        return full + (self.take() if self._is_ready() else [])

    def take(self) -> list[Chunk]:
        """Return what has been collected as a chunk, and begin the next; nothing for nothing."""
        if not (self._pages or self._batches or self._quarantined):
            return []
        tables = {name: pa.concat_tables(batches) for name, batches in self._batches.items()}
        tables |= self._own_tables()
        chunk = Chunk(
            tables,
            len(self._seen),
            len(self._issues),
            self.queue.plan,
            self.queue.take_ledger(),
            tuple(sorted(self._suppressed)),
            tuple(sorted(self._suppressed_quarantine)),
            fetched=fetched_table(self._seen),
        )
        self._taken = True
        self._batches, self._pages, self._seen = {}, 0, []
        self._suppressed, self._suppressed_quarantine = set(), set()
        self._issues, self._quarantined = [], {}
        if not self.whole:
            self._hashes = {}
        return [chunk]

    def _is_ready(self) -> bool:
        plan = self.queue.plan
        if plan is not None and plan.finished and not self.queue.extra_tasks:
            return False  # what is left is the last chunk, which also brings how the run ended
        if len(self._seen) >= (self.size if self._taken else self.size / 2):
            return True
        return self.is_loader_waiting() and self.seconds() - self._begun >= _ENOUGH_SECONDS

    def _shape(self, fresh: dict[str, tuple[dict[str, Any], str]], received_at: datetime) -> None:
        items = [item for item, _ in fresh.values()]
        shaped = shape_submissions(items, [hashed for _, hashed in fresh.values()], received_at)
        filled = tables_for_sections(self.sections)
        for name, rows in shaped.tables.items():
            if name in filled:
                protected = self.protection.policy.protect(name, rows)
                self._batches.setdefault(name, []).append(protected)
        self._issues += [issue for issue in shaped.issues if issue.table_name in filled]

    def _quarantine(self, item: Any, unusable: InvalidIdentity, received_at: datetime) -> None:
        key = self._quarantine_id(item)
        self._quarantined[key] = {
            "quarantine_id": key,
            "run_id": self.run_id,
            "received_at": received_at,
            "reason": f"{unusable.path}: {unusable.reason}" if unusable.path else unusable.reason,
            "_extra": to_json(item),
        }
        self._issues.append(Issue(None, QUARANTINE, unusable.path, unusable.reason))

    def _quarantine_id(self, item: Any) -> str:
        return self.protection.content_hash(item, ())

    def _own_tables(self) -> dict[str, pa.Table]:
        policy = self.protection.policy
        issues = [self._issue_row(issue) for issue in self._issues]
        rows = {QUARANTINE: list(self._quarantined.values()), ISSUES: issues}
        return {
            name: policy.protect(
                name, pa.Table.from_pylist(found, schema=arrow_schema(policy.base_contract[name]))
            )
            for name, found in rows.items()
            if found
        }

    def _issue_row(self, issue: Issue) -> dict[str, Any]:
        self._issue_count += 1
        return {
            "issue_id": f"{self.run_id}/{self._issue_count}",
            "run_id": self.run_id,
            "submission_id": issue.submission_id,
            "table_name": issue.table_name,
            "path": issue.path,
            "problem": issue.problem,
        }
