"""The main process's end: sends jobs to the fetch process and receives chunks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, BinaryIO, cast

import pyarrow as pa

from argos_sync.api.errors import ArgosError
from argos_sync.fetch.chunks import Chunk, ChunkOrEnd, OnPage, OnStats, chunks_on_request
from argos_sync.fetch.job import FetchJob
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
    """The fetch process has ended unexpectedly; committed chunks stay."""

    advice = (
        "run the command again, it resumes after the last committed chunk; if this happens again,"
        " check whether the machine is short of memory, and lower page_size"
    )


@contextmanager
def fetch_in_process(
    process: FetchProcess, job: FetchJob, on_page: OnPage, on_stats: OnStats
) -> Iterator[Iterator[Chunk]]:
    """Run a picklable job in the fetch process, and iterate over its chunks.

    The process builds the next chunk while this one loads, and sends it on request, so neither ever
    holds two chunks. It is killed if the block is left before the job has ended. A thread of the
    main process calls both functions.

    Yields:
        The chunks. An error of the process is raised after the chunks before it: an `ArgosError`
        as it is, any other error as `FetchFailed`, an unexpected exit as `FetchProcessDied`.
    """
    popen = process.start()
    requests, answers = cast("BinaryIO", popen.stdin), cast("BinaryIO", popen.stdout)
    received: SimpleQueue[ChunkOrEnd] = SimpleQueue()
    is_idle = threading.Event()

    def receive_all() -> None:
        try:
            failure = _receive_chunks(answers, received, on_page, on_stats)
        except EOFError:
            code = popen.wait()
            reason = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
            received.put(FetchProcessDied(f"the fetch process {reason}"))
        except Exception as error:  # noqa: BLE001 raised again in the main thread
            received.put(error)
        else:
            is_idle.set()
            received.put(failure)

    thread = threading.Thread(target=receive_all, name="argos-receive", daemon=True)
    thread.start()
    try:
        _send(requests, MessageKind.JOB, job)
        yield chunks_on_request(partial(_send, requests, MessageKind.NEXT), received)
    finally:
        if not is_idle.is_set():
            process.kill()
        thread.join()


def _receive_chunks(
    answers: BinaryIO, received: SimpleQueue[ChunkOrEnd], on_page: OnPage, on_stats: OnStats
) -> ArgosError | None:
    """Receive chunks, pages and statistics until the job ends; return its error."""
    tables: list[pa.Table] = []
    while True:
        kind, body = receive(answers)
        if kind is MessageKind.TABLE:
            tables.append(read_table(body))
            continue
        value: Any = read_value(body)
        if kind is MessageKind.PAGE:
            on_page(*value)
        elif kind is MessageKind.STATS:
            on_stats(value)
        elif kind is MessageKind.CHUNK:
            received.put(attach_tables(value, tables))
            tables = []
        else:
            return cast("ArgosError | None", value)


def _send(requests: BinaryIO, kind: MessageKind, value: object = None) -> None:
    # If the process has exited, the receiving thread notices and reports it.
    with suppress(OSError):
        send_value(requests, kind, value)
