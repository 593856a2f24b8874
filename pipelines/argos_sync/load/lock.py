"""One run at a time on a warehouse: who comes second is told who was first.

Two runs at once would share dlt's staging tables and overwrite each other's state.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from argos_sync.load.failures import DestinationError
from argos_sync.load.sql import Client, dialect_of, send

_WAIT = "wait until it has ended, or end it"


@contextmanager
def only_run_here(file: Path, command: str) -> Iterator[None]:
    """Hold a file for as long as the block runs; the kernel lets go when the process dies.

    Args:
        file: Beside the working directory; tells who holds it.
        command: The command that runs.

    Raises:
        DestinationError: Another process of this machine holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 200).decode(errors="replace").strip()
            raise DestinationError(
                f"the destination is locked by {holder or 'another process'}", _WAIT
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} (argos-sync {command})\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def only_run_anywhere(client: Client, dataset: str, command: str) -> None:
    """Keep runs of other machines out until the connection closes, where the database can.

    PostgreSQL holds an advisory lock for a session, whatever its transactions do. DuckDB locks the
    file itself, and other destinations have nothing of the kind.

    Args:
        client: Connected, and connected to the end of the run.
        dataset: Of the warehouse.
        command: The command that runs.

    Raises:
        DestinationError: Another session holds the lock.
    """
    if dialect_of(client) != "postgres":
        return
    digest = blake2b(f"argos-sync {dataset}".encode(), digest_size=8).digest()
    key = int.from_bytes(digest, "big", signed=True)
    name = f"argos-sync {command}, process {os.getpid()} on {socket.gethostname()}"
    send(client, "SELECT set_config('application_name', %s, false)", name[:63])
    ((held,),) = send(client, "SELECT pg_try_advisory_lock(%s)", key) or [(True,)]
    if not held:
        raise DestinationError(f"the destination is locked by {_holder(client, digest)}", _WAIT)


def _holder(client: Client, digest: bytes) -> str:
    rows = send(
        client,
        "SELECT a.application_name, a.client_addr::text, a.pid"
        " FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid"
        " JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()"
        " WHERE l.locktype = 'advisory' AND l.granted"
        " AND l.classid::bigint = %s AND l.objid::bigint = %s",
        int.from_bytes(digest[:4], "big"),
        int.from_bytes(digest[4:], "big"),
    )
    if not rows:
        return "another session"
    name, address, pid = rows[0]
    return f"{name or 'another program'} (session {pid} from {address or 'the server itself'})"
