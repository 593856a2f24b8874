"""How a process of ours runs and ends: nothing heavy is imported here."""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NoReturn

NOT_WRITTEN = 120
"""Python's own exit code when it ends well, but what it printed cannot be written."""

_M_ARENA_MAX = -8  # glibc's malloc.h


def limit_memory() -> None:
    """Let what one part of a load has freed serve the others, here and in processes started later.

    Arrow's own allocator keeps 50 MB of a load. glibc gives threads heaps of their own, and what
    is free in one is of no use elsewhere: it grew to 100 MB in a backfill of 300,000.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    os.environ.setdefault("MALLOC_ARENA_MAX", "1")
    if sys.platform == "linux":
        # The variable is read when a process starts (mallopt(3)); musl has neither.
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, int(os.environ["MALLOC_ARENA_MAX"]))


@contextmanager
def collect_garbage_rarely() -> Iterator[None]:
    """Let Python look for reference cycles seldom.

    Decoded pages are many containers without cycles; looking through them at Python's own pace
    takes two thirds of the time that decoding takes. dlt makes many as well, and all that is
    imported is looked through again and again.
    """
    before = gc.get_threshold()
    gc.set_threshold(200_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def exit_now(exit_code: int) -> NoReturn:
    """End the process without freeing what it holds, one object after the other.

    That takes Python half a second after a load. What was registered to be done at the end is
    done, and what was printed is written.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 there is no other way, and multiprocessing does it
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:  # who reads it has gone, or the disk is full
            exit_code = exit_code or NOT_WRITTEN
    os._exit(exit_code)


@cache
def restrict_permissions() -> int:
    """Make whatever this process and its children create from now on their owner's alone.

    Files come out as 0600 and folders as 0700, also those that dlt and DuckDB create: working
    folder and warehouse are full of personal data. No core is dumped, for it would hold keys. Only
    the first call does anything.

    Returns:
        The umask of the caller, which is for files that a user asks for (see `output_file_mode`).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return os.umask(0o077)


def output_file_mode() -> int:
    """Return the mode of a file that a user asks for to give it to others, as its umask has it.

    Such a file is created private and gets this mode by `chmod` when it is complete.
    """
    return 0o666 & ~restrict_permissions()
