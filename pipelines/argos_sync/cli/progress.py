"""Show progress: a live line on a terminal, log lines elsewhere."""

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

_CONNECTING = "connecting"


@contextmanager
def show_progress() -> Iterator[ProgressReporter]:
    """Show progress on stderr while the block runs; a live line if that is a terminal."""
    if not sys.stderr.isatty():
        yield LogProgress()
        return
    from rich.console import Console

    # The line hides the cursor, and leaving the context always brings it back.
    with Console(stderr=True).status(_CONNECTING) as line:
        yield LiveProgress(line)


class LogProgress:
    """Log a line for each chunk, and with -v one for each page."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock.

        Args:
            clock: Returns seconds; only differences count.
        """
        self._clock = clock
        self._started = clock()
        self._rows = 0
        self._pages = 0

    def page_fetched(self, task: str, items: int) -> None:
        """Count a page, and log it at level DEBUG."""
        self._pages += 1
        log.debug("page %d: %d submissions of window %s", self._pages, items, task)

    def chunk_loaded(self, report: RunSummary, rows: int) -> None:
        """Log the totals so far."""
        self._rows += rows
        log.info("%s", self.line(report))

    def line(self, report: RunSummary) -> str:
        """Return the totals so far as text: pages, submissions, windows, rows per second."""
        seconds = max(self._clock() - self._started, 1e-9)
        return (
            f"{report.command}: {self._pages} pages, {report.submissions_fetched:,} submissions"
            f" ({report.submissions_new:,} new, {report.submissions_changed:,} changed),"
            f" {report.windows} windows done, {self._rows / seconds:,.0f} rows/s"
        )


class LiveProgress(LogProgress):
    """Rewrite one line on the terminal."""

    def __init__(self, line: Status, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with a line that is on the screen already."""
        super().__init__(clock)
        self._line = line
        self._text = _CONNECTING

    def page_fetched(self, task: str, items: int) -> None:
        """Show the current window and page."""
        super().page_fetched(task, items)
        self._line.update(f"{self._text} | window {task}, page {self._pages}")

    def chunk_loaded(self, report: RunSummary, rows: int) -> None:
        """Show the totals so far."""
        self._rows += rows
        self._text = self.line(report)
        self._line.update(self._text)
