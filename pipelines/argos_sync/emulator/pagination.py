"""One page of a walk: which rows, and the key to the next.

Paging is by keyset: the key names the last row of a page, and the next page starts after it, in
the order of the walk. So no tie is lost, and the store may change under a walk.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from argos_sync.emulator.store import Position, Record, Store
from argos_sync.emulator.timestamps import DAY, HOUR, day_start, vendor_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from argos_sync.emulator.behaviour import Behaviour
    from argos_sync.emulator.parameters import Query

_ZONES = {"UTC": 0, "Asia/Seoul": 9 * HOUR}
_ALWAYS = 2**62
# Ends the id in the key of an empty page: the rows after it have been announced but not sent.
_ANNOUNCED = "~"
_CACHED_SHUFFLES = 512


class Page(NamedTuple):
    """The rows of one answer, and its `nextpageKey` or None."""

    records: list[Record]
    key: dict[str, Any] | None


class _Shuffled(NamedTuple):
    """A position in the arbitrary order."""

    place: int
    position: Position


def _shuffled(position: Position) -> _Shuffled:
    return _Shuffled(crc32(position.id.encode()), position)


class Pager:
    """Cuts a store into pages."""

    def __init__(self, store: Store) -> None:
        """Remembers nothing but shuffled windows, until the store changes."""
        self._store = store
        self._shuffles: dict[tuple[object, ...], list[_Shuffled]] = {}

    def page(self, query: Query, behaviour: Behaviour) -> Page:
        """Answers one query."""
        name = query.nextpage_id or ""
        created = query.nextpage_date or 0
        if behaviour.empty_pages and not name.endswith(_ANNOUNCED):
            return Page([], {"id": name + _ANNOUNCED, "created_at": vendor_time(created)})
        name = name.removesuffix(_ANNOUNCED)
        after = Position(created, name) if name else None
        limit = query.count
        if behaviour.short_pages:
            limit = 1 + crc32(name.encode()) % limit
        # With a single row a repeated one would be all there is, and the walk would not advance.
        again = int(behaviour.duplicate_rows and limit > 1)
        with self._store.lock:
            positions, more = self._cut(query, behaviour, after=after, limit=limit, again=again)
            records = self._store.records(positions)
        if not more:
            return Page(records, None)
        last = positions[-1]
        key = {"id": last.id, "created_at": vendor_time(last.created)}
        if behaviour.repeated_key and after:
            key = {"id": query.nextpage_id or "", "created_at": vendor_time(created)}
        return Page(records, key)

    def _cut(
        self, query: Query, behaviour: Behaviour, *, after: Position | None, limit: int, again: int
    ) -> tuple[Sequence[Position], bool]:
        """The rows after `after`, with `again` rows before them, and whether more follow."""
        rows = self._store.find(
            submission_id=query.submission_id, userid=query.userid, email=query.email
        )
        low, high = _days(rows, query, behaviour)
        if behaviour.order == "descending":
            stop = bisect_left(rows, after, low, high) + again if after else high
            start = max(stop - limit, low)
            return rows[start:stop][::-1], start > low
        if behaviour.order == "shuffled":
            window = self._shuffle(query, rows, low, high)
            start = bisect_right(window, _shuffled(after)) - again if after else 0
            found = window[max(start, 0) : start + limit]
            return [one.position for one in found], start + limit < len(window)
        start = max(bisect_right(rows, after, low, high) - again, low) if after else low
        stop = min(start + limit, high)
        return rows[start:stop], stop < high

    def _shuffle(
        self, query: Query, rows: Sequence[Position], low: int, high: int
    ) -> list[_Shuffled]:
        window = (self._store.version, query.submission_id, query.userid, query.email, low, high)
        if window not in self._shuffles:
            if len(self._shuffles) == _CACHED_SHUFFLES:
                self._shuffles.clear()
            self._shuffles[window] = sorted(map(_shuffled, rows[low:high]))
        return self._shuffles[window]


def _days(rows: Sequence[Position], query: Query, behaviour: Behaviour) -> tuple[int, int]:
    """The slice of `rows` between the days asked for."""
    zone = _ZONES[behaviour.day_zone]
    first, last = -_ALWAYS, _ALWAYS
    if query.start_date:
        first = day_start(query.start_date) - zone
    if query.end_date:
        last = day_start(query.end_date) - zone + DAY * (behaviour.end_date == "inclusive")
    low = bisect_left(rows, Position(first, ""))
    return low, max(bisect_left(rows, Position(last, "")), low)
