"""One run: load fetched chunks, update the views for analysts, and record how the run ended."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import date

import pyarrow.compute as pc

from argos_sync.api.errors import ArgosError
from argos_sync.api.stats import RequestStats
from argos_sync.fetch.chunks import Chunk
from argos_sync.fetch.clock import RunClock
from argos_sync.fetch.job import ClientOptions, FetchJob
from argos_sync.fetch.protection import Protection
from argos_sync.fetch.quarantine import quarantine_issue_id
from argos_sync.fetch.windows import DateRange
from argos_sync.load.pipeline import Warehouse
from argos_sync.process import interrupt_exit_code
from argos_sync.run.analyst_views import update_analyst_views
from argos_sync.run.committer import Committer
from argos_sync.run.content_guard import ContentGuard
from argos_sync.run.context import Context
from argos_sync.run.diff import (
    Diff,
    column_values,
    count_first_fetches_by_day,
    days_of,
    diff_chunk,
    drop_rows,
)
from argos_sync.run.erasure import Eraser
from argos_sync.run.journal import run_record, too_many_deletions_issue, unreadable_issue
from argos_sync.run.misfits import Misfits
from argos_sync.run.summary import RunSummary
from argos_sync.run.telemetry import RunTrace, trace_each
from argos_sync.run.timelines import Timelines
from argos_sync.shape.contract import ISSUES, QUARANTINE
from argos_sync.warehouse.checks import CheckResult
from argos_sync.warehouse.drift import Drift
from argos_sync.warehouse.quarantine import mark_received, release, stored_objects
from argos_sync.warehouse.rows import (
    StoredSubmission,
    delete_children,
    mark_fetched,
    stored_child_rows,
    stored_submissions,
)
from argos_sync.warehouse.submissions import Period

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
        damaged: UTC days of unchanged submissions that have lost rows, or have too many.
        all_rows: Whether the checks look at all rows instead of changed ones.
    """

    returned_by_day: Counter[date] = field(default_factory=Counter)
    complete: Sequence[DateRange] = ()
    repaired: Sequence[DateRange] = ()
    damaged: set[date] = field(default_factory=set)
    all_rows: bool = False


@dataclass(slots=True)
class Run:
    """One run of a command that writes to a warehouse.

    The exit status is the one of a run in which nothing fails. `requests_before` has the requests
    of other runs by UTC day. The rows of `damaged` submissions differ from those that were loaded,
    so they count as changed whatever their content hash, and `rewrites_unchanged` loads the rows of
    all other submissions, too. With `drift`, new submissions are compared with the usual ones.
    `quarantined` counts the objects the run has received that cannot be read, `undated` those of
    them that have a submission id, and `values_fit` has the results of `misfits` once everything
    is loaded. Once it `has_sample`, a row of a list has been compared with the submission.
    """

    context: Context
    warehouse: Warehouse
    summary: RunSummary
    protection: Protection
    committer: Committer
    eraser: Eraser
    content_guard: ContentGuard
    clock: RunClock
    trace: RunTrace = field(default_factory=RunTrace)
    coverage: Coverage = field(default_factory=Coverage)
    exit_status: int = 0
    rewrites_unchanged: bool = False
    damaged: AbstractSet[str] = frozenset()
    requests_before: Mapping[date, int] = field(default_factory=dict)
    drift: Drift | None = None
    quarantined: int = 0
    undated: int = 0
    misfits: Misfits = field(default_factory=Misfits)
    values_fit: Sequence[CheckResult] = ()
    has_sample: bool = False
    _counted: RequestStats = field(default_factory=RequestStats)
    _is_recorded: bool = False
    _has_views: bool = False

    @property
    def has_quarantine(self) -> bool:
        """Whether the table exists with all columns; an earlier version made it without some."""
        return self.warehouse.has_column(QUARANTINE, "last_run_id")

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
                if final and chunk.last and not self.content_guard.days:
                    self._end(None)
                    self._is_recorded = True
                with self.trace.span("load", submissions=chunk.submissions):
                    self._load(chunk)
                self.ensure_views()
                del chunk  # its rows must not stay in memory while the next one is built

    def report_unreadable(self, failure: ArgosError) -> None:
        """Record as an issue that the run fails, although all that it could read is loaded."""
        self.summary.issues += 1
        self.summary.add_note(failure.message)
        self.committer.commit(unreadable_issue(self.summary))

    def finish(self, error: ArgosError | KeyboardInterrupt | None = None) -> None:
        """Record how the run ended, if the warehouse can still be written to.

        An interrupt is Ctrl-C, or a signal that ended the process.
        """
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

    def report_too_many_deletions(self, count: int, requested: int, days: Collection[date]) -> None:
        """Record as an issue that more submissions are missing than may be marked as deleted.

        The next sync reads their days again.
        """
        self._is_recorded = False
        self.summary.issues += 1
        self.summary.add_note(
            f"{count} of {requested} submissions are gone from the source,"
            " too many to mark them as deleted; check with reconcile --dry-run"
        )
        self.committer.advance(None, self.content_guard.record_missing(days))
        self.committer.commit(too_many_deletions_issue(self.summary))

    def report_section_losses(self, note: str, exit_status: int) -> None:
        """Record that too many submissions came back without a section to replace them."""
        self._is_recorded = False
        self.exit_status = exit_status
        self.summary.issues += 1
        self.summary.add_note(note)

    def count_requests(self, stats: RequestStats) -> None:
        """Count what a client has sent since the last call about it.

        It is called with every chunk, so that other runs see the requests of a long run.
        """
        self.summary.count_requests(stats.since(self._counted))
        self._counted = stats

    def _end(self, error: ArgosError | KeyboardInterrupt | None) -> None:
        self.summary.ended_at = self.context.clock()
        if isinstance(error, KeyboardInterrupt):
            self.summary.exit_status = interrupt_exit_code(error)
        else:
            self.summary.exit_status = error.exit_code if error else self.exit_status
        self.summary.error = type(error).__name__ if error else None

    def _load(self, chunk: Chunk) -> None:
        """Commit new and changed submissions of a chunk; erase those on the suppression list."""
        if chunk.stats:
            self.count_requests(chunk.stats)
        client = self.warehouse.client
        stored = stored_submissions(client, chunk.fetched["submission_id"].to_pylist())
        damaged = self._damaged_in(chunk, stored)
        stored |= {key: replace(stored[key], content_hash="") for key in damaged}
        if chunk.fetched.num_rows:
            self.clock.advance(pc.max(chunk.fetched["_synced_at"]).as_py())
        quarantined = self._receive_quarantined(chunk)
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
            rewrites_unchanged=self.rewrites_unchanged,
        )
        emptied = self._withhold(chunk, diff, stored)
        diff = diff.without(emptied)
        self.coverage.damaged |= self._damaged_days(chunk, diff)
        timelines = self._stored_timelines(diff)
        suppressed = list(stored_submissions(client, chunk.suppressed))
        suppressed_quarantine = list(stored_objects(client, chunk.suppressed_quarantine))
        # Independent of the commit below: these submissions were fetched and are unchanged.
        fetched_at = pc.min(chunk.fetched["_synced_at"]).as_py()
        mark_fetched(client, diff.unchanged, fetched_at)
        chunk.tables.clear()  # from here on only the rows to load stay in memory
        self._count(chunk, diff)
        tables = diff.tables
        if self.drift is not None:
            self.drift = self.drift.with_new(tables, stored.keys())
            self.committer.remember({"drift": self.drift.to_state()})
        self.misfits.count(client, tables)
        row_count = sum(rows.num_rows for rows in tables.values())
        tables |= run_record(self.summary)
        tables |= timelines.rows(tables, diff, damaged, self.warehouse, self.protection.policy)
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
        emptied_days = self.content_guard.record_days(emptied.values())
        self.committer.advance(chunk.plan, (*chunk.ledger, *emptied_days))
        if row_count or suppressions or emptied or self._must_commit(chunk):
            tables |= suppressions
            self.committer.commit(tables)
        # After the ledger has their days: they came, but a later sync must ask for them again.
        mark_fetched(client, list(emptied), fetched_at)
        if self.has_quarantine:
            release(client, chunk.fetched["submission_id"].to_pylist())
        self.summary.rows += row_count
        self.context.progress.chunk_loaded(self.summary)

    def _withhold(
        self, chunk: Chunk, diff: Diff, stored: Mapping[str, StoredSubmission]
    ) -> dict[str, date]:
        """Return the submissions not to load yet, with their days; see `content_guard`."""
        emptied = self.content_guard.withhold(diff, chunk.fetched, stored, chunk.stubs)
        if emptied and self._is_recorded:
            self._is_recorded = False
            self.summary.ended_at = self.summary.exit_status = None
        return emptied

    def _stored_timelines(self, diff: Diff) -> Timelines:
        """Return the timelines of a chunk's submissions, and delete rows that lack a submission.

        A merge finds old rows through `submissions`: those that have lost their submission would
        stay beside the new ones. The status history shows them.
        """
        client = self.warehouse.client
        timelines = Timelines.read(client, diff)
        checks_all = self.rewrites_unchanged or self.coverage.all_rows
        orphaned = [key for key in diff.unknown if checks_all or key in timelines.history]
        # A partition is only opened once all tables exist.
        if orphaned and (self.warehouse.has_tables or self.warehouse.shared is not None):
            delete_children(client, self.warehouse.sections, orphaned)
        return timelines

    def _receive_quarantined(self, chunk: Chunk) -> set[str]:
        """Count a chunk's quarantined objects, and return the ids of those stored unchanged.

        Their submissions have been fetched: what cannot be read is not gone. The rows of these
        submissions stay as they are. Their issues, which the run that stored them has recorded, are
        dropped from the chunk.
        """
        client, run_id = self.warehouse.client, self.summary.run_id
        ids = column_values(chunk.tables, QUARANTINE, "quarantine_id")
        if not ids:
            return set()
        hashes = column_values(chunk.tables, QUARANTINE, "_content_hash")
        stored = stored_objects(client, ids) if self.has_quarantine else {}
        submission_ids = column_values(chunk.tables, QUARANTINE, "submission_id")
        first = [
            submission_id
            for key, submission_id in zip(ids, submission_ids, strict=True)
            if key not in stored or stored[key].last_run_id != run_id
        ]
        self.quarantined += len(first)
        self.undated += sum(submission_id is not None for submission_id in first)
        unchanged = {
            key
            for key, content_hash in zip(ids, hashes, strict=True)
            if key in stored and stored[key].content_hash == content_hash
        }
        mark_received(client, sorted(unchanged), run_id)
        recorded = [quarantine_issue_id(run_id, key) for key in unchanged]
        chunk.tables[ISSUES] = drop_rows(chunk.tables[ISSUES], "issue_id", recorded)
        received_at = pc.min(chunk.tables[QUARANTINE]["received_at"]).as_py()
        stored_ids = stored_submissions(client, list(filter(None, submission_ids)))
        mark_fetched(client, list(stored_ids), received_at)
        return unchanged

    def _damaged_days(self, chunk: Chunk, diff: Diff) -> set[date]:
        """Return the days of unchanged submissions that have another number of rows."""
        ids = [key for key in diff.unchanged if key in chunk.child_rows]
        stored = stored_child_rows(self.warehouse.client, self.warehouse.sections, ids)
        damaged = [key for key in ids if stored.get(key, 0) != chunk.child_rows[key]]
        return days_of(chunk.fetched, damaged)

    def _damaged_in(self, chunk: Chunk, stored: Mapping[str, StoredSubmission]) -> set[str]:
        """Return the damaged submissions of a chunk that the source has not changed."""
        columns = (chunk.fetched[name].to_pylist() for name in ("submission_id", "_content_hash"))
        versions = {key: stored[key] for key in self.damaged & stored.keys()}
        return {
            key
            for key, content_hash in zip(*columns, strict=True)
            if (row := versions.get(key))
            and row.content_hash == content_hash
            and (row.deleted_at is not None) == (key in chunk.stubs)
        }

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
        self.summary.submissions_unchanged += len(diff.unchanged) + len(diff.rewritten)
        self.summary.submissions_deleted += len(diff.deleted)
        self.summary.issues += diff.tables[ISSUES].num_rows if ISSUES in diff.tables else 0
        self.summary.windows += sum(entry.progress.done for entry in chunk.ledger)
        self.summary.share_read = chunk.plan.share_read if chunk.plan else None
