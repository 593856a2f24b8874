"""The processes of a benchmark: one that serves, and one command at a time that is measured."""

from __future__ import annotations

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

_COMMAND = Path(sys.executable).with_name("argos-sync")
_SECONDS_BETWEEN_LOOKS = 0.02
_MEMORY = re.compile(r"^Rss(Anon|File|Shmem):\s+(\d+) kB$", re.MULTILINE)


class BenchmarkError(Exception):
    """A process failed, or did not do what it is measured at."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command took, with the processes it started itself.

    Attributes:
        seconds: From its start to its end, imports included.
        start_up: Seconds of it until its imports were done.
        cpu: Seconds of computing, in all threads and processes; steadier than `seconds` on a busy
            machine.
        peak_mb: Most memory of all its processes at one moment, in units of 1,000,000 bytes: what
            each has for itself, and the files they map (libraries, mostly) once, as much as the
            process that maps most. Where there is no /proc, of the largest process alone.
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
def emulator(submissions: int, *options: str) -> Iterator[str]:
    """Serve made-up submissions from a process of its own.

    Args:
        submissions: How many.
        *options: Further ones of `argos-sync emulator`.

    Yields:
        The base URL.

    Raises:
        BenchmarkError: It ended before it listened.
    """
    command = [_COMMAND, "emulator", "-n", str(submissions), "--port", "0", *options]
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
        folder: Empty; becomes the process's working directory.

    Raises:
        BenchmarkError: It failed.
    """
    options = ["--base-url", base_url, "--folder", str(folder)]
    return run_command([way, *options], {}, folder, python=(str(HERE / "ways.py"),))[0]


def run_command(
    arguments: Sequence[str], settings: Mapping[str, str], folder: Path, python: Sequence[str] = ()
) -> tuple[Cost, dict[str, Any]]:
    """Run a command in a fresh process, and return what it took and the summary it printed.

    Args:
        arguments: Of the command.
        settings: Environment variables it gets.
        folder: Becomes the process's working directory, so that no configuration file of the
            repository counts.
        python: Arguments of an interpreter that runs in place of the installed command.

    Raises:
        BenchmarkError: It failed.
    """
    command = [sys.executable, *python] if python else [str(_COMMAND)]
    output, log = folder / "output", folder / "log"
    with output.open("w") as stdout, log.open("w") as stderr:
        began, began_at = time.perf_counter(), time.time()
        process = subprocess.Popen(
            [*command, *arguments],
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            env=_environment() | dict(settings),
        )
        with _memory_watched(process.pid) as peak:
            # Only wait4 tells what this one child and the processes it waited for have used.
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        name = " ".join([Path(*python[:1]).name or "argos-sync", *arguments[:1]])
        said = log.read_text()[-4000:]
        raise BenchmarkError(f"{name} ended with exit code {process.returncode}:\n{said}")
    summary = json.loads(output.read_text())
    started_at = datetime.fromisoformat(summary["started_at"])
    largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cost = Cost(
        seconds=seconds,
        start_up=started_at.timestamp() - began_at,
        cpu=usage.ru_utime + usage.ru_stime,
        peak_mb=max(*peak, largest) / 1_000_000,
    )
    return cost, summary


def ask_file(question: str, file: Path, *arguments: str) -> Any:
    """Let `warehouse.py` do something with a DuckDB file, and return what it answers.

    In a process of its own: what a child is charged for memory is at least what its parent has.

    Args:
        question: A name in `warehouse.QUESTIONS`.
        file: That nobody has open.
        *arguments: Of the question.

    Raises:
        BenchmarkError: It failed.
    """
    command = [sys.executable, HERE / "warehouse.py", question, file, *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise BenchmarkError(f"asking a file for {question} failed:\n{answer.stderr[-4000:]}")
    return json.loads(answer.stdout)


def check_loaded(way: str, folder: Path, submissions: int) -> None:
    """Check that every submission is in the file, once.

    Raises:
        BenchmarkError: It is not so.
    """
    found = ask_file("count", folder / "loaded.duckdb")
    if found != [submissions] * 2:
        raise BenchmarkError(
            f"{way} loaded not {submissions} submissions: rows and distinct ids are {found}"
        )


@contextmanager
def _memory_watched(pid: int) -> Iterator[list[int]]:
    """Look at the memory of a process, and of those it starts, again and again.

    Yields:
        The most that was seen, in bytes, as the only element of a list.
    """
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            peak[0] = max(peak[0], _memory(pid))

    thread = threading.Thread(target=watch, name="memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def _memory(pid: int) -> int:
    """Return the bytes that `Cost.peak_mb` counts; see proc_pid_status(5) for their parts."""
    own, mapped = 0, 0
    for process in _family(pid):
        with suppress(OSError):  # it has ended meanwhile
            found = dict(_MEMORY.findall(Path(f"/proc/{process}/status").read_text()))
            own += int(found.get("Anon", 0))
            mapped = max(mapped, int(found.get("File", 0)) + int(found.get("Shmem", 0)))
    return (own + mapped) * 1024


def _family(pid: int) -> Iterator[int]:
    """Yield a process and all that it, or one of these, has started."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended meanwhile
            for child in children.read_text().split():
                yield from _family(int(child))


def _environment() -> dict[str, str]:
    """Return this process's environment, with compiled imports kept and no settings of its own."""
    settings = ("SOURCES__", "DESTINATION__")
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith(settings)
    }
