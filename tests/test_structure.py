"""The rooms of the package, and what has no place in the repository."""

from __future__ import annotations

import ast
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pipelines" / "argos_sync"
MODULES = sorted(PACKAGE.rglob("*.py"))

MAY_IMPORT = {
    "api": (),
    "shape": (),
    "config": ("api.errors",),
    "process": (),
    "emulator": ("api.crypto", "api.errors"),
    "load": ("api", "shape", "config", "process"),
    "dictionary": ("shape.contract", "load"),
    "warehouse": ("api", "shape", "config", "load"),
    "cli": ("api", "shape", "config", "load", "warehouse", "emulator", "process"),
    "orchestration": (
        *("api.errors", "shape.contract", "config", "load", "warehouse"),
        "cli.private",  # files are as private as those of the command
    ),
    # The package itself gives out the public source, and imports it only when asked.
    "": ("load.public",),
}
"""What a room may import beside itself; what is not named here it must not."""


def room_of(path: Path) -> str:
    """The folder of the package that a module stands in, or its own name at the top."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py").removeprefix("__init__")


def imported(path: Path) -> Iterator[str]:
    """Modules and names of the package that a module imports anywhere, without `argos_sync.`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively, which this test cannot follow"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            package, _, rest = name.partition(".")
            assert package != "pipelines", f"{path.name} imports from the folder, not the package"
            if package == "argos_sync" and rest != "__version__":
                yield rest


def within(name: str, room: str) -> bool:
    """Whether a module or name belongs to a room or a module."""
    return name == room or name.startswith(f"{room}.")


def test_every_room_is_known() -> None:
    """A new folder or top-level module has to say what it may import."""
    assert {room_of(path) for path in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room: str) -> None:
    """A room imports itself and what stands before it: api, shape, load, warehouse, cli."""
    allowed = (*MAY_IMPORT[room], *([room] if room else []))
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in MODULES
        if room_of(path) == room
        for name in imported(path)
        if not any(within(name, one) for one in allowed)
    ]
    assert wrong == []


def test_sql_goes_through_one_place() -> None:
    """Nothing but `load.sql` has dlt send a statement to a warehouse."""
    senders = {"execute_sql", "execute_query", "execute_many", "execute_fragments"}
    found = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in senders
    }
    assert found == {"load/sql.py"}


def test_modules_are_short() -> None:
    """No module has more than 400 lines."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert [path.name for path, count in lines.items() if count > 400] == []


def git(*arguments: str) -> list[str]:
    """What git says, by line; skips where there is no repository."""
    executable = shutil.which("git")
    if executable is None or not (ROOT / ".git").exists():
        pytest.skip("not a git repository")
    command = [executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_no_secrets_and_no_data_in_the_repository() -> None:
    """Secrets, warehouses and environments are neither tracked nor would be added by mistake."""
    names = (".dlt/secrets.toml", ".env", "kyc.duckdb", "kyc_demo.duckdb.wal")
    assert git("check-ignore", *names) == list(names)
    assert git("ls-files", "--cached", ".env", "*secrets.toml", "*.duckdb", "*.duckdb.*") == []
