"""Withhold submissions that come back with less than before: the source may answer with holes.

A submission that has lost a section, or its attempts or matches, is never loaded when it is first
fetched: only its id, its day and the section are kept until the end of the run. Its rows, history
and content hash stay as they were, so the next fetch sees a difference again. Then `second_look`
decides. That takes one more request for each of them, of which a usual night has a few, and needs
no guess in the middle of a run: by a share of the chunks so far, the first small chunks would empty
what the later ones show to be a fault. A first sync has nothing to withhold.

A submission with fewer entries in a list than before is withheld, too. A list may rightly get
shorter, so this raises no alarm: the request by id decides.

The ledger of windows records the days of withheld submissions in the same commit as the chunk's
progress. If the run is killed, the next sync reads these days whatever their age. Days instead of
ids: a million withheld submissions are a few thousand rows, and an erasure has no id to remove.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from argos_sync.fetch.ledger import LedgerEntry, TaskProgress
from argos_sync.fetch.windows import Window, day_of
from argos_sync.load.pipeline import Warehouse
from argos_sync.run.diff import Diff, column_values
from argos_sync.shape.contract import Table, tables_for_sections
from argos_sync.shape.section_content import (
    LIST_OF_SECTION,
    SECTION_OF_LIST,
    SECTION_OF_TABLE,
    ids_with_values,
    value_columns,
)
from argos_sync.warehouse.rows import StoredSubmission, stored_rows_of
from argos_sync.warehouse.section_content import (
    count_fetched_with_values,
    stored_ids_with_values,
)
from argos_sync.warehouse.submissions import Period

_LEAST = 20
"""Fewer submissions than this may lose a section in a run, whatever their share."""

_MAX_SHORTER = 1_000
"""Submissions with shorter lists to withhold in a run. So many show whether the lists are right;
the others are loaded."""

_MAX_WITHHELD = 100_000
"""Ids to keep, about 25 MB. More than these are too many, whatever their share."""


@dataclass(frozen=True, slots=True)
class SectionLoss:
    """How many of the submissions with rows in a section's table came back without them.

    `stored` counts those that were fetched again, of which `lost` came without.
    """

    table: str
    lost: int
    stored: int

    @property
    def section(self) -> str:
        """Return the section to accept."""
        return SECTION_OF_TABLE[self.table]

    def exceeds(self, share: float) -> bool:
        """Whether too many have lost the section to believe it."""
        return self.lost >= _LEAST and self.lost > share * self.stored

    def __str__(self) -> str:
        """Return the numbers for people."""
        place = f" ({self.table})" if self.table != self.section else ""
        return f"{self.lost:,} of {self.stored:,} have lost {self.section}{place}"


@dataclass(slots=True)
class ContentGuard:
    """Withholds the submissions of a run that have lost something, and counts sections by table.

    Attributes:
        warehouse: The warehouse that the run writes to.
        run_id: Id of the run.
        accepted: Sections that may be lost.
        is_second_look: Whether the run is loading what it has withheld.
        withheld: UTC day of `created_at` of each withheld submission.
        days: UTC days that the run has recorded in the ledger.
        overflow: Days to read again of which no ids are kept.
        restored: Withheld submissions that the second look showed to be as before.
        unchecked: Days of submissions with shorter lists that were loaded as they came.
    """

    warehouse: Warehouse
    run_id: str
    accepted: AbstractSet[str] = frozenset()
    withheld: dict[str, date] = field(default_factory=dict)
    days: set[date] = field(default_factory=set)
    overflow: set[date] = field(default_factory=set)
    is_second_look: bool = False
    restored: dict[str, date] = field(default_factory=dict)
    unchecked: set[date] = field(default_factory=set)
    _shorter: set[str] = field(default_factory=set)
    _lost: dict[str, set[str]] = field(default_factory=dict)
    _more: Counter[str] = field(default_factory=Counter)
    _new: Counter[str] = field(default_factory=Counter)

    def withhold(
        self,
        diff: Diff,
        fetched: pa.Table,
        stored: Mapping[str, StoredSubmission],
        stubs: AbstractSet[str],
    ) -> dict[str, date]:
        """Return the submissions of a chunk that must not be loaded, with their days.

        Those that were withheld before, and came whole now, are not withheld any longer. Deletion
        stubs lose their sections rightly. See `diff_chunk` for the arguments.
        """
        changed = {key for key in diff.changed if key not in stubs and not stored[key].deleted_at}
        ids = fetched["submission_id"].to_pylist()
        lost = self._losses(diff, changed, stored)
        emptied = set().union(*lost.values())
        shorter = self._with_shorter_lists(diff, changed - emptied)
        if self.is_second_look:
            whole = self.withheld.keys() & set(ids) - stubs - emptied - shorter
            self.restored |= {key: self.withheld[key] for key in whole}
            lost, emptied, shorter = {}, set(), set()
        self._release(key for key in ids if key not in emptied and key not in shorter)
        if not (emptied or shorter):
            return {}
        days = dict(zip(ids, map(day_of, fetched["created_at"].to_pylist()), strict=True))
        self._count_emptied(lost, days)
        self.overflow |= {days[key] for key in emptied - self.withheld.keys()}
        return {key: days[key] for key in emptied | self._withhold_shorter(shorter, days)}

    def _count_emptied(self, lost: Mapping[str, set[str]], days: Mapping[str, date]) -> None:
        """Withhold the submissions that have lost a section, while there is room for their ids."""
        for table, keys in lost.items():
            room = max(0, _MAX_WITHHELD - len(self.withheld))
            kept = {key for key in keys if key in self.withheld}
            kept.update(sorted(keys - kept)[:room])
            self._more[table] += len(keys) - len(kept)
            self._lost.setdefault(table, set()).update(kept)
            self.withheld |= {key: days[key] for key in kept}

    def _withhold_shorter(self, shorter: set[str], days: Mapping[str, date]) -> set[str]:
        """Withhold some submissions with shorter lists, and return them."""
        kept = shorter & self._shorter
        kept.update(sorted(shorter - kept)[: _MAX_SHORTER - len(self._shorter)])
        self._shorter |= kept
        self.withheld |= {key: days[key] for key in kept}
        self.unchecked |= {days[key] for key in shorter - kept}
        return kept

    def record_days(self, days: Iterable[date]) -> list[LedgerEntry]:
        """Return the ledger's entries for days to read again, and for those of unchecked ones."""
        recorded = sorted({*days, *(self.unchecked - self.days)})
        self.days.update(recorded)
        return [
            LedgerEntry(self.window_id(day), Window(day, day), TaskProgress(), emptied=True)
            for day in recorded
        ]

    def record_missing(self, days: Iterable[date]) -> list[LedgerEntry]:
        """Return the entries of days whose submissions are missing, too many to believe it."""
        self.overflow.update(days)
        return self.record_days(days)

    def window_id(self, day: date) -> str:
        """Return the name of a day in the ledger, which is this run's own."""
        return f"{self.run_id}/emptied/{day}"

    def excessive_losses(self, share: float, period: Period) -> list[SectionLoss]:
        """Return the tables that more than a share of the submissions of a run have lost."""
        losses = []
        for table, keys in self._lost.items():
            count = len(keys) + self._more[table]
            if count < _LEAST:
                continue
            columns = self._stored_columns().get(table, ())
            fetched = count_fetched_with_values(self.warehouse.client, table, columns, period)
            loss = SectionLoss(table, count, max(count, fetched - self._new[table]))
            if self._more[table] or loss.exceeds(share):
                losses.append(loss)
        return losses

    def ids_without(self, losses: Iterable[SectionLoss]) -> list[str]:
        """Return the withheld submissions that have no part in some losses, in order."""
        excluded: set[str] = set().union(*(self._lost[loss.table] for loss in losses))
        return sorted(self.withheld.keys() - excluded)

    def _losses(
        self, diff: Diff, changed: AbstractSet[str], stored: Mapping[str, StoredSubmission]
    ) -> dict[str, set[str]]:
        """Return the ids of changed submissions that have lost a section, by its table."""
        tables = self._fetched_tables()
        stored_columns = self._stored_columns() if changed else {}
        lost: dict[str, set[str]] = {}
        for name, section in SECTION_OF_TABLE.items():
            if name not in tables:
                continue
            rows, columns = diff.tables.get(name), value_columns(tables[name])
            with_rows = set(column_values(diff.tables, name, "submission_id"))
            with_values = ids_with_values(rows, columns)
            self._new[name] += len(with_values - stored.keys())
            if name not in stored_columns or self._accepts(section):
                continue
            # A row counts even if its values are dropped, or have no column.
            lost[name] = stored_ids_with_values(
                self.warehouse.client, name, ("submission_id",), sorted(changed - with_rows)
            ) | stored_ids_with_values(
                self.warehouse.client,
                name,
                stored_columns[name],
                sorted((changed & with_rows) - with_values),
            )
        for holder, part in LIST_OF_SECTION.items():
            if part in lost:
                lost[part] -= lost.get(holder, set())
        return {name: keys for name, keys in lost.items() if keys}

    def _with_shorter_lists(self, diff: Diff, changed: AbstractSet[str]) -> set[str]:
        """Return the ids of changed submissions that have fewer rows of a list than are stored."""
        shorter: set[str] = set()
        if not changed:
            return shorter
        stored, fetched = self._stored_tables(), self._fetched_tables()
        for name, section in SECTION_OF_LIST.items():
            if name not in stored or name not in fetched or self._accepts(section):
                continue
            rows = Counter(column_values(diff.tables, name, "submission_id"))
            counts = stored_rows_of(self.warehouse.client, name, sorted(changed))
            shorter.update(key for key, count in counts.items() if rows[key] < count)
        return shorter

    def _accepts(self, section: str) -> bool:
        holders = {part: holder for holder, part in LIST_OF_SECTION.items()}
        return section in self.accepted or holders.get(section) in self.accepted

    def _stored_columns(self) -> dict[str, tuple[str, ...]]:
        """Return the columns with a section's values that the warehouse has, by table."""
        tables = self._stored_tables()
        return {name: value_columns(tables[name]) for name in SECTION_OF_TABLE if name in tables}

    def _fetched_tables(self) -> Mapping[str, Table]:
        return tables_for_sections(self.warehouse.sections, self.warehouse.contract)

    def _stored_tables(self) -> Mapping[str, Table]:
        # A partition's own pipeline may be new; before it was opened, all tables were created.
        is_partition = self.warehouse.shared is not None
        return (self.warehouse.contract if is_partition else self.warehouse.existing).tables

    def _release(self, submission_ids: Iterable[str]) -> None:
        if not self.withheld:
            return
        for key in submission_ids:
            if self.withheld.pop(key, None):
                for keys in self._lost.values():
                    keys.discard(key)
