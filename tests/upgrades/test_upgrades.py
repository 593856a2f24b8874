"""Warehouses of released versions are upgraded; those of later versions are left alone."""

import gzip
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.sync import sync
from argos_sync.fetch.checkpoint import LAYOUT, State
from argos_sync.load.pipeline import Warehouse as OpenWarehouse
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.run.journal import run_record
from argos_sync.run.migrations import CURRENT, MIGRATIONS, LaterVersionError, upgrade
from argos_sync.run.summary import RunSummary
from argos_sync.shape.contract import RUNS, Contract, load_contract
from support import (
    NOW,
    Rows,
    Warehouse,
    assert_equal,
    at,
    context_for,
    created_at,
    duckdb_warehouse,
)
from whole_lists import Emulator

FOLDER = Path(__file__).parent
VERSIONS = sorted(
    path.name.removeprefix("warehouse-").removesuffix(".gz") for path in FOLDER.glob("warehouse-*")
)

pytestmark = pytest.mark.tables_made


def stored_layout(warehouse: Warehouse) -> Any:
    """Return the layout that the state notes."""
    with open_read_only(warehouse.target) as view:
        return view.state.get(LAYOUT)


def note_layout(warehouse: Warehouse, layout: int | None) -> None:
    """Commit another layout to the state; None removes it."""
    with open_warehouse(warehouse.target) as opened:
        if layout is None:
            opened.load({}, lambda state: state.pop(LAYOUT))
        else:
            opened.load({}, lambda state: state.update({LAYOUT: layout}))


def unchanged_rows(warehouse: Warehouse) -> list[Rows]:
    """Return the history and the quarantine, but not the run that received an object last."""
    quarantine = "SELECT * EXCLUDE (last_run_id) FROM quarantine"
    return [warehouse.table("submission_status_history"), warehouse.query(quarantine)]


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.parametrize("version", VERSIONS)
def test_a_warehouse_of_a_released_version_goes_on(version: str, tmp_path: Path) -> None:
    """It keeps its rows, its suppression list and its history, and stays up to date."""
    warehouse = duckdb_warehouse(tmp_path)
    packed = (FOLDER / f"warehouse-{version}.gz").read_bytes()
    Path(str(warehouse.target.file)).write_bytes(gzip.decompress(packed))
    source = json.loads(gzip.decompress((FOLDER / f"source-{version}.json.gz").read_bytes()))
    loaded = [item for item in source if "created_at" in item]
    kept = {row["submission_id"] for row in warehouse.table("submissions")}
    before = unchanged_rows(warehouse)
    with Emulator(source) as api:
        context = at(context_for(api.base_url, warehouse.target), NOW + timedelta(days=2))
        summary = sync(context)
        assert (summary.submissions_new, summary.submissions_deleted) == (0, 0)
        assert stored_layout(warehouse) == CURRENT
        days = [created_at(item).date() for item in loaded]
        assert not reconcile(context, min(days), max(days), deep=True, dry_run=True).days
        assert unchanged_rows(warehouse) == before
        new = loaded[0] | {"submission_id": "new", "userid": "new"}
        api.store.add(new)
        sync(at(context, NOW + timedelta(days=3)))
    marked = warehouse.query("SELECT submission_id FROM submissions WHERE _deleted_at IS NOT NULL")
    assert len(marked) == 1
    gone = {item["submission_id"] for item in loaded} - kept
    assert gone, "somebody has been forgotten"
    present = {row["submission_id"] for row in warehouse.query("SELECT submission_id FROM kyc")}
    assert not present & gone


def test_each_released_version_has_a_warehouse() -> None:
    """`tests/upgrades/make.py` makes one for a release."""
    changelog = (FOLDER.parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## \[(\d[^]]*)\]", changelog, re.MULTILINE)) <= set(VERSIONS)


def test_every_layout_can_be_upgraded() -> None:
    """There is a migration for each layout before the present one."""
    assert list(MIGRATIONS) == list(range(1, CURRENT))


def test_a_new_warehouse_has_the_present_layout(any_warehouse: Warehouse, january: Rows) -> None:
    """It is noted with the first rows."""
    note_layout(any_warehouse, None)
    with Emulator(january[:5]) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    assert stored_layout(any_warehouse) == CURRENT


def test_migrations_run_once_and_in_order(any_warehouse: Warehouse) -> None:
    """One that was interrupted before its commit runs again; those before it do not."""
    note_layout(any_warehouse, 1)
    done: list[int] = []

    def first(warehouse: OpenWarehouse) -> State:
        done.append(1)
        assert warehouse.state[LAYOUT] == 1
        return {"first": True}

    def second(warehouse: OpenWarehouse) -> State:
        done.append(2)
        assert warehouse.state["first"]
        if done.count(2) == 1:
            raise KeyboardInterrupt
        return {"second": True}

    migrations = {1: first, 2: second}
    with pytest.raises(KeyboardInterrupt), open_warehouse(any_warehouse.target) as opened:
        upgrade(opened, migrations, current=3)
    assert stored_layout(any_warehouse) == 2
    with open_warehouse(any_warehouse.target) as opened:
        assert upgrade(opened, migrations, current=3) == {}
        assert opened.state["second"]
    assert done == [1, 2, 2]
    assert stored_layout(any_warehouse) == 3


def test_a_later_layout_is_refused(any_warehouse: Warehouse, january: Rows) -> None:
    """Nothing is written, and nothing is asked for."""
    with Emulator(january[:5]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        sync(context)
        note_layout(any_warehouse, CURRENT + 1)
        before = api.request_count
        with pytest.raises(LaterVersionError, match="later version") as refusal:
            sync(context)
        assert api.request_count == before
    assert refusal.value.exit_code == 2
    assert_equal(any_warehouse, january[:5])
    assert stored_layout(any_warehouse) == CURRENT + 1


def test_columns_of_a_later_version_are_kept(any_warehouse: Warehouse, january: Rows) -> None:
    """A version that does not know a column would empty it with every row that it replaces."""
    contract = load_contract()
    runs = contract[RUNS]
    later = replace(runs.columns_by_name["command"], name="of_a_later_version")
    wider = Contract(contract.tables | {RUNS: replace(runs, columns=(*runs.columns, later))})
    with open_warehouse(any_warehouse.target, contract=wider) as opened:
        rows = run_record(RunSummary("later", "sync", NOW))[RUNS]
        opened.load({RUNS: rows.append_column(later.name, pa.array(["a value"]))})
    with Emulator(january[:5]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        with pytest.raises(LaterVersionError, match=r"sync_runs\.of_a_later_version"):
            sync(context)
        assert api.request_count == 0
