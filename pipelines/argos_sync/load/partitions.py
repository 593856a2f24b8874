"""Partitions: days that are loaded by a pipeline of their own, beside others.

dlt keeps state by pipeline name, and what is to be merged in a staging dataset. Both are a
partition's own, so that any number of them may be loaded at once, from any number of machines.
"""

from __future__ import annotations

from argos_sync.fetch.windows import DateRange
from argos_sync.load.sql import Client, dialect_of, execute_native

PIPELINE = "argos_sync"
"""The pipeline of all runs that are alone, and what the names of others begin with."""


def partition_name(days: DateRange) -> str | None:
    """Return the name of the partition of these days, UTC; None if there is no end to them."""
    if days.first is None or days.last is None:
        return None
    return f"{days.first:%Y%m%d}_{days.last:%Y%m%d}"


def pipeline_name(partition: str | None) -> str:
    """Return the name of a partition's pipeline; None stands for that of all other runs."""
    return f"{PIPELINE}_{partition}" if partition else PIPELINE


def staging_layout(partition: str) -> str:
    """Return the name of a partition's staging dataset, with `%s` for that of the dataset."""
    return f"%s_staging_{partition}"


def drop_staging(client: Client) -> None:
    """Drop the client's staging dataset, if there is one."""
    with client.with_staging_dataset():
        if client.has_dataset():
            client.drop_dataset()


def drop_orphaned_staging(client: Client) -> None:
    """Drop the staging datasets of partitions whose processes were killed.

    Only a run that has the warehouse to itself may call this. Nothing is staged in DuckDB files.
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
        execute_native(
            client, f"DROP SCHEMA {client.escape_column_name(name, casefold=False)} CASCADE"
        )
