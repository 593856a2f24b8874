"""Outages of disk and network: a run fails with one line, and the next run continues."""

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

from cli.command import Command
from cli.events import NO_COVERAGE, SignallingEmulator, ends_within, small_chunks_command
from support import assert_equal, duckdb_warehouse
from whole_lists import Emulator

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(os, "pidfd_open"), reason="only Linux can limit and wait for any process"
    ),
]

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:")
BACKFILL = ("backfill", "--from", "2025-01-01", "--to", "2025-01-31")
NO_WORKING_SPACE = (
    "no space is left for the working directory; free some, or name a folder elsewhere"
)
NO_WAREHOUSE_SPACE = "no space is left for the destination ("
REMEDY = "run the command again; it resumes after the last committed chunk"


def test_a_full_disk(configured: Command, api: Emulator) -> None:
    """The message says where space is needed; with space, the next run completes.

    A limit of the file size fails the same writes as a full disk does.
    """
    # Otherwise Python would write truncated bytecode of modules.
    configured.settings |= NO_COVERAGE | {"PYTHONDONTWRITEBYTECODE": "1"}
    messages = {
        10: NO_WORKING_SPACE,
        5_000: NO_WAREHOUSE_SPACE,
        13_000: NO_WORKING_SPACE,
        150_000: NO_WAREHOUSE_SPACE,
    }
    for limit, message in messages.items():
        process = configured.start(*BACKFILL)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        done = configured.finish(process)
        *log_lines, line = done.stderr.splitlines()
        assert all(map(LOG_LINE.match, log_lines))
        assert (done.returncode, done.stdout) == (5, ""), line
        assert line.startswith(f"argos-sync: {message}")
        assert line.endswith(REMEDY)
    configured(*BACKFILL)
    assert_equal(duckdb_warehouse(configured.folder), api.store.all())


PAGE, CHUNK = 2, 10
PACE = {
    "SOURCES__ARGOS__PAGE_SIZE": str(PAGE),
    # So slow that an outage after some answers comes in the middle of the run.
    "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "40",
}


@contextmanager
def reserved_port(port: int) -> Iterator[None]:
    """Keep other programs from listening on a port."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", port))
        yield


def start_before_outage(run: Command, api: Emulator) -> tuple[subprocess.Popen[str], int]:
    """Start a run whose API stops after some answers; return the process and the port."""
    run.settings |= PACE
    with SignallingEmulator(api.store) as emulator:
        run.settings["SOURCES__ARGOS__BASE_URL"] = emulator.base_url
        process = run.start(*BACKFILL, "--json")
        emulator.wait(process.pid, 12)
    return process, urlsplit(emulator.base_url).port or 0


def test_a_short_outage_of_the_network(configured: Command, api: Emulator) -> None:
    """The run waits, continues when the API is back, and loads everything."""
    process, port = start_before_outage(configured, api)
    with reserved_port(port):
        assert not ends_within(process.pid, 0.5)
    with Emulator(api.store, port=port):
        done = configured.finish(process)
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["exit_status"]) == (0, 0)
    assert summary["retries"] > 0
    assert summary["submissions_fetched"] == len(api.store)
    assert_equal(duckdb_warehouse(configured.folder), api.store.all())


def test_a_long_outage_of_the_network(configured: Command, api: Emulator) -> None:
    """The run fails with a remedy and keeps its commits; the next run loads the rest."""
    run = replace(configured, executable=small_chunks_command(configured.folder, CHUNK))
    process, port = start_before_outage(run, api)
    with reserved_port(port):
        done = run.finish(process)
    (line,) = (line for line in done.stderr.splitlines() if not LOG_LINE.match(line))
    assert (done.returncode, json.loads(done.stdout)["exit_status"]) == (4, 4)
    assert re.match(r"argos-sync: .* \(6 attempts\); check base_url, DNS, proxy, firewall", line)
    warehouse = duckdb_warehouse(run.folder)
    committed = warehouse.count("submissions")
    assert committed >= CHUNK
    loaded = loaded_ids(run)
    expected = [row for row in api.store.all() if row["submission_id"] in loaded]
    assert_equal(warehouse, expected)
    with Emulator(api.store, port=port):
        summary = configured.json(*BACKFILL)
    assert (
        summary["submissions_fetched"] == summary["submissions_new"] == len(api.store) - committed
    )
    assert_equal(warehouse, api.store.all())


def loaded_ids(run: Command) -> set[str]:
    """Return the ids of the submissions in the warehouse."""
    return {submission_id for (submission_id,) in run.rows("SELECT submission_id FROM submissions")}
