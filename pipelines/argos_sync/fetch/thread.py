"""Fetching and shaping in a thread of their own, so that they overlap with loading.

httpx runs in an event loop, dlt in the main thread (its contexts belong to the thread that made
them). Finished chunks are handed over one by one: while one is loaded the next is built, and then
the producer waits, which bounds what memory holds.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from argos_sync.fetch.chunks import Chunk

_END = object()


class ChunkSink(Protocol):
    """Where a producer puts its chunks."""

    def wanted(self) -> bool:
        """Whether somebody waits for a chunk."""
        ...

    async def put(self, chunk: Chunk, /) -> None:
        """Hand a chunk over; returns once it is taken."""
        ...


Producer = Callable[[ChunkSink], Awaitable[None]]
"""Puts chunks, and returns at the end."""


@contextmanager
def chunks_from_thread(produce: Producer) -> Iterator[Iterator[Chunk]]:
    """Run a producer of chunks in a thread and give them out in this one.

    Args:
        produce: Called in the other thread's event loop.

    Yields:
        The chunks. An error of the producer is raised after the chunks it had put before.
    """
    handed = _Handed()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []
    began = threading.Event()

    async def work() -> None:
        try:
            await produce(handed)
        except Exception as error:  # noqa: BLE001 carried to the other thread and raised there
            await handed.put(error)
        else:
            await handed.put(_END)

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
        yield handed.taken()
    finally:
        began.wait()
        for loop, task in running:
            with suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(task.cancel)
        thread.join()


class _Handed:
    """One item at a time, from one thread to another."""

    def __init__(self) -> None:
        self._items: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._taken = threading.Event()
        self._wanted = False

    def wanted(self) -> bool:
        return self._wanted

    async def put(self, item: object) -> None:
        self._taken.clear()
        self._items.put(item)
        # Short waits, so that a thread nobody takes from any more can be left.
        while not await asyncio.to_thread(self._taken.wait, 0.2):
            pass

    def taken(self) -> Iterator[Chunk]:
        while True:
            self._wanted = True
            item = self._items.get()
            self._wanted = False
            self._taken.set()
            if isinstance(item, Exception):
                raise item
            if not isinstance(item, Chunk):
                return
            yield item
            del item  # a chunk that is loaded must not stay in memory while the next is waited for
