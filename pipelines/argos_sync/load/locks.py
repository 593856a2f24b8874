"""Lock the days a run writes, so that two runs do not write the same days at the same time.

`pipeline.open_warehouse` takes the locks. A backfill locks the days it loads; every other run locks
all days. On one machine lock files keep runs apart; PostgreSQL also keeps runs of other machines
apart, and DuckDB locks its file. Every other destination, and PostgreSQL behind a connection
pooler, has a `lease`. A run that finds its days locked fails with the name of the process that
holds the lock.
"""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from functools import partial
from hashlib import blake2b
from pathlib import Path

from argos_sync.config import load_settings
from argos_sync.fetch.windows import DateRange
from argos_sync.load.destinations.postgres import lift_time_limits
from argos_sync.load.errors import DatabaseException, DestinationError
from argos_sync.load.sql import Client, ResultRows, dialect_of, execute_native, transaction
from argos_sync.load.sqlstate import RUN_AGAIN

_WAIT = "wait for it to finish, or stop it"

CheckLock = Callable[[], None]
"""Raises DestinationError if this run no longer has its lock."""


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
            raise locked_by(owner or "another process") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} (argos-sync {command})\n".encode(), 0)
        yield


Session = Client | None
"""A connection used only for locks; None if the destination has no advisory locks."""


@contextmanager
def lock_session(client: Client) -> Iterator[Session]:
    """Open a client for advisory locks while the block runs, if they protect anything.

    It must not be used for anything else: after a failed query, for example on a table that does
    not exist, psycopg2 resets it (`DISCARD ALL`), which releases all locks.
    """
    if dialect_of(client) == "postgres" and load_settings(api=False).run_lock == "auto":
        with client:
            if not _is_pooled(client):
                lift_time_limits(client, waits_for_locks=True)
                yield client
                return
    yield None


def _is_pooled(client: Client) -> bool:
    """Return whether a connection pooler stands between us and PostgreSQL.

    A pooler such as PgBouncer may run each transaction in another session, so a lock of a session
    keeps nobody out, and stays when its run has ended. When a connection begins, the server tells
    the client its process id (message BackendKeyData); a pooler invents one, because it has no
    session for the client yet.
    """
    ((process,),) = execute_native(client, "SELECT pg_backend_pid()")
    return bool(process != client.native_connection.info.backend_pid)


@contextmanager
def opening_lock(file: Path, session: Session, dataset: str) -> Iterator[None]:
    """Let one process at a time open the warehouse; wait until it is this process's turn.

    The file keeps out processes of this machine, and the session those of other machines.
    """
    key = _opening_key(dataset)
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


@contextmanager
def opening_transaction(client: Client, dataset: str) -> Iterator[None]:
    """Run the block in a transaction that keeps `opening_lock` waiting, where it has a server's.

    Locks of transactions hold behind a pooler, too. Without PostgreSQL there is no transaction.

    Raises:
        DestinationError: A session has locked some days with `lock_days`.
    """
    if dialect_of(client) != "postgres":
        yield
        return
    with transaction(client):
        execute_native(client, "SELECT 1 FROM pg_advisory_xact_lock(%s)", _opening_key(dataset))
        for _, owner in _locks_of_others(client, _space(dataset)):
            raise locked_by(owner)
        yield


def lock_days(session: Client, dataset: str, command: str, days: DateRange) -> CheckLock:
    """Lock days against runs on other machines until the session ends.

    PostgreSQL keeps an advisory lock for a whole session, whatever its transactions do, and lists
    the locks of all sessions in `pg_locks`, so the lock's key encodes the days. Call this inside
    `opening_lock`, with a session that stays open until the run ends; others see the name of the
    command.

    Returns:
        Checks that the session still has the lock.

    Raises:
        DestinationError: Another session has locked some of these days.
    """
    name = holder_name(command)
    execute_native(session, "SELECT set_config('application_name', %s, false)", name[:63])
    space = _space(dataset)
    first, last = _day_number(days.first, 0), _day_number(days.last, _LAST_DAY)
    for number, owner in _locks_of_others(session, space):
        if first <= number & _LAST_DAY and number >> 16 <= last:
            raise locked_by(owner)
    number = first << 16 | last
    execute_native(
        session, "SELECT 1 FROM pg_advisory_lock(%s, %s)", _signed(space), _signed(number)
    )
    return partial(_check_session, session, space, number)


def holder_name(command: str) -> str:
    """Return how other runs see this one: its command, process and host."""
    return f"argos-sync {command}, process {os.getpid()} on {socket.gethostname()}"


def locked_by(owner: str) -> DestinationError:
    """Return the error of a run that another one keeps out."""
    return DestinationError(f"the destination is locked by {owner}", _WAIT)


def _check_session(session: Client, space: int, number: int) -> None:
    """Raise an error if the session has lost a lock, for example because the server ended it.

    dlt's client connects again by itself after a failed query, without the lock.
    """
    rows: ResultRows = ()
    with suppress(DatabaseException):
        rows = execute_native(
            session,
            f"SELECT 1 {_ADVISORY_LOCKS} AND l.objid::bigint = %s AND l.pid = pg_backend_pid()",
            space,
            number,
        )
    if not rows:
        raise DestinationError(
            "the connection that kept other runs out has ended, so another run may be writing",
            RUN_AGAIN,
        )


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


def _opening_key(dataset: str) -> int:
    return int.from_bytes(_digest(dataset), "big", signed=True)


def _space(dataset: str) -> int:
    """Return the number that the locks of a dataset's days have in common."""
    return int.from_bytes(_digest(dataset)[:4], "big")


def _day_number(day: date | None, unbounded: int) -> int:
    """Return the number of days since 1970, limited to 16 bits."""
    return unbounded if day is None else min(max((day - date(1970, 1, 1)).days, 0), _LAST_DAY)


def _signed(number: int) -> int:
    """Return an unsigned 32-bit number as PostgreSQL's signed `integer`."""
    return number - 2**32 if number >= 2**31 else number


_ADVISORY_LOCKS = (
    "FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database"
    " AND d.datname = current_database()"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid::bigint = %s"
)
"""The locks of days in a dataset's space. `pg_locks` shows a key of two integers as `classid`,
`objid` and 2 (PostgreSQL's page "pg_locks")."""


def _locks_of_others(session: Client, space: int) -> Iterator[tuple[int, str]]:
    """Yield the keys of locks that other sessions hold, each with the session's description."""
    rows = execute_native(
        session,
        "WITH locks AS (SELECT l.pid, l.objid::bigint AS number"  # noqa: S608 no values
        f" {_ADVISORY_LOCKS} AND l.pid <> pg_backend_pid())"
        " SELECT number, a.application_name, a.client_addr::text, a.pid"
        " FROM locks JOIN pg_stat_activity AS a ON a.pid = locks.pid",
        space,
    )
    for number, name, address, pid in rows:
        location = f"session {pid} from {address or 'the server itself'}"
        yield int(number), f"{name or 'another program'} ({location})"
