"""Wait for events in the run of a command, such as an answer of the API, and not for the clock."""

import os
import select
import subprocess
import sys
import threading
import weakref
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from argos_sync.emulator.http_server import Response
from cli.command import TIMEOUT_SECONDS
from whole_lists import Emulator

NO_COVERAGE = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
"""Settings of a command that coverage must not slow down, or write files for."""

_SMALL_CHUNKS = """#!{python}
from contextlib import contextmanager
from dataclasses import replace
from argos_sync.cli import app, common

original_context = common.Common.context

@contextmanager
def context_with_small_chunks(self, overrides=None):
    with original_context(self, overrides) as context:
        yield replace(context, chunk_size={size})

common.Common.context = context_with_small_chunks
app.main()
"""


def small_chunks_command(folder: Path, size: int) -> Path:
    """Write a command that differs from the installed one in its chunk size, and return its path.

    With the installed command, the little that a test can wait for would be very few chunks.

    Args:
        folder: Where to write it.
        size: Submissions that it commits together.
    """
    file = folder / "argos-sync"
    file.write_text(_SMALL_CHUNKS.format(python=sys.executable, size=size), encoding="utf-8")
    file.chmod(0o700)
    return file


class SignallingEmulator(Emulator):
    """An API that signals each answer to a waiting test."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Open the descriptor that signals, so that a test can wait for it or a process."""
        super().__init__(*arguments, **options)
        self._signal = os.eventfd(0)
        weakref.finalize(self, os.close, self._signal)

    def answer(self, *arguments: Any) -> Response:
        """Answer, and signal it."""
        response = super().answer(*arguments)
        os.eventfd_write(self._signal, 1)
        return response

    @property
    def served(self) -> int:
        """Return how many submissions all answers had; injected faults have none."""
        return sum(request.items for request in self.requests)

    def wait(self, pid: int, answers: int) -> None:
        """Wait for a number of further answers to a process, which must not end before."""
        last = self.request_count + answers
        with closing(os.fdopen(os.pidfd_open(pid))) as process:
            while self.request_count < last:
                ready, _, _ = select.select([process.fileno(), self._signal], [], [])
                assert process.fileno() not in ready, "the process has ended before"
                os.eventfd_read(self._signal)


def ends_within(pid: int, seconds: float) -> bool:
    """Wait for the end of a process, which may be any process of the machine."""
    with closing(os.fdopen(os.pidfd_open(pid))) as process:
        return bool(select.select([process], [], [], seconds)[0])


class HeldEmulator(Emulator):
    """An API that answers nothing until the test allows it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Create the event that the test sets."""
        super().__init__(*arguments, **options)
        self.released = threading.Event()

    def answer(self, *arguments: Any) -> Response:
        """Wait for the event, and answer."""
        self.released.wait(TIMEOUT_SECONDS)
        return super().answer(*arguments)


def first_to_end(processes: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """Wait until one of several processes ends, and return it."""
    with ExitStack() as stack:
        ends = {
            stack.enter_context(closing(os.fdopen(os.pidfd_open(process.pid)))): process
            for process in processes
        }
        ended, _, _ = select.select(list(ends), [], [], TIMEOUT_SECONDS / 2)
        assert ended, "both run"
        return ends[ended[0]]
