"""From tasks to chunks: what runs in the thread, or in the process, that fetches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from argos_sync.api import RequestStats
from argos_sync.fetch.chunks import CHUNK_SUBMISSIONS, Chunk, ChunkBuilder
from argos_sync.fetch.client import ClientOptions
from argos_sync.fetch.plan import WorkQueue
from argos_sync.fetch.protection import NO_PROTECTION, Protection
from argos_sync.fetch.reader import TaskPage, read_tasks
from argos_sync.fetch.thread import ChunkSink, Producer, chunks_from_thread

Clock = Callable[[], datetime]
"""Returns the moment, UTC."""


def utc_now() -> datetime:
    """Return the moment, UTC."""
    return datetime.now(UTC)


OnPage = Callable[[str, int], None]
"""Told the task's label and the number of entries of each page."""
OnStats = Callable[[RequestStats], None]
"""Told the client's numbers at the end, also at a bad one."""


@dataclass(frozen=True, slots=True)
class FetchJob:
    """What to read from the API and how.

    Attributes:
        run_id: Written to issues and quarantine.
        queue: What to read.
        sections: `request_type`s to walk; empty for all in one request.
        client: Options of the client; it connects where the fetching is done.
        clock: Tells when a page was received.
        protection: What happens to submissions before they become rows.
        chunk_size: Submissions that make a chunk.
        whole: Whether all chunks are committed together.
        stored_hashes: What need not become rows, see `ChunkBuilder`.
    """

    run_id: str
    queue: WorkQueue
    sections: Sequence[str]
    client: ClientOptions
    clock: Clock
    protection: Protection = NO_PROTECTION
    chunk_size: int = CHUNK_SUBMISSIONS
    whole: bool = False
    stored_hashes: Mapping[str, str] = field(default_factory=dict)


ChunkSource = Callable[[FetchJob, OnPage, OnStats], AbstractContextManager[Iterator[Chunk]]]
"""Reads somewhere else and gives out the chunks here, for as long as its context lasts."""


def fetch_in_thread(
    reading: FetchJob, fetched: OnPage, ended: OnStats
) -> AbstractContextManager[Iterator[Chunk]]:
    """Read in a thread, which takes anything for a clock and a client.

    Args:
        reading: What to read.
        fetched: Told of each page, in that thread.
        ended: Told at the end, in that thread.
    """
    return chunks_from_thread(chunk_producer(reading, fetched=fetched, ended=ended))


def chunk_producer(
    reading: FetchJob,
    *,
    fetched: OnPage | None = None,
    ended: OnStats | None = None,
) -> Producer:
    """Return what reads all tasks, and puts each chunk that becomes full or is waited for.

    Args:
        reading: What to read.
        fetched: Told the task's label and the number of entries of each page.
        ended: Told the client's numbers at the end, also at a bad one.
    """
    work = reading.queue

    async def produce(outlet: ChunkSink) -> None:
        builder = ChunkBuilder(
            reading.run_id,
            work,
            reading.protection,
            reading.sections,
            reading.whole,
            dict(reading.stored_hashes),
            reading.chunk_size,
            is_loader_waiting=outlet.is_awaited,
        )
        # While a full chunk waits to be taken no other task adds to the next one. Chunks must be
        # taken in the order they were filled, for each brings the cursors that follow its rows.
        one_at_a_time = asyncio.Lock()

        async def deliver(page: TaskPage) -> None:
            if fetched:
                fetched(page.task.label, len(page.items))
            async with one_at_a_time:
                for chunk in builder.add(page, reading.clock()):
                    await outlet.put(chunk)

        async with reading.client.connect() as client:
            try:
                await read_tasks(
                    client,
                    work.tasks(),
                    sections=reading.sections,
                    concurrency=work.workers,
                    deliver=deliver,
                )
            finally:
                if ended:
                    ended(client.stats)
        for chunk in builder.take():
            await outlet.put(replace(chunk, last=True))

    return produce
