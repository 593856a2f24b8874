"""Warehouses to load into: a DuckDB file, and the PostgreSQL of the machine where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import support
from argos_sync.emulator import generate
from support import Warehouse, duckdb_warehouse, empty_warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """An empty DuckDB warehouse."""
    return duckdb_warehouse(tmp_path)


@pytest.fixture
def postgres_dataset() -> Iterator[str]:
    """A dataset of the machine's PostgreSQL that is dropped afterwards."""
    with support.postgres_dataset() as dataset:
        yield dataset


@pytest.fixture(params=["duckdb", "postgres"])
def any_warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """An empty warehouse of each kind that is tested."""
    with empty_warehouse(request.param, tmp_path) as warehouse:
        yield warehouse


@pytest.fixture(scope="session")
def january() -> list[dict[str, Any]]:
    """Four hundred submissions of January 2025."""
    return generate(400, seed=7, start=date(2025, 1, 1), end=date(2025, 1, 31))
