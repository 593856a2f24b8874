"""The rows argos-sync writes about itself: run records, windows, issues, erasures and so on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from argos_sync.fetch.ledger import LedgerEntry
from argos_sync.load.sql import Client, execute
from argos_sync.run.summary import RunSummary
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.contract import (
    CHECKS,
    ERASURES,
    ISSUES,
    RUNS,
    SUBMISSIONS,
    SUPPRESSIONS,
    WINDOWS,
    load_contract,
)
from argos_sync.shape.values import to_json
from argos_sync.warehouse.checks import CheckResult

TableRows = dict[str, pa.Table]
"""Rows by contract table."""


def make_rows(table: str, rows: Iterable[Mapping[str, Any]]) -> TableRows:
    """Return rows of a table that is not filled from the API.

    Args:
        table: A contract table without personal data.
        rows: Values by column; a missing column is null.
    """
    schema = arrow_schema(load_contract()[table])
    return {table: pa.Table.from_pylist([dict(row) for row in rows], schema=schema)}


def run_record(summary: RunSummary) -> TableRows:
    """Return the row of `sync_runs`."""
    return make_rows(RUNS, [summary.row()])


def window_records(summary: RunSummary, entries: Sequence[LedgerEntry], at: datetime) -> TableRows:
    """Return the rows of `sync_windows` for windows that have progressed.

    Args:
        summary: The run.
        entries: Progress of each window.
        at: Current time, UTC; recorded as the end of finished windows.
    """
    return make_rows(
        WINDOWS,
        (
            {
                "window_id": entry.name,
                "run_id": summary.run_id,
                "command": summary.command,
                "window_from": entry.window.start,
                "window_to": entry.window.end,
                "state": "done" if entry.progress.done else "running",
                "page_key": to_json(entry.progress.cursor) if entry.progress.cursor else None,
                "rows_loaded": entry.progress.rows,
                "finished_at": at if entry.progress.done else None,
            }
            for entry in entries
        ),
    )


def too_many_deletions_issue(summary: RunSummary) -> TableRows:
    """Return the row of `sync_issues` about more deletions than may be marked."""
    issue = {
        "issue_id": f"{summary.run_id}/gone",
        "run_id": summary.run_id,
        "table_name": SUBMISSIONS,
        "path": "submission_id",
        "problem": "too many are gone from the source to mark them as deleted",
    }
    return make_rows(ISSUES, [issue])


def check_records(summary: RunSummary, results: Iterable[CheckResult], at: datetime) -> TableRows:
    """Return the rows of `sync_checks` for results of a run's checks.

    Args:
        summary: The run.
        results: Results to record.
        at: Current time, UTC.
    """
    return make_rows(
        CHECKS,
        (
            {
                "run_id": summary.run_id,
                "check_name": result.check_name,
                "place": result.place,
                "passed": result.passed,
                "found": result.found,
                "sample": result.sample,
                "checked_at": at,
            }
            for result in results
        ),
    )


def suppression_records(
    summary: RunSummary, hashes: Iterable[tuple[str, str]], key_id: str, at: datetime
) -> TableRows:
    """Return rows of `sync_suppressions`.

    Args:
        summary: The run that adds them.
        hashes: Kind and hash of each entry, see `shape.suppression`.
        key_id: Id of the key the hashes were made with.
        at: Current time, UTC.
    """
    return make_rows(
        SUPPRESSIONS,
        (
            {
                "suppression_id": hashed,
                "kind": kind,
                "key_id": key_id,
                "run_id": summary.run_id,
                "added_at": at,
            }
            for kind, hashed in hashes
        ),
    )


def erasure_records(summary: RunSummary, counts: Mapping[str, int], at: datetime) -> TableRows:
    """Return the rows of `sync_erasures`, the proof of an erasure.

    Args:
        summary: The run that erased.
        counts: Erased rows by table.
        at: Time of the erasure, UTC. Part of the key, since a run can erase more than once.
    """
    return make_rows(
        ERASURES,
        (
            {
                "erasure_id": f"{summary.run_id}/{at:%H%M%S%f}/{table}",
                "run_id": summary.run_id,
                "erased_at": at,
                "table_name": table,
                "rows_erased": count,
            }
            for table, count in counts.items()
        ),
    )


def insert(client: Client, tables: TableRows) -> None:
    """Insert a few rows with SQL, without a load package.

    Args:
        client: Connected to the warehouse.
        tables: Rows by contract table; the tables must exist. Each table is one statement.
    """
    for table, rows in tables.items():
        values = ", ".join([f"({', '.join(['?'] * rows.num_columns)})"] * rows.num_rows)
        query = f"INSERT INTO {table} ({', '.join(rows.column_names)}) VALUES {values}"  # noqa: S608 names only
        if rows.num_rows:
            execute(client, query, *(value for row in rows.to_pylist() for value in row.values()))
