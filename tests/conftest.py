"""Warehouses to load into: a DuckDB file, and the PostgreSQL of the machine where there is one."""

import gc
import os
import shutil
import signal
from collections import defaultdict
from collections.abc import Generator, Iterator
from copy import deepcopy
from datetime import date
from functools import cache
from pathlib import Path
from timeit import timeit
from typing import Any
from zlib import crc32

import duckdb
import pytest
from dlt.common.configuration.providers import environ
from hypothesis import given, strategies

import lakes
import support
from argos_sync.commands.sync import sync
from argos_sync.emulator import generate
from argos_sync.load.sql import execute
from combinations import ALL
from made_once import IN_POSTGRES, LAKE, database_made_once, made_once, share_folder
from support import (
    Rows,
    Warehouse,
    closed,
    context_for,
    created_at,
    duckdb_warehouse,
    empty_warehouse,
    make_tables,
)
from warehouse.direct import connected
from whole_lists import Emulator

# A shell that runs the tests in the background has them ignore Ctrl-C, and `nohup` a lost terminal;
# so would every command that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


# One list for all of a submission costs the fewest requests. Tests of other ways say so.
os.environ["SOURCES__ARGOS__COMPLETENESS"] = "list"

WAREHOUSES = ("duckdb", "postgres")
"""The kinds of `any_warehouse`."""

PROMISES = "tests/promises/"

TIERS = ("slow", "process", "postgres", "browser", "ducklake", "standins", "dbt")
"""The marks of tests that `make test` leaves out."""

ENVIRONMENTS = {"ducklake": "ducklake", "clickhouse": "standins"}
"""The marks of places whose drivers are in an environment of their own."""

FIRST = ("longest", "slow")
"""The marks of tests that begin before others, so that no worker waits for another in the end."""

MAX_SECONDS = 2.0
"""The most that a test without one of these marks may take, on a computer that copies nested lists
(`_seconds_to_copy`) in `REFERENCE_SECONDS`. A slower or busier computer gets as much more time."""

REFERENCE_SECONDS = 0.06

COVERAGE_FACTOR = 2.5
"""How much slower a test may be while its coverage is measured."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of what is made once, before any worker starts."""
    share_folder(config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that need PostgreSQL, and start with the slow ones.

    A slow test of both kinds of warehouses runs with one of them. Of several combinations of a slow
    test that is `covered`, one is.
    """
    if not ALL:
        dropped = _other_warehouses(items)
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]
    covered = set()
    for item in items:
        if item.get_closest_marker("covered"):
            name = (item.path, getattr(item, "originalname", item.name))
            if name in covered:
                item.add_marker("repeated")
            covered.add(name)
        callspec = getattr(item, "callspec", None)
        parameters = callspec.params.values() if callspec else ()
        fixtures = getattr(item, "fixturenames", ())
        if "postgres" in parameters or "postgres_dataset" in fixtures:
            item.add_marker("postgres")
        if callspec and (mark := ENVIRONMENTS.get(str(callspec.params.get("place")))):
            item.add_marker(mark)
    items.sort(key=lambda item: [item.get_closest_marker(mark) is None for mark in FIRST])


def pytest_collection_finish() -> None:
    """Keep the garbage collector from searching modules and tests again and again."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let the garbage collector free everything in the end, or DuckDB reports leaks."""
    gc.unfreeze()


def _other_warehouses(items: list[pytest.Item]) -> set[pytest.Item]:
    """Return the slow tests that another kind of warehouse stands for, half of them of each kind.

    What a test of `tests/promises` shows, it shows of each kind.
    """
    by_test: dict[str, dict[str, pytest.Item]] = defaultdict(dict)
    for item in items:
        callspec = getattr(item, "callspec", None)
        kinds = (
            [value for value in callspec.params.values() if value in WAREHOUSES] if callspec else []
        )
        if len(kinds) == 1 and item.get_closest_marker("slow"):
            by_test[item.nodeid.replace(kinds[0], "")][kinds[0]] = item
    return {
        item
        for test, same in by_test.items()
        if len(same) == len(WAREHOUSES) and PROMISES not in test
        for kind, item in same.items()
        if kind != WAREHOUSES[crc32(test.encode()) % len(WAREHOUSES)]
    }


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let no property test pay for what Hypothesis does before the first."""
    if item.get_closest_marker("hypothesis"):
        _find_constants()


@cache
def _find_constants() -> None:
    """Let Hypothesis search all modules for constants to try, and read Unicode's table, once.

    In a fresh clone that takes more seconds than a test may.
    """
    given(strategies.text())(lambda text: None)()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that is too slow for a test without a mark."""
    report = yield
    is_unmarked = not any(item.get_closest_marker(mark) for mark in TIERS)
    limit = MAX_SECONDS * (COVERAGE_FACTOR if item.config.getoption("--cov") else 1)
    if not (report.when == "call" and report.passed and is_unmarked and call.duration > limit):
        return report
    limit *= max(1.0, _seconds_to_copy() / REFERENCE_SECONDS)
    if call.duration > limit:
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} took {call.duration:.1f} s, and a test without a mark may take"
            f" {limit:.1f} s: make it faster, or mark it slow"
        )
    return report


def _seconds_to_copy() -> float:
    """Return how long the computer takes now to copy 20,000 lists."""
    nested = [{str(i): [i] * 5} for i in range(20_000)]
    return timeit(lambda: deepcopy(nested), number=1)


RECORD_OF_IT = ("sync_runs", "sync_checks")


@pytest.fixture(scope="session")
def _made() -> Path:
    """A DuckDB file as a run that brought nothing leaves it."""

    def make(folder: Path) -> None:
        made = duckdb_warehouse(folder)
        make_tables(made)
        with duckdb.connect(str(made.target.file)) as connection:
            for table in RECORD_OF_IT:
                connection.execute(f"DELETE FROM argos.{table}")

    return made_once("tables", make) / "kyc.duckdb"


@pytest.fixture(scope="session")
def _made_in_postgres() -> str:
    """A PostgreSQL database as a run that brought nothing leaves it."""

    def make(name: str, folder: Path) -> None:
        with support.warehouse_in(name, folder) as made:
            make_tables(made)
            for table in RECORD_OF_IT:
                made.query(f"DELETE FROM {table} RETURNING *")

    support.require_postgres()
    return database_made_once(IN_POSTGRES, make)


@pytest.fixture(scope="session")
def _made_lake() -> str:
    """The catalog of a DuckLake as a run that brought nothing leaves it; it needs no file."""

    def make(name: str, folder: Path) -> None:
        with lakes.s3_lake(folder, name) as lake:
            make_tables(lake.warehouse)
            with connected(lake.warehouse) as client:
                for table in RECORD_OF_IT:
                    execute(client, f"DELETE FROM {table} WHERE 1 = 1")

    support.require_postgres()
    return database_made_once(LAKE, make)


@pytest.fixture
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    """An empty DuckDB warehouse.

    To make tables and views takes half of a first run, so for tests that are about rows, marked
    `tables_made`, they are there already.
    """
    warehouse = duckdb_warehouse(tmp_path)
    if request.node.get_closest_marker("tables_made"):
        shutil.copy(request.getfixturevalue("_made"), str(warehouse.target.file))
    return warehouse


@pytest.fixture
def postgres_dataset() -> Iterator[str]:
    """A dataset of the machine's PostgreSQL that is dropped afterwards."""
    with support.postgres_dataset() as dataset:
        yield dataset


@pytest.fixture(params=WAREHOUSES)
def any_warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A warehouse of each kind that is tested: the file's own, and an empty one elsewhere."""
    if request.param == "duckdb":
        yield request.getfixturevalue("warehouse")
    elif request.node.get_closest_marker("tables_made"):
        made = request.getfixturevalue("_made_in_postgres")
        with (
            support.postgres_database(made) as name,
            support.warehouse_in(name, tmp_path) as warehouse,
        ):
            yield warehouse
    else:
        with empty_warehouse(request.param, tmp_path) as warehouse:
            yield warehouse


@pytest.fixture(scope="session")
def january() -> list[dict[str, Any]]:
    """Four hundred submissions of January 2025."""
    return generate(400, seed=7, start=date(2025, 1, 1), end=date(2025, 1, 31))


WITH_CHILDREN = {
    "userid": "u-1",
    "email": "person@example.org",
    "kyc": {
        "result": "rejected",
        "comment": ["a", "b"],
        "commentCode": ["A", "B"],
        "attempts": [{"attemptCnt": 1, "retryCode": ["r"], "retryMsg": ["m"]}],
    },
    "aml": {"currentstatus": "Red Flag", "matches": [{"score": 1, "risk_icons": ["x"]}]},
}
"""Fields of a submission that has rows in every child table, and is open."""


@pytest.fixture(scope="session")
def synced_submissions() -> Rows:
    """Return the submissions of `synced_warehouse`, by age; the second one has children."""
    generated = generate(80, seed=7, start=date(2025, 1, 1), end=date(2025, 1, 31))
    submissions = [closed(item) for item in sorted(generated, key=created_at)]
    submissions[1] |= WITH_CHILDREN
    return submissions


@pytest.fixture(scope="session")
def _synced_file(synced_submissions: Rows) -> Path:
    """Return a DuckDB file after a first sync."""

    def make(folder: Path) -> None:
        with Emulator(synced_submissions) as api:
            sync(context_for(api.base_url, duckdb_warehouse(folder).target))

    return made_once("synced", make) / "kyc.duckdb"


@pytest.fixture
def synced_warehouse(_synced_file: Path, tmp_path: Path) -> Warehouse:
    """Return a DuckDB warehouse after a first sync of `synced_submissions`."""
    warehouse = duckdb_warehouse(tmp_path)
    shutil.copy(_synced_file, str(warehouse.target.file))
    return warehouse


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder that dlt reads instead of /run/secrets, which only root may create."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setattr(environ, "SECRET_STORAGE_PATH", f"{folder}/%s")
    before = dict(os.environ)
    yield folder
    # dlt adds what it reads to the environment.
    for name in set(os.environ) - set(before):
        del os.environ[name]
