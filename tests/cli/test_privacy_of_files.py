"""Files and folders of a run are its user's alone, however the run ends."""

from __future__ import annotations

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

from argos_sync import process
from argos_sync.emulator import Behaviour, Store
from cli.command import Command
from cli.conftest import KEY
from cli.watched import Watched
from support import PG

PRIVATE = ("-rw-------", "drwx------")
ROWS = {".parquet", ".jsonl", ".gz", ".csv", ".insert_values", ".arrow"}
"""Suffixes of files with rows; dlt has them while a package is on its way."""


@pytest.fixture(autouse=True)
def lax_umask() -> Iterator[None]:
    """What most systems have: files are for everybody to read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def command(argos_sync: Command) -> Command:
    """The command with a folder of its own for temporary files."""
    temporary = argos_sync.folder / "tmp"
    temporary.mkdir()
    argos_sync.settings |= {
        "TMPDIR": str(temporary),
        "SOURCES__ARGOS__API_KEY": KEY,
        "SOURCES__ARGOS__PAGE_SIZE": "20",
        "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
    }
    return argos_sync


def left_by(command: Command) -> list[Path]:
    """Check that all that is in the folders of a command is private, and return it."""
    left = [path for path in command.folder.rglob("*") if path.name != "tmp"]
    modes = {str(path): stat.filemode(path.lstat().st_mode) for path in left}
    assert {path: mode for path, mode in modes.items() if mode not in PRIVATE} == {}
    assert list((command.folder / "tmp").iterdir()) == []
    return left


def assert_nobody_in(files: list[Path], private: set[str]) -> None:
    """Check that no file holds any of the texts, also when it is packed by gzip."""
    contents = [path.read_bytes() for path in files if path.is_file()]
    contents += [gzip.decompress(one) for one in contents if one[:2] == b"\x1f\x8b"]
    assert contents
    assert [text for text in private for one in contents if text.encode() in one] == []


def with_rows(left: list[Path]) -> list[Path]:
    """The files with rows among those left behind."""
    return [path for path in left if path.suffix in ROWS]


def test_after_a_finished_and_a_failed_run(
    command: Command, submissions: list[dict[str, Any]]
) -> None:
    """Warehouse, lock and state are private, and loaded packages are gone."""

    def fail(number: int) -> None:
        if number > 8:
            api.behaviour = Behaviour(ip_allowed=False)

    with Watched(Store(submissions), before=fail) as api:
        command.settings["SOURCES__ARGOS__BASE_URL"] = api.base_url
        command("sync")
        left = left_by(command)
        assert {path.name for path in left} >= {"kyc.duckdb", "state.json"}
        assert {".lock"} <= {path.suffix for path in left}
        assert with_rows(left) == []
        command("backfill", "--from", "2025-01-01", "--to", "2025-01-31", code=3)
        assert with_rows(left_by(command)) == []


def test_after_a_killed_run(command: Command, submissions: list[dict[str, Any]]) -> None:
    """Nobody tidies up then; whatever there is at that moment is private already."""
    with Watched(Store(submissions), before=lambda n: n == 3 and process.kill()) as api:
        command.settings["SOURCES__ARGOS__BASE_URL"] = api.base_url
        process = command.start("sync")
        assert command.finish(process).returncode == -signal.SIGKILL
    assert {path.suffix for path in left_by(command)} >= {".duckdb", ".lock"}


def test_while_rows_are_on_their_way(
    command: Command, submissions: list[dict[str, Any]], postgres_dataset: str
) -> None:
    """A package full of people is private, and goes when its load fails or is resumed."""
    options = ("--destination", "postgres", "--dataset", postgres_dataset)
    again = ("backfill", "--from", "2025-01-01", "--to", "2025-01-31", "--force", *options)
    with (
        Watched(Store(submissions), before=int) as api,
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
        # What PostgreSQL says about a row that is refused is the row.
        cursor.execute("ALTER TABLE applicants ADD CONSTRAINT c CHECK (name IS NULL) NOT VALID")
        command(*again, "-v", code=1)
        left = left_by(command)
        assert with_rows(left) == []
        assert_nobody_in(left, command.private)
        cursor.execute("ALTER TABLE applicants DROP CONSTRAINT c")

        # Lets everybody read, and nobody write.
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
        assert with_rows(left_by(command))

        cursor.execute("ROLLBACK")
        command(*again)
        left = left_by(command)
        assert with_rows(left) == []
        assert_nobody_in(left, command.private)


def test_files_that_a_user_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is meant for others gets the mode that the caller's umask gives every other file."""
    process.restrict_permissions.cache_clear()
    monkeypatch.setattr(process.resource, "setrlimit", lambda *_: None)
    os.umask(0o027)
    assert process.output_file_mode() == 0o640
    assert process.output_file_mode() == 0o640
    assert os.umask(0o022) == 0o077
    process.restrict_permissions.cache_clear()
