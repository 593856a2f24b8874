"""What runs in the process that fetches: `python -m argos_sync.fetch.process.worker` (see `child`).

It is told what to read on its standard input, and ends when that is closed: at once, whatever it
does, for then the process that would load has gone.
"""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import threading
from contextlib import suppress
from typing import BinaryIO

from argos_sync.api import RequestStats
from argos_sync.api.errors import ArgosError
from argos_sync.fetch.chunks import Chunk
from argos_sync.fetch.job import chunk_producer
from argos_sync.fetch.process.protocol import (
    FetchFailed,
    MessageKind,
    read_value,
    receive,
    send_chunk,
    send_value,
)
from argos_sync.process import collect_garbage_rarely, exit_now


def main() -> None:
    """Serve one reading after the other, until standard input is closed."""
    # Ctrl-C reaches all processes of a terminal; the one that loads decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What anybody prints must not get between the messages.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Without a buffer, which could not be closed while the thread that listens waits for more.
    orders = os.fdopen(os.dup(0), "rb", buffering=0)
    with collect_garbage_rarely():
        serve(orders, answers)


def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """Read what is ordered, and answer.

    Args:
        orders: Messages READING and NEXT; its end is that of this process.
        answers: All other messages.
    """
    waiting: queue.SimpleQueue[tuple[memoryview, _Outlet] | None] = queue.SimpleQueue()
    busy = threading.Event()

    def listen() -> None:
        outlet = _Outlet(answers)
        try:
            while True:
                kind, body = receive(orders)
                if kind is MessageKind.NEXT:
                    outlet.ask()
                else:
                    busy.set()
                    outlet = _Outlet(answers)
                    waiting.put((body, outlet))
        except EOFError:
            pass
        finally:
            if busy.is_set():
                os._exit(1)
            waiting.put(None)

    threading.Thread(target=listen, name="argos-listen", daemon=True).start()
    while (order := waiting.get()) is not None:
        asyncio.run(_answer(*order, answers, busy))


class _Outlet:
    """Sends a chunk when one has been asked for."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._asked = False
        self._bell = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def ask(self) -> None:
        """Note that a chunk is waited for; called in another thread."""
        self._asked = True
        if self._loop:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._bell.set)

    def is_awaited(self) -> bool:
        return self._asked

    async def put(self, chunk: Chunk) -> None:
        self._loop = asyncio.get_running_loop()
        if not self._asked:
            await self._bell.wait()
        self._bell.clear()
        self._asked = False
        send_chunk(self._answers, chunk)


async def _answer(
    order: memoryview, outlet: _Outlet, answers: BinaryIO, busy: threading.Event
) -> None:
    def fetched(label: str, entries: int) -> None:
        send_value(answers, MessageKind.PAGE, (label, entries))

    def ended(stats: RequestStats) -> None:
        send_value(answers, MessageKind.STATS, stats)

    told: ArgosError | None = None
    try:
        await chunk_producer(read_value(order), fetched=fetched, ended=ended)(outlet)
    except ArgosError as error:
        told = error
    except Exception as error:  # noqa: BLE001 carried to the other process and raised there
        told = FetchFailed.by(error)
    busy.clear()  # first, for the other process may now go without a word
    send_value(answers, MessageKind.END, told)


if __name__ == "__main__":
    main()
    exit_now(0)
