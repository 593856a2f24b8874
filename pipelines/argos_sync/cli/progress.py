"""Show the progress of a run: a live line on a terminal, log lines elsewhere."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from argos_sync.cli.logs import current_handler
from argos_sync.cli.wording import counted

if TYPE_CHECKING:
    from rich.status import Status

    from argos_sync.run.summary import RunSummary

log = logging.getLogger("argos_sync")

_CONNECTING = "connecting"


@contextmanager
def show_progress() -> Iterator["ProgressDisplay"]:
    """Show progress on stderr while the block runs; a live line if that is a terminal."""
    if not sys.stderr.isatty():
        yield ProgressDisplay()
        return
    from rich.console import Console

    # The line hides the cursor, and leaving the context always brings it back.
    with Console(stderr=True).status(_CONNECTING) as line:
        yield ProgressDisplay(line)


class ProgressDisplay:
    """Rewrite a line that is on the terminal already, or log a line for each chunk.

    With -v, each page is logged as well.
    """

    def __init__(self, line: "Status | None" = None) -> None:
        """Start the clock."""
        self._line = line
        self._text = _CONNECTING
        self._started = time.monotonic()
        self._pages = 0

    def run_opened(self, summary: "RunSummary") -> None:
        """Let log lines have the id of the run."""
        current_handler().summary = summary

    def page_fetched(self, task: str, items: int) -> None:
        """Count a page, and show it."""
        self._pages += 1
        log.debug("page %d: %s of window %s", self._pages, counted(items, "submission"), task)
        if self._line:
            self._line.update(f"{self._text} | window {task}, page {self._pages}")

    def chunk_loaded(self, summary: "RunSummary") -> None:
        """Show the totals so far: pages, submissions, windows, rows per second."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        self._text = (
            f"{summary.command}: {counted(self._pages, 'page')},"
            f" {counted(summary.submissions_fetched, 'submission')}"
            f" ({summary.submissions_new:,} new, {summary.submissions_changed:,} changed),"
            f" {counted(summary.windows, 'window')} done, {summary.rows / seconds:,.0f} rows/s"
        )
        if self._line:
            self._line.update(self._text)
        else:
            log.info("%s", self._text)
