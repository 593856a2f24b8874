"""`doctor` does at the destination what runs do, and leaves it as it was."""

from contextlib import closing
from pathlib import Path

import duckdb
import psycopg2
import pytest

from argos_sync.commands.check import Check
from argos_sync.commands.destination_checks import check_writing
from argos_sync.commands.doctor import run_checks
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.target import Target
from support import Rows, Warehouse, postgres_address, postgres_database, warehouse_in

STEPS = ["load", "merge", "view", "comment", "clean-up"]

CONTENT = """
    SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
    WHERE table_schema LIKE 'argos%' ORDER BY 1"""


def content(warehouse: Warehouse) -> dict[str, Rows]:
    """Return all rows of all tables and views, with their schemas."""
    names = [str(row["name"]) for row in warehouse.query(CONTENT)]
    return {
        name: sorted(warehouse.query(f"SELECT * FROM {name}"), key=repr)
        for name in names
        if "sync_health" not in name  # it has the time of the query
    }


def check(warehouse: Warehouse) -> list[Check]:
    """Return the checks of a warehouse."""
    with open_warehouse(warehouse.target) as opened:
        return check_writing(opened)


@pytest.mark.tables_made
@pytest.mark.slow  # reads all tables and views, twice
def test_a_warehouse_stays_as_it_is(any_warehouse: Warehouse) -> None:
    """Each step passes, and no row, table or schema is left or has changed."""
    before = content(any_warehouse)
    checks = check(any_warehouse)
    assert [one for one in checks if not one.passed] == []
    assert [one.name for one in checks] == STEPS
    assert "4 comments" in checks[3].message
    assert content(any_warehouse) == before
    assert any("_dlt_version" in name for name in before)
    assert not any("doctor" in name for name in before)


def test_no_file_is_made(tmp_path: Path) -> None:
    """Neither a warehouse nor a working folder, and it says that there is no warehouse yet."""
    file = tmp_path / "kyc.duckdb"
    target = Target(file=str(file), pipelines_dir=str(tmp_path / "not made" / "working"))
    found = {one.name: one for one in run_checks(target)}
    assert [name for name in ("destination", *STEPS) if not found[name].passed] == []
    assert f"{file} does not exist yet" in found["destination"].message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """No run could make the file there."""
    target = Target(file=str(tmp_path / "missing" / "kyc.duckdb"), pipelines_dir=str(tmp_path))
    (found,) = (one for one in run_checks(target) if one.name == "destination")
    assert not found.passed
    assert str(tmp_path / "missing") in found.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_new_duckdb_file_has_no_dataset(warehouse: Warehouse) -> None:
    """The file exists afterwards, as with every command that opens it for writing."""
    assert [one.name for one in check(warehouse) if one.passed] == STEPS
    with duckdb.connect(str(warehouse.target.file)) as connection:
        assert connection.execute("SELECT * FROM duckdb_tables()").fetchall() == []
        schemas = "SELECT schema_name FROM duckdb_schemas() WHERE NOT internal"
        assert connection.execute(schemas).fetchall() == []


REFUSED = {
    "load": "CREATE TABLE",
    "merge": "ALTER TABLE",
    "view": "CREATE VIEW",
    "comment": "COMMENT",
    "clean-up": "DROP VIEW",
}


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("step", "has_dataset"),
    [("load", False), ("merge", True), ("view", False), ("comment", True), ("clean-up", True)],
)
def test_a_refused_step_has_a_remedy(step: str, has_dataset: bool, tmp_path: Path) -> None:
    """The steps after it are left out, and whatever can be removed is removed."""
    with postgres_database() as database, warehouse_in(database, tmp_path) as warehouse:
        with closing(psycopg2.connect(postgres_address(database))) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            if has_dataset:
                cursor.execute("CREATE SCHEMA argos; CREATE TABLE argos.own AS SELECT 1 AS n")
            cursor.execute(f"""
                CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '42501'; END $$;
                CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('{REFUSED[step]}')
                EXECUTE FUNCTION refuse()""")
        checks = check(warehouse)
        left = set(content(warehouse)) - {"argos.own"}
    (failed,) = (one for one in checks if not one.passed)
    assert (failed.name, failed.exit_code > 0) == (step, True)
    assert "; " in failed.message
    passed = [one.name for one in checks if one.passed]
    assert passed == [*STEPS[: STEPS.index(step)], *(["clean-up"] if step != "clean-up" else [])]
    view = {"argos.argos_sync_doctor", "argos.argos_sync_doctor_view"}
    assert left == (view if step == "clean-up" else set())
