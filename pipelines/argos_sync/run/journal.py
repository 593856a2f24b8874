"""The rows argos-sync writes of what it did itself: runs, windows, issues, suppressions, proofs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from argos_sync.fetch.plan import LedgerEntry
from argos_sync.load.sql import Client, execute
from argos_sync.run.summary import RunSummary
from argos_sync.shape.columns import arrow_schema
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
    """Return rows of a table that is not filled from the API, none of it personal.

    Args:
        table: Its name.
        rows: Values by column; what is left out is null.
    """
    schema = arrow_schema(load_contract()[table])
    return {table: pa.Table.from_pylist([dict(row) for row in rows], schema=schema)}


def run_record(report: RunSummary) -> TableRows:
    """Return the row of `sync_runs`."""
    return make_rows(RUNS, [report.row()])


def window_records(report: RunSummary, steps: Sequence[LedgerEntry], at: datetime) -> TableRows:
    """Return the rows of `sync_windows` of windows that came on.

    Args:
        report: The run.
        steps: How far each window has come; those that are done are done `at`.
        at: Now, UTC.
    """
    return make_rows(
        WINDOWS,
        (
            {
                "window_id": step.name,
                "run_id": report.run_id,
                "command": report.command,
                "window_from": step.window.start,
                "window_to": step.window.end,
                "state": "done" if step.progress.done else "running",
                "page_key": to_json(step.progress.cursor) if step.progress.cursor else None,
                "rows_loaded": step.progress.rows,
                "finished_at": at if step.progress.done else None,
            }
            for step in steps
        ),
    )


def gone_issue(report: RunSummary) -> TableRows:
    """Return the row of `sync_issues` that says that more is gone than may be marked."""
    issue = {
        "issue_id": f"{report.run_id}/gone",
        "run_id": report.run_id,
        "table_name": SUBMISSIONS,
        "path": "submission_id",
        "problem": "too many are gone from the source to mark them as deleted",
    }
    return make_rows(ISSUES, [issue])


def check_records(report: RunSummary, results: Iterable[CheckResult], at: datetime) -> TableRows:
    """Return the rows of `sync_checks` of what checks found after a run, now, UTC."""
    return make_rows(
        CHECKS,
        (
            {
                "run_id": report.run_id,
                "check_name": one.check_name,
                "place": one.place,
                "passed": one.passed,
                "found": one.found,
                "sample": one.sample,
                "checked_at": at,
            }
            for one in results
        ),
    )


def suppression_records(
    report: RunSummary, hashes: Iterable[tuple[str, str]], key_id: str, at: datetime
) -> TableRows:
    """Return rows of `sync_suppressions`.

    Args:
        report: The run that adds them.
        hashes: Kind and hash of each (see `suppression`).
        key_id: Of the key the hashes were made with.
        at: Now, UTC.
    """
    return make_rows(
        SUPPRESSIONS,
        (
            {
                "suppression_id": hashed,
                "kind": kind,
                "key_id": key_id,
                "run_id": report.run_id,
                "added_at": at,
            }
            for kind, hashed in hashes
        ),
    )


def erasure_records(report: RunSummary, counts: Mapping[str, int], at: datetime) -> TableRows:
    """Return the proof of an erasure, rows of `sync_erasures`.

    Args:
        report: The run that erased.
        counts: Rows erased, by table.
        at: When they were gone, UTC.
    """
    # A run of `sync` may erase more than once.
    return make_rows(
        ERASURES,
        (
            {
                "erasure_id": f"{report.run_id}/{at:%H%M%S%f}/{table}",
                "run_id": report.run_id,
                "erased_at": at,
                "table_name": table,
                "rows_erased": count,
            }
            for table, count in counts.items()
        ),
    )


def insert(client: Client, tables: TableRows) -> None:
    """Insert rows of tables that are there, where they need no load package of their own.

    Args:
        client: Connected to the warehouse.
        tables: A few rows by contract table; each table is one statement.
    """
    for table, rows in tables.items():
        values = ", ".join([f"({', '.join(['?'] * rows.num_columns)})"] * rows.num_rows)
        query = f"INSERT INTO {table} ({', '.join(rows.column_names)}) VALUES {values}"  # noqa: S608 names only
        if rows.num_rows:
            execute(client, query, *(value for row in rows.to_pylist() for value in row.values()))
