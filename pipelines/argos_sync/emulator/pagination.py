"""Keyset pagination: which rows a page holds, and the key of the next page.

The key names the last row of a page, and the next page starts after that row in the order of the
walk. So rows with equal `created_at` are never lost, and the store may change during a walk.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from zlib import crc32

from argos_sync.emulator.parameters import Query
from argos_sync.emulator.record import Record
from argos_sync.emulator.store import Position, Store
from argos_sync.emulator.timestamps import DAY, HOUR, day_start
from argos_sync.emulator_options import Behaviour

_ZONES = {"UTC": 0, "Asia/Seoul": 9 * HOUR}
# Ends the id in the key of an empty page; the request with this key gets the rows.
_EMPTY_PAGE_MARK = "~"
_CACHED_SHUFFLES = 512


class Page(NamedTuple):
    """The rows of one response, and the position that its `nextpageKey` names, or None."""

    records: list[Record]
    last: Position | None


class Paginator:
    """Cut the rows of a store into pages."""

    def __init__(self, store: Store) -> None:
        """Start with an empty cache of shuffled windows."""
        self._store = store
        self._shuffles: dict[tuple[object, ...], list[tuple[int, Position]]] = {}

    def page(self, query: Query, behaviour: Behaviour) -> Page:
        """Return the page that a query asks for."""
        if _is_endless(query, behaviour):
            number = int(query.nextpage_id or 0) + 1
            return Page([], Position(query.nextpage_date or 0, str(number)))
        key = self._position(query)
        if behaviour.empty_pages and not key.id.endswith(_EMPTY_PAGE_MARK):
            return Page([], key._replace(id=key.id + _EMPTY_PAGE_MARK))
        name = key.id.removesuffix(_EMPTY_PAGE_MARK)
        after = Position(key.created, name) if name else None
        limit = query.count
        if behaviour.short_pages:
            limit = 1 + crc32(name.encode()) % limit
        # A page of one row cannot repeat a row: the walk would never advance.
        overlap = int(behaviour.duplicate_rows and limit > 1)
        with self._store.lock:
            positions, more = self._slice(query, behaviour, after, limit, overlap)
            records = self._store.records(positions)
        if not more:
            return Page(records, None)
        return Page(records, key if behaviour.repeated_key and after else positions[-1])

    def _position(self, query: Query) -> Position:
        """Return the position that a page key names; keys without a time name an id."""
        key = Position(query.nextpage_date or 0, query.nextpage_id or "")
        if query.nextpage_date is None and key.id:
            with self._store.lock:
                for position in self._store.find(key.id.removesuffix(_EMPTY_PAGE_MARK)):
                    return key._replace(created=position.created)
        return key

    def _slice(
        self, query: Query, behaviour: Behaviour, after: Position | None, limit: int, overlap: int
    ) -> tuple[Sequence[Position], bool]:
        """Return the rows after `after`, `overlap` rows before them, and whether more follow."""
        rows = self._store.find(
            submission_id=query.submission_id, userid=query.userid, email=query.email
        )
        low, high = _window(rows, query, behaviour)
        if behaviour.order == "descending":
            stop = bisect_left(rows, after, low, high) + overlap if after else high
            start = max(stop - limit, low)
            return rows[start:stop][::-1], start > low
        if behaviour.order == "shuffled":
            window = self._shuffled_window(query, rows, low, high)
            start = bisect_right(window, _shuffle_key(after)) - overlap if after else 0
            page = window[max(start, 0) : start + limit]
            return [position for _, position in page], start + limit < len(window)
        start = max(bisect_right(rows, after, low, high) - overlap, low) if after else low
        stop = min(start + limit, high)
        return rows[start:stop], stop < high

    def _shuffled_window(
        self, query: Query, rows: Sequence[Position], low: int, high: int
    ) -> list[tuple[int, Position]]:
        window = (self._store.version, query.submission_id, query.userid, query.email, low, high)
        if window not in self._shuffles:
            if len(self._shuffles) == _CACHED_SHUFFLES:
                self._shuffles.clear()
            self._shuffles[window] = sorted(map(_shuffle_key, rows[low:high]))
        return self._shuffles[window]


def _is_endless(query: Query, behaviour: Behaviour) -> bool:
    """Whether a query asks for the endless day."""
    if behaviour.endless_day is None or query.start_date is None:
        return False
    day = date.fromisoformat(behaviour.endless_day)
    return query.start_date <= day <= (query.end_date or day)


def _shuffle_key(position: Position) -> tuple[int, Position]:
    """Return the sort key in the arbitrary order, in which a hash of the id comes first."""
    return crc32(position.id.encode()), position


def _window(rows: Sequence[Position], query: Query, behaviour: Behaviour) -> tuple[int, int]:
    """Return the bounds of the slice of `rows` between `start_date` and `end_date`."""
    offset = _ZONES[behaviour.day_zone]
    low, high = 0, len(rows)
    if query.start_date:
        low = bisect_left(rows, Position(day_start(query.start_date) - offset, ""))
    if query.end_date:
        end = day_start(query.end_date) - offset + DAY * (behaviour.end_date == "inclusive")
        high = bisect_left(rows, Position(end, ""), low)
    return low, high
