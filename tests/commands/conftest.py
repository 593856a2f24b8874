"""A warehouse that is loaded once and copied, so that a test needs only the run it is about."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator, generate
from support import Rows, Warehouse, closed, context_for, created_at, duckdb_warehouse

WITH_CHILDREN = {
    "userid": "u-1",
    "email": "person@example.org",
    "kyc": {
        "result": "rejected",
        "comment": ["a", "b"],
        "commentCode": ["A", "B"],
        "attempts": [{"attemptCnt": 1, "retryCode": ["r"], "retryMsg": ["m"]}],
    },
    "aml": {"currentstatus": "Red Flag", "matches": [{"score": 1, "risk_icons": ["x"]}]},
}
"""Fields of a submission that has rows in every child table, and is open."""


@pytest.fixture(scope="session")
def synced_submissions() -> Rows:
    """Return the submissions of `synced_warehouse`, by age; the second one has children."""
    generated = generate(80, seed=7, start=date(2025, 1, 1), end=date(2025, 1, 31))
    submissions = [closed(item) for item in sorted(generated, key=created_at)]
    submissions[1] |= WITH_CHILDREN
    return submissions


@pytest.fixture(scope="session")
def _synced_file(synced_submissions: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a DuckDB file after a first sync."""
    warehouse = duckdb_warehouse(tmp_path_factory.mktemp("synced"))
    with Emulator(synced_submissions) as api:
        sync(context_for(api.base_url, warehouse.target))
    return Path(str(warehouse.target.file))


@pytest.fixture
def synced_warehouse(_synced_file: Path, tmp_path: Path) -> Warehouse:
    """Return a DuckDB warehouse after a first sync of `synced_submissions`."""
    warehouse = duckdb_warehouse(tmp_path)
    shutil.copy(_synced_file, str(warehouse.target.file))
    return warehouse
