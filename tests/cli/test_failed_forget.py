"""A first `forget` that is killed or runs out of space never locks the warehouse's owner out."""

import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from cli.command import Command
from cli.events import NO_COVERAGE
from support import postgres_address, postgres_database
from whole_lists import Emulator

pytestmark = [pytest.mark.process, pytest.mark.slow]

COMPLETION_LOCK = 4711
HOLD_COMPLETION = f"""
    CREATE FUNCTION argos.hold() RETURNS trigger LANGUAGE plpgsql AS '
        BEGIN
            IF EXISTS (SELECT FROM argos.sync_suppressions) THEN
                PERFORM pg_advisory_lock_shared({COMPLETION_LOCK});
            END IF;
            RETURN NEW;
        END';
    CREATE TRIGGER hold BEFORE INSERT ON argos._dlt_loads
        FOR EACH ROW EXECUTE FUNCTION argos.hold();
"""
"""Keeps a load package with rows of the suppression list from being completed."""
SPARE_BYTES = (0, 400_000, 1_000_000)
DYING = """#!{python}
import os, signal
from dlt.load.load import Load
from argos_sync.cli import app

complete_package, packages = Load.complete_package, 0

def complete_or_die(*arguments, **options):
    global packages
    packages += 1
    if packages == {package}:
        os.kill(os.getpid(), signal.SIGKILL)
    return complete_package(*arguments, **options)

Load.complete_package = complete_or_die
app.main()
"""
"""The command, killed when the rows of a load package are committed and the package is not."""


DYING_AT_REWRITE = """#!{python}
import os, signal
from argos_sync.cli import app
from argos_sync.load import compact

compact._copy_at_once = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
app.main()
"""
"""The command, killed when the rows of a person are deleted, and their blocks are not."""


@pytest.fixture
def database() -> Iterator[str]:
    """Return the address of an empty PostgreSQL database."""
    with postgres_database() as name:
        yield postgres_address(name)


@pytest.mark.postgres
def test_a_forget_killed_while_it_lists_a_person(
    configured: Command, api: Emulator, database: str
) -> None:
    """The next run, on another machine, keeps the person out."""
    configured.settings |= NO_COVERAGE | {"DESTINATION__POSTGRES__CREDENTIALS": database}
    person = api.store.all()[0]
    options = ("--destination", "postgres", "--pipelines-dir")
    forgotten = ("--userid", person["userid"], "--yes")
    configured("sync", *options, "first")
    with closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(HOLD_COMPLETION)
        cursor.execute("SELECT pg_advisory_lock(%s)", [COMPLETION_LOCK])
        process = configured.start("forget", *forgotten, *options, "first")
        while not count(cursor, "SELECT COUNT(*) FROM argos.sync_suppressions"):
            assert process.poll() is None
        process.kill()
        assert configured.finish(process).returncode == -signal.SIGKILL
        cursor.execute("DROP FUNCTION argos.hold CASCADE")
        cursor.execute("SELECT pg_advisory_unlock(%s)", [COMPLETION_LOCK])
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        configured("sync", *options, "second")
        stored = "SELECT COUNT(*) FROM argos.submissions WHERE userid = %s"
        configured("forget", *forgotten, *options, "second")
        assert count(cursor, stored, person["userid"]) == 0
        configured("backfill", "--from", "2025-01-01", "--to", "2025-01-31", *options, "third")
        assert count(cursor, stored, person["userid"]) == 0


def count(cursor: psycopg2.extensions.cursor, query: str, *parameters: str) -> int:
    """Return the number that a query returns."""
    cursor.execute(query, parameters)
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def test_a_forget_killed_in_a_file(loaded: Command, api: Emulator) -> None:
    """Its key is in the first package, the list in the second; each run is on another machine."""
    person, dying = api.store.all()[0], loaded.folder / "dying"
    for package in (1, 2):
        dying.write_text(DYING.format(python=sys.executable, package=package), encoding="utf-8")
        dying.chmod(0o700)
        killed = replace(loaded, executable=dying, settings=loaded.settings | NO_COVERAGE)
        options = ("--userid", person["userid"], "--yes", "--pipelines-dir", f"machine {package}")
        assert killed.run("forget", *options).returncode == -signal.SIGKILL
    assert loaded.rows("SELECT COUNT(*) > 0 FROM sync_suppressions") == [(True,)]
    loaded("refresh", "--submission-id", "nobody", "--pipelines-dir", "third machine")
    loaded("forget", "--userid", person["userid"], "--yes", "--pipelines-dir", "fourth machine")
    assert loaded.rows(f"FROM submissions WHERE userid = '{person['userid']}'") == []


def test_a_forget_killed_while_the_file_is_rewritten(loaded: Command, api: Emulator) -> None:
    """The next run rewrites the file, whatever it does itself; the one after that does not."""
    file, dying = loaded.folder / "kyc.duckdb", loaded.folder / "dying"
    person = next(one for one in api.store.all() if one.get("email"))
    dying.write_text(DYING_AT_REWRITE.format(python=sys.executable), encoding="utf-8")
    dying.chmod(0o700)
    killed = replace(loaded, executable=dying, settings=loaded.settings | NO_COVERAGE)
    done = killed.run("forget", "--submission-id", person["submission_id"], "--yes")
    assert done.returncode == -signal.SIGKILL
    assert list(loaded.folder.glob(".argos-publish-*"))
    issue = "sync_erasures: erased values are still in the file; the next run ends this"
    assert issue in loaded("status").stdout
    assert person["email"].encode() in file.read_bytes()
    loaded("refresh", "--submission-id", "nobody")
    assert person["email"].encode() not in file.read_bytes()
    assert list(loaded.folder.glob(".argos-publish-*")) == []
    assert issue not in loaded("status").stdout
    rewritten = file.stat().st_ino
    loaded("refresh", "--submission-id", "nobody")
    assert file.stat().st_ino == rewritten


def file_limit(limit: int) -> Callable[[], None]:
    """Return a function that limits the size of the files that a process writes, like a disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def test_a_forget_without_space(loaded: Command, api: Emulator) -> None:
    """Wherever it stops: with space, other commands work, and a repetition is complete."""
    file = loaded.folder / "kyc.duckdb"
    whole = shutil.copy(file, loaded.folder / "whole")
    person = api.store.all()[0]
    codes = set()
    forget = ("forget", "--userid", person["userid"], "--yes")
    for spare in SPARE_BYTES:
        shutil.copy(whole, file)
        Path(f"{file}.wal").unlink(missing_ok=True)
        limit = file_limit(file.stat().st_size + spare)
        codes.add(loaded.run(*forget, preexec_fn=limit).returncode)
        loaded("refresh", "--submission-id", "nobody")
        loaded(*forget)
        rows = loaded.rows(f"FROM submissions WHERE userid = '{person['userid']}'")
        assert rows == []
    assert codes <= {0, 5}
    assert 5 in codes
