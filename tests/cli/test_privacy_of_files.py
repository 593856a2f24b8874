"""Files and folders of a run are private to its user, however the run ends."""

import gzip
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from argos_sync.emulator import Store
from cli.callback import CallbackEmulator
from cli.command import Command
from cli.conftest import KEY
from support import PG
from whole_lists import Behaviour

pytestmark = pytest.mark.process

PRIVATE = ("-rw-------", "drwx------")
ROWS = {".parquet", ".jsonl", ".gz", ".csv", ".insert_values", ".arrow"}
"""Suffixes of files with rows, which dlt has while it loads a package."""


@pytest.fixture(autouse=True)
def lax_umask() -> Iterator[None]:
    """Set the umask of most systems, which lets everybody read files."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def command(argos_sync: Command) -> Command:
    """Return the command with its own folder for temporary files."""
    temporary = argos_sync.folder / "tmp"
    temporary.mkdir()
    argos_sync.settings |= {
        "TMPDIR": str(temporary),
        "SOURCES__ARGOS__API_KEY": KEY,
        "SOURCES__ARGOS__PAGE_SIZE": "20",
        "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
    }
    return argos_sync


def private_files(command: Command) -> list[Path]:
    """Check that all files and folders of a command are private, and return them."""
    paths = [path for path in command.folder.rglob("*") if path.name != "tmp"]
    modes = {str(path): stat.filemode(path.lstat().st_mode) for path in paths}
    assert {path: mode for path, mode in modes.items() if mode not in PRIVATE} == {}
    assert list((command.folder / "tmp").iterdir()) == []
    return paths


def assert_no_personal_data(files: list[Path], private: set[str]) -> None:
    """Check that no file contains one of the texts, even when it is compressed by gzip."""
    contents = [path.read_bytes() for path in files if path.is_file()]
    contents += [gzip.decompress(raw) for raw in contents if raw[:2] == b"\x1f\x8b"]
    assert contents
    assert [text for text in private for content in contents if text.encode() in content] == []


def files_with_rows(paths: list[Path]) -> list[Path]:
    """Return the files that contain rows."""
    return [path for path in paths if path.suffix in ROWS]


def test_after_a_finished_and_a_failed_run(
    command: Command, submissions: list[dict[str, Any]]
) -> None:
    """Warehouse, lock and state are private, and loaded packages are deleted."""
    allowed = 1_000

    def fail(number: int) -> None:
        if number > allowed:
            api.behaviour = Behaviour(ip_denied=True)

    with CallbackEmulator(Store(submissions), before=fail) as api:
        command.settings["SOURCES__ARGOS__BASE_URL"] = api.base_url
        command("sync")
        files = private_files(command)
        assert {path.name for path in files} >= {"kyc.duckdb", "state.json"}
        assert {".lock"} <= {path.suffix for path in files}
        assert files_with_rows(files) == []
        allowed = api.request_count + 2
        command("backfill", "--from", "2025-01-01", "--to", "2025-01-31", code=3)
        assert files_with_rows(private_files(command)) == []


def test_after_a_killed_run(command: Command, submissions: list[dict[str, Any]]) -> None:
    """Nothing is cleaned up then, so files must be private from the beginning."""

    def kill_at_third_request(number: int) -> None:
        if number == 3:
            process.kill()

    with CallbackEmulator(Store(submissions), before=kill_at_third_request) as api:
        command.settings["SOURCES__ARGOS__BASE_URL"] = api.base_url
        process = command.start("sync")
        assert command.finish(process).returncode == -signal.SIGKILL
    assert {path.suffix for path in private_files(command)} >= {".duckdb", ".lock"}


@pytest.mark.postgres
def test_during_a_load(
    command: Command, submissions: list[dict[str, Any]], postgres_dataset: str
) -> None:
    """A load package is private, and is deleted when its load fails or the next run starts."""
    options = ("--destination", "postgres", "--dataset", postgres_dataset)
    again = ("backfill", "--from", "2025-01-01", "--to", "2025-01-31", "--force", *options)
    with (
        CallbackEmulator(Store(submissions), before=int) as api,
        closing(psycopg2.connect(PG)) as connection,
        connection.cursor() as cursor,
    ):
        connection.autocommit = True
        cursor.execute(f"SET search_path TO {postgres_dataset}")
        command.settings |= {
            "SOURCES__ARGOS__BASE_URL": api.base_url,
            "DESTINATION__POSTGRES__CREDENTIALS": PG,
        }
        command("sync", *options)
        for id_ in api.store.ids():
            api.store.update(id_, {"userid": "another"})
        # PostgreSQL's message about a rejected row contains the row.
        cursor.execute("ALTER TABLE applicants ADD CONSTRAINT c CHECK (name IS NULL) NOT VALID")
        command(*again, "-v", code=1)
        files = private_files(command)
        assert files_with_rows(files) == []
        assert_no_personal_data(files, command.private)
        cursor.execute("ALTER TABLE applicants DROP CONSTRAINT c")

        # Blocks writers, but not readers.
        cursor.execute("BEGIN; LOCK TABLE submissions IN SHARE MODE")
        with command.start(*again) as process:
            while process.poll() is None:
                cursor.execute(
                    "SELECT 1 FROM pg_locks WHERE relation = %s::regclass AND NOT granted",
                    ["submissions"],
                )
                if cursor.fetchall():
                    process.kill()
            command.finish(process)
        assert process.returncode == -signal.SIGKILL
        assert files_with_rows(private_files(command))

        cursor.execute("ROLLBACK")
        command(*again)
        files = private_files(command)
        assert files_with_rows(files) == []
        assert_no_personal_data(files, command.private)
