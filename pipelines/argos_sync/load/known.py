"""What the warehouse already has of a chunk: asked before it is loaded, touched after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from argos_sync.shape.contract import QUARANTINE, SUBMISSIONS

_ANY_OF = {"duckdb": "{key} IN (SELECT unnest(%s))", "postgres": "{key} = ANY(%s)"}
"""Dialects whose drivers take a list as one parameter, which is ten times as fast as many."""

_KEYS_A_QUERY = 1_000
"""For all other dialects: well below the limits of every warehouse dlt speaks to."""

Client = SqlClientBase[Any]


def known_hashes(client: Client, submission_ids: Sequence[str]) -> dict[str, str]:
    """Return the content hash of each of these submissions that the warehouse has.

    A submission marked as deleted counts as not there: when it returns, it has changed.
    """
    columns = ("submission_id", "_content_hash")
    condition = f"{client.escape_column_name('_deleted_at')} IS NULL"
    return {
        row[0]: row[1] for row in _select(client, SUBMISSIONS, columns, submission_ids, condition)
    }


def known_quarantine(client: Client, quarantine_ids: Sequence[str]) -> set[str]:
    """Return which of these objects the quarantine already keeps."""
    return {row[0] for row in _select(client, QUARANTINE, ("quarantine_id",), quarantine_ids)}


def touch(client: Client, submission_ids: Sequence[str], synced_at: datetime) -> None:
    """Note that these submissions were fetched and found as they are."""
    table = client.make_qualified_table_name(SUBMISSIONS)
    column = client.escape_column_name("_synced_at")
    for condition, parameters in _among(client, "submission_id", submission_ids):
        query = f"UPDATE {table} SET {column} = %s WHERE {condition}"  # noqa: S608 names only
        client.execute_sql(query, synced_at, *parameters)


def _select(
    client: Client,
    table: str,
    columns: Sequence[str],
    keys: Sequence[str],
    condition: str = "1 = 1",
) -> Iterator[Sequence[Any]]:
    """Yield rows whose first column is among `keys`; none when the table does not exist yet."""
    selected = ", ".join(map(client.escape_column_name, columns))
    name = client.make_qualified_table_name(table)
    for among, parameters in _among(client, columns[0], keys):
        query = f"SELECT {selected} FROM {name} WHERE {condition} AND {among}"  # noqa: S608 names only
        try:
            yield from client.execute_sql(query, *parameters) or ()
        except DatabaseUndefinedRelation:
            return


def _among(client: Client, column: str, keys: Sequence[str]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield conditions, with their parameters, that together hold for the rows with these keys."""
    key = client.escape_column_name(column)
    whole = _ANY_OF.get(client.capabilities.sqlglot_dialect or "")
    if whole and keys:
        yield whole.format(key=key), [list(keys)]
        return
    for start in range(0, len(keys), _KEYS_A_QUERY):
        portion = keys[start : start + _KEYS_A_QUERY]
        yield f"{key} IN ({', '.join(['%s'] * len(portion))})", portion
