"""Start the processes of a benchmark: the API, and one measured command at a time."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

_SAMPLE_SECONDS = 0.02
_MEMORY = re.compile(r"^Rss(Anon|File|Shmem):\s+(\d+) kB$", re.MULTILINE)


class BenchmarkError(Exception):
    """A process failed, or did not load what it should."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Time and memory of one command and its child processes.

    Attributes:
        seconds: From start to end, including imports.
        start_up: Seconds until its imports are done.
        cpu: CPU seconds of all threads and processes; steadier than `seconds` on a busy machine.
        peak_mb: Peak memory of all its processes together, in units of 1,000,000 bytes: the private
            memory of each, plus the mapped files (mostly libraries) of the process that maps most.
            Without /proc, the peak of the largest process alone.
    """

    seconds: float
    start_up: float
    cpu: float
    peak_mb: float

    @property
    def work(self) -> float:
        """Return the seconds after the imports."""
        return self.seconds - self.start_up


@contextmanager
def emulator(submissions: int, *options: str) -> Iterator[str]:
    """Serve made-up submissions of 2025 from a separate process; its lists are whole.

    Args:
        submissions: Number of submissions.
        *options: Further options of `argos-sync emulator`, which override these.

    Yields:
        The base URL.

    Raises:
        BenchmarkError: The process ended before it listened.
    """
    usual = ("--list", "whole", "--start-date", "2025-01-01", "--end-date", "2025-12-31")
    arguments = ("emulator", "-n", str(submissions), "--port", "0", *usual, *options)
    command = [str(installed_command()), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=without_settings()
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
        base_url: Base URL of the emulator.
        folder: An empty folder, which becomes the working directory of the process.

    Raises:
        BenchmarkError: The process failed.
    """
    options = ["--base-url", base_url, "--folder", str(folder)]
    return run_command([way, *options], {}, folder, python=(str(HERE / "ways.py"),))[0]


def run_command(
    arguments: Sequence[str], settings: Mapping[str, str], folder: Path, python: Sequence[str] = ()
) -> tuple[Cost, dict[str, Any]]:
    """Run a command in a fresh process, and return its cost and the summary that it prints.

    Args:
        arguments: Arguments of the command.
        settings: Additional environment variables.
        folder: Working directory of the process, without the repository's configuration files.
        python: Arguments of the Python interpreter, to run a script instead of the command.

    Raises:
        BenchmarkError: The process failed.
    """
    command = [sys.executable, *python] if python else [str(installed_command())]
    output, log = folder / "output", folder / "log"
    with output.open("w") as stdout, log.open("w") as stderr:
        started, started_time = time.perf_counter(), time.time()
        process = subprocess.Popen(
            [*command, *arguments],
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            env=without_settings() | dict(settings),
        )
        with _sample_memory(process.pid) as peak:
            # Only wait4 returns the usage of this one child and of the processes it waited for.
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        name = " ".join([Path(*python[:1]).name or "argos-sync", *arguments[:1]])
        log_end = log.read_text()[-4000:]
        raise BenchmarkError(f"{name} ended with exit code {process.returncode}:\n{log_end}")
    summary = json.loads(output.read_text())
    started_at = datetime.fromisoformat(summary["started_at"])
    largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cost = Cost(
        seconds=seconds,
        start_up=started_at.timestamp() - started_time,
        cpu=usage.ru_utime + usage.ru_stime,
        peak_mb=max(*peak, largest) / 1_000_000,
    )
    return cost, summary


def query_file(query: str, file: Path, *arguments: str) -> Any:
    """Run a query of `warehouse.py` on a DuckDB file, and return its result.

    It runs in a separate process, because memory used here would count for every child process.

    Args:
        query: A name in `warehouse.QUERIES`.
        file: A DuckDB file that no process has open.
        *arguments: Arguments of the query.

    Raises:
        BenchmarkError: The query failed.
    """
    command = [sys.executable, str(HERE / "warehouse.py"), query, str(file), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"query {query} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout)


def check_loaded(way: str, folder: Path, submissions: int) -> None:
    """Check that the file has every submission exactly once.

    Raises:
        BenchmarkError: Submissions are missing or duplicated.
    """
    rows, ids = query_file("count", folder / "loaded.duckdb")
    if (rows, ids) != (submissions, submissions):
        raise BenchmarkError(
            f"{way} should load {submissions} submissions, but loaded {rows} rows with {ids} ids"
        )


@contextmanager
def _sample_memory(pid: int) -> Iterator[list[int]]:
    """Measure the memory of a process and its descendants again and again.

    Yields:
        The peak in bytes, as the only element of a list.
    """
    peak, ended = [0], threading.Event()

    def sample() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            peak[0] = max(peak[0], _memory(pid))

    thread = threading.Thread(target=sample, name="memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def _memory(pid: int) -> int:
    """Return the memory that `Cost.peak_mb` defines, in bytes; see proc_pid_status(5)."""
    private, mapped = 0, 0
    for process in _process_tree(pid):
        with suppress(OSError):  # the process has ended
            memory = dict(_MEMORY.findall(Path(f"/proc/{process}/status").read_text()))
            private += int(memory.get("Anon", 0))
            mapped = max(mapped, int(memory.get("File", 0)) + int(memory.get("Shmem", 0)))
    return (private + mapped) * 1024


def _process_tree(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended
            for child in children.read_text().split():
                yield from _process_tree(int(child))


def installed_command() -> Path:
    """Return the path of `argos-sync` in the environment of this process."""
    return Path(sys.executable).with_name("argos-sync")


def without_settings() -> dict[str, str]:
    """Return the environment without settings of argos-sync, and with cached bytecode."""
    settings = ("SOURCES__", "DESTINATION__")
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith(settings)
    }
