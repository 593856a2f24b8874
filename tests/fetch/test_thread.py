"""Feed: chunks from another thread, in order, with its errors, and never left hanging."""

from __future__ import annotations

import asyncio
import threading

import pytest

from argos_sync.fetch.chunks import Chunk
from argos_sync.fetch.thread import ChunkSink, chunks_from_thread


def chunk(number: int) -> Chunk:
    """Return a chunk that can be told from others."""
    return Chunk({}, number, 0)


def test_chunks_come_in_order() -> None:
    """What is put is taken, one after the other."""

    async def produce(outlet: ChunkSink) -> None:
        for number in range(5):
            await outlet.put(chunk(number))

    with chunks_from_thread(produce) as chunks:
        assert [taken.submissions for taken in chunks] == list(range(5))


def test_an_error_comes_after_the_chunks_before_it() -> None:
    """What was finished can still be loaded."""

    async def produce(outlet: ChunkSink) -> None:
        await outlet.put(chunk(1))
        raise LookupError("gone")

    with chunks_from_thread(produce) as chunks:
        assert next(chunks).submissions == 1
        with pytest.raises(LookupError, match="gone"):
            next(chunks)


def test_leaving_early_stops_the_producer() -> None:
    """A failing load does not wait for pages nobody will take."""
    cancelled = threading.Event()

    async def produce(outlet: ChunkSink) -> None:
        try:
            await outlet.put(chunk(1))
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with chunks_from_thread(produce) as chunks:
        next(chunks)
    assert cancelled.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "argos-fetch"]


def test_the_producer_waits_for_the_taker() -> None:
    """No more than one chunk waits, which bounds what memory holds."""
    put_so_far: list[int] = []

    async def produce(outlet: ChunkSink) -> None:
        for number in range(4):
            await outlet.put(chunk(number))
            put_so_far.append(number)

    with chunks_from_thread(produce) as chunks:
        for taken in chunks:
            assert len(put_so_far) <= taken.submissions + 3
    assert put_so_far == [0, 1, 2, 3]


def test_the_producer_knows_when_a_chunk_is_waited_for() -> None:
    """While a chunk is loaded the next may grow; while nothing is loaded less will do."""
    wanted: list[bool] = []
    asking, asked = threading.Event(), threading.Event()

    async def produce(outlet: ChunkSink) -> None:
        await outlet.put(chunk(1))
        await asyncio.to_thread(asking.wait)
        wanted.append(outlet.wanted())
        asked.set()
        while not outlet.wanted():  # noqa: ASYNC110 a thread of its own waits, without an event
            await asyncio.sleep(0)
        await outlet.put(chunk(2))

    with chunks_from_thread(produce) as chunks:
        next(chunks)
        asking.set()
        asked.wait()
        assert next(chunks).submissions == 2
    assert wanted == [False]
