"""One run: load fetched chunks, update the views for analysts, and record how the run ended."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import pyarrow.compute as pc

from argos_sync.api import RequestStats
from argos_sync.api.errors import ArgosError
from argos_sync.config import Settings
from argos_sync.fetch.checkpoint import State
from argos_sync.fetch.chunks import Chunk
from argos_sync.fetch.job import ClientOptions, FetchJob
from argos_sync.fetch.protection import Protection
from argos_sync.fetch.windows import DateRange
from argos_sync.load.pipeline import Warehouse
from argos_sync.run.committer import Committer
from argos_sync.run.context import Context, RunClock
from argos_sync.run.diff import Diff, column_values, count_first_fetches_by_day, diff_chunk
from argos_sync.run.erasure import Eraser
from argos_sync.run.history import history_rows
from argos_sync.run.journal import run_record, too_many_deletions_issue
from argos_sync.run.summary import RunSummary
from argos_sync.run.telemetry import RunTrace, trace_each
from argos_sync.shape.contract import HISTORY, QUARANTINE, SUBMISSIONS
from argos_sync.warehouse.multi_project import drop_project_views, update_project_views
from argos_sync.warehouse.rows import (
    mark_fetched,
    stored_history,
    stored_quarantine_ids,
    stored_submissions,
)
from argos_sync.warehouse.submissions import Period
from argos_sync.warehouse.view_updates import update_views

log = logging.getLogger("argos_sync")

_MAX_SECONDS_WITHOUT_COMMIT = 10.0
"""A killed run repeats at most this much fetching of unchanged submissions."""


@dataclass(slots=True)
class Coverage:
    """What a run has read, for the post-run checks.

    Attributes:
        returned_by_day: Submissions the API returned, by UTC day of `created_at`.
        complete: UTC days that were read completely.
        repaired: UTC days that were compared with the source one submission at a time, and match.
        all_rows: Whether the checks look at all rows instead of changed ones.
    """

    returned_by_day: Counter[date] = field(default_factory=Counter)
    complete: Sequence[DateRange] = ()
    repaired: Sequence[DateRange] = ()
    all_rows: bool = False


@dataclass(slots=True)
class Run:
    """One run of a command that writes to a warehouse.

    The exit status is the one of a run in which nothing fails. `requests_before` has the requests
    of other runs by UTC day.
    """

    context: Context
    warehouse: Warehouse
    summary: RunSummary
    protection: Protection
    committer: Committer
    eraser: Eraser
    clock: RunClock
    trace: RunTrace = field(default_factory=RunTrace)
    coverage: Coverage = field(default_factory=Coverage)
    exit_status: int = 0
    requests_before: Mapping[date, int] = field(default_factory=dict)
    _counted: RequestStats = field(default_factory=RequestStats)
    _is_recorded: bool = False
    _has_views: bool = False

    @property
    def period(self) -> Period:
        """Return the time from the start of the run until now."""
        return Period(self.summary.started_at, self.clock())

    def client_options(self, page_size: int | None = None) -> ClientOptions:
        """Return the options of an API client, which spends the rest of the day's requests."""
        used = Counter(self.requests_before) + self.summary.requests_by_day
        return self.context.client_options(page_size, used)

    def fetch(self, job: FetchJob, *, final: bool = True) -> None:
        """Fetch and load chunk by chunk until all tasks of a job are done.

        If the run ends with this job, its last chunk also commits the run record, which saves a
        load package.

        Raises:
            ArgosError: Committed chunks stay; the next run resumes after them.
        """
        chunks_of = self.context.chunks
        self._counted = RequestStats()
        with chunks_of(job, self.context.progress.page_fetched, self.count_requests) as chunks:
            for chunk in trace_each(self.trace, "fetch", chunks):
                if final and chunk.last:
                    self._end(None)
                    self._is_recorded = True
                with self.trace.span("load", submissions=chunk.submissions):
                    self._load(chunk)
                self.ensure_views()
                del chunk  # its rows must not stay in memory while the next one is built

    def finish(self, error: ArgosError | None = None) -> None:
        """Record how the run ended, if the warehouse can still be written to."""
        if error is not None or not self._is_recorded:
            self._end(error)
            with suppress(ArgosError) if error else nullcontext():
                self.committer.commit(run_record(self.summary))
        if error is None:
            self.ensure_views()

    def ensure_views(self) -> None:
        """Create the views for analysts as soon as their tables exist.

        The first commit creates the tables. For a partition the views were already created before
        it was opened (`opening`).
        """
        if self._has_views or self.warehouse.shared is not None or not self.warehouse.has_tables:
            return
        self._has_views = True
        self.committer.remember(update_analyst_views(self.warehouse, self.context.settings))

    def count_deleted(self, number: int) -> None:
        """Count submissions that were marked as deleted."""
        self.summary.submissions_deleted += number
        self._is_recorded = self._is_recorded and not number

    def report_too_many_deletions(self, count: int, requested: int) -> None:
        """Record as an issue that more submissions are missing than may be marked as deleted."""
        self._is_recorded = False
        self.summary.issues += 1
        self.summary.note = (
            f"{count} of {requested} submissions are gone from the source,"
            " too many to mark them as deleted; check with reconcile --dry-run"
        )
        self.committer.commit(too_many_deletions_issue(self.summary))

    def count_requests(self, stats: RequestStats) -> None:
        """Count what a client has sent since the last call about it.

        It is called with every chunk, so that other runs see the requests of a long run.
        """
        self.summary.count_requests(stats.since(self._counted))
        self._counted = stats

    def _end(self, error: ArgosError | None) -> None:
        self.summary.ended_at = self.context.clock()
        self.summary.exit_status = error.exit_code if error else self.exit_status
        self.summary.error = type(error).__name__ if error else None

    def _load(self, chunk: Chunk) -> None:
        """Commit new and changed submissions of a chunk; erase those on the suppression list."""
        if chunk.stats:
            self.count_requests(chunk.stats)
        client = self.warehouse.client
        stored = stored_submissions(client, chunk.fetched["submission_id"].to_pylist())
        if chunk.fetched.num_rows:
            self.clock.advance(pc.max(chunk.fetched["_synced_at"]).as_py())
        quarantined = stored_quarantine_ids(
            client, column_values(chunk.tables, QUARANTINE, "quarantine_id")
        )
        self.coverage.returned_by_day.update(
            count_first_fetches_by_day(chunk.fetched, stored, self.period, chunk.stubs)
        )
        diff = diff_chunk(
            chunk.tables,
            chunk.fetched,
            stored,
            quarantined,
            chunk.stubs,
            # Otherwise a submission that was erased after its deletion would come back as a stub.
            loads_unknown_stubs=self.context.settings.erase_deleted_after_days is None,
        )
        history = stored_history(client, [*diff.changed, *diff.deleted])
        suppressed = list(stored_submissions(client, chunk.suppressed))
        suppressed_quarantine = list(stored_quarantine_ids(client, chunk.suppressed_quarantine))
        # Independent of the commit below: these submissions were fetched and are unchanged.
        mark_fetched(client, diff.unchanged, pc.min(chunk.fetched["_synced_at"]).as_py())
        chunk.tables.clear()  # from here on only the rows to load stay in memory
        self._count(chunk, diff)
        tables = diff.tables
        row_count = sum(rows.num_rows for rows in tables.values())
        tables |= run_record(self.summary)
        if SUBMISSIONS in tables:
            tables[HISTORY] = history_rows(tables, history, self.warehouse.sections)
        stubs = [*diff.deleted, *(key for key in diff.changed if key in chunk.stubs)]
        if stubs:
            self.eraser.erase_beside_merge(stubs, is_stored=not stored.keys().isdisjoint(stubs))
        # A person may be listed by e-mail address only. Their submissions' ids are added to the
        # suppression list when they are fetched.
        suppressions = self.eraser.suppression_rows(
            [("submission_id", key) for key in chunk.suppressed]
        )
        if suppressed or suppressed_quarantine:
            # Erase before the chunk counts as read, so that a failed erasure is tried again.
            self.eraser.erase(suppressed, suppressions, quarantine_ids=suppressed_quarantine)
            self._is_recorded = False
            suppressions = {}
        self.committer.advance(chunk.plan, chunk.ledger)
        if row_count or suppressions or self._must_commit(chunk):
            tables |= suppressions
            self.committer.commit(tables)
        self.summary.rows += row_count
        self.context.progress.chunk_loaded(self.summary)

    def _must_commit(self, chunk: Chunk) -> bool:
        """Whether to commit a chunk without new or changed submissions.

        A load package costs as much as fetching thousands of submissions again. So the progress
        waits for the next commit, except when the plan has more windows, when the run ends, or
        when the last commit is too long ago.
        """
        is_unfinished = chunk.plan is not None and not chunk.plan.finished
        is_end = self._is_recorded or (chunk.last and self.committer.has_progress)
        overdue = self.committer.seconds_since_commit >= _MAX_SECONDS_WITHOUT_COMMIT
        return is_unfinished or is_end or overdue

    def _count(self, chunk: Chunk, diff: Diff) -> None:
        self.summary.submissions_fetched += chunk.submissions
        self.summary.submissions_new += diff.new
        self.summary.submissions_changed += len(diff.changed)
        self.summary.submissions_unchanged += len(diff.unchanged)
        self.summary.submissions_deleted += len(diff.deleted)
        self.summary.issues += chunk.issues
        self.summary.windows += sum(entry.progress.done for entry in chunk.ledger)


def update_analyst_views(warehouse: Warehouse, settings: Settings) -> State:
    """Create views and comments where they are missing or outdated; return the state's changes.

    Rows do not depend on views, so an error is logged and does not fail the run; the state then
    does not change. The tables must exist.
    """
    try:
        views = update_views(
            warehouse.client,
            warehouse.state.get("views"),
            contract=warehouse.existing,
            drop_dependents=partial(drop_project_views, warehouse, settings),
        )
        return {"views": views, "project_views": update_project_views(warehouse, settings, views)}
    except Exception as error:  # noqa: BLE001 the text may quote values
        log.warning(
            "the views for analysts could not be updated (%s); the next run tries again",
            type(error).__name__,
        )
        return {}
