"""What tests of several rooms share: a context against an emulator, and reading tables back."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import psycopg2.extras
import pytest

from argos_sync.api import RetryPolicy
from argos_sync.commands.refresh import refresh
from argos_sync.config import load_settings
from argos_sync.emulator import Emulator, Faults
from argos_sync.load.target import Target
from argos_sync.run.context import Context
from oracle import flatten

NOW = datetime(2025, 2, 1, 3, 0, tzinfo=UTC)
MADE_HERE = ("_synced_at", "_changed_at", "_content_hash", "_deleted_at", "_dlt_id")
PG = "postgresql://postgres:postgres@127.0.0.1:5432/postgres"
API_KEY = "k" * 40

Rows = list[dict[str, Any]]


IMPATIENT = RetryPolicy(attempts=6, base=0.0, cap=0.0, retry_after_cap=0.0)
"""Retries without waiting."""


def context_for(base_url: str, target: Target, now: datetime = NOW, **settings: Any) -> Context:
    """Return a context against an emulator, with a clock that stands still."""
    given = {
        "api_key": API_KEY,
        "base_url": base_url,
        "page_size": 100,
        "max_requests_per_second": 10_000.0,
        **settings,
    }
    return Context(load_settings(given), target, clock=lambda: now, retry=IMPATIENT)


def at(context: Context, now: datetime) -> Context:
    """Return the context at another time."""
    return replace(context, clock=lambda: now)


@dataclass(frozen=True)
class Warehouse:
    """A warehouse under test.

    Attributes:
        target: Where commands load to.
        query: Runs SQL over the dataset and returns rows as dictionaries.
    """

    target: Target
    query: Callable[[str], Rows]

    def table(self, name: str) -> Rows:
        """Return a table's rows, JSON columns decoded, without what only this package writes."""
        return [_plain(row) for row in self.query(f"SELECT * FROM {name}")]

    def tables(self, names: Iterable[str]) -> dict[str, Rows]:
        """Return several tables, each in a stable order, to compare with the oracle."""
        return {name: ordered(self.table(name)) for name in names}

    def count(self, name: str) -> int:
        """Return the number of rows of a table."""
        return int(self.query(f"SELECT COUNT(*) AS n FROM {name}")[0]["n"])


def in_range(submissions: list[dict[str, Any]], first: date, last: date) -> list[dict[str, Any]]:
    """Return the submissions created between two days, UTC, both included."""
    return [s for s in submissions if first <= created_at(s).date() <= last]


def created_at(submission: dict[str, Any]) -> datetime:
    """Return when a usable submission was created, UTC."""
    moment: datetime = flatten([submission])["submissions"][0]["created_at"]
    return moment


def assert_equal(warehouse: Warehouse, submissions: list[dict[str, Any]]) -> None:
    """Compare all API tables with the independent flattening, value by value."""
    expected = {name: ordered(rows) for name, rows in flatten(submissions).items()}
    found = warehouse.tables(expected)
    for name, rows in expected.items():
        assert found[name] == rows, name


def duckdb_warehouse(folder: Path) -> Warehouse:
    """Return a DuckDB file named like the dataset, as the default one is."""
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
    """A dataset of the machine's PostgreSQL that is dropped afterwards; skips without one."""
    _skip_without_postgres()
    dataset = f"argos_test_{uuid.uuid4().hex[:10]}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESTINATION__POSTGRES__CREDENTIALS", PG)
        try:
            yield dataset
        finally:
            drop_postgres(dataset)


@contextmanager
def postgres_database(template: str = "template1") -> Iterator[str]:
    """The name of a copy of a database that is dropped afterwards; skips without a PostgreSQL."""
    _skip_without_postgres()
    name = f"argos_test_{uuid.uuid4().hex[:10]}"
    with postgres_administrator() as execute:
        execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            execute(f"DROP DATABASE {name} WITH (FORCE)")


def postgres_address(database: str) -> str:
    """Return where a database of the machine's PostgreSQL is."""
    return f"{PG.rpartition('/')[0]}/{database}"


@contextmanager
def postgres_administrator() -> Iterator[Callable[[str], None]]:
    """Give what executes outside of transactions."""
    with closing(psycopg2.connect(PG)) as connection:
        connection.autocommit = True
        yield connection.cursor().execute


@contextmanager
def warehouse_in(database: str, folder: Path) -> Iterator[Warehouse]:
    """A dataset of a PostgreSQL database, as dlt is configured for as long as the block runs."""
    address = postgres_address(database)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
        yield postgres_warehouse(folder, "argos", address)


def _skip_without_postgres() -> None:
    try:
        socket.create_connection(("127.0.0.1", 5432), timeout=1).close()
    except OSError:
        pytest.skip("no PostgreSQL listens on 127.0.0.1:5432")


@contextmanager
def empty_warehouse(kind: str, folder: Path) -> Iterator[Warehouse]:
    """A warehouse of a kind, `duckdb` or `postgres`."""
    if kind == "duckdb":
        yield duckdb_warehouse(folder)
    else:
        with postgres_dataset() as dataset:
            yield postgres_warehouse(folder, dataset)


def make_tables(warehouse: Warehouse) -> None:
    """Leave a warehouse as runs that brought nothing do: tables and views are there."""
    with Emulator() as api:
        context = context_for(api.base_url, warehouse.target)
        for _ in range(2):  # the second notes which views the first has made
            refresh(context, submission_ids=["nobody"])


def drop_postgres(dataset: str) -> None:
    """Remove a dataset and its staging area."""
    with postgres_administrator() as execute:
        for schema in (dataset, f"{dataset}_staging"):
            execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def ordered(rows: Rows) -> Rows:
    """Return rows in a stable order."""
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True, default=str))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in row.items() if name not in MADE_HERE}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, str) and name in JSON_COLUMNS and not value.startswith(("h1.", "e1.")):
        return json.loads(value)
    return value


JSON_COLUMNS = {
    "_extra",
    "project_options",
    "ocr_raw",
    "verification",
    "verification_params",
    "raw_data",
    "page_key",
}


class StopAfter:
    """Progress that makes the API fail for good after some chunks."""

    def __init__(self, api: Emulator, loaded: int) -> None:
        """Count down from `loaded`."""
        self.api, self.left = api, loaded

    def fetched(self, task: str, items: int) -> None:
        """Do nothing."""

    def loaded(self, report: Any, rows: int) -> None:
        """Break the API when enough is loaded."""
        self.left -= 1
        if self.left == 0:
            self.api.faults = Faults(rate_500=1.0, max_consecutive=10**6)
