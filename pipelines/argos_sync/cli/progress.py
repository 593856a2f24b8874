"""Show the progress of a run: two live lines on a terminal, log lines elsewhere."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from argos_sync.cli.logs import current_handler, write_to_stderr
from argos_sync.cli.wording import counted
from argos_sync.process import seconds_since_start

if TYPE_CHECKING:
    from rich.console import RenderableType

    from argos_sync.run.summary import RunSummary

log = logging.getLogger("argos_sync")

_REFRESHES_PER_SECOND = 8
_FRAMES = "|/-\\"
"""What turns while the command works; every terminal has these characters."""

_MIN_SHARE = 0.02
"""Share of the days after which the time that is left can be estimated."""


@contextmanager
def show_progress(*, hidden: bool = False) -> Iterator["ProgressDisplay"]:
    """Show progress on stderr while the block runs; live if that is a terminal and not `hidden`."""
    progress = ProgressDisplay()
    if hidden or not sys.stderr.isatty():
        yield progress
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    if console.is_dumb_terminal:
        yield progress
        return

    def render() -> "RenderableType":
        first, *rest = progress.lines()
        frame = _FRAMES[int(time.monotonic() * _REFRESHES_PER_SECOND) % len(_FRAMES)]
        text = Text.assemble(f"{frame} {first}", *(f"\n  {line}" for line in rest))
        text.no_wrap, text.overflow = True, "ellipsis"
        return text

    def write_above(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    progress.is_live = True
    handler = current_handler()
    handler.write = write_above
    # The lines hide the cursor, and leaving the context always brings it back.
    try:
        with Live(
            get_renderable=render,
            console=console,
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
        ) as live:
            live.refresh()  # otherwise the first lines come with the next refresh
            yield progress
    except BaseException:
        if loaded := progress.loaded_text():
            console.print(loaded)  # the lines are gone by now
        raise
    finally:
        handler.write = write_to_stderr


class ProgressDisplay:
    """Counts what a run has done for live lines, or logs a line for each chunk.

    With -v, each page is logged as well.
    """

    def __init__(self) -> None:
        """Start the clock at the start of the process."""
        self.is_live = False
        self._began = time.monotonic()
        self._first_page: float | None = None
        self._before = seconds_since_start()
        self._stage = "starting"
        self._window = ""
        self._pages = self._submissions = 0
        self._summary: RunSummary | None = None
        self._rate = 0.0
        self._loaded = 0
        self._end: float | None = None

    def run_opened(self, summary: "RunSummary") -> None:
        """Let log lines have the id of the run."""
        self._summary = summary
        self._stage = "preparing the tables"
        current_handler().summary = summary

    def enter_stage(self, stage: str) -> None:
        """Show what the run does now."""
        self._stage, self._window = stage, ""

    def page_fetched(self, task: str, items: int) -> None:
        """Count a page, and show it."""
        self._first_page = self._first_page or time.monotonic()
        self._pages += 1
        self._submissions += items
        self._window = task
        log.debug("page %d: %s, window: %s", self._pages, counted(items, "submission"), task)

    def chunk_loaded(self, summary: "RunSummary") -> None:
        """Show the totals so far: pages, submissions, windows, rows per second."""
        # What came before the first page does not take longer for more submissions.
        seconds = max(time.monotonic() - (self._first_page or self._began), 1e-9)
        self._rate, self._loaded = summary.rows / seconds, summary.submissions_fetched
        share = summary.share_read or 0
        left = seconds * (1 - share) / share if share >= _MIN_SHARE else None
        self._end = time.monotonic() + left if left else None
        if not self.is_live:
            log.info(
                "%s: %s, %s (%s new, %s changed), %s done, %s rows/s",
                summary.command,
                counted(self._pages, "page"),
                counted(summary.submissions_fetched, "submission"),
                f"{summary.submissions_new:,}",
                f"{summary.submissions_changed:,}",
                counted(summary.windows, "window"),
                f"{self._rate:,.0f}",
            )

    def loaded_text(self) -> str:
        """Return what stays loaded when the run fails; empty if that is nothing."""
        if self._summary is None or not self._loaded:
            return ""
        loaded = counted(self._loaded, "submission")
        return f"{self._summary.command}: {loaded} loaded before it stopped"

    def lines(self) -> list[str]:
        """Return what the run does, then what it has done; each line fits into 80 columns."""
        elapsed = duration(self._before + time.monotonic() - self._began)
        summary = self._summary
        if summary is None:
            return [f"{self._stage}, {elapsed}"]
        if not self._window:
            first = f"{summary.command}: {self._stage}"
        else:
            read = counted(self._submissions, "submission")
            first = f"{summary.command}: {read} read, window: {self._window}"
        requests = counted(max(summary.requests, self._pages), "request")
        parts = [f"{self._loaded:,} loaded"] if self._loaded else []
        parts += [f"{self._rate:,.0f} rows/s"] if self._rate else []
        parts += [requests, elapsed]
        left = self._end - time.monotonic() if self._end else 0
        if left >= 1 and self._window:
            parts.append(f"about {duration(left)} left")
        return [first, ", ".join(parts)]


def duration(seconds: float) -> str:
    """Return a number of seconds as text, such as `12 s`, `3:07` or `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
