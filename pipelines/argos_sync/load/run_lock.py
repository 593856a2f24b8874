"""Keep runs of other machines out, by the lock that the destination has."""

from collections.abc import Iterator
from contextlib import contextmanager

from argos_sync.fetch.windows import DateRange
from argos_sync.load.destinations.duckdb import duckdb_file
from argos_sync.load.destinations.ducklake import catalog_file
from argos_sync.load.lease import hold_lease, refuse_active_lease
from argos_sync.load.locks import CheckLock, Session, lock_days, lock_file
from argos_sync.load.sql import Client
from argos_sync.load.target import Location


def no_check() -> None:
    """Do nothing: a lock that cannot be lost needs no check."""


@contextmanager
def lock_run(
    client: Client,
    session: Session,
    location: Location,
    *,
    run_token: str,
    command: str,
    days: DateRange,
) -> Iterator[CheckLock]:
    """Keep other runs out while the block runs, and yield a check that they still are.

    Call this inside `opening_lock`, after the lock files of this machine.

    Args:
        client: The connected client of the run.
        session: Keeps advisory locks until the run ends; None without them.
        location: The warehouse; its client is for the lease, and used for nothing else.
        run_token: Identifies this run.
        command: Its name, which other runs see.
        days: The days that it writes, UTC. Without advisory locks they are all days.

    Raises:
        DestinationError: Another run is writing these days.
    """
    if session is not None:
        refuse_active_lease(client)
        yield lock_days(session, location.dataset, command, days)
    elif duckdb_file(client) is not None:
        yield no_check  # DuckDB locks its file for as long as it is open
    elif (catalog := catalog_file(client)) is not None:
        # Two writers of an SQLite file fail whatever they write, and a lease writes now and then.
        with lock_file(catalog.with_name(f"{catalog.name}.lock"), command):
            yield no_check
    else:
        file = location.working.with_suffix(".lease")
        with hold_lease(location.client, location.dataset, run_token, command, file) as lease:
            yield lease.check
