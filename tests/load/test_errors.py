"""Errors of the destination: the right class, and none of the destination's own text."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import duckdb
import pytest
from dlt.destinations.exceptions import DestinationConnectionError
from dlt.pipeline.pipeline import Pipeline

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.backfill import backfill
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.load.errors import DestinationError, LoadError, destination_errors
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.load.target import Target
from argos_sync.warehouse import view_updates
from support import Warehouse, assert_equal, context_for, duckdb_warehouse, in_range
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made

OPEN_FILE = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.process
def test_a_locked_file_names_the_process(warehouse: Warehouse) -> None:
    """Another process has the DuckDB file open: exit 5, with its id."""
    other = subprocess.Popen(
        [sys.executable, "-c", OPEN_FILE, str(warehouse.target.file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with other:
        assert other.stdout is not None
        other.stdout.readline()
        message = f"the DuckDB file is locked by process {other.pid}; wait for it to finish"
        with pytest.raises(DestinationError, match=message) as raised:
            sync(context_for("http://127.0.0.1:1/v3", warehouse.target))
    assert raised.value.exit_code == 5


@pytest.mark.process
def test_a_run_locks_the_file_until_it_ends(warehouse: Warehouse) -> None:
    """No other process can write between two chunks."""
    with open_warehouse(warehouse.target) as opened:
        opened.load({}, lambda state: state.update(end_date="inclusive"))
        other = subprocess.run(
            [sys.executable, "-c", OPEN_FILE, str(warehouse.target.file)],
            capture_output=True,
            text=True,
            check=False,
            input="",
        )
    assert f"PID {os.getpid()}" in other.stderr


def test_an_unreachable_server_is_exit_5(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message does not repeat the address with its password."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://me:pw123@127.0.0.1:1/x")
    target = Target("postgres", pipelines_dir=str(tmp_path))
    with pytest.raises(DestinationError, match="does not answer") as raised, open_warehouse(target):
        pass
    assert "pw123" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nonsense", "not one that dlt knows"),
        ("postgres", "configuration lacks database, password, username, host; set DEST"),
    ],
)
def test_a_wrong_destination_is_a_configuration_error(
    name: str, message: str, tmp_path: Path
) -> None:
    """The name is unknown, or credentials are missing."""
    target = Target(name, pipelines_dir=str(tmp_path))
    with pytest.raises(ConfigurationError, match=message), open_warehouse(target):
        pass


def test_a_dataset_needs_a_name(tmp_path: Path) -> None:
    """An unset variable on the command line must not choose a dataset."""
    target = Target(dataset=" ", pipelines_dir=str(tmp_path))
    with pytest.raises(ConfigurationError, match="dataset has no name"), open_warehouse(target):
        pass


def test_reading_creates_no_file(tmp_path: Path) -> None:
    """Reading a warehouse that does not exist is an error."""
    warehouse = duckdb_warehouse(tmp_path)
    with pytest.raises(DestinationError, match="no DuckDB file"), open_read_only(warehouse.target):
        pass
    assert not Path(str(warehouse.target.file)).exists()


@pytest.mark.parametrize("length", [0, 100, 4_096, 12_287])
def test_a_truncated_file_is_replaced(length: int, warehouse: Warehouse) -> None:
    """DuckDB cannot open it; a process was killed or ran out of space while it created the file."""
    file = Path(str(warehouse.target.file))
    duckdb.connect(str(file)).close()
    os.truncate(file, length)
    with open_warehouse(warehouse.target) as opened:
        assert opened.state == {}
    with duckdb.connect(str(file), read_only=True) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_a_foreign_file_is_never_replaced(warehouse: Warehouse) -> None:
    """However short it is."""
    file = Path(str(warehouse.target.file))
    file.write_text("somebody's notes")
    for opened in (open_warehouse(warehouse.target), open_read_only(warehouse.target)):
        with pytest.raises(DestinationError, match="is not a DuckDB file"), opened:
            pass
    assert file.read_text() == "somebody's notes"


def _overwrite(file: Path, start: int, length: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(start)
        stream.write(b"\xab" * length)


def _replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _add_log_of_another_file(file: Path) -> None:
    other = file.with_name("other.duckdb")
    with duckdb.connect(str(other)) as connection:
        connection.execute("SET wal_autocheckpoint = '1GB'")
        connection.execute("CREATE TABLE t AS SELECT range AS i FROM range(10_000)")
        shutil.copy(f"{other}.wal", f"{file}.wal")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: os.truncate(file, file.stat().st_size // 2), "kyc.duckdb is damaged;"),
        (lambda file: os.truncate(file, 20_000), "kyc.duckdb is damaged;"),
        (lambda file: _overwrite(file, 0, 4_096), "its beginning is damaged; .* restore a backup"),
        (lambda file: _overwrite(file, 4_096, 8_192), "kyc.duckdb is damaged; restore a backup"),
        (lambda file: _overwrite(file, 12_288, 300_000), "kyc.duckdb is damaged;"),
        (_replace_by_folder, "kyc.duckdb is a folder;"),
        (_add_log_of_another_file, "kyc.duckdb.wal does not fit"),
    ],
)
def test_a_damaged_file(
    damage: Callable[[Path], None], message: str, synced_warehouse: Warehouse
) -> None:
    """The message says what is damaged, and how to go on; the file stays as it is."""
    file = Path(str(synced_warehouse.target.file))
    damage(file)
    size = file.stat().st_size
    target = synced_warehouse.target
    for opened in (open_warehouse(target), open_read_only(target)):
        with pytest.raises(DestinationError, match=message) as raised, opened:
            pass
        assert str(file) in str(raised.value)
        assert raised.value.exit_code == 5
    assert file.stat().st_size == size


@pytest.mark.slow  # three backfills
def test_refused_rows_are_a_load_error(warehouse: Warehouse, january: list[dict[str, Any]]) -> None:
    """The error names classes only, because texts of databases quote values."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target)
        backfill(context, date(2024, 1, 1), date(2024, 1, 2))
        with duckdb.connect(str(warehouse.target.file)) as connection:
            connection.execute("ALTER TABLE argos.applicants ALTER name TYPE INTEGER")
        with pytest.raises(LoadError, match=r"loading failed \(") as raised:
            backfill(context, date(2025, 1, 1), date(2025, 1, 9))
        (run,) = warehouse.query("SELECT error, exit_status FROM sync_runs WHERE exit_status <> 0")
        with duckdb.connect(str(warehouse.target.file)) as connection:
            connection.execute("ALTER TABLE argos.applicants ALTER name TYPE VARCHAR")
        summary = backfill(context, date(2025, 1, 1), date(2025, 1, 9))
    names = {one["data"]["name"] for one in january if "name" in one["data"]}
    assert not [name for name in names if name in str(raised.value)]
    assert summary.submissions_new == len(in_range(january, date(2025, 1, 1), date(2025, 1, 9)))
    assert_equal(warehouse, in_range(january, date(2025, 1, 1), date(2025, 1, 9)))
    assert run == {"error": "LoadError", "exit_status": 1}


@pytest.mark.slow  # three runs
def test_committed_state_survives_an_outage(
    warehouse: Warehouse, january: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load fails, and so does restoring state; the run record must not store an empty state."""
    with Emulator(january[:30]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        sync(context)  # commits the version of the views
        with open_read_only(warehouse.target) as view:
            committed = view.state
        outage = DestinationConnectionError("C", "argos", "too many clients", OSError())
        with monkeypatch.context() as patch:
            patch.setattr(Pipeline, "load", failing_call(Pipeline, "load", outage))
            # The first call belongs to opening the warehouse.
            restore = failing_call(Pipeline, "sync_destination", outage, 2)
            patch.setattr(Pipeline, "sync_destination", restore)
            with pytest.raises(DestinationError):
                refresh(context, submission_ids=[january[0]["submission_id"]])
        with open_read_only(warehouse.target) as view:
            assert view.state == committed
        assert warehouse.query("SELECT MAX(exit_status) AS n FROM sync_runs") == [{"n": 5}]
    assert_equal(warehouse, january[:30])


def test_views_that_cannot_be_created_fail_no_run(
    warehouse: Warehouse,
    january: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The rows are committed, and the log has the class of the error without its text."""
    outage = DestinationConnectionError("C", "argos", "what a database says", OSError())
    monkeypatch.setattr(view_updates, "tables_exist", Mock(side_effect=outage))
    with Emulator(january[:5]) as api:
        assert sync(context_for(api.base_url, warehouse.target)).exit_status == 0
    assert "could not be updated (DestinationConnectionError)" in caplog.text
    assert "what a database says" not in caplog.text


def failing_call(owner: type, name: str, error: Exception, number: int = 1) -> Callable[..., Any]:
    """Return a method of which one call fails; calls are numbered from 1."""
    method, calls = getattr(owner, name), count(1)

    def called(*arguments: Any, **options: Any) -> Any:
        if next(calls) == number:
            raise error
        return method(*arguments, **options)

    return called


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (
            ["SET extension_directory = '{folder}'", "LOAD spatial"],
            "DuckDB's extension spatial is not installed; .* INSTALL spatial",
        ),
        (
            [
                "SET memory_limit = '1MB'; SET temp_directory = ''",
                "SELECT list(range) FROM range({n})",
            ],
            r"DuckDB has no memory left \(OutOfMemoryException\); raise memory_limit",
        ),
    ],
)
def test_what_duckdb_lacks_is_named(statements: list[str], message: str, tmp_path: Path) -> None:
    """An extension by its name, or memory."""
    with duckdb.connect() as connection:
        first, second = (text.format(folder=tmp_path, n=10_000_000) for text in statements)
        connection.execute(first)
        with pytest.raises(DestinationError, match=message), destination_errors():
            connection.execute(second)


@pytest.mark.parametrize(
    "statement", ["SELEC 1", "SELECT no_function(1)", "SELECT CAST('x' AS INT)"]
)
def test_sql_errors_of_duckdb_are_no_outages(statement: str, warehouse: Warehouse) -> None:
    """They are exit 1, as those of every other database."""
    with (
        open_read_only(warehouse.target) as opened,
        pytest.raises(LoadError, match="the destination refused a statement"),
        destination_errors(),
    ):
        opened.client.execute_sql(statement)


def test_bugs_are_not_translated() -> None:
    """Only errors of dlt and of databases become errors of this package."""
    with pytest.raises(ZeroDivisionError), destination_errors():
        _ = 1 / 0
