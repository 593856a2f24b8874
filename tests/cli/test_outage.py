"""Outages of what a run needs: it says so in one line, and the next one goes on from there."""

from __future__ import annotations

import resource

from argos_sync.emulator import Emulator
from cli.command import Command
from support import assert_equal, duckdb_warehouse

BACKFILL = ("backfill", "--from", "2025-01-01", "--to", "2025-01-31")
WORKING = "no space is left for the working directory; free some, or name a folder elsewhere"
STORE = "no space is left for the destination ("
AGAIN = "run the command again; it goes on from the last committed chunk"


def test_a_full_disk(configured: Command, api: Emulator) -> None:
    """Whatever cannot be written, the line says what to free; with space the next run completes.

    A limit of a file's size stops the same writes as a full disk does, at the same places.
    """
    # Python itself would leave a module's bytecode cut short.
    configured.settings["PYTHONDONTWRITEBYTECODE"] = "1"
    limits = {10: WORKING, 5_000: STORE, 13_000: WORKING, 150_000: STORE}
    for limit, words in limits.items():
        process = configured.start(*BACKFILL)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        done = configured.finish(process)
        (line,) = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (5, ""), line
        assert line.startswith(f"argos-sync: {words}")
        assert line.endswith(AGAIN)
    configured(*BACKFILL)
    assert_equal(duckdb_warehouse(configured.folder), api.store.all())
