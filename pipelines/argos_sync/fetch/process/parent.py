"""Chunks from the process that fetches, given out in this one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import Popen
from typing import Any, BinaryIO, cast

import pyarrow as pa

from argos_sync.api.errors import ArgosError
from argos_sync.fetch.chunks import Chunk
from argos_sync.fetch.job import FetchJob, OnPage, OnStats
from argos_sync.fetch.process.protocol import (
    MessageKind,
    attach_tables,
    read_table,
    read_value,
    receive,
    send_value,
)
from argos_sync.fetch.process.spawn import FetchProcess


class FetchProcessDied(ArgosError):  # noqa: N818 says what happened, as in api.errors
    """The process that fetches has ended by itself; what was committed before stays."""

    advice = (
        "run the command again, it goes on from the last committed chunk; if it happens again, see"
        " whether the machine is short of memory, and lower page_size"
    )


@contextmanager
def fetch_in_process(
    child: FetchProcess,
    reading: FetchJob,
    fetched: OnPage | None = None,
    ended: OnStats | None = None,
) -> Iterator[Iterator[Chunk]]:
    """Let the process read, and give out its chunks.

    The process builds one chunk while this one loads another, and sends it when it is asked for:
    neither ever holds two.

    Args:
        child: The process; ended when the block is left before the reading is at its end.
        reading: What to read; everything in it can be pickled.
        fetched: Told the task's label and the number of entries of each page, in a thread.
        ended: Told the client's numbers at the end, also at a bad one, in a thread.

    Yields:
        The chunks. An error of the process is raised after the chunks before it: one of this
        package as it was, any other as `FetchingFailed`; its sudden end as `FetchProcessDied`.
    """
    process = child.start()
    orders, answers = cast("BinaryIO", process.stdin), cast("BinaryIO", process.stdout)
    received: queue.SimpleQueue[object] = queue.SimpleQueue()
    idle = threading.Event()

    def receive_all() -> None:
        try:
            for item in _received(answers, fetched, ended):
                received.put(item)
                del item  # a chunk that is loaded must not stay in memory while the next comes
        except EOFError:
            received.put(_lost(process))
        except Exception as error:  # noqa: BLE001 carried to the other thread and raised there
            received.put(error)
        else:
            idle.set()

    thread = threading.Thread(target=receive_all, name="argos-receive", daemon=True)
    thread.start()
    try:
        _tell(orders, MessageKind.READING, reading)
        yield _asked_for(orders, received)
    finally:
        if not idle.is_set():
            child.end()
        thread.join()


def _received(
    answers: BinaryIO, fetched: OnPage | None, ended: OnStats | None
) -> Iterator[Chunk | Exception | None]:
    """Yield chunks, then the error or None; pass on what is told in between."""
    tables: list[pa.Table] = []
    while True:
        kind, body = receive(answers)
        if kind is MessageKind.TABLE:
            tables.append(read_table(body))
            continue
        value: Any = read_value(body)
        if kind is MessageKind.PAGE and fetched:
            fetched(*value)
        elif kind is MessageKind.STATS and ended:
            ended(value)
        elif kind is MessageKind.CHUNK:
            chunk, tables = attach_tables(value, tables), []
            yield chunk
            del chunk, value
        elif kind is MessageKind.END:
            yield value
            return


def _asked_for(orders: BinaryIO, received: queue.SimpleQueue[object]) -> Iterator[Chunk]:
    while True:
        _tell(orders, MessageKind.NEXT)
        item = received.get()
        if isinstance(item, Exception):
            raise item
        if not isinstance(item, Chunk):
            return
        yield item
        del item  # a chunk that is loaded must not stay in memory while the next is waited for


def _tell(orders: BinaryIO, kind: MessageKind, value: object = None) -> None:
    # Who has gone cannot be told; the thread that receives finds it out and says so.
    with suppress(OSError):
        send_value(orders, kind, value)


def _lost(process: Popen[bytes]) -> FetchProcessDied:
    code = process.wait()
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return FetchProcessDied(f"the process that fetches was ended {how}")
