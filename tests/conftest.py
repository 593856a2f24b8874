"""Warehouses to load into: a DuckDB file, and the PostgreSQL of the machine where there is one."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from argos_sync.emulator import generate
from support import PG, Warehouse, drop_postgres, duckdb_warehouse, postgres_warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """An empty DuckDB warehouse."""
    return duckdb_warehouse(tmp_path)


@pytest.fixture
def postgres_dataset(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A dataset of the machine's PostgreSQL that is dropped afterwards."""
    try:
        socket.create_connection(("127.0.0.1", 5432), timeout=1).close()
    except OSError:
        pytest.skip("no PostgreSQL listens on 127.0.0.1:5432")
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", PG)
    dataset = f"argos_test_{uuid.uuid4().hex[:10]}"
    yield dataset
    drop_postgres(dataset)


@pytest.fixture(params=["duckdb", "postgres"])
def any_warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    """An empty warehouse of each kind that is tested."""
    if request.param == "duckdb":
        return duckdb_warehouse(tmp_path)
    return postgres_warehouse(tmp_path, request.getfixturevalue("postgres_dataset"))


@pytest.fixture(scope="session")
def january() -> list[dict[str, Any]]:
    """Four hundred submissions of January 2025."""
    return generate(400, seed=7, start=date(2025, 1, 1), end=date(2025, 1, 31))
