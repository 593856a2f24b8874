"""A small data set, loaded by real runs, and the answers of each view about it.

Both are in `views/`; the answers were worked out by hand. In the views' queries the data set's
"now" replaces the database's clock.
"""

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.shape.contract import RUNS, SUBMISSIONS, Column, load_contract, schemas_folder
from argos_sync.shape.privacy import PrivacyPolicy
from argos_sync.warehouse.view_updates import update_views
from oracle import flatten
from support import ADDED_COLUMNS, Rows, Warehouse, at, context_for, ordered
from warehouse.direct import connected
from whole_lists import Emulator

FOLDER = Path(__file__).parent / "views"
DATA = yaml.safe_load((FOLDER / "data.yaml").read_text(encoding="utf-8"))
ANSWERS = yaml.safe_load((FOLDER / "answers.yaml").read_text(encoding="utf-8"))

FIRST = datetime(2025, 2, 28, 3, tzinfo=UTC)
BETWEEN = datetime(2025, 2, 28, 15, tzinfo=UTC)
SECOND = datetime(2025, 3, 1, 11, tzinfo=UTC)
THIRD = datetime(2025, 3, 1, 11, 30, tzinfo=UTC)
"""When the data set's submissions are synced, refreshed twice, and reconciled."""

WIDE = {
    SUBMISSIONS: "",
    "applicants": "",
    "kyc": "kyc_",
    "aml": "aml_",
    "bank_verification": "bank_",
}
"""Tables that `submissions_wide` joins, and the prefixes of their columns."""


def submissions_of(step: str) -> Rows:
    """Return the submissions of one step of the data set as JSON has them."""
    submissions: Rows = json.loads(json.dumps(DATA[step], default=str))
    return submissions


def final_submissions() -> Rows:
    """Return the submissions that the API has in the end."""
    by_id = {
        submission["submission_id"]: submission
        for step in ("submissions", "later")
        for submission in submissions_of(step)
    }
    del by_id[DATA["gone"]["submission_id"]]
    return list(by_id.values())


def answer(view: str) -> Rows:
    """Return the rows that a view must have, worked out by hand."""
    expected = ANSWERS[view]
    return [dict(zip(expected["columns"], row, strict=True)) for row in expected["rows"]]


def read_view(warehouse: Warehouse, view: str) -> Rows:
    """Return the rows of a view, times in UTC; of `sync_health`, only the data set's runs."""
    rows = [
        {
            column: value.astimezone(UTC) if isinstance(value, datetime) else value
            for column, value in row.items()
        }
        for row in warehouse.query(f"SELECT * FROM {view}")
    ]
    run_ids = {run["run_id"] for run in DATA["runs"]}
    return [row for row in rows if view != "sync_health" or row["run_id"] in run_ids]


COMPUTED = ("hours_to_decision", "created_day", "created_week")
"""Columns of `submissions_wide` that no table has."""


def wide_columns() -> dict[str, tuple[str, Column]]:
    """Return the columns of `submissions_wide` with their table and column in the contract."""
    return {
        column.name if column.name.startswith(prefix) else prefix + column.name: (table, column)
        for table, prefix in WIDE.items()
        for column in load_contract()[table].columns
        if column.type != "json" and column.name != "_deleted_at"
        if table == SUBMISSIONS or column.name != "submission_id"
    }


def wide_columns_of(*privacy_classes: str) -> set[str]:
    """Return the names of the columns of `submissions_wide` in some privacy classes."""
    return {
        name for name, (_, column) in wide_columns().items() if column.privacy in privacy_classes
    }


def wide_answer(null_columns: Collection[str] = ()) -> Rows:
    """Return the rows that `submissions_wide` must have, without the package's own columns.

    Args:
        null_columns: Names of columns without values.
    """
    flat = flatten(final_submissions())
    values = {(table, row["submission_id"]): row for table in WIDE for row in flat[table]}
    rows = []
    for submission in flat[SUBMISSIONS]:
        key, decided_at = submission["submission_id"], submission["kyc_result_at"]
        row = {
            name: None if name in null_columns else values.get((table, key), {}).get(column.name)
            for name, (table, column) in wide_columns().items()
            if name not in ADDED_COLUMNS
        }
        hours = decided_at and (decided_at - submission["created_at"]).total_seconds() / 3600
        day = submission["created_at"].date()
        week = day - timedelta(days=day.weekday())
        rows.append(row | {"hours_to_decision": hours, "created_day": day, "created_week": week})
    return rows


def completeness_answer() -> Rows:
    """Return the rows that `completeness` must have: values counted in the rows of the oracle."""
    flat = flatten(final_submissions())
    weeks = {
        row["submission_id"]: row["created_at"].date() - timedelta(days=row["created_at"].weekday())
        for row in flat[SUBMISSIONS]
    }
    return [
        {
            "week": week,
            "table_name": table.name,
            "column_name": column.name,
            "total": len(rows),
            "filled": filled,
            "share": filled / len(rows),
        }
        for table in load_contract().api_tables
        for week in sorted(set(weeks.values()))
        if (rows := [row for row in flat[table.name] if weeks[row["submission_id"]] == week])
        for column in table.api_columns
        if column.name != "submission_id"
        for filled in [sum(row[column.name] is not None for row in rows)]
    ]


def without_own_columns(rows: Rows) -> Rows:
    """Return rows of `submissions_wide` without the columns that only this package fills."""
    return [{name: row[name] for name in row if name not in ADDED_COLUMNS} for row in rows]


def view_folder(folder: Path) -> Path:
    """Make a folder with the shipped views, in which "now" replaces the clock."""
    folder.mkdir()
    now = f"CAST('{DATA['now']:%Y-%m-%d %H:%M:%S}+00' AS TIMESTAMPTZ)"
    for file in (schemas_folder() / "views").glob("*.sql"):
        text = file.read_text(encoding="utf-8").replace("CURRENT_TIMESTAMP", now)
        (folder / file.name).write_text(text, encoding="utf-8")
    return folder


def stop_the_clock(warehouse: Warehouse, folder: Path, **privacy: Any) -> None:
    """Replace the warehouse's views by views with a fixed "now"."""
    contract = PrivacyPolicy.from_settings(**privacy).contract
    with connected(warehouse) as client:
        assert update_views(client, None, view_folder(folder), contract)


def load_data_set(warehouse: Warehouse, folder: Path) -> None:
    """Load the data set by runs: a sync, two refreshes and a reconcile."""
    with Emulator(submissions_of("submissions")) as api:
        context = context_for(api.base_url, warehouse.target, FIRST)
        sync(context)
        for step, now in (("between", BETWEEN), ("later", SECOND)):
            changed = {one["submission_id"]: one for one in submissions_of(step)}
            for submission_id, submission in changed.items():
                exists = submission_id in api.store.ids()
                (api.store.replace if exists else api.store.add)(submission)
            refresh(at(context, now), submission_ids=list(changed))
        api.store.delete(DATA["gone"]["submission_id"])
        day = DATA["gone"]["day"]
        reconcile(at(context, THIRD), day, day, max_deleted=1)
    with connected(warehouse) as client:
        table = client.make_qualified_table_name(RUNS)
        for run in DATA["runs"]:
            names, values = ", ".join(run), ", ".join(["%s"] * len(run))
            insert = f"INSERT INTO {table} ({names}) VALUES ({values})"
            client.execute_sql(insert, *run.values())
    stop_the_clock(warehouse, folder)


def assert_answers(warehouse: Warehouse, view: str) -> None:
    """Compare a view's rows with the answer: every value, its type, and the columns' order."""
    rows, expected = read_view(warehouse, view), answer(view)
    assert ordered(rows) == ordered(expected)
    assert {tuple(row) for row in rows} == {tuple(row) for row in expected}
    types = [{name: type(value) for name, value in row.items()} for row in ordered(expected)]
    assert [{name: type(value) for name, value in row.items()} for row in ordered(rows)] == types
