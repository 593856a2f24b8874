"""Our DuckDB: settings that bound its memory, and a merge that takes each row once."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob
from dlt.destinations.impl.motherduck.motherduck import MotherDuckClient

from argos_sync.emulator import Emulator, Store
from argos_sync.load.commands import sync
from argos_sync.load.destination import (
    _MergeJob,
    file_of,
    remove_spilled_rows,
    remove_unfinished_file,
)
from argos_sync.load.pipeline import Target, attach, duckdb_file, look_into, open_warehouse
from argos_sync.load.views import load_views, view_query
from support import Warehouse, assert_equal, context_for

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


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {("a", 1), ("b", 2), ("c", 3)}),
        ({"condition": "v > 1"}, {("b", 2), ("c", 3)}),
        ({"dedup_sort": ("v", "desc")}, {("a", 1), ("b", 2), ("c", 3)}),
        ({"skip_dedup": True, "condition": "v < 3"}, {("a", 1), ("b", 2)}),
    ],
)
def test_one_row_of_each_key_is_selected(
    more: dict[str, Any], expected: set[tuple[str, int]]
) -> None:
    """Conditions hold, and what dlt sorts or knows to be there once is left to dlt."""
    select = _MergeJob.gen_select_from_dedup_sql("t", ["k"], ["k", "v"], **more)
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE t AS FROM (VALUES ('a', 1), ('b', 2), ('c', 3)) AS t(k, v)"
        )
        if "skip_dedup" not in more:
            connection.execute("INSERT INTO t FROM t")
        found = connection.execute(select).fetchall()
    assert sorted(found) == sorted(expected)


def test_rows_twice_in_staging_are_loaded_once(
    warehouse: Warehouse, january: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that had written its rows when it failed writes them again when it is retried."""
    once = DuckDbCopyJob.run

    def twice(job: DuckDbCopyJob) -> None:
        once(job)
        once(job)

    monkeypatch.setattr(DuckDbCopyJob, "run", twice)
    with Emulator(Store(january)) as api:
        sync(context_for(api.base_url, warehouse.target))
    assert_equal(warehouse, january)


def test_a_database_of_motherducks_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It speaks DuckDB's SQL through dlt's own client; a file named like it is left alone."""
    monkeypatch.chdir(tmp_path)
    Path("kyc").touch()
    monkeypatch.setenv("DESTINATION__MOTHERDUCK__CREDENTIALS", "md:///kyc?token=secret")
    pipeline = attach(Target("motherduck"), tmp_path)
    client = pipeline.destination_client()
    assert duckdb_file(client) is None
    assert type(client) is MotherDuckClient
    remove_unfinished_file(pipeline.sql_client())
    remove_spilled_rows(pipeline.sql_client())
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
            assert file_of(opened.client.credentials) == folder / "mine.duckdb"
        with look_into(target) as seen:
            assert seen.state["name"] == name


def _named(name: str, state: dict[str, Any]) -> None:
    state["name"] = name
