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
import pyarrow.compute as pc

from argos_sync.api.errors import ArgosError
from argos_sync.api.stats import RequestStats
from argos_sync.fetch.checkpoint import mentions_any
from argos_sync.fetch.job import FetchJob
from argos_sync.fetch.ledger import LedgerEntry, Plan, TaskProgress
from argos_sync.fetch.quarantine import IssueCollector, identify_answer
from argos_sync.fetch.reader import read_tasks
from argos_sync.fetch.task import TaskPage
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.contract import SUBMISSIONS, load_contract, tables_for_sections
from argos_sync.shape.frames import count_child_rows
from argos_sync.shape.identity import Identity, InvalidIdentity, replaces
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
        plan: The plan once the chunk is loaded; None if the job has no plan.
        ledger: Windows that have advanced with the chunk.
        suppressed: Ids of fetched submissions that are on the suppression list.
        suppressed_quarantine: Quarantine ids of fetched objects that are on the suppression list.
        last: Whether it is the last chunk of the job.
        stats: Statistics of the client so far.
        fetched: All submissions of the chunk, see `fetched_table`.
        stubs: Ids of those that are deletion stubs; their rows have no personal values.
        child_rows: Number of rows that submissions without rows here have in the other tables.
    """

    tables: dict[str, pa.Table]
    submissions: int
    plan: Plan | None = None
    ledger: tuple[LedgerEntry, ...] = ()
    suppressed: tuple[str, ...] = ()
    suppressed_quarantine: tuple[str, ...] = ()
    last: bool = False
    stats: RequestStats | None = None
    fetched: pa.Table = field(default_factory=fetched_table)
    stubs: frozenset[str] = frozenset()
    child_rows: dict[str, int] = field(default_factory=dict)


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

    A chunk never contains two versions of a submission: if a submission comes again, the version
    that counts (`identity.replaces`) takes the place of the other one, also of one in the chunk
    before. While the loader waits, it may get a smaller chunk. Tables of sections that the job does
    not read are left out.
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
    _versions: dict[str, tuple[str, Any]] = field(default_factory=dict)
    _earlier_versions: dict[str, tuple[str, Any]] = field(default_factory=dict)
    _batches: dict[str, list[pa.Table]] = field(default_factory=dict)
    _fetched: dict[str, tuple[str, datetime, str, datetime]] = field(default_factory=dict)
    _stubs: set[str] = field(default_factory=set)
    _child_rows: dict[str, int] = field(default_factory=dict)
    _suppressed: set[str] = field(default_factory=set)
    _suppressed_quarantine: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Take what the job begins with."""
        self._issues = IssueCollector(self.job.run_id, self.job.protection)
        self._stored_hashes = dict(self.job.stored_hashes)

    def add(self, page: TaskPage, received_at: datetime) -> list[Chunk]:
        """Add a page; return the chunks that are complete, usually none."""
        to_shape: dict[str, tuple[Any, str, bool]] = {}
        unchanged: dict[str, Any] = {}
        replaced: set[str] = set()
        newest: datetime | None = None
        rows = 0
        suppressed: set[str] = set()
        for item in page.items:
            identity = identify_answer(item, page.task.query.submission_id)
            if self.job.protection.suppression.matches(item):
                if isinstance(identity, Identity):
                    suppressed.add(identity.submission_id)
                else:
                    self._suppressed_quarantine.add(self._issues.quarantine_id(item, identity))
                continue
            if isinstance(identity, InvalidIdentity):
                self._issues.quarantine(item, identity, received_at)
                continue
            if identity.created_at not in page.task.days:
                continue
            content_hash, is_stub = self.job.protection.read_content(item, self.job.sections)
            key, version = identity.submission_id, (content_hash, item.get("updated_at"))
            if not self._counts(key, version):
                continue
            if key in self._fetched:
                to_shape.pop(key, None)
                unchanged.pop(key, None)
                replaced.add(key)
            else:
                rows += 1
            self._versions[key] = version
            self._fetched[key] = (key, identity.created_at, content_hash, received_at)
            # Stored hashes are those of submissions without a mark; a stub's row must get one.
            if is_stub or self._stored_hashes.get(key) != content_hash:
                # The warehouse will have this version.
                self._stored_hashes.pop(key, None)
                to_shape[key] = (item, content_hash, is_stub)
            else:
                unchanged[key] = item
            newest = max(newest or identity.created_at, identity.created_at)
        self._drop(replaced)
        self._shape(list(to_shape.values()), received_at)
        filled = tables_for_sections(self.job.sections)
        counts = count_child_rows([*unchanged.values()], load_contract(), filled)
        self._child_rows |= zip(unchanged, counts, strict=True)
        self._issues.add_issues(Issue(key, SUBMISSIONS, "", NOT_FOUND) for key in page.not_found)
        self._suppressed |= suppressed
        # Cursors are stored, so a cursor that names a suppressed submission must not be used.
        cursor = None if mentions_any(page.cursor, suppressed) else page.cursor
        step = TaskProgress(cursor, page.done, rows, newest, gap=page.gap is not None)
        self.job.queue.record(page, step)
        if not self._pages:
            self._started = self.seconds()
        self._pages += 1
        return self.take() if self._is_ready() else []

    def take(self) -> list[Chunk]:
        """Return the collected pages as a chunk and start the next; return none without pages."""
        if not (self._pages or self._batches or self._issues):
            return []
        tables = {name: pa.concat_tables(batches) for name, batches in self._batches.items()}
        chunk = Chunk(
            tables | self._issues.take_tables(),
            len(self._fetched),
            self.job.queue.plan,
            self.job.queue.take_ledger(),
            tuple(sorted(self._suppressed)),
            tuple(sorted(self._suppressed_quarantine)),
            fetched=fetched_table(list(self._fetched.values())),
            stubs=frozenset(self._stubs),
            child_rows=self._child_rows,
        )
        self._is_first = False
        self._batches, self._pages, self._bytes, self._fetched = {}, 0, 0, {}
        self._stubs, self._suppressed, self._suppressed_quarantine = set(), set(), set()
        self._child_rows = {}
        if not self.job.single_package:
            self._earlier_versions, self._versions = self._versions, {}
        return [chunk]

    def _counts(self, submission_id: str, version: tuple[str, Any]) -> bool:
        """Whether a version, content hash and `updated_at`, counts, and not one that came before.

        In a single load package no later chunk can replace a version.
        """
        earlier = self._versions.get(submission_id) or self._earlier_versions.get(submission_id)
        if earlier is None:
            return True
        is_settled = self.job.single_package and submission_id not in self._fetched
        return not is_settled and earlier[0] != version[0] and replaces(version[1], earlier[1])

    def _drop(self, submission_ids: set[str]) -> None:
        """Drop the rows of versions in this chunk that another one takes the place of."""
        if not submission_ids:
            return
        values = pa.array(sorted(submission_ids), pa.string())
        for name, batches in self._batches.items():
            others = (
                batch.filter(pc.invert(pc.is_in(batch["submission_id"], value_set=values)))
                for batch in batches
            )
            self._batches[name] = [batch for batch in others if batch.num_rows]
        self._batches = {name: batches for name, batches in self._batches.items() if batches}
        self._stubs -= submission_ids
        for submission_id in submission_ids:
            self._child_rows.pop(submission_id, None)
        self._issues.drop(submission_ids)

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
