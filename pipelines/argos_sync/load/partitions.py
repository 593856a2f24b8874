"""Partitions: ranges of days that pipelines of their own load, beside others.

dlt keeps state per pipeline name, and rows to merge in a staging dataset. A partition has both to
itself, so any number of partitions may be loaded at once, from any number of machines.
"""

import re
from contextlib import suppress

from argos_sync.fetch.windows import DateRange
from argos_sync.load.sql import Client, dialect_of, execute_native

PIPELINE = "argos_sync"
"""Pipeline of all runs that load no partition, and prefix of the partitions' pipeline names."""


def partition_name(days: DateRange) -> str | None:
    """Return the name of the partition for these days, UTC; None for an unbounded range."""
    if days.first is None or days.last is None:
        return None
    # Not by `strftime`, which writes the first centuries with fewer digits.
    return f"{days.first}_{days.last}".replace("-", "")


def pipeline_name(partition: str | None) -> str:
    """Return the name of a partition's pipeline; None returns the pipeline of all other runs."""
    return f"{PIPELINE}_{partition}" if partition else PIPELINE


_STAGING = re.compile(r"(.*)_staging(_\d+_\d+)?")
"""Names of staging datasets: dlt's own, and those of partitions."""


def staging_layout(partition: str) -> str:
    """Return the name of a partition's staging dataset, with `%s` in place of the dataset's."""
    return f"%s_staging_{partition}"


def staged_dataset(dataset: str) -> str | None:
    """Return the dataset whose rows are staged under this name; None if it is no such name."""
    match = _STAGING.fullmatch(dataset)
    return match[1] if match else None


def drop_staging(client: Client) -> None:
    """Drop the client's staging dataset if it exists."""
    # The next run that has the warehouse to itself drops what stays.
    with suppress(Exception), client.with_staging_dataset():
        if client.has_dataset():
            client.drop_dataset()


def drop_orphaned_staging(client: Client) -> None:
    """Drop the staging datasets of partitions whose processes were killed.

    Call this only in a run that has the warehouse to itself. Only PostgreSQL is asked for its
    datasets; DuckDB files have no staging datasets.
    """
    if dialect_of(client) != "postgres":
        return
    rows = execute_native(
        client,
        "SELECT schema_name FROM information_schema.schemata"
        " WHERE LEFT(schema_name, LENGTH(%s)) = %s",
        *[staging_layout("") % client.dataset_name] * 2,
    )
    for (name,) in rows:
        if staged_dataset(name) != client.dataset_name:
            continue  # a warehouse with a similar name
        execute_native(
            client, f"DROP SCHEMA {client.escape_column_name(name, casefold=False)} CASCADE"
        )
