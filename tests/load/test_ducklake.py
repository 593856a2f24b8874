"""DuckLake: one DuckDB a run, catalogs that keep the promises, and nothing left of what is erased.

The promise suite runs on a lake in S3 with its catalog in PostgreSQL; here it is a folder with an
SQLite file, but for what differs.
"""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.doctor import run_checks
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.load.destinations import duckdb_extensions, lake_cleanup
from argos_sync.load.destinations.lake_cleanup import erase_old_versions
from argos_sync.load.errors import DestinationError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.load.sql import Client, execute_native
from argos_sync.load.target import Target
from argos_sync.run import opening
from lakes import Lake, folder_lake
from made_once import made_once
from promises.place import on_machine
from support import API_KEY, LATER, Rows, at, context_for
from warehouse.direct import connected
from whole_lists import Emulator

CATALOG = "DESTINATION__DUCKLAKE__CREDENTIALS__CATALOG"
MARK = "zQ7vXw9k"
"""Short, because statistics have no long texts; where a file compresses it, its rows have it."""

on_lake = pytest.mark.ducklake


@pytest.fixture(scope="session")
def _made_folder_lake() -> Path:
    """A folder with a lake as a run that brought nothing leaves it."""

    def make(folder: Path) -> None:
        with folder_lake(folder) as made, Emulator() as api:
            refresh(context_for(api.base_url, made.target), submission_ids=["nobody"])

    return made_once("folder_lake", make)


@pytest.fixture
def lake(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lake]:
    """An empty lake in a folder, or one with tables for tests that do not mind them."""
    has_tables = request.node.get_closest_marker("tables_made") is not None
    made = request.getfixturevalue("_made_folder_lake") if has_tables else None
    with folder_lake(tmp_path, made) as opened:
        yield opened


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (CATALOG, "duckdb:///{folder}/catalog.duckdb", "is a DuckDB file, .* keep the promises"),
        (CATALOG, "mysql://loader:secret@127.0.0.1:1/kyc", "is mysql, which cannot keep"),
        ("DESTINATION__DUCKLAKE__CREDENTIALS__DUCKLAKE_NAME", "Argos", "named like its dataset"),
    ],
)
def test_a_lake_that_cannot_keep_the_promises(
    name: str, value: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before anything is written, with what to use instead."""
    monkeypatch.setenv(CATALOG, f"sqlite:///{tmp_path}/catalog.sqlite")
    monkeypatch.setenv("DESTINATION__DUCKLAKE__CREDENTIALS__STORAGE__BUCKET_URL", f"{tmp_path}/f")
    monkeypatch.setenv(name, value.format(folder=tmp_path))
    target = Target("ducklake", pipelines_dir=str(tmp_path / "pipelines"))
    for opened in (open_warehouse(target), open_read_only(target)):
        with pytest.raises(ConfigurationError, match=message) as raised, opened:
            raise AssertionError
        assert "secret" not in str(raised.value)
        assert "destination.ducklake.credentials" in raised.value.remedy
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.slow  # DuckDB tries two seconds to load it
def test_a_missing_extension_names_the_extra(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB looks for it where it has installed others, and downloads none."""
    monkeypatch.setattr(duckdb_extensions, "find_spec", lambda name: None)
    monkeypatch.setenv("HOME", str(lake.files))  # where DuckDB has extensions
    with (
        pytest.raises(DestinationError, match=r"argos-sync\[ducklake\]"),
        open_warehouse(lake.target),
    ):
        raise AssertionError


@on_lake
@pytest.mark.slow
@pytest.mark.tables_made
def test_a_second_sync_is_quiet_and_cheap(
    lake: Lake, january: Rows, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A run opens one DuckDB; one without news makes no view anew, and logs nothing."""
    connections = []

    def connect(*arguments: Any, **options: Any) -> Any:
        connections.append(arguments)
        return open_duckdb(*arguments, **options)

    open_duckdb = duckdb.connect
    views = "SELECT view_uuid FROM __ducklake_metadata_lake.ducklake_view ORDER BY 1"
    with Emulator(january[:50]) as api:
        context = context_for(api.base_url, lake.target)
        sync(context)
        before = lake.query(views)
        monkeypatch.setattr(duckdb, "connect", connect)
        with caplog.at_level(logging.WARNING):
            sync(at(context, LATER))
    assert len(connections) == 1
    assert lake.query(views) == before != []
    assert caplog.messages == []
    assert len(lake.query("SELECT comment FROM duckdb_columns() WHERE comment IS NOT NULL")) > 100
    assert not Path(".tmp").exists()


@on_lake
@pytest.mark.slow
@pytest.mark.process
@pytest.mark.tables_made
def test_a_killed_erasure_is_finished_by_the_next_run(lake: Lake, january: Rows) -> None:
    """Rows are gone, and their bytes are not; a run of any command on any machine removes these.

    The process is killed before the clean-up, and when only the files are left to delete.
    """
    statements = ("CALL ducklake_", "CALL ducklake_cleanup_old_files")
    people = [january[number] | {"userid": f"{number}{MARK}"} for number in range(len(statements))]
    with Emulator([*people, *january[5:12]]) as api:
        context = context_for(api.base_url, lake.target)
        sync(context)
        for person, statement in zip(people, statements, strict=True):
            one, userid = person["submission_id"], person["userid"]
            assert kill_forget(api, lake.target, userid, statement) == -signal.SIGKILL
            assert lake.query(f"SELECT * FROM submissions WHERE submission_id = '{one}'") == []
            assert userid in lake.content()
            refresh(on_machine(context, userid), submission_ids=["nobody"])
            content = lake.content()
            assert [value for value in (userid, f"'{one}'") if value in content] == []
        assert len(lake.query("SELECT * FROM submissions")) == 7


def kill_forget(api: Emulator, target: Target, userid: str, statement: str) -> int:
    """Start a `forget` that is killed before a statement, and return the exit code."""
    tests = Path(__file__).parents[1]
    script = Path(__file__).with_name("killed_erasure.py")
    arguments = [api.base_url, json.dumps(asdict(target)), userid, statement]
    process = subprocess.run(
        [sys.executable, script, *arguments],
        env=os.environ | {"PYTHONPATH": str(tests)},
        capture_output=True,
        check=False,
    )
    return process.returncode


@on_lake
@pytest.mark.slow
@pytest.mark.tables_made
def test_old_snapshots_that_stay_fail_no_run(
    lake: Lake, january: Rows, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All rows are committed by then; the next run tries again."""

    def fail(client: Client) -> None:
        raise DestinationError("the storage is not reachable")

    monkeypatch.setattr(opening, "limit_history", fail)
    with Emulator(january[:5]) as api:
        assert sync(context_for(api.base_url, lake.target)).exit_status == 0
    assert "keeps its old snapshots until the next run" in caplog.text


@pytest.fixture
def table(lake: Lake) -> Iterator[Client]:
    """A connection to a lake with an empty table `t` in the dataset."""
    with connected(lake.warehouse) as client:
        execute_native(client, 'CREATE SCHEMA "argos"; CREATE TABLE argos.t (id INT, name TEXT)')
        yield client


@on_lake
@pytest.mark.slow
@pytest.mark.parametrize(
    "statements",
    [
        ["INSERT INTO argos.t VALUES (1, '{mark}')", "DELETE FROM argos.t WHERE id = 1"],
        ["INSERT INTO argos.t VALUES (1, '{mark}')", "UPDATE argos.t SET name = 'x' WHERE id = 1"],
        [
            "INSERT INTO argos.t SELECT i, '{mark}' || i FROM range(100) AS r (i)",
            "DELETE FROM argos.t WHERE id < 100",
        ],
        [
            "INSERT INTO argos.t SELECT i, '{mark}' || i FROM range(100) AS r (i)",
            "DELETE FROM argos.t WHERE TRUE",
        ],
        [
            "ALTER TABLE argos.t ADD COLUMN more TEXT",
            "INSERT INTO argos.t VALUES (1, 'x', '{mark}')",
            "DELETE FROM argos.t WHERE id = 1",
        ],
    ],
    ids=["a row", "a value", "a whole file", "the whole table", "a new column"],
)
def test_no_value_stays_in_files_or_statistics(
    statements: list[str], table: Client, lake: Lake
) -> None:
    """What is left can still be found by its values, also by what is inserted later."""
    execute_native(table, "INSERT INTO argos.t SELECT 1000 + i, 'kept' FROM range(20) AS r (i)")
    *made, erased = statements
    for statement in made:
        execute_native(table, statement.format(mark=MARK))
    assert MARK in lake.content()
    execute_native(table, erased)
    left = execute_native(table, "SELECT id, name FROM argos.t ORDER BY id")
    erase_old_versions(table)
    assert MARK not in lake.content()
    assert execute_native(table, "SELECT id, name FROM argos.t ORDER BY id") == left
    execute_native(table, "INSERT INTO argos.t (id, name) VALUES (5000, 'zzz')")
    for id_, name in (*left, (5000, "zzz")):
        assert lake.query(f"SELECT name FROM t WHERE id = {id_} AND name = '{name}'")


@on_lake
@pytest.mark.slow
def test_files_of_other_writers_stay(table: Client, lake: Lake) -> None:
    """A file that no snapshot has belongs to a killed run, or to another dataset's run."""
    assert lake.files is not None
    file = lake.files / "data" / "argos" / "t" / "unfinished.parquet"
    file.parent.mkdir(parents=True)
    execute_native(table, 'CREATE SCHEMA "other"; CREATE TABLE other.t (id INT)')
    file.touch()
    erase_old_versions(table)
    assert file.exists()
    execute_native(table, 'DROP TABLE other.t; DROP SCHEMA "other"')
    erase_old_versions(table)
    assert not file.exists()


@on_lake
@pytest.mark.slow
def test_one_machine_at_a_time_and_readers(lake: Lake, tmp_path: Path) -> None:
    """The SQLite file is locked for every working directory; reading creates no lake."""
    with pytest.raises(DestinationError, match="no DuckLake yet"), open_read_only(lake.target):
        raise AssertionError
    assert lake.files is not None
    assert list(lake.files.iterdir()) == []
    elsewhere = replace(lake.target, pipelines_dir=str(tmp_path / "elsewhere"))
    with open_warehouse(lake.target, command="reconcile"):
        message = rf"locked by process {os.getpid()} \(argos-sync reconcile\)"
        with pytest.raises(DestinationError, match=message), open_warehouse(elsewhere):
            raise AssertionError


@on_lake
@pytest.mark.slow
def test_doctor(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps pass; the versions of the extension and of the catalog are told."""
    with Emulator() as api:
        monkeypatch.setenv("SOURCES__ARGOS__BASE_URL", api.base_url)
        monkeypatch.setenv("SOURCES__ARGOS__API_KEY", API_KEY)
        checks = run_checks(lake.target)
    assert [check.name for check in checks if not check.passed] == []
    (opened,) = (check.message for check in checks if check.name == "destination")
    assert f"ducklake DuckDB {duckdb.__version__}, extension " in opened
    assert "catalog 1." in opened


@on_lake
@pytest.mark.slow
def test_old_snapshots_are_removed_in_time(
    table: Client, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small files are merged, and a replaced file is deleted, once a snapshot is old enough."""
    assert lake.files is not None
    for start in (0, 100, 200):
        execute_native(
            table, f"INSERT INTO argos.t SELECT {start} + i, 'n' FROM range(50) AS r (i)"
        )
    lake_cleanup.limit_history(table)
    assert len(list(lake.files.rglob("*.parquet"))) == 3
    monkeypatch.setattr(lake_cleanup, "_OVERDUE", "INTERVAL 0 DAYS")
    monkeypatch.setattr(lake_cleanup, "_KEPT", "INTERVAL 0 DAYS")
    lake_cleanup.limit_history(table)
    assert len(list(lake.files.rglob("*.parquet"))) == 1
    assert lake.query("SELECT COUNT(*) AS n FROM t") == [{"n": 150}]
