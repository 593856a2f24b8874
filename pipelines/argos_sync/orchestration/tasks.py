"""Run a command as a Dagster task, and report its progress, result and failure.

Dagster stores only what passes through this module: the counts of a run, and an error as one line.
Errors of other packages may quote values, so only their class is reported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg

from argos_sync.api.errors import AccessDenied, ArgosError, ConfigurationError
from argos_sync.commands.reconcile import TooManyDeletions
from argos_sync.config import Orchestration, load_settings
from argos_sync.fetch.process.parent import fetch_in_process
from argos_sync.fetch.process.spawn import FetchProcess
from argos_sync.load.target import Target
from argos_sync.process import restrict_permissions
from argos_sync.run.context import Context
from argos_sync.run.summary import RunSummary

if TYPE_CHECKING:
    from collections.abc import Iterator

_PERMANENT_ERRORS = (ConfigurationError, AccessDenied, TooManyDeletions)
"""Errors that a retry cannot resolve."""

_Result = TypeVar("_Result")


class TaskLog:
    """Log progress, one line per chunk, and count the rows of all tables."""

    def __init__(self, log: logging.Logger) -> None:
        """Log to a Dagster logger."""
        self._log = log
        self.rows = 0

    def page_fetched(self, task: str, items: int) -> None:
        """Do nothing: one line per page would be too many."""

    def chunk_loaded(self, report: RunSummary, rows: int) -> None:
        """Log a chunk."""
        self.rows += rows
        self._log.info(
            f"{report.command}: {report.submissions_fetched:,} submissions, {self.rows:,} rows,"
            f" {report.windows} windows done"
        )


def make_target(settings: Orchestration) -> Target:
    """Return the warehouse that tasks load into."""
    return Target(settings.destination_name, settings.dataset_name, settings.pipelines_dir)


def run_command(
    settings: Orchestration, log: logging.Logger, command: Callable[[Context], _Result]
) -> tuple[_Result, int]:
    """Run a command as the command line does.

    Args:
        settings: Warehouse to load into.
        log: Logger for one line per chunk.
        command: Function of a command; takes the context.

    Returns:
        The command's result, and the number of rows it loaded into all tables.

    Raises:
        dagster.Failure: The command failed.
    """
    progress = TaskLog(log)

    def work() -> _Result:
        with _context(settings, progress) as context:
            return command(context)

    return report_failures(work), progress.rows


def report_failures(work: Callable[[], _Result]) -> _Result:
    """Call a function, and convert its exception to a one-line failure without values.

    Raises:
        dagster.Failure: The function raised. Dagster retries unless the error is permanent.
    """
    restrict_permissions()
    try:
        return work()
    except ArgosError as error:
        failure = dg.Failure(
            str(error),
            metadata={"exit_code": error.exit_code, "kind": type(error).__name__},
            allow_retries=not isinstance(error, _PERMANENT_ERRORS),
        )
    except Exception as error:  # noqa: BLE001 a traceback would show values
        kind = type(error).__name__
        advice = "run the same command of argos-sync with -v and report what it prints"
        failure = dg.Failure(f"unexpected {kind}; {advice}", metadata={"kind": kind})
    # Raised outside `except`, or Dagster would store the original error as its context.
    raise failure


def run_metadata(report: RunSummary, rows: int) -> dict[str, Any]:
    """Return the metadata of a materialization.

    Args:
        report: Summary of the finished run.
        rows: Number of rows loaded into all tables.
    """
    ended = report.ended_at or report.started_at
    excluded = {"started_at", "ended_at", "exit_status", "error"}
    counts = {name: value for name, value in report.row().items() if name not in excluded}
    seconds = round((ended - report.started_at).total_seconds(), 3)
    note = {"note": report.note} if report.note else {}
    return {"rows": rows, "seconds": seconds} | counts | note


@contextmanager
def _context(settings: Orchestration, progress: TaskLog) -> Iterator[Context]:
    """Yield the context of a command, fetching in a process of its own."""
    with FetchProcess() as child:
        yield Context(
            load_settings(),
            make_target(settings),
            progress,
            chunks=partial(fetch_in_process, child),
        )
