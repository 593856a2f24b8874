"""Compare the submissions of the source with those of the warehouse, day by day."""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Self

from argos_sync.fetch.task import TaskPage
from argos_sync.fetch.windows import DateRange, Window, day_of
from argos_sync.shape.identity import Identity, identify, read_content, replaces
from argos_sync.shape.suppression import EMPTY_SUPPRESSION_LIST, SuppressionList
from argos_sync.warehouse.fingerprints import Fingerprinter
from argos_sync.warehouse.submissions import SubmissionVersion


@dataclass(frozen=True, slots=True)
class DayDifference:
    """The difference between source and warehouse for one UTC day of `created_at`.

    `source` and `warehouse` count submissions, without deletion stubs and those marked as deleted.
    Ids are `missing` if the warehouse lacks them or has marked them as deleted, `deleted` if the
    source no longer has them, and `changed` if contents are compared and differ. Of the missing
    ones, `marked` are in the warehouse; of the deleted ones, `stubs` still come from the source;
    of the changed ones, `damaged` have other rows than were loaded.
    """

    day: date
    source: int
    warehouse: int
    missing: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether there is anything to repair."""
        return bool(self.missing or self.deleted or self.changed)

    def without_stubs(self, stubs: AbstractSet[str]) -> Self:
        """Return the difference if some of the missing submissions are deletion stubs."""
        missing = tuple(key for key in self.missing if key not in stubs)
        source = self.source - len(self.missing) + len(missing)
        marked = tuple(key for key in self.marked if key not in stubs)
        return replace(self, source=source, missing=missing, marked=marked)


@dataclass(slots=True)
class Comparison:
    """Collects the source's pages, and compares each day as soon as it has been read completely.

    Only the ids of days that are being read, and the differences, are in memory.

    Attributes:
        first: First UTC day to compare.
        last: Last UTC day to compare.
        unread: Returns the windows that have not been read completely. They cover the days,
            whatever the time zone of the server.
        read_versions: Reads the warehouse's submissions of a range of days.
        read_content: Returns the content hash of a submission of the source, and whether it is a
            deletion stub.
        compares_content: Whether to compare content hashes too, not only ids.
        suppression: Suppression list; submissions of people on it do not count as missing.
        fingerprinter: Compares the stored rows where the hashes are equal; None does not.
        differences: Days that differ, in order.
        stored_count: Submissions that the warehouse has in the days compared so far.
        unreadable: Ids of submissions that the source has, but whose day cannot be read.
    """

    first: date
    last: date
    unread: Callable[[], Iterable[Window]]
    read_versions: Callable[[DateRange], Iterable[SubmissionVersion]]
    read_content: Callable[[object], tuple[str, bool]] = read_content
    compares_content: bool = False
    suppression: SuppressionList = EMPTY_SUPPRESSION_LIST
    fingerprinter: Fingerprinter | None = None
    differences: list[DayDifference] = field(default_factory=list)
    stored_count: int = 0
    unreadable: set[str] = field(default_factory=set)
    _next: int = field(init=False)
    _source: dict[date, dict[str, tuple[str, bool]]] = field(default_factory=dict)
    _versions: dict[str, tuple[date, object]] = field(default_factory=dict)
    _fingerprints: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with the first day."""
        self._next = self.first.toordinal()

    def add(self, page: TaskPage) -> None:
        """Add a page of the source; compare all days that are complete with it."""
        whole: dict[str, Any] = {}
        stubs: dict[str, Any] = {}
        for item in page.items:
            if self.suppression.matches(item):
                continue
            identity = identify(item)
            if not isinstance(identity, Identity):
                if identity.submission_id:
                    self.unreadable.add(identity.submission_id)
                continue
            day = day_of(identity.created_at)
            if self.first <= day <= self.last:
                content_hash, is_stub = self.read_content(item)
                content = content_hash if self.compares_content else "", is_stub
                key = identity.submission_id
                if self._add_version(day, key, content, item.get("updated_at")):
                    (whole if is_stub else stubs).pop(key, None)
                    (stubs if is_stub else whole)[key] = item
        if self.fingerprinter:
            of_source = self.fingerprinter.of_source([*whole.values()], [*stubs.values()])
            self._fingerprints |= of_source
        if page.done:
            self._compare_complete_days()

    def _add_version(
        self, day: date, submission_id: str, content: tuple[str, bool], updated_at: object
    ) -> bool:
        """Add a submission, unless a version of it that counts more has come before."""
        earlier_day, earlier = self._versions.get(submission_id, (day, updated_at))
        if not replaces(updated_at, earlier):
            return False
        if earlier_day != day:
            self._source[earlier_day].pop(submission_id, None)
        self._versions[submission_id] = (day, updated_at)
        self._source.setdefault(day, {})[submission_id] = content
        return True

    def _compare_complete_days(self) -> None:
        """Compare the days that no unread window can still return submissions of.

        A window can return submissions of the UTC day before its first day.
        """
        starts = [window.start for window in self.unread() if window.start]
        # Numbers, because the calendar has no day before its first and none after its last.
        end = min([self.last.toordinal() + 1, *(start.toordinal() - 1 for start in starts)])
        if end <= self._next:
            return
        first, last = date.fromordinal(self._next), date.fromordinal(end - 1)
        self._next = end
        stored: dict[date, dict[str, SubmissionVersion]] = {}
        for version in self.read_versions(DateRange(first, last)):
            stored.setdefault(version.day, {})[version.submission_id] = version
        for day in sorted({day for day in (*stored, *self._source) if day <= last}):
            source, versions = self._source.pop(day, {}), stored.get(day, {})
            for submission_id in source:
                del self._versions[submission_id]
            difference = _compare_day(day, source, versions, self.unreadable)
            self.stored_count += difference.warehouse
            if damaged := self._find_damaged(source, versions):
                changed = tuple(sorted({*difference.changed, *damaged}))
                difference = replace(difference, changed=changed, damaged=tuple(damaged))
            if difference.differs:
                self.differences.append(difference)

    def _find_damaged(
        self, source: Mapping[str, tuple[str, bool]], stored: Mapping[str, SubmissionVersion]
    ) -> list[str]:
        """Return the unchanged submissions of a day whose stored rows differ from the source."""
        expected = {key: self._fingerprints.pop(key, 0) for key in source}
        if self.fingerprinter is None:
            return []
        same = [
            key
            for key, content in sorted(source.items())
            if (version := stored.get(key)) and (version.content_hash, version.deleted) == content
        ]
        actual = self.fingerprinter.of_warehouse(same)
        return [key for key in same if actual.get(key, 0) != expected[key]]


def _compare_day(
    day: date,
    source: dict[str, tuple[str, bool]],
    stored: dict[str, SubmissionVersion],
    unreadable: AbstractSet[str],
) -> DayDifference:
    """Compare a day of the source, content hash and whether it is a stub, with the warehouse.

    Submissions that the source has but that are `unreadable` are not deleted.

    Content hashes may be empty. A stub of a submission that is marked as deleted only counts if its
    content has changed: the warehouse may still have what the source has erased since.
    """
    current = {key: version for key, version in stored.items() if not version.deleted}
    stubs = {key for key, (_, is_stub) in source.items() if is_stub}
    whole = source.keys() - stubs
    same_mark = sorted((whole & current.keys()) | (stubs & (stored.keys() - current.keys())))
    hashes = {key: source[key][0] for key in same_mark}
    missing = sorted(whole - current.keys())
    return DayDifference(
        day,
        len(whole),
        len(current),
        missing=tuple(missing),
        deleted=tuple(sorted(current.keys() - whole - unreadable)),
        changed=tuple(k for k in same_mark if hashes[k] and hashes[k] != stored[k].content_hash),
        marked=tuple(key for key in missing if key in stored),
        stubs=tuple(sorted(current.keys() & stubs)),
    )
