"""Write log lines to stderr: time in UTC, level, run id and message, as text or as JSON.

This module imports nothing heavy, because the command line needs it before anything else.
"""

import json
import logging
import sys
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from argos_sync.run.summary import RunSummary

LogFormat = Literal["text", "json"]

_NO_RUN = "-"
"""What stands for the run id before a run has begun."""

_MOST_BUFFERED = 1_000
"""Lines that a quiet command keeps; older ones are dropped."""


class LogHandler(logging.Handler):
    """Writes each record as one line; a quiet command's lines only once it has failed.

    Attributes:
        log_format: Whether lines are text or JSON objects.
        summary: The run that is going on; its id is in every line.
        write: Writes a line to stderr; a live display replaces it to stay below the lines.
    """

    def __init__(self, log_format: LogFormat = "text", *, quiet: bool = False) -> None:
        """Write at once, unless `quiet`."""
        super().__init__()
        self.log_format = log_format
        self.summary: RunSummary | None = None
        self.write: Callable[[str], object] = write_to_stderr
        self._buffered: deque[str] | None = deque(maxlen=_MOST_BUFFERED) if quiet else None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, without any traceback, whose text may quote values."""
        try:
            moment = datetime.fromtimestamp(record.created, UTC)
            line = format_line(
                self.log_format, record.levelname, record.getMessage(), moment, self.run_id
            )
            if self._buffered is None:
                self.write(line)
            else:
                self._buffered.append(line)
        except Exception:  # noqa: BLE001 as in every handler: a log line fails no run
            self.handleError(record)

    @property
    def run_id(self) -> str | None:
        """Return the id of the run that is going on."""
        return self.summary.run_id if self.summary else None

    def write_buffered(self) -> None:
        """Write the lines of a quiet command, and from now on all lines at once."""
        buffered, self._buffered = self._buffered or (), None
        for line in buffered:
            self.write(line)


def format_line(
    log_format: LogFormat,
    level: str,
    message: str,
    moment: datetime,
    run_id: str | None,
    **more: object,
) -> str:
    """Return a log line; `more` entries are only in JSON."""
    time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if log_format == "json":
        entry = {"time": time, "level": level.lower(), "run_id": run_id, "message": message}
        return json.dumps(entry | more, ensure_ascii=False)
    return f"{time} {level} {run_id or _NO_RUN} {' | '.join(message.splitlines())}"


def write_to_stderr(line: str) -> None:
    """Write a line to stderr, as it is at this moment."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def set_up_logging(log_format: LogFormat, *, verbose: bool, quiet: bool) -> None:
    """Send the log of this process to stderr; warnings only, of other packages."""
    handler = LogHandler(log_format, quiet=quiet)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("argos_sync").setLevel(logging.DEBUG if verbose else logging.INFO)


def current_handler() -> LogHandler:
    """Return the handler that `set_up_logging` has installed, or one of its kind before."""
    handlers = logging.getLogger().handlers
    return next((one for one in handlers if isinstance(one, LogHandler)), LogHandler())
