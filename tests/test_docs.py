"""The README: it has every command, option, key and exit code, and what it tells to type works."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from argos_sync.api.errors import ArgosError
from argos_sync.cli import failures
from argos_sync.cli.app import app
from argos_sync.config import Privacy, Settings
from argos_sync.load import failures as load_failures
from argos_sync.warehouse.reconcile import DIFFERENCE
from cli.command import Command
from support import PG

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined] # of a group
EMULATOR = {"--port", "--count", "--seed"}
"""Options of the emulator that README has; its quirks and faults are for tests, and in its help."""

STALE = 7
"""What `status --max-age` exits with."""

SHELL = re.findall(r"^```sh\n(.*?)^```", README + CONTRIBUTING, re.DOTALL | re.MULTILINE)
SQL = re.findall(r"^```sql\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
ELSEWHERE = {
    "pip install .": "tests/test_wheel.py installs it",
    "pip install 'argos-sync[dagster]'": "needs a package index that has argos-sync",
    "export SOURCES__ARGOS__API_KEY=...": "the key of a project; here it is the emulator's",
    "argos-sync emulator --port 8080 -n 5000 --start-date 2026-09-01 --end-date 2026-11-25": (
        "runs until it is stopped; tests/emulator/test_command.py"
    ),
    "export SOURCES__ARGOS__BASE_URL=http://127.0.0.1:8080/v3 SOURCES__ARGOS__API_KEY=any": (
        "the address of the line before"
    ),
    "duckdb argos.duckdb": "DuckDB's shell is a program of its own; what to type there is tested",
    "export DAGSTER_HOME=/srv/argos/dagster": "a folder of the operator's",
    "dagster dev -m argos_sync.orchestration.dagster": "tests/orchestration/test_dagster_dev.py",
}
"""Lines that are not run here, and why."""


def section(title: str) -> str:
    """The part of the README under a heading of the second level."""
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of all rows of a section's tables."""
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [re.split(r" (?<!\\)\| ", line[2:].removesuffix(" |")) for line in lines]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_its_options(name: str) -> None:
    """Each option is in the command's row, or above the table with those that all have."""
    (row,) = [" ".join(row) for row in rows("Commands") if re.match(rf"`{name}\b", row[0])]
    common = section("Commands").partition("\n|")[0]
    for option in COMMANDS[name].params:
        spelled = set(option.opts)
        if name != "emulator" or spelled & EMULATOR:
            assert any(re.search(rf"(?<![\w-]){one}(?![\w-])", row + common) for one in spelled)


def test_the_table_has_no_command_or_option_that_does_not_exist() -> None:
    """Nobody types in vain."""
    for first, *rest in rows("Commands"):
        if (found := re.match(r"`([a-z]+)", first)) and found[1] in COMMANDS:
            known = {one for option in COMMANDS[found[1]].params for one in option.opts} | {
                "--help"
            }
            assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", f"{first} {rest}")) <= known
        else:
            assert first in {"command", "---", "exit code"} or first.isdigit(), first


def test_the_version_is_documented() -> None:
    """The one option that belongs to no command."""
    assert "`argos-sync --version`" in section("Commands")


def test_every_exit_code_is_documented() -> None:
    """Those of all errors, of what `reconcile` and `status` find, and of Ctrl-C; and no others."""
    codes = {0, failures._BUG, failures._USAGE, failures._INTERRUPTED, DIFFERENCE, STALE}
    codes |= {error.exit_code for error in kinds(ArgosError)}
    assert load_failures.DestinationError.exit_code in codes
    assert [int(row[0]) for row in rows("Commands") if row[0].isdigit()] == sorted(codes)


def kinds(error: type[ArgosError]) -> list[type[ArgosError]]:
    """An error and all that are one."""
    return [error, *(kind for below in error.__subclasses__() for kind in kinds(below))]


@pytest.mark.parametrize(
    ("place", "spec", "name"),
    [
        (place, spec, one.name)
        for place, spec in (("sources.argos", Settings), ("sources.argos.privacy", Privacy))
        for one in fields(spec)
        if not one.name.startswith("_") and one.name != "privacy"
    ],
)
def test_every_key_is_documented(place: str, spec: Any, name: str) -> None:
    """With its variable, and its default where it has one."""
    key = f"{place}.{name}"
    (row,) = [
        row for row in rows("Configuration") if f"`{key}`" in row[0] or f"`.{name}`" in row[0]
    ]
    if f"`{key}`" in row[0]:
        assert f"`{key.replace('.', '__').upper()}`" in row[1]
    default = getattr(spec, name)
    if default is not None:
        said = f"{default:g}" if isinstance(default, float) else str(default)
        assert re.search(rf"(?<!\w){re.escape(said)}(?!\w)", row[2], re.IGNORECASE)
    assert ("(secret)" in row[0]) == name.endswith("key") or name == "old_keys"


def lines(block: str) -> list[str]:
    """The commands of a block, without their comments."""
    return [shlex.join(words) for line in block.splitlines() if (words := shlex.split(line, True))]


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.split("\n")[0][:30])
def test_a_shell_block_runs(block: str, configured: Command, request: Any) -> None:
    """Line by line, in one folder; PostgreSQL's into a dataset of the test."""
    for line in lines(block):
        program, *arguments = shlex.split(line)
        if line in ELSEWHERE:
            continue
        if program == "make":
            assert re.search(rf"^{arguments[0]}:.*## ", MAKEFILE, re.MULTILINE)
            continue
        assert program == "argos-sync", f"run `{line}` here, or say in ELSEWHERE why not"
        if "postgres" in arguments:
            arguments += ["--dataset", request.getfixturevalue("postgres_dataset")]
            configured.settings["DESTINATION__POSTGRES__CREDENTIALS"] = PG
        configured(*arguments)


def test_what_is_not_run_is_still_there() -> None:
    """The list of exceptions has no line that the README lost."""
    assert set(ELSEWHERE) <= {line for block in SHELL for line in lines(block)}


@pytest.mark.parametrize("query", SQL)
def test_a_query_can_be_asked(query: str, synced: Path, argos_sync: Command) -> None:
    """DuckDB understands it, and the tables and columns are there."""
    shutil.copy(synced, argos_sync.folder)
    argos_sync.rows(query)


def test_what_to_type_in_duckdb(synced: Path, argos_sync: Command) -> None:
    """The line behind `duckdb argos.duckdb` is SQL that answers."""
    shutil.copy(synced, argos_sync.folder)
    (said,) = re.findall(r"^duckdb argos\.duckdb +# (.*)$", README, re.MULTILINE)
    assert len(argos_sync.rows(said)) == 5


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"])
def test_links_lead_somewhere(file: str) -> None:
    """To files that exist, and to headings that do."""
    text = (ROOT / file).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        place = ROOT / path if path else ROOT / file
        assert place.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings
            }
