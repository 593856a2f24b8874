"""A package that a killed run left behind is loaded first, unless the warehouse has moved on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
from argos_sync.load.pipeline import open_warehouse
from argos_sync.run.context import Context
from support import Warehouse, assert_equal, context_for

pytestmark = pytest.mark.tables_made

FIRST, CHUNK, PAGE = 40, 60, 20
"""Submissions of the first chunk, which is full at half the size, of the others, and of a page."""

KILLED = """
import os, signal, sys
from dataclasses import replace
from dlt.common.storages.load_package import PackageStorage
from dlt.load.load import Load
from dlt.normalize.normalize import Normalize
from support import context_for
from argos_sync.commands.sync import sync
from argos_sync.load.target import Target

base_url, destination, dataset, folder, file, point, left = sys.argv[1:]
owner, _, name = point.partition(".")
owner = {"Load": Load, "Normalize": Normalize, "PackageStorage": PackageStorage}[owner]
plain, left, loaded = getattr(owner, name), int(left), 0

def counting(*arguments, complete=Load.complete_package, **options):
    global loaded
    if name == "complete_package":
        dying(*arguments, **options)
    else:
        complete(*arguments, **options)
    loaded += 1

def dying(*arguments, **options):
    global left
    if name != "save_pending_transition" or arguments[2].startswith("submissions.") \\
            and arguments[2].endswith(".sql"):
        left -= loaded > 0
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(*arguments, **options)

setattr(owner, name, dying)
Load.complete_package = counting
target = Target(destination, dataset, folder, file or None)
context = context_for(base_url, target, page_size=20, max_concurrency=1)
sync(replace(context, chunk_size=60))
"""

POINTS = {
    "extracted": ("Normalize.run", 1),
    "normalized": ("Load.run", 1),
    "partly loaded": ("Load.complete_jobs", 2),
    "merged but not noted": ("PackageStorage.save_pending_transition", 1),
    "loaded but not completed": ("Load.complete_package", 1),
}


@pytest.fixture
def january(january: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Enough for a few chunks."""
    return january[:130]


def killed(api: Emulator, warehouse: Warehouse, point: str) -> None:
    """Run a sync that dies in its second package."""
    target = warehouse.target
    place = [target.destination, target.dataset, str(target.pipelines_dir), target.file or ""]
    name, call = POINTS[point]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, api.base_url, *place, name, str(call)],
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.returncode == -signal.SIGKILL


def small(api: Emulator, warehouse: Warehouse) -> Context:
    """Return a context of one walk and small chunks."""
    context = context_for(api.base_url, warehouse.target, page_size=PAGE, max_concurrency=1)
    return replace(context, chunk_size=CHUNK)


def fetched_to_finish(api: Emulator, warehouse: Warehouse) -> int:
    """Finish the interrupted sync, and return what that took beyond a night of its own."""
    first, second = (sync(small(api, warehouse)).submissions_fetched for _ in range(2))
    return first - second


def package_files(warehouse: Warehouse) -> list[Path]:
    """Return the rows that are left in the working directory."""
    return list(Path(str(warehouse.target.pipelines_dir)).rglob("*_jobs/*"))


@pytest.mark.parametrize("point", POINTS)
def test_a_pending_package_is_finished_first(
    point: str, any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """Its rows are not fetched again, none is there twice, and its files are gone."""
    with Emulator(january) as api:
        killed(api, any_warehouse, point)
        assert package_files(any_warehouse)
        left = len(january) - FIRST - CHUNK
        # PostgreSQL may have finished a copy whose end the dead process did not see. Then the
        # copy cannot be repeated, and the package is thrown away and fetched again.
        again = CHUNK if point == "partly loaded" else 0
        assert left <= fetched_to_finish(api, any_warehouse) <= left + again
    assert_equal(any_warehouse, january)
    assert package_files(any_warehouse) == []


def test_what_another_run_has_loaded_since_is_not_undone(
    any_warehouse: Warehouse, january: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A run from another machine, whose clock is behind, came between."""
    changed = january[CHUNK]["submission_id"]
    elsewhere = replace(
        any_warehouse, target=replace(any_warehouse.target, pipelines_dir=str(tmp_path / "other"))
    )
    with Emulator(january) as api:
        killed(api, any_warehouse, "normalized")
        api.store.update(changed, {"userid": "changed since"})
        (before,) = any_warehouse.query("SELECT MAX(load_id) AS load_id FROM _dlt_loads")
        refresh(small(api, elsewhere), submission_ids=[changed])
        with open_warehouse(elsewhere.target) as opened:
            loads = opened.client.make_qualified_table_name("_dlt_loads")
            earlier = f"UPDATE {loads} SET load_id = '0' || load_id WHERE load_id > %s"
            opened.client.execute_sql(earlier, before["load_id"])
        assert fetched_to_finish(api, any_warehouse) == len(january) - FIRST
        served = api.store.all()
    assert_equal(any_warehouse, served)


def test_a_package_of_a_newer_warehouse_is_not_loaded_into_a_backup(
    warehouse: Warehouse, january: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Its cursors speak of rows that the backup does not have."""
    file, backup = Path(str(warehouse.target.file)), tmp_path / "backup"
    with Emulator(january[:30]) as api:
        sync(small(api, warehouse))
    shutil.copy(file, backup)
    with Emulator(january) as api:
        killed(api, warehouse, "extracted")
        shutil.copy(backup, file)
        sync(small(api, warehouse))
    assert_equal(warehouse, january)
