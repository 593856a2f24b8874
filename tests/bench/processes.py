"""The processes of a benchmark: one that serves, and one at a time that is measured."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_HERE = Path(__file__).parent
_COMMAND = Path(sys.executable).with_name("argos-sync")
_COUNT = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    query = "SELECT COUNT(*), COUNT(DISTINCT submission_id) FROM argos.submissions"
    print(*connection.execute(query).fetchone())
"""


class BenchmarkError(Exception):
    """A process failed, or did not do what it is measured at."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took.

    Attributes:
        seconds: From its start to its end, imports included.
        start_up: Seconds of it until its imports were done.
        cpu: Seconds of computing, in all its threads; steadier than `seconds` on a busy machine.
        peak_mb: Largest resident memory in units of 1,000,000 bytes; of the largest process, where
            it starts others.
    """

    seconds: float
    start_up: float
    cpu: float
    peak_mb: float

    @property
    def work(self) -> float:
        """Seconds after the imports."""
        return self.seconds - self.start_up


@contextmanager
def emulator(submissions: int) -> Iterator[str]:
    """Serve made-up submissions from a process of its own.

    Yields:
        The base URL.

    Raises:
        BenchmarkError: It ended before it listened.
    """
    command = [_COMMAND, "emulator", "-n", str(submissions), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if (listening := re.search(r"listening on (\S+)", line)) is None:
                raise BenchmarkError("argos-sync emulator ended before it listened")
            yield listening[1]
        finally:
            process.terminate()


def measure(way: str, base_url: str, folder: Path) -> Cost:
    """Run one way of loading in a fresh process.

    Args:
        way: A name in `ways.WAYS`.
        base_url: Of the emulator.
        folder: Empty; becomes the process's working directory, so that no configuration file of
            the repository counts.

    Raises:
        BenchmarkError: It failed.
    """
    command = [sys.executable, _HERE / "ways.py", way, "--base-url", base_url, "--folder", folder]
    output = folder / "output"
    with output.open("w") as stdout, (folder / "log").open("w") as log:
        began, began_at = time.perf_counter(), time.time()
        process = subprocess.Popen(
            command, stdout=stdout, stderr=log, cwd=folder, env=_environment()
        )
        # Only wait4 tells the memory of this one child.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = (folder / "log").read_text()[-4000:]
        raise BenchmarkError(f"{way} ended with exit code {process.returncode}:\n{said}")
    started_at = datetime.fromisoformat(json.loads(output.read_text())["started_at"])
    bytes_a_unit = 1 if sys.platform == "darwin" else 1024
    return Cost(
        seconds=seconds,
        start_up=started_at.timestamp() - began_at,
        cpu=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss * bytes_a_unit / 1_000_000,
    )


def check_loaded(way: str, folder: Path, submissions: int) -> None:
    """Check that every submission is in the file, once.

    In a process of its own: what a child is charged for memory is at least what its parent has.

    Raises:
        BenchmarkError: It is not so.
    """
    command = [sys.executable, "-c", _COUNT, str(folder / "loaded.duckdb")]
    counted = subprocess.run(command, capture_output=True, text=True, check=False)
    if counted.stdout.split() != [str(submissions)] * 2:
        found = counted.stdout.strip() or counted.stderr.strip()
        raise BenchmarkError(
            f"{way} loaded not {submissions} submissions: rows and distinct ids are {found}"
        )


def _environment() -> dict[str, str]:
    """Return this process's environment, with compiled imports kept and no settings of its own."""
    settings = ("SOURCES__", "DESTINATION__")
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith(settings)
    }
