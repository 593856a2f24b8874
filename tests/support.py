"""Helpers for tests of several rooms: contexts, warehouses, and comparison with the oracle."""

import json
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import psycopg2.extras
import pytest

from argos_sync.api.retry import RetryPolicy
from argos_sync.commands.refresh import refresh
from argos_sync.config import load_settings
from argos_sync.emulator import Faults
from argos_sync.load.target import Target
from argos_sync.run.context import Context
from argos_sync.run.summary import NoProgress
from oracle import flatten
from requirements import report_missing
from whole_lists import Emulator

NOW = datetime(2025, 2, 1, 3, 0, tzinfo=UTC)
"""Time of a test's first run."""
LATER = NOW + timedelta(days=1)
"""Time of the run after it."""
ADDED_COLUMNS = ("_synced_at", "_changed_at", "_content_hash", "_deleted_at", "_dlt_id")
"""Columns that argos-sync and dlt add to those of the API."""
JSON_COLUMNS = {
    "requests_by_day",
    "ocr",
    "review",
    "_extra",
    "project_options",
    "ocr_raw",
    "verification",
    "verification_params",
    "raw_data",
    "page_key",
}
"""Columns with JSON, which come back as text from DuckDB."""
PG = "postgresql://postgres:postgres@127.0.0.1:5432/postgres"
POSTGRES_PORT = 5432
API_KEY = "k" * 40

Rows = list[dict[str, Any]]

IMPATIENT = RetryPolicy(attempts=6, base=0.0, cap=0.0, retry_after_cap=0.0)
"""A retry policy without pauses."""


def context_for(base_url: str, target: Target, now: datetime = NOW, **settings: Any) -> Context:
    """Return a context for an emulator, with a clock that always returns `now`."""
    configuration = {
        "api_key": API_KEY,
        "base_url": base_url,
        "page_size": 100,
        "max_requests_per_second": 10_000.0,
        **settings,
    }
    return Context(load_settings(configuration), target, clock=lambda: now, retry=IMPATIENT)


def at(context: Context, now: datetime) -> Context:
    """Return the context with the clock set to another time."""
    return replace(context, clock=lambda: now)


@dataclass(frozen=True)
class Warehouse:
    """A warehouse under test.

    Attributes:
        target: Where commands load to.
        query: Runs SQL on the dataset and returns rows as dictionaries.
    """

    target: Target
    query: Callable[[str], Rows]

    def table(self, name: str) -> Rows:
        """Return a table's rows, with decoded JSON and without `ADDED_COLUMNS`."""
        return [_without_added(row) for row in self.query(f"SELECT * FROM {name}")]

    def tables(self, names: Iterable[str]) -> dict[str, Rows]:
        """Return several tables, each in a stable order."""
        return {name: ordered(self.table(name)) for name in names}

    def count(self, name: str) -> int:
        """Return the number of rows of a table."""
        return int(self.query(f"SELECT COUNT(*) AS n FROM {name}")[0]["n"])


def in_range(submissions: list[dict[str, Any]], first: date, last: date) -> list[dict[str, Any]]:
    """Return the submissions created between two UTC days, both included."""
    return [s for s in submissions if first <= created_at(s).date() <= last]


def closed(submission: dict[str, Any]) -> dict[str, Any]:
    """Return the submission with a final result, so that it is not open."""
    return submission | {"kyc": {"result": "rejected"}, "aml": None}


def created_at(submission: dict[str, Any]) -> datetime:
    """Return the `created_at` of a submission, UTC."""
    created: datetime = flatten([submission])["submissions"][0]["created_at"]
    return created


def assert_equal(warehouse: Warehouse, submissions: list[dict[str, Any]]) -> None:
    """Assert that all API tables equal the rows of the oracle."""
    expected = {name: ordered(rows) for name, rows in flatten(submissions).items()}
    actual = warehouse.tables(expected)
    for name, rows in expected.items():
        assert actual[name] == rows, name


def duckdb_warehouse(folder: Path) -> Warehouse:
    """Return a warehouse in a new DuckDB file of a folder."""
    file = folder / "kyc.duckdb"

    def query(sql: str) -> Rows:
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("USE argos")
            result = connection.execute(sql)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    return Warehouse(Target(pipelines_dir=str(folder / "pipelines"), file=str(file)), query)


def postgres_warehouse(folder: Path, dataset: str, address: str = PG) -> Warehouse:
    """Return a dataset of the local PostgreSQL server."""

    def query(sql: str) -> Rows:
        with psycopg2.connect(address) as connection:
            cursor = connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor)
            cursor.execute(f"SET TIME ZONE 'UTC'; SET search_path TO {dataset}")
            cursor.execute(sql)
            rows = [dict(row) for row in cursor.fetchall()]
        connection.close()
        return rows

    target = Target("postgres", dataset, str(folder / "pipelines"))
    return Warehouse(target, query)


@contextmanager
def postgres_dataset() -> Iterator[str]:
    """Yield a new dataset of the local PostgreSQL and drop it; skip the test without a server."""
    require_postgres()
    dataset = f"argos_test_{uuid.uuid4().hex[:10]}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESTINATION__POSTGRES__CREDENTIALS", PG)
        try:
            yield dataset
        finally:
            drop_postgres(dataset)


@contextmanager
def postgres_database(template: str = "template1") -> Iterator[str]:
    """Yield the name of a copied database and drop it; skip the test without a server."""
    require_postgres()
    name = f"argos_test_{uuid.uuid4().hex[:10]}"
    with postgres_administrator() as execute:
        execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            execute(f"DROP DATABASE {name} WITH (FORCE)")


def postgres_address(database: str) -> str:
    """Return the URL of a database of the local PostgreSQL server."""
    return f"{PG.rpartition('/')[0]}/{database}"


@contextmanager
def postgres_administrator() -> Iterator[Callable[[str], None]]:
    """Yield a function that executes statements outside of transactions."""
    with closing(psycopg2.connect(PG)) as connection:
        connection.autocommit = True
        yield connection.cursor().execute


@contextmanager
def session(
    dataset: str, statement: str, program: str = "psql", address: str = PG
) -> Iterator[Any]:
    """Keep a transaction of another program open in which a statement was executed."""
    with closing(psycopg2.connect(address, application_name=program)) as connection:
        cursor = connection.cursor()
        cursor.execute(f"SET search_path TO {dataset}")
        cursor.execute(statement)
        yield connection


@contextmanager
def warehouse_in(database: str, folder: Path) -> Iterator[Warehouse]:
    """Yield the dataset `argos` of a database, with dlt configured for it."""
    address = postgres_address(database)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
        yield postgres_warehouse(folder, "argos", address)


def require_postgres() -> None:
    """Check that PostgreSQL runs; without it, skip the test, or fail in CI."""
    try:
        socket.create_connection(("127.0.0.1", POSTGRES_PORT), timeout=1).close()
    except OSError:
        report_missing(f"no PostgreSQL listens on 127.0.0.1:{POSTGRES_PORT}")


@contextmanager
def empty_warehouse(kind: str, folder: Path) -> Iterator[Warehouse]:
    """Yield an empty warehouse, `duckdb` or `postgres`."""
    if kind == "duckdb":
        yield duckdb_warehouse(folder)
    else:
        with postgres_dataset() as dataset:
            yield postgres_warehouse(folder, dataset)


def make_tables(warehouse: Warehouse) -> None:
    """Create tables and views, with runs that fetch no submission."""
    with Emulator() as api:
        context = context_for(api.base_url, warehouse.target)
        for _ in range(2):  # the second run saves the state about views that the first created
            refresh(context, submission_ids=["nobody"])


def drop_postgres(dataset: str) -> None:
    """Drop a dataset and the staging datasets of its runs."""
    with postgres_administrator() as execute:
        execute(
            "DO $$ DECLARE name text; BEGIN"
            " FOR name IN SELECT schema_name FROM information_schema.schemata"
            f" WHERE schema_name = '{dataset}' OR schema_name LIKE '{dataset}\\_staging%'"
            " LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP; END $$"
        )


def ordered(rows: Rows) -> Rows:
    """Return rows in a stable order."""
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True, default=str))


def _without_added(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in row.items() if name not in ADDED_COLUMNS}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, str) and name in JSON_COLUMNS and not value.startswith(("h1.", "e1.")):
        return json.loads(value)
    return value


class StopAfter(NoProgress):
    """Progress that makes the API fail permanently after a number of chunks."""

    def __init__(self, api: Emulator, chunks: int) -> None:
        """Make the API fail after `chunks` loaded chunks."""
        self.api, self.remaining = api, chunks

    def chunk_loaded(self, summary: Any) -> None:
        """Make the API fail if this was the last chunk."""
        self.remaining -= 1
        if self.remaining == 0:
            self.api.faults = Faults(rate_500=1.0, max_consecutive=10**6)
