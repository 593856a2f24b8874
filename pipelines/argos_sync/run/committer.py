"""Commit rows of a run together with the state and the ledger that belong to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from argos_sync.fetch.checkpoint import State, drop_cursors, save_plan
from argos_sync.fetch.job import Clock
from argos_sync.fetch.plan import LedgerEntry, Plan
from argos_sync.load.pipeline import Warehouse
from argos_sync.run.journal import TableRows, window_records
from argos_sync.run.summary import RunSummary


@dataclass(slots=True)
class Committer:
    """Commits rows, and with them the progress and the facts collected since the last commit.

    Attributes:
        warehouse: Open for writing.
        summary: The run, named in the ledger.
        clock: The current time.
    """

    warehouse: Warehouse
    summary: RunSummary
    clock: Clock
    _facts: State = field(default_factory=dict)
    _plan: Plan | None = None
    _ledger: dict[str, LedgerEntry] = field(default_factory=dict)
    _committed_at: float = field(default_factory=monotonic)

    @property
    def state(self) -> State:
        """Return the source's state as it will be after the next commit, without the plan."""
        return self.warehouse.state | self._facts

    @property
    def has_progress(self) -> bool:
        """Whether a plan has advanced since the last commit."""
        return self._plan is not None

    @property
    def seconds_since_commit(self) -> float:
        """Return the seconds since the last commit, or since the run began."""
        return monotonic() - self._committed_at

    def remember(self, facts: Mapping[str, object]) -> None:
        """Add facts to the state with the next commit."""
        self._facts |= facts

    def advance(self, plan: Plan | None, ledger: Sequence[LedgerEntry]) -> None:
        """Save how far a plan and its windows have come with the next commit."""
        self._plan = plan or self._plan
        self._ledger |= {entry.name: entry for entry in ledger}

    def commit(self, rows: TableRows, forgotten: Collection[str] = ()) -> None:
        """Commit rows, facts, plan and ledger in one load package.

        Args:
            rows: By contract table. Emptied as soon as the rows are on disk.
            forgotten: Submissions that no stored cursor may name any longer.

        Raises:
            DestinationError: The destination is locked or not reachable.
            LoadError: The destination refused the rows.
        """
        # Reset first: if the rows are refused, what was read with them does not count as read.
        plan, ledger = self._plan, tuple(self._ledger.values())
        self._plan, self._ledger = None, {}
        if ledger:
            rows |= window_records(self.summary, ledger, self.clock())
        self.warehouse.load(rows, self._update_state(plan, forgotten))
        self._committed_at = monotonic()

    def _update_state(
        self, plan: Plan | None, forgotten: Collection[str]
    ) -> Callable[[State], None]:
        def update(state: State) -> None:
            state.update(self._facts)
            if plan is not None:
                save_plan(state, plan)
            drop_cursors(state, forgotten)

        return update
