"""Locks: one run at a time writes to a warehouse; the error names the process that does."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from argos_sync.commands.sync import sync
from argos_sync.fetch.windows import ALL_DAYS, DateRange
from argos_sync.load.errors import DestinationError
from argos_sync.load.locks import lock_file
from argos_sync.load.partitions import PIPELINE
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.load.target import locate
from pooler import transaction_pooler
from support import (
    Warehouse,
    assert_equal,
    context_for,
    empty_warehouse,
    postgres_address,
    postgres_database,
    postgres_warehouse,
)
from whole_lists import Emulator

pytestmark = [pytest.mark.tables_made, pytest.mark.process]

HOLD_LOCK = """
import sys
from argos_sync.load.sql import select
from argos_sync.load.target import Target
from argos_sync.load.pipeline import open_warehouse
name, dataset, folder, file = sys.argv[1:]
with open_warehouse(Target(name, dataset, folder, file or None), command="backfill") as warehouse:
    # After a failed query psycopg2 resets its connection.
    assert select(warehouse.client, "SELECT * FROM " + dataset + ".no_such_table") == ()
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(any_warehouse: Warehouse) -> subprocess.Popen[str]:
    """Start another process with the same working directory, in the middle of a run."""
    return start_holder(any_warehouse, str(any_warehouse.target.pipelines_dir))


def start_holder(warehouse: Warehouse, folder: str) -> subprocess.Popen[str]:
    """Start a process that opens the warehouse and keeps it open."""
    target = warehouse.target
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLD_LOCK,
            target.destination,
            target.dataset,
            folder,
            target.file or "",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    """Kill the process as a power failure would."""
    with process:
        process.send_signal(signal.SIGKILL)


def test_the_second_run_names_the_first(
    any_warehouse: Warehouse, holder: subprocess.Popen[str], january: list[dict[str, Any]]
) -> None:
    """It fails before its first request; once the first process is dead, a run succeeds."""
    with Emulator(january) as api:
        context = context_for(api.base_url, any_warehouse.target)
        with pytest.raises(DestinationError, match=rf"by process {holder.pid} \(argos-sync back"):
            sync(context)
        assert api.request_count == 0
        kill(holder)
        sync(context)
    assert_equal(any_warehouse, january)


def test_a_run_that_is_kept_out_leaves_the_working_directory_alone(
    any_warehouse: Warehouse,
) -> None:
    """To create a pipeline there would wipe the one that another process has just begun."""
    working = locate(any_warehouse.target).working
    file = working / PIPELINE / "begun"
    file.parent.mkdir(parents=True)
    file.touch()
    with (
        lock_file(working.with_suffix(".lock"), "sync"),
        pytest.raises(DestinationError, match=r"locked by process .*sync"),
        open_warehouse(any_warehouse.target),
    ):
        raise AssertionError
    assert file.exists()


def test_another_machine_is_locked_out(any_warehouse: Warehouse, tmp_path: Path) -> None:
    """It has another working directory, so only the database can name the process."""
    holder = start_holder(any_warehouse, str(tmp_path / "another machine"))
    try:
        with (
            pytest.raises(DestinationError, match=rf"locked by .*{holder.pid}"),
            open_warehouse(any_warehouse.target),
        ):
            raise AssertionError
    finally:
        kill(holder)
    with open_warehouse(any_warehouse.target):
        pass


def test_another_spelling_of_the_name_is_locked_out(
    any_warehouse: Warehouse, holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    """It is the same schema, whatever the machine."""
    spelling = any_warehouse.target.dataset.replace("_", "-").capitalize()
    try:
        for folder in (any_warehouse.target.pipelines_dir, str(tmp_path / "another machine")):
            other = replace(any_warehouse.target, dataset=spelling, pipelines_dir=folder)
            with (
                pytest.raises(DestinationError, match=rf"locked by .*{holder.pid}"),
                open_warehouse(other),
            ):
                raise AssertionError
    finally:
        kill(holder)


def test_other_datasets_are_not_locked(
    any_warehouse: Warehouse, holder: subprocess.Popen[str]
) -> None:
    """A server has one lock per dataset; a DuckDB file is locked as a whole."""
    other = replace(any_warehouse.target, dataset=f"{any_warehouse.target.dataset}_other")
    try:
        if other.destination == "duckdb":
            with pytest.raises(DestinationError, match=str(holder.pid)), open_warehouse(other):
                raise AssertionError
        else:
            with open_warehouse(other):
                pass
    finally:
        kill(holder)


END_LOCK_SESSIONS = """
    SELECT pg_terminate_backend(a.pid, 60000) AS ended
    FROM pg_stat_activity AS a JOIN pg_locks AS l ON l.pid = a.pid
    WHERE l.locktype = 'advisory' AND a.datname = current_database()
"""


@pytest.mark.parametrize("any_warehouse", ["postgres"], indirect=True)
@pytest.mark.parametrize("days", [ALL_DAYS, DateRange(date(2025, 1, 1), date(2025, 1, 31))])
def test_a_run_whose_lock_session_has_ended_commits_nothing(
    any_warehouse: Warehouse, days: DateRange
) -> None:
    """Another run may have begun since; dlt's client would connect again without the lock."""
    with open_warehouse(any_warehouse.target, days=days) as warehouse:
        warehouse.load({}, lambda state: state.update(facts=1))
        assert any_warehouse.query(END_LOCK_SESSIONS) == [{"ended": True}]
        for _ in range(2):
            with pytest.raises(DestinationError, match="another run may be writing") as raised:
                warehouse.load({}, lambda state: state.update(facts=2))
            assert raised.value.exit_code == 5
    with open_warehouse(any_warehouse.target, days=days) as warehouse:
        assert warehouse.state["facts"] == 1


@pytest.mark.postgres
def test_a_pooler_is_recognized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The locks of its sessions keep nobody out, and would stay when the run has ended."""
    monkeypatch.delenv("SOURCES__ARGOS__RUN_LOCK", raising=False)
    with postgres_database() as database, transaction_pooler(tmp_path) as pooler:
        monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", f"{pooler}/{database}")
        warehouse = postgres_warehouse(tmp_path, "argos", postgres_address(database))
        elsewhere = replace(warehouse.target, pipelines_dir=str(tmp_path / "another machine"))
        with open_warehouse(warehouse.target, command="reconcile"):
            for address in (f"{pooler}/{database}", postgres_address(database)):
                monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
                with (
                    pytest.raises(DestinationError, match="locked by argos-sync reconcile"),
                    open_warehouse(elsewhere),
                ):
                    raise AssertionError
        with open_warehouse(elsewhere):
            pass


@pytest.mark.postgres
def test_reading_needs_no_lock_in_postgres(tmp_path: Path) -> None:
    """`status` works during a run; a DuckDB file takes one writer or several readers."""
    with (
        empty_warehouse("postgres", tmp_path) as warehouse,
        open_warehouse(warehouse.target),
        open_read_only(warehouse.target) as view,
    ):
        assert view.state == {}
