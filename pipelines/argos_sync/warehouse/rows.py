"""Read what the warehouse already has of a chunk, and mark what was fetched."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from argos_sync.load.source import LOADS
from argos_sync.load.sql import Client, ResultRows, execute, key_batches, select, transaction
from argos_sync.shape.contract import (
    CHANGES,
    HISTORY,
    SUBMISSIONS,
    SUPPRESSIONS,
    Table,
    load_contract,
    tables_for_sections,
)

_ROWS_READ_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class StoredSubmission:
    """A submission in the warehouse: when it was soft-deleted, if it was, fetched and changed."""

    content_hash: str
    deleted_at: datetime | None
    synced_at: datetime
    changed_at: datetime


def stored_submissions(
    client: Client, submission_ids: Sequence[str]
) -> dict[str, StoredSubmission]:
    """Return those of these submissions that the warehouse has, by id."""
    columns = ("submission_id", "_content_hash", "_deleted_at", "_synced_at", "_changed_at")
    rows = read_rows(client, SUBMISSIONS, columns, submission_ids)
    return {row[0]: StoredSubmission(*row[1:]) for row in rows}


def stored_history(
    client: Client, submission_ids: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Return the status history of these submissions, by submission id."""
    history: dict[str, list[dict[str, Any]]] = {}
    for row in _whole_rows(client, HISTORY, submission_ids):
        history.setdefault(row["submission_id"], []).append(row)
    return history


def stored_changes(client: Client, submission_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of the change feed about these submissions."""
    return list(_whole_rows(client, CHANGES, submission_ids))


def has_submissions(client: Client) -> bool:
    """Return whether the warehouse has any submission."""
    return bool(_select_columns(client, SUBMISSIONS, ("submission_id",), "LIMIT 1"))


def has_completed_load(client: Client) -> bool:
    """Return whether the warehouse has submissions and a completed load."""
    loads = _select_columns(client, LOADS, ("load_id",), "WHERE status = 0 LIMIT 1")
    return bool(loads) and has_submissions(client)


def read_suppression_list(client: Client) -> tuple[frozenset[str], set[str]]:
    """Return the hashes of the suppression list, and the fingerprints of their keys."""
    rows = list(read_rows(client, SUPPRESSIONS, ("suppression_id", "key_id")))
    return frozenset(row[0] for row in rows), {row[1] for row in rows}


def read_rows(
    client: Client, table: str, columns: Sequence[str], keys: Sequence[str] | None = None
) -> Iterator[Sequence[Any]]:
    """Yield rows of a table; none if it does not exist yet.

    The keys are values of the first column that select the rows; None selects all rows.
    """
    if keys is None:
        yield from _select_columns(client, table, columns)
        return
    for batch in key_batches(client, keys):
        yield from _select_columns(client, table, columns, f"WHERE {columns[0]} = ANY(?)", batch)


def find_by_value(
    client: Client, table: str, column: str, values: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield submission ids with their stored value, one of these; none without the table."""
    columns, where = ("submission_id", column), f"WHERE {column} = ANY(?)"
    for batch in key_batches(client, values):
        rows = _select_columns(client, table, columns, where, batch)
        yield from ((submission_id, value) for submission_id, value in rows)


def read_values(client: Client, table: str, column: str) -> Iterator[tuple[str, str]]:
    """Yield submission ids with their stored value, unless it is null; none without the table.

    They are for comparisons that databases make in different ways, as of Unicode. The values are
    read some at a time.
    """
    clauses = (
        f"WHERE submission_id > ? AND {column} IS NOT NULL"
        f" ORDER BY submission_id LIMIT {_ROWS_READ_AT_ONCE}"
    )
    last = ""
    while rows := _select_columns(client, table, ("submission_id", column), clauses, last):
        yield from ((submission_id, value) for submission_id, value in rows)
        last = rows[-1][0]


def mark_fetched(client: Client, submission_ids: Sequence[str], synced_at: datetime | None) -> None:
    """Set `_synced_at` of submissions that were fetched and have not changed."""
    query = f"UPDATE {SUBMISSIONS} SET _synced_at = ? WHERE submission_id = ANY(?)"  # noqa: S608 names only
    for batch in key_batches(client, submission_ids):
        execute(client, query, synced_at, batch)


def stored_child_rows(
    client: Client, sections: Sequence[str], submission_ids: Sequence[str]
) -> dict[str, int]:
    """Return how many rows submissions have in the API tables of some sections besides their own.

    Submissions without such rows are missing.
    """
    counts: Counter[str] = Counter()
    for table in _child_tables(sections):
        if table.from_api:
            counts.update(stored_rows_of(client, table.name, submission_ids))
    return counts


def stored_rows_of(client: Client, table: str, submission_ids: Sequence[str]) -> dict[str, int]:
    """Return how many rows of a table submissions have; those without rows are missing."""
    columns = ("submission_id", "COUNT(*)")
    where = "WHERE submission_id = ANY(?) GROUP BY submission_id"
    return {
        key: int(count)
        for batch in key_batches(client, submission_ids)
        for key, count in _select_columns(client, table, columns, where, batch)
    }


def rows_without_parent(table: Table, condition: str = "1 = 1") -> str:
    """Return a query for the submission ids of rows whose parent row is missing.

    The rows are those of a table of the contract that meet a condition.
    """
    parent = _parent(table)
    key_matches = " AND ".join(f"p.{column} = c.{column}" for column in parent.key)
    children = f"(SELECT * FROM {table.name} WHERE {condition})"  # noqa: S608 ours
    return (
        f"SELECT c.submission_id FROM {children} AS c"  # noqa: S608 names of the contract
        f" LEFT JOIN {parent.name} AS p ON {key_matches} WHERE p.{parent.key[0]} IS NULL"
    )


def orphaned_ids(client: Client, sections: Sequence[str]) -> list[str]:
    """Return the submissions with rows in tables of some sections whose parent row is missing."""
    queries = map(rows_without_parent, _child_tables(sections))
    return sorted({row[0] for query in queries for row in select(client, query)})


def delete_children(client: Client, sections: Sequence[str], submission_ids: Sequence[str]) -> None:
    """Delete the rows of submissions from the tables of some sections, but not themselves."""
    tables = {table.name: "1 = 1" for table in _child_tables(sections)}
    _delete(client, tables, submission_ids)


def delete_orphaned_rows(
    client: Client, sections: Sequence[str], submission_ids: Sequence[str]
) -> None:
    """Delete the rows of stored submissions whose parent row is missing, such as retries."""
    conditions = {
        table.name: f"NOT EXISTS (SELECT 1 FROM {parent.name} AS p WHERE "  # noqa: S608 names only
        + " AND ".join(f"p.{column} = {table.name}.{column}" for column in parent.key)
        + ")"
        for table in _child_tables(sections)
        if (parent := _parent(table)).name != SUBMISSIONS
    }
    _delete(client, conditions, submission_ids)


def _delete(client: Client, conditions: Mapping[str, str], submission_ids: Sequence[str]) -> None:
    """Delete rows of submissions that meet a condition, given by table."""
    with transaction(client):
        for table, condition in conditions.items():
            query = f"DELETE FROM {table} WHERE submission_id = ANY(?) AND {condition}"  # noqa: S608 names
            for batch in key_batches(client, submission_ids):
                execute(client, query, batch)


def _whole_rows(client: Client, table: str, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
    columns = [column.name for column in load_contract()[table].columns]
    for row in read_rows(client, table, columns, keys):
        yield dict(zip(columns, row, strict=True))


def _parent(table: Table) -> Table:
    contract = load_contract()
    return contract.parent(table) or contract[SUBMISSIONS]


def _child_tables(sections: Sequence[str]) -> list[Table]:
    tables = tables_for_sections(sections).values()
    return [table for table in tables if table.belongs_to_submission]


def _select_columns(
    client: Client, table: str, columns: Sequence[str], clauses: str = "", *parameters: Any
) -> ResultRows:
    query = f"SELECT {', '.join(columns)} FROM {table} {clauses}"  # noqa: S608 names only
    return select(client, query, *parameters)
