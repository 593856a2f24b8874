"""Start and stop the fetch process.

Decoding and shaping in a thread would compete with dlt for Python's interpreter lock; a process has
a core of its own. It is started as a command, because `multiprocessing` imports the caller's main
module again, which not every main module allows.

This module imports nothing heavy: the earlier the process starts, the more of its imports run in
parallel with the caller's.
"""

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Self

_SECONDS_TO_EXIT = 10.0
_NAMES_WITHOUT_SECTION = frozenset(
    ("API_KEY", "ENCRYPTION_KEY", "CREDENTIALS", "PASSWORD", "SLACK_INCOMING_WEBHOOK_URL")
)


@dataclass(slots=True)
class FetchProcess:
    """The fetch process; a context manager that stops the process when it exits."""

    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the process early, so that it is ready when it is needed."""
        self.start()
        return self

    def __exit__(self, exc_type: object, *_: object) -> None:
        """Let the process exit once it is idle; kill it after an error."""
        if exc_type is None and self._process is not None:
            _close(self._process.stdin)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_SECONDS_TO_EXIT)
        self.kill()

    def start(self) -> subprocess.Popen[bytes]:
        """Return the process; start it if it is not running."""
        if self._process is None:
            self._process = subprocess.Popen(
                # Without -P, a module run by name imports from the working directory.
                [sys.executable, "-P", "-m", "argos_sync.fetch.process.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # A traceback may contain personal values.
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
        return self._process

    def kill(self) -> None:
        """Kill the process; uncommitted pages are fetched again by the next run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            _close(process.stdin)
            _close(process.stdout)


def _close(pipe: IO[bytes] | None) -> None:
    # The rest of the buffer cannot be sent to a process that has exited.
    with suppress(OSError):
        if pipe is not None:
            pipe.close()


def _environment() -> dict[str, str]:
    """Return the environment without settings, which include keys and passwords.

    dlt's names of settings have sections, joined by two underscores, or are the last part alone.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if "__" not in name.strip("_")
        and name.upper() not in _NAMES_WITHOUT_SECTION
        # Telemetry is sent from the main process only; its settings include keys too.
        and not name.upper().startswith("OTEL_")
    }
