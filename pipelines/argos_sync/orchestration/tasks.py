"""What a task of a scheduler runs: a command, told of as the scheduler tells it.

Everything that reaches the scheduler's storage passes through here: numbers of a run, and errors
as one line. Foreign errors quote values, so only their kind is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg

from argos_sync.api.errors import AccessDenied, ArgosError, ConfigurationError
from argos_sync.cli.private import restrict_permissions
from argos_sync.commands.reconcile import TooManyDeletions
from argos_sync.config import Orchestration, load_settings
from argos_sync.fetch.process.parent import fetch_in_process
from argos_sync.fetch.process.spawn import FetchProcess
from argos_sync.load.pipeline import Target
from argos_sync.run.context import Context
from argos_sync.run.summary import RunSummary

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOR_GOOD = (ConfigurationError, AccessDenied, TooManyDeletions)
"""Errors that somebody has to look into: running again would say the same."""

_Result = TypeVar("_Result")


class TaskLog:
    """Progress as log lines, a line a chunk; counts the rows of all tables."""

    def __init__(self, log: logging.Logger) -> None:
        """Write to a log."""
        self._log = log
        self.rows = 0

    def fetched(self, task: str, items: int) -> None:
        """Do nothing: a page is too little to be told."""

    def loaded(self, report: RunSummary, rows: int) -> None:
        """Note a chunk."""
        self.rows += rows
        self._log.info(
            f"{report.command}: {report.submissions_fetched:,} submissions, {self.rows:,} rows,"
            f" {report.windows} windows done"
        )


def make_target(settings: Orchestration) -> Target:
    """Return where tasks load to."""
    return Target(settings.destination_name, settings.dataset_name, settings.pipelines_dir)


def run_command(
    settings: Orchestration, log: logging.Logger, command: Callable[[Context], _Result]
) -> tuple[_Result, int]:
    """Run a command as the command line does.

    Args:
        settings: Where to load to.
        log: Told of each chunk.
        command: Takes what every command needs.

    Returns:
        What the command returns, and how many rows it loaded over all tables.

    Raises:
        dagster.Failure: It failed.
    """
    lines = TaskLog(log)

    def work() -> _Result:
        with _context(settings, lines) as context:
            return command(context)

    return report_failures(work), lines.rows


def report_failures(work: Callable[[], _Result]) -> _Result:
    """Return what a function returns, and tell its failure in one line without anybody's values.

    Raises:
        dagster.Failure: It raised. Dagster tries again only where that may help.
    """
    restrict_permissions()
    try:
        return work()
    except ArgosError as error:
        failure = dg.Failure(
            str(error),
            metadata={"exit_code": error.exit_code, "kind": type(error).__name__},
            allow_retries=not isinstance(error, _FOR_GOOD),
        )
    except Exception as error:  # noqa: BLE001 the last stop before a traceback full of values
        kind = type(error).__name__
        advice = "run the same command of argos-sync with -v and report what it prints"
        failure = dg.Failure(f"unexpected {kind}; {advice}", metadata={"kind": kind})
    # Raised out here, it does not carry the error as its context, which Dagster would store.
    raise failure


def run_metadata(report: RunSummary, rows: int) -> dict[str, Any]:
    """Return what a run has done as the metadata of a materialization.

    Args:
        report: The run, ended.
        rows: What it loaded, over all tables.
    """
    ended = report.ended_at or report.started_at
    left_out = {"started_at", "ended_at", "exit_status", "error"}
    counts = {name: value for name, value in report.row().items() if name not in left_out}
    seconds = round((ended - report.started_at).total_seconds(), 3)
    note = {"note": report.note} if report.note else {}
    return {"rows": rows, "seconds": seconds} | counts | note


@contextmanager
def _context(settings: Orchestration, progress: TaskLog) -> Iterator[Context]:
    with FetchProcess() as child:
        yield Context(
            load_settings(), make_target(settings), progress, feed=partial(fetch_in_process, child)
        )
