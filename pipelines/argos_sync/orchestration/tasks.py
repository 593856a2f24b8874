"""Run a command as a Dagster task, and report its progress, result and failure.

Dagster stores only what passes through this module: the counts of a run, and an error as one line.
Errors of other packages may quote values, so only their class is reported.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import dagster as dg

from argos_sync.api.errors import AccessDenied, ArgosError, ConfigurationError
from argos_sync.commands.reconcile import TooManyDeletions
from argos_sync.config import Orchestration, load_settings, refuse_unknown_keys
from argos_sync.fetch.process.parent import fetch_in_process
from argos_sync.fetch.process.spawn import FetchProcess
from argos_sync.load.target import Target
from argos_sync.process import restrict_permissions
from argos_sync.run.context import Context
from argos_sync.run.summary import NoProgress, RunSummary

_PERMANENT_ERRORS = (ConfigurationError, AccessDenied, TooManyDeletions)
"""Errors that a retry cannot resolve."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class TaskLog(NoProgress):
    """Log progress to a Dagster logger, one line per chunk: one per page would be too many."""

    log: logging.Logger

    def chunk_loaded(self, summary: RunSummary) -> None:
        """Log the totals so far."""
        self.log.info(
            "%s so far: submissions %s, rows %s, windows %s",
            summary.command,
            *(f"{n:,}" for n in (summary.submissions_fetched, summary.rows, summary.windows)),
        )


def make_target(settings: Orchestration) -> Target:
    """Return the warehouse that tasks load into."""
    return Target(
        settings.destination_name,
        settings.dataset_name,
        settings.pipelines_dir,
        allow_untried=settings.allow_untried,
    )


def run_command(
    settings: Orchestration, log: logging.Logger, command: Callable[[Context], _Result]
) -> _Result:
    """Run a command as the command line does, fetching in a process of its own.

    Raises:
        dagster.Failure: The command failed.
    """

    def work() -> _Result:
        with FetchProcess() as child:
            chunks = partial(fetch_in_process, child)
            refuse_unknown_keys()
            target = make_target(settings)
            return command(Context(load_settings(), target, TaskLog(log), chunks=chunks))

    return report_failures(work)


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


def run_metadata(summary: RunSummary) -> dict[str, Any]:
    """Return the metadata of a materialization: what a finished run has done.

    Raises:
        dagster.Failure: The run ended with another exit code than 0. A retry would end so again.
    """
    if summary.exit_status:
        raise dg.Failure(
            summary.note, metadata={"exit_code": summary.exit_status}, allow_retries=False
        )
    excluded = {"started_at", "ended_at", "exit_status", "error"}
    counts = {name: value for name, value in summary.row().items() if name not in excluded}
    note = {"note": summary.note} if summary.note else {}
    return {"rows": summary.rows, "seconds": summary.seconds} | counts | note
