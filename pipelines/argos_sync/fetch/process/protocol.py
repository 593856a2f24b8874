"""The messages between the main process and the fetch process, over two pipes.

A message is its kind, its length and its body. Rows are Arrow IPC streams, which are read in place,
without a copy; all other bodies are small and pickled. Both ends are this package in the same
interpreter, so only data that the package has pickled itself is unpickled.
"""

import pickle
import struct
import traceback
from dataclasses import replace
from enum import Enum
from mmap import MAP_PRIVATE, mmap
from pathlib import Path
from typing import Any, BinaryIO, Self

import pyarrow as pa

from argos_sync.api.errors import ArgosError
from argos_sync.fetch.chunks import Chunk

_PACKAGE = Path(__file__).parents[1]
_HEAD = struct.Struct("!BQ")
_LARGE_BYTES = 65_536


class FetchFailed(ArgosError):  # noqa: N818 says what happened, as in api.errors
    """The fetch process met an unexpected error.

    The error's text may quote values, so only its class and the line of code are reported.
    """

    advice = "run the command again; if it fails again, report this line"

    @classmethod
    def from_error(cls, error: Exception) -> Self:
        """Return an error that names the class and the line of another."""
        frames = traceback.extract_tb(error.__traceback__)
        own_frames = [frame for frame in frames if _PACKAGE in Path(frame.filename).parents]
        place = ""
        if own_frames:
            place = f" at {Path(own_frames[-1].filename).name}:{own_frames[-1].lineno}"
        return cls(f"fetching failed with {type(error).__name__}{place}")


class MessageKind(Enum):
    """The kind of a message. JOB and NEXT go to the fetch process, the others come from it."""

    JOB = 1  # a fetch job to run
    NEXT = 2  # the loader waits for the next chunk; the answer is CHUNK or END
    PAGE = 3  # a page was fetched: the label of its task, and the number of its submissions
    STATS = 4  # the statistics of the client
    TABLE = 5  # rows of the next chunk
    CHUNK = 6  # a chunk, whose tables came before it
    END = 7  # the job has ended: the error that ended it, or None


def _send(pipe: BinaryIO, kind: MessageKind, body: Any) -> None:
    """Write a message, whose body is bytes or a buffer; the pipe must be this thread's own."""
    pipe.write(_HEAD.pack(kind.value, len(body)))
    pipe.write(body)
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[MessageKind, memoryview]:
    """Read a message.

    Raises:
        EOFError: The other process has closed the pipe.
    """
    kind, length = _HEAD.unpack(_read_exactly(pipe, _HEAD.size))
    return MessageKind(kind), _read_exactly(pipe, length)


def send_value(pipe: BinaryIO, kind: MessageKind, value: Any) -> None:
    """Write a message whose body is a pickled value."""
    _send(pipe, kind, pickle.dumps(value, pickle.HIGHEST_PROTOCOL))


def read_value(body: memoryview) -> Any:
    """Return the pickled value in a message's body."""
    return pickle.loads(body)  # noqa: S301 pickled by the other process of this package


def send_chunk(pipe: BinaryIO, chunk: Chunk) -> None:
    """Write a chunk: a message for each table, then one for the rest.

    The tables are removed from the chunk as they are sent, so that no table is in the memory of
    both processes for long.
    """
    names = list(chunk.tables)
    _send_table(pipe, chunk.fetched)
    for name in names:
        _send_table(pipe, chunk.tables.pop(name))
    rest = replace(chunk, tables=dict.fromkeys(names), fetched=None)
    send_value(pipe, MessageKind.CHUNK, rest)


def _send_table(pipe: BinaryIO, rows: pa.Table) -> None:
    if rows.nbytes <= _LARGE_BYTES * rows.num_columns:
        rows = rows.combine_chunks()
    # Large rows are not copied before they are sent: the length is counted by a stream that keeps
    # nothing, and the rows are then written into the pipe.
    counter = pa.MockOutputStream()
    _write_stream(counter, rows)
    pipe.write(_HEAD.pack(MessageKind.TABLE.value, counter.size()))
    _write_stream(pipe, rows)
    pipe.flush()


def _write_stream(sink: Any, rows: pa.Table) -> None:
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)


def read_table(body: memoryview) -> pa.Table:
    """Return the rows in a message's body, without copying it."""
    return pa.ipc.open_stream(pa.py_buffer(body)).read_all()


def attach_tables(chunk: Chunk, tables: list[pa.Table]) -> Chunk:
    """Return a received chunk with the tables that came before it."""
    fetched, *rows = tables
    return replace(chunk, tables=dict(zip(chunk.tables, rows, strict=True)), fetched=fetched)


def _read_exactly(pipe: BinaryIO, length: int) -> memoryview:
    """Read a number of bytes, large bodies into memory pages of their own.

    Such pages are returned to the operating system at once. Large bodies on the heap would fragment
    it, and hold hundreds of megabytes after a long run.
    """
    is_large = length >= _LARGE_BYTES
    body = memoryview(mmap(-1, length, MAP_PRIVATE) if is_large else bytearray(length))
    done = 0
    while done < length:
        count = pipe.readinto(body[done:])  # type: ignore[attr-defined] # every binary stream has it
        if not count:
            raise EOFError
        done += count
    return body
