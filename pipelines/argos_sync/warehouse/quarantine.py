"""Read and maintain the quarantine: what it has of a chunk, what to try again, what is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from argos_sync.load.sql import Client, ResultRows, execute, key_batches, select
from argos_sync.shape.contract import QUARANTINE
from argos_sync.warehouse.rows import read_rows

TOO_MANY_UNREADABLE = "too many cannot be read"
"""The issue of a run that has put too many objects into quarantine."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A quarantined object: the hash of its content, and the run that last received it."""

    content_hash: str | None
    last_run_id: str | None


def stored_objects(client: Client, quarantine_ids: Sequence[str]) -> dict[str, StoredObject]:
    """Return those of these ids that are in the quarantine already."""
    columns = ("quarantine_id", "_content_hash", "last_run_id")
    rows = read_rows(client, QUARANTINE, columns, quarantine_ids)
    return {row[0]: StoredObject(*row[1:]) for row in rows}


def count_quarantined_submissions(client: Client) -> int:
    """Return how many submissions are in quarantine."""
    query = f"SELECT COUNT(DISTINCT submission_id) FROM {QUARANTINE}"  # noqa: S608 a name
    rows = select(client, query)
    return int(rows[0][0]) if rows else 0


def mark_received(client: Client, quarantine_ids: Sequence[str], run_id: str) -> None:
    """Set `last_run_id` of objects that a run has received again unchanged, or asked for."""
    query = f"UPDATE {QUARANTINE} SET last_run_id = ? WHERE quarantine_id = ANY(?)"  # noqa: S608 a name
    for batch in key_batches(client, quarantine_ids):
        execute(client, query, run_id, batch)


def set_submission_id(
    client: Client, quarantine_id: str, submission_id: str, new_quarantine_id: str
) -> None:
    """Store the submission id of an object whose id can be read by now.

    Its row gets the key of the submission, and is deleted if the submission has a row already.
    """
    if stored_objects(client, [new_quarantine_id]):
        execute(client, f"DELETE FROM {QUARANTINE} WHERE quarantine_id = ?", quarantine_id)  # noqa: S608 a name
        return
    assignments = "submission_id = ?, quarantine_id = ?"
    query = f"UPDATE {QUARANTINE} SET {assignments} WHERE quarantine_id = ?"  # noqa: S608 names
    execute(client, query, submission_id, new_quarantine_id, quarantine_id)


def release(client: Client, submission_ids: Sequence[str]) -> None:
    """Delete what the quarantine has of submissions that have been read."""
    columns = ("submission_id", "quarantine_id")
    keys = [row[1] for row in read_rows(client, QUARANTINE, columns, submission_ids)]
    for batch in key_batches(client, keys):
        execute(client, f"DELETE FROM {QUARANTINE} WHERE quarantine_id = ANY(?)", batch)  # noqa: S608 a name


def ids_to_try(client: Client, run_id: str, limit: int) -> list[tuple[str, str]]:
    """Return pairs of quarantine and submission id that a run has neither received nor asked for.

    Those that were not tried for the longest time come first.
    """
    rows = _select_untried(client, "submission_id", "submission_id IS NOT NULL", run_id, limit)
    return [(row[0], row[1]) for row in rows]


def objects_without_id(client: Client, run_id: str, limit: int) -> list[tuple[str, Any]]:
    """Return quarantine id and `_extra` of objects without a submission id; see `ids_to_try`."""
    rows = _select_untried(client, "_extra", "submission_id IS NULL", run_id, limit)
    return [(row[0], row[1]) for row in rows]


def _select_untried(
    client: Client, column: str, condition: str, run_id: str, limit: int
) -> ResultRows:
    where = f"{condition} AND (last_run_id IS NULL OR last_run_id <> ?)"
    order = "COALESCE(last_run_id, ''), quarantine_id"
    query = f"SELECT quarantine_id, {column} FROM {QUARANTINE} WHERE {where}"  # noqa: S608 names
    return select(client, f"{query} ORDER BY {order} LIMIT {limit}", run_id)
