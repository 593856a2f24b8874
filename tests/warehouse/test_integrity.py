"""Rows without a parent."""

from __future__ import annotations

from typing import Any

import pytest

from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.shape.contract import load_contract
from argos_sync.warehouse.integrity import orphans
from support import Warehouse, context_for

pytestmark = pytest.mark.tables_made

PARTS = [table.name for table in load_contract().tables.values() if table.belongs_to_submission]


def found(warehouse: Warehouse) -> dict[str, int]:
    """Orphans by table."""
    with open_read_only(warehouse.target) as view:
        return orphans(view.client)


def test_a_loaded_warehouse_has_none(
    any_warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """Every part of a submission is looked at, on every destination."""
    with Emulator(january) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    assert found(any_warehouse) == dict.fromkeys(PARTS, 0)


@pytest.mark.parametrize(
    ("gone", "left_alone"),
    [
        ("submissions", set(PARTS) - {"attempt_retries", "match_risk_icons"}),
        ("attempts", {"attempt_retries"}),
        ("matches", {"match_risk_icons"}),
    ],
)
def test_each_row_without_its_parent_counts(
    gone: str, left_alone: set[str], warehouse: Warehouse, january: list[dict[str, Any]]
) -> None:
    """Parts of a part belong to the part, everything else to the submission."""
    with Emulator(january) as api:
        sync(context_for(api.base_url, warehouse.target))
    with open_warehouse(warehouse.target) as opened:
        table = opened.client.make_qualified_table_name(gone)
        opened.client.execute_sql(f"DELETE FROM {table}")
    assert found(warehouse) == {
        name: warehouse.count(name) if name in left_alone else 0 for name in PARTS
    }


def test_tables_that_do_not_exist_have_none(warehouse: Warehouse) -> None:
    """An empty warehouse is in order."""
    with open_warehouse(warehouse.target):
        pass
    assert found(warehouse) == dict.fromkeys(PARTS, 0)
