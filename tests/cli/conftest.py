"""The command in an empty folder, a stand-in API to talk to, and a warehouse that is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from argos_sync.emulator import Behaviour, Emulator, Store, generate
from cli.command import Command

KEY = "key-of-the-project-that-nobody-may-see-0123"


@pytest.fixture(scope="session")
def submissions() -> list[dict[str, Any]]:
    """Eighty submissions of January 2025."""
    return generate(80, seed=4, end=date(2025, 1, 31))


@pytest.fixture
def api(submissions: list[dict[str, Any]]) -> Iterator[Emulator]:
    """A stand-in API that knows one key."""
    with Emulator(Store(submissions), behaviour=Behaviour(api_key=KEY)) as running:
        yield running


@pytest.fixture
def private(submissions: list[dict[str, Any]]) -> set[str]:
    """What a run must not print: the key, and what identifies one of the people."""
    found = {KEY}
    for one in submissions:
        person = one | one.get("data", {})
        names = ("name", "full_name", "email", "userid", "documentNumber", "identityNumber")
        found |= {person[name] for name in names if person.get(name)}
    return found


@pytest.fixture
def argos_sync(tmp_path: Path, private: set[str]) -> Command:
    """The command in an empty folder, with nothing configured."""
    return Command(tmp_path, private=private)


@pytest.fixture
def configured(argos_sync: Command, api: Emulator) -> Command:
    """The command with key and address of the stand-in API."""
    argos_sync.settings |= {
        "SOURCES__ARGOS__API_KEY": KEY,
        "SOURCES__ARGOS__BASE_URL": api.base_url,
        "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
    }
    return argos_sync


@pytest.fixture(scope="session")
def synced(tmp_path_factory: pytest.TempPathFactory, submissions: list[dict[str, Any]]) -> Path:
    """A DuckDB file that one `sync` filled; to be copied."""
    folder = tmp_path_factory.mktemp("warehouse")
    with Emulator(Store(submissions)) as api:
        settings = {"SOURCES__ARGOS__API_KEY": KEY, "SOURCES__ARGOS__BASE_URL": api.base_url}
        Command(folder, settings)("sync")
    return folder / "kyc.duckdb"


@pytest.fixture
def loaded(configured: Command, synced: Path) -> Command:
    """The configured command in a folder with a loaded warehouse."""
    shutil.copy(synced, configured.folder)
    return configured
