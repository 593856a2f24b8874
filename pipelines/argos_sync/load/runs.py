"""One run: from tasks to committed chunks, and the record of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

import pyarrow as pa

from argos_sync.api import Stats
from argos_sync.api.errors import ArgosError
from argos_sync.load.changes import compare, quarantine_ids, submission_ids
from argos_sync.load.chunks import Chunk, ChunkBuilder
from argos_sync.load.failures import destination_failures
from argos_sync.load.feed import feed
from argos_sync.load.known import known_hashes, known_quarantine, touch
from argos_sync.load.pipeline import Warehouse
from argos_sync.load.reading import Clock, Reading, producer
from argos_sync.load.report import Progress, RunReport
from argos_sync.load.state import Plan, State, store_plan
from argos_sync.shape.columns import arrow_schema
from argos_sync.shape.contract import RUNS, WINDOWS, load_contract
from argos_sync.shape.values import to_json


@dataclass(slots=True)
class Run:
    """One run of a command that loads.

    Attributes:
        warehouse: Where it loads to.
        report: What it has done so far.
        progress: Told about it.
        clock: Injected, so that tests own the time.
        learned: Facts about the server, committed with the next chunk.
    """

    warehouse: Warehouse
    report: RunReport
    progress: Progress
    clock: Clock
    learned: State = field(default_factory=dict)

    def read(self, reading: Reading, plan: Plan | None = None, *, final: bool = True) -> None:
        """Read and load until all tasks are done, chunk by chunk.

        Args:
            reading: What to read.
            plan: Whose progress is committed with each chunk; None when nothing is resumable.
            final: Whether the run ends with it. Its last chunk then also brings the record of how
                the run ended, which saves a package of its own.

        Raises:
            ArgosError: What was committed before stays; the next run goes on from there.
        """
        if not reading.tasks:
            return

        builder = ChunkBuilder(
            self.report.run_id, reading.wanted, reading.sections, size=reading.chunk_size
        )
        fetched, ended = self.progress.fetched, self._count_requests
        with feed(producer(reading, builder, fetched=fetched, ended=ended)) as chunks:
            for chunk in chunks:
                if final and chunk.last:
                    self._end(None)
                plan = self._load(chunk, plan)
                del chunk  # its rows must not stay in memory while the next is waited for

    def finish(self, error: ArgosError | None = None) -> None:
        """Record how the run ended, as far as the warehouse can still be written to."""
        if error is None and self.report.exit_status == 0:
            return
        self._end(error)
        with suppress(ArgosError) if error else nullcontext():
            self.warehouse.load({RUNS: self._run_row()}, self._update_state(None))

    def _end(self, error: ArgosError | None) -> None:
        self.report.ended_at = self.clock()
        self.report.exit_status = error.exit_code if error else 0
        self.report.error = type(error).__name__ if error else None

    def _load(self, chunk: Chunk, plan: Plan | None) -> Plan | None:
        with destination_failures():
            client = self.warehouse.client
            known = known_hashes(client, submission_ids(chunk.tables))
            quarantined = known_quarantine(client, quarantine_ids(chunk.tables))
        changes = compare(chunk.tables, known, quarantined)
        self._count(chunk, changes.new, changes.changed, len(changes.unchanged))
        tables = changes.tables | {RUNS: self._run_row()}
        if plan is not None:
            plan = plan.after(chunk.progress)
            tables[WINDOWS] = self._window_rows(plan, chunk)
        self.warehouse.load(tables, self._update_state(plan))
        with destination_failures():
            touch(self.warehouse.client, changes.unchanged, self.clock())
        self.progress.loaded(self.report, sum(rows.num_rows for rows in changes.tables.values()))
        return plan

    def _update_state(self, plan: Plan | None) -> Callable[[State], None]:
        def update(state: State) -> None:
            state.update(self.learned)
            if plan is not None:
                store_plan(state, plan)

        return update

    def _count_requests(self, stats: Stats) -> None:
        self.report.requests += stats.requests
        self.report.retries += stats.retries
        self.report.pages += stats.pages

    def _count(self, chunk: Chunk, new: int, changed: int, unchanged: int) -> None:
        self.report.submissions_fetched += chunk.submissions
        self.report.submissions_new += new
        self.report.submissions_changed += changed
        self.report.submissions_unchanged += unchanged
        self.report.issues += chunk.issues
        self.report.windows += sum(progress.done for progress in chunk.progress.values())

    def _run_row(self) -> pa.Table:
        schema = arrow_schema(load_contract()[RUNS])
        return pa.Table.from_pylist([self.report.row()], schema=schema)

    def _window_rows(self, plan: Plan, chunk: Chunk) -> pa.Table:
        rows = []
        for name in chunk.progress:
            window, progress = plan.windows[name]
            rows.append(
                {
                    "window_id": name,
                    "run_id": self.report.run_id,
                    "command": self.report.command,
                    "window_from": window.start,
                    "window_to": window.end,
                    "state": "done" if progress.done else "running",
                    "page_key": to_json(progress.cursor) if progress.cursor else None,
                    "rows_loaded": progress.rows,
                    "finished_at": self.clock() if progress.done else None,
                }
            )
        return pa.Table.from_pylist(rows, schema=arrow_schema(load_contract()[WINDOWS]))
