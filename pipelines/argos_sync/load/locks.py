"""Who may write which days: two runs never write the same ones at the same time.

A backfill holds the days it was asked for, every other run holds all of them. Runs of disjoint
days may be under way at once where the destination takes several writers; they take turns only
while a warehouse is opened. Who comes second is told who was first.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from hashlib import blake2b
from pathlib import Path

from argos_sync.fetch.windows import DateRange
from argos_sync.load.errors import DestinationError
from argos_sync.load.sql import Client, dialect_of, execute_native

_WAIT = "wait until it has ended, or end it"

_LAST_DAY = 0xFFFF
"""The number of the last day that a lock can name; it stands for all later ones too."""


@contextmanager
def lock_file(file: Path, command: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a file for as long as the block runs; the kernel lets go when the process dies.

    Args:
        file: Beside the working directory; tells who holds it.
        command: The command that runs.
        shared: Whether others may hold it too, as long as they share it.

    Raises:
        DestinationError: Another process of this machine holds it.
    """
    with _opened(file) as descriptor:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 200).decode(errors="replace").partition("\n")[0]
            raise DestinationError(
                f"the destination is locked by {holder or 'another process'}", _WAIT
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} (argos-sync {command})\n".encode(), 0)
        yield


Session = Client | None
"""A connection of which nothing is asked but locks; None where the destination has none."""


@contextmanager
def lock_session(client: Client, another: Callable[[], Client]) -> Iterator[Session]:
    """Connect for as long as the block runs, if the destination has advisory locks.

    The connection is no other's: after a query that fails, for a table that is not there, say,
    psycopg2 resets its connection (`DISCARD ALL`), and that lets go of all locks.

    Args:
        client: Of the destination.
        another: Makes a client like it.
    """
    if dialect_of(client) != "postgres":
        yield None
        return
    with another() as session:
        yield session


@contextmanager
def opening_lock(file: Path, session: Session, dataset: str) -> Iterator[None]:
    """Wait until nobody else opens the warehouse, and let nobody else while the block runs.

    Args:
        file: Locked on this machine.
        session: PostgreSQL keeps other machines out too.
        dataset: Of the warehouse.
    """
    key = int.from_bytes(_digest(dataset), "big", signed=True)
    with _opened(file) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if session is None:
            yield
            return
        execute_native(session, "SELECT 1 FROM pg_advisory_lock(%s)", key)
        try:
            yield
        finally:
            execute_native(session, "SELECT 1 FROM pg_advisory_unlock(%s)", key)


def lock_days(session: Session, dataset: str, command: str, days: DateRange) -> None:
    """Keep runs of other machines out of these days until the session ends, where that can be.

    PostgreSQL holds an advisory lock for a session, whatever its transactions do, and shows the
    locks of all sessions (`pg_locks`): the days are written into the lock's number. DuckDB locks
    the file itself, and other destinations have nothing of the kind. To be called in turn.

    Args:
        session: Held to the end of the run.
        dataset: Of the warehouse.
        command: The command that runs.
        days: Which ones, UTC.

    Raises:
        DestinationError: Another session holds some of them.
    """
    if session is None:
        return
    name = f"argos-sync {command}, process {os.getpid()} on {socket.gethostname()}"
    execute_native(session, "SELECT set_config('application_name', %s, false)", name[:63])
    space = int.from_bytes(_digest(dataset)[:4], "big")
    first, last = _number(days.first, 0), _number(days.last, _LAST_DAY)
    for number, holder in _holders(session, space):
        if first <= number & _LAST_DAY and number >> 16 <= last:
            raise DestinationError(f"the destination is locked by {holder}", _WAIT)
    keys = _signed(space), _signed(first << 16 | last)
    execute_native(session, "SELECT 1 FROM pg_advisory_lock(%s, %s)", *keys)


@contextmanager
def _opened(file: Path) -> Iterator[int]:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _digest(dataset: str) -> bytes:
    return blake2b(f"argos-sync {dataset}".encode(), digest_size=8).digest()


def _number(day: date | None, unbounded: int) -> int:
    """Return a day as one of 65,536 numbers, of which the first is in 1970."""
    return unbounded if day is None else min(max((day - date(1970, 1, 1)).days, 0), _LAST_DAY)


def _signed(number: int) -> int:
    """Return an unsigned number of 32 bits as PostgreSQL's `integer` has it."""
    return number - 2**32 if number >= 2**31 else number


def _holders(session: Client, space: int) -> Iterator[tuple[int, str]]:
    """Yield the numbers of the locks of other sessions, and who holds them.

    A key of two integers shows as `classid`, `objid` and 2 (PostgreSQL's page "pg_locks").
    """
    rows = execute_native(
        session,
        "SELECT l.objid::bigint, a.application_name, a.client_addr::text, a.pid"
        " FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid"
        " JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"
        " AND l.classid::bigint = %s AND l.pid <> pg_backend_pid()",
        space,
    )
    for number, name, address, pid in rows:
        place = f"session {pid} from {address or 'the server itself'}"
        yield int(number), f"{name or 'another program'} ({place})"
