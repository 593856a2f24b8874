"""The fetch thread: fetches and shapes in a thread of its own, while the main thread loads.

httpx runs in an event loop, and dlt in the main thread, because its contexts belong to the thread
that created them. Chunks are handed over one by one: the next chunk is built while one is loaded,
then the producer waits. So at most two chunks are in memory.
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
    """The place where a producer puts its chunks."""

    def is_awaited(self) -> bool:
        """Whether the loader is waiting for a chunk."""
        ...

    async def put(self, chunk: Chunk, /) -> None:
        """Hand over a chunk; return once the loader has taken it."""
        ...


Producer = Callable[[ChunkSink], Awaitable[None]]
"""Puts all chunks into a sink, then returns."""


@contextmanager
def chunks_from_thread(produce: Producer) -> Iterator[Iterator[Chunk]]:
    """Run a producer in a thread, and iterate over its chunks in this one.

    Args:
        produce: Runs in the event loop of the new thread.

    Yields:
        The chunks. An error of the producer is raised after the chunks before it.
    """
    handoff = _Handoff()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []
    started = threading.Event()

    async def work() -> None:
        try:
            await produce(handoff)
        except Exception as error:  # noqa: BLE001 raised again in the main thread
            await handoff.put(error)
        else:
            await handoff.put(_END)

    async def cancellable() -> None:
        task = asyncio.create_task(work())
        running.append((asyncio.get_running_loop(), task))
        started.set()
        with suppress(asyncio.CancelledError):
            await task

    thread = threading.Thread(
        target=lambda: asyncio.run(cancellable()), name="argos-fetch", daemon=True
    )
    thread.start()
    try:
        yield handoff.chunks()
    finally:
        started.wait()
        for loop, task in running:
            with suppress(RuntimeError):  # the loop has already ended
                loop.call_soon_threadsafe(task.cancel)
        thread.join()


class _Handoff:
    """Passes one item at a time from the fetch thread to the main thread."""

    def __init__(self) -> None:
        self._items: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._item_taken = threading.Event()
        self._is_awaited = False

    def is_awaited(self) -> bool:
        return self._is_awaited

    async def put(self, item: object) -> None:
        self._item_taken.clear()
        self._items.put(item)
        # Short waits, so that the task can be cancelled after the main thread has stopped taking.
        while not await asyncio.to_thread(self._item_taken.wait, 0.2):
            pass

    def chunks(self) -> Iterator[Chunk]:
        while True:
            self._is_awaited = True
            item = self._items.get()
            self._is_awaited = False
            self._item_taken.set()
            if isinstance(item, Exception):
                raise item
            if not isinstance(item, Chunk):
                return
            yield item
            del item  # free the loaded chunk while waiting for the next one
