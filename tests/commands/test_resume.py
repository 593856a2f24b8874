"""Interrupted runs: what is committed stays, and the next run goes on from there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dlt.load.load import Load

from argos_sync.api.errors import ServerError
from argos_sync.commands.backfill import backfill
from argos_sync.commands.sync import sync
from argos_sync.emulator import Behaviour, Emulator, Faults
from argos_sync.fetch.checkpoint import SYNC, high_water_mark, unfinished_plan
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.run.context import Context
from support import StopAfter, Warehouse, assert_equal, context_for, created_at, duckdb_warehouse

pytestmark = pytest.mark.tables_made

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 31)


@pytest.fixture
def january(january: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Enough for a few chunks."""
    return january[:280]


def interrupted(command: Any, context: Context, api: Emulator, after: int, *days: date) -> None:
    """Run a command until the API fails for good after some chunks; then mend the API."""
    with pytest.raises(ServerError):
        command(replace(context, progress=StopAfter(api, after)), *days)
    api.faults = Faults()


def ids(warehouse: Warehouse) -> set[str]:
    """Return the submissions that are loaded."""
    return {
        row["submission_id"] for row in warehouse.query("SELECT submission_id FROM submissions")
    }


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_a_backfill_goes_on_from_the_last_committed_chunk(
    order: Any, warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """After a failure nothing committed is lost, and little is fetched again."""
    goes_on(order, warehouse, january)


def test_a_backfill_in_no_order_goes_on_from_the_last_committed_chunk(
    any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """In whatever database."""
    goes_on("shuffled", any_warehouse, january)


def goes_on(order: Any, warehouse: Warehouse, january: list[dict[str, Any]]) -> None:
    """Let a backfill fail, and run it again."""
    with Emulator(january, behaviour=Behaviour(order=order)) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20)
        context = replace(context, chunk_size=60)
        interrupted(backfill, context, api, 3, FIRST, LAST)
        committed = ids(warehouse)
        (failed,) = warehouse.query("SELECT exit_status, error FROM sync_runs")
        report = backfill(replace(context, chunk_size=1_000), FIRST, LAST)
    assert 30 + 2 * 60 <= len(committed) < len(january)
    assert failed == {"exit_status": 4, "error": "ServerError"}
    assert committed <= ids(warehouse)
    # One chunk and the pages on their way are what a failure costs at the most.
    assert report.submissions_fetched <= len(january) - len(committed) + 60
    assert_equal(warehouse, january)


def test_a_sync_goes_on_and_moves_the_mark_only_at_its_end(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """In descending order the newest row comes first; the mark must wait for the oldest."""
    with Emulator(january, behaviour=Behaviour(order="descending")) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20)
        context = replace(context, chunk_size=60)
        interrupted(sync, context, api, 2)
        with open_read_only(warehouse.target) as view:
            assert high_water_mark(view.state) is None
            assert unfinished_plan(view.state, SYNC, ()) is not None
        sync(replace(context, chunk_size=1_000))
        with open_read_only(warehouse.target) as view:
            assert high_water_mark(view.state) == max(map(created_at, january))
            assert unfinished_plan(view.state, SYNC, ()) is None
    assert_equal(warehouse, january)


def test_the_working_directory_may_be_lost(
    any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """All that a resumed run needs is in the warehouse."""
    with Emulator(january) as api:
        context = context_for(api.base_url, any_warehouse.target, page_size=20)
        context = replace(context, chunk_size=60)
        interrupted(backfill, context, api, 3, FIRST, LAST)
        committed = len(ids(any_warehouse))
        shutil.rmtree(str(any_warehouse.target.pipelines_dir))
        report = backfill(replace(context, chunk_size=1_000), FIRST, LAST)
    assert report.submissions_fetched <= len(january) - committed + 60
    assert_equal(any_warehouse, january)


def test_a_warehouse_put_back_from_a_backup_is_believed(
    warehouse: Warehouse, january: list[dict[str, Any]], tmp_path: Path
) -> None:
    """The working directory remembers more than an old copy of the warehouse; the copy counts."""
    by_age = sorted(january, key=created_at)
    file, backup = Path(str(warehouse.target.file)), tmp_path / "backup"
    with Emulator(by_age[:100]) as api:
        context = context_for(api.base_url, warehouse.target, lookback_days=0)
        sync(context)
        shutil.copy(file, backup)
        for submission in by_age[100:]:
            api.store.add(submission)
        sync(context)
        shutil.copy(backup, file)
        sync(context)
    assert_equal(warehouse, january)


def test_two_warehouses_share_a_working_folder(
    tmp_path: Path, january: list[dict[str, Any]]
) -> None:
    """What one warehouse has seen says nothing about another."""
    one, other = duckdb_warehouse(tmp_path / "one"), duckdb_warehouse(tmp_path / "other")
    shared = str(tmp_path / "pipelines")
    with Emulator(january) as api:
        for warehouse in (one, other):
            Path(str(warehouse.target.file)).parent.mkdir()
            target = replace(warehouse.target, pipelines_dir=shared)
            sync(context_for(api.base_url, target))
    assert_equal(one, january)
    assert_equal(other, january)


def test_ctrl_c_is_heeded_whatever_dlt_does(
    warehouse: Warehouse, january: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a package is loaded dlt would put signals off, and forget those of its last moments."""
    plain = Load.complete_package

    def interrupted(*arguments: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return plain(*arguments, **options)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Emulator(january) as api:
            context = context_for(api.base_url, warehouse.target)
            with monkeypatch.context() as patch:
                patch.setattr(Load, "complete_package", interrupted)
                with pytest.raises(KeyboardInterrupt):
                    sync(context)
            sync(context)
    finally:
        signal.signal(signal.SIGINT, before)
    assert_equal(warehouse, january)


KILLED = """
import sys
from datetime import date
from dataclasses import replace
from support import context_for
from argos_sync.commands.backfill import backfill
from argos_sync.load.target import Target

class Say:
    def fetched(self, task, items): pass
    def loaded(self, report, rows): print(report.submissions_fetched, flush=True)

target = Target(file=sys.argv[2], pipelines_dir=sys.argv[3])
context = context_for(sys.argv[1], target, page_size=20)
backfill(replace(context, chunk_size=60, progress=Say()), date(2025, 1, 1), date(2025, 1, 31))
"""


@pytest.mark.parametrize("after", [1, 3])
def test_a_killed_process_loses_nothing_that_was_committed(
    after: int, warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """After SIGKILL the warehouse has whole submissions only, and the next run completes it."""
    target = warehouse.target
    with Emulator(january) as api:
        arguments = [api.base_url, str(target.file), str(target.pipelines_dir)]
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, *arguments],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        )
        assert process.stdout is not None
        for _ in range(after):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        loaded = ids(warehouse)
        assert len(loaded) >= 60 * after - 30  # of the first chunk half is enough
        assert_equal(warehouse, [s for s in january if s["submission_id"] in loaded])
        context = replace(context_for(api.base_url, target, page_size=20), chunk_size=60)
        report = backfill(context, FIRST, LAST)
    assert report.submissions_fetched <= len(january) - len(loaded) + 60
    assert_equal(warehouse, january)


def test_a_stored_key_the_api_refuses_starts_the_window_again(
    warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """A cursor that expired costs its window, not the run."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20)
        context = replace(context, chunk_size=60)
        interrupted(backfill, context, api, 3, FIRST, LAST)
        name = f"backfill {FIRST} {LAST}"
        with open_warehouse(warehouse.target) as opened:
            opened.load({}, lambda state: spoil(state["plans"][name]["windows"]))
        backfill(context, FIRST, LAST)
    assert_equal(warehouse, january)


def spoil(windows: dict[str, Any]) -> None:
    """Put a key into every unfinished window that no server gave."""
    for window in windows.values():
        if not window["done"]:
            window["cursor"] = {"": {"id": "x", "created_at": "not a moment"}}
