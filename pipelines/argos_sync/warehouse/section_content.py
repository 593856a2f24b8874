"""Read which submissions have content in a section's table, and which days must be read again."""

from collections.abc import Collection, Sequence
from datetime import date

from argos_sync.fetch.ledger import EMPTIED
from argos_sync.load.sql import Client, execute, key_batches, select
from argos_sync.shape.contract import SUBMISSIONS, WINDOWS
from argos_sync.warehouse.submissions import Period, to_date


def stored_ids_with_values(
    client: Client, table: str, columns: Collection[str], submission_ids: Sequence[str]
) -> set[str]:
    """Return those of these submissions that have a value in one of a table's columns."""
    if not columns or not submission_ids:
        return set()
    where = f"WHERE submission_id = ANY(?) AND ({_has_value(columns)})"
    query = f"SELECT DISTINCT submission_id FROM {table} {where}"  # noqa: S608 names only
    return {
        row[0]
        for batch in key_batches(client, submission_ids)
        for row in select(client, query, batch)
    }


def count_fetched_with_values(
    client: Client, table: str, columns: Collection[str], period: Period
) -> int:
    """Return how many submissions fetched in a period have a value in one of the columns.

    Soft-deleted ones do not count.
    """
    if not columns:
        return 0
    ids = f"SELECT submission_id FROM {table} WHERE {_has_value(columns)}"  # noqa: S608 names only
    is_fetched = "_deleted_at IS NULL AND _synced_at >= ? AND _synced_at <= ?"
    query = f"SELECT COUNT(*) FROM {SUBMISSIONS} WHERE {is_fetched} AND submission_id IN ({ids})"  # noqa: S608 names only
    rows = select(client, query, period.since, period.until)
    return int(rows[0][0]) if rows else 0


def emptied_windows(client: Client) -> dict[str, date]:
    """Return the UTC days in the ledger whose submissions must be read again, by window id."""
    query = f"SELECT window_id, window_from FROM {WINDOWS} WHERE state = '{EMPTIED}'"  # noqa: S608 names only
    return {row[0]: to_date(row[1]) for row in select(client, query)}


def delete_windows(client: Client, window_ids: Sequence[str]) -> None:
    """Delete windows from the ledger."""
    query = f"DELETE FROM {WINDOWS} WHERE window_id = ANY(?)"  # noqa: S608 names only
    for batch in key_batches(client, window_ids):
        execute(client, query, batch)


def _has_value(columns: Collection[str]) -> str:
    return " OR ".join(f"{name} IS NOT NULL" for name in columns)
