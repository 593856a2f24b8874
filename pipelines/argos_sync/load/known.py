"""What the warehouse already has of a chunk: asked before it is loaded, touched after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from argos_sync.shape.contract import HISTORY, QUARANTINE, SUBMISSIONS, load_contract

_ANY_OF = {"duckdb": "{key} IN (SELECT unnest(%s))", "postgres": "{key} = ANY(%s)"}
"""Dialects whose drivers take a list as one parameter, which is ten times as fast as many."""

_KEYS_A_QUERY = 1_000
"""For all other dialects: well below the limits of every warehouse dlt speaks to."""

Client = SqlClientBase[Any]


@dataclass(frozen=True, slots=True)
class Known:
    """A submission the warehouse has.

    Attributes:
        content_hash: Of the version it has.
        deleted: Whether it is marked as gone from the source.
    """

    content_hash: str
    deleted: bool = False


def known_submissions(client: Client, submission_ids: Sequence[str]) -> dict[str, Known]:
    """Return which of these submissions the warehouse has."""
    columns = ("submission_id", "_content_hash", "_deleted_at")
    rows = _select(client, SUBMISSIONS, columns, submission_ids)
    return {row[0]: Known(row[1], row[2] is not None) for row in rows}


def known_history(client: Client, submission_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the status history of these submissions, by submission."""
    columns = [column.name for column in load_contract()[HISTORY].columns]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in _select(client, HISTORY, columns, submission_ids):
        found.setdefault(row[0], []).append(dict(zip(columns, row, strict=True)))
    return found


def known_quarantine(client: Client, quarantine_ids: Sequence[str]) -> set[str]:
    """Return which of these objects the quarantine already keeps."""
    return {row[0] for row in _select(client, QUARANTINE, ("quarantine_id",), quarantine_ids)}


def touch(client: Client, submission_ids: Sequence[str], synced_at: datetime | None) -> None:
    """Note that these submissions were fetched and found as they are."""
    table = client.make_qualified_table_name(SUBMISSIONS)
    column = client.escape_column_name("_synced_at")
    for condition, parameters in among(client, "submission_id", submission_ids):
        query = f"UPDATE {table} SET {column} = %s WHERE {condition}"  # noqa: S608 names only
        client.execute_sql(query, synced_at, *parameters)


def _select(
    client: Client, table: str, columns: Sequence[str], keys: Sequence[str]
) -> Iterator[Sequence[Any]]:
    """Yield rows whose first column is among `keys`; none when the table does not exist yet."""
    selected = ", ".join(map(client.escape_column_name, columns))
    name = client.make_qualified_table_name(table)
    for condition, parameters in among(client, columns[0], keys):
        query = f"SELECT {selected} FROM {name} WHERE {condition}"  # noqa: S608 names only
        try:
            yield from client.execute_sql(query, *parameters) or ()
        except DatabaseUndefinedRelation:
            return


def among(client: Client, column: str, keys: Sequence[str]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield conditions, with their parameters, that together hold for the rows with these keys."""
    key = client.escape_column_name(column)
    whole = _ANY_OF.get(client.capabilities.sqlglot_dialect or "")
    if whole and keys:
        yield whole.format(key=key), [list(keys)]
        return
    for start in range(0, len(keys), _KEYS_A_QUERY):
        portion = keys[start : start + _KEYS_A_QUERY]
        yield f"{key} IN ({', '.join(['%s'] * len(portion))})", portion
