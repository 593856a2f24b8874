"""The fetch thread: fetches and shapes in a thread of its own, while the main thread loads.

httpx runs in an event loop, and dlt in the main thread, because its contexts belong to the thread
that created them. Chunks are handed over one by one: the next chunk is built while one is loaded,
then the producer waits. So at most two chunks are in memory.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from queue import SimpleQueue
from typing import Any

from argos_sync.fetch.chunks import (
    Chunk,
    ChunkOrEnd,
    ChunkSink,
    OnPage,
    OnStats,
    chunks_on_request,
    produce_chunks,
)
from argos_sync.fetch.job import FetchJob


def fetch_in_thread(
    job: FetchJob, on_page: OnPage | None = None, on_stats: OnStats | None = None
) -> AbstractContextManager[Iterator[Chunk]]:
    """Run a job in a thread, where both functions are called; it need not be picklable."""
    return chunks_from_thread(lambda sink: produce_chunks(job, sink, on_page, on_stats))


@contextmanager
def chunks_from_thread(
    produce: Callable[[ChunkSink], Awaitable[None]],
) -> Iterator[Iterator[Chunk]]:
    """Run a producer in the event loop of a new thread, and iterate over its chunks in this one.

    Yields:
        The chunks. An error of the producer is raised after the chunks before it.
    """
    items: SimpleQueue[ChunkOrEnd] = SimpleQueue()
    sink = ChunkSink(items.put)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    async def work() -> None:
        task = asyncio.create_task(produce_all())
        started.set_result((asyncio.get_running_loop(), task))
        with suppress(asyncio.CancelledError):
            await task

    async def produce_all() -> None:
        try:
            await produce(sink)
        except Exception as error:  # noqa: BLE001 raised again in the main thread
            items.put(error)
        else:
            items.put(None)

    thread = threading.Thread(target=lambda: asyncio.run(work()), name="argos-fetch", daemon=True)
    thread.start()
    try:
        yield chunks_on_request(sink.request, items)
    finally:
        loop, task = started.result()
        with suppress(RuntimeError):  # the loop has already ended
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
