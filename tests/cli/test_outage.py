"""Outages of what a run needs: it says so in one line, and the next one goes on from there."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from argos_sync.emulator import Emulator
from cli.command import Command
from cli.moments import UNMEASURED, Ringing, ends_within, with_small_chunks
from support import assert_equal, duckdb_warehouse

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="only Linux can limit and wait for any process"
)

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:")
BACKFILL = ("backfill", "--from", "2025-01-01", "--to", "2025-01-31")
WORKING = "no space is left for the working directory; free some, or name a folder elsewhere"
STORE = "no space is left for the destination ("
AGAIN = "run the command again; it goes on from the last committed chunk"


def test_a_full_disk(configured: Command, api: Emulator) -> None:
    """Whatever cannot be written, the line says what to free; with space the next run completes.

    A limit of a file's size stops the same writes as a full disk does, at the same places.
    """
    # Python itself would leave a module's bytecode cut short.
    configured.settings |= UNMEASURED | {"PYTHONDONTWRITEBYTECODE": "1"}
    limits = {10: WORKING, 5_000: STORE, 13_000: WORKING, 150_000: STORE}
    for limit, words in limits.items():
        process = configured.start(*BACKFILL)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        done = configured.finish(process)
        *logged, line = done.stderr.splitlines()
        assert all(map(LOG_LINE.match, logged))
        assert (done.returncode, done.stdout) == (5, ""), line
        assert line.startswith(f"argos-sync: {words}")
        assert line.endswith(AGAIN)
    configured(*BACKFILL)
    assert_equal(duckdb_warehouse(configured.folder), api.store.all())


PAGE, CHUNK = 2, 10
PACE = {
    "SOURCES__ARGOS__PAGE_SIZE": str(PAGE),
    # So slow that an outage after some answers is one in the middle.
    "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "40",
}


@contextmanager
def nobody_listens(port: int) -> Iterator[None]:
    """Keep a port from others, who could else begin to answer there."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        yield


def begun(run: Command, api: Emulator) -> tuple[subprocess.Popen[str], int]:
    """Start a run whose API is gone after some answers; return it, and the port."""
    run.settings |= PACE
    with Ringing(api.store) as present:
        run.settings["SOURCES__ARGOS__BASE_URL"] = present.base_url
        process = run.start(*BACKFILL, "--json")
        present.wait(process.pid, 12)
    return process, urlsplit(present.base_url).port or 0


def test_the_network_is_away_for_a_moment(configured: Command, api: Emulator) -> None:
    """The run waits, goes on when it is back, and lacks nothing."""
    process, port = begun(configured, api)
    with nobody_listens(port):
        assert not ends_within(process.pid, 0.5)
    with Emulator(api.store, port=port):
        done = configured.finish(process)
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["exit_status"]) == (0, 0)
    assert summary["retries"] > 0
    assert summary["submissions_fetched"] == len(api.store)
    assert_equal(duckdb_warehouse(configured.folder), api.store.all())


def test_the_network_stays_away(configured: Command, api: Emulator) -> None:
    """The run gives up with the way out of it, keeps what it has, and the next one goes on."""
    run = replace(configured, executable=with_small_chunks(configured.folder, CHUNK))
    process, port = begun(run, api)
    with nobody_listens(port):
        done = run.finish(process)
    (line,) = (line for line in done.stderr.splitlines() if not LOG_LINE.match(line))
    assert (done.returncode, done.stdout) == (4, "")
    assert re.match(r"argos-sync: .* \(6 attempts\); check base_url, DNS, proxy, firewall", line)
    warehouse = duckdb_warehouse(run.folder)
    kept = warehouse.count("submissions")
    assert kept >= CHUNK
    assert_equal(warehouse, [one for one in api.store.all() if one["submission_id"] in ids(run)])
    with Emulator(api.store, port=port):
        summary = configured.json(*BACKFILL)
    assert summary["submissions_fetched"] == summary["submissions_new"] == len(api.store) - kept
    assert_equal(warehouse, api.store.all())


def ids(run: Command) -> set[str]:
    """Return the submissions that are loaded."""
    return {submission_id for (submission_id,) in run.rows("SELECT submission_id FROM submissions")}
