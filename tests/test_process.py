"""How a process ends: at once, but with everything said and done."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from argos_sync.process import NOT_WRITTEN, few_collections

LEAVING = """
import atexit, sys
from argos_sync.process import leave
sys.stdout.write("said, ")
atexit.register(sys.stdout.write, "done")
leave(int(sys.argv[1]))
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
    with few_collections():
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before
