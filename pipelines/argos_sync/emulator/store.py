"""All submissions, as ready-made JSON, with the indexes that find a page of a million at once."""

from __future__ import annotations

import json
import threading
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from argos_sync.emulator.timestamps import read_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from argos_sync.emulator.parameters import Section

_SECTIONS = ("kyc", "aml", "data")
_NO_ID = ("", "N/A")


class Position(NamedTuple):
    """Where a submission stands: `created_at` in milliseconds since 1970, then its id."""

    created: int
    id: str


class Record(NamedTuple):
    """One submission as it is sent, and whether orjson can read it without loss."""

    raw: bytes
    plain: bool

    def read(self) -> Any:
        """The submission."""
        return orjson.loads(self.raw) if self.plain else json.loads(self.raw)

    def part(self, section: Section) -> bytes:
        """What `request_type` leaves of it."""
        whole = self.read()
        if not isinstance(whole, dict):
            return self.raw
        if section == "others":
            kept = {key: value for key, value in whole.items() if key not in _SECTIONS}
        else:
            kept = {key: whole[key] for key in ("submission_id", section) if key in whole}
        return record(kept).raw


def record(submission: Any) -> Record:
    """Serializes a submission, even one with numbers or characters that orjson refuses."""
    try:
        # The copy is exact; what orjson returns keeps its larger buffer, five times the memory.
        return Record(bytes(memoryview(orjson.dumps(submission))), plain=True)
    except TypeError:
        text = json.dumps(submission, separators=(",", ":"))
        return Record(text.encode(), plain=False)


class Store:
    """Submissions that can be read by many threads, and changed while they are.

    What has no usable `submission_id` or `created_at` is kept too, at a place of its own: the
    moment of the one added before it.
    """

    def __init__(self, submissions: Iterable[Any] = ()) -> None:
        """Takes the submissions in any order.

        Raises:
            ValueError: Two have the same `submission_id`.
        """
        self.lock = threading.RLock()
        self.version = 0
        self._records: dict[str, Record] = {}
        self._positions: dict[str, Position] = {}
        self._deleted: dict[str, Record] = {}
        self._order: list[Position] = []
        self._people: dict[tuple[str, str], list[Position]] = {}
        self._last_created = 0
        self._unidentified = 0
        for submission in submissions:
            position = self._enter(submission)
            self._order.append(position)
            for person in _people(submission):
                self._people.setdefault(person, []).append(position)
        for positions in (self._order, *self._people.values()):
            positions.sort()

    def __len__(self) -> int:
        """How many submissions are served."""
        return len(self._order)

    def ids(self) -> list[str]:
        """The ids in ascending order of `created_at`, then id; made-up ones for those without."""
        with self.lock:
            return [position.id for position in self._order]

    def raw(self) -> list[bytes]:
        """The JSON of every submission, in the order of `ids`."""
        with self.lock:
            return [self._records[position.id].raw for position in self._order]

    def all(self) -> list[Any]:
        """Every submission, in the order of `ids`."""
        with self.lock:
            found = [self._records[position.id] for position in self._order]
        return [one.read() for one in found]

    def get(self, submission_id: str) -> dict[str, Any]:
        """A copy of one submission.

        Raises:
            KeyError: There is none with this id.
        """
        with self.lock:
            found: dict[str, Any] = self._records[submission_id].read()
        return found

    def add(self, submission: Any) -> None:
        """Adds a submission.

        Raises:
            ValueError: Its id is taken.
        """
        with self.lock:
            position = self._enter(submission)
            insort(self._order, position)
            for person in _people(submission):
                insort(self._people.setdefault(person, []), position)
            self.version += 1

    def replace(self, submission: dict[str, Any]) -> None:
        """Puts a whole submission in the place of the one with its id.

        Raises:
            KeyError: There is none with this id.
        """
        with self.lock:
            self._remove(submission["submission_id"])
            self.add(submission)

    def update(self, submission_id: str, changes: Mapping[str, Any]) -> None:
        """Merges `changes` into a submission: objects field by field, everything else replaced.

        Raises:
            KeyError: There is none with this id.
        """
        with self.lock:
            self.replace(_merged(self.get(submission_id), changes))

    def delete(self, submission_id: str) -> None:
        """Stops serving a submission, as the vendor's soft deletion does.

        Raises:
            KeyError: There is none with this id.
        """
        with self.lock:
            self._deleted[submission_id] = self._remove(submission_id)
            self.version += 1

    def restore(self, submission_id: str) -> None:
        """Serves a deleted submission again.

        Raises:
            KeyError: None was deleted with this id.
        """
        with self.lock:
            self.add(self._deleted.pop(submission_id).read())

    def find(
        self,
        *,
        submission_id: str | None = None,
        userid: str | None = None,
        email: str | None = None,
    ) -> Sequence[Position]:
        """Ascending positions of what matches every filter given; hold `lock` while using them."""
        lists: list[Sequence[Position]] = []
        if submission_id is not None:
            position = self._positions.get(submission_id)
            lists.append([position] if position else [])
        if userid is not None:
            lists.append(self._people.get(("userid", userid), ()))
        if email is not None:
            lists.append(self._people.get(("email", email), ()))
        if not lists:
            return self._order
        first, *others = sorted(lists, key=len)
        return [one for one in first if all(one in other for other in others)] if others else first

    def records(self, positions: Iterable[Position]) -> list[Record]:
        """The submissions at these positions."""
        return [self._records[position.id] for position in positions]

    def _enter(self, submission: Any) -> Position:
        fields = submission if isinstance(submission, dict) else {}
        created = read_time(fields.get("created_at"))
        if created is not None:
            self._last_created = created
        name = fields.get("submission_id")
        if not isinstance(name, str) or name in _NO_ID:
            self._unidentified += 1
            name = f"unidentified-{self._unidentified}"
        if name in self._records:
            raise ValueError(f"there is already a submission with the id {name}")
        position = Position(self._last_created, name)
        self._records[name] = record(submission)
        self._positions[name] = position
        return position

    def _remove(self, submission_id: str) -> Record:
        found = self._records.pop(submission_id)
        position = self._positions.pop(submission_id)
        _discard(self._order, position)
        for person in _people(found.read()):
            _discard(self._people[person], position)
        return found


def _discard(positions: list[Position], position: Position) -> None:
    del positions[bisect_left(positions, position) : bisect_right(positions, position)]


def _people(submission: Any) -> list[tuple[str, str]]:
    """The `userid` and `email` a submission can be found by."""
    if not isinstance(submission, dict):
        return []
    pairs = [(name, submission.get(name)) for name in ("userid", "email")]
    return [(name, value) for name, value in pairs if isinstance(value, str)]


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return old | {key: _merged(old.get(key), value) for key, value in new.items()}
