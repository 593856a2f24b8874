"""What the warehouse already has of a chunk: asked before it is loaded, touched after."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dlt.common.schema.typing import LOADS_TABLE_NAME
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from argos_sync.shape.contract import (
    HISTORY,
    QUARANTINE,
    SUBMISSIONS,
    SUPPRESSIONS,
    load_contract,
)

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
    rows = rows_of(client, SUBMISSIONS, columns, submission_ids)
    return {row[0]: Known(row[1], row[2] is not None) for row in rows}


def known_history(client: Client, submission_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the status history of these submissions, by submission."""
    columns = [column.name for column in load_contract()[HISTORY].columns]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(client, HISTORY, columns, submission_ids):
        found.setdefault(row[0], []).append(dict(zip(columns, row, strict=True)))
    return found


def known_quarantine(client: Client, quarantine_ids: Sequence[str]) -> set[str]:
    """Return which of these objects the quarantine already keeps."""
    return {row[0] for row in rows_of(client, QUARANTINE, ("quarantine_id",), quarantine_ids)}


def has_submissions(client: Client) -> bool:
    """Return whether the warehouse has any submission."""
    return bool(_query(client, SUBMISSIONS, ("submission_id",), "LIMIT 1"))


def was_loaded(client: Client) -> bool:
    """Return whether the warehouse has submissions, from a load that was completed."""
    completed = f"WHERE {client.escape_column_name('status')} = 0 LIMIT 1"
    loads = _query(client, LOADS_TABLE_NAME, ("load_id",), completed)
    return bool(loads) and has_submissions(client)


def exist(client: Client, names: Collection[str]) -> bool:
    """Return whether all of these tables and views exist."""
    queries = [
        f"SELECT 1 FROM {client.make_qualified_table_name(name)} WHERE 1 = 0"  # noqa: S608 names
        for name in names
    ]
    try:
        if queries:
            client.execute_sql(" UNION ALL ".join(queries))
    except DatabaseUndefinedRelation:
        return False
    return True


def suppressions(client: Client) -> tuple[frozenset[str], set[str]]:
    """Return the list of who must not come back: its hashes, and the ids of their keys."""
    rows = list(rows_of(client, SUPPRESSIONS, ("suppression_id", "key_id")))
    return frozenset(row[0] for row in rows), {row[1] for row in rows}


def rows_of(
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
    for condition, parameters in among(client, columns[0], keys):
        yield from _query(client, table, columns, f"WHERE {condition}", *parameters)


def submissions_with(
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
    key = client.escape_column_name(column)
    for condition, parameters in among(client, column, values):
        where = condition.replace(key, f"LOWER(TRIM({key}))", 1) if loosely else condition
        for (found,) in _query(client, table, ["submission_id"], f"WHERE {where}", *parameters):
            yield found


def touch(client: Client, submission_ids: Sequence[str], synced_at: datetime | None) -> None:
    """Note that these submissions were fetched and found as they are."""
    table = client.make_qualified_table_name(SUBMISSIONS)
    column = client.escape_column_name("_synced_at")
    for condition, parameters in among(client, "submission_id", submission_ids):
        query = f"UPDATE {table} SET {column} = %s WHERE {condition}"  # noqa: S608 names only
        client.execute_sql(query, synced_at, *parameters)


def select(client: Client, query: str, *parameters: Any) -> Sequence[Sequence[Any]]:
    """Return the rows of a query; none when its table does not exist yet."""
    try:
        return client.execute_sql(query, *parameters) or ()
    except DatabaseUndefinedRelation:
        return ()


def _query(
    client: Client, table: str, columns: Sequence[str], rest: str = "", *parameters: Any
) -> Sequence[Sequence[Any]]:
    selected = ", ".join(map(client.escape_column_name, columns))
    name = client.make_qualified_table_name(table)
    return select(client, f"SELECT {selected} FROM {name} {rest}", *parameters)  # noqa: S608 names only


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
