"""The rooms of the package: who imports whom, what they are called, and what stays out of git."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

from argos_sync.warehouse import view_updates

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pipelines" / "argos_sync"
FILES = sorted(PACKAGE.rglob("*.py"))

ORDER = ("api", "shape", "config", "fetch", "load", "warehouse", "run", "commands")
"""The rooms a submission passes; each may import itself and those before it."""

BESIDE = {
    "process": (),
    "emulator_options": (),
    "emulator": ("api", "emulator_options"),
    "source": ("api", "shape", "config", "fetch", "load", "process"),
    "dictionary": ("shape", "load", "warehouse"),
    "report": ("api", "shape", "config", "fetch", "load", "warehouse"),
    "cli": (*ORDER, "dictionary", "emulator", "emulator_options", "report", "process"),
    "orchestration": (*ORDER, "report", "process"),
    # The package itself exports the public source, imported when it is asked for.
    "": ("source",),
}
"""What the other rooms may import besides themselves."""

MAY_IMPORT = {room: (*ORDER[:place], "process") for place, room in enumerate(ORDER)} | BESIDE

KNOWS_DLT = ("load", "config")

RIDDLES = {
    *("afterwards", "again", "anew", "asked", "begun", "being", "both", "found", "fresh", "given"),
    *("gone", "held", "kept", "known", "left", "lost", "made", "said", "seen", "taken", "tell"),
    *("telling", "together", "told", "wanted", "who"),
}
"""Words that name nothing: a reader cannot tell what stands behind them."""


def module_of(path: Path) -> str:
    """Return a file's module without `argos_sync.`; empty for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def room_of(module: str) -> str:
    """Return the room of a module."""
    return module.partition(".")[0]


@cache
def tree_of(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_names(path: Path) -> Iterator[str]:
    """Yield the full names a file imports anywhere, also only for type checking."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively, which hides the room"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(path: Path) -> set[str]:
    """Return the modules of the package that a file imports, without `argos_sync.`."""
    modules = set()
    for name in imported_names(path):
        package, _, rest = name.partition(".")
        assert package != "pipelines", f"{path.name} imports from the folder, not the package"
        if package == "argos_sync" and rest != "__version__":
            modules.add(rest if rest in MODULES else rest.rpartition(".")[0])
    return modules


def test_every_room_is_known() -> None:
    """A new folder or top-level module has to say what it may import."""
    assert {room_of(module) for module in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room: str) -> None:
    """A room imports itself and the rooms before it."""
    wrong = [
        f"{module or 'argos_sync'} imports {name}"
        for module, path in MODULES.items()
        if room_of(module) == room
        for name in imported_modules(path)
        if room_of(name) not in (room, *MAY_IMPORT[room])
    ]
    assert wrong == []


def test_there_is_no_import_cycle() -> None:
    """Every module can be read before the modules that import it."""
    graph = {module: imported_modules(path) - {module, ""} for module, path in MODULES.items()}
    list(TopologicalSorter(graph).static_order())


def test_only_two_rooms_know_dlt() -> None:
    """Whatever dlt changes is mended in `load` or `config`."""
    rooms = {
        room_of(module)
        for module, path in MODULES.items()
        if any(name.split(".")[0] == "dlt" for name in imported_names(path))
    }
    assert rooms == set(KNOWS_DLT)


ROOMS = sorted({module for module, path in MODULES.items() if path.name == "__init__.py"})


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_is_public(room: str) -> None:
    """Its docstring says what comes in and goes out; others import only what `__all__` names."""
    package = import_module(f"argos_sync.{room}".rstrip("."))
    assert len((package.__doc__ or "").strip().splitlines()) > 1
    public = set(package.__all__)
    used = {
        name.removeprefix(f"{room}.").partition(".")[0]
        for module, path in MODULES.items()
        if room and room_of(module) != room_of(room)
        for name in imported_modules(path)
        if name.startswith(f"{room}.")
    }
    assert used - {one.rpartition(".")[2] for one in ROOMS} <= public


def test_sql_goes_through_one_place() -> None:
    """Nothing but `load.sql` has dlt send a statement to a warehouse."""
    senders = {"execute_sql", "execute_query", "execute_many", "execute_fragments"}
    users = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr in senders
    }
    assert users == {"load.sql"}


def test_nothing_is_patched_from_outside() -> None:
    """No library is changed at run time."""
    patches = [
        f"{module}:{node.lineno}"
        for module, path in MODULES.items()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "setattr"
    ]
    assert patches == []


def test_names_say_what_they_name() -> None:
    """No module and no public function is named by a word that could name anything."""
    names = {module.rpartition(".")[2]: module for module in MODULES}
    for module, path in MODULES.items():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names[node.name] = f"{module}.{node.name}"
    riddles = [
        place
        for name, place in names.items()
        if not name.startswith("_") and RIDDLES & set(words_of(name))
    ]
    assert riddles == []


def words_of(name: str) -> list[str]:
    """Return the words of a name in snake case or camel case."""
    return re.findall(r"[a-z0-9]+", re.sub(r"([A-Z])", r"_\1", name).lower())


def test_modules_are_short() -> None:
    """No module has more than 400 lines."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert [path.name for path, count in lines.items() if count > 400] == []


def git(*arguments: str) -> list[str]:
    """Return what git prints, by line; skip where there is no repository."""
    executable = shutil.which("git")
    if executable is None or not (ROOT / ".git").exists():
        pytest.skip("not a git repository")
    command = [executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_no_secrets_and_no_data_in_the_repository() -> None:
    """Secrets, warehouses and environments are neither tracked nor added by mistake."""
    names = (".dlt/secrets.toml", ".env", "kyc.duckdb", "kyc_demo.duckdb.wal")
    assert git("check-ignore", *names) == list(names)
    assert git("ls-files", "--cached", ".env", "*secrets.toml", "*.duckdb", "*.duckdb.*") == []


def test_views_are_created_again_when_the_code_behind_their_sql_changes() -> None:
    """Their fingerprint covers every module that takes part in writing it."""
    writers = {"warehouse.views", "warehouse.comments", "load.sql"}
    helpers = {name for writer in writers for name in imported_modules(MODULES[writer])}
    not_sql = {"load.errors", "load.target"}
    sql_modules = {name for name in helpers if room_of(name) == "load"} - not_sql
    covered = {module_of(path) for path in view_updates._CODE}
    assert covered >= writers | sql_modules


def test_every_test_file_has_tests() -> None:
    """A test that is cut off by mistake is missed by nobody: the others still pass."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        functions = (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef))
        names = [node.name for node in functions if node.name.startswith("test_")]
        assert names, f"{path.name} has no test"
