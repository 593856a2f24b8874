"""Submissions with large values are loaded in bounded memory."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import psycopg2
import pytest

from argos_sync.emulator import Store, generate
from argos_sync.emulator.record import LARGE, random_text
from cli.command import Command
from combinations import some
from support import PG, postgres_dataset
from whole_lists import Behaviour, Emulator

pytestmark = [pytest.mark.slow, pytest.mark.process]

LARGEST_PROCESS_MB = 500
"""Peak memory that no process of a command may exceed; with usual submissions it is about 260."""
SIZES = [(60, 1_000_000), (5_000, 10_000), (1, 20_000_000)]
LAUNCHER = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True)
sys.exit(done.returncode)
"""
BACKFILL = ("backfill", "--from", "2025-01-01", "--to", "2025-12-31", "--json")


@contextmanager
def serving(command: Command, count: int, size: int) -> Iterator[Store]:
    """Serve submissions with large values to a command."""
    store = Store(generate(count, seed=count))
    with Emulator(store, behaviour=Behaviour(raw_data_bytes=size)) as api:
        command.settings |= {
            "SOURCES__ARGOS__API_KEY": "k" * 40,
            "SOURCES__ARGOS__BASE_URL": api.base_url,
            "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
            "DESTINATION__POSTGRES__CREDENTIALS": PG,
        }
        yield store


def backfill(command: Command, *options: str) -> int:
    """Run a backfill, and return the peak memory of its largest process in MB."""
    # A process begins with the memory of the one that starts it: a small one must.
    launcher = [sys.executable, "-c", LAUNCHER, str(command.executable), *BACKFILL, *options]
    done = subprocess.run(
        launcher,
        cwd=command.folder,
        env=command.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    out, peak = done.stdout.splitlines()
    assert json.loads(out)["exit_status"] == 0
    return int(peak) * 1024 // 1_000_000


def check_file(command: Command, store: Store, size: int) -> None:
    """Compare each large value in the DuckDB file with the source's, one at a time."""
    with duckdb.connect(str(command.folder / "kyc.duckdb"), read_only=True) as connection:
        connection.execute("SET memory_limit = '2GB'")
        query = f"SELECT submission_id, raw_data->>'{LARGE}' FROM argos.aml"
        rows = connection.execute(query)
        seen = set()
        while row := rows.fetchone():
            assert row[1] == random_text(row[0], size)
            seen.add(row[0])
    assert seen == set(store.ids())


@pytest.mark.parametrize(("count", "size"), some(SIZES, SIZES[:2]))
def test_duckdb(argos_sync: Command, count: int, size: int) -> None:
    """They are loaded; a second run finds them unchanged, and spilled rows are not left behind."""
    with serving(argos_sync, count, size) as store:
        assert backfill(argos_sync) <= LARGEST_PROCESS_MB
        check_file(argos_sync, store, size)
        again = json.loads(argos_sync("sync", "--json").stdout)
        assert (again["submissions_new"], again["submissions_changed"]) == (0, 0)
        assert not list(argos_sync.folder.glob("kyc.duckdb.tmp/*"))


@pytest.mark.postgres
@pytest.mark.parametrize(("count", "size"), some(SIZES, SIZES[1:2]))
def test_postgres(argos_sync: Command, count: int, size: int) -> None:
    """PostgreSQL gets the same values."""
    with serving(argos_sync, count, size) as store, postgres_dataset() as dataset:
        peak = backfill(argos_sync, "--destination", "postgres", "--dataset", dataset)
        assert peak <= LARGEST_PROCESS_MB
        with psycopg2.connect(PG) as connection, connection.cursor("large") as cursor:
            cursor.itersize = 1 + 1_000_000 // size
            cursor.execute(f"SELECT submission_id, raw_data->>'{LARGE}' FROM {dataset}.aml")
            seen = set()
            for submission_id, text in cursor:
                assert text == random_text(submission_id, size)
                seen.add(submission_id)
        assert seen == set(store.ids())
