"""At a terminal: progress while a command runs, and Ctrl-C to end it."""

from __future__ import annotations

import json
import os
import pty
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date

import pytest

from argos_sync.emulator import Behaviour, Emulator, Store, generate
from argos_sync.fetch.chunks import CHUNK_SUBMISSIONS
from cli.command import Command
from cli.watched import Watched

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


def read_all(terminal: int) -> str:
    """What was written to a terminal, once nobody writes to it any more."""
    found = b""
    with suppress(OSError):  # how Linux says that the other end is closed
        while some := os.read(terminal, 65_536):
            found += some
    os.close(terminal)
    return found.decode()


def test_progress_on_a_terminal(configured: Command) -> None:
    """The terminal shows progress and gets its cursor back; stdout has the result alone."""
    configured.settings["TERM"] = "xterm"
    ours, theirs = pty.openpty()
    with configured.start("sync", "--json", stderr=theirs) as process:
        os.close(theirs)
        shown = read_all(ours)
        done = configured.finish(process)
    assert done.returncode == 0
    assert json.loads(done.stdout)["submissions_new"] == 80
    assert "connecting" in shown
    assert "80 submissions" in shown
    assert not [text for text in configured.private if text in shown]
    assert shown.rfind(SHOW) > shown.rfind(HIDE) > -1


def test_failure_on_a_terminal(configured: Command, api: Emulator) -> None:
    """The line about a failure stands by itself, after the progress is gone."""
    configured.settings["TERM"] = "xterm"
    ours, theirs = pty.openpty()
    with configured.start("sync", stderr=theirs) as process:
        os.close(theirs)
        api.behaviour = Behaviour(ip_allowed=False)
        shown = read_all(ours)
        done = configured.finish(process)
    assert (done.returncode, done.stdout) == (3, "")
    before, _, line = shown.rpartition("argos-sync: ")
    assert before.rfind(SHOW) > before.rfind(HIDE)
    assert line.startswith("GET /submission returned HTTP 403; add this machine's")
    assert line.count("\n") == 1


PAGE = 1_000
FIRST = CHUNK_SUBMISSIONS // 2
ENOUGH = FIRST // PAGE + 3
"""Requests that bring a first chunk: its pages, one more for the odd ones, two for `end_date`."""


@pytest.fixture
def interrupted() -> threading.Event:
    """Set once the command has been interrupted."""
    return threading.Event()


@pytest.fixture
def many(interrupted: threading.Event) -> Iterator[Emulator]:
    """An API with a first chunk of submissions in January, and some in March that it keeps back."""
    january = generate(FIRST + 40, seed=5, end=date(2025, 1, 30))
    march = generate(PAGE, seed=6, start=date(2025, 3, 1), end=date(2025, 3, 31))

    def keep_back(number: int) -> None:
        if number > ENOUGH:
            interrupted.wait(60)

    with Watched(Store(january + march), before=keep_back) as running:
        yield running


def test_ctrl_c_during_a_backfill(
    configured: Command, many: Emulator, interrupted: threading.Event
) -> None:
    """An interrupt ends a backfill promptly with one line; run again, it goes on and completes."""
    configured.settings["SOURCES__ARGOS__BASE_URL"] = many.base_url
    configured.settings["SOURCES__ARGOS__PAGE_SIZE"] = str(PAGE)
    arguments = ("backfill", "--from", "2025-01-01", "--to", "2025-03-31", "--workers", "1", "-v")
    with configured.start(*arguments) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if " windows done, " in line:
                break
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        done = configured.finish(process)
        interrupted.set()
    # dlt lets running load jobs end first, which on a busy machine takes a while.
    assert time.monotonic() - sent < 30
    assert (done.returncode, done.stdout) == (130, "")
    *pages, said = done.stderr.splitlines()
    assert all(" page " in line for line in pages)
    assert said == (
        "argos-sync: interrupted; run the command again, it goes on from the last committed chunk"
    )
    committed = configured.rows("SELECT COUNT(*) FROM submissions")[0][0]
    assert 0 < committed < len(many.store)
    again = configured.json(*arguments)
    assert again["submissions_fetched"] <= len(many.store) - committed
    assert configured.rows("SELECT submission_id FROM submissions ORDER BY 1") == [
        (id_,) for id_ in sorted(many.store.ids())
    ]
    ((duplicates,),) = configured.rows(
        "SELECT COUNT(*) - COUNT(DISTINCT (submission_id, attempt_index)) FROM attempts"
    )
    assert duplicates == 0
