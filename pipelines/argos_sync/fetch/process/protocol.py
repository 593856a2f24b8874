"""What the process that fetches and the one that loads say to each other, over two pipes.

A message is its kind, its length and its body. Rows travel as Arrow IPC streams, which are read
where they arrived, without a copy; everything else is small and pickled. Both ends are this
package in this interpreter, so what is unpickled is what the package itself has pickled.
"""

from __future__ import annotations

import pickle
import struct
import traceback
from dataclasses import replace
from enum import Enum
from mmap import MAP_PRIVATE, mmap
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from argos_sync.api.errors import ArgosError
from argos_sync.fetch.chunks import Chunk

_PACKAGE = Path(__file__).parents[1]
_HEAD = struct.Struct("!BQ")
_MANY_BYTES = 65_536


class FetchFailed(ArgosError):  # noqa: N818 says what happened, as in api.errors
    """The process that fetches met an error that is not one of this package.

    Its text stays there, for it may quote values; where it arose is told, for it may be a bug.
    """

    advice = "run the command again; if it stays, report this line"

    @classmethod
    def by(cls, error: Exception) -> FetchFailed:
        """Return what may be told of an error."""
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if _PACKAGE in Path(frame.filename).parents]
        place = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
        return cls(f"fetching failed with {type(error).__name__}{place}")


class MessageKind(Enum):
    """What a message is about."""

    READING = 1
    """To the fetching process: what to read."""
    NEXT = 2
    """To the fetching process: a chunk is waited for. Each is answered by CHUNK or END."""
    PAGE = 3
    """A page came: the label of its task, and how many entries it has."""
    STATS = 4
    """What the client has done."""
    TABLE = 5
    """Rows of the next chunk."""
    CHUNK = 6
    """A chunk; its tables came before it."""
    END = 7
    """The reading is at its end; its body is the error that ended it, or None."""


def send(pipe: BinaryIO, kind: MessageKind, body: Any = b"") -> None:
    """Write a message.

    Args:
        pipe: Buffered, and written to in one thread only.
        kind: What it is about.
        body: Bytes, or anything that has them.
    """
    pipe.write(_HEAD.pack(kind.value, len(body)))
    pipe.write(body)
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[MessageKind, memoryview]:
    """Read a message.

    Raises:
        EOFError: The other process has gone.
    """
    kind, length = _HEAD.unpack(_exactly(pipe, _HEAD.size))
    return MessageKind(kind), _exactly(pipe, length)


def send_value(pipe: BinaryIO, kind: MessageKind, value: Any) -> None:
    """Write a message whose body is a value."""
    send(pipe, kind, pickle.dumps(value, pickle.HIGHEST_PROTOCOL))


def read_value(body: memoryview) -> Any:
    """Return the value that a message's body is."""
    return pickle.loads(body)  # noqa: S301 written by this package's own other process


def send_chunk(pipe: BinaryIO, chunk: Chunk) -> None:
    """Write a chunk: a message for each table, then one for the rest.

    Its tables are taken from it one by one, so that they are not in two processes at once.
    """
    names = list(chunk.tables)
    _send_table(pipe, chunk.seen)
    for name in names:
        _send_table(pipe, chunk.tables.pop(name))
    without = replace(chunk, tables=dict.fromkeys(names), seen=None)
    send_value(pipe, MessageKind.CHUNK, without)


def _send_table(pipe: BinaryIO, rows: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    send(pipe, MessageKind.TABLE, sink.getvalue())


def read_table(body: memoryview) -> pa.Table:
    """Return the rows in a message's body, which stays in memory as long as they do."""
    return pa.ipc.open_stream(pa.py_buffer(body)).read_all()


def attach_tables(chunk: Chunk, tables: list[pa.Table]) -> Chunk:
    """Return a chunk with the tables that came before it."""
    seen, *rows = tables
    return replace(chunk, tables=dict(zip(chunk.tables, rows, strict=True)), seen=seen)


def _exactly(pipe: BinaryIO, length: int) -> memoryview:
    """Read a number of bytes; many of them into pages of their own, which are given back whole.

    From the heap, where they would have small things for neighbours, they would be given back late
    or never: hundreds of megabytes after a long run.
    """
    many = length >= _MANY_BYTES
    body = memoryview(mmap(-1, length, MAP_PRIVATE) if many else bytearray(length))
    done = 0
    while done < length:
        count = pipe.readinto(body[done:])  # type: ignore[attr-defined] # every binary stream has it
        if not count:
            raise EOFError
        done += count
    return body
