"""One run: from tasks to committed chunks, and the record of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date
from time import monotonic

from argos_sync.api import RequestStats
from argos_sync.api.errors import ArgosError
from argos_sync.fetch.checkpoint import State, drop_cursors, save_plan
from argos_sync.fetch.chunks import Chunk
from argos_sync.fetch.job import ChunkSource, Clock, FetchJob, fetch_in_thread
from argos_sync.fetch.plan import Plan
from argos_sync.fetch.protection import NO_PROTECTION, Protection
from argos_sync.fetch.windows import DateRange
from argos_sync.fetch.work import LedgerEntry
from argos_sync.load.errors import destination_errors
from argos_sync.load.pipeline import Warehouse
from argos_sync.run.deletions import DeletionCandidates
from argos_sync.run.diff import (
    Diff,
    count_first_fetches_by_day,
    diff_chunk,
    earliest_fetch,
    quarantine_ids,
)
from argos_sync.run.erasure import Identifier, erase
from argos_sync.run.history import history_rows
from argos_sync.run.journal import (
    TableRows,
    erasure_records,
    gone_issue,
    run_record,
    suppression_records,
    window_records,
)
from argos_sync.run.summary import ProgressReporter, RunSummary
from argos_sync.run.telemetry import RunTrace, trace_each
from argos_sync.shape.contract import HISTORY, SUBMISSIONS
from argos_sync.shape.suppression import suppression_hash
from argos_sync.warehouse.rows import (
    mark_fetched,
    stored_history,
    stored_quarantine_ids,
    stored_submissions,
)

_SECONDS_WITHOUT_NEWS = 10.0
"""So much reading of what is as it was may be lost with a run that is killed."""


@dataclass(slots=True)
class Run:
    """One run of a command that loads.

    Attributes:
        warehouse: Where it loads to.
        report: What it has done so far.
        progress: Told about it.
        clock: Injected, so that tests own the time.
        protection: What happens to submissions before they become rows.
        learned: Facts about the server, committed with the next chunk.
        exit_status: How the run ends when nothing fails.
        erased: Whether anybody was erased.
        feed: Where it has its chunks from.
        returned: How many submissions the API returned, by day (UTC) of `created_at`.
        whole: Days (UTC) that were read whole.
        repaired: Days (UTC) that were compared with the source one submission at a time, and
            are as it has them.
        seen: Who watches the run.
        checks_all: Whether the checks in the end look at all rows, not only at what is new.
        once_loaded: Called after the first commit, which makes the tables where there are none.
    """

    warehouse: Warehouse
    report: RunSummary
    progress: ProgressReporter
    clock: Clock
    protection: Protection = NO_PROTECTION
    learned: State = field(default_factory=dict)
    exit_status: int = 0
    erased: bool = False
    feed: ChunkSource = fetch_in_thread
    returned: Counter[date] = field(default_factory=Counter)
    whole: Sequence[DateRange] = ()
    repaired: Sequence[DateRange] = ()
    seen: RunTrace = field(default_factory=RunTrace)
    checks_all: bool = False
    once_loaded: Callable[[], object] | None = None
    _recorded: bool = False
    _plan: Plan | None = None
    _steps: dict[str, LedgerEntry] = field(default_factory=dict)
    _committed_at: float = field(default_factory=monotonic)

    def read(self, reading: FetchJob, *, final: bool = True) -> None:
        """Read and load until all tasks are done, chunk by chunk.

        Args:
            reading: What to read.
            final: Whether the run ends with it. Its last chunk then also brings the record of how
                the run ended, which saves a package of its own.

        Raises:
            ArgosError: What was committed before stays; the next run goes on from there.
        """
        with self.feed(reading, self.progress.fetched, self.count_requests) as chunks:
            for chunk in trace_each(self.seen, "fetch", chunks):
                if final and chunk.last:
                    self._end(None)
                    self._recorded = True
                with self.seen.span("load", submissions=chunk.submissions):
                    self._load(chunk)
                del chunk  # its rows must not stay in memory while the next is waited for

    def finish(self, error: ArgosError | None = None) -> None:
        """Record how the run ended, as far as the warehouse can still be written to."""
        if error is None and self._recorded:
            return
        self._end(error)
        with suppress(ArgosError) if error else nullcontext():
            self.add(run_record(self.report))

    def add(self, rows: TableRows, forgotten: Collection[str] = ()) -> None:
        """Commit rows, with what was learned and how far the reading has come.

        Args:
            rows: By contract table.
            forgotten: Submissions that no place to go on from may name any more.
        """
        self._take(dict(rows), forgotten)

    def _take(self, rows: TableRows, forgotten: Collection[str] = ()) -> None:
        """Commit rows as `add` does, and take them from where they are as soon as that is done."""
        # Taken first: if the rows are refused, what was read with them does not count as read.
        plan, steps = self._plan, tuple(self._steps.values())
        self._plan, self._steps = None, {}
        if steps:
            rows |= window_records(self.report, steps, self.clock())
        self.warehouse.load(rows, self._update_state(plan, forgotten))
        self._committed_at = monotonic()
        follow, self.once_loaded = self.once_loaded, None
        if follow:
            follow()

    def note_deleted(self, number: int) -> None:
        """Count submissions that were marked as deleted."""
        self.report.submissions_deleted += number
        self._recorded = self._recorded and not number

    def note_too_many_gone(self, gone: DeletionCandidates) -> None:
        """Tell, and leave an issue, that more is gone than may be marked."""
        self._recorded = False
        self.report.issues += 1
        self.report.note = (
            f"{gone.count} of {gone.of} submissions are gone from the source, too many to mark them"
            " as deleted; look into it with reconcile --dry-run"
        )
        self.add(gone_issue(self.report))

    def count_requests(self, stats: RequestStats) -> None:
        """Add a client's numbers."""
        self.report.requests += stats.requests
        self.report.retries += stats.retries
        self.report.pages += stats.pages

    def _end(self, error: ArgosError | None) -> None:
        self.report.ended_at = self.clock()
        self.report.exit_status = error.exit_code if error else self.exit_status
        self.report.error = type(error).__name__ if error else None

    def suppress(self, identifiers: Iterable[Identifier]) -> TableRows:
        """Return rows of the list of who must not come back; nothing for who is on it.

        The key they need is learned, and so committed with them.
        """
        wanted = list(identifiers)
        if not wanted:
            return {}
        state = self.warehouse.state | self.learned
        key_id, key, kept = self.protection.suppression_key(state)
        self.learned |= kept
        hashes = {(kind, suppression_hash(key, kind, value)) for kind, value in wanted}
        fresh = sorted(one for one in hashes if one[1] not in self.protection.suppression.hashes)
        at = self.clock()
        return suppression_records(self.report, fresh, key_id, at) if fresh else {}

    def erase(
        self,
        submission_ids: Sequence[str],
        listed: TableRows,
        known_by: Iterable[Identifier] = (),
        quarantine_ids: Sequence[str] = (),
    ) -> dict[str, int]:
        """Erase submissions for good, leave proof, and return the rows erased by table.

        Args:
            submission_ids: Which ones.
            listed: Rows of the list of who must not come back. They are committed first: whatever
                happens then, nobody does, and the same again erases what is left.
            known_by: What else the person is known by.
            quarantine_ids: Objects in quarantine that are known to be the person's.
        """
        client, policy = self.warehouse.client, self.protection.policy
        self.add(listed, submission_ids)
        with destination_errors():
            counts = erase(
                client,
                policy,
                submission_ids,
                known_by,
                quarantine_ids,
                proof=lambda counts: erasure_records(self.report, counts, self.clock()),
            )
        self.erased = True
        self._recorded = False
        return counts

    def _load(self, chunk: Chunk) -> None:
        client, sections = self.warehouse.client, self.warehouse.sections
        with destination_errors():
            known = stored_submissions(client, chunk.seen["submission_id"].to_pylist())
            quarantined = stored_quarantine_ids(client, quarantine_ids(chunk.tables))
            self.returned.update(
                count_first_fetches_by_day(chunk.seen, known, self.report.started_at)
            )
            changes = diff_chunk(chunk.tables, chunk.seen, known, quarantined)
            before = stored_history(client, changes.changed)
            forgotten = list(stored_submissions(client, chunk.suppressed))
            lost = list(stored_quarantine_ids(client, chunk.suppressed_quarantine))
            # True whatever becomes of the chunk: they were fetched, and found as they are.
            mark_fetched(client, changes.unchanged, earliest_fetch(chunk.seen))
        chunk.tables.clear()  # from here on memory holds only what is to be loaded
        self._count(chunk, changes)
        tables = changes.tables
        rows = sum(one.num_rows for one in tables.values())
        tables |= run_record(self.report)
        if SUBMISSIONS in tables:
            tables[HISTORY] = history_rows(tables, before, sections)
        # A person may be known by an address only; their submissions are then listed as they come.
        listed = self.suppress(("submission_id", key) for key in chunk.suppressed)
        if forgotten or lost:
            # Before the chunk counts as read, so that what fails is tried again.
            self.erase(forgotten, listed, quarantine_ids=lost)
            listed = {}
        self._plan = chunk.plan or self._plan
        self._steps |= {step.name: step for step in chunk.steps}
        # A package costs as much as it takes to read thousands of submissions again, so what was
        # found as it is waits for the next one, unless how far a plan has come, or how the run
        # ended, comes with it.
        unfinished = chunk.plan is not None and not chunk.plan.finished
        ends = self._recorded or (chunk.last and self._plan is not None)
        news = rows or listed or unfinished or ends
        if news or monotonic() - self._committed_at >= _SECONDS_WITHOUT_NEWS:
            tables |= listed
            self._take(tables)
        self.report.rows += rows
        self.progress.loaded(self.report, rows)

    def _update_state(
        self, plan: Plan | None, forgotten: Collection[str]
    ) -> Callable[[State], None]:
        def update(state: State) -> None:
            state.update(self.learned)
            if plan is not None:
                save_plan(state, plan)
            drop_cursors(state, forgotten)

        return update

    def _count(self, chunk: Chunk, changes: Diff) -> None:
        self.report.submissions_fetched += chunk.submissions
        self.report.submissions_new += changes.new
        self.report.submissions_changed += len(changes.changed)
        self.report.submissions_unchanged += len(changes.unchanged)
        self.report.issues += chunk.issues
        self.report.windows += sum(step.progress.done for step in chunk.steps)
