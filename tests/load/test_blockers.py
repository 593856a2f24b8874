"""Locks of other sessions in PostgreSQL: who holds them is named after the time limit."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.query import run_query
from argos_sync.commands.sync import sync
from argos_sync.emulator import generate
from argos_sync.load.ddl import RelationsInUseError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.load.sql import execute_native
from argos_sync.load.target import Target
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.contract import SUBMISSIONS, load_contract
from argos_sync.warehouse.overview import read_overview
from support import NOW, Warehouse, assert_equal, context_for, session
from whole_lists import Emulator

pytestmark = [
    pytest.mark.tables_made,
    pytest.mark.parametrize("any_warehouse", ["postgres"], indirect=True),
]

RESTORE = r"the open transaction of process \d+ \(pg_restore, user postgres\);"
"""How the session that holds a lock is named, up to the remedy."""


@pytest.fixture
def warehouse(any_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """The warehouse, in which statements wait 20 ms for a lock instead of 20 s."""
    variable = "DESTINATION__POSTGRES__CREDENTIALS"
    monkeypatch.setenv(variable, f"{os.environ[variable]}?options=-c%20lock_timeout%3D20ms")
    return any_warehouse


def lock(
    warehouse: Warehouse, statement: str, program: str = "pg_restore"
) -> AbstractContextManager[Any]:
    """Keep locks of another program in the warehouse."""
    address = os.environ["DESTINATION__POSTGRES__CREDENTIALS"].partition("?")[0]
    return session(str(warehouse.target.dataset), statement, program, address)


@pytest.mark.slow  # dlt tries five times
def test_rows_do_not_wait_for_ever(warehouse: Warehouse) -> None:
    """Somebody who locks a table is named once the time limit is over."""
    values = dict.fromkeys(("created_at", "_synced_at", "_changed_at"), NOW)
    row = values | {"submission_id": "one", "_content_hash": "hash"}
    rows = pa.Table.from_pylist([row], schema=arrow_schema(load_contract()[SUBMISSIONS]))
    with (
        lock(warehouse, "LOCK TABLE submissions IN SHARE MODE"),
        pytest.raises(RelationsInUseError, match=f"written to during {RESTORE}"),
        open_warehouse(warehouse.target) as opened,
    ):
        opened.load({SUBMISSIONS: rows})
    with open_warehouse(warehouse.target) as opened:
        assert execute_native(opened.client, "SHOW lock_timeout")[0][0] == "20ms"
        opened.load({SUBMISSIONS: rows})
    assert warehouse.count(SUBMISSIONS) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "LOCK TABLE submissions IN ACCESS EXCLUSIVE MODE",
        "LOCK TABLE _dlt_pipeline_state IN ACCESS EXCLUSIVE MODE",
        "SELECT 1 FROM submissions FOR UPDATE",
    ],
)
def test_a_run_that_finds_a_lock_loses_nothing(warehouse: Warehouse, statement: str) -> None:
    """It names the process wherever it has to wait, and the next run loads all rows."""
    submissions = generate(30, seed=3, start=date(2025, 1, 1), end=date(2025, 1, 31))
    with Emulator(submissions) as api:
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        with (
            lock(warehouse, statement),
            pytest.raises(RelationsInUseError, match=f"written to during {RESTORE}") as raised,
        ):
            sync(context)
        assert raised.value.exit_code == 5
        sync(context)
    assert_equal(warehouse, submissions)


def read_state(target: Target, folder: Path) -> None:
    """Open the warehouse as all read-only commands do."""
    with open_read_only(target):
        raise AssertionError(folder)


def read_overview_of(target: Target, folder: Path) -> None:
    """Read what `status` shows."""
    with open_read_only(target) as opened:
        read_overview(opened.client)
    raise AssertionError(folder)


def read_query(target: Target, folder: Path) -> None:
    """Read what `sql` prints."""
    with run_query(target, "SELECT submission_id FROM submissions") as result:
        raise AssertionError(folder, result)


def publish_copy(target: Target, folder: Path) -> None:
    """Publish a copy for analysts."""
    publish(target, folder / "copy.duckdb")


@pytest.mark.parametrize(
    ("read", "table"),
    [
        (read_state, "_dlt_pipeline_state"),
        (read_overview_of, "submissions"),
        (read_query, "submissions"),
        (publish_copy, "aml"),
    ],
)
def test_read_only_commands_name_the_lock(
    warehouse: Warehouse,
    read: Callable[[Target, Path], None],
    table: str,
    tmp_path: Path,
) -> None:
    """They name only sessions whose locks keep readers away, and mention no chunks."""
    with (
        lock(warehouse, "LOCK TABLE kyc IN EXCLUSIVE MODE", "a loader"),
        lock(warehouse, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
        pytest.raises(
            RelationsInUseError, match=f"^argos cannot be read during {RESTORE}"
        ) as raised,
    ):
        read(warehouse.target, tmp_path)
    assert raised.value.exit_code == 5
    assert "chunk" not in str(raised.value)
