"""Prepare and end a process of argos-sync: memory, file permissions, exit.

This module imports nothing heavy, because the command line needs it before anything else.
"""

import atexit
import ctypes
import gc
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

OUTPUT_ERROR = 120
"""Python's own exit code for a process that succeeds, but cannot write its output."""

_IMPORTED = time.monotonic()

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""What a scheduler or a closed terminal sends; the first one ends the run, others are ignored."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # glibc's malloc.h
_MMAP_BYTES = 128 * 1024


def limit_memory() -> None:
    """Make freed memory available to all threads of this process and of its children.

    Arrow's own allocator keeps 50 MB after a load. glibc gives each thread a heap of its own, and
    other threads cannot use what is free in it: a backfill of 300,000 submissions wasted 100 MB.
    It also stops giving large blocks memory pages of their own once some were freed, and then large
    values fragment its heap.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    os.environ.setdefault("MALLOC_ARENA_MAX", "1")
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(_MMAP_BYTES))
    if sys.platform == "linux":
        # glibc reads the variable only when a process starts (mallopt(3)); musl has neither.
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, int(os.environ["MALLOC_ARENA_MAX"]))
            mallopt(_M_MMAP_THRESHOLD, int(os.environ["MALLOC_MMAP_THRESHOLD_"]))


@contextmanager
def collect_garbage_rarely() -> Iterator[None]:
    """Make Python search for reference cycles rarely while the block runs.

    A decoded page consists of many containers without cycles. At Python's default rate the search
    takes twice as long as decoding. dlt creates many containers as well, and imported modules are
    searched again and again.
    """
    before = gc.get_threshold()
    gc.set_threshold(200_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def exit_now(exit_code: int) -> NoReturn:
    """End the process without freeing its objects one by one.

    Freeing them takes Python half a second after a load. Exit handlers still run, and output is
    still flushed; `OUTPUT_ERROR` replaces the exit code 0 when that fails.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 there is no other way, and multiprocessing does it
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:  # the reader closed the pipe, or the disk is full
            exit_code = exit_code or OUTPUT_ERROR
    os._exit(exit_code)


class Stopped(KeyboardInterrupt):
    """A signal asks the process to end; it does so as after Ctrl-C."""

    def __init__(self, signal_number: int) -> None:
        """Take the number of the signal."""
        super().__init__(signal_number)
        self.signal_number = signal_number


def stop_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the process in an orderly way, unless they are ignored (nohup)."""

    def stop(number: int, _: Any) -> None:
        for one in _STOP_SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        raise Stopped(number)

    for number in _STOP_SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)


def interrupt_exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return the exit code that shells expect of a program ended by the interrupt's signal."""
    number = interrupt.signal_number if isinstance(interrupt, Stopped) else signal.SIGINT
    return 128 + number


def open_standard_streams() -> None:
    """Open the null device in place of standard streams that were closed (`2>&-`).

    Otherwise the next file to be opened, such as the warehouse, gets the number of a stream, and
    what other libraries and child processes print would be written into it.
    """
    if sys.stdin is None:
        sys.stdin = _open_null(0, "r")
    if sys.stdout is None:
        sys.stdout = _open_null(1, "w")
    if sys.stderr is None:
        sys.stderr = _open_null(2, "w")


def _open_null(number: int, mode: str) -> TextIO:
    """Open the null device under the number of a standard stream."""
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)
    return cast("TextIO", os.fdopen(number, mode, encoding="utf-8", closefd=False))


@cache
def restrict_permissions() -> int:
    """Make new files and folders of this process and its children private to their owner.

    Files get mode 0600 and folders 0700, including those that dlt and DuckDB create: working
    folder and warehouse are full of personal data. Core dumps are disabled, because they would
    contain keys. Only the first call has an effect; it returns the previous umask.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return os.umask(0o077)


def seconds_since_start() -> float:
    """Return how long this process has run; without Linux, how long this module was imported."""
    try:
        # Of proc(5): the name, in brackets, may have blanks; the start is field 22, in ticks.
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, AttributeError):
        return time.monotonic() - _IMPORTED


def output_file_mode() -> int:
    """Return the mode of a file that a user asks for to share it, by the user's umask.

    Such a file is created private and gets this mode by `chmod` when it is complete; those of a
    change log, which nobody can complete at once, are created with it.
    """
    return 0o666 & ~restrict_permissions()
