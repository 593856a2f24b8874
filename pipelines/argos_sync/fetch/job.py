"""The fetch job: reads tasks from the API and builds chunks, in a thread or the fetch process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from argos_sync.api import RequestStats
from argos_sync.fetch.chunks import CHUNK_SUBMISSIONS, Chunk, ChunkBuilder
from argos_sync.fetch.client import ClientOptions
from argos_sync.fetch.protection import NO_PROTECTION, Protection
from argos_sync.fetch.reader import TaskPage, read_tasks
from argos_sync.fetch.thread import ChunkSink, Producer, chunks_from_thread
from argos_sync.fetch.work_queue import WorkQueue

Clock = Callable[[], datetime]
"""Returns the current time, UTC."""


def utc_now() -> datetime:
    """Return the current time, UTC."""
    return datetime.now(UTC)


OnPage = Callable[[str, int], None]
"""Called for each page, with the task's label and the number of submissions."""
OnStats = Callable[[RequestStats], None]
"""Called once at the end, even after an error, with the statistics of the client."""


@dataclass(frozen=True, slots=True)
class FetchJob:
    """What to read from the API and how.

    Attributes:
        run_id: Id of the run, written to issues and quarantine.
        queue: The tasks to read.
        sections: `request_type`s to read; empty reads all of them in one request.
        client: Options of the API client.
        clock: Returns the current time, the moment when a page was received.
        protection: Protects submissions before they become rows.
        chunk_size: Submissions per chunk.
        single_package: Whether all chunks are committed in one load package.
        stored_hashes: Content hashes of stored submissions, see `ChunkBuilder`.
    """

    run_id: str
    queue: WorkQueue
    sections: Sequence[str]
    client: ClientOptions
    clock: Clock
    protection: Protection = NO_PROTECTION
    chunk_size: int = CHUNK_SUBMISSIONS
    single_package: bool = False
    stored_hashes: Mapping[str, str] = field(default_factory=dict)


ChunkSource = Callable[[FetchJob, OnPage, OnStats], AbstractContextManager[Iterator[Chunk]]]
"""Runs a job in a thread or a process, and yields its chunks while its context is open."""


def fetch_in_thread(
    job: FetchJob, on_page: OnPage, on_stats: OnStats
) -> AbstractContextManager[Iterator[Chunk]]:
    """Run a job in a thread.

    Args:
        job: What to read; unlike in a process, it need not be picklable.
        on_page: Called in that thread.
        on_stats: Called in that thread.
    """
    return chunks_from_thread(chunk_producer(job, on_page=on_page, on_stats=on_stats))


def chunk_producer(
    job: FetchJob,
    *,
    on_page: OnPage | None = None,
    on_stats: OnStats | None = None,
) -> Producer:
    """Return a producer that reads all tasks of a job and puts their chunks.

    Args:
        job: What to read.
        on_page: Called for each page.
        on_stats: Called once at the end, even after an error.
    """

    async def produce(sink: ChunkSink) -> None:
        builder = ChunkBuilder(
            job.run_id,
            job.queue,
            job.protection,
            job.sections,
            job.single_package,
            dict(job.stored_hashes),
            job.chunk_size,
            is_loader_waiting=sink.is_awaited,
        )
        # While a full chunk waits for the loader, no other task may add pages. Chunks must be taken
        # in the order they were filled, because each brings the cursors that follow its rows.
        lock = asyncio.Lock()

        async def deliver(page: TaskPage) -> None:
            if on_page:
                on_page(page.task.label, len(page.items))
            async with lock:
                for chunk in builder.add(page, job.clock()):
                    await sink.put(chunk)

        async with job.client.connect() as client:
            try:
                await read_tasks(
                    client,
                    job.queue.tasks(),
                    sections=job.sections,
                    concurrency=job.queue.workers,
                    deliver=deliver,
                )
            finally:
                if on_stats:
                    on_stats(client.stats)
        for chunk in builder.take():
            await sink.put(replace(chunk, last=True))

    return produce
