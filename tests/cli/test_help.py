"""Help: complete, fast, and without heavy imports."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from argos_sync import __version__
from cli.command import EXECUTABLE, Command

pytestmark = pytest.mark.process

COMMANDS = (
    "demo",
    "sync",
    "backfill",
    "refresh",
    "reconcile",
    "status",
    "doctor",
    "forget",
    "suppressions",
    "reveal",
    "publish",
    "report",
    "emulator",
)


def test_no_command_prints_help(argos_sync: Command) -> None:
    """Without a command, the output is that of --help, and the exit code is 0."""
    text = argos_sync().stdout
    assert all(re.search(rf"^│ {name} ", text, re.MULTILINE) for name in COMMANDS)
    assert text.split() == argos_sync("--help").stdout.split()


def test_version(argos_sync: Command) -> None:
    """The version alone is on stdout."""
    done = argos_sync("--version")
    assert (done.stdout, done.stderr) == (f"{__version__}\n", "")


def test_help_is_fast(argos_sync: Command) -> None:
    """Help takes less than 1.6 times the CPU time of importing the libraries that draw it.

    The package is compiled, and the best of five runs counts: a ratio is the same on a slow
    computer.
    """
    package = Path(sys.modules["argos_sync"].__path__[0])
    subprocess.run([sys.executable, "-m", "compileall", "-q", package], check=True)
    environment = {k: v for k, v in argos_sync.environment.items() if k in ("PATH", "HOME")}

    def cpu_seconds(*command: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    seconds = [
        (
            cpu_seconds(str(EXECUTABLE), "--help"),
            cpu_seconds(sys.executable, "-c", "import typer.rich_utils"),
        )
        for _ in range(5)
    ]
    ours, libraries = map(min, zip(*seconds, strict=True))
    assert ours < 1.6 * libraries


def test_help_imports_nothing_heavy(argos_sync: Command) -> None:
    """Neither dlt nor its dependencies are imported before a command needs them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", EXECUTABLE, "--help"],
        check=True,
        capture_output=True,
        text=True,
        env=argos_sync.environment,
    )
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "argos_sync.cli.app" in imported
    assert imported.isdisjoint({"dlt", "duckdb", "pyarrow", "httpx", "pendulum", "cryptography"})


IMPORTED_AT_START = """
import os, sys
from argos_sync.cli.app import main
from argos_sync.fetch.process.spawn import FetchProcess

def start(self):
    os.write(1, " ".join({"dlt", "duckdb", "pyarrow", "httpx"} & set(sys.modules)).encode())
    os._exit(42)

FetchProcess.start = start
main()
"""
JANUARY = ("--from", "2025-01-01", "--to", "2025-01-31")


@pytest.mark.parametrize(
    "arguments", [["sync"], ["backfill", *JANUARY], ["refresh"], ["reconcile", *JANUARY]]
)
def test_the_fetch_process_starts_first(arguments: list[str], argos_sync: Command) -> None:
    """It starts before the heavy imports of the command, so that both import at the same time."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED_AT_START, *arguments],
        check=False,
        capture_output=True,
        env=argos_sync.environment,
    )
    assert (done.returncode, done.stdout) == (42, b"")
