"""The lock: one run at a time on a warehouse, whoever holds it is named, and death lets go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
from argos_sync.load.errors import DestinationError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from support import Warehouse, assert_equal, context_for, empty_warehouse

pytestmark = pytest.mark.tables_made

HOLD = """
import sys
from argos_sync.warehouse.rows import select
from argos_sync.load.target import Target
from argos_sync.load.pipeline import open_warehouse
name, dataset, folder, file = sys.argv[1:]
with open_warehouse(Target(name, dataset, folder, file or None), command="backfill") as warehouse:
    # A query that fails makes a driver forget what its connection held.
    assert select(warehouse.client, "SELECT * FROM " + dataset + ".no_such_table") == ()
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(any_warehouse: Warehouse) -> subprocess.Popen[str]:
    """Another process in the middle of a run."""
    return hold(any_warehouse, str(any_warehouse.target.pipelines_dir))


def hold(warehouse: Warehouse, folder: str) -> subprocess.Popen[str]:
    """Start a process that opens the warehouse and keeps it."""
    target = warehouse.target
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, target.destination, target.dataset, folder, target.file or ""],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    """Kill the holder as a power cut would."""
    with process:
        process.send_signal(signal.SIGKILL)


def test_who_comes_second_leaves_and_names_the_first(
    any_warehouse: Warehouse, holder: subprocess.Popen[str], january: list[dict[str, Any]]
) -> None:
    """Nothing is asked of the API before the lock; once the holder is dead the run goes through."""
    with Emulator(january) as api:
        context = context_for(api.base_url, any_warehouse.target)
        with pytest.raises(DestinationError, match=rf"by process {holder.pid} \(argos-sync back"):
            sync(context)
        assert api.request_count == 0
        end(holder)
        sync(context)
    assert_equal(any_warehouse, january)


def test_another_machine_is_kept_out_too(any_warehouse: Warehouse, tmp_path: Path) -> None:
    """With a working folder of its own there is only the database to tell who holds it."""
    holder = hold(any_warehouse, str(tmp_path / "of another machine"))
    try:
        with (
            pytest.raises(DestinationError, match=rf"locked by .*{holder.pid}"),
            open_warehouse(any_warehouse.target),
        ):
            raise AssertionError
    finally:
        end(holder)
    with open_warehouse(any_warehouse.target):
        pass


def test_other_datasets_are_not_locked(
    any_warehouse: Warehouse, holder: subprocess.Popen[str]
) -> None:
    """On a server each dataset has a lock of its own; a DuckDB file is locked as a whole."""
    other = replace(any_warehouse.target, dataset=f"{any_warehouse.target.dataset}_other")
    try:
        if other.destination == "duckdb":
            with pytest.raises(DestinationError, match=str(holder.pid)), open_warehouse(other):
                raise AssertionError
        else:
            with open_warehouse(other):
                pass
    finally:
        end(holder)


def test_looking_needs_no_lock_where_the_database_allows_it(tmp_path: Path) -> None:
    """`status` answers while a run is under way; a DuckDB file is one writer's or many readers'."""
    with (
        empty_warehouse("postgres", tmp_path) as warehouse,
        open_warehouse(warehouse.target),
        open_read_only(warehouse.target) as view,
    ):
        assert view.state == {}
