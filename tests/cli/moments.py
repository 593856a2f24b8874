"""Moments in the life of a running command, told by what it does and not by the clock."""

from __future__ import annotations

import os
import select
import sys
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any

from argos_sync.emulator import Emulator
from argos_sync.emulator.responses import Response

UNMEASURED = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
"""Settings of a command that is not to be slowed down, or to write anything, by coverage."""

_SMALL_CHUNKS = """#!{python}
from contextlib import contextmanager
from dataclasses import replace
from argos_sync.cli import app, common

plain = common.Common.context

@contextmanager
def with_small_chunks(self, overrides=None):
    with plain(self, overrides) as context:
        yield replace(context, chunk_size={size})

common.Common.context = with_small_chunks
app.main()
"""


def with_small_chunks(folder: Path, size: int) -> Path:
    """Write the installed command with one number changed: how many submissions it commits at once.

    As it is installed it would commit what a test can wait for in very few steps.
    """
    file = folder / "argos-sync"
    file.write_text(_SMALL_CHUNKS.format(python=sys.executable, size=size), encoding="utf-8")
    file.chmod(0o700)
    return file


class Ringing(Emulator):
    """An API that rings a bell with every answer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Make the bell: a descriptor, so that it can be waited for beside a process."""
        super().__init__(*arguments, **options)
        self._bell = os.eventfd(0)
        weakref.finalize(self, os.close, self._bell)

    def answer(self, *arguments: Any) -> Response:
        """Answer, and ring."""
        answer = super().answer(*arguments)
        os.eventfd_write(self._bell, 1)
        return answer

    @property
    def served(self) -> int:
        """How many submissions all answers held; what failed on purpose held none."""
        return sum(request.items for request in self.requests)

    def wait(self, pid: int, answers: int) -> None:
        """Wait until so many more requests are answered, for a process that makes them."""
        last = self.request_count + answers
        with closing(os.fdopen(os.pidfd_open(pid))) as process:
            while self.request_count < last:
                ready, _, _ = select.select([process, self._bell], [], [])
                assert process not in ready, "the process has ended before"
                os.eventfd_read(self._bell)


def ends_within(pid: int, seconds: float) -> bool:
    """Wait for the end of a process, which need not be a child of this one."""
    with closing(os.fdopen(os.pidfd_open(pid))) as process:
        return bool(select.select([process], [], [], seconds)[0])
