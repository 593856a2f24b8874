"""What the warehouse holds and how its last runs went, on every destination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from argos_sync.shape.contract import ISSUES, RUNS, load_contract

Client = SqlClientBase[Any]

_LAST_RUNS = 5


@dataclass(frozen=True, slots=True)
class Overview:
    """What `status` tells.

    Attributes:
        rows: Rows by table.
        runs: The last runs, newest first, with the columns of `sync_runs`.
        last_success: When the last run that succeeded began, UTC.
        issues: Issues by table and problem, most frequent first.
    """

    rows: dict[str, int]
    runs: list[dict[str, Any]]
    last_success: datetime | None
    issues: list[dict[str, Any]]


def overview(client: Client) -> Overview:
    """Read what `status` tells; tables that do not exist yet count as empty."""
    run_columns = [column.name for column in load_contract()[RUNS].columns]
    return Overview(
        rows={name: count_rows(client, name) for name in load_contract().tables},
        runs=_last_runs(client, run_columns),
        last_success=_last_success(client),
        issues=_issues(client),
    )


def count_rows(client: Client, table: str) -> int:
    """Return how many rows a table has; 0 when it does not exist yet."""
    rows = select(client, f"SELECT COUNT(*) FROM {client.make_qualified_table_name(table)}")  # noqa: S608 a name
    return int(rows[0][0]) if rows else 0


def select(client: Client, query: str) -> list[Sequence[Any]]:
    """Return the rows of a query; none when its table does not exist yet."""
    try:
        return list(client.execute_sql(query) or ())
    except DatabaseUndefinedRelation:
        return []


def _last_runs(client: Client, columns: list[str]) -> list[dict[str, Any]]:
    selected = ", ".join(map(client.escape_column_name, columns))
    started = client.escape_column_name("started_at")
    query = (
        f"SELECT {selected} FROM {client.make_qualified_table_name(RUNS)}"  # noqa: S608 names
        f" ORDER BY {started} DESC LIMIT {_LAST_RUNS}"
    )
    return [dict(zip(columns, row, strict=True)) for row in select(client, query)]


def _last_success(client: Client) -> datetime | None:
    started, status = map(client.escape_column_name, ("started_at", "exit_status"))
    query = (
        f"SELECT MAX({started}) FROM {client.make_qualified_table_name(RUNS)}"  # noqa: S608 names
        f" WHERE {status} = 0"
    )
    rows = select(client, query)
    moment: datetime | None = rows[0][0] if rows else None
    return moment.astimezone(UTC) if moment else None


def _issues(client: Client) -> list[dict[str, Any]]:
    columns = ("table_name", "problem")
    selected = ", ".join(map(client.escape_column_name, columns))
    query = (
        f"SELECT {selected}, COUNT(*) FROM {client.make_qualified_table_name(ISSUES)}"  # noqa: S608 names
        f" GROUP BY {selected} ORDER BY 3 DESC, 1, 2"
    )
    return [dict(zip((*columns, "count"), row, strict=True)) for row in select(client, query)]
