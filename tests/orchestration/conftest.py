"""Provide a stand-in API, a DuckDB file, and the Dagster definitions configured for both."""

import importlib
import os
import resource
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from argos_sync import process
from argos_sync.commands.sync import sync
from argos_sync.emulator import Store, generate
from support import Warehouse, context_for, duckdb_warehouse, make_tables
from whole_lists import Behaviour, Emulator

KEY = "key-of-the-project-that-nobody-may-see-0123"


@pytest.fixture(scope="session")
def _file_with_tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a DuckDB file with empty tables, which are half of a first run's work."""
    warehouse = duckdb_warehouse(tmp_path_factory.mktemp("tables"))
    make_tables(warehouse)
    return str(warehouse.target.file)


@pytest.fixture(scope="session")
def _synced_file(_file_with_tables: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a DuckDB file after a sync a moment ago."""
    warehouse = duckdb_warehouse(tmp_path_factory.mktemp("synced"))
    shutil.copy(_file_with_tables, str(warehouse.target.file))
    with Emulator(Store(recent_submissions())) as api:
        sync(context_for(api.base_url, warehouse.target, datetime.now(UTC)))
    return str(warehouse.target.file)


def recent_submissions() -> list[dict[str, Any]]:
    """Return sixty submissions of the last weeks, at least three days old."""
    today = datetime.now(UTC).date()
    return generate(60, seed=3, start=today - timedelta(20), end=today - timedelta(3))


def private_values(submissions: list[dict[str, Any]]) -> set[str]:
    """Return names, addresses and numbers of the people, and the API key."""
    names = ("name", "full_name", "email", "documentNumber", "identityNumber")
    people = [one | one.get("data", {}) for one in submissions]
    return {KEY, *(person[name] for person in people for name in names if person.get(name))}


@pytest.fixture
def submissions() -> list[dict[str, Any]]:
    """Return the submissions of the stand-in API."""
    return recent_submissions()


@pytest.fixture
def api(submissions: list[dict[str, Any]]) -> Iterator[Emulator]:
    """Return a stand-in API that accepts one key."""
    with Emulator(Store(submissions), behaviour=Behaviour(api_key=KEY)) as running:
        yield running


@pytest.fixture
def warehouse(_file_with_tables: str, tmp_path: Path) -> Warehouse:
    """Return the configured DuckDB file, with empty tables."""
    warehouse = duckdb_warehouse(tmp_path)
    shutil.copy(_file_with_tables, str(warehouse.target.file))
    return warehouse


@pytest.fixture
def synced_warehouse(_synced_file: str, tmp_path: Path) -> Warehouse:
    """Return a DuckDB file after a sync a moment ago."""
    warehouse = duckdb_warehouse(tmp_path)
    shutil.copy(_synced_file, str(warehouse.target.file))
    return warehouse


@pytest.fixture
def configured(
    api: Emulator, tmp_path: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Configure tasks by environment variables, with retries that do not wait."""
    # A task restricts the permissions of its process, which here is the process of all tests.
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
    """Import the definitions module afresh, as a new process would."""
    name = "argos_sync.orchestration.dagster"
    sys.modules.pop(name, None)
    return importlib.import_module(name)


@pytest.fixture
def definitions(configured: None) -> ModuleType:
    """Return the definitions module, loaded with this test's configuration."""
    return load_definitions()
