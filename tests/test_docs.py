"""The documentation matches the code: commands, options, keys, exit codes, examples and links."""

import importlib
import os
import pkgutil
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer

import argos_sync
from argos_sync.api.errors import ArgosError
from argos_sync.cli import exit_codes
from argos_sync.cli.app import app
from argos_sync.config import Privacy, Settings
from argos_sync.emulator import Store, generate
from cli.command import Command
from support import PG
from whole_lists import Behaviour, Emulator

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined] # of a group
EMULATOR = {
    *("--port", "--count", "--seed", "--start-date", "--end-date", "--list", "--max-page-bytes"),
    *("--heavy-page", "--deleted", "--deleted-share", "--projected-share"),
    *("--max-requests-per-day", "--empty", "--empty-as", "--empty-share", "--raw-data-bytes"),
}
"""The documented options of the emulator; its help lists the others, which imitate faults."""

DIFFERENCE, STALE = 6, 7
"""Exit codes of `reconcile --dry-run` and `status --max-age`."""

KEY = "key-of-a-project"
FILE = "kyc.duckdb"
README_BYTES = 8_000

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    if "_build" not in path.parts
)


LINES = re.DOTALL | re.MULTILINE


def text_of(page: str) -> str:
    """Return the text of a page, by its path in the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(language: str) -> list[Any]:
    """Return every code block of a language, with its page as id."""
    found = [
        (page, block)
        for page in PAGES
        for block in re.findall(
            rf"^```{language}\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE
        )
    ]
    return [
        pytest.param(block, id=f"{page}:{number}") for number, (page, block) in enumerate(found)
    ]


def section(page: str, title: str) -> str:
    """Return the part of a page under a heading of the second level."""
    return text_of(page).partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(page: str, title: str) -> list[list[str]]:
    """Return the cells of all table rows in a section, the head included."""
    lines = [line for line in section(page, title).splitlines() if line.startswith("| ")]
    return [re.split(r" (?<!\\)\| ", line[2:].removesuffix(" |")) for line in lines]


def options_of(name: str) -> list[set[str]]:
    """Return the spellings of each option of a command."""
    return [set(option.opts) for option in COMMANDS[name].params]


COMMON = {
    one
    for command in COMMANDS.values()
    for option in command.params
    if getattr(option, "rich_help_panel", None) == "Common options"
    for one in option.opts
}


def test_the_readme_is_short() -> None:
    """The README stays below 8,000 bytes; everything else is in docs/."""
    assert len(text_of("README.md").encode()) < README_BYTES


def test_the_readme_lists_every_command() -> None:
    """Its table has exactly the commands there are, in the order of the help."""
    listed = [row[0].strip("`") for row in rows("README.md", "Commands")[2:]]
    assert listed == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name: str) -> None:
    """Each option is in the command's section, or in the table of common options."""
    documented = section("docs/commands.md", name)
    assert documented, f"docs/commands.md has no section {name}"
    common = section("docs/commands.md", "Options of every command")
    for spelled in options_of(name):
        text = common if spelled <= COMMON else documented
        if name != "emulator" or spelled & (EMULATOR | COMMON):
            assert any(re.search(rf"(?<![\w-]){one}(?![\w-])", text) for one in spelled), spelled


@pytest.mark.parametrize("page", PAGES)
def test_no_command_or_option_is_made_up(page: str) -> None:
    """Every `argos-sync …` in code names a command and options that exist."""
    code = "\n".join(
        [
            *re.findall(r"^```\w+\n(.*?)^```", text_of(page), LINES),
            *re.findall(
                r"`([^`]+)`",
                re.sub(r"^```.*?^```", "", text_of(page), flags=LINES),
            ),
        ]
    )
    for name, rest in re.findall(r"(?<![\w./-])argos-sync ([a-z]+)\b([^\n|&#`]*)", code):
        assert name in COMMANDS, name
        known = {one for option in options_of(name) for one in option} | {"--help", "-h"}
        used = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", re.sub(r"\$\(.*?\)", "", rest)))
        assert used <= known, f"argos-sync {name}"


def test_the_version_is_documented() -> None:
    """`--version`, `--help` and those of completion belong to no command."""
    text = text_of("docs/commands.md")
    for option in ("--version", "-V", "-h", "--install-completion", "--show-completion"):
        assert re.search(rf"`(?:argos-sync )?{option}`", text), option


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("docs/commands.md", "Exit codes"),
        ("docs/operations.md", "Troubleshoot by exit code"),
    ],
)
def test_every_exit_code_is_documented(page: str, title: str) -> None:
    """Those of all errors, of `reconcile` and `status`, and of Ctrl-C; and no others."""
    for module in pkgutil.walk_packages(argos_sync.__path__, "argos_sync."):
        if not re.search(r"orchestration|__main__|process\.worker|fetcher", module.name):
            importlib.import_module(module.name)
    codes = {
        exit_codes.UNEXPECTED_ERROR,
        exit_codes.USAGE_ERROR,
        exit_codes.INTERRUPTED,
        DIFFERENCE,
        STALE,
    }
    codes |= {error.exit_code for error in subclasses(ArgosError)}
    listed = [int(row[0]) for row in rows(page, title) if row[0].isdigit()]
    assert [code for code in listed if code] == sorted(codes)


def subclasses(error: type[ArgosError]) -> list[type[ArgosError]]:
    """Return an error class and all that derive from it."""
    return [error, *(kind for below in error.__subclasses__() for kind in subclasses(below))]


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
    """Each key has its environment variable, and its default where it has one."""
    key = f"{place}.{name}"
    (row,) = [
        row
        for row in rows("docs/configuration.md", "Keys")
        if f"`{key}`" in row[0] or f"`.{name}`" in row[0]
    ]
    assert f"`{key.replace('.', '__').upper()}`" in row[1]
    default = getattr(spec, name)
    if default is not None:
        said = f"{default:g}" if isinstance(default, float) else str(default)
        assert re.search(rf"(?<!\w){re.escape(said)}(?!\w)", row[2], re.IGNORECASE)
    assert ("(secret)" in row[0]) == name.endswith("key") or name == "old_keys"


def test_no_key_is_made_up() -> None:
    """Every key of section `sources.argos` in the table exists."""
    keys = {f"sources.argos.{one.name}" for one in fields(Settings)}
    keys |= {f"sources.argos.privacy.{one.name}" for one in fields(Privacy)}
    for row in rows("docs/configuration.md", "Keys"):
        assert set(re.findall(r"`(sources\.argos\.[\w.]+)`", row[0])) <= keys


NOT_RUN = {
    "pip install .": "tests/test_wheel.py installs it",
    "pip install 'argos-sync[dagster]'": "needs a package index that has argos-sync",
    "export SOURCES__ARGOS__API_KEY=...": "a project's key; here it is the emulator's",
    "argos-sync emulator --port 8080 -n 5000": (
        "runs until it is stopped; tests/emulator/test_command.py"
    ),
    "export SOURCES__ARGOS__BASE_URL=http://127.0.0.1:8080/v3 SOURCES__ARGOS__API_KEY=any": (
        "the address of that emulator"
    ),
    "duckdb kyc.duckdb": "DuckDB's shell is a program of its own; the query is tested",
    "duckdb -readonly kyc.duckdb": "that program again; tests/test_questions.py asks the queries",
    "export DAGSTER_HOME=/srv/argos/dagster": "a folder of the operator's",
    "dagster dev -m argos_sync.orchestration.dagster": "tests/orchestration/test_dagster_dev.py",
    "argos-sync sql 'SELECT kyc_result, COUNT(*) FROM submissions_wide GROUP BY 1'": (
        "needs a warehouse; tests/cli/test_sql.py"
    ),
    "argos-sync publish --format delta --to s3://kyc-lake/argos": (
        "needs object storage; tests/commands/publish/test_change_log_engines.py"
    ),
    "argos-sync publish --format parquet --to /srv/analysts/kyc": (
        "needs a warehouse; tests/commands/publish/test_parquet_folder.py"
    ),
    "argos-sync publish --to analysts.duckdb --dbt dbt/models/sources.yml": (
        "needs a warehouse; tests/cli/test_change_log.py"
    ),
    "pip install altair duckdb marimo": "`make test-dbt` installs them",
    "marimo edit docs/notebook.py -- --copy analysts.duckdb": "tests/test_notebook.py runs it",
    "argos-sync publish --to analysts.duckdb": "needs a warehouse; tests/cli/test_publish.py",
}
"""Shell lines that the test below does not run, and why."""


@pytest.fixture(scope="session")
def submissions() -> list[dict[str, Any]]:
    """Eighty submissions of January 2025."""
    return generate(80, seed=4, end=date(2025, 1, 31))


@pytest.fixture
def configured(tmp_path: Path, submissions: list[dict[str, Any]]) -> Iterator[Command]:
    """The command in an empty folder, configured for a stand-in API."""
    with Emulator(Store(submissions), behaviour=Behaviour(api_key=KEY)) as api:
        settings = {
            "SOURCES__ARGOS__API_KEY": KEY,
            "SOURCES__ARGOS__BASE_URL": api.base_url,
            "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
        }
        yield Command(tmp_path, settings)


@pytest.fixture(scope="session")
def synced(tmp_path_factory: pytest.TempPathFactory, submissions: list[dict[str, Any]]) -> Path:
    """The default DuckDB file, filled by one `sync`; read only."""
    folder = tmp_path_factory.mktemp("warehouse")
    with Emulator(Store(submissions)) as api:
        settings = {"SOURCES__ARGOS__API_KEY": KEY, "SOURCES__ARGOS__BASE_URL": api.base_url}
        Command(folder, settings)("sync")
    return folder / FILE


def shell_lines(block: str) -> list[str]:
    """Return the commands of a block, without their comments."""
    return [shlex.join(words) for line in block.splitlines() if (words := shlex.split(line, True))]


@pytest.mark.process
@pytest.mark.parametrize("block", blocks("sh"))
def test_a_shell_block_runs(block: str, configured: Command, request: Any) -> None:
    """Every line works, in one folder; those for PostgreSQL in a dataset of the test."""
    for line in shell_lines(block):
        program, *arguments = shlex.split(line)
        if line in NOT_RUN:
            continue
        if program == "make":
            assert re.search(rf"^{arguments[0]}:", text_of("Makefile"), re.MULTILINE), line
            continue
        if program.startswith("."):
            assert program.startswith(".venv/bin/"), line
            continue
        assert program == "argos-sync", f"run `{line}` here, or say in NOT_RUN why not"
        if "postgres" in arguments:
            arguments += ["--dataset", request.getfixturevalue("postgres_dataset")]
            configured.settings["DESTINATION__POSTGRES__CREDENTIALS"] = PG
        configured(*arguments)


def test_every_exception_is_still_needed() -> None:
    """NOT_RUN has no line that the documentation lost."""
    shown = {line for block in blocks("sh") for line in shell_lines(block.values[0])}
    assert set(NOT_RUN) <= shown


def query(file: Path, statement: str) -> list[Any]:
    """Return the rows of a statement, asked as any DuckDB client would ask."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(statement).fetchall()


@pytest.mark.parametrize("statement", blocks("sql"))
def test_a_query_can_be_asked(statement: str, synced: Path) -> None:
    """DuckDB understands it, and its tables and columns exist."""
    query(synced, statement)


def test_the_query_of_the_readme(synced: Path) -> None:
    """The line beside `duckdb kyc.duckdb` answers, without `USE` and without a catalog."""
    (said,) = re.findall(rf"^duckdb {FILE} +# (.*)$", text_of("README.md"), re.MULTILINE)
    assert len(query(synced, said)) == 5


@pytest.mark.parametrize("page", [*PAGES, "schemas/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link names a file that exists, and a heading that does."""
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text_of(page)):
        path, _, anchor = target.partition("#")
        place = (ROOT / page).parent / path if path else ROOT / page
        assert place.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings
            }, target


ROOMS = "api|shape|fetch|load|warehouse|run|commands|report|cli|orchestration|dictionary|emulator"


@pytest.mark.parametrize("page", PAGES)
def test_every_file_named_exists(page: str) -> None:
    """Whoever looks for a named module or test finds it."""
    code = ROOT / "pipelines" / "argos_sync"
    for path in re.findall(rf"`((?:{ROOMS})/[\w/]+\.py)`", text_of(page)):
        assert (code / path).is_file(), path
    for path in re.findall(r"\btests/[\w/]+\.py\b", text_of(page)):
        assert (ROOT / path).is_file(), path


def test_every_page_is_in_the_table_of_contents() -> None:
    """Readers reach each page from the index, or from the index of its folder."""
    for page in (path for path in PAGES if path.startswith("docs/")):
        folder, name = os.path.split(page)
        if name != "index.md":
            assert re.search(
                rf"^{name.removesuffix('.md')}$", text_of(f"{folder}/index.md"), re.MULTILINE
            )
