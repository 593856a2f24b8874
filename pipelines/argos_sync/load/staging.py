"""Staging datasets: where dlt puts the rows of a load package before it merges them.

Each run has one of its own and drops it when it ends. Two runs never merge each other's rows, even
if one of them has lost its lock without knowing.
"""

import re
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from argos_sync.load.ddl import RelationsInUseError, execute_ddl
from argos_sync.load.destinations.duckdb import duckdb_file
from argos_sync.load.errors import DatabaseException
from argos_sync.load.sql import Client, dialect_of, execute_native, is_ducklake

_STAGING = re.compile(r"(.*)_staging(_\d+_\d+)?")
"""Names of staging datasets: dlt's own, and those of runs."""


def make_run_token() -> str:
    """Return a text that identifies a run: its UTC day, for people, and a random number."""
    # Not by `strftime`, which writes the first centuries with fewer digits.
    day = datetime.now(UTC).date().isoformat().replace("-", "")
    return f"{day}_{secrets.randbelow(10**8):08}"


def staging_layout(run_token: str) -> str:
    """Return the name of a run's staging dataset, with `%s` in place of the dataset's."""
    return f"%s_staging_{run_token}"


def staged_dataset(dataset: str) -> str | None:
    """Return the dataset whose rows are staged under this name; None if it is no such name."""
    match = _STAGING.fullmatch(dataset)
    return match[1] if match else None


def has_own_staging(client: Client) -> bool:
    """Return whether a run has a staging dataset of its own. The client is connected.

    Neither a DuckDB file nor a DuckLake has one. PostgreSQL's administrator may have made the
    datasets for a role that must not make others: then dlt's `<dataset>_staging` is for one run at
    a time.
    """
    if dialect_of(client) == "postgres":
        ((may_create,),) = execute_native(
            client, "SELECT has_database_privilege(current_database(), 'CREATE')"
        )
        return bool(may_create)
    return duckdb_file(client) is None and not is_ducklake(client)


def drop_staging(client: Client, run_token: str) -> None:
    """Drop a run's staging dataset if it exists; after a failure a later run drops it."""
    name = staging_layout(run_token) % client.dataset_name
    with suppress(Exception), client.with_alternative_dataset_name(name):
        if client.has_dataset():
            client.drop_dataset()


def drop_orphaned_staging(client: Client) -> None:
    """Drop the staging datasets of processes that were killed.

    Call this only in a run that has the warehouse to itself, and a staging dataset of its own. Only
    PostgreSQL is asked for its datasets: DuckDB files have none, and elsewhere the lease names the
    one of the last run.
    """
    if dialect_of(client) != "postgres":
        return
    own = f"{client.dataset_name}_staging"
    rows = execute_native(
        client,
        "SELECT schema_name FROM information_schema.schemata"
        " WHERE LEFT(schema_name, LENGTH(%s)) = %s",
        own,
        own,
    )
    for (name,) in rows:
        if staged_dataset(name) != client.dataset_name:
            continue  # a warehouse with a similar name
        schema = client.escape_column_name(name, casefold=False)
        # Another user may own it, or read it, as a dump of the database does: a later run drops it.
        with suppress(DatabaseException, RelationsInUseError):
            drop = partial(execute_native, client, f"DROP SCHEMA {schema} CASCADE")
            execute_ddl(client, drop, pauses=())
