"""A stand-in API, a DuckDB file, and the definitions module configured for both."""

from __future__ import annotations

import importlib
import os
import resource
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from argos_sync import process
from argos_sync.emulator import Behaviour, Emulator, Store, generate
from support import Warehouse, duckdb_warehouse

KEY = "key-of-the-project-that-nobody-may-see-0123"


@pytest.fixture
def submissions() -> list[dict[str, Any]]:
    """Sixty submissions of the last weeks, none of them younger than three days."""
    today = datetime.now(UTC).date()
    return generate(60, seed=3, start=today - timedelta(20), end=today - timedelta(3))


@pytest.fixture
def api(submissions: list[dict[str, Any]]) -> Iterator[Emulator]:
    """A stand-in API that knows one key."""
    with Emulator(Store(submissions), behaviour=Behaviour(api_key=KEY)) as running:
        yield running


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """The DuckDB file that is configured."""
    return duckdb_warehouse(tmp_path)


@pytest.fixture
def configured(
    api: Emulator, tmp_path: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Everything a task needs to know, in the environment; retries do not wait."""
    # A task makes its process private, here that of all tests.
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    umask = os.umask(0o022)
    process.restrict_permissions.cache_clear()
    monkeypatch.chdir(tmp_path)
    settings = {
        "SOURCES__ARGOS__API_KEY": KEY,
        "SOURCES__ARGOS__BASE_URL": api.base_url,
        "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
        "SOURCES__ARGOS__ORCHESTRATION__PIPELINES_DIR": str(warehouse.target.pipelines_dir),
        "SOURCES__ARGOS__ORCHESTRATION__RETRY_SECONDS": "0",
        "DESTINATION__DUCKDB__CREDENTIALS": f"duckdb:///{warehouse.target.file}",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield
    os.umask(umask)
    process.restrict_permissions.cache_clear()


def load_definitions() -> ModuleType:
    """Import the definitions module as a process that starts now would."""
    name = "argos_sync.orchestration.dagster"
    sys.modules.pop(name, None)
    return importlib.import_module(name)


@pytest.fixture
def definitions(configured: None) -> ModuleType:
    """The definitions module, read with this test's configuration."""
    return load_definitions()
