"""DuckDB files: their location and name, temporary files, and merges from Parquet files."""

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

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.load.compact import compact
from argos_sync.load.destinations.duckdb import (
    duckdb_file,
    remove_temp_files,
    remove_truncated_file,
)
from argos_sync.load.errors import LoadError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.load.target import Target, locate, make_pipeline
from argos_sync.run.journal import run_record
from argos_sync.run.summary import RunSummary
from argos_sync.shape.contract import RUNS, SUBMISSIONS, Contract, load_contract
from argos_sync.shape.tables import shape_submissions
from argos_sync.warehouse.views import load_views, view_query
from support import Warehouse, duckdb_warehouse, make_tables

pytestmark = pytest.mark.tables_made

DEFAULT_STORAGE = f"v{'.'.join(duckdb.__version__.split('.')[:2])}.0+"
"""The format of files that the installed version of DuckDB creates."""

SPILLING = """
import duckdb, os, signal, sys
connection = duckdb.connect(sys.argv[1], config={"memory_limit": "30MB", "threads": 1})
connection.execute("CREATE TEMP TABLE t AS SELECT repeat('x', 200) || i FROM range(300000) r(i)")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.process
def test_temporary_files_of_a_killed_run_are_removed(warehouse: Warehouse) -> None:
    """DuckDB keeps rows it spilled to disk until a later run spills again."""
    file = str(warehouse.target.file)
    process = subprocess.run([sys.executable, "-c", SPILLING, file], check=False)
    assert process.returncode == -signal.SIGKILL
    folder = Path(f"{file}.tmp")
    assert sum(path.stat().st_size for path in folder.iterdir())
    with open_warehouse(warehouse.target):
        assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_files_can_be_read_by_an_older_version(tmp_path: Path) -> None:
    """The warehouse and a published copy, and a file in DuckDB's default format once compacted."""
    warehouse = duckdb_warehouse(tmp_path)
    file, copy = Path(str(warehouse.target.file)), tmp_path / "copy.duckdb"
    make_tables(warehouse)
    publish(warehouse.target, copy)
    assert [_storage_version(file), _storage_version(copy)] == ["v1.4.0+", "v1.4.0+"]
    file.unlink()
    duckdb.connect(str(file), config={"storage_compatibility_version": "latest"}).close()
    make_tables(warehouse)
    assert _storage_version(file) == DEFAULT_STORAGE
    compact(warehouse.target, "forget")
    assert _storage_version(file) == "v1.4.0+"
    assert warehouse.count(RUNS)


def test_duckdb_has_no_staging_dataset(warehouse: Warehouse, january: list[dict[str, Any]]) -> None:
    """Rows are merged from the load package's files."""
    tables = shape_submissions(january[:5], ["hash"] * 5, datetime.now(UTC)).tables
    with open_warehouse(warehouse.target) as opened:
        opened.load(tables)
    assert warehouse.count(SUBMISSIONS) == 5
    schemas = warehouse.query("SELECT schema_name FROM information_schema.schemata")
    assert not [row for row in schemas if "staging" in row["schema_name"]]


def test_a_column_removed_from_the_contract_keeps_its_values(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """It is NULL in rows that are loaded later."""
    contract = load_contract()
    table = contract[SUBMISSIONS]
    removed = replace(table.columns[-1], name="removed", type="text", nullable=True)
    old = replace(table, columns=(*table.columns, removed))
    tables = shape_submissions(january[:20], [str(n) for n in range(20)], datetime.now(UTC)).tables
    rows = tables[SUBMISSIONS].slice(0, 10)
    old_rows = rows.append_column("removed", pa.array(["old"] * 10))
    with open_warehouse(
        warehouse.target, contract=Contract({**contract.tables, SUBMISSIONS: old})
    ) as opened:
        opened.load({SUBMISSIONS: old_rows})
    with open_warehouse(warehouse.target) as opened:
        opened.load({SUBMISSIONS: tables[SUBMISSIONS].slice(5)})
    stored = warehouse.query(f"SELECT submission_id, removed FROM {SUBMISSIONS}")
    ids = tables[SUBMISSIONS]["submission_id"].to_pylist()
    assert {row["submission_id"]: row["removed"] for row in stored} == {
        submission_id: "old" if i < 5 else None for i, submission_id in enumerate(ids)
    }


def test_a_motherduck_database_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets DuckDB's SQL from dlt's own client; a file named like it is not touched."""
    monkeypatch.chdir(tmp_path)
    Path("kyc").touch()
    monkeypatch.setenv("DESTINATION__MOTHERDUCK__CREDENTIALS", "md:///kyc?token=secret")
    pipeline = make_pipeline(Target("motherduck"), tmp_path)
    assert type(pipeline.destination_client()) is MotherDuckClient
    assert duckdb_file(pipeline.sql_client()) is None
    remove_truncated_file(pipeline.sql_client())
    remove_temp_files(pipeline.sql_client())
    assert Path("kyc").exists()
    (view,) = (view for view in load_views() if view.name == "staleness")
    assert view_query(pipeline.sql_client(), view).startswith("WITH ages")


@pytest.mark.slow  # three loads into new files
@pytest.mark.parametrize("address", ["duckdb:///mine.duckdb", "mine.duckdb"])
def test_a_relative_file_is_in_the_current_folder(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the folder where an earlier command with the same working directory was started."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", address)
    target = Target(pipelines_dir=str(tmp_path / "pipelines"))
    for name in ("one", "other", "one"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        with open_warehouse(target) as opened:
            opened.load({}, partial(_set_name, name))
            assert duckdb_file(opened.client) == folder / "mine.duckdb"
        with open_read_only(target) as stored:
            assert stored.state["name"] == name


def _set_name(name: str, state: dict[str, Any]) -> None:
    state["name"] = name


def test_a_row_is_replaced_atomically(any_warehouse: Warehouse) -> None:
    """A merge that fails, or is killed, between delete and insert keeps the old row."""
    summary = RunSummary("a run", "sync", datetime.now(UTC))
    with open_warehouse(any_warehouse.target) as opened:
        opened.load(run_record(summary))
        runs, health = map(opened.client.make_qualified_table_name, ("sync_runs", "sync_health"))
        opened.client.execute_sql(
            f"DROP VIEW {health}"
        )  # PostgreSQL: a view fixes the types it reads
        opened.client.execute_sql(f"ALTER TABLE {runs} ALTER requests TYPE SMALLINT")
        summary.requests = 100_000
        with pytest.raises(LoadError):
            opened.load(run_record(summary))
    assert [row["requests"] for row in any_warehouse.table("sync_runs")] == [0]


@pytest.mark.parametrize("name", ["argos.duckdb", "Argos.duckdb", "ARGOS", "argos.db.duckdb"])
def test_a_file_named_like_its_dataset_is_refused(tmp_path: Path, name: str) -> None:
    """No DuckDB client could resolve `argos.submissions` in it; neither can a reading command."""
    target = Target(pipelines_dir=str(tmp_path / "pipelines"), file=str(tmp_path / name))
    for open_it in (open_warehouse, open_read_only):
        with pytest.raises(ConfigurationError) as caught, open_it(target):
            raise AssertionError
        assert caught.value.exit_code == 2
        message = str(caught.value)
        assert message.startswith(f"the DuckDB file {name} is named like its dataset")
        assert "rename the file, for example to kyc.duckdb" in message
        assert "\n" not in message
    assert not (tmp_path / name).exists()


def test_another_name_is_suggested(tmp_path: Path) -> None:
    """It is never the one that the file has."""
    target = Target(dataset="kyc", file=str(tmp_path / "kyc.duckdb"))
    with pytest.raises(ConfigurationError, match=r"for example to warehouse\.duckdb, or"):
        locate(target)


def test_a_file_named_like_another_dataset_is_fine(tmp_path: Path) -> None:
    """`argos.duckdb` may hold a dataset with another name."""
    folder, file = str(tmp_path / "pipelines"), str(tmp_path / "argos.duckdb")
    with open_warehouse(Target(dataset="kyc", pipelines_dir=folder, file=file)):
        pass
    assert Path(file).exists()


def _storage_version(file: Path) -> str:
    with duckdb.connect(str(file), read_only=True) as connection:
        tags = "SELECT tags['storage_version'] FROM duckdb_databases() WHERE path IS NOT NULL"
        ((version,),) = connection.execute(tags).fetchall()
        return str(version)
