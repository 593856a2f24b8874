"""From pages to chunks: bounded amounts of rows that are loaded and committed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from argos_sync.load.fetching import Cursor, TaskPage
from argos_sync.load.source import filled_tables
from argos_sync.shape.columns import arrow_schema
from argos_sync.shape.contract import ISSUES, QUARANTINE, load_contract
from argos_sync.shape.identity import Unusable, content_hash, identify
from argos_sync.shape.tables import Issue, shape
from argos_sync.shape.values import to_json

CHUNK_SUBMISSIONS = 25_000
"""A load package costs about half a second whatever is in it, so a chunk has to carry seconds of
work; and its rows are what memory holds: about 3 MB a thousand."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task has come once the chunk is loaded.

    Attributes:
        cursor: Where to go on.
        done: Whether there is nothing left to read.
        rows: Submissions the chunk has of the task.
        newest: Latest `created_at` among them, UTC.
    """

    cursor: Cursor | None = None
    done: bool = False
    rows: int = 0
    newest: datetime | None = None

    def then(self, now: Progress) -> Progress:
        """Return how far the task has come after some more of it; a missing cursor keeps this."""
        return Progress(
            cursor=self.cursor if now.cursor is None else now.cursor,
            done=now.done,
            rows=self.rows + now.rows,
            newest=max(filter(None, (self.newest, now.newest)), default=None),
        )


@dataclass(slots=True)
class Chunk:
    """What is committed together.

    Attributes:
        tables: Rows by contract table; tables without rows are left out.
        progress: By task name.
        submissions: Submissions in it.
        issues: Values that did not fit, and objects in quarantine.
        last: Whether nothing comes after it.
    """

    tables: dict[str, pa.Table]
    progress: dict[str, Progress]
    submissions: int
    issues: int
    last: bool = False


@dataclass(slots=True)
class ChunkBuilder:
    """Collects pages into chunks.

    A chunk never holds two versions of one submission: a row that comes again unchanged is
    dropped, and one that comes again changed starts the next chunk, which then replaces it.

    Attributes:
        run_id: Written to issues and quarantine.
        wanted: Whether a submission created at that moment is asked for; servers are asked for a
            day more on either side.
        sections: `request_type`s that were fetched; tables of others are left alone. Empty: all.
        whole: Whether all chunks are committed together. A submission is then taken once, in the
            version that came first.
        size: Submissions that make a chunk full.
    """

    run_id: str
    wanted: Callable[[datetime], bool]
    sections: Sequence[str] = ()
    whole: bool = False
    size: int = CHUNK_SUBMISSIONS
    _hashes: dict[str, str] = field(default_factory=dict)
    _batches: dict[str, list[pa.Table]] = field(default_factory=dict)
    _issues: list[Issue] = field(default_factory=list)
    _quarantined: dict[str, dict[str, Any]] = field(default_factory=dict)
    _progress: dict[str, Progress] = field(default_factory=dict)
    _submissions: int = 0
    _issue_count: int = 0

    def add(self, page: TaskPage, received_at: datetime) -> list[Chunk]:
        """Take in a page; return the chunks that are full now, mostly none."""
        full: list[Chunk] = []
        fresh: dict[str, tuple[dict[str, Any], str]] = {}
        newest: datetime | None = None
        for item in page.items:
            identity = identify(item)
            if isinstance(identity, Unusable):
                self._quarantine(item, identity, received_at)
                continue
            if not self.wanted(identity.created_at):
                continue
            # The hash of some sections must never pass for that of the whole.
            hashed = content_hash([*self.sections, item] if self.sections else item)
            before = self._hashes.get(identity.submission_id)
            if before == hashed or (before and self.whole):
                continue
            if before:
                self._shape(fresh, received_at)
                fresh = {}
                full += self.take()
            self._hashes[identity.submission_id] = hashed
            fresh[identity.submission_id] = (item, hashed)
            newest = max(newest or identity.created_at, identity.created_at)
        self._shape(fresh, received_at)
        self._note(page, len(fresh), newest)
        return full + (self.take() if self._submissions >= self.size else [])

    def take(self) -> list[Chunk]:
        """Return what has been collected as a chunk, and begin the next; nothing for nothing."""
        if not (self._progress or self._batches or self._quarantined):
            return []
        tables = {name: pa.concat_tables(batches) for name, batches in self._batches.items()}
        tables |= self._own_tables()
        chunk = Chunk(tables, self._progress, self._submissions, len(self._issues))
        self._batches, self._progress, self._submissions = {}, {}, 0
        self._issues, self._quarantined = [], {}
        if not self.whole:
            self._hashes = {}
        return [chunk]

    def _shape(self, fresh: dict[str, tuple[dict[str, Any], str]], received_at: datetime) -> None:
        items = [item for item, _ in fresh.values()]
        shaped = shape(items, [hashed for _, hashed in fresh.values()], received_at)
        filled = filled_tables(self.sections)
        for name, rows in shaped.tables.items():
            if name in filled:
                self._batches.setdefault(name, []).append(rows)
        self._issues += [issue for issue in shaped.issues if issue.table_name in filled]
        self._submissions += len(items)

    def _note(self, page: TaskPage, rows: int, newest: datetime | None) -> None:
        before = self._progress.get(page.task.name, Progress())
        now = Progress(page.cursor, page.done, rows, newest)
        self._progress[page.task.name] = before.then(now)

    def _quarantine(self, item: Any, unusable: Unusable, received_at: datetime) -> None:
        key = content_hash(item)
        self._quarantined[key] = {
            "quarantine_id": key,
            "run_id": self.run_id,
            "received_at": received_at,
            "reason": f"{unusable.path}: {unusable.reason}" if unusable.path else unusable.reason,
            "_extra": to_json(item),
        }
        self._issues.append(Issue(None, QUARANTINE, unusable.path, unusable.reason))

    def _own_tables(self) -> dict[str, pa.Table]:
        contract = load_contract()
        issues = [self._issue_row(issue) for issue in self._issues]
        rows = {QUARANTINE: list(self._quarantined.values()), ISSUES: issues}
        return {
            name: pa.Table.from_pylist(found, schema=arrow_schema(contract[name]))
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
