"""The numbers of one run, for `sync_runs`, the JSON summary and the progress display."""

from collections import Counter
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, Protocol

from argos_sync.api.stats import RequestStats
from argos_sync.shape.values import to_json
from argos_sync.warehouse.checks import CheckResult

_NOT_RECORDED = {"note", "rows", "seconds", "share_read", "checks"}


@dataclass(slots=True)
class RunSummary:
    """One run: the columns of `sync_runs`, and five attributes that are not recorded.

    Attributes:
        note: A sentence for the user; not recorded.
        rows: Rows loaded into all tables; not recorded.
        seconds: How long the run took, from opening the warehouse to closing it; not recorded,
            because the record is part of the last load. Set when a run has succeeded.
        share_read: Share of the plan's days that has been read, 0 to 1; None if that is not known.
        checks: Results of the post-run checks; recorded in `sync_checks`.
    """

    run_id: str
    command: str
    started_at: datetime
    ended_at: datetime | None = None
    completeness: str | None = None
    windows: int = 0
    pages: int = 0
    requests: int = 0
    requests_by_day: Counter[date] = field(default_factory=Counter)
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
    seconds: float = 0.0
    share_read: float | None = None
    checks: list[CheckResult] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return the row of `sync_runs`, with JSON as text."""
        row = self.as_json()
        return row | {"requests_by_day": to_json(row["requests_by_day"])}

    def as_json(self) -> dict[str, Any]:
        """Return what the JSON of a command has of the run."""
        row = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_RECORDED}
        by_day = {day.isoformat(): count for day, count in self.requests_by_day.items()}
        return row | {"requests_by_day": by_day}

    def add_note(self, text: str) -> None:
        """Add a sentence for the user to those that there are."""
        self.note = f"{self.note}; {text}" if self.note else text

    def count_requests(self, stats: RequestStats) -> None:
        """Add the requests of a client."""
        self.requests += stats.requests
        self.retries += stats.retries
        self.pages += stats.pages
        self.requests_by_day += stats.requests_by_day


class ProgressReporter(Protocol):
    """Receives the progress of a run, from the fetching thread and from the loading thread."""

    def run_opened(self, summary: RunSummary, /) -> None:
        """Report that the warehouse is open, and the summary of the run, which goes on changing."""

    def enter_stage(self, stage: str, /) -> None:
        """Report what the run does from now on, beside fetching and loading."""

    def page_fetched(self, task: str, items: int, /) -> None:
        """Report a page with some submissions of the task with this label."""

    def chunk_loaded(self, summary: RunSummary, /) -> None:
        """Report a loaded chunk, which the summary of the run includes."""


class NoProgress:
    """Ignores the progress."""

    def run_opened(self, summary: RunSummary) -> None:
        """Do nothing."""

    def enter_stage(self, stage: str) -> None:
        """Do nothing."""

    def page_fetched(self, task: str, items: int) -> None:
        """Do nothing."""

    def chunk_loaded(self, summary: RunSummary) -> None:
        """Do nothing."""
