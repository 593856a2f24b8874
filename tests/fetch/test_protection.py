"""A warehouse keeps the policy it was begun with."""

from __future__ import annotations

import shutil
from typing import Any

import duckdb
import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
from support import Rows, Warehouse, context_for

HASHED = {"direct": "hash", "key": "a secret that is long enough"}


def without_state(warehouse: Warehouse, tables: str) -> None:
    """Leave a warehouse as before its state was written, and without a working directory."""
    shutil.rmtree(str(warehouse.target.pipelines_dir))
    with duckdb.connect(str(warehouse.target.file)) as connection:
        for table in tables.split():
            connection.execute(f"DELETE FROM argos.{table}")


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({}, HASHED),
        (HASHED, {}),
        (HASHED, HASHED | {"key": "another secret of some length"}),
        (HASHED, HASHED | {"quasi": "drop"}),
    ],
)
def test_another_policy_is_refused(
    first: dict[str, Any], then: dict[str, Any], warehouse: Warehouse, january: Rows
) -> None:
    """With nothing fetched, and nothing changed."""
    with Emulator(january[:5]) as api:
        sync(context_for(api.base_url, warehouse.target, privacy=first))
        before, asked = warehouse.table("applicants"), api.request_count
        with pytest.raises(ConfigurationError, match="was written with other privacy settings"):
            sync(context_for(api.base_url, warehouse.target, privacy=then))
        assert api.request_count == asked
    assert warehouse.table("applicants") == before


def test_a_warehouse_of_an_older_version_is_plain(warehouse: Warehouse, january: Rows) -> None:
    """It does not say so, but there was nothing else."""
    with Emulator(january[:5]) as api:
        sync(context_for(api.base_url, warehouse.target))
        without_state(warehouse, "_dlt_pipeline_state")
        with pytest.raises(ConfigurationError, match="plain became hash"):
            sync(context_for(api.base_url, warehouse.target, privacy=HASHED))
        sync(context_for(api.base_url, warehouse.target))


def test_a_first_load_that_was_killed_settles_nothing(warehouse: Warehouse, january: Rows) -> None:
    """Its rows may be there, and the policy that came with them not yet."""
    with Emulator(january[:5]) as api:
        context = context_for(api.base_url, warehouse.target, privacy=HASHED)
        sync(context)
        without_state(warehouse, "_dlt_pipeline_state _dlt_loads")
        sync(context)
    assert all(row["name"].startswith("h1.") for row in warehouse.table("applicants"))
