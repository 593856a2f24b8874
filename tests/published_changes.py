"""Changes of a DuckDB warehouse for tests of publishes: in SQL, as runs and people make them."""

from collections.abc import Mapping
from pathlib import Path

import duckdb

from argos_sync.commands.publish.tables import public_tables
from argos_sync.shape.contract import load_contract
from published import columns, content, copy_of
from support import Rows, Warehouse

API_TABLES = [table.name for table in load_contract().api_tables]
OWN_TABLES = ["submission_status_history", "submission_changes"]

_SUBMISSION = "(SELECT submission_id FROM submissions ORDER BY submission_id LIMIT 1 OFFSET {n})"
_ATTEMPTED = "(SELECT MAX(submission_id) FROM attempts)"
_NOW = "TIMESTAMPTZ '2025-03-01 00:00:00+00' + INTERVAL {n} HOUR"

CHANGES: Mapping[str, tuple[str, ...]] = {
    "nothing": (),
    "fetched": (f"UPDATE submissions SET _synced_at = {_NOW} WHERE submission_id > {_SUBMISSION}",),
    "decided": (
        f"UPDATE kyc SET result = 'decided {{n}}' WHERE submission_id = {_SUBMISSION}",
        f"UPDATE submissions SET _changed_at = {_NOW} WHERE submission_id = {_SUBMISSION}",
    ),
    "by hand": (
        f"UPDATE attempts SET attempt_cnt = 100 + {{n}} WHERE submission_id = {_ATTEMPTED}",
        f"UPDATE applicants SET address_city = 'City {{n}}' WHERE submission_id = {_SUBMISSION}",
    ),
    "merged": (
        f"CREATE TEMP TABLE r AS SELECT * FROM aml WHERE submission_id <= {_SUBMISSION}",
        f"DELETE FROM aml WHERE submission_id <= {_SUBMISSION}",
        "INSERT INTO aml FROM r",
        "DROP TABLE r",
    ),
    "new": tuple(
        f"INSERT INTO {table} SELECT * REPLACE ('new-{{n}}' AS submission_id) FROM {table}"
        f" WHERE submission_id = {_SUBMISSION}"
        for table in (*API_TABLES, *OWN_TABLES)
    ),
    "marked": (f"UPDATE submissions SET _deleted_at = {_NOW} WHERE submission_id = {_SUBMISSION}",),
    "restored": ("UPDATE submissions SET _deleted_at = NULL",),
    "child lost": (f"DELETE FROM match_risk_icons WHERE submission_id >= {_SUBMISSION}",),
    "run": (
        "INSERT INTO sync_runs SELECT * REPLACE ('run-{n}' AS run_id) FROM sync_runs LIMIT 1",
        "UPDATE sync_windows SET rows_loaded = {n}",
    ),
    "erased": tuple(
        f"DELETE FROM {table} WHERE submission_id = {_SUBMISSION}"
        for table in (*API_TABLES[1:], *OWN_TABLES, "submissions")
    ),
    "value lost": (
        f"UPDATE applicants SET nationality = NULL WHERE submission_id >= {_SUBMISSION}",
    ),
}
"""Statements by the name of a change; `{n}` is a number that makes changes different."""

ERASING = {"erased", "value lost"}
"""Changes after which an earlier copy must not stay."""


def change(warehouse: Warehouse, name: str, number: int = 1) -> None:
    """Change a warehouse."""
    with duckdb.connect(str(warehouse.target.file)) as connection:
        connection.execute("USE argos; SET TimeZone = 'UTC'")
        for statement in CHANGES[name]:
            connection.execute(statement.format(n=number))


def rows_of(file: Path, dataset: str = "argos") -> dict[str, Rows]:
    """Return all rows of a copy, in the order of their keys."""
    copy = copy_of(file, dataset)
    return content(copy, columns(copy))


def rows_of_folder(folder: Path, *, strict: bool = False) -> dict[str, Rows]:
    """Return all rows that the views of the newest version of a folder show."""

    def query(sql: str) -> Rows:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute((folder / "latest" / "views.sql").read_text())
            result = connection.execute(sql)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    names = {table.name: [*table.columns_by_name] for table in public_tables(strict=strict)}
    return content(Warehouse(None, query), names)  # type: ignore[arg-type] # only queried
