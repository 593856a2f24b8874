"""What many tests begin with: made by the first worker that needs it, and used by all of them."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from support import postgres_administrator

_VARIABLE = "ARGOS_TESTS_MADE_ONCE"
_IN_POSTGRES = "in_postgres"

# Workers inherit the variable from the process that starts them, and are not the first.
IS_FIRST_PROCESS = _VARIABLE not in os.environ
if IS_FIRST_PROCESS:
    os.environ[_VARIABLE] = tempfile.mkdtemp(prefix="argos_test_")
_ROOT = Path(os.environ[_VARIABLE])


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of this name; the first that asks for it makes its content."""
    folder = _ROOT / name
    with (_ROOT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = _ROOT / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder


def database_made_once(make: Callable[[str, Path], object]) -> str:
    """Return the name of a PostgreSQL database that `make` has filled, given a folder, too."""
    name = _ROOT.name.lower()

    def make_database(folder: Path) -> None:
        with postgres_administrator() as execute:
            execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            execute(f"CREATE DATABASE {name}")
        make(name, folder)

    made_once(_IN_POSTGRES, make_database)
    return name


def remove_all() -> None:
    """Remove everything, after the last test."""
    if (_ROOT / f"{_IN_POSTGRES}.lock").exists():
        with postgres_administrator() as execute:
            execute(f"DROP DATABASE IF EXISTS {_ROOT.name.lower()} WITH (FORCE)")
    shutil.rmtree(_ROOT)
