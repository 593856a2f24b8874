"""The process that fetches, seen from the one that loads.

Decoding and shaping in a thread would take turns with dlt, for Python runs one of them at a time;
in a process of their own they have a core of their own. It is started as a command, because
`multiprocessing` imports the caller's main module again, and that may not be made for it.

Nothing heavy is imported here: the sooner the process is started the more of its own imports run
beside the caller's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

_SECONDS_TO_END = 10.0


@dataclass(slots=True)
class FetchProcess:
    """A process that fetches; a context manager, and no such process is left behind it."""

    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it, so that it is ready when it is needed."""
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let it end if it is idle, end it if it is not needed any more."""
        if exc is None:
            self.leave()
        self.end()

    def start(self) -> subprocess.Popen[bytes]:
        """Return the process, started if there is none."""
        if self._process is None:
            self._process = subprocess.Popen(
                # Unlike this process a module run by name would import from the working folder.
                [sys.executable, "-P", "-m", "argos_sync.fetch.process.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # What a dying interpreter prints may hold anybody's values.
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
        return self._process

    def leave(self) -> int:
        """Tell it that nothing is wanted any more, wait, and return its exit code."""
        process = self.start()
        _close(process.stdin)
        try:
            return process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def end(self) -> None:
        """End it now, whatever it does; there is nothing in it that would be lost."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            _close(process.stdin)
            _close(process.stdout)


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with suppress(OSError):  # what was not sent to a process that is gone
            pipe.close()


def _environment() -> dict[str, str]:
    """Return the environment without settings, among them keys and passwords.

    dlt's names for them have sections, joined by two underscores, or are its last part alone.
    """
    bare = ("API_KEY", "ENCRYPTION_KEY", "CREDENTIALS", "PASSWORD", "SLACK_INCOMING_WEBHOOK_URL")
    return {
        name: value
        for name, value in os.environ.items()
        if "__" not in name.strip("_")
        and name.upper() not in bare
        # Of what is sent from here; among them are keys too.
        and not name.upper().startswith("OTEL_")
    }
