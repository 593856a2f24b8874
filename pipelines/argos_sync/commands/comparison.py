"""Which submissions a source and a warehouse do not have in common, day by day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date

from argos_sync.fetch.reader import Task, TaskPage
from argos_sync.fetch.windows import DateRange, add_days
from argos_sync.shape.identity import Identity, identify
from argos_sync.shape.suppression import EMPTY_SUPPRESSION_LIST, SuppressionList
from argos_sync.warehouse.submissions import SubmissionVersion

Look = Callable[[DateRange], Iterable[SubmissionVersion]]
"""Returns what the warehouse has of a range."""

Hash = Callable[[object], str]
"""Returns what two versions of a submission are told apart by."""


@dataclass(frozen=True, slots=True)
class DayDifference:
    """One day (UTC) that is not the same on both sides.

    Attributes:
        day: Of `created_at`.
        source: Submissions of the source.
        warehouse: Submissions of the warehouse, without those marked as deleted.
        missing: Ids the warehouse lacks, or has marked as deleted.
        gone: Ids the source lacks.
        changed: Ids whose content differs; always empty unless contents are compared.
    """

    day: date
    source: int
    warehouse: int
    missing: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything has to be done."""
        return bool(self.missing or self.gone or self.changed)


@dataclass(slots=True)
class Comparison:
    """Takes the source's pages, and compares each day as soon as all of it has been read.

    Memory holds the ids of the days that are being read, and the differences.

    Attributes:
        days: Days (UTC) to compare.
        tasks: Windows that are read, which surely hold the range.
        read_versions: Asks the warehouse.
        content_hash: Tells two versions apart; None compares ids only.
        suppression: Who must not come back, and so is never missing.
        differences: Days that differ, in order.
        stored_count: Submissions of the warehouse in the days compared so far.
    """

    days: DateRange
    tasks: Sequence[Task]
    read_versions: Look
    content_hash: Hash | None = None
    suppression: SuppressionList = EMPTY_SUPPRESSION_LIST
    differences: list[DayDifference] = field(default_factory=list)
    stored_count: int = 0
    _seen: dict[date, dict[str, str]] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)
    _next: date | None = None

    def add(self, page: TaskPage) -> None:
        """Take in a page."""
        for item in page.items:
            if self.suppression.matches(item):
                continue
            identity = identify(item)
            if isinstance(identity, Identity) and identity.created_at in self.days:
                content = self.content_hash(item) if self.content_hash else ""
                day = identity.created_at.astimezone(UTC).date()
                self._seen.setdefault(day, {})[identity.submission_id] = content
        if page.done:
            self._done.add(page.task.name)
            self._compare()

    def _compare(self) -> None:
        """Compare the days of which nothing can come any more."""
        first = self._next or self.days.first
        last = min(filter(None, (self._read_to(), self.days.last)), default=None)
        if first is None or last is None or last < first:
            return
        self._next = add_days(last, 1)
        had: dict[date, dict[str, SubmissionVersion]] = {}
        for one in self.read_versions(DateRange(first, last)):
            had.setdefault(one.day, {})[one.submission_id] = one
        days = sorted({day for day in (*had, *self._seen) if first <= day <= last})
        for day in days:
            difference = _compared(day, self._seen.pop(day, {}), had.get(day, {}))
            self.stored_count += difference.warehouse
            if difference.differs:
                self.differences.append(difference)

    def _read_to(self) -> date | None:
        """Return the last day that is complete, in whatever time zone the server's days are."""
        starts = [t.window.start for t in self.tasks if t.window and t.name not in self._done]
        earliest = min(filter(None, starts), default=None)
        return add_days(earliest, -2) if earliest else self.days.last


def _compared(day: date, seen: dict[str, str], had: dict[str, SubmissionVersion]) -> DayDifference:
    alive = {key: one for key, one in had.items() if not one.deleted}
    return DayDifference(
        day,
        len(seen),
        len(alive),
        missing=tuple(sorted(seen.keys() - alive.keys())),
        gone=tuple(sorted(alive.keys() - seen.keys())),
        changed=tuple(
            sorted(
                key
                for key in seen.keys() & alive.keys()
                if seen[key] and seen[key] != alive[key].content_hash
            )
        ),
    )
