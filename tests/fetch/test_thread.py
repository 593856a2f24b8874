"""The fetch thread: chunks in order, then its error, and no thread left running."""

import asyncio
import threading

import pytest

from argos_sync.fetch.chunks import Chunk, ChunkSink
from argos_sync.fetch.thread import chunks_from_thread


def chunk(number: int) -> Chunk:
    """Return a chunk with a number of its own."""
    return Chunk({}, number)


def test_chunks_come_in_order() -> None:
    """One after the other, as they were put."""

    async def produce(sink: ChunkSink) -> None:
        for number in range(5):
            await sink.put(chunk(number))

    with chunks_from_thread(produce) as chunks:
        assert [received.submissions for received in chunks] == list(range(5))


def test_an_error_is_raised_after_the_chunks_before_it() -> None:
    """Complete chunks can still be loaded."""

    async def produce(sink: ChunkSink) -> None:
        await sink.put(chunk(1))
        raise LookupError("failed")

    with chunks_from_thread(produce) as chunks:
        assert next(chunks).submissions == 1
        with pytest.raises(LookupError, match="failed"):
            next(chunks)


def test_leaving_early_stops_the_producer() -> None:
    """A failed load does not wait for pages that nobody will load."""
    cancelled = threading.Event()

    async def produce(sink: ChunkSink) -> None:
        try:
            await sink.put(chunk(1))
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with chunks_from_thread(produce) as chunks:
        next(chunks)
    assert cancelled.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "argos-fetch"]


def test_the_producer_waits_for_the_loader() -> None:
    """At most one chunk waits, which bounds the memory."""
    put_so_far: list[int] = []

    async def produce(sink: ChunkSink) -> None:
        for number in range(4):
            await sink.put(chunk(number))
            put_so_far.append(number)

    with chunks_from_thread(produce) as chunks:
        for received in chunks:
            assert len(put_so_far) <= received.submissions + 3
    assert put_so_far == [0, 1, 2, 3]


def test_the_producer_knows_whether_the_loader_is_waiting() -> None:
    """While a chunk is loaded the next one may grow; an idle loader gets a smaller one."""
    while_loading: list[bool] = []
    is_loading, is_checked = threading.Event(), threading.Event()

    async def produce(sink: ChunkSink) -> None:
        await sink.put(chunk(1))
        await asyncio.to_thread(is_loading.wait)
        while_loading.append(sink.is_awaited())
        is_checked.set()
        while not sink.is_awaited():  # noqa: ASYNC110 the other thread sets no event
            await asyncio.sleep(0)
        await sink.put(chunk(2))

    with chunks_from_thread(produce) as chunks:
        next(chunks)
        is_loading.set()
        is_checked.wait()
        assert next(chunks).submissions == 2
    assert while_loading == [False]
