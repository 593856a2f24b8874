"""Fetching and shaping in a thread of their own, so that they overlap with loading.

httpx runs in an event loop, dlt in the main thread (its contexts belong to the thread that made
them). Finished chunks are handed over one by one: while one is loaded the next is built, and then
the producer waits, which bounds what memory holds.
"""

from __future__ import annotations

import asyncio
import gc
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from argos_sync.load.chunks import Chunk

Put = Callable[[Chunk], Awaitable[None]]

_END = object()


@contextmanager
def feed(produce: Callable[[Put], Awaitable[None]]) -> Iterator[Iterator[Chunk]]:
    """Run a producer of chunks in a thread and give them out in this one.

    Args:
        produce: Called in the other thread's event loop; puts chunks, and returns at the end.

    Yields:
        The chunks. An error of the producer is raised after the chunks it had put before.
    """
    chunks: queue.SimpleQueue[object] = queue.SimpleQueue()
    taken = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []
    began = threading.Event()

    async def put(item: object) -> None:
        taken.clear()
        chunks.put(item)
        # Short waits, so that a thread nobody takes from any more can be left.
        while not await asyncio.to_thread(taken.wait, 0.2):
            pass

    async def work() -> None:
        try:
            await produce(put)
        except Exception as error:  # noqa: BLE001 carried to the other thread and raised there
            await put(error)
        else:
            await put(_END)

    async def cancellable() -> None:
        task = asyncio.create_task(work())
        running.append((asyncio.get_running_loop(), task))
        began.set()
        with suppress(asyncio.CancelledError):
            await task

    thread = threading.Thread(
        target=lambda: asyncio.run(cancellable()), name="argos-fetch", daemon=True
    )
    thread.start()
    try:
        with _few_collections():
            yield _taken(chunks, taken)
    finally:
        began.wait()
        for loop, task in running:
            with suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(task.cancel)
        thread.join()


@contextmanager
def _few_collections() -> Iterator[None]:
    """Let Python look for reference cycles seldom.

    Decoded pages are many containers without cycles; looking through them at Python's own pace
    takes two thirds of the time that decoding takes.
    """
    before = gc.get_threshold()
    gc.set_threshold(200_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _taken(chunks: queue.SimpleQueue[object], taken: threading.Event) -> Iterator[Chunk]:
    while True:
        item = chunks.get()
        taken.set()
        if isinstance(item, Exception):
            raise item
        if not isinstance(item, Chunk):
            return
        yield item
        del item  # a chunk that is loaded must not stay in memory while the next is waited for
