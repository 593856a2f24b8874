"""From tasks to chunks: what runs in the thread, or in the process, that fetches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from argos_sync.api import ArgosClient, Stats
from argos_sync.fetch.chunks import CHUNK_SUBMISSIONS, Chunk, ChunkBuilder
from argos_sync.fetch.protection import UNPROTECTED, Protection
from argos_sync.fetch.reader import TaskPage, read_all
from argos_sync.fetch.thread import Outlet, Produce, feed
from argos_sync.fetch.work import Work

Clock = Callable[[], datetime]
"""Returns the moment, UTC."""


def now() -> datetime:
    """Return the moment, UTC."""
    return datetime.now(UTC)


Fetched = Callable[[str, int], None]
"""Told the task's label and the number of entries of each page."""
Ended = Callable[[Stats], None]
"""Told the client's numbers at the end, also at a bad one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read from the API and how.

    Attributes:
        run_id: Written to issues and quarantine.
        work: What to read.
        sections: `request_type`s to walk; empty for all in one request.
        client: Makes a client; called where the fetching is done.
        clock: Tells when a page was received.
        protection: What happens to submissions before they become rows.
        chunk_size: Submissions that make a chunk.
        whole: Whether all chunks are committed together.
        held: What need not become rows, see `ChunkBuilder`.
    """

    run_id: str
    work: Work
    sections: Sequence[str]
    client: Callable[[], ArgosClient]
    clock: Clock
    protection: Protection = UNPROTECTED
    chunk_size: int = CHUNK_SUBMISSIONS
    whole: bool = False
    held: Mapping[str, str] = field(default_factory=dict)


Feed = Callable[[Reading, Fetched, Ended], AbstractContextManager[Iterator[Chunk]]]
"""Reads somewhere else and gives out the chunks here, for as long as its context lasts."""


def thread_feed(
    reading: Reading, fetched: Fetched, ended: Ended
) -> AbstractContextManager[Iterator[Chunk]]:
    """Read in a thread, which takes anything for a clock and a client.

    Args:
        reading: What to read.
        fetched: Told of each page, in that thread.
        ended: Told at the end, in that thread.
    """
    return feed(producer(reading, fetched=fetched, ended=ended))


def producer(
    reading: Reading,
    *,
    fetched: Fetched | None = None,
    ended: Ended | None = None,
) -> Produce:
    """Return what reads all tasks, and puts each chunk that becomes full or is waited for.

    Args:
        reading: What to read.
        fetched: Told the task's label and the number of entries of each page.
        ended: Told the client's numbers at the end, also at a bad one.
    """
    work = reading.work

    async def produce(outlet: Outlet) -> None:
        builder = ChunkBuilder(
            reading.run_id,
            work,
            reading.protection,
            reading.sections,
            reading.whole,
            dict(reading.held),
            reading.chunk_size,
            wanted=outlet.wanted,
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

        async with reading.client() as client:
            try:
                await read_all(
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
