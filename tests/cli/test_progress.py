"""The lines that a terminal shows while a command runs."""

import fcntl
import logging
import os
import pty
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import pytest

from argos_sync.api.errors import ApiFailure
from argos_sync.cli.common import table
from argos_sync.cli.exit_codes import print_failure
from argos_sync.cli.failure import Failure
from argos_sync.cli.progress import ProgressDisplay, duration, show_progress
from argos_sync.cli.wording import fitted
from argos_sync.run.summary import RunSummary
from terminal import Terminal

WINDOW = "2025-01-01 to 2025-12-31"


def summary_of(share: float | None = None) -> RunSummary:
    """Return the summary of a long run."""
    started = datetime(2025, 2, 1, tzinfo=UTC)
    summary = RunSummary("run", "reconcile", started, requests=12_345, rows=10**9)
    summary.submissions_fetched, summary.share_read = 1_234_567, share
    return summary


def test_stages() -> None:
    """Before pages arrive, the first line says what the command waits for."""
    display = ProgressDisplay()
    assert display.lines()[0].startswith("starting, ")
    display.enter_stage("opening the warehouse")
    assert display.lines()[0].startswith("opening the warehouse, ")
    display.run_opened(summary_of())
    assert display.lines()[0] == "reconcile: preparing the tables"
    display.page_fetched(WINDOW, 1)
    assert display.lines()[0] == f"reconcile: 1 submission read, window: {WINDOW}"
    display.enter_stage("checking what is loaded")
    assert display.lines()[0] == "reconcile: checking what is loaded"


@pytest.mark.parametrize(("share", "is_known"), [(None, False), (0.01, False), (0.5, True)])
def test_the_time_that_is_left(*, share: float | None, is_known: bool) -> None:
    """It is shown once enough of the days are read, and everything fits into 80 columns."""
    display = ProgressDisplay()
    display.is_live = True
    summary = summary_of(share)
    display.run_opened(summary)
    display.page_fetched(WINDOW, 1_234_567)
    assert display._first_page
    display._first_page -= 3_600
    display.chunk_loaded(summary)
    first, second = display.lines()
    assert second.startswith("1,234,567 loaded, 277,778 rows/s, 12,345 requests, ")
    assert second.endswith(("about 1:00:00 left", "about 59:59 left")) == is_known
    # The first line is after a sign that turns, the second is indented by two.
    assert max(map(len, (first, second))) + 2 <= 80


def test_lines_of_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """Without a terminal a line is logged for each chunk."""
    display, summary = ProgressDisplay(), summary_of()
    display.run_opened(summary)
    display.page_fetched(WINDOW, 2)
    with caplog.at_level(logging.INFO, "argos_sync"):
        display.chunk_loaded(summary)
    assert "reconcile: 1 page, 1,234,567 submissions (0 new, 0 changed)" in caplog.text


@contextmanager
def terminal_as_stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """Make stderr a terminal of 80 columns in the block; the screen is filled when that ends."""
    own, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLUMNS", raising=False)
    terminal = Terminal(columns=80)
    with os.fdopen(other, "w") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        yield terminal
    with suppress(OSError):  # Linux raises it when the other end is closed
        while True:
            terminal.write(os.read(own, 65_536))
    os.close(own)


def test_the_screen_of_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is loaded stays on the screen, and the message is wrapped between words."""
    message = "GET /submission failed with ConnectError (6 attempts)"
    failure = Failure(4, "", message, "check base_url, DNS, proxy, firewall and TLS")
    with terminal_as_stderr(monkeypatch) as terminal:
        with suppress(ApiFailure), show_progress() as display:
            display.run_opened(summary_of())
            display.page_fetched(WINDOW, 2)
            display.chunk_loaded(summary_of())
            raise ApiFailure(message)
        print_failure(failure, "text")
    assert terminal.screen == [
        "reconcile: 1,234,567 submissions loaded before it stopped",
        "argos-sync: GET /submission failed with ConnectError (6 attempts); check",
        "  base_url, DNS, proxy, firewall and TLS",
    ]


def test_the_screen_of_a_failure_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is left of the progress."""
    with (
        terminal_as_stderr(monkeypatch) as terminal,
        suppress(ApiFailure),
        show_progress() as display,
    ):
        display.run_opened(summary_of())
        raise ApiFailure("the API has failed")
    assert terminal.screen == []


def test_durations() -> None:
    """Short ones are in seconds, others as on a clock."""
    assert [duration(n) for n in (0.4, 59, 61, 3_723)] == ["0 s", "59 s", "1:01", "1:02:03"]


def test_a_number_stays_beside_what_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line breaks before a number with its unit, not between them."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    assert fitted("sync: 20,000 submissions (7 new), 5 windows, 28.9 s") == (
        "sync: 20,000 submissions (7 new),\n  5 windows, 28.9 s"
    )


def test_tables_fit_into_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long values are wrapped in their column; numbers are aligned right."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    rows = [["not completed in time", "1,234"], ["other", "5"]]
    assert table(["reason", "n"], rows).splitlines()[3:6] == [
        "│ not completed in   │ 1,234 │",
        "│ time               │       │",
        "│ other              │     5 │",
    ]


def test_text_outside_a_terminal_is_not_wrapped() -> None:
    """Programs read a line of output as one line."""
    assert fitted("word " * 100) == "word " * 100
