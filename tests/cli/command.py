"""The installed command `argos-sync`, run as a user runs it: a process in a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

EXECUTABLE = Path(sys.executable).parent / "argos-sync"
SECONDS = 120
"""The longest a command may take before the test fails."""


@dataclass
class Command:
    """`argos-sync` in a folder, with an environment that says nothing else.

    Attributes:
        folder: Where it runs, its home, and where the default warehouse appears.
        settings: Environment variables for every run.
        private: Texts that no run may ever print.
        executable: The console script.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    executable: Path = EXECUTABLE

    @property
    def environment(self) -> dict[str, str]:
        """All environment variables; coverage of a process started by a test needs its own."""
        kept = {k: v for k, v in os.environ.items() if k == "PATH" or k.startswith("COVERAGE_")}
        own = {"HOME": str(self.folder), "DLT_DATA_DIR": str(self.folder / "dlt")}
        return kept | own | self.settings

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Starts a command and leaves it running."""
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen(
            [self.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            **streams,
        )

    def finish(self, process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        """Waits for the end, and checks that nothing private was printed."""
        with process:
            try:
                out, err = process.communicate(timeout=SECONDS)
            finally:
                process.kill()
        said = f"{out or ''}{err or ''}"
        assert not [text for text in self.private if text in said]
        assert "Traceback" not in said
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def __call__(
        self, *arguments: str, code: int = 0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, and checks its exit code."""
        done = self.finish(self.start(*arguments, **options))
        assert done.returncode == code, f"exit {done.returncode}: {done.stderr}"
        return done

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Runs a command with `--json`; what it prints is one object and nothing else."""
        summary = json.loads(self(*arguments, "--json", code=code).stdout)
        assert isinstance(summary, dict)
        return summary

    def says(self, *arguments: str, code: int) -> str:
        """Runs a command that fails; the one line it says about it."""
        done = self(*arguments, code=code)
        lines = done.stderr.splitlines()
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("argos-sync: ")
        assert done.stdout == ""
        return lines[0].removeprefix("argos-sync: ")

    def rows(
        self, query: str, *, file: str = "kyc", dataset: str = "argos"
    ) -> list[tuple[Any, ...]]:
        """Asks a dataset of a DuckDB file in the folder."""
        path = self.folder / f"{file}.duckdb"
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute(f"SET TimeZone = 'UTC'; USE {dataset}")
            return connection.execute(query).fetchall()
