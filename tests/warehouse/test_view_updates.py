"""Creating the views for analysts, and creating them again when they are outdated or missing."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from argos_sync.commands.sync import sync
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.sql import Client
from argos_sync.shape.arrow_columns import arrow_schema
from argos_sync.shape.contract import SUBMISSIONS, load_contract
from argos_sync.warehouse.view_updates import update_views
from argos_sync.warehouse.views import load_views
from support import Rows, Warehouse, context_for, make_tables
from warehouse.direct import connected, insert_submissions
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made

STALENESS = "SELECT * FROM staleness ORDER BY age_days"
MakeFolder = Callable[[Mapping[str, str]], Path]


def prepare(client: Client, count: int) -> list[str]:
    """Drop the shipped views and insert submissions; return their ids."""
    for view in load_views():
        name = client.make_qualified_table_name(view.name)
        client.execute_sql(f"DROP VIEW IF EXISTS {name} CASCADE")
    return insert_submissions(client, count)


def readable_views(warehouse: Warehouse) -> list[str]:
    """Return the names of all views, after a query of each."""
    query = """
        SELECT table_name AS name FROM information_schema.tables
        WHERE table_schema = current_schema() AND table_type = 'VIEW' ORDER BY 1"""
    names = [row["name"] for row in warehouse.query(query)]
    for name in names:
        warehouse.query(f"SELECT * FROM {name}")
    return names


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Return a function that makes a folder of view files, by view name."""

    def make(queries: Mapping[str, str]) -> Path:
        folder = tmp_path / f"views-{len(list(tmp_path.glob('views-*')))}"
        folder.mkdir()
        for name, query in queries.items():
            (folder / f"{name}.sql").write_text(query, encoding="utf-8")
        return folder

    return make


def test_views_are_created_again_only_when_needed(
    any_warehouse: Warehouse, make_folder: MakeFolder
) -> None:
    """Views stay while their files do, and are created again when one changed or is missing."""
    folder = make_folder({"few": "SELECT COUNT(*) AS n FROM submissions"})
    query = "SELECT n FROM few"
    with connected(any_warehouse) as client:
        prepare(client, 3)
        view = client.make_qualified_table_name("few")
        version = update_views(client, None, folder)
        client.execute_sql(f"DROP VIEW {view}")
        client.execute_sql(f"CREATE VIEW {view} AS SELECT 99 AS n")
        assert update_views(client, version, folder) == version
    assert any_warehouse.query(query) == [{"n": 99}]
    with connected(any_warehouse) as client:
        assert update_views(client, None, folder) == version
    assert any_warehouse.query(query) == [{"n": 3}]
    with connected(any_warehouse) as client:
        client.execute_sql(f"DROP VIEW {view}")
        assert update_views(client, version, folder) == version
    assert any_warehouse.query(query) == [{"n": 3}]


def test_an_unreadable_view_is_created_again(warehouse: Warehouse, make_folder: MakeFolder) -> None:
    """DuckDB drops a column that a view reads; the view then exists but cannot be queried."""
    folder = make_folder({"few": "SELECT COUNT(*) AS n FROM submissions"})
    with connected(warehouse) as client:
        prepare(client, 3)
        version = update_views(client, None, folder)
        client.execute_sql("CREATE TABLE other (n INTEGER)")
        client.execute_sql("CREATE OR REPLACE VIEW few AS SELECT n FROM other")
        client.execute_sql("ALTER TABLE other RENAME n TO m")
        assert update_views(client, version, folder) == version
    assert warehouse.query("SELECT n FROM few") == [{"n": 3}]


def test_a_new_version_may_change_everything(
    any_warehouse: Warehouse, make_folder: MakeFolder
) -> None:
    """Columns disappear and change types, views read other views, and some views disappear."""
    old = make_folder(
        {
            "base": "SELECT submission_id, created_at FROM submissions",
            "upper": "SELECT COUNT(*) AS n FROM base",
            "removed": "SELECT n FROM upper",
        }
    )
    new = make_folder(
        {
            "base": "SELECT n AS submission_id FROM upper",
            "upper": "SELECT 'three' AS n, COUNT(*) AS m FROM submissions",
        }
    )
    with connected(any_warehouse) as client:
        prepare(client, 3)
        version = update_views(client, None, old)
    assert readable_views(any_warehouse) == ["base", "removed", "upper"]
    with connected(any_warehouse) as client:
        update_views(client, version, new)
    assert readable_views(any_warehouse) == ["base", "upper"]
    assert any_warehouse.query("SELECT * FROM base") == [{"submission_id": "three"}]
    assert any_warehouse.query("SELECT * FROM upper") == [{"n": "three", "m": 3}]


def test_views_of_a_killed_run_are_replaced(
    any_warehouse: Warehouse, make_folder: MakeFolder
) -> None:
    """Views of a version that was never committed to the state are replaced, in any order."""
    old = make_folder({"a": "SELECT 1 AS n", "b": "SELECT n FROM a", "c": "SELECT n FROM b"})
    new = make_folder({"a": "SELECT n FROM b", "b": "SELECT COUNT(*) AS n FROM submissions"})
    with connected(any_warehouse) as client:
        prepare(client, 2)
        version = update_views(client, None, old)
        update_views(client, version, new)
        assert update_views(client, version, old) == version
    assert any_warehouse.query("SELECT n FROM c") == [{"n": 1}]


def test_a_refused_view_changes_nothing(
    any_warehouse: Warehouse, make_folder: MakeFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """The previous views still exist, the log says why, and the next call tries again."""
    good = make_folder({"few": "SELECT COUNT(*) AS n FROM submissions"})
    wrong = make_folder({"few": "SELECT 5 AS n", "much": "SELECT no_such_column FROM submissions"})
    with connected(any_warehouse) as client:
        prepare(client, 4)
        version = update_views(client, None, good)
        assert update_views(client, version, wrong) == version
    assert any_warehouse.query("SELECT n FROM few") == [{"n": 4}]
    assert readable_views(any_warehouse) == ["few"]
    (record,) = caplog.records
    assert re.search(r"refused to create .* \((BinderException|UndefinedColumn)\)", record.message)
    assert "no_such_column" not in record.message
    with connected(any_warehouse) as client:
        assert update_views(client, None, wrong) == ""
        update_views(client, version, make_folder({"few": "SELECT 6 AS n"}))
    assert any_warehouse.query("SELECT n FROM few") == [{"n": 6}]


def test_a_view_over_a_missing_table_is_left_out(
    any_warehouse: Warehouse, make_folder: MakeFolder
) -> None:
    """So are views that read such a view, until the table exists."""
    folder = make_folder(
        {
            "a": "SELECT n FROM z",
            "b": "SELECT COUNT(*) AS n FROM submissions",
            "z": "SELECT COUNT(*) AS n FROM later AS l JOIN submissions USING (submission_id)",
        }
    )
    with connected(any_warehouse) as client:
        prepare(client, 2)
        first = update_views(client, None, folder)
        assert update_views(client, first, folder) == first
    assert readable_views(any_warehouse) == ["b"]
    with connected(any_warehouse) as client:
        later = client.make_qualified_table_name("later")
        submissions = client.make_qualified_table_name(SUBMISSIONS)
        client.execute_sql(f"CREATE TABLE {later} AS SELECT submission_id FROM {submissions}")
        second = update_views(client, first, folder)
        assert update_views(client, second, folder) == second != first
    assert readable_views(any_warehouse) == ["a", "b", "z"]
    assert any_warehouse.query("SELECT n FROM a") == [{"n": 2}]


@pytest.mark.slow  # makes all tables again
def test_an_emptied_dataset_gets_its_views_again(any_warehouse: Warehouse) -> None:
    """Whatever version the state names, the views exist after the next load."""
    names = sorted(view.name for view in load_views())
    with connected(any_warehouse) as client:
        version = update_views(client, None)
        assert version.split()[1:] == names
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
        tables = client.execute_sql(f"{query} AND table_type <> 'VIEW'", client.dataset_name)
        for (name,) in tables or ():
            client.execute_sql(f"DROP TABLE {client.make_qualified_table_name(name)} CASCADE")
        assert update_views(client, version).split()[1:] == ["code_meanings"]
    assert readable_views(any_warehouse) == ["code_meanings"]  # it reads no table
    make_tables(any_warehouse)
    with connected(any_warehouse) as client:
        assert update_views(client, version) == version
        insert_submissions(client, 3)
    assert readable_views(any_warehouse) == names
    assert sum(row["submissions"] for row in any_warehouse.query(STALENESS)) == 3


@pytest.mark.slow  # three loads
def test_loads_work_while_views_exist(any_warehouse: Warehouse, january: Rows) -> None:
    """Neither a merge nor a new column of a table is refused because views read the table."""
    with Emulator(january[:60]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        sync(context)
        with connected(any_warehouse) as client:
            version = update_views(client, None)
        for submission in january[50:60]:
            api.store.update(submission["submission_id"], {"reviewer": "somebody else"})
        assert sync(context).submissions_changed == 10
    assert sum(row["submissions"] for row in any_warehouse.query(STALENESS)) == 60
    (row,) = any_warehouse.query("SELECT * FROM submissions LIMIT 1")
    schema = arrow_schema(load_contract()[SUBMISSIONS])
    rows = pa.Table.from_pylist([row | {"submission_id": "one more"}], schema=schema)
    rows = rows.append_column("shoe_size", pa.array([42]))
    with open_warehouse(any_warehouse.target) as opened:
        opened.load({SUBMISSIONS: rows})
        assert update_views(opened.client, version) == version
    shoes = any_warehouse.query("SELECT shoe_size FROM submissions WHERE shoe_size > 0")
    assert shoes == [{"shoe_size": 42}]
    assert sum(row["submissions"] for row in any_warehouse.query(STALENESS)) == 61


def test_a_duckdb_file_may_be_renamed(warehouse: Warehouse, tmp_path: Path) -> None:
    """Views find their tables in a renamed file, and in one attached under another name."""
    with connected(warehouse) as client:
        insert_submissions(client, 3)
    backup = tmp_path / "backup.duckdb"
    (tmp_path / "kyc.duckdb").rename(backup)
    query = "SELECT submissions FROM {}.argos.staleness"
    with duckdb.connect(backup, read_only=True) as connection:
        assert connection.execute(query.format("backup")).fetchall() == [(3,)]
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{backup}' AS old (READ_ONLY)")
        assert connection.execute(query.format("old")).fetchall() == [(3,)]


def test_a_view_may_be_any_query(any_warehouse: Warehouse, make_folder: MakeFolder) -> None:
    """Subqueries' tables are qualified, and CTEs are not taken for tables of the same name."""
    query = """
        WITH kyc AS (SELECT submission_id, 'CTE' AS origin FROM kyc)
        SELECT submissions.submission_id, k.origin
        FROM submissions LEFT JOIN kyc AS k USING (submission_id)
        WHERE EXISTS (SELECT 1 FROM few WHERE few.n = 1) AND submission_id NOT IN (
            SELECT a.submission_id FROM aml AS a WHERE a.submission_id = 'nobody'
            UNION ALL SELECT submission_id FROM bank_verification WHERE 1 = 0
        )"""
    folder = make_folder({"few": "SELECT 1 AS n", "much": query})
    much = load_views(folder)[-1]
    assert much.reads == ("aml", "bank_verification", "few", "kyc", "submissions")
    with connected(any_warehouse) as client:
        first, second = prepare(client, 2)
        kyc = client.make_qualified_table_name("kyc")
        client.execute_sql(f"INSERT INTO {kyc} (submission_id) VALUES (%s)", first)
        update_views(client, None, folder)
    rows = any_warehouse.query("SELECT * FROM much ORDER BY submission_id")
    assert rows == [
        {"submission_id": first, "origin": "CTE"},
        {"submission_id": second, "origin": None},
    ]
