"""Run the installed command `argos-sync` as a user does: a process in a folder."""

import json
import logging
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import pytest

from argos_sync.cli import app, exit_codes
from argos_sync.fetch.process.spawn import FetchProcess
from cli.fork_server import can_fork, run_in_fork

EXECUTABLE = Path(sys.executable).parent / "argos-sync"
TIMEOUT_SECONDS = 120
"""The longest a command may take before the test fails."""


@dataclass
class Command:
    """Run `argos-sync` in a folder, with a minimal environment.

    Attributes:
        folder: Its working directory, its home, and the place of the default warehouse.
        settings: Environment variables of every run.
        private: Texts that no run may ever print.
        executable: The console script.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    executable: Path = EXECUTABLE

    @property
    def environment(self) -> dict[str, str]:
        """Return all environment variables, including those that coverage needs."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "SOURCES__ARGOS__COMPLETENESS") or name.startswith("COVERAGE_")
        }
        folders = {"HOME": str(self.folder), "DLT_DATA_DIR": str(self.folder / "dlt")}
        return inherited | folders | self.settings

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command and return its process."""
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen(
            [self.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            **streams,
        )

    def finish(self, process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        """Wait for the end of a process, and check that it printed nothing private."""
        with process:
            try:
                out, err = process.communicate(timeout=TIMEOUT_SECONDS)
            finally:
                process.kill()
        return self.check(subprocess.CompletedProcess(process.args, process.returncode, out, err))

    def check(self, done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
        """Check that a run printed nothing private."""
        output = f"{done.stdout or ''}{done.stderr or ''}"
        assert not [text for text in self.private if text in output]
        assert "Traceback" not in output
        return done

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; usually in a fork, which saves the imports."""
        if options or self.executable != EXECUTABLE or not can_fork(self.environment):
            return self.finish(self.start(*arguments, **options))
        name = str(self.executable)
        return self.check(
            run_in_fork(name, arguments, self.folder, self.environment, TIMEOUT_SECONDS)
        )

    def __call__(
        self, *arguments: str, code: int = 0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, and check its exit code."""
        done = self.run(*arguments, **options)
        assert done.returncode == code, f"exit {done.returncode}: {done.stderr}"
        return done

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run a command with `--json`, and return the one object that it prints."""
        summary = json.loads(self(*arguments, "--json", code=code).stdout)
        assert isinstance(summary, dict)
        return summary

    def error_line(self, *arguments: str, code: int) -> str:
        """Run a command that fails, and return its message, which is one line on stderr."""
        done = self(*arguments, code=code)
        lines = done.stderr.splitlines()
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("argos-sync: ")
        assert done.stdout == ""
        return lines[0].removeprefix("argos-sync: ")

    def rows(
        self, query: str, *, file: str = "kyc", dataset: str = "argos"
    ) -> list[tuple[Any, ...]]:
        """Query a dataset of a DuckDB file in the folder."""
        path = self.folder / f"{file}.duckdb"
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute(f"SET TimeZone = 'UTC'; USE {dataset}")
            return connection.execute(query).fetchall()


def run_in_process(*arguments: str) -> int:
    """Run the command line in this process, leave logging as it was, and return the exit code."""
    root, package = logging.getLogger(), logging.getLogger("argos_sync")
    before = root.level, root.handlers[:], package.level
    try:
        return exit_codes.run(
            lambda: app.app([*arguments], "argos-sync", standalone_mode=False),
            arguments,
        )
    finally:
        root.level, root.handlers[:], package.level = before


class CommandInProcess(Command):
    """Run the same command line in this process, which takes no time to start.

    It starts no fetch process, so it cannot fetch.
    """

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        assert not options
        out, err = StringIO(), StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.folder)
            for name in os.environ:
                patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setattr(FetchProcess, "start", lambda _: None)
            code = run_in_process(*arguments)
        return self.check(
            subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
        )
