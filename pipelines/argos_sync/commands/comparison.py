"""Compare the submissions of the source with those of the warehouse, day by day."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from argos_sync.fetch.task import Task, TaskPage
from argos_sync.fetch.windows import DateRange, add_days, day_of
from argos_sync.shape.identity import Identity, identify
from argos_sync.shape.suppression import EMPTY_SUPPRESSION_LIST, SuppressionList
from argos_sync.warehouse.submissions import SubmissionVersion


@dataclass(frozen=True, slots=True)
class DayDifference:
    """The difference between source and warehouse for one UTC day of `created_at`.

    `source` and `warehouse` count submissions, without those marked as deleted. Ids are `missing`
    if the warehouse lacks them or has marked them as deleted, `deleted` if the source no longer has
    them, and `changed` if contents are compared and differ.
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
        first: First UTC day that has not been compared yet.
        last: Last UTC day to compare.
        tasks: Tasks that read the source; their windows cover the days, whatever the time zone of
            the server.
        read_versions: Reads the warehouse's submissions of a range of days.
        content_hash: Hashes the source's submissions; None compares ids only.
        suppression: Suppression list; submissions of people on it do not count as missing.
        differences: Days that differ, in order.
        stored_count: Submissions that the warehouse has in the days compared so far.
    """

    first: date
    last: date
    tasks: Sequence[Task]
    read_versions: Callable[[DateRange], Iterable[SubmissionVersion]]
    content_hash: Callable[[object], str] | None = None
    suppression: SuppressionList = EMPTY_SUPPRESSION_LIST
    differences: list[DayDifference] = field(default_factory=list)
    stored_count: int = 0
    _source_hashes: dict[date, dict[str, str]] = field(default_factory=dict)
    _finished_tasks: set[str] = field(default_factory=set)

    def add(self, page: TaskPage) -> None:
        """Add a page of the source; compare all days that are complete with it."""
        for item in page.items:
            if self.suppression.matches(item):
                continue
            identity = identify(item)
            if not isinstance(identity, Identity):
                continue
            day = day_of(identity.created_at)
            if self.first <= day <= self.last:
                content_hash = self.content_hash(item) if self.content_hash else ""
                self._source_hashes.setdefault(day, {})[identity.submission_id] = content_hash
        if page.done:
            self._finished_tasks.add(page.task.name)
            self._compare_complete_days()

    def _compare_complete_days(self) -> None:
        """Compare the days that no unfinished task can still return submissions of.

        A window can return submissions of the UTC day before its first day.
        """
        unfinished = [task.window for task in self.tasks if task.name not in self._finished_tasks]
        starts = [window.start for window in unfinished if window and window.start]
        last = min([self.last, *(add_days(start, -2) for start in starts)])
        if last < self.first:
            return
        stored: dict[date, dict[str, SubmissionVersion]] = {}
        for version in self.read_versions(DateRange(self.first, last)):
            stored.setdefault(version.day, {})[version.submission_id] = version
        self.first = add_days(last, 1)
        for day in sorted({day for day in (*stored, *self._source_hashes) if day <= last}):
            difference = _compare_day(day, self._source_hashes.pop(day, {}), stored.get(day, {}))
            self.stored_count += difference.warehouse
            if difference.differs:
                self.differences.append(difference)


def _compare_day(
    day: date, source: dict[str, str], stored: dict[str, SubmissionVersion]
) -> DayDifference:
    """Compare a day's content hashes of the source with the warehouse's versions, by id."""
    current = {key: version for key, version in stored.items() if not version.deleted}
    both = sorted(source.keys() & current.keys())
    return DayDifference(
        day,
        len(source),
        len(current),
        missing=tuple(sorted(source.keys() - current.keys())),
        deleted=tuple(sorted(current.keys() - source.keys())),
        changed=tuple(k for k in both if source[k] and source[k] != current[k].content_hash),
    )
