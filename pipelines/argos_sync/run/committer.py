"""Commit in one load package what belongs together.

That is the rows of a chunk (`fetch.chunks` decides how many), the source's state (plan, cursors,
other facts) and the ledger of windows. So an interrupted plan resumes exactly after its last
committed rows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from argos_sync.fetch.checkpoint import State, drop_cursors, save_plan
from argos_sync.fetch.clock import Clock
from argos_sync.fetch.ledger import LedgerEntry, Plan
from argos_sync.load.pipeline import Warehouse
from argos_sync.run.journal import TableRows, window_records
from argos_sync.run.summary import RunSummary


@dataclass(slots=True)
class Committer:
    """Commits rows together with the progress and the facts collected since the last commit."""

    warehouse: Warehouse
    summary: RunSummary
    clock: Clock
    _facts: State = field(default_factory=dict)
    _plan: Plan | None = None
    _latest: Plan | None = None
    _ledger: dict[str, LedgerEntry] = field(default_factory=dict)
    _committed_at: float = field(default_factory=monotonic)

    @property
    def state(self) -> State:
        """Return the state of the source after the next commit, except for the plan."""
        return self.warehouse.state | self._facts

    @property
    def has_progress(self) -> bool:
        """Whether a plan has advanced since the last commit."""
        return self._plan is not None

    @property
    def seconds_since_commit(self) -> float:
        """Return the seconds since the last commit, or since the start of the run."""
        return monotonic() - self._committed_at

    def remember(self, facts: Mapping[str, object]) -> None:
        """Add facts to the state that the next commit saves."""
        self._facts |= facts

    def save(self, facts: Mapping[str, object]) -> None:
        """Commit facts in a load package of their own, before rows that cannot be used without.

        The rows of a package and its state are several transactions: a process that is killed, or
        runs out of space, between them leaves rows without the facts. Facts that are already
        committed cost no package; plan and ledger wait for the next commit.
        """
        committed = self.warehouse.state
        changes = {name: value for name, value in facts.items() if committed.get(name) != value}
        if changes:
            self.warehouse.load({}, lambda state: state.update(changes))

    def advance(self, plan: Plan | None, ledger: Sequence[LedgerEntry]) -> None:
        """Add the progress of a plan and its windows to the next commit."""
        self._plan = plan or self._plan
        self._latest = self._plan or self._latest
        self._ledger |= {entry.name: entry for entry in ledger}

    def latest(self, plan: Plan | None) -> Plan | None:
        """Return a plan as it is after the last chunk of this run."""
        if plan and self._latest and (plan.name, plan.id) == (self._latest.name, self._latest.id):
            return self._latest
        return plan

    def commit(self, rows: TableRows, erased_ids: Collection[str] = ()) -> None:
        """Commit rows, facts, plan and ledger in one load package; see `Warehouse.load` for errors.

        Args:
            rows: By contract table. Emptied as soon as the rows are in files on disk.
            erased_ids: Submissions that no stored cursor may mention any longer.
        """
        # Reset first: if the rows are refused, the progress that belongs to them must not be saved.
        plan, ledger = self._plan, tuple(self._ledger.values())
        self._plan, self._ledger = None, {}
        if ledger:
            rows |= window_records(self.summary, ledger, self.clock())

        def update_state(state: State) -> None:
            state.update(self._facts)
            if plan is not None:
                save_plan(state, plan)
            drop_cursors(state, erased_ids)

        self.warehouse.load(rows, update_state)
        self._committed_at = monotonic()
