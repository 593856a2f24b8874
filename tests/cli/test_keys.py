"""Keys stay in the two processes that need them: no other process or file gets them."""

import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from dlt.common.versioned_state import decompress_state

from argos_sync.emulator import Store
from cli.callback import CallbackEmulator
from cli.command import Command
from cli.conftest import KEY
from cli.processes import command_line, core_limit, environment, process_tree
from support import PG
from whole_lists import Behaviour

pytestmark = pytest.mark.process

SECRET = "secret-of-encryption-that-nobody-may-see"
PASSWORD = "password-that-nobody-may-see-4567"
SECRETS = [KEY, SECRET, PASSWORD]


@pytest.fixture(autouse=True)
def core_dumps_allowed() -> Iterator[None]:
    """Allow core dumps, as a caller may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@pytest.fixture
def role(postgres_dataset: str) -> Iterator[str]:
    """Create a PostgreSQL user with its own password, and return its name."""
    with closing(psycopg2.connect(PG)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"CREATE ROLE {postgres_dataset} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        yield postgres_dataset
        cursor.execute(f"DROP OWNED BY {postgres_dataset}; DROP ROLE {postgres_dataset}")


def inspect_processes(
    command: Command, submissions: list[dict[str, Any]], *options: str
) -> dict[str, list[Any]]:
    """Run a command, and return what its processes show while it waits for its second page."""
    behaviour = Behaviour(api_key=KEY, encryption="gcm", encryption_key=SECRET)
    properties: dict[str, list[Any]] = {}

    def inspect(number: int) -> None:
        if number == 2:
            pids = process_tree(process.pid)
            for read in (command_line, environment, core_limit):
                properties[read.__name__] = [read(pid) for pid in pids]

    with CallbackEmulator(Store(submissions), before=inspect, behaviour=behaviour) as api:
        command.settings |= {
            "SOURCES__ARGOS__BASE_URL": api.base_url,
            "SOURCES__ARGOS__ENCRYPTION": "gcm",
            "SOURCES__ARGOS__PAGE_SIZE": "20",
        }
        process = command.start(*options)
        done = command.finish(process)
        assert done.returncode == 0, done.stderr
        assert " page 1: " in done.stderr
    return properties


def secrets_in(texts: list[bytes]) -> set[str]:
    """Return the secrets that one of the texts contains."""
    return {secret for secret in SECRETS for text in texts if secret.encode() in text}


def assert_nothing_stored(folder: Path, rows: list[tuple[Any, ...]], states: list[str]) -> None:
    """Check files, dlt's state when decompressed, and rows of tables for secrets."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "secrets.toml"]
    assert "state.json" in {path.name for path in files}
    assert states
    contents = [path.read_bytes() for path in files]
    contents += [str(value).encode() for value in (*rows, *map(decompress_state, states))]
    assert secrets_in(contents) == set()


@pytest.mark.postgres
def test_keys_from_the_environment(
    argos_sync: Command, submissions: list[dict[str, Any]], role: str
) -> None:
    """They are only in the environment of the command, where its user put them."""
    argos_sync.private |= {SECRET, PASSWORD}
    argos_sync.settings |= {
        "SOURCES__ARGOS__API_KEY": KEY,
        "SOURCES__ARGOS__ENCRYPTION_KEY": SECRET,
        "DESTINATION__POSTGRES__CREDENTIALS": PG.replace("postgres:postgres", f"{role}:{PASSWORD}"),
    }
    options = ("--destination", "postgres", "--dataset", role)
    shown = inspect_processes(argos_sync, submissions, "sync", "-v", *options)
    parent, child = shown["environment"]
    assert secrets_in([parent]) == set(SECRETS)
    assert secrets_in([child, *shown["command_line"]]) == set()
    assert shown["core_limit"] == [["0", "0"], ["0", "0"]]
    with closing(psycopg2.connect(PG)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET search_path TO {role}")
        rows = []
        for table in ("_dlt_pipeline_state", "_dlt_version", "_dlt_loads", "sync_runs"):
            cursor.execute(f"SELECT * FROM {table}")
            rows += cursor.fetchall()
        cursor.execute("SELECT state FROM _dlt_pipeline_state")
        states = [state for (state,) in cursor.fetchall()]
    assert_nothing_stored(argos_sync.folder, rows, states)


def test_keys_from_a_file(argos_sync: Command, submissions: list[dict[str, Any]]) -> None:
    """They are only in that file."""
    argos_sync.private |= {SECRET}
    file = argos_sync.folder / ".dlt" / "secrets.toml"
    file.parent.mkdir()
    file.write_text(f'[sources.argos]\napi_key = "{KEY}"\nencryption_key = "{SECRET}"\n')
    shown = inspect_processes(argos_sync, submissions, "sync", "-v")
    assert len(shown["command_line"]) == 2
    assert secrets_in(shown["command_line"] + shown["environment"]) == set()
    rows = argos_sync.rows("SELECT * FROM sync_runs") + argos_sync.rows("FROM _dlt_version")
    states = [state for (state,) in argos_sync.rows("SELECT state FROM _dlt_pipeline_state")]
    assert_nothing_stored(argos_sync.folder, rows, states)
