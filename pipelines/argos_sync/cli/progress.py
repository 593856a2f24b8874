"""Progress: a live line on a terminal, plain log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from argos_sync.run.summary import ProgressReporter, RunSummary

if TYPE_CHECKING:
    from rich.status import Status

log = logging.getLogger("argos_sync")

_BEGINNING = "connecting"


@contextmanager
def show_progress() -> Iterator[ProgressReporter]:
    """Show progress while the block runs, in the way fit for where standard error goes."""
    if not sys.stderr.isatty():
        yield LogProgress()
        return
    from rich.console import Console

    # Left in every case, for the line hides the terminal's cursor.
    with Console(stderr=True).status(_BEGINNING) as line:
        yield LiveProgress(line)


class LogProgress:
    """A log line a chunk, and with -v one a page."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start counting time."""
        self._clock = clock
        self._began = clock()
        self._rows = 0
        self._pages = 0

    def fetched(self, task: str, items: int) -> None:
        """Note a page."""
        self._pages += 1
        log.debug("page %d: %d submissions of window %s", self._pages, items, task)

    def loaded(self, report: RunSummary, rows: int) -> None:
        """Note a chunk."""
        self._rows += rows
        log.info("%s", self.line(report))

    def line(self, report: RunSummary) -> str:
        """Return pages, submissions and rows a second so far."""
        seconds = max(self._clock() - self._began, 1e-9)
        return (
            f"{report.command}: {self._pages} pages, {report.submissions_fetched:,} submissions"
            f" ({report.submissions_new:,} new, {report.submissions_changed:,} changed),"
            f" {report.windows} windows done, {self._rows / seconds:,.0f} rows/s"
        )


class LiveProgress(LogProgress):
    """One line that is rewritten."""

    def __init__(self, line: Status, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the line, which is on the screen already."""
        super().__init__(clock)
        self._line = line
        self._text = _BEGINNING

    def fetched(self, task: str, items: int) -> None:
        """Show the window under way."""
        super().fetched(task, items)
        self._line.update(f"{self._text} | window {task}, page {self._pages}")

    def loaded(self, report: RunSummary, rows: int) -> None:
        """Show the numbers so far."""
        self._rows += rows
        self._text = self.line(report)
        self._line.update(self._text)
