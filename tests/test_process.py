"""How a process runs and ends: in little memory, and at once, but with everything done."""

from __future__ import annotations

import gc
import os
import platform
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from argos_sync.load.pipeline import open_warehouse
from argos_sync.process import NOT_WRITTEN, collect_garbage_rarely
from support import Warehouse

LEAVING = """
import atexit, sys
from argos_sync.process import leave
sys.stdout.write("said, ")
atexit.register(sys.stdout.write, "done")
leave(int(sys.argv[1]))
"""
ALLOCATING = """
import ctypes, threading
from argos_sync.process import little_memory
little_memory()
libc = ctypes.CDLL(None)
begin = threading.Barrier(4)
def allocate():
    begin.wait()
    libc.malloc(1000)
    begin.wait()
threads = [threading.Thread(target=allocate) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.malloc_stats()
"""


def left(exit_code: int, **streams: Any) -> subprocess.CompletedProcess[str]:
    """Run a process that leaves with an exit code."""
    command = [sys.executable, "-c", LEAVING, str(exit_code)]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(command, check=False, text=True, env=buffered, **streams)


@pytest.mark.parametrize("exit_code", [0, 3])
def test_what_is_said_is_written_and_what_is_left_to_do_is_done(exit_code: int) -> None:
    """Nothing is lost with what is not freed."""
    done = left(exit_code, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (exit_code, "said, done")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
@pytest.mark.parametrize(("exit_code", "expected"), [(0, NOT_WRITTEN), (3, 3)])
def test_what_cannot_be_written_is_no_success(exit_code: int, expected: int) -> None:
    """Who reads the output must not take half of it for all of it."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert left(exit_code, stdout=full).returncode == expected


def test_python_looks_for_cycles_as_before_afterwards() -> None:
    """Seldom inside the block only."""
    before = gc.get_threshold()
    with collect_garbage_rarely():
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has a heap for a thread")
def test_threads_share_a_heap() -> None:
    """What one has freed serves the others."""
    command = [sys.executable, "-c", ALLOCATING]
    done = subprocess.run(command, check=True, text=True, capture_output=True)
    assert re.findall(r"^Arena (\d+):", done.stderr, re.MULTILINE) == ["0"]


def test_a_load_leaves_nothing_of_dlt_in_memory(warehouse: Warehouse) -> None:
    """A long backfill has many of them, and dlt's traces hold each one's schemas and settings."""
    with open_warehouse(warehouse.target) as opened:
        held = []
        for _ in range(3):
            opened.load({})
            gc.collect()
            held.append(Counter(map(type, gc.get_objects())))
    grown = {kind.__name__ for kind in held[2] if held[2][kind] > held[1][kind]}
    assert not {name for name in grown if "Trace" in name or "Schema" in name}
    assert not list(Path(str(warehouse.target.pipelines_dir)).rglob("trace*"))
