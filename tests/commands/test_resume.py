"""Interrupted runs: committed rows stay, and the next run resumes after them."""

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
from argos_sync.emulator import Faults
from argos_sync.fetch.checkpoint import SYNC, high_water_mark, unfinished_plan
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.run.context import Context
from combinations import some
from support import (
    Rows,
    StopAfter,
    Warehouse,
    assert_equal,
    context_for,
    created_at,
    duckdb_warehouse,
)
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.tables_made

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 31)


@pytest.fixture
def january(january: Rows) -> Rows:
    """Return enough for a few chunks."""
    return january[:280]


def interrupt(command: Any, context: Context, api: Emulator, after: int, *days: date) -> None:
    """Run a command until the API fails after a number of chunks; then repair the API."""
    with pytest.raises(ServerError):
        command(replace(context, progress=StopAfter(api, after)), *days)
    api.faults = Faults()


def ids(warehouse: Warehouse) -> set[str]:
    """Return the ids of the stored submissions."""
    return {
        row["submission_id"] for row in warehouse.query("SELECT submission_id FROM submissions")
    }


@pytest.mark.slow
def test_an_interrupted_backfill_resumes(warehouse: Warehouse, january: Rows) -> None:
    """The second run completes the range, and its first windows are not fetched again."""
    with Emulator(january[:40]) as api:
        context = context_for(api.base_url, warehouse.target, page_size=5)
        context = replace(context, chunk_size=20)
        interrupt(backfill, context, api, 1, FIRST, LAST)
        committed = ids(warehouse)
        summary = backfill(replace(context, chunk_size=1_000), FIRST, LAST)
    assert committed
    assert summary.submissions_fetched < 40
    assert_equal(warehouse, january[:40])


@pytest.mark.slow
@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled"])
def test_a_backfill_resumes_after_the_last_committed_chunk(
    order: Any, warehouse: Warehouse, january: Rows
) -> None:
    """After a failure no committed row is lost, and little is fetched again."""
    check_resumed_backfill(order, warehouse, january)


def check_resumed_backfill(order: Any, warehouse: Warehouse, january: Rows) -> None:
    """Interrupt a backfill, run it again, and check that it resumes."""
    with Emulator(january, behaviour=Behaviour(order=order)) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20)
        context = replace(context, chunk_size=60)
        interrupt(backfill, context, api, 3, FIRST, LAST)
        committed = ids(warehouse)
        (failed,) = warehouse.query("SELECT exit_status, error FROM sync_runs")
        summary = backfill(replace(context, chunk_size=1_000), FIRST, LAST)
    assert 30 + 2 * 60 <= len(committed) < len(january)
    assert failed == {"exit_status": 4, "error": "ServerError"}
    assert committed <= ids(warehouse)
    # A failure costs at most one chunk and the pages that were being fetched.
    assert summary.submissions_fetched <= len(january) - len(committed) + 60
    assert_equal(warehouse, january)


@pytest.mark.slow
def test_a_sync_moves_the_high_water_mark_only_at_its_end(
    warehouse: Warehouse, january: Rows
) -> None:
    """With the newest submissions first, the mark must wait for the oldest ones."""
    with Emulator(january, behaviour=Behaviour(order="descending")) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20)
        context = replace(context, chunk_size=60)
        interrupt(sync, context, api, 2)
        with open_read_only(warehouse.target) as view:
            assert high_water_mark(view.state) is None
            assert unfinished_plan(view.state, SYNC, ()) is not None
        sync(replace(context, chunk_size=1_000))
        with open_read_only(warehouse.target) as view:
            assert high_water_mark(view.state) == max(map(created_at, january))
            assert unfinished_plan(view.state, SYNC, ()) is None
    assert_equal(warehouse, january)


@pytest.mark.slow
def test_a_restored_backup(warehouse: Warehouse, january: Rows, tmp_path: Path) -> None:
    """The state in the warehouse counts, not the newer one in the working directory."""
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


@pytest.mark.slow
def test_two_warehouses_share_a_working_directory(tmp_path: Path, january: Rows) -> None:
    """The progress of one warehouse does not count for the other."""
    first, second = (duckdb_warehouse(tmp_path / name) for name in ("first", "second"))
    shared = str(tmp_path / "pipelines")
    with Emulator(january) as api:
        for warehouse in (first, second):
            Path(str(warehouse.target.file)).parent.mkdir()
            target = replace(warehouse.target, pipelines_dir=shared)
            sync(context_for(api.base_url, target))
    assert_equal(first, january)
    assert_equal(second, january)


@pytest.mark.slow
def test_ctrl_c_while_a_package_is_loaded(
    warehouse: Warehouse, january: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dlt would delay the signal, or ignore it at the end of a load."""
    complete_package = Load.complete_package
    signals = iter([signal.SIGINT])

    def complete_after_interrupt(*arguments: Any, **options: Any) -> Any:
        for number in signals:
            signal.raise_signal(number)
        return complete_package(*arguments, **options)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Emulator(january) as api:
            context = context_for(api.base_url, warehouse.target)
            with monkeypatch.context() as patch:
                patch.setattr(Load, "complete_package", complete_after_interrupt)
                with pytest.raises(KeyboardInterrupt):
                    sync(context)
            sync(context)
    finally:
        signal.signal(signal.SIGINT, before)
    assert_equal(warehouse, january)


KILLED = [(1, "sections"), (2, "summary"), (3, "whole")]
"""After how many chunks the process is killed, and the content of lists."""

SCRIPT = """
import sys
from datetime import date
from dataclasses import replace
from support import context_for
from argos_sync.commands.backfill import backfill
from argos_sync.load.target import Target
from argos_sync.run.summary import NoProgress

class PrintProgress(NoProgress):
    def chunk_loaded(self, summary): print(summary.submissions_fetched, flush=True)

target = Target(file=sys.argv[2], pipelines_dir=sys.argv[3])
context = context_for(sys.argv[1], target, page_size=20, completeness="auto")
context = replace(context, chunk_size=60, progress=PrintProgress())
backfill(context, date(2025, 1, 1), date(2025, 1, 31))
"""


@pytest.mark.process
@pytest.mark.parametrize(("after", "list_rows"), some(KILLED, KILLED[1:2]))
def test_a_killed_process_loses_no_committed_row(
    after: int, list_rows: Any, warehouse: Warehouse, january: Rows
) -> None:
    """After SIGKILL the warehouse has whole submissions only; the next run completes it."""
    target = warehouse.target
    with Emulator(january, behaviour=Behaviour(list_rows=list_rows)) as api:
        arguments = [api.base_url, str(target.file), str(target.pipelines_dir)]
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *arguments],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        )
        assert process.stdout is not None
        for _ in range(after):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        committed = ids(warehouse)
        assert len(committed) >= 60 * after - 30  # the first chunk has half the size
        assert_equal(warehouse, [s for s in january if s["submission_id"] in committed])
        context = context_for(api.base_url, target, page_size=20, completeness="auto")
        context = replace(context, chunk_size=60)
        summary = backfill(context, FIRST, LAST)
    assert summary.submissions_fetched <= len(january) - len(committed) + 60
    assert_equal(warehouse, january)


@pytest.mark.slow
def test_a_refused_cursor_starts_the_window_again(warehouse: Warehouse, january: Rows) -> None:
    """An expired cursor does not fail the run."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20)
        context = replace(context, chunk_size=60)
        interrupt(backfill, context, api, 3, FIRST, LAST)
        name = f"backfill {FIRST} {LAST}"
        with open_warehouse(warehouse.target) as opened:
            opened.load({}, lambda state: make_cursors_invalid(state["plans"][name]["windows"]))
        backfill(context, FIRST, LAST)
    assert_equal(warehouse, january)


def make_cursors_invalid(windows: dict[str, Any]) -> None:
    """Replace the cursor of every unfinished window by one that the API refuses."""
    for window in windows.values():
        if not window["done"]:
            window["cursor"] = {"": {"id": "x", "created_at": "not a time"}}
