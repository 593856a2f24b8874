"""Provide the command in an empty folder, an API for it, and a loaded warehouse."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from argos_sync.emulator import Store, generate
from cli.command import Command
from whole_lists import Behaviour, Emulator

KEY = "key-of-the-project-that-nobody-may-see-0123"


@pytest.fixture(scope="session")
def submissions() -> list[dict[str, Any]]:
    """Return eighty submissions of January 2025."""
    return generate(80, seed=4, end=date(2025, 1, 31))


@pytest.fixture
def api(submissions: list[dict[str, Any]]) -> Iterator[Emulator]:
    """Run an API that accepts one key."""
    with Emulator(Store(submissions), behaviour=Behaviour(api_key=KEY)) as emulator:
        yield emulator


@pytest.fixture
def private(submissions: list[dict[str, Any]]) -> set[str]:
    """Return texts that no run may print: the key, and values that identify a person."""
    texts = {KEY}
    names = ("name", "full_name", "email", "userid", "documentNumber", "identityNumber")
    for submission in submissions:
        person = submission | submission.get("data", {})
        texts |= {person[name] for name in names if person.get(name)}
    return texts


@pytest.fixture
def argos_sync(tmp_path: Path, private: set[str]) -> Command:
    """Return the command in an empty folder, without any configuration."""
    return Command(tmp_path, private=private)


@pytest.fixture
def configured(argos_sync: Command, api: Emulator) -> Command:
    """Return the command with the key and the address of the API."""
    argos_sync.settings |= {
        "SOURCES__ARGOS__API_KEY": KEY,
        "SOURCES__ARGOS__BASE_URL": api.base_url,
        "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
    }
    return argos_sync


@pytest.fixture(scope="session")
def synced(tmp_path_factory: pytest.TempPathFactory, submissions: list[dict[str, Any]]) -> Path:
    """Return a DuckDB file that one `sync` has filled; tests copy it."""
    folder = tmp_path_factory.mktemp("warehouse")
    with Emulator(Store(submissions)) as api:
        settings = {"SOURCES__ARGOS__API_KEY": KEY, "SOURCES__ARGOS__BASE_URL": api.base_url}
        Command(folder, settings)("sync")
    return folder / "kyc.duckdb"


@pytest.fixture
def loaded(configured: Command, synced: Path) -> Command:
    """Return the configured command in a folder with a loaded warehouse."""
    shutil.copy(synced, configured.folder)
    return configured
