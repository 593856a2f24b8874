"""The lease: a row that keeps a second run out, from any machine, and ends with a dead process.

Its SQL is the same for every warehouse, so PostgreSQL stands for those that have no other lock.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from time import monotonic

import pytest

from argos_sync.fetch.windows import DateRange
from argos_sync.load.errors import DestinationError
from argos_sync.load.lease import LEASE_TABLE, _definition, hold_lease
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.target import Target, make_pipeline
from load.dialect_client import client_for
from load.test_locks import kill, start_holder
from support import Warehouse, postgres_administrator, postgres_warehouse

CONTENDERS = 4
ROUNDS = 10
PATIENCE_SECONDS = 30
EXPIRE = f"UPDATE {LEASE_TABLE} SET deadline = 0 RETURNING token"


@pytest.fixture
def warehouse(postgres_dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """An empty dataset of PostgreSQL that is locked by a lease."""
    monkeypatch.setenv("SOURCES__ARGOS__RUN_LOCK", "lease")
    return postgres_warehouse(tmp_path, postgres_dataset)


@pytest.fixture
def elsewhere(warehouse: Warehouse, tmp_path: Path) -> Target:
    """The same warehouse, on a machine that has no working directory for it."""
    return replace(warehouse.target, pipelines_dir=str(tmp_path / "another machine"))


def refused(target: Target, holder: str) -> None:
    """Assert that a run is kept out, and told by whom."""
    with (
        pytest.raises(DestinationError, match=f"locked by .*{holder}") as raised,
        open_warehouse(target),
    ):
        raise AssertionError
    assert raised.value.exit_code == 5


def test_a_second_run_is_kept_out(warehouse: Warehouse, elsewhere: Target) -> None:
    """It is told the holder; when the first one ends, the lease is free at once."""
    with open_warehouse(warehouse.target, command="reconcile"):
        refused(elsewhere, rf"argos-sync reconcile, process {os.getpid()} on .")
    with open_warehouse(elsewhere):
        refused(warehouse.target, str(os.getpid()))
    assert len(warehouse.query(f"SELECT * FROM {LEASE_TABLE}")) == 1


def test_lease_and_advisory_lock_exclude_each_other(
    warehouse: Warehouse, elsewhere: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One machine may reach the server through a pooler, and another one directly."""
    february = DateRange(date(2025, 2, 1), date(2025, 2, 28))
    with open_warehouse(warehouse.target):
        monkeypatch.setenv("SOURCES__ARGOS__RUN_LOCK", "auto")
        refused(elsewhere, str(os.getpid()))
    for days in (february, DateRange(None, None)):
        with open_warehouse(elsewhere, command="backfill", days=days):
            monkeypatch.setenv("SOURCES__ARGOS__RUN_LOCK", "lease")
            refused(warehouse.target, "argos-sync backfill")
        monkeypatch.setenv("SOURCES__ARGOS__RUN_LOCK", "auto")


def test_a_run_that_lost_its_lease_commits_nothing(warehouse: Warehouse, elsewhere: Target) -> None:
    """It was paused until another run took over."""
    with open_warehouse(warehouse.target, command="paused") as paused:
        paused.load({}, lambda state: state.update(facts=1))
        warehouse.query(EXPIRE)
        with open_warehouse(elsewhere, command="later"):
            with pytest.raises(DestinationError, match=r"lost its lease to .*later") as raised:
                paused.load({}, lambda state: state.update(facts=2))
            assert raised.value.exit_code == 5
        with pytest.raises(DestinationError, match="lost its lease"):
            paused.load({}, lambda state: state.update(facts=2))
    with open_warehouse(elsewhere) as other:
        assert other.state["facts"] == 1


def test_a_late_run_that_nobody_replaced_goes_on(warehouse: Warehouse, elsewhere: Target) -> None:
    """It renews the lease with its next commit."""
    with open_warehouse(warehouse.target) as late:
        warehouse.query(EXPIRE)
        late.load({}, lambda state: state.update(facts=1))
        refused(elsewhere, str(os.getpid()))


def test_the_lease_is_renewed_while_nothing_is_committed(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API may be away for longer than the lease lasts."""
    monkeypatch.setenv("SOURCES__ARGOS__LEASE_SECONDS", "1")
    deadline = f"SELECT deadline FROM {LEASE_TABLE}"
    with open_warehouse(warehouse.target):
        first, start = warehouse.query(deadline)[0]["deadline"], monotonic()
        while warehouse.query(deadline)[0]["deadline"] <= first:
            assert monotonic() < start + PATIENCE_SECONDS


@pytest.mark.process
def test_a_killed_run(warehouse: Warehouse, elsewhere: Target) -> None:
    """Its machine goes on at once; another one when the lease is over."""
    for target, is_over in ((warehouse.target, False), (elsewhere, True)):
        holder = start_holder(warehouse, str(warehouse.target.pipelines_dir))
        kill(holder)
        if is_over:
            refused(target, str(holder.pid))
            warehouse.query(EXPIRE)
        with open_warehouse(target):
            pass


def test_what_a_dead_run_has_staged_is_dropped(warehouse: Warehouse, tmp_path: Path) -> None:
    """The lease names it; databases need not list their datasets."""
    target = warehouse.target
    client = make_pipeline(target, tmp_path).sql_client()
    with hold_lease(client, target.dataset, "20250101_00000001", "sync", tmp_path / "one"):
        staging = f"{target.dataset}_staging_20250101_00000001"
    with postgres_administrator() as execute:
        execute(f"CREATE SCHEMA {staging} CREATE TABLE submissions (name TEXT)")
    with hold_lease(client, target.dataset, "20250101_00000002", "sync", tmp_path / "other"):
        schemas = warehouse.query("SELECT schema_name AS name FROM information_schema.schemata")
    assert {"name": target.dataset} in schemas
    assert {"name": staging} not in schemas


@pytest.mark.parametrize(
    ("dialect", "expected"),
    {
        "duckdb": '"argos"."sync_lease" ("token" VARCHAR, "holder" VARCHAR, "deadline" BIGINT)',
        "snowflake": '"ARGOS"."SYNC_LEASE" ("TOKEN" VARCHAR, "HOLDER" VARCHAR,'
        ' "DEADLINE" NUMBER(19,0))',
        "clickhouse": "`argos`.`sync_lease` (`token` String, `holder` String, `deadline` Int64)"
        " ENGINE = MergeTree ORDER BY tuple()",
    }.items(),
)
def test_the_table_is_created_in_every_dialect(dialect: str, expected: str) -> None:
    """The other statements are in `test_sql`."""
    assert _definition(client_for(dialect)) == f"CREATE TABLE IF NOT EXISTS {expected}"


def test_a_backfill_locks_all_days(warehouse: Warehouse, elsewhere: Target) -> None:
    """The row has no days, so a backfill is no partition and has the state of other runs."""
    january = DateRange(date(2025, 1, 1), date(2025, 1, 31))
    with open_warehouse(warehouse.target, days=january) as backfill:
        assert backfill.pipeline.pipeline_name == "argos_sync"
        refused(elsewhere, str(os.getpid()))


def contend(target: Target, folder: Path, gate: threading.Barrier) -> Callable[[], bool]:
    """Return a function that tries to take the lease when all others do, until all have tried.

    Each contender has another advisory lock, so that nothing but the row keeps them apart.
    """
    client = make_pipeline(target, folder).sql_client()

    def take() -> bool:
        gate.wait()
        try:
            with hold_lease(client, folder.name, folder.name, "race", folder / "file"):
                gate.wait()
                return True
        except DestinationError:
            gate.wait()
            return False

    return take


def test_one_of_several_contenders_wins(warehouse: Warehouse, tmp_path: Path) -> None:
    """Several runs that begin in the same moment cannot all take the lease."""
    assert_one_wins(warehouse.target, tmp_path)


def assert_one_wins(target: Target, folder: Path) -> None:
    """Assert that one of several contenders takes the lease, in each of some rounds.

    At most one in the first round, in which all of them create the dataset and the table.
    """
    gate = threading.Barrier(CONTENDERS)
    with ThreadPoolExecutor(CONTENDERS) as pool:
        for number in range(ROUNDS):
            folders = [folder / f"{number}_{one}" for one in range(CONTENDERS)]
            for one in folders:
                one.mkdir()
            runs = [contend(target, one, gate) for one in folders]
            winners = sum(run.result() for run in [pool.submit(run) for run in runs])
            assert winners == 1 or (winners, number) == (0, 0)
