"""What many tests begin with: made by the first worker that needs it, and used by all of them."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support import postgres_administrator

_VARIABLE = "ARGOS_TESTS_MADE_ONCE"
IN_POSTGRES = "in_postgres"
LAKE = "lake"
_KINDS = (IN_POSTGRES, LAKE)
"""What databases of PostgreSQL are made as: a warehouse, and the catalog of a DuckLake."""


def share_folder(config: pytest.Config) -> None:
    """Make the folder that the workers share, and remove it when the process that starts them ends.

    The workers inherit its name.
    """
    if _VARIABLE not in os.environ:
        os.environ[_VARIABLE] = tempfile.mkdtemp(prefix="argos_test_")
        config.add_cleanup(_remove_all)


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of this name; the first that asks for it makes its content."""
    folder = _root() / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder


def database_made_once(kind: str, make: Callable[[str, Path], object]) -> str:
    """Return the name of a PostgreSQL database that `make` has filled, given a folder, too.

    The kind is one of `_KINDS`.
    """
    name = _database(kind)

    def make_database(folder: Path) -> None:
        _drop_database(name)  # one that could not be filled
        with postgres_administrator() as execute:
            execute(f"CREATE DATABASE {name}")
        make(name, folder)

    made_once(kind, make_database)
    return name


def _root() -> Path:
    return Path(os.environ[_VARIABLE])


def _database(kind: str) -> str:
    return f"{_root().name}_{kind}"


def _drop_database(name: str) -> None:
    with postgres_administrator() as execute:
        execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _remove_all() -> None:
    for kind in _KINDS:
        if (_root() / f"{kind}.lock").exists():
            _drop_database(_database(kind))
    shutil.rmtree(os.environ.pop(_VARIABLE))
