"""Lock the days a run writes, so that two runs do not write the same days at the same time.

`pipeline.open_warehouse` takes the locks. A backfill locks the days it loads; every other run locks
all days. On one machine lock files keep runs apart; PostgreSQL also keeps runs of other machines
apart, and DuckDB locks its file. Other destinations have no lock between machines, nor between
backfills whose ranges overlap without being equal. A run that finds its days locked fails with the
name of the process that holds the lock.
"""

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

_WAIT = "wait for it to finish, or stop it"

_LAST_DAY = 0xFFFF
"""Number of the last day that fits into a lock; it stands for all later days, too."""


@contextmanager
def lock_file(file: Path, command: str, *, shared: bool = False) -> Iterator[None]:
    """Lock a file while the block runs; the kernel releases the lock if the process dies.

    The file names its owner: the process and its command. Processes that all share the lock may
    hold it at the same time.

    Raises:
        DestinationError: Another process on this machine holds the lock.
    """
    with _open_lock_file(file) as descriptor:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(descriptor, 200).decode(errors="replace").partition("\n")[0]
            raise DestinationError(
                f"the destination is locked by {owner or 'another process'}", _WAIT
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} (argos-sync {command})\n".encode(), 0)
        yield


Session = Client | None
"""A connection used only for locks; None if the destination has no advisory locks."""


@contextmanager
def lock_session(client: Client, make_client: Callable[[], Client]) -> Iterator[Session]:
    """Open a connection for advisory locks while the block runs, if the destination has them.

    The connection must not be used for anything else: after a failed query, for example on a table
    that does not exist, psycopg2 resets it (`DISCARD ALL`), which releases all locks. So
    `make_client` makes another client of the same destination.
    """
    if dialect_of(client) != "postgres":
        yield None
        return
    with make_client() as session:
        yield session


@contextmanager
def opening_lock(file: Path, session: Session, dataset: str) -> Iterator[None]:
    """Let one process at a time open the warehouse; wait until it is this process's turn.

    The file keeps out processes of this machine, and the session those of other machines.
    """
    key = int.from_bytes(_digest(dataset), "big", signed=True)
    with _open_lock_file(file) as descriptor:
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
    """Lock days against runs on other machines until the session ends.

    PostgreSQL keeps an advisory lock for a whole session, whatever its transactions do, and lists
    the locks of all sessions in `pg_locks`, so the lock's key encodes the days. DuckDB locks its
    file itself; other destinations have no such locks. Call this inside `opening_lock`, with a
    session that stays open until the run ends; others see the name of the command.

    Raises:
        DestinationError: Another session has locked some of these days.
    """
    if session is None:
        return
    name = f"argos-sync {command}, process {os.getpid()} on {socket.gethostname()}"
    execute_native(session, "SELECT set_config('application_name', %s, false)", name[:63])
    space = int.from_bytes(_digest(dataset)[:4], "big")
    first, last = _day_number(days.first, 0), _day_number(days.last, _LAST_DAY)
    for number, owner in _locks_of_others(session, space):
        if first <= number & _LAST_DAY and number >> 16 <= last:
            raise DestinationError(f"the destination is locked by {owner}", _WAIT)
    keys = _signed(space), _signed(first << 16 | last)
    execute_native(session, "SELECT 1 FROM pg_advisory_lock(%s, %s)", *keys)


@contextmanager
def _open_lock_file(file: Path) -> Iterator[int]:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _digest(dataset: str) -> bytes:
    return blake2b(f"argos-sync {dataset}".encode(), digest_size=8).digest()


def _day_number(day: date | None, unbounded: int) -> int:
    """Return the number of days since 1970, limited to 16 bits."""
    return unbounded if day is None else min(max((day - date(1970, 1, 1)).days, 0), _LAST_DAY)


def _signed(number: int) -> int:
    """Return an unsigned 32-bit number as PostgreSQL's signed `integer`."""
    return number - 2**32 if number >= 2**31 else number


def _locks_of_others(session: Client, space: int) -> Iterator[tuple[int, str]]:
    """Yield the keys of locks that other sessions hold, each with the session's description.

    `pg_locks` shows a key of two integers as `classid`, `objid` and 2 (PostgreSQL's page
    "pg_locks").
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
        location = f"session {pid} from {address or 'the server itself'}"
        yield int(number), f"{name or 'another program'} ({location})"
