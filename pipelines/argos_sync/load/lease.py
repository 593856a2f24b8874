"""The lease: a row in the warehouse that keeps a second run out, where no other lock does.

The row names its holder, by a token and for people, and has a deadline by the database's clock. A
run takes the lease if the deadline is over, moves the deadline while it works, and stops before a
commit if it finds another token: a run that was paused for too long has lost it. The run that takes
over also drops the other one's staging dataset, which is named after the token.

Each step is one UPDATE whose WHERE compares the stored row, and a query that reads the result. So
it needs no unique key and no row count, which many warehouses lack, and no session, which a
connection pooler takes away. It relies on two UPDATEs of a row never both finding the old value:
they wait for each other, one of them fails, or a ClickHouse server applies them one after the
other (its page "Mutations").
"""

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from argos_sync.config import load_settings
from argos_sync.load.errors import DatabaseException, DestinationError
from argos_sync.load.locks import holder_name, locked_by, opening_transaction
from argos_sync.load.sql import (
    Client,
    dialect_of,
    execute,
    execute_native,
    quote_column,
    select,
    tables_exist,
)
from argos_sync.load.sqlstate import RUN_AGAIN
from argos_sync.load.staging import drop_staging

LEASE_TABLE = "sync_lease"
"""The table: one row, which is free while its deadline is over. Two first runs that create it in
the same moment may leave two rows; then a run holds the lease if it has all that are free, and
there is no other holder."""

_COLUMNS = {"token": "text", "holder": "text", "deadline": "bigint"}
"""dlt's types by column; the deadline is in Unix seconds."""

_NOW = "CAST(EPOCH(CURRENT_TIMESTAMP) AS BIGINT)"
_READ = f"SELECT token, holder, deadline - {_NOW} FROM {LEASE_TABLE}"  # noqa: S608 names only
_TAKE = (
    f"UPDATE {LEASE_TABLE} SET token = ?, holder = ?, deadline = {_NOW} + ?"  # noqa: S608 names only
    f" WHERE deadline < {_NOW} OR token = ?"
)
_RENEW = f"UPDATE {LEASE_TABLE} SET deadline = {_NOW} + ? WHERE token = ?"  # noqa: S608 names only
_INSERT = f"INSERT INTO {LEASE_TABLE} (token, holder, deadline) VALUES ('', '', 0)"  # noqa: S608 names only
_RELEASE = f"UPDATE {LEASE_TABLE} SET deadline = 0 WHERE token = ?"  # noqa: S608 names only

_ATTEMPTS = 5
"""How often a conflict with another run that takes or creates the lease is tried again."""

_CHECKS = 4
"""How often a lease is checked before its deadline; it is renewed when half of the time is over."""


class _Row(NamedTuple):
    token: str
    holder: str
    seconds_left: int

    @property
    def is_over(self) -> bool:
        """Whether the deadline is over, or the lease was released."""
        return self.seconds_left < 0


@dataclass(slots=True)
class Lease:
    """A lease that this run has taken; used by two threads, one at a time."""

    client: Client
    token: str
    seconds: int
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Check that this run still has the lease, and renew it in good time.

        Raises:
            DestinationError: Another run has taken it over.
        """
        with self._turn:
            rows = _read(self.client)
            if not self._is_among(rows, self.seconds / 2):
                with suppress(DatabaseException):  # a conflict: the stored row decides
                    execute(self.client, _RENEW, self.seconds, self.token)
                rows = _read(self.client)
        if not self._is_among(rows, 0):
            others = " and ".join(row.holder for row in rows if not row.is_over)
            raise DestinationError(
                f"this run was paused too long, and lost its lease to {others or 'another one'}",
                RUN_AGAIN,
            )

    def _is_among(self, rows: Iterable[_Row], seconds: float) -> bool:
        """Whether a row is this run's own, for some seconds at least."""
        return any(row.token == self.token and row.seconds_left >= seconds for row in rows)


@contextmanager
def hold_lease(
    client: Client, dataset: str, token: str, command: str, file: Path
) -> Iterator[Lease]:
    """Take the lease of a dataset, and renew it while the block runs.

    Args:
        client: dlt's client, not connected, which is used for nothing else.
        dataset: The dataset as the destination spells it.
        token: Unique to this run.
        command: Its name, which other runs see.
        file: Where this machine keeps the token of its last run. The caller has locked it, so that
            run has ended, and nobody has to wait for its deadline.

    Raises:
        DestinationError: Another run has the lease.
    """
    seconds = load_settings(api=False).lease_seconds
    holder = holder_name(command)
    with client:
        own = f"{socket.gethostname()} "
        previous = file.read_text().removeprefix(own) if file.exists() else ""
        _create_table(client)
        for row in _read(client):
            if row.token and (row.is_over or row.token == previous):
                drop_staging(client, row.token)
        with opening_transaction(client, dataset):
            _take(client, token, holder, seconds, previous)
        file.write_text(own + token)
        lease = Lease(client, token, seconds)
        ended = threading.Event()
        thread = threading.Thread(target=_renew_until, args=(lease, ended), daemon=True)
        thread.start()
        try:
            yield lease
        finally:
            ended.set()
            thread.join()
            with suppress(Exception):  # otherwise it is free at its deadline
                execute(client, _RELEASE, token)


def refuse_active_lease(client: Client) -> None:
    """Refuse to write while another run has the lease, for runs that need none themselves.

    Raises:
        DestinationError: Another run has the lease.
    """
    for row in _read(client):
        if not row.is_over:
            raise locked_by(row.holder)


def _renew_until(lease: Lease, ended: threading.Event) -> None:
    """Renew a lease until the run has ended; a failure is left to the check of the next commit."""
    while not ended.wait(lease.seconds / _CHECKS):
        with suppress(Exception):
            lease.check()


def _read(client: Client) -> list[_Row]:
    """Return the rows of the table; none if it does not exist."""
    return [_Row(*row) for row in select(client, _READ)]


def _create_table(client: Client) -> None:
    """Create the dataset, the table and a row that is free, where they are missing."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            if not tables_exist(client, [LEASE_TABLE]):
                if not client.has_dataset():
                    client.create_dataset()
                execute_native(client, _definition(client))
            if not _read(client):
                execute(client, _INSERT)
        except DatabaseException:  # another first run may create them at the same time
            if attempt == _ATTEMPTS:
                raise
        else:
            return


def _definition(client: Client) -> str:
    mapper = client.capabilities.get_type_mapper()
    columns = []
    for name, type_ in _COLUMNS.items():
        column: Any = {"name": name, "data_type": type_, "nullable": False}
        column_type = mapper.to_destination_type(column, {"name": LEASE_TABLE, "columns": {}})
        columns.append(f"{quote_column(client, name)} {column_type}")
    table = client.make_qualified_table_name(LEASE_TABLE)
    engine = " ENGINE = MergeTree ORDER BY tuple()" if dialect_of(client) == "clickhouse" else ""
    return f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)}){engine}"


def _take(client: Client, token: str, holder: str, seconds: int, previous: str) -> None:
    """Take the lease if it is free, or that of this machine's last run.

    Raises:
        DestinationError: Another run has the lease.
    """
    for _ in range(_ATTEMPTS):
        with suppress(DatabaseException):  # a conflict: the stored row decides
            execute(client, _TAKE, token, holder, seconds, previous)
        rows = _read(client)
        if rows and all(row.token == token for row in rows):
            return
        if any(row.token == token for row in rows):
            execute(client, _RELEASE, token)
        for row in rows:
            if row.token != token and not row.is_over:
                raise locked_by(row.holder)
    raise locked_by("another run that has just begun")
