"""Show progress: a live line on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
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

    def __init__(self) -> None:
        """Start the clock."""
        self._started = time.monotonic()
        self._pages = 0

    def page_fetched(self, task: str, items: int) -> None:
        """Count a page, and log it at level DEBUG."""
        self._pages += 1
        log.debug("page %d: %d submissions of window %s", self._pages, items, task)

    def chunk_loaded(self, summary: RunSummary) -> None:
        """Log the totals so far."""
        log.info("%s", self.line(summary))

    def line(self, summary: RunSummary) -> str:
        """Return the totals so far as text: pages, submissions, windows, rows per second."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        return (
            f"{summary.command}: {self._pages} pages, {summary.submissions_fetched:,} submissions"
            f" ({summary.submissions_new:,} new, {summary.submissions_changed:,} changed),"
            f" {summary.windows} windows done, {summary.rows / seconds:,.0f} rows/s"
        )


class LiveProgress(LogProgress):
    """Rewrite one line on the terminal."""

    def __init__(self, line: Status) -> None:
        """Start with a line that is on the screen already."""
        super().__init__()
        self._line = line
        self._text = _CONNECTING

    def page_fetched(self, task: str, items: int) -> None:
        """Show the current window and page."""
        super().page_fetched(task, items)
        self._line.update(f"{self._text} | window {task}, page {self._pages}")

    def chunk_loaded(self, summary: RunSummary) -> None:
        """Show the totals so far."""
        self._text = self.line(summary)
        self._line.update(self._text)
