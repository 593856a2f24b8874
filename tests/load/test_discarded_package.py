"""An interrupted run's load package is discarded, and its rows are fetched again."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.load.pipeline import open_warehouse
from argos_sync.run.context import Context
from combinations import pairs
from support import Rows, Warehouse, assert_equal, context_for
from whole_lists import Emulator

pytestmark = [pytest.mark.tables_made, pytest.mark.slow, pytest.mark.process]

CHUNK_SIZE, PAGE_SIZE = 60, 20

KILLED_SYNC = """
import os, signal, sys
from dataclasses import replace
from dlt.common.storages.load_package import PackageStorage
from dlt.load.load import Load
from dlt.normalize.normalize import Normalize
from support import context_for
from argos_sync.commands.sync import sync
from argos_sync.load.target import Target

base_url, destination, dataset, folder, file, point = sys.argv[1:]
class_name, _, name = point.partition(".")
owner = {"Load": Load, "Normalize": Normalize, "PackageStorage": PackageStorage}[class_name]
complete_package, packages = Load.complete_package, 0

def counting(*arguments, **options):
    global packages
    result = complete_package(*arguments, **options)
    packages += 1
    return result

def dying(*arguments, **options):
    # A merge is complete when the job of its SQL file for the chain's root table is.
    is_merge = name != "save_pending_transition" or (
        arguments[2].startswith("submissions.") and arguments[2].endswith(".sql")
    )
    if packages and is_merge:
        os.kill(os.getpid(), signal.SIGKILL)
    return method(*arguments, **options)

Load.complete_package = counting
method = getattr(owner, name)
setattr(owner, name, dying)
target = Target(destination, dataset, folder, file or None)
context = context_for(base_url, target, page_size=20, max_concurrency=1)
sync(replace(context, chunk_size=60))
"""

POINTS = {
    "extracted": "Normalize.run",
    "merged but not recorded": "PackageStorage.save_pending_transition",
    "loaded but not completed": "Load.complete_package",
}
"""The dlt method before whose call, for the second package, the process is killed."""


@pytest.fixture
def january(january: Rows) -> Rows:
    """Submissions for three chunks."""
    return january[:130]


def kill_sync(api: Emulator, warehouse: Warehouse, point: str) -> None:
    """Run a sync in a process that is killed while it loads its second package."""
    target = warehouse.target
    arguments = [target.destination, target.dataset, str(target.pipelines_dir), target.file or ""]
    process = subprocess.run(
        [sys.executable, "-c", KILLED_SYNC, api.base_url, *arguments, POINTS[point]],
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert process.returncode == -signal.SIGKILL
    assert package_files(warehouse)


def small_chunks(api: Emulator, warehouse: Warehouse) -> Context:
    """Return a context with the killed process's settings."""
    context = context_for(api.base_url, warehouse.target, page_size=PAGE_SIZE, max_concurrency=1)
    return replace(context, chunk_size=CHUNK_SIZE)


def package_files(warehouse: Warehouse) -> list[Path]:
    """Return the files of rows in the working directory."""
    return list(Path(str(warehouse.target.pipelines_dir)).rglob("*_jobs/*"))


@pytest.mark.parametrize(
    ("point", "any_warehouse"),
    pairs(POINTS, ["duckdb", "postgres"]),
    indirect=["any_warehouse"],
)
def test_the_next_run_loads_every_row_once(
    point: str, any_warehouse: Warehouse, january: Rows
) -> None:
    """Wherever the process was killed, all rows are right and no package is left."""
    with Emulator(january) as api:
        kill_sync(api, any_warehouse, point)
        sync(small_chunks(api, any_warehouse))
    assert_equal(any_warehouse, january)
    assert package_files(any_warehouse) == []


def test_a_package_does_not_undo_a_later_load(
    any_warehouse: Warehouse, january: Rows, tmp_path: Path
) -> None:
    """Between the two runs, another machine loads a newer version of one of its submissions."""
    submission_id = january[CHUNK_SIZE]["submission_id"]
    target = replace(any_warehouse.target, pipelines_dir=str(tmp_path / "another machine"))
    with Emulator(january) as api:
        kill_sync(api, any_warehouse, "extracted")
        api.store.update(submission_id, {"userid": "changed since"})
        refresh(
            small_chunks(api, replace(any_warehouse, target=target)),
            submission_ids=[submission_id],
        )
        with open_warehouse(any_warehouse.target):
            assert package_files(any_warehouse) == []
        (row,) = any_warehouse.query(
            f"SELECT userid FROM submissions WHERE submission_id = '{submission_id}'"
        )
        assert row == {"userid": "changed since"}
        sync(small_chunks(api, any_warehouse))
        served = api.store.all()
    assert_equal(any_warehouse, served)
    assert package_files(any_warehouse) == []


def test_a_package_is_not_loaded_into_a_restored_backup(
    warehouse: Warehouse, january: Rows, tmp_path: Path
) -> None:
    """Its cursors would skip rows that the backup does not have."""
    file, backup = Path(str(warehouse.target.file)), tmp_path / "backup"
    with Emulator(january[:30]) as api:
        sync(small_chunks(api, warehouse))
    shutil.copy(file, backup)
    with Emulator(january) as api:
        kill_sync(api, warehouse, "extracted")
        shutil.copy(backup, file)
        sync(small_chunks(api, warehouse))
    assert_equal(warehouse, january)
