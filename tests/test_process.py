"""Processes: they use little memory, exit fast without losing output, and keep files private."""

import gc
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from argos_sync import process
from argos_sync.load.pipeline import open_warehouse
from argos_sync.process import OUTPUT_ERROR, collect_garbage_rarely
from support import Warehouse

EXIT = """
import atexit, sys
from argos_sync.process import exit_now
sys.stdout.write("output, ")
atexit.register(sys.stdout.write, "exit handler")
exit_now(int(sys.argv[1]))
"""
ALLOCATE = """
import ctypes, threading
from argos_sync.process import limit_memory
limit_memory()
libc = ctypes.CDLL(None)
barrier = threading.Barrier(4)
def allocate():
    barrier.wait()
    libc.malloc(1000)
    barrier.wait()
threads = [threading.Thread(target=allocate) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.malloc_stats()
"""


def run_exit(exit_code: int, **streams: Any) -> subprocess.CompletedProcess[str]:
    """Run a process that calls `exit_now` with an exit code."""
    command = [sys.executable, "-c", EXIT, str(exit_code)]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(command, check=False, text=True, env=buffered, **streams)


@pytest.mark.process
@pytest.mark.parametrize("exit_code", [0, 3])
def test_exit_flushes_output_and_runs_exit_handlers(exit_code: int) -> None:
    """Nothing is lost although objects are not freed."""
    done = run_exit(exit_code, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (exit_code, "output, exit handler")


@pytest.mark.process
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize(("exit_code", "expected"), [(0, OUTPUT_ERROR), (3, 3)])
def test_lost_output_is_a_failure(exit_code: int, expected: int) -> None:
    """The exit code shows that output is incomplete, unless the command failed anyway."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert run_exit(exit_code, stdout=full).returncode == expected


def test_the_seconds_since_the_start() -> None:
    """They count from the start of the process, not from the first import."""
    began = time.monotonic()
    script = (
        "import time\nbefore = time.process_time()\n"
        "from argos_sync.process import seconds_since_start\n"
        "print(before, seconds_since_start())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    before, seconds = map(float, done.stdout.split())
    elapsed = time.monotonic() - began
    # The kernel counts in hundredths of a second.
    assert before - 0.02 <= seconds <= elapsed + 0.02


def test_garbage_collection_is_restored() -> None:
    """Python searches for reference cycles rarely inside the block only."""
    before = gc.get_threshold()
    with collect_garbage_rarely():
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before


def test_output_files_follow_the_umask_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """New files are private; files to share get the mode that the user's umask allows."""
    umasks = [0o027]
    limits: list[tuple[int, tuple[int, int]]] = []

    def umask(mask: int) -> int:
        umasks.append(mask)
        return umasks[-2]

    monkeypatch.setattr(os, "umask", umask)
    monkeypatch.setattr(resource, "setrlimit", lambda *limit: limits.append(limit))
    process.restrict_permissions.cache_clear()
    try:
        assert process.output_file_mode() == 0o640
        assert process.output_file_mode() == 0o640
    finally:
        process.restrict_permissions.cache_clear()
    assert umasks == [0o027, 0o077]
    assert limits == [(resource.RLIMIT_CORE, (0, 0))]


@pytest.mark.process
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has a heap per thread")
def test_threads_share_a_heap() -> None:
    """All threads allocate from the main arena."""
    command = [sys.executable, "-c", ALLOCATE]
    done = subprocess.run(command, check=True, text=True, capture_output=True)
    assert re.findall(r"^Arena (\d+):", done.stderr, re.MULTILINE) == ["0"]


@pytest.mark.slow
@pytest.mark.tables_made
def test_a_load_leaves_nothing_of_dlt_in_memory(warehouse: Warehouse) -> None:
    """A long backfill has many loads, and dlt's traces keep the schemas and settings of each."""
    objects = []
    with open_warehouse(warehouse.target) as opened:
        for _ in range(3):
            opened.load({})
            gc.collect()
            objects.append(Counter(map(type, gc.get_objects())))
    _, second, third = objects
    more = {kind.__name__ for kind in third if third[kind] > second[kind]}
    assert not {name for name in more if "Trace" in name or "Schema" in name}
    assert not list(Path(str(warehouse.target.pipelines_dir)).rglob("trace*"))
