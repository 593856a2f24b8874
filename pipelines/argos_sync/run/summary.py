"""What a run has done: the numbers of `sync_runs`, of the JSON summary and of the progress."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Protocol

from argos_sync.warehouse.checks import CheckResult

_NOT_RECORDED = {"note", "rows", "checks"}


@dataclass(slots=True)
class RunSummary:
    """One run; the attributes are the columns of `sync_runs`, and what only who started it is told.

    Attributes:
        note: What is to be known beside the numbers.
        rows: Rows loaded over all tables.
        checks: What was looked at in the end.
    """

    run_id: str
    command: str
    started_at: datetime
    ended_at: datetime | None = None
    windows: int = 0
    pages: int = 0
    requests: int = 0
    retries: int = 0
    submissions_fetched: int = 0
    submissions_new: int = 0
    submissions_changed: int = 0
    submissions_unchanged: int = 0
    submissions_deleted: int = 0
    issues: int = 0
    exit_status: int | None = None
    error: str | None = None
    note: str | None = None
    rows: int = 0
    checks: list[CheckResult] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return the row of `sync_runs`."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_RECORDED}


class ProgressReporter(Protocol):
    """Told what a run is doing; called from the thread that fetches and from the one that loads."""

    def fetched(self, task: str, items: int) -> None:
        """Note a page of a task."""

    def loaded(self, report: RunSummary, rows: int) -> None:
        """Note a chunk, with the rows it brought over all tables."""


class NoProgress:
    """Progress that nobody watches."""

    def fetched(self, task: str, items: int) -> None:
        """Do nothing."""

    def loaded(self, report: RunSummary, rows: int) -> None:
        """Do nothing."""
