"""The contents of a warehouse after a run, for tests that compare many runs."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from argos_sync.shape.contract import load_contract
from support import ADDED_COLUMNS, JSON_COLUMNS, Rows

CONTRACT = load_contract()
API_TABLES = {table.name: table for table in CONTRACT.api_tables}
URLS = {name: {c.name for c in table.columns if c.url} for name, table in API_TABLES.items()}
"""Columns whose query part differs on every fetch."""
RUN_TABLES = ("sync_runs", "sync_windows", "sync_checks", "quarantine")
"""Tables that every run may change: it tries quarantined submissions again."""
STATUS_COLUMNS = {
    "kyc_result": ("kyc", "result"),
    "aml_current_status": ("aml", "current_status"),
    "aml_risk_level_summary": ("aml", "risk_level_summary"),
    "reviewer": ("submissions", "reviewer"),
}

Tables = dict[str, Rows]


class Snapshot:
    """The contents of a warehouse after a run.

    Attributes:
        tables: Rows of every table of the contract.
        marks: `_deleted_at` by submission id.
    """

    def __init__(self, file: Path) -> None:
        """Read a DuckDB file."""
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'; USE argos")
            self.tables = {name: _read(connection, name) for name in CONTRACT.tables}
        self.marks = {
            row["submission_id"]: row["_deleted_at"] for row in self.tables["submissions"]
        }

    @cached_property
    def parts(self) -> dict[str, Tables]:
        """The API's rows by submission and table, without `ADDED_COLUMNS`."""
        parts: dict[str, Tables] = {}
        for name in API_TABLES:
            for row in self.tables[name]:
                values = {
                    column: value.partition("?")[0] if value and column in URLS[name] else value
                    for column, value in row.items()
                    if column not in ADDED_COLUMNS
                }
                rows = parts.setdefault(row["submission_id"], {key: [] for key in API_TABLES})
                rows[name].append(values)
        return {key: in_order(tables) for key, tables in parts.items()}

    @cached_property
    def periods(self) -> dict[str, Rows]:
        """The status history by submission, in order."""
        periods: dict[str, Rows] = {}
        for row in sorted(self.tables["submission_status_history"], key=lambda r: r["valid_from"]):
            periods.setdefault(row["submission_id"], []).append(row)
        return periods

    @cached_property
    def lasting(self) -> dict[str, Counter[str]]:
        """All rows that a run without changes must not change."""
        return {
            name: Counter(str({k: v for k, v in row.items() if k != "_synced_at"}) for row in rows)
            for name, rows in self.tables.items()
            if name not in RUN_TABLES
        }

    def status(self, submission_id: str) -> dict[str, Any]:
        """Return the status that the history of a submission must end with."""
        tables = self.parts[submission_id]
        return {
            name: tables[table][0][column] if tables[table] else None
            for name, (table, column) in STATUS_COLUMNS.items()
        }

    def open(self, since: datetime) -> set[str]:
        """Return the submissions that a nightly sync fetches: open ones that changed since then."""
        return {
            row["submission_id"]
            for row in self.tables["submissions"]
            if not row["_deleted_at"]
            and max(row["_changed_at"], row["created_at"]) >= since
            and is_unsettled(self.status(row["submission_id"]))
        }


def _read(connection: duckdb.DuckDBPyConnection, name: str) -> Rows:
    result = connection.execute(f"SELECT * FROM {name}")
    columns = [column[0] for column in result.description]
    json_positions = [i for i, column in enumerate(columns) if column in JSON_COLUMNS]
    rows = []
    for values in map(list, result.fetchall()):
        for i in json_positions:
            if values[i] is not None:
                values[i] = json.loads(values[i])
        rows.append(dict(zip(columns, values, strict=True)))
    return rows


def is_unsettled(status: Mapping[str, Any]) -> bool:
    """Return whether a submission with this status is open."""
    result = (status["kyc_result"] or "").lower()
    aml_status = (status["aml_current_status"] or "").lower()
    return result not in ("approved", "rejected") or aml_status == "red flag"


def in_order(tables: Tables) -> Tables:
    """Return the rows of a submission in the order of their keys."""
    return {
        name: sorted(tables[name], key=lambda row: [row[part] for part in table.key])
        for name, table in API_TABLES.items()
    }


def differing_tables(first: Tables, second: Tables) -> set[str]:
    """Return the tables in which two versions of a submission differ."""
    return {name for name in API_TABLES if first[name] != second[name]}
