"""Chunks: bounded numbers of submissions and bytes that are loaded and committed together.

`produce_chunks` reads a job's tasks. `ChunkBuilder` decides when a chunk is full, and which
submissions of a page become rows.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from queue import SimpleQueue
from typing import Any

import pyarrow as pa

from argos_sync.api import RequestStats
from argos_sync.api.errors import ArgosError
from argos_sync.fetch.checkpoint import mentions_any
from argos_sync.fetch.job import FetchJob
from argos_sync.fetch.ledger import LedgerEntry, Plan, TaskProgress
from argos_sync.fetch.quarantine import IssueCollector
from argos_sync.fetch.reader import read_tasks
from argos_sync.fetch.task import TaskPage
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.contract import SUBMISSIONS, load_contract, tables_for_sections
from argos_sync.shape.identity import Identity, InvalidIdentity, identify
from argos_sync.shape.stubs import shape_stubs
from argos_sync.shape.tables import Issue, shape_submissions

NOT_FOUND = "listed, but not returned by its id"
"""Problem of a submission whose list row is a summary, and which could not be fetched whole."""

_MAX_FETCH_SECONDS = 10.0
"""After this time an idle loader gets a chunk that is not full, because committed submissions need
not be fetched again after an interruption."""


@cache
def _fetched_schema() -> pa.Schema:
    schema = arrow_schema(load_contract()[SUBMISSIONS])
    names = ("submission_id", "created_at", "_content_hash", "_synced_at")
    return pa.schema([schema.field(name) for name in names])


def fetched_table(rows: Sequence[tuple[str, datetime, str, datetime]] = ()) -> pa.Table:
    """Return a table of submission id, `created_at`, content hash and time of fetching."""
    schema = _fetched_schema()
    return pa.table([*zip(*rows, strict=True)] or [()] * len(schema), schema)


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
        stats: Statistics of the client so far.
        fetched: All submissions of the chunk, see `fetched_table`.
        stubs: Ids of those that are deletion stubs; their rows have no personal values.
    """

    tables: dict[str, pa.Table]
    submissions: int
    issues: int
    plan: Plan | None = None
    ledger: tuple[LedgerEntry, ...] = ()
    suppressed: tuple[str, ...] = ()
    suppressed_quarantine: tuple[str, ...] = ()
    last: bool = False
    stats: RequestStats | None = None
    fetched: pa.Table = field(default_factory=fetched_table)
    stubs: frozenset[str] = frozenset()


ChunkOrEnd = Chunk | Exception | None
"""A chunk, the error that ended the job, or None at its end."""
OnPage = Callable[[str, int], None]
"""Called for each page, with the task's label and the number of submissions."""
OnStats = Callable[[RequestStats], None]
"""Called once at the end, even after an error, with the statistics of the client."""
ChunkSource = Callable[[FetchJob, OnPage, OnStats], AbstractContextManager[Iterator[Chunk]]]
"""Runs a job in a thread or a process, and yields its chunks while its context is open."""


@dataclass(frozen=True, slots=True)
class ChunkSink:
    """Sends each chunk to the loader, which lives in another thread, when it is requested."""

    send: Callable[[Chunk], object]
    _requested: threading.Event = field(default_factory=threading.Event)

    def request(self) -> None:
        """Request the next chunk; called in a thread of the loader."""
        self._requested.set()

    def is_awaited(self) -> bool:
        """Whether the loader is waiting for a chunk."""
        return self._requested.is_set()

    async def put(self, chunk: Chunk) -> None:
        """Wait until a chunk is requested and send it."""
        # Short waits, so that the task can be cancelled after the loader has stopped.
        while not await asyncio.to_thread(self._requested.wait, 0.2):
            pass
        self._requested.clear()
        self.send(chunk)


async def produce_chunks(
    job: FetchJob, sink: ChunkSink, on_page: OnPage | None = None, on_stats: OnStats | None = None
) -> None:
    """Read all tasks of a job and put their chunks into a sink.

    Raises:
        ArgosError: See `read_tasks`; the chunks have all pages that were read before.
    """
    builder = ChunkBuilder(job, sink.is_awaited)
    # While a full chunk waits for the loader, no other task may add pages. Chunks must be taken
    # in the order they were filled, because each brings the cursors that follow its rows.
    lock = asyncio.Lock()

    async def deliver(page: TaskPage) -> None:
        if on_page:
            on_page(page.task.label, len(page.items))
        async with lock:
            for chunk in builder.add(page, job.clock()):
                await sink.put(replace(chunk, stats=deepcopy(client.stats)))

    failure: ArgosError | None = None
    async with job.client.connect() as client:
        try:
            await read_tasks(
                client,
                job.queue.tasks(),
                reading=job.reading,
                concurrency=job.queue.workers,
                deliver=deliver,
            )
        except ArgosError as error:
            failure = error
        finally:
            if on_stats:
                on_stats(client.stats)
    # The pages before a failure are complete, so they are committed with their cursors.
    for chunk in builder.take():
        await sink.put(replace(chunk, last=failure is None))
    if failure:
        raise failure


def chunks_on_request(
    request: Callable[[], object], received: SimpleQueue[ChunkOrEnd]
) -> Iterator[Chunk]:
    """Request the chunks one by one and yield them; raise the error that ends the job."""
    request()
    while (item := received.get()) is not None:
        if isinstance(item, Exception):
            raise item
        yield item
        del item  # free the loaded chunk while waiting for the next one
        request()


@dataclass(slots=True)
class ChunkBuilder:
    """Builds the chunks of a job from its pages.

    A chunk never contains two versions of a submission: if a submission comes again unchanged, it
    is dropped; if it comes again changed, it starts the next chunk, which then replaces it. While
    the loader waits, it may get a smaller chunk. Tables of sections that the job does not read are
    left out.
    """

    job: FetchJob
    is_loader_waiting: Callable[[], bool] = lambda: False
    seconds: Callable[[], float] = time.monotonic
    _issues: IssueCollector = field(init=False)
    _stored_hashes: dict[str, str] = field(init=False)
    _is_first: bool = True
    _started: float = 0.0
    _pages: int = 0
    _bytes: int = 0
    _hashes: dict[str, str] = field(default_factory=dict)
    _batches: dict[str, list[pa.Table]] = field(default_factory=dict)
    _fetched: list[tuple[str, datetime, str, datetime]] = field(default_factory=list)
    _stubs: set[str] = field(default_factory=set)
    _suppressed: set[str] = field(default_factory=set)
    _suppressed_quarantine: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Take what the job begins with."""
        self._issues = IssueCollector(self.job.run_id, self.job.protection)
        self._stored_hashes = dict(self.job.stored_hashes)

    def add(self, page: TaskPage, received_at: datetime) -> list[Chunk]:
        """Add a page; return the chunks that are complete, usually none."""
        chunks: list[Chunk] = []
        to_shape: list[tuple[Any, str, bool]] = []
        newest: datetime | None = None
        rows = 0
        suppressed: set[str] = set()
        for item in page.items:
            identity = identify(item)
            if self.job.protection.suppression.matches(item):
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
            content_hash, is_stub = self.job.protection.read_content(item, self.job.sections)
            earlier_hash = self._hashes.get(identity.submission_id)
            if earlier_hash == content_hash or (earlier_hash and self.job.single_package):
                continue
            if earlier_hash:
                self._shape(to_shape, received_at)
                to_shape = []
                chunks += self.take()
            self._hashes[identity.submission_id] = content_hash
            self._fetched.append(
                (identity.submission_id, identity.created_at, content_hash, received_at)
            )
            rows += 1
            # Stored hashes are those of submissions without a mark; a stub's row must get one.
            if is_stub or self._stored_hashes.get(identity.submission_id) != content_hash:
                # The warehouse will have this version.
                self._stored_hashes.pop(identity.submission_id, None)
                to_shape.append((item, content_hash, is_stub))
            newest = max(newest or identity.created_at, identity.created_at)
        self._shape(to_shape, received_at)
        self._issues.add_issues(Issue(key, SUBMISSIONS, "", NOT_FOUND) for key in page.not_found)
        self._suppressed |= suppressed
        # Cursors are stored, so a cursor that names a suppressed submission must not be used.
        cursor = None if mentions_any(page.cursor, suppressed) else page.cursor
        step = TaskProgress(cursor, page.done, rows, newest, gap=page.gap is not None)
        self.job.queue.record(page, step)
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
            self.job.queue.plan,
            self.job.queue.take_ledger(),
            tuple(sorted(self._suppressed)),
            tuple(sorted(self._suppressed_quarantine)),
            fetched=fetched_table(self._fetched),
            stubs=frozenset(self._stubs),
        )
        self._is_first = False
        self._batches, self._pages, self._bytes, self._fetched = {}, 0, 0, []
        self._stubs, self._suppressed, self._suppressed_quarantine = set(), set(), set()
        if not self.job.single_package:
            self._hashes = {}
        return [chunk]

    def _is_ready(self) -> bool:
        """Whether the chunk is full, or the loader has been idle for too long."""
        plan = self.job.queue.plan
        if plan is not None and plan.finished and not self.job.queue.extra_tasks:
            return False  # the rest is the last chunk, which also commits the run record
        size = self.job.chunk_size
        if len(self._fetched) >= (size / 2 if self._is_first else size):
            return True
        if self._bytes + self._issues.nbytes >= self.job.chunk_bytes:
            return True
        return self.is_loader_waiting() and self.seconds() - self._started >= _MAX_FETCH_SECONDS

    def _shape(self, to_shape: Sequence[tuple[Any, str, bool]], received_at: datetime) -> None:
        """Shape submissions into protected rows; content hash and whether it is a stub follow."""
        whole = [(item, hashed) for item, hashed, is_stub in to_shape if not is_stub]
        stubs = [(item, hashed) for item, hashed, is_stub in to_shape if is_stub]
        shaped = shape_submissions(*_unzip(whole), received_at)
        filled = tables_for_sections(self.job.sections)
        stub_tables = shape_stubs(*_unzip(stubs), received_at)
        if stubs:
            self._stubs.update(stub_tables[SUBMISSIONS]["submission_id"].to_pylist())
        for name, rows in (*shaped.tables.items(), *stub_tables.items()):
            if name in filled:
                protected = self.job.protection.policy.protect(name, rows)
                self._batches.setdefault(name, []).append(protected)
                self._bytes += protected.nbytes
        self._issues.add_issues(issue for issue in shaped.issues if issue.table_name in filled)


def _unzip(hashed_items: Sequence[tuple[Any, str]]) -> tuple[list[Any], list[str]]:
    return [item for item, _ in hashed_items], [hashed for _, hashed in hashed_items]
