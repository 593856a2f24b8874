"""Compare the submissions of the source with those of the warehouse, day by day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date

from argos_sync.fetch.reader import Task, TaskPage
from argos_sync.fetch.windows import DateRange, add_days
from argos_sync.shape.identity import Identity, identify
from argos_sync.shape.suppression import EMPTY_SUPPRESSION_LIST, SuppressionList
from argos_sync.warehouse.submissions import SubmissionVersion

ReadVersions = Callable[[DateRange], Iterable[SubmissionVersion]]
"""Returns the warehouse's submissions of a range of days."""

ContentHash = Callable[[object], str]
"""Returns the content hash of a decoded submission."""


@dataclass(frozen=True, slots=True)
class DayDifference:
    """The difference between source and warehouse for one UTC day of `created_at`.

    Attributes:
        day: The day.
        source: Submissions of the source.
        warehouse: Submissions of the warehouse, without those marked as deleted.
        missing: Ids that the warehouse lacks, or has marked as deleted.
        deleted: Ids that the source no longer has.
        changed: Ids whose content differs; always empty unless contents are compared.
    """

    day: date
    source: int
    warehouse: int
    missing: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether there is anything to repair."""
        return bool(self.missing or self.deleted or self.changed)


@dataclass(slots=True)
class Comparison:
    """Collects the source's pages, and compares each day as soon as it has been read completely.

    Only the ids of days that are being read, and the differences, are in memory.

    Attributes:
        days: UTC days to compare.
        tasks: Tasks that read the source; their windows cover the days, whatever the time zone of
            the server.
        read_versions: Reads the warehouse.
        content_hash: Hashes the source's submissions; None compares ids only.
        suppression: Suppression list; submissions of people on it do not count as missing.
        differences: Days that differ, in order.
        stored_count: Submissions that the warehouse has in the days compared so far.
    """

    days: DateRange
    tasks: Sequence[Task]
    read_versions: ReadVersions
    content_hash: ContentHash | None = None
    suppression: SuppressionList = EMPTY_SUPPRESSION_LIST
    differences: list[DayDifference] = field(default_factory=list)
    stored_count: int = 0
    _source_hashes: dict[date, dict[str, str]] = field(default_factory=dict)
    _finished_tasks: set[str] = field(default_factory=set)
    _next_day: date | None = None

    def add(self, page: TaskPage) -> None:
        """Add a page of the source; compare all days that are complete with it."""
        for item in page.items:
            if self.suppression.matches(item):
                continue
            identity = identify(item)
            if isinstance(identity, Identity) and identity.created_at in self.days:
                content_hash = self.content_hash(item) if self.content_hash else ""
                day = identity.created_at.astimezone(UTC).date()
                self._source_hashes.setdefault(day, {})[identity.submission_id] = content_hash
        if page.done:
            self._finished_tasks.add(page.task.name)
            self._compare_complete_days()

    def _compare_complete_days(self) -> None:
        """Compare the days that no unfinished task can still return submissions of."""
        first = self._next_day or self.days.first
        last = min(filter(None, (self._last_complete_day(), self.days.last)), default=None)
        if first is None or last is None or last < first:
            return
        self._next_day = add_days(last, 1)
        stored: dict[date, dict[str, SubmissionVersion]] = {}
        for version in self.read_versions(DateRange(first, last)):
            stored.setdefault(version.day, {})[version.submission_id] = version
        days = sorted({day for day in (*stored, *self._source_hashes) if first <= day <= last})
        for day in days:
            difference = _compare_day(day, self._source_hashes.pop(day, {}), stored.get(day, {}))
            self.stored_count += difference.warehouse
            if difference.differs:
                self.differences.append(difference)

    def _last_complete_day(self) -> date | None:
        """Return the last day that is complete, whatever the time zone of the server.

        A window can return submissions of the UTC day before its first day.
        """
        starts = [
            task.window.start
            for task in self.tasks
            if task.window and task.name not in self._finished_tasks
        ]
        earliest = min(filter(None, starts), default=None)
        return add_days(earliest, -2) if earliest else self.days.last


def _compare_day(
    day: date, source: dict[str, str], stored: dict[str, SubmissionVersion]
) -> DayDifference:
    """Compare a day's content hashes of the source with the warehouse's versions, by id."""
    current = {key: version for key, version in stored.items() if not version.deleted}
    return DayDifference(
        day,
        len(source),
        len(current),
        missing=tuple(sorted(source.keys() - current.keys())),
        deleted=tuple(sorted(current.keys() - source.keys())),
        changed=tuple(
            sorted(
                key
                for key in source.keys() & current.keys()
                if source[key] and source[key] != current[key].content_hash
            )
        ),
    )
