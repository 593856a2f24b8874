"""Failures of the destination: the right kind, without the destination's own words."""

from __future__ import annotations

import os
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
from argos_sync.emulator import Emulator
from argos_sync.load.errors import DestinationError, LoadError, destination_errors
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.load.target import Target
from argos_sync.warehouse import views
from support import Warehouse, assert_equal, context_for, duckdb_warehouse, in_range

pytestmark = pytest.mark.tables_made

HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_locked_file_names_its_holder(warehouse: Warehouse) -> None:
    """Another process has the DuckDB file open: exit 5, and its number."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(warehouse.target.file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(DestinationError, match=f"locked by process {holder.pid};") as raised:
            sync(context_for("http://127.0.0.1:1/v3", warehouse.target))
    assert raised.value.exit_code == 5


def test_a_run_holds_the_file_to_its_end(warehouse: Warehouse) -> None:
    """Nobody else writes between two chunks."""
    with open_warehouse(warehouse.target) as opened:
        opened.load({}, lambda state: state.update(end_date="inclusive"))
        tried = subprocess.run(
            [sys.executable, "-c", HOLD, str(warehouse.target.file)],
            capture_output=True,
            text=True,
            check=False,
            input="",
        )
    assert f"PID {os.getpid()}" in tried.stderr


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A closed port is exit 5, without the address's password."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://me:pw123@127.0.0.1:1/x")
    target = Target("postgres", pipelines_dir=str(tmp_path))
    with pytest.raises(DestinationError, match="cannot be used") as raised, open_warehouse(target):
        pass
    assert "pw123" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nonsense", "not one that dlt knows"),
        ("postgres", "lacks credentials"),
        ("filesystem", "no SQL tables that rows can be merged into.*publish that and copy it"),
    ],
)
def test_a_destination_that_cannot_be_opened(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown name or missing credentials are matters of configuration."""
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "lake"))
    target = Target(name, pipelines_dir=str(tmp_path))
    with pytest.raises(ConfigurationError, match=said), open_warehouse(target):
        pass


def test_a_dataset_needs_a_name(tmp_path: Path) -> None:
    """An unset variable on the command line must not load just anywhere."""
    target = Target(dataset=" ", pipelines_dir=str(tmp_path))
    with pytest.raises(ConfigurationError, match="dataset has no name"), open_warehouse(target):
        pass


def test_looking_into_nothing_creates_nothing(tmp_path: Path) -> None:
    """Reading a warehouse that does not exist is an error, and leaves no file."""
    warehouse = duckdb_warehouse(tmp_path)
    with pytest.raises(DestinationError, match="no DuckDB file"), open_read_only(warehouse.target):
        pass
    assert not Path(str(warehouse.target.file)).exists()


@pytest.mark.parametrize("length", [0, 100, 4_096, 12_287])
def test_a_file_that_was_just_begun_is_made_anew(length: int, warehouse: Warehouse) -> None:
    """DuckDB opens no file of which a process was killed, or ran out of space, while making it."""
    file = Path(str(warehouse.target.file))
    duckdb.connect(str(file)).close()
    os.truncate(file, length)
    with open_warehouse(warehouse.target) as opened:
        opened.load({}, lambda state: state.update(end_date="inclusive"))
    assert warehouse.count("_dlt_loads") == 1


def test_a_foreign_file_is_left_alone(warehouse: Warehouse) -> None:
    """However short it is."""
    file = Path(str(warehouse.target.file))
    file.write_text("somebody's notes")
    with pytest.raises(DestinationError, match="cannot be used"), open_warehouse(warehouse.target):
        pass
    assert file.read_text() == "somebody's notes"


def test_rows_the_destination_refuses(warehouse: Warehouse, january: list[dict[str, Any]]) -> None:
    """A failing load tells kinds only: texts of databases quote values."""
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
        report = backfill(context, date(2025, 1, 1), date(2025, 1, 9))
    names = {s["data"]["name"] for s in january if s.get("data")}
    assert not [name for name in names if name in str(raised.value)]
    assert report.submissions_new == len(in_range(january, date(2025, 1, 1), date(2025, 1, 9)))
    assert_equal(warehouse, in_range(january, date(2025, 1, 1), date(2025, 1, 9)))
    assert run == {"error": "LoadError", "exit_status": 1}


def test_what_is_committed_is_kept_when_it_cannot_be_read_either(
    warehouse: Warehouse, january: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load fails, and so does going back: the record of the run builds on no empty state."""
    with Emulator(january[:30]) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        sync(context)  # which notes the views
        with open_read_only(warehouse.target) as view:
            before = view.state
        full = DestinationConnectionError("C", "argos", "too many clients", OSError())
        with monkeypatch.context() as patch:
            patch.setattr(Pipeline, "load", once(Pipeline, "load", full))
            # The first call is that of the run that begins.
            going_back = once(Pipeline, "sync_destination", full, 2)
            patch.setattr(Pipeline, "sync_destination", going_back)
            with pytest.raises(DestinationError):
                refresh(context, submission_ids=[january[0]["submission_id"]])
        with open_read_only(warehouse.target) as view:
            assert view.state == before
        assert warehouse.query("SELECT MAX(exit_status) AS n FROM sync_runs") == [{"n": 5}]
    assert_equal(warehouse, january[:30])


def test_views_that_cannot_be_kept_fail_no_run(
    warehouse: Warehouse,
    january: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The rows are committed; the log says what happened, not in the database's words."""
    lost = DestinationConnectionError("C", "argos", "what a database says", OSError())
    monkeypatch.setattr(views, "exist", Mock(side_effect=lost))
    with Emulator(january[:5]) as api:
        assert sync(context_for(api.base_url, warehouse.target)).exit_status == 0
    assert "could not be kept (DestinationConnectionError)" in caplog.text
    assert "what a database says" not in caplog.text


def once(owner: type, name: str, error: Exception, time: int = 1) -> Callable[..., Any]:
    """Return a method that fails at one of its calls."""
    plain, calls = getattr(owner, name), count(1)

    def called(*arguments: Any, **options: Any) -> Any:
        if next(calls) == time:
            raise error
        return plain(*arguments, **options)

    return called


def test_bugs_come_through_as_they_are() -> None:
    """What is neither dlt's nor a database's is not dressed up."""
    with pytest.raises(ZeroDivisionError), destination_errors():
        _ = 1 / 0
