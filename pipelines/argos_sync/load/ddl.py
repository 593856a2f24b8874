"""Change views, columns and comments without keeping the readers of a database waiting.

PostgreSQL queues every reader of a table or view behind a statement that waits to change it. So
such a statement waits only `LOCK_MILLISECONDS` for the transactions of others, gives up its place
in the queue, and is repeated after a pause. Other databases are left to their own settings.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from time import sleep
from typing import Literal, TypeVar

from dlt.common.exceptions import DltException

from argos_sync.api.errors import ArgosError
from argos_sync.load.errors import DatabaseException, DestinationError, causes_of
from argos_sync.load.sql import Client, dialect_of, execute_native
from argos_sync.load.sqlstate import driver_error, sqlstate

_Result = TypeVar("_Result")

LOCK_MILLISECONDS = 250
"""How long a statement, and so each reader behind it, waits for a lock."""

PAUSES = (0.5, 1.0, 2.0)
"""Seconds between the attempts: together the time that a reader's transaction may take."""

_LOCK_STATES = {"55P03", "40P01"}
"""SQLSTATE of a lock timeout and of a deadlock (PostgreSQL's appendix "Error Codes")."""

_OTHER_COLUMNS = "42P16"
"""SQLSTATE of `CREATE OR REPLACE VIEW`, which may only add columns at the end."""

_NAMED_SESSIONS = 3

_READ_LOCKS = ("AccessShareLock",)
_ROW_LOCKS = (*_READ_LOCKS, "RowShareLock", "RowExclusiveLock")
"""Locks of statements that read rows, and of those that lock or write some (PostgreSQL's page
"Explicit Locking")."""

Use = Literal["read", "written to"]
"""What a command does with the rows of a dataset."""

_HARMLESS: Mapping[Use, Sequence[str]] = {
    "written to": _READ_LOCKS,
    "read": (
        *_ROW_LOCKS,
        "ShareUpdateExclusiveLock",
        "ShareLock",
        "ShareRowExclusiveLock",
        "ExclusiveLock",
    ),
}
"""Modes of locks that do not block this use: only AccessExclusiveLock blocks readers."""


class RelationsInUseError(DestinationError):
    """Transactions of other sessions use tables or views that were to be changed."""

    advice = "end that transaction, or wait for it, and run the command again"


def execute_ddl(
    client: Client,
    change: Callable[[], _Result],
    read_by_others: Collection[str] = (),
    pauses: Sequence[float] | None = None,
) -> _Result:
    """Run a change in a transaction, if the database can, and return its result.

    The change is repeated after pauses while transactions of other sessions keep it waiting.

    Args:
        client: A connected client, not in a transaction.
        change: Executes the statements, always the same ones.
        read_by_others: Tables and views that cannot be changed while others only read them.
        pauses: Seconds before each further attempt; `PAUSES` if omitted.

    Raises:
        RelationsInUseError: Other sessions kept it waiting each time; it names them.
        DatabaseException: The database refused a statement.
    """
    for pause in (*(PAUSES if pauses is None else pauses), None):
        try:
            with _ddl_transaction(client):
                return change()
        except DatabaseException as error:
            if not is_lock_conflict(error):
                raise
            blockers = blocking_sessions(client, read_by_others)
            if pause is None:
                message = f"{_dataset(client)} cannot be changed during {blockers}"
                raise RelationsInUseError(message) from None
        sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def is_lock_conflict(error: BaseException) -> bool:
    """Return whether a statement failed because of locks of other sessions."""
    return sqlstate(driver_error(error)) in _LOCK_STATES


def has_other_columns(error: DatabaseException) -> bool:
    """Return whether a view cannot be replaced in place, because its columns differ."""
    return sqlstate(driver_error(error)) == _OTHER_COLUMNS


@contextmanager
def blockers_named(client: Client, use: Use = "written to") -> Iterator[None]:
    """Name the sessions whose locks on rows or tables made the block fail.

    Args:
        client: Connected to the dataset that the block uses.
        use: What the block does with the dataset.

    Raises:
        RelationsInUseError: Sessions kept the block waiting until the time limit for locks.
    """
    try:
        yield
    except RelationsInUseError:
        raise
    except (ArgosError, DltException) as error:
        if not any(is_lock_conflict(cause) for cause in causes_of(error)):
            raise
        blockers = blocking_sessions(client, harmless=_HARMLESS[use])
        message = f"{_dataset(client)} cannot be {use} during {blockers}"
        raise RelationsInUseError(message) from None


def blocking_sessions(
    client: Client, read_by_others: Collection[str] = (), harmless: Sequence[str] = _ROW_LOCKS
) -> str:
    """Describe the sessions whose transactions hold locks on a dataset of PostgreSQL.

    Sessions that have only `harmless` locks count where they use one of the tables and views
    `read_by_others`. Processes, programs and users are named, the oldest transaction first; never
    their queries, which may have values.
    """
    rows = execute_native(
        client,
        "SELECT l.pid, MAX(a.application_name), MAX(a.usename), MIN(a.xact_start) AS since"
        " FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid"
        " WHERE l.granted AND l.database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND n.nspname = %s AND (c.relname = ANY(%s) OR l.mode <> ALL(%s))"
        " AND l.pid IS DISTINCT FROM pg_backend_pid()"
        " GROUP BY l.pid ORDER BY since NULLS LAST, l.pid",
        _dataset(client),
        list(read_by_others),
        list(harmless),
    )
    # A prepared transaction has no process.
    names = [
        f"process {pid} ({program or 'a program without a name'}, user {user or 'unknown'})"
        if pid is not None
        else "a prepared transaction"
        for pid, program, user, _ in rows
    ]
    more = len(names) - _NAMED_SESSIONS
    names[_NAMED_SESSIONS:] = [f"{more} more"] if more > 0 else []
    return "the open transaction of " + (" and ".join(names) or "another session")


def _dataset(client: Client) -> str:
    return client.fully_qualified_dataset_name(quote=False)


@contextmanager
def _ddl_transaction(client: Client) -> Iterator[None]:
    """Begin a transaction that waits for no lock for long, if the database has them for DDL."""
    has_transactions = client.capabilities.supports_ddl_transactions
    with client.begin_transaction() if has_transactions else nullcontext():
        if dialect_of(client) == "postgres":
            execute_native(client, f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
        yield
