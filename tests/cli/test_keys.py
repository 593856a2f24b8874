"""Keys stay in the two processes that need them: nobody sees them pass, nothing keeps them."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from dlt.common.versioned_state import decompress_state

from argos_sync.emulator import Behaviour, Store
from cli.command import Command
from cli.conftest import KEY
from cli.processes import arguments, core_limit, environment, tree
from cli.watched import Watched
from support import PG

SECRET = "secret-of-encryption-that-nobody-may-see"
PASSWORD = "password-that-nobody-may-see-4567"
MARKS = [KEY, SECRET, PASSWORD]


@pytest.fixture(autouse=True)
def dumps_allowed() -> Iterator[None]:
    """A caller that lets its processes dump their memory into a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@pytest.fixture
def role(postgres_dataset: str) -> Iterator[str]:
    """A user of the database with a password of its own."""
    with closing(psycopg2.connect(PG)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"CREATE ROLE {postgres_dataset} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        yield postgres_dataset
        cursor.execute(f"DROP OWNED BY {postgres_dataset}; DROP ROLE {postgres_dataset}")


def watched(
    command: Command, submissions: list[dict[str, Any]], *options: str
) -> dict[str, list[Any]]:
    """Run a command against an encrypted API; what is seen while it waits for its second page."""
    behaviour = Behaviour(api_key=KEY, encryption="gcm", encryption_key=SECRET)
    found: dict[str, list[Any]] = {}

    def look(number: int) -> None:
        if number == 2:
            pids = tree(process.pid)
            for look_at in (arguments, environment, core_limit):
                found[look_at.__name__] = [look_at(pid) for pid in pids]

    with Watched(Store(submissions), before=look, behaviour=behaviour) as api:
        command.settings |= {
            "SOURCES__ARGOS__BASE_URL": api.base_url,
            "SOURCES__ARGOS__ENCRYPTION": "gcm",
            "SOURCES__ARGOS__PAGE_SIZE": "20",
        }
        process = command.start(*options)
        done = command.finish(process)
        assert done.returncode == 0, done.stderr
        assert " page 1: " in done.stderr
    return found


def marks_in(texts: list[bytes]) -> set[str]:
    """The marks that stand in one of the texts."""
    return {mark for mark in MARKS for text in texts if mark.encode() in text}


def assert_nothing_kept(folder: Path, rows: list[tuple[Any, ...]], states: list[str]) -> None:
    """Check files, dlt's state as it is once unpacked, and all that dlt wrote into tables."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "secrets.toml"]
    assert "state.json" in {path.name for path in files}
    assert states
    kept = [path.read_bytes() for path in files]
    kept += [str(one).encode() for one in (*rows, *map(decompress_state, states))]
    assert marks_in(kept) == set()


def test_keys_from_the_environment(
    argos_sync: Command, submissions: list[dict[str, Any]], role: str
) -> None:
    """They are in the environment of the command, where its user put them, and nowhere else."""
    argos_sync.private |= {SECRET, PASSWORD}
    argos_sync.settings |= {
        "SOURCES__ARGOS__API_KEY": KEY,
        "SOURCES__ARGOS__ENCRYPTION_KEY": SECRET,
        "DESTINATION__POSTGRES__CREDENTIALS": PG.replace("postgres:postgres", f"{role}:{PASSWORD}"),
    }
    options = ("--destination", "postgres", "--dataset", role)
    found = watched(argos_sync, submissions, "sync", "-v", *options)
    own, childs = found["environment"]
    assert marks_in([own]) == set(MARKS)
    assert marks_in([childs, *found["arguments"]]) == set()
    assert found["core_limit"] == [["0", "0"], ["0", "0"]]
    with closing(psycopg2.connect(PG)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET search_path TO {role}")
        rows = []
        for table in ("_dlt_pipeline_state", "_dlt_version", "_dlt_loads", "sync_runs"):
            cursor.execute(f"SELECT * FROM {table}")
            rows += cursor.fetchall()
        cursor.execute("SELECT state FROM _dlt_pipeline_state")
        states = [state for (state,) in cursor.fetchall()]
    assert_nothing_kept(argos_sync.folder, rows, states)


def test_keys_from_a_file(argos_sync: Command, submissions: list[dict[str, Any]]) -> None:
    """They are in that file, and nowhere else."""
    argos_sync.private |= {SECRET}
    file = argos_sync.folder / ".dlt" / "secrets.toml"
    file.parent.mkdir()
    file.write_text(f'[sources.argos]\napi_key = "{KEY}"\nencryption_key = "{SECRET}"\n')
    found = watched(argos_sync, submissions, "sync", "-v")
    assert len(found["arguments"]) == 2
    assert marks_in(found["arguments"] + found["environment"]) == set()
    rows = argos_sync.rows("SELECT * FROM sync_runs") + argos_sync.rows("FROM _dlt_version")
    states = [state for (state,) in argos_sync.rows("SELECT state FROM _dlt_pipeline_state")]
    assert_nothing_kept(argos_sync.folder, rows, states)
