"""The views for analysts: what `staleness` answers, and how views are made, kept and remade."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
import pytest
from sqlglot import exp

from argos_sync.commands.backfill import backfill
from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator, generate
from argos_sync.load.pipeline import open_warehouse
from argos_sync.shape.columns import arrow_schema
from argos_sync.shape.contract import SUBMISSIONS, load_contract
from argos_sync.warehouse.views import Client, load_views, update_views, view_query
from support import PG, Warehouse, context_for

ALL = "SELECT * FROM staleness ORDER BY age_days"
Folder = Callable[..., Path]


@contextmanager
def connected(warehouse: Warehouse) -> Iterator[Client]:
    """Opens the warehouse as a run does."""
    with open_warehouse(warehouse.target) as opened:
        yield opened.client


def load(warehouse: Warehouse, count: int) -> list[str]:
    """Loads some submissions, and drops the views that the run made; the ids in order."""
    days = {"start": date(2025, 1, 1), "end": date(2025, 1, 31)}
    with Emulator(generate(count, seed=5, **days)) as api:
        backfill(context_for(api.base_url, warehouse.target), days["start"], days["end"])
    with connected(warehouse) as client:
        for view in load_views():
            name = client.make_qualified_table_name(view.name)
            client.execute_sql(f"DROP VIEW IF EXISTS {name} CASCADE")
    found = warehouse.query("SELECT submission_id FROM submissions ORDER BY submission_id")
    return [row["submission_id"] for row in found]


def change(client: Client, submission_id: str, column: str, value: Any) -> None:
    """Changes a submission behind argos-sync's back."""
    table, key = client.make_qualified_table_name(SUBMISSIONS), "submission_id"
    client.execute_sql(f"UPDATE {table} SET {column} = %s WHERE {key} = %s", value, submission_id)


def fetched_ago(warehouse: Warehouse, ages: list[timedelta]) -> dict[timedelta, datetime]:
    """Loads a submission for each age and makes it that old; keeps the views; the moments."""
    ids, now = load(warehouse, len(ages)), datetime.now(UTC)
    with connected(warehouse) as client:
        for submission_id, age in zip(ids, ages, strict=True):
            change(client, submission_id, "_synced_at", now - age)
        update_views(client, None)
    return {age: now - age for age in ages}


def names(warehouse: Warehouse) -> list[str]:
    """Which views there are; all of them can be read."""
    query = """
        SELECT table_name AS name FROM information_schema.tables
        WHERE table_schema = current_schema() AND table_type = 'VIEW' ORDER BY 1"""
    found = [row["name"] for row in warehouse.query(query)]
    for name in found:
        warehouse.query(f"SELECT * FROM {name}")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes folders of view files."""

    def make(views: Mapping[str, str]) -> Path:
        place = tmp_path / f"views-{len(list(tmp_path.glob('views-*')))}"
        place.mkdir()
        for name, text in views.items():
            (place / f"{name}.sql").write_text(text, encoding="utf-8")
        return place

    return make


@pytest.mark.tables_made
def test_staleness_counts_by_whole_days(any_warehouse: Warehouse) -> None:
    """Submissions are counted by days since they were fetched; those gone do not count."""
    minute, hours, day = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
    ages = [minute, 10 * day + minute, 10 * day + 7 * hours, 11 * day - minute, 45.25 * day]
    ids = load(any_warehouse, 6)
    with connected(any_warehouse) as client:
        change(client, ids[5], "_deleted_at", datetime.now(UTC))
        change(client, ids[5], "_synced_at", datetime.now(UTC) - 90 * day)
        now = datetime.now(UTC)
        for submission_id, age in zip(ids[:5], ages, strict=True):
            change(client, submission_id, "_synced_at", now - age)
        update_views(client, None)
    rows = any_warehouse.query(ALL)
    assert [(row["age_days"], row["submissions"]) for row in rows] == [(0, 1), (10, 3), (45, 1)]
    oldest = [now - ages[0], now - ages[3], now - ages[4]]
    assert [row["oldest_synced_at"].astimezone(UTC) for row in rows] == oldest
    assert [row["max_age_days"] for row in rows] == pytest.approx([45.25] * 3, abs=0.001)
    types = {type(row[name]) for row in rows for name in ("age_days", "submissions")}
    assert (types, type(rows[0]["max_age_days"])) == ({int}, float)


@pytest.mark.tables_made
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Seoul"])
def test_staleness_is_the_same_in_every_time_zone(any_warehouse: Warehouse, zone: str) -> None:
    """A day has 24 hours, also where clocks were changed since; midnight has no part in it."""
    # Whenever the test runs, clocks in New York were changed once since some of these days.
    days = (60, 120, 180, 240, 300)
    quarter = timedelta(minutes=15)
    fetched_ago(
        any_warehouse, [timedelta(days=n) + off for n in days for off in (quarter, -quarter)]
    )
    expected = sorted(day for n in days for day in (n - 1, n))
    assert [row["age_days"] for row in any_warehouse.query(ALL)] == expected
    with connected(any_warehouse) as client:
        client.execute_sql(f"SET TimeZone = '{zone}'")
        view = client.make_qualified_table_name("staleness")
        found = client.execute_sql(f"SELECT age_days, submissions FROM {view} ORDER BY 1")
    assert found == [(day, 1) for day in expected]


@pytest.mark.tables_made
def test_staleness_knows_no_future(any_warehouse: Warehouse) -> None:
    """What another machine's clock says was fetched in an hour was fetched just now."""
    fetched_ago(any_warehouse, [timedelta(hours=-1)])
    (row,) = any_warehouse.query(ALL)
    assert (row["age_days"], row["max_age_days"]) == (0, 0.0)


@pytest.mark.tables_made
def test_staleness_of_nothing(any_warehouse: Warehouse) -> None:
    """Without submissions there are no rows."""
    load(any_warehouse, 0)
    with connected(any_warehouse) as client:
        update_views(client, None)
    assert any_warehouse.query(ALL) == []


def test_views_are_remade_when_needed_only(any_warehouse: Warehouse, folder: Folder) -> None:
    """Views stay as they are while their texts do, and are remade when they change or are gone."""
    load(any_warehouse, 3)
    views = folder({"few": "SELECT COUNT(*) AS n FROM submissions"})
    answer = "SELECT n FROM few"
    with connected(any_warehouse) as client:
        view = client.make_qualified_table_name("few")
        remembered = update_views(client, None, views)
        client.execute_sql(f"DROP VIEW {view}")
        client.execute_sql(f"CREATE VIEW {view} AS SELECT 99 AS n")
        assert update_views(client, remembered, views) == remembered
    assert any_warehouse.query(answer) == [{"n": 99}]
    with connected(any_warehouse) as client:
        assert update_views(client, None, views) == remembered
    assert any_warehouse.query(answer) == [{"n": 3}]
    with connected(any_warehouse) as client:
        client.execute_sql(f"DROP VIEW {view}")
        assert update_views(client, remembered, views) == remembered
    assert any_warehouse.query(answer) == [{"n": 3}]


def test_a_view_that_cannot_be_read_is_remade(warehouse: Warehouse, folder: Folder) -> None:
    """DuckDB lets a column go that a view reads; the view is there, and of no use."""
    load(warehouse, 3)
    views = folder({"few": "SELECT COUNT(*) AS n FROM submissions"})
    with connected(warehouse) as client:
        remembered = update_views(client, None, views)
        client.execute_sql("CREATE TABLE other (n INTEGER)")
        client.execute_sql("CREATE OR REPLACE VIEW few AS SELECT n FROM other")
        client.execute_sql("ALTER TABLE other RENAME n TO m")
        assert update_views(client, remembered, views) == remembered
    assert warehouse.query("SELECT n FROM few") == [{"n": 3}]


def test_a_new_version_may_differ_in_everything(any_warehouse: Warehouse, folder: Folder) -> None:
    """Columns go and change their types, views read others than before, and some are gone."""
    load(any_warehouse, 3)
    before = folder(
        {
            "base": "SELECT submission_id, created_at FROM submissions",
            "upper": "SELECT COUNT(*) AS n FROM base",
            "gone": "SELECT n FROM upper",
        }
    )
    after = folder(
        {
            "base": "SELECT n AS submission_id FROM upper",
            "upper": "SELECT 'three' AS n, COUNT(*) AS m FROM submissions",
        }
    )
    with connected(any_warehouse) as client:
        remembered = update_views(client, None, before)
    assert names(any_warehouse) == ["base", "gone", "upper"]
    with connected(any_warehouse) as client:
        update_views(client, remembered, after)
    assert names(any_warehouse) == ["base", "upper"]
    assert any_warehouse.query("SELECT * FROM base") == [{"submission_id": "three"}]
    assert any_warehouse.query("SELECT * FROM upper") == [{"n": "three", "m": 3}]


def test_what_a_killed_run_remade_is_remade(any_warehouse: Warehouse, folder: Folder) -> None:
    """Views of a version that nobody remembers, in whatever order they read, are replaced too."""
    load(any_warehouse, 2)
    older = folder({"a": "SELECT 1 AS n", "b": "SELECT n FROM a", "c": "SELECT n FROM b"})
    newer = folder({"a": "SELECT n FROM b", "b": "SELECT COUNT(*) AS n FROM submissions"})
    with connected(any_warehouse) as client:
        remembered = update_views(client, None, older)
        update_views(client, remembered, newer)
        assert update_views(client, remembered, older) == remembered
    assert any_warehouse.query("SELECT n FROM c") == [{"n": 1}]


def test_a_view_that_is_refused_changes_nothing(
    any_warehouse: Warehouse, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    """All of the views of before are still there, the log says why, and it is tried again."""
    load(any_warehouse, 4)
    before = folder({"few": "SELECT COUNT(*) AS n FROM submissions"})
    wrong = folder({"few": "SELECT 5 AS n", "much": "SELECT no_such_column FROM submissions"})
    with connected(any_warehouse) as client:
        remembered = update_views(client, None, before)
        assert update_views(client, remembered, wrong) == remembered
    assert any_warehouse.query("SELECT n FROM few") == [{"n": 4}]
    assert names(any_warehouse) == ["few"]
    (record,) = caplog.records
    assert re.search(r"for analysts \((BinderException|UndefinedColumn)\)", record.message)
    assert "no_such_column" not in record.message
    with connected(any_warehouse) as client:
        assert update_views(client, None, wrong) == ""
        update_views(client, remembered, folder({"few": "SELECT 6 AS n"}))
    assert any_warehouse.query("SELECT n FROM few") == [{"n": 6}]


def test_views_over_tables_that_do_not_exist_are_left_out(
    any_warehouse: Warehouse, folder: Folder
) -> None:
    """So are views over such views, until the tables are there."""
    load(any_warehouse, 2)
    views = folder(
        {
            "a": "SELECT n FROM z",
            "b": "SELECT COUNT(*) AS n FROM submissions",
            "z": "SELECT COUNT(*) AS n FROM later AS l JOIN submissions USING (submission_id)",
        }
    )
    with connected(any_warehouse) as client:
        first = update_views(client, None, views)
        assert update_views(client, first, views) == first
    assert names(any_warehouse) == ["b"]
    with connected(any_warehouse) as client:
        later = client.make_qualified_table_name("later")
        submissions = client.make_qualified_table_name(SUBMISSIONS)
        client.execute_sql(f"CREATE TABLE {later} AS SELECT submission_id FROM {submissions}")
        second = update_views(client, first, views)
        assert update_views(client, second, views) == second != first
    assert names(any_warehouse) == ["a", "b", "z"]
    assert any_warehouse.query("SELECT n FROM a") == [{"n": 2}]


def test_a_dataset_that_was_emptied_has_views_again(any_warehouse: Warehouse) -> None:
    """Whatever is remembered, views are there after the next load."""
    load(any_warehouse, 2)
    with connected(any_warehouse) as client:
        remembered = update_views(client, None)
        assert remembered.split()[1:] == sorted(view.name for view in load_views())
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
        for (name,) in client.execute_sql(f"{query} AND table_type <> 'VIEW'", client.dataset_name):
            client.execute_sql(f"DROP TABLE {client.make_qualified_table_name(name)} CASCADE")
        assert update_views(client, remembered).split()[1:] == []
    assert names(any_warehouse) == []
    load(any_warehouse, 3)
    with connected(any_warehouse) as client:
        assert update_views(client, remembered) == remembered
    assert sum(row["submissions"] for row in any_warehouse.query(ALL)) == 3


def test_loads_go_on_under_views(any_warehouse: Warehouse, january: list[dict[str, Any]]) -> None:
    """Merges, and columns that are new to a table, do not mind that views read it."""
    with Emulator(january) as api:
        context = context_for(api.base_url, any_warehouse.target)
        sync(context)
        with connected(any_warehouse) as client:
            remembered = update_views(client, None)
        for one in january[-50:]:
            api.store.update(one["submission_id"], {"reviewer": "somebody else"})
        assert sync(context).submissions_changed == 50
    assert sum(row["submissions"] for row in any_warehouse.query(ALL)) == len(january)
    (row,) = any_warehouse.query("SELECT * FROM submissions LIMIT 1")
    schema = arrow_schema(load_contract()[SUBMISSIONS])
    rows = pa.Table.from_pylist([row | {"submission_id": "one more"}], schema=schema)
    rows = rows.append_column("shoe_size", pa.array([42]))
    with open_warehouse(any_warehouse.target) as opened:
        opened.load({SUBMISSIONS: rows}, lambda _: None)
        assert update_views(opened.client, remembered) == remembered
    (found,) = any_warehouse.query("SELECT shoe_size FROM submissions WHERE shoe_size > 0")
    assert found == {"shoe_size": 42}
    assert sum(row["submissions"] for row in any_warehouse.query(ALL)) == len(january) + 1


def test_a_duckdb_file_may_get_another_name(warehouse: Warehouse, tmp_path: Path) -> None:
    """Views find their tables in a copy of the file, and in one attached under another name."""
    load(warehouse, 3)
    with connected(warehouse) as client:
        update_views(client, None)
    (tmp_path / "kyc.duckdb").rename(tmp_path / "backup.duckdb")
    query = "SELECT submissions FROM {}.argos.staleness"
    with duckdb.connect(tmp_path / "backup.duckdb", read_only=True) as connection:
        assert connection.execute(query.format("backup")).fetchall() == [(3,)]
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{tmp_path / 'backup.duckdb'}' AS old (READ_ONLY)")
        assert connection.execute(query.format("old")).fetchall() == [(3,)]


def test_a_view_may_be_any_query(any_warehouse: Warehouse, folder: Folder) -> None:
    """Tables are found in subqueries too, and CTEs are not taken for tables of the same name."""
    query = """
        WITH kyc AS (SELECT submission_id, 'CTE' AS origin FROM kyc)
        SELECT submissions.submission_id, k.origin
        FROM submissions JOIN kyc AS k USING (submission_id)
        WHERE EXISTS (SELECT 1 FROM few WHERE few.n = 1) AND submission_id NOT IN (
            SELECT a.submission_id FROM aml AS a WHERE a.submission_id = 'nobody'
            UNION ALL SELECT submission_id FROM bank_verification WHERE 1 = 0
        )"""
    views = folder({"few": "SELECT 1 AS n", "much": query})
    much = load_views(views)[-1]
    assert much.reads == ("aml", "bank_verification", "few", "kyc", "submissions")
    ids = load(any_warehouse, 3)
    with connected(any_warehouse) as client:
        update_views(client, None, views)
    found = any_warehouse.query("SELECT * FROM much ORDER BY submission_id")
    assert found == [{"submission_id": one, "origin": "CTE"} for one in ids]


def test_tables_get_their_dataset_before_them(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only DuckDB's views find tables without one; columns may go on to name the bare table."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", PG)
    query = "SELECT kyc.result, a.score FROM kyc JOIN aml AS a USING (submission_id)"
    (view,) = load_views(folder({"both": query}))
    texts = {}
    for name in ("duckdb", "postgres"):
        pipeline = dlt.pipeline("views", str(tmp_path), destination=name, dataset_name="mine")
        texts[name] = view_query(pipeline.sql_client(), view)
    assert texts["duckdb"] == query
    assert texts["postgres"] == (
        'SELECT kyc.result, a.score FROM "mine"."kyc" AS kyc'
        ' JOIN "mine"."aml" AS a USING (submission_id)'
    )


@pytest.mark.parametrize("view", load_views(), ids=lambda view: view.name)
def test_every_view_explains_itself(view: Any) -> None:
    """A file's header describes exactly the columns the view has, in order, each named."""
    assert view.description
    assert list(view.columns) == view.select.named_selects
    counted = view.select.find_all(exp.Count)
    assert len(list(view.select.find_all(exp.Star))) == sum(
        isinstance(count.this, exp.Star) for count in counted
    )


def test_views_read_what_there_is() -> None:
    """Views have names no table has, and read tables of the contract and each other."""
    views, tables = {view.name for view in load_views()}, set(load_contract().tables)
    assert "staleness" in views
    assert not views & tables
    assert {name for view in load_views() for name in view.reads} <= views | tables


@pytest.mark.parametrize("view", load_views(), ids=lambda view: view.name)
def test_views_identify_nobody(view: Any) -> None:
    """But for `submissions_wide`, which has every value; duplicates are found by a user's id."""
    direct = {
        column.name
        for name in set(view.reads) & set(load_contract().tables)
        for column in load_contract()[name].columns
        if column.privacy == "direct"
    }
    seen = direct & {column.name for column in view.select.find_all(exp.Column)}
    if view.name == "submissions_wide":
        assert seen
    elif view.name == "duplicates":
        assert seen == {"userid"}
        assert not seen & set(view.select.named_selects)
    else:
        assert seen == set()
