"""The submissions the emulator serves, as JSON, with indexes to find a page among a million."""

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from argos_sync.emulator.projections import remove_field
from argos_sync.emulator.record import Record, make_stub, merge, serialize
from argos_sync.emulator.timestamps import read_time

_NO_ID = ("", "N/A")


class Position(NamedTuple):
    """Sort key of a submission: `created_at` in milliseconds since 1970, then its id."""

    created: int
    id: str


class Store:
    """Hold submissions; threads may read them while others change them.

    A submission without a usable `submission_id` gets an id of its own. One without a usable
    `created_at` takes the `created_at` of the submission added before it. To add an id that is in
    use raises ValueError; to look for one that is missing, KeyError.

    Attributes:
        lock: Hold it while using what `find` returns.
        version: Changes with every change of the submissions.
    """

    def __init__(self, submissions: Iterable[Any] = ()) -> None:
        """Index the submissions, which may come in any order."""
        self.lock = threading.RLock()
        self.version = 0
        self._records: dict[str, Record] = {}
        self._positions: dict[str, Position] = {}
        self._deleted: dict[str, Record] = {}
        self._stubs: dict[str, Record] = {}
        self._order: list[Position] = []
        self._people: dict[tuple[str, str], list[Position]] = {}
        self._last_created = 0
        self._unidentified = 0
        for submission in submissions:
            position = self._insert(submission)
            self._order.append(position)
            for person in _people(submission):
                self._people.setdefault(person, []).append(position)
        for positions in (self._order, *self._people.values()):
            positions.sort()

    def __len__(self) -> int:
        """Return the number of submissions served."""
        return len(self._order)

    def ids(self) -> list[str]:
        """Return all ids in ascending order of `created_at`, then id."""
        with self.lock:
            return [position.id for position in self._order]

    def sample(self, share: float) -> list[str]:
        """Return the ids of about a `share` of the submissions, from 0 to 1; always the same."""
        return [name for name in self.ids() if crc32(name.encode()) < share * 2**32]

    def all(self) -> list[Any]:
        """Return every submission, in the order of `ids`."""
        with self.lock:
            records = self.records(self._order)
        return [record.read() for record in records]

    def get(self, submission_id: str) -> dict[str, Any]:
        """Return a copy of one submission."""
        submission: dict[str, Any] = self._records[submission_id].read()
        return submission

    def add(self, submission: Any) -> None:
        """Add a submission."""
        with self.lock:
            position = self._insert(submission)
            insort(self._order, position)
            for person in _people(submission):
                insort(self._people.setdefault(person, []), position)
            self.version += 1

    def replace(self, submission: dict[str, Any]) -> None:
        """Replace the submission that has the same id."""
        with self.lock:
            self._remove(submission["submission_id"])
            self.add(submission)

    def update(self, submission_id: str, changes: Mapping[str, Any]) -> None:
        """Merge `changes` into a submission: objects field by field, other values replaced."""
        with self.lock:
            self.replace(merge(self.get(submission_id), changes))

    def delete(self, submission_id: str) -> None:
        """Stop serving a submission, or the stub of one."""
        with self.lock:
            self._deleted[submission_id] = self._remove(submission_id)
            self.version += 1

    def leave_stub(self, submission_id: str, field: str = "data.name") -> None:
        """Delete a submission as the vendor does: identity, images and AML are erased.

        Id, date, ID type and status stay. The field at the path `field` says that it is deleted.
        """
        with self.lock:
            record = self._records[submission_id]
            self._stubs.setdefault(submission_id, record)
            self._rewrite(submission_id, make_stub(record.read(), field))

    def misdate(self, submission_id: str, created_at: Any) -> None:
        """Serve a submission with another `created_at`, but list it where it was."""
        with self.lock:
            self._rewrite(submission_id, self.get(submission_id) | {"created_at": created_at})

    def restore(self, submission_id: str) -> None:
        """Serve a deleted submission again, whole."""
        with self.lock:
            if submission_id in self._stubs:
                self._rewrite(submission_id, self._stubs.pop(submission_id).read())
            else:
                self.add(self._deleted.pop(submission_id).read())

    def remove_fields(self, submission_id: str, paths: Iterable[str]) -> None:
        """Erase fields of a submission, at paths such as `kyc.attempts.*.selfieImage`."""
        with self.lock:
            submission = self.get(submission_id)
            for path in paths:
                remove_field(submission, path)
            self._rewrite(submission_id, submission)

    def find(
        self, submission_id: str | None = None, userid: str | None = None, email: str | None = None
    ) -> Sequence[Position]:
        """Return the positions that match all filters, ascending; hold `lock` while using them."""
        matches: list[Sequence[Position]] = []
        if submission_id is not None:
            position = self._positions.get(submission_id)
            matches.append([position] if position else [])
        for name, value in (("userid", userid), ("email", email)):
            if value is not None:
                matches.append(self._people.get((name, value), ()))
        if not matches:
            return self._order
        shortest, *others = sorted(matches, key=len)
        return [position for position in shortest if all(position in other for other in others)]

    def records(self, positions: Iterable[Position]) -> list[Record]:
        """Return the submissions at these positions."""
        return [self._records[position.id] for position in positions]

    def _insert(self, submission: Any) -> Position:
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
        self._records[name] = serialize(submission)
        self._positions[name] = position
        return position

    def _rewrite(self, submission_id: str, submission: Any) -> None:
        """Replace the content of a submission, but not its position."""
        position = self._positions[submission_id]
        for person in _people(self._records[submission_id].read()):
            _discard(self._people[person], position)
        self._records[submission_id] = serialize(submission)
        for person in _people(submission):
            insort(self._people.setdefault(person, []), position)
        self.version += 1

    def _remove(self, submission_id: str) -> Record:
        """Remove a submission or its stub; return the whole submission."""
        record = self._records.pop(submission_id)
        position = self._positions.pop(submission_id)
        _discard(self._order, position)
        for person in _people(record.read()):
            _discard(self._people[person], position)
        return self._stubs.pop(submission_id, record)


def _discard(positions: list[Position], position: Position) -> None:
    del positions[bisect_left(positions, position) : bisect_right(positions, position)]


def _people(submission: Any) -> list[tuple[str, str]]:
    """Return the `userid` and `email` that find a submission."""
    fields = submission if isinstance(submission, dict) else {}
    pairs = [(name, fields.get(name)) for name in ("userid", "email")]
    return [(name, value) for name, value in pairs if isinstance(value, str)]
