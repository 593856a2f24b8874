"""The rows argos-sync writes about itself: run records, windows, issues, erasures and so on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
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
    QUARANTINE,
    RUNS,
    SUBMISSIONS,
    SUPPRESSIONS,
    WINDOWS,
    load_contract,
)
from argos_sync.shape.section_content import SECTION_OF_TABLE
from argos_sync.shape.values import to_json
from argos_sync.warehouse.checks import CheckResult
from argos_sync.warehouse.quarantine import TOO_MANY_UNREADABLE

TableRows = dict[str, pa.Table]
"""Rows by contract table."""


def make_rows(table: str, rows: Iterable[Mapping[str, Any]]) -> TableRows:
    """Return rows of a contract table without personal data; a missing column is null."""
    schema = arrow_schema(load_contract()[table])
    return {table: pa.Table.from_pylist([dict(row) for row in rows], schema=schema)}


def run_record(summary: RunSummary) -> TableRows:
    """Return the row of `sync_runs`."""
    return make_rows(RUNS, [summary.row()])


def window_records(summary: RunSummary, entries: Sequence[LedgerEntry], at: datetime) -> TableRows:
    """Return the rows of `sync_windows` for windows that have progressed; finished ones end now."""
    rows = (
        {
            "window_id": entry.name,
            "run_id": summary.run_id,
            "command": summary.command,
            "window_from": entry.window.start,
            "window_to": entry.window.end,
            "state": entry.state,
            "page_key": to_json(entry.progress.cursor) if entry.progress.cursor else None,
            "rows_loaded": entry.progress.rows,
            "finished_at": at if entry.progress.done else None,
        }
        for entry in entries
    )
    return make_rows(WINDOWS, rows)


def too_many_deletions_issue(summary: RunSummary) -> TableRows:
    """Return the row of `sync_issues` about more deletions than may be marked."""
    problem = "too many are gone from the source to mark them as deleted"
    return _issue_of_run(summary, "gone", SUBMISSIONS, problem)


def unreadable_issue(summary: RunSummary) -> TableRows:
    """Return the row of `sync_issues` about more quarantined objects than are plausible."""
    return _issue_of_run(summary, "unreadable", QUARANTINE, TOO_MANY_UNREADABLE)


def _issue_of_run(summary: RunSummary, name: str, table: str, problem: str) -> TableRows:
    issue = {
        "issue_id": f"{summary.run_id}/{name}",
        "run_id": summary.run_id,
        "table_name": table,
        "path": "submission_id",
        "problem": problem,
    }
    return make_rows(ISSUES, [issue])


def section_loss_issues(summary: RunSummary, tables: Iterable[str]) -> TableRows:
    """Return the rows of `sync_issues` about tables of sections that too many have lost."""
    issues = (
        {
            "issue_id": f"{summary.run_id}/emptied/{table}",
            "run_id": summary.run_id,
            "table_name": table,
            "path": SECTION_OF_TABLE[table],
            "problem": "too many came back without this section to replace them",
        }
        for table in tables
    )
    return make_rows(ISSUES, issues)


def check_records(summary: RunSummary, results: Iterable[CheckResult], at: datetime) -> TableRows:
    """Return the rows of `sync_checks` for results of a run's checks."""
    run = {"run_id": summary.run_id, "checked_at": at}
    rows = (asdict(result) | {"passed": result.passed} | run for result in results)
    return make_rows(CHECKS, rows)


def suppression_records(
    summary: RunSummary, hashes: Iterable[tuple[str, str]], key_id: str, at: datetime
) -> TableRows:
    """Return rows of `sync_suppressions` for pairs of kind and hash, made with one key."""
    run = {"key_id": key_id, "run_id": summary.run_id, "added_at": at}
    rows = ({"suppression_id": hashed, "kind": kind} | run for kind, hashed in hashes)
    return make_rows(SUPPRESSIONS, rows)


def erasure_records(summary: RunSummary, counts: Mapping[str, int], at: datetime) -> TableRows:
    """Return the rows of `sync_erasures`, the proof of an erasure, from erased rows by table."""
    run = {"run_id": summary.run_id, "erased_at": at}
    key = f"{summary.run_id}/{at:%H%M%S%f}"  # a run can erase more than once
    rows = (
        {"erasure_id": f"{key}/{table}", "table_name": table, "rows_erased": count} | run
        for table, count in counts.items()
    )
    return make_rows(ERASURES, rows)


def insert(client: Client, tables: TableRows) -> None:
    """Insert a few rows with SQL, without a load package; each existing table is one statement."""
    for table, rows in tables.items():
        values = ", ".join([f"({', '.join(['?'] * rows.num_columns)})"] * rows.num_rows)
        query = f"INSERT INTO {table} ({', '.join(rows.column_names)}) VALUES {values}"  # noqa: S608 names only
        if rows.num_rows:
            execute(client, query, *(value for row in rows.to_pylist() for value in row.values()))
