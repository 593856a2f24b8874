"""From tasks to chunks: what runs in the thread that fetches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from argos_sync.api import ArgosClient, Stats
from argos_sync.load.chunks import CHUNK_SUBMISSIONS, ChunkBuilder
from argos_sync.load.feed import Put
from argos_sync.load.fetching import Task, TaskPage, read_all

Clock = Callable[[], datetime]
"""Returns the moment, UTC."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read from the API and how.

    Attributes:
        tasks: What to read.
        sections: `request_type`s to walk; empty for all in one request.
        wanted: Whether a submission created at that moment is kept.
        concurrency: Tasks read at once.
        client: Makes a client; called in the thread that fetches.
        clock: Tells when a page was received.
        chunk_size: Submissions that make a chunk.
    """

    tasks: Sequence[Task]
    sections: Sequence[str]
    wanted: Callable[[datetime], bool]
    concurrency: int
    client: Callable[[], ArgosClient]
    clock: Clock
    chunk_size: int = CHUNK_SUBMISSIONS


def producer(
    reading: Reading,
    builder: ChunkBuilder,
    *,
    fetched: Callable[[str, int], None] | None = None,
    ended: Callable[[Stats], None] | None = None,
) -> Callable[[Put], Awaitable[None]]:
    """Return what `feed` runs: reads all tasks, and puts each chunk that becomes full.

    Args:
        reading: What to read.
        builder: Collects the pages.
        fetched: Told the task's label and the number of entries of each page.
        ended: Told the client's numbers at the end, also at a bad one.
    """

    async def produce(put: Put) -> None:
        # While a full chunk waits to be taken no other task adds to the next one. Chunks must be
        # taken in the order they were filled, for each brings the cursors that follow its rows.
        one_at_a_time = asyncio.Lock()

        async def deliver(page: TaskPage) -> None:
            if fetched:
                fetched(page.task.label, len(page.items))
            async with one_at_a_time:
                for chunk in builder.add(page, reading.clock()):
                    await put(chunk)

        async with reading.client() as client:
            try:
                await read_all(
                    client,
                    reading.tasks,
                    sections=reading.sections,
                    concurrency=reading.concurrency,
                    deliver=deliver,
                )
            finally:
                if ended:
                    ended(client.stats)
        for chunk in builder.take():
            await put(replace(chunk, last=True))

    return produce
