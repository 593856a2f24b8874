"""A terminal shows progress while a command runs, and Ctrl-C ends the command."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date

import pytest

from argos_sync.emulator import Store, generate
from argos_sync.fetch.job import CHUNK_SUBMISSIONS
from cli.callback import CallbackEmulator
from cli.command import EXECUTABLE, Command
from terminal import Terminal
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.process

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def read_all(terminal: int) -> str:
    """Return everything that was written to a terminal, when its other end is closed."""
    output = b""
    with suppress(OSError):  # Linux raises it when the other end is closed
        while data := os.read(terminal, 65_536):
            output += data
    os.close(terminal)
    return output.decode()


@pytest.mark.parametrize("columns", [80, 140])
def test_progress_on_a_terminal(configured: Command, columns: int) -> None:
    """The terminal shows progress and gets its cursor back; stdout has only the result.

    Progress fits into the terminal, and log lines begin on lines of their own.
    """
    configured.settings["TERM"] = "xterm"
    terminal, command_end = pty.openpty()
    fcntl.ioctl(command_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with configured.start("sync", "--json", "-v", stderr=command_end) as process:
        os.close(command_end)
        shown = read_all(terminal)
        done = configured.finish(process)
    assert done.returncode == 0
    assert json.loads(done.stdout)["submissions_new"] == 80
    assert not [text for text in configured.private if text in shown]
    assert shown.rfind(SHOW_CURSOR) > shown.rfind(HIDE_CURSOR) > -1
    lines = [line for line in re.split(r"[\r\n]+", ANSI.sub("", shown)) if line.strip()]
    assert re.fullmatch(r"[|/\\-] starting, \d+ s", lines[0])
    log_lines = [line for line in lines if "DEBUG" in line]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+Z DEBUG \d", line) for line in log_lines)
    # However long they are, nothing but the terminal breaks them.
    assert any(line.endswith("page 1: 80 submissions, window: all days") for line in log_lines)
    others = [line for line in lines if line not in log_lines]
    assert max(map(len, others)) <= columns
    assert any(line.startswith("  80 loaded, ") for line in others)


def test_the_screen_of_a_sync(configured: Command, api: Emulator) -> None:
    """It says something true before the API is asked, and at the end only what was done."""
    screens: list[tuple[list[str], int]] = []
    terminal = Terminal(columns=80)
    exit_code = terminal.run(
        [EXECUTABLE, "sync"],
        configured.folder,
        configured.environment,
        lambda _, screen: screens.append((screen, api.request_count)),
    )
    assert exit_code == 0
    (first,), requests = next(shown for shown in screens if shown[0])
    assert re.fullmatch(r"[|/\\-] starting, \d+ s", first)
    assert requests == 0
    stages = {re.sub(r"^[|/\\-] |, \d+ s$", "", shown[0]) for shown, _ in screens if shown}
    assert {"starting", "sync: 80 submissions read, window: all days"} <= stages
    assert terminal.screen[0] == (
        "sync: 80 submissions (80 new, 0 changed, 0 unchanged, 0 deleted), 1 window,"
    )
    (second,) = terminal.screen[1:]
    assert re.fullmatch(r"  \d+ pages, \d+ requests \(0 retries\), 0 issues, [\d.]+ s", second)


def test_silence_on_a_terminal(configured: Command) -> None:
    """With --quiet not even the cursor moves."""
    configured.settings["TERM"] = "xterm"
    terminal, command_end = pty.openpty()
    with configured.start("sync", "--quiet", stderr=command_end) as process:
        os.close(command_end)
        assert read_all(terminal) == ""
        assert configured.finish(process).stdout == ""


def test_failure_on_a_terminal(configured: Command, api: Emulator) -> None:
    """The message of a failure has its own line, after the progress line."""
    configured.settings["TERM"] = "xterm"
    terminal, command_end = pty.openpty()
    with configured.start("sync", stderr=command_end) as process:
        os.close(command_end)
        api.behaviour = Behaviour(ip_denied=True)
        shown = read_all(terminal)
        done = configured.finish(process)
    assert (done.returncode, done.stdout) == (3, "")
    before, _, line = shown.rpartition("argos-sync: ")
    assert before.rfind(SHOW_CURSOR) > before.rfind(HIDE_CURSOR)
    assert line.startswith("GET /submission returned HTTP 403; add this machine's")
    assert max(map(len, line.splitlines())) <= 80


PAGE = 1_000
FIRST_CHUNK = CHUNK_SUBMISSIONS // 2
FIRST_CHUNK_REQUESTS = FIRST_CHUNK // PAGE + 3
"""Requests until the first chunk is complete: its pages, one more, and two for `end_date`."""


@pytest.fixture
def interrupted() -> threading.Event:
    """Return an event that is set when the command has been interrupted."""
    return threading.Event()


@pytest.fixture
def delayed_api(interrupted: threading.Event) -> Iterator[Emulator]:
    """Run an API that sends a first chunk of January, but delays its submissions of March."""
    january = generate(FIRST_CHUNK + 40, seed=5, end=date(2025, 1, 30))
    march = generate(PAGE, seed=6, start=date(2025, 3, 1), end=date(2025, 3, 31))

    def delay(number: int) -> None:
        if number > FIRST_CHUNK_REQUESTS:
            interrupted.wait(60)

    with CallbackEmulator(Store(january + march), before=delay) as emulator:
        yield emulator


def test_ctrl_c_during_a_backfill(
    configured: Command, delayed_api: Emulator, interrupted: threading.Event
) -> None:
    """Ctrl-C ends a backfill promptly with one line; the next backfill continues and completes."""
    configured.settings["SOURCES__ARGOS__BASE_URL"] = delayed_api.base_url
    configured.settings["SOURCES__ARGOS__PAGE_SIZE"] = str(PAGE)
    arguments = ("backfill", "--from", "2025-01-01", "--to", "2025-03-31", "--workers", "1", "-v")
    with configured.start(*arguments) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if " done, " in line:
                break
        process.send_signal(signal.SIGINT)
        interrupted_at = time.monotonic()
        done = configured.finish(process)
        interrupted.set()
    # dlt finishes running load jobs first, which takes a while on a busy machine.
    assert time.monotonic() - interrupted_at < 30
    assert (done.returncode, done.stdout) == (130, "")
    *pages, message = done.stderr.splitlines()
    assert all(" page " in line for line in pages)
    assert message == (
        "argos-sync: interrupted; run it again to continue from the last committed chunk"
    )
    committed = configured.rows("SELECT COUNT(*) FROM submissions")[0][0]
    assert 0 < committed < len(delayed_api.store)
    again = configured.json(*arguments)
    assert again["submissions_fetched"] <= len(delayed_api.store) - committed
    assert configured.rows("SELECT submission_id FROM submissions ORDER BY 1") == [
        (id_,) for id_ in sorted(delayed_api.store.ids())
    ]
    ((duplicates,),) = configured.rows(
        "SELECT COUNT(*) - COUNT(DISTINCT (submission_id, attempt_index)) FROM attempts"
    )
    assert duplicates == 0
