"""The fetch process's end: runs jobs and sends chunks.

Started as `python -m argos_sync.fetch.process.worker`. It receives jobs on its standard input, and
exits at once when that is closed, even in the middle of a job, because the main process has ended.
"""

import asyncio
import os
import queue
import signal
import threading
from functools import partial
from typing import BinaryIO

from argos_sync.api.errors import ArgosError
from argos_sync.fetch.chunks import ChunkSink, produce_chunks
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
    """Run jobs until standard input is closed."""
    # Ctrl-C reaches all processes of a terminal; the main process decides how to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Redirect prints of any library, which would corrupt the messages.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Unbuffered: a buffer cannot be closed while the listening thread waits for input.
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    with collect_garbage_rarely():
        serve(requests, answers)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Run each requested job, one after the other, until the requests are closed."""
    jobs: queue.SimpleQueue[tuple[memoryview, ChunkSink] | None] = queue.SimpleQueue()
    is_busy = threading.Event()
    send = partial(send_chunk, answers)

    def listen() -> None:
        sink = ChunkSink(send)
        try:
            while True:
                kind, body = receive(requests)
                if kind is MessageKind.NEXT:
                    sink.request()
                else:
                    is_busy.set()
                    sink = ChunkSink(send)
                    jobs.put((body, sink))
        except EOFError:
            pass
        finally:
            if is_busy.is_set():
                os._exit(1)
            jobs.put(None)

    threading.Thread(target=listen, name="argos-listen", daemon=True).start()
    while (request := jobs.get()) is not None:
        job, sink = request
        asyncio.run(_run_job(job, sink, answers, is_busy))


async def _run_job(
    job: memoryview, sink: ChunkSink, answers: BinaryIO, is_busy: threading.Event
) -> None:
    failure: ArgosError | None = None
    try:
        await produce_chunks(
            read_value(job),
            sink,
            on_page=lambda *page: send_value(answers, MessageKind.PAGE, page),
            on_stats=lambda stats: send_value(answers, MessageKind.STATS, stats),
        )
    except ArgosError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 raised again in the main process
        failure = FetchFailed.from_error(error)
    is_busy.clear()  # before END, after which the main process may close the pipe
    send_value(answers, MessageKind.END, failure)


if __name__ == "__main__":
    main()
    exit_now(0)
