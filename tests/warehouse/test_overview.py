"""What `status` shows."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from argos_sync.api.errors import IpNotAllowed
from argos_sync.commands.backfill import backfill
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import generate
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.load.sql import execute
from argos_sync.run.journal import check_records, insert, make_rows
from argos_sync.run.summary import RunSummary
from argos_sync.shape.contract import ISSUES, QUARANTINE, RUNS
from argos_sync.warehouse.checks import CheckResult
from argos_sync.warehouse.overview import read_overview
from argos_sync.warehouse.view_updates import update_views
from support import NOW, Warehouse, at, context_for, duckdb_warehouse
from warehouse.direct import connected, insert_submissions
from whole_lists import Behaviour, Emulator


@pytest.mark.slow  # two backfills into an empty file
def test_an_overview_counts_rows_runs_and_issues(tmp_path: Path) -> None:
    """Rows by table, the last runs newest first, and issues by problem."""
    warehouse = duckdb_warehouse(tmp_path)
    submissions: list[Any] = generate(80, seed=2, end=date(2025, 1, 31))
    submissions[0]["data"]["date_of_birth"] = "31/12/1990"
    submissions[1]["data"]["date_of_birth"] = "1/1/1991"
    submissions[2]["recognition_score"] = {"no": "number"}
    with Emulator(submissions, behaviour=Behaviour()) as api:
        context = context_for(api.base_url, warehouse.target)
        for _ in range(2):
            backfill(context, date(2025, 1, 1), date(2025, 1, 31))
    with open_read_only(warehouse.target) as view:
        overview = read_overview(view.client)
    assert overview.rows["submissions"] == overview.rows["kyc"] == 80
    assert overview.rows["sync_runs"] == len(overview.runs) == 2
    assert [run["submissions_new"] for run in overview.runs] in ([0, 80], [80, 0])
    assert overview.last_success == NOW
    assert overview.issues == [
        {
            "table_name": "applicants",
            "problem": "not a date (YYYY-MM-DD) but a text",
            "count": 2,
        },
        {"table_name": "submissions", "problem": "not a number but an object", "count": 1},
    ]


@pytest.mark.tables_made
def test_open_issues(any_warehouse: Warehouse) -> None:
    """None of a version that was replaced, and none of a command that has succeeded since."""
    first, second, third = (NOW + timedelta(days=days) for days in (0, 1, 2))
    wrong = datetime(2099, 1, 1, tzinfo=UTC)
    runs = [
        {"run_id": str(at.date()), "command": "sync", "started_at": at, "exit_status": status} | end
        for at, status, end in (
            (first, None, {}),  # it was killed
            (second, 0, {"ended_at": second + timedelta(hours=1)}),
            (third, 4, {"ended_at": third}),
            (wrong, 0, {"ended_at": wrong}),
        )
    ]
    issues = [
        (first, "submission-0", "kyc", "not a text"),
        (second, "submission-0", "kyc", "not a text"),
        (first, "submission-1", "kyc", "of a version that was replaced"),
        (second, "submission-1", "kyc", "not a text"),
        (first, None, "submissions", "of a run before one that succeeded"),
        (second, None, "quarantine", "missing"),
        (second, None, "quarantine", "too many cannot be read"),
        (wrong, None, "submissions", "of a wrong clock"),
    ]
    columns = ("run_id", "submission_id", "table_name", "problem")
    issue_rows = [
        dict(zip(columns, (str(at.date()), *rest), strict=True))
        | {"issue_id": str(number), "path": "p"}
        for number, (at, *rest) in enumerate(issues)
    ]
    quarantined = [
        {
            "quarantine_id": key,
            "run_id": "2025-02-01",
            "received_at": NOW,
            "reason": "created_at: missing",
        }
        for key in ("a", "b")
    ]
    with connected(any_warehouse) as client:
        insert_submissions(client, 2)
        changed = "UPDATE submissions SET _changed_at = ? WHERE submission_id = 'submission-1'"
        execute(client, changed, second + timedelta(minutes=1))
        for table, rows in ((RUNS, runs), (ISSUES, issue_rows), (QUARANTINE, quarantined)):
            insert(client, make_rows(table, rows))
        found = [tuple(issue.values()) for issue in read_overview(client).issues]
    assert found == [
        ("kyc", "not a text", 2),
        ("quarantine", "created_at: missing", 2),
        ("quarantine", "too many cannot be read", 1),
    ]


def test_an_empty_warehouse_has_an_overview(tmp_path: Path) -> None:
    """Tables that do not exist yet count as empty."""
    warehouse = duckdb_warehouse(tmp_path)
    with open_warehouse(warehouse.target):
        pass
    with open_read_only(warehouse.target) as view:
        overview = read_overview(view.client)
        assert view.state == {}
    assert set(overview.rows.values()) == {0}
    assert (overview.runs, overview.last_success, overview.issues) == ([], None, [])
    assert (overview.next_expected, overview.checks) == (None, [])
    assert overview.max_age_days is None


@pytest.mark.slow  # six runs
@pytest.mark.tables_made
def test_only_runs_with_new_data_count_as_success(warehouse: Warehouse) -> None:
    """Neither a successful refresh nor a failed sync is a success of the nightly sync."""
    day = timedelta(days=1)
    with Emulator(generate(5, seed=2, end=date(2025, 1, 31))) as api:
        context = context_for(api.base_url, warehouse.target)
        ids = api.store.ids()
        refresh(at(context, NOW - 2 * day), submission_ids=ids[:1])
        assert last_success(warehouse) is None
        sync(context)
        assert last_success(warehouse) == NOW
        refresh(at(context, NOW + day), submission_ids=ids[:1])
        api.behaviour = Behaviour(ip_denied=True)
        with pytest.raises(IpNotAllowed):
            sync(at(context, NOW + 2 * day))
        assert last_success(warehouse) == NOW
        api.behaviour = Behaviour()
        for days in (3, 4):  # the second one has nothing left to fetch
            backfill(at(context, NOW + days * day), date(2025, 1, 1), date(2025, 1, 2))
    assert last_success(warehouse) == NOW + 3 * day
    assert warehouse.count("sync_runs") == 6


@pytest.mark.tables_made
def test_the_age_of_the_oldest_submission(any_warehouse: Warehouse) -> None:
    """It is read from the view `staleness`, or computed if the view does not exist yet."""
    with connected(any_warehouse) as client:
        insert_submissions(client, 3)
        view = client.make_qualified_table_name("staleness")
        table = client.make_qualified_table_name("submissions")
        client.execute_sql(f"DROP VIEW IF EXISTS {view}")
        old = datetime.now(UTC) - timedelta(days=12, hours=12)
        client.execute_sql(f"UPDATE {table} SET _synced_at = %s", old)
        assert read_overview(client).max_age_days == pytest.approx(12.5, abs=0.01)
        update_views(client, None)
        assert read_overview(client).max_age_days == pytest.approx(12.5, abs=0.01)
        client.execute_sql(f"DROP VIEW {view}")
        client.execute_sql(f"CREATE VIEW {view} AS SELECT 99 AS max_age_days")
        assert read_overview(client).max_age_days == 99
        update_views(client, None)
        client.execute_sql(f"DELETE FROM {table}")
        assert read_overview(client).max_age_days is None


@pytest.mark.tables_made
def test_the_next_sync_and_the_last_checks(any_warehouse: Warehouse) -> None:
    """The next sync is due after the usual time; each check shows its last result and failure."""
    hour = timedelta(hours=1)
    # Every six hours, except a missing one and one started by hand; the last one failed.
    hours = (0, 6, 12, 24, 30, 31, 36, 42)
    runs = [
        RunSummary(f"run {n}", "sync", NOW + n * hour, NOW, exit_status=0 if n < 42 else 4)
        for n in hours
    ]
    runs.append(RunSummary("other", "backfill", NOW + 40 * hour, NOW, exit_status=0))
    values, keys = CheckResult("known_values", "kyc.result"), CheckResult("unique_key", "kyc")
    results_by_run = [
        (runs[0], [values, keys, CheckResult("has_parent", "kyc")]),
        (runs[1], [replace(values, found=1, sample="escalated")]),
        (runs[2], [values, replace(keys, found=3)]),
    ]
    with connected(any_warehouse) as client:
        insert(client, make_rows("sync_runs", [run.row() for run in runs[:1]]))
        assert read_overview(client).next_expected is None
        insert(client, make_rows("sync_runs", [run.row() for run in runs[1:]]))
        for run, results in results_by_run:
            insert(client, check_records(run, results, run.started_at))
        overview = read_overview(client)
    assert overview.next_expected == NOW + 42 * hour
    columns = ("check_name", "place", "passed", "found", "sample")
    assert [tuple(one[name] for name in columns) for one in overview.checks] == [
        ("unique_key", "kyc", False, 3, None),
        ("known_values", "kyc.result", True, 0, None),
        ("has_parent", "kyc", True, 0, None),
    ]
    assert [one["last_failed_at"] for one in overview.checks] == [
        NOW + 12 * hour,
        NOW + 6 * hour,
        None,
    ]


def last_success(warehouse: Warehouse) -> datetime | None:
    """Return when the last successful run began."""
    with open_read_only(warehouse.target) as view:
        return read_overview(view.client).last_success
