"""Views, comments and their rights beside other sessions of a PostgreSQL database."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic

import psycopg2
import pytest

from argos_sync.load import ddl
from argos_sync.load.ddl import RelationsInUseError, execute_ddl
from argos_sync.load.sql import execute_native
from argos_sync.shape.contract import Column, Contract, Table
from argos_sync.warehouse.view_updates import replace_views, update_views
from support import PG, Warehouse, postgres_administrator, postgres_warehouse, session
from warehouse.direct import connected

pytestmark = pytest.mark.postgres

ONE = "SELECT 1 AS a, 2 AS b"


@pytest.fixture
def warehouse(postgres_dataset: str, tmp_path: Path) -> Warehouse:
    """A dataset with the view `one`, which another view reads."""
    made = postgres_warehouse(tmp_path, postgres_dataset)
    with connected(made) as client:
        client.create_dataset()
        name = client.make_qualified_table_name("one")
        replace_views(client, {"one": ONE, "two": f"SELECT a FROM {name}"}, ())
    return made


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try twice, without a pause."""
    monkeypatch.setattr(ddl, "PAUSES", (0.0,))


@pytest.fixture
def roles() -> Iterator[list[str]]:
    """Two roles without a login, dropped afterwards."""
    names = ["argos_test_analyst", 'argos_test_"Quoted" role']
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    with postgres_administrator() as execute:
        for role in quoted:
            execute(f"DROP ROLE IF EXISTS {role}")
            execute(f"CREATE ROLE {role}")
        yield quoted
        for role in quoted:
            execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


ACCESS = """
    SELECT c.relname AS name, c.reloptions AS options, c.relowner::regrole::text AS owner,
        (SELECT array_agg(right_::text ORDER BY right_::text) FROM unnest(c.relacl) AS right_
        ) AS rights,
        (SELECT array_agg(attname || a.attacl::text ORDER BY 1) FROM pg_attribute AS a
         WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL) AS columns
    FROM pg_class AS c WHERE relnamespace = current_schema()::regnamespace AND relkind = 'v'
    ORDER BY 1"""


def grant_access(dataset: str, roles: list[str]) -> None:
    """Give rights of every kind on the views, and revoke a default one."""
    analyst, quoted = roles
    statements = f"""
        ALTER DEFAULT PRIVILEGES IN SCHEMA {dataset} GRANT SELECT ON TABLES TO {quoted};
        GRANT SELECT ON {dataset}.one TO {analyst} WITH GRANT OPTION;
        GRANT INSERT, SELECT ON {dataset}.two TO PUBLIC;
        GRANT SELECT (a) ON {dataset}.one TO {quoted};
        ALTER VIEW {dataset}.one SET (security_barrier = true);
        GRANT CREATE ON SCHEMA {dataset} TO {analyst};
        ALTER VIEW {dataset}.two OWNER TO {analyst};"""
    with postgres_administrator() as execute:
        execute(statements)


@pytest.mark.parametrize("one", ["SELECT 7 AS a, 2 AS b", "SELECT 'x' AS a, 2 AS c"])
def test_a_replaced_view_keeps_who_may_read_it(
    warehouse: Warehouse, roles: list[str], one: str
) -> None:
    """Owner, options and rights stay, in place or dropped; default rights are not added."""
    grant_access(warehouse.target.dataset, roles)
    before = warehouse.query(ACCESS)
    assert before[0]["options"]
    assert len(before[0]["rights"]) == 2
    with connected(warehouse) as client:
        two = f"SELECT a FROM {client.make_qualified_table_name('one')}"
        replace_views(client, {"one": one, "two": two}, ())
    assert warehouse.query(ACCESS) == before
    assert warehouse.query("SELECT a FROM two") != [{"a": 1}]


def test_a_view_that_lost_a_column_keeps_the_other_rights(
    warehouse: Warehouse, roles: list[str]
) -> None:
    """A right on a column that the view no longer has is left out."""
    grant_access(warehouse.target.dataset, roles)
    before = warehouse.query(ACCESS)
    with connected(warehouse) as client:
        replace_views(client, {"one": "SELECT 1 AS z"}, {"two"})
    assert warehouse.query(ACCESS) == [before[0] | {"columns": None}]


def test_a_view_of_an_analyst_stays_on_a_replaced_view(warehouse: Warehouse) -> None:
    """A view with the same columns is replaced in place, without dropping what reads it."""
    dataset = warehouse.target.dataset
    with postgres_administrator() as execute:
        execute(f"CREATE VIEW {dataset}.own AS SELECT a + 1 AS a FROM {dataset}.one")
    with connected(warehouse) as client:
        replace_views(client, {"one": "SELECT 5 AS a, 2 AS b, 3 AS c"}, {"two"})
    assert warehouse.query("SELECT a FROM own") == [{"a": 6}]
    with pytest.raises(psycopg2.errors.UndefinedTable):
        warehouse.query("SELECT * FROM two")


@pytest.mark.usefixtures("short_pauses")
def test_a_reader_is_named_and_others_do_not_wait(warehouse: Warehouse) -> None:
    """The views stay as they are, and a reader behind us waits less than a second."""
    dataset = warehouse.target.dataset
    waited: list[float] = []
    done = threading.Event()

    def read() -> None:
        with closing(psycopg2.connect(PG)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            while not done.is_set():
                started = monotonic()
                cursor.execute(f"SELECT * FROM {dataset}.one")
                waited.append(monotonic() - started)

    reader = threading.Thread(target=read)
    with session(dataset, "SELECT 'secret' FROM one", "a notebook"), connected(warehouse) as client:
        reader.start()
        try:
            with pytest.raises(RelationsInUseError) as raised:
                replace_views(client, {"one": "SELECT 7 AS a, 2 AS b"}, {"two"})
        finally:
            done.set()
            reader.join()
    message = str(raised.value)
    assert "(a notebook, user postgres)" in message
    assert "secret" not in message
    assert 0.1 < max(waited) < 1
    assert warehouse.query("SELECT * FROM one") == [{"a": 1, "b": 2}]


def test_a_change_is_repeated_until_the_reader_ends(warehouse: Warehouse) -> None:
    """A transaction that ends between two attempts delays the change, no more."""
    attempts: list[int] = []
    with (
        session(warehouse.target.dataset, "SELECT * FROM one") as reader,
        connected(warehouse) as client,
    ):

        def change() -> None:
            attempts.append(1)
            if len(attempts) == 3:
                reader.rollback()
            execute_native(client, f"DROP VIEW {client.make_qualified_table_name('two')}")
            execute_native(client, f"DROP VIEW {client.make_qualified_table_name('one')}")

        execute_ddl(client, change, ("one",), pauses=(0.0,) * 4)
    assert len(attempts) == 3


@pytest.mark.usefixtures("short_pauses")
def test_comments_are_left_to_the_next_run(
    warehouse: Warehouse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody who changes a table keeps comments away, but not the views."""
    (tmp_path / "few.sql").write_text("SELECT COUNT(*) AS n FROM kyc", encoding="utf-8")
    contract = Contract(
        {"kyc": Table("kyc", "Results.", (), (Column("n", "bigint", "none", "?"),))}
    )
    dataset = warehouse.target.dataset
    with postgres_administrator() as execute:
        execute(f"CREATE TABLE {dataset}.kyc (n BIGINT)")
    with connected(warehouse) as client:
        with session(dataset, "LOCK TABLE kyc IN SHARE MODE", "pg_restore"):
            assert update_views(client, "old", tmp_path, contract) == "old"
        (record,) = caplog.records
        assert "wait for the next run" in record.message
        assert "(pg_restore, user postgres)" in record.message
        assert warehouse.query("SELECT n FROM few") == [{"n": 0}]
        with session(dataset, "SELECT * FROM kyc"):
            assert update_views(client, "old", tmp_path, contract).split()[1:] == ["few"]


@pytest.mark.usefixtures("short_pauses")
def test_a_locked_view_keeps_no_run_waiting(
    warehouse: Warehouse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Views that are up to date need no lock; a change waits for 0.25 s, not for 20 s."""
    view = tmp_path / "few.sql"
    view.write_text("SELECT COUNT(*) AS n FROM kyc", encoding="utf-8")
    contract = Contract({"kyc": Table("kyc", "Results.", (), ())})
    dataset = warehouse.target.dataset
    with postgres_administrator() as execute:
        execute(f"CREATE TABLE {dataset}.kyc (n BIGINT)")
    with connected(warehouse) as client:
        version = update_views(client, None, tmp_path, contract)
        for change in (
            "ALTER VIEW few SET (security_barrier = true)",
            "LOCK TABLE kyc IN ACCESS EXCLUSIVE MODE",
        ):
            started = monotonic()
            with session(dataset, change, "a migration"):
                assert update_views(client, version, tmp_path, contract) == version
                assert caplog.records == []
                view.write_text("SELECT COUNT(*) + 1 AS n FROM kyc", encoding="utf-8")
                assert update_views(client, version, tmp_path, contract) == version
            assert monotonic() - started < 10
            assert "(a migration, user postgres)" in caplog.records[-1].message
            caplog.clear()
            view.write_text("SELECT COUNT(*) AS n FROM kyc", encoding="utf-8")
