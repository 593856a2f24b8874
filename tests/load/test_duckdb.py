"""Our DuckDB: where it lies, what it leaves behind, and a merge of rows that are in files."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from dlt.destinations.impl.motherduck.motherduck import MotherDuckClient

from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator, Store
from argos_sync.load.duckdb import database_file, remove_temp_files, remove_truncated_file
from argos_sync.load.errors import LoadError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.load.target import Target, duckdb_file, make_pipeline
from argos_sync.run.journal import run_record
from argos_sync.run.summary import RunSummary
from argos_sync.shape.contract import SUBMISSIONS, Contract, load_contract
from argos_sync.shape.tables import shape_submissions
from argos_sync.warehouse.views import load_views, view_query
from support import Warehouse, context_for

pytestmark = pytest.mark.tables_made

SPILLING = """
import duckdb, os, signal, sys
connection = duckdb.connect(sys.argv[1], config={"memory_limit": "30MB", "threads": 1})
connection.execute("CREATE TEMP TABLE t AS SELECT repeat('x', 200) || i FROM range(300000) r(i)")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_rows_that_a_killed_run_moved_out_of_memory_are_removed(warehouse: Warehouse) -> None:
    """DuckDB leaves them beside its file, and removes them only when it needs the space again."""
    file = str(warehouse.target.file)
    done = subprocess.run([sys.executable, "-c", SPILLING, file], check=False)
    assert done.returncode == -signal.SIGKILL
    spilled = Path(f"{file}.tmp")
    assert sum(path.stat().st_size for path in spilled.iterdir())
    with open_warehouse(warehouse.target):
        assert list(spilled.iterdir()) == []


def test_nothing_is_staged(warehouse: Warehouse, january: list[dict[str, Any]]) -> None:
    """Rows are merged from the package's files; what another version has staged is dropped."""
    with duckdb.connect(str(warehouse.target.file)) as connection:
        connection.execute(
            "CREATE SCHEMA argos_staging; CREATE TABLE argos_staging.kyc AS SELECT 1"
        )
    with Emulator(Store(january)) as api:
        sync(context_for(api.base_url, warehouse.target))
    schemas = warehouse.query("SELECT schema_name FROM information_schema.schemata")
    assert not [row for row in schemas if "staging" in row["schema_name"]]


def test_a_table_may_have_columns_that_a_package_has_not(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """A column that the contract has no more keeps its old values, and is null in new rows."""
    contract = load_contract()
    table = contract[SUBMISSIONS]
    retired = replace(table.columns[-1], name="retired", type="text", nullable=True)
    old = replace(table, columns=(*table.columns, retired))
    tables = shape_submissions(january[:20], [str(n) for n in range(20)], datetime.now(UTC)).tables
    rows = tables[SUBMISSIONS].slice(0, 10)
    before = rows.append_column("retired", pa.array(["old"] * 10))
    with open_warehouse(
        warehouse.target, contract=Contract({**contract.tables, SUBMISSIONS: old})
    ) as opened:
        opened.load({SUBMISSIONS: before})
    with open_warehouse(warehouse.target) as opened:
        opened.load({SUBMISSIONS: tables[SUBMISSIONS].slice(5)})
    found = warehouse.query(f"SELECT submission_id, retired FROM {SUBMISSIONS}")
    ids = tables[SUBMISSIONS]["submission_id"].to_pylist()
    assert {row["submission_id"]: row["retired"] for row in found} == {
        one: "old" if place < 5 else None for place, one in enumerate(ids)
    }


def test_a_database_of_motherducks_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It speaks DuckDB's SQL through dlt's own client; a file named like it is left alone."""
    monkeypatch.chdir(tmp_path)
    Path("kyc").touch()
    monkeypatch.setenv("DESTINATION__MOTHERDUCK__CREDENTIALS", "md:///kyc?token=secret")
    pipeline = make_pipeline(Target("motherduck"), tmp_path)
    client = pipeline.destination_client()
    assert duckdb_file(client) is None
    assert type(client) is MotherDuckClient
    remove_truncated_file(pipeline.sql_client())
    remove_temp_files(pipeline.sql_client())
    assert Path("kyc").exists()
    (view,) = (view for view in load_views() if view.name == "staleness")
    assert view_query(pipeline.sql_client(), view).startswith("WITH ages")


@pytest.mark.parametrize("address", ["duckdb:///mine.duckdb", "mine.duckdb"])
def test_a_relative_file_lies_where_the_command_is_started(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where an earlier one was started that had the same folder for working directories."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", address)
    target = Target(pipelines_dir=str(tmp_path / "pipelines"))
    for name in ("one", "other", "one"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        with open_warehouse(target) as opened:
            opened.load({}, partial(_named, name))
            assert database_file(opened.client.credentials) == folder / "mine.duckdb"
        with open_read_only(target) as seen:
            assert seen.state["name"] == name


def _named(name: str, state: dict[str, Any]) -> None:
    state["name"] = name


def test_a_row_is_replaced_at_once_or_not_at_all(any_warehouse: Warehouse) -> None:
    """Between the old row and the new one a killed process would leave none."""
    report = RunSummary("a run", "sync", datetime.now(UTC))
    with open_warehouse(any_warehouse.target) as opened:
        opened.load(run_record(report))
        runs, health = map(opened.client.make_qualified_table_name, ("sync_runs", "sync_health"))
        opened.client.execute_sql(f"DROP VIEW {health}")  # PostgreSQL keeps its columns as they are
        opened.client.execute_sql(f"ALTER TABLE {runs} ALTER requests TYPE SMALLINT")
        report.requests = 100_000
        with pytest.raises(LoadError):
            opened.load(run_record(report))
    assert [row["requests"] for row in any_warehouse.table("sync_runs")] == [0]
