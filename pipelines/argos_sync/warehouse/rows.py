"""What the warehouse already has of a chunk: asked before it is loaded, touched after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from argos_sync.load.dlt_tables import LOADS
from argos_sync.load.sql import Client, ResultRows, execute, key_batches, select
from argos_sync.shape.contract import (
    HISTORY,
    QUARANTINE,
    SUBMISSIONS,
    SUPPRESSIONS,
    load_contract,
)


@dataclass(frozen=True, slots=True)
class StoredSubmission:
    """A submission the warehouse has.

    Attributes:
        content_hash: Of the version it has.
        deleted: Whether it is marked as gone from the source.
        synced_at: When it was last fetched, UTC.
    """

    content_hash: str
    deleted: bool
    synced_at: datetime


def stored_submissions(
    client: Client, submission_ids: Sequence[str]
) -> dict[str, StoredSubmission]:
    """Return which of these submissions the warehouse has."""
    columns = ("submission_id", "_content_hash", "_deleted_at", "_synced_at")
    rows = read_rows(client, SUBMISSIONS, columns, submission_ids)
    return {row[0]: StoredSubmission(row[1], row[2] is not None, row[3]) for row in rows}


def stored_history(
    client: Client, submission_ids: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Return the status history of these submissions, by submission."""
    columns = [column.name for column in load_contract()[HISTORY].columns]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in read_rows(client, HISTORY, columns, submission_ids):
        found.setdefault(row[0], []).append(dict(zip(columns, row, strict=True)))
    return found


def stored_quarantine_ids(client: Client, quarantine_ids: Sequence[str]) -> set[str]:
    """Return which of these objects the quarantine already keeps."""
    return {row[0] for row in read_rows(client, QUARANTINE, ("quarantine_id",), quarantine_ids)}


def has_submissions(client: Client) -> bool:
    """Return whether the warehouse has any submission."""
    return bool(_query(client, SUBMISSIONS, ("submission_id",), "LIMIT 1"))


def has_completed_load(client: Client) -> bool:
    """Return whether the warehouse has submissions, from a load that was completed."""
    loads = _query(client, LOADS, ("load_id",), "WHERE status = 0 LIMIT 1")
    return bool(loads) and has_submissions(client)


def read_suppression_list(client: Client) -> tuple[frozenset[str], set[str]]:
    """Return the list of who must not come back: its hashes, and the ids of their keys."""
    rows = list(read_rows(client, SUPPRESSIONS, ("suppression_id", "key_id")))
    return frozenset(row[0] for row in rows), {row[1] for row in rows}


def read_rows(
    client: Client, table: str, columns: Sequence[str], keys: Sequence[str] | None = None
) -> Iterator[Sequence[Any]]:
    """Yield rows of a table; none when it does not exist yet.

    Args:
        client: Connected to the warehouse.
        table: Its name.
        columns: What each row has.
        keys: Values of the first column that rows are wanted of; None is all rows.
    """
    if keys is None:
        yield from _query(client, table, columns)
        return
    for portion in key_batches(client, keys):
        yield from _query(client, table, columns, f"WHERE {columns[0]} = ANY(?)", portion)


def find_submission_ids(
    client: Client, table: str, column: str, values: Sequence[str], *, loosely: bool = False
) -> Iterator[str]:
    """Yield the ids of submissions with one of these values; none when there is no such table.

    Args:
        client: Connected to the warehouse.
        table: Its name.
        column: What to look at.
        values: As the column has them.
        loosely: Whether neither case nor blanks around a value count.
    """
    if loosely:
        values = [value.strip().lower() for value in values]
    key = f"LOWER(TRIM({column}))" if loosely else column
    for portion in key_batches(client, values):
        for (found,) in _query(client, table, ["submission_id"], f"WHERE {key} = ANY(?)", portion):
            yield found


def mark_fetched(client: Client, submission_ids: Sequence[str], synced_at: datetime | None) -> None:
    """Note that these submissions were fetched and found as they are."""
    query = f"UPDATE {SUBMISSIONS} SET _synced_at = ? WHERE submission_id = ANY(?)"  # noqa: S608 names only
    for portion in key_batches(client, submission_ids):
        execute(client, query, synced_at, portion)


def _query(
    client: Client, table: str, columns: Sequence[str], rest: str = "", *parameters: Any
) -> ResultRows:
    return select(client, f"SELECT {', '.join(columns)} FROM {table} {rest}", *parameters)  # noqa: S608 names only
