"""`sql`: queries return rows and change nothing; the messages about others quote no value."""

from pathlib import Path
from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands import query
from argos_sync.commands.query import run_query
from argos_sync.commands.refresh import refresh
from argos_sync.load.errors import DestinationError
from argos_sync.load.target import Target
from load.dialect_client import client_for
from support import Rows, Warehouse, context_for
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made


def rows_of(warehouse: Warehouse, text: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with run_query(warehouse.target, text) as result:
        return [tuple(row) for batch in result.batches for row in batch]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT COUNT(*) FROM submissions", [(0,)]),
        ("-- a comment; with a semicolon\nSELECT 'it''s; ' -- and\n;\n;", [("it's; ",)]),
        ("WITH one AS (SELECT 1 AS a) SELECT a FROM one WHERE 'x%' LIKE '%'", [(1,)]),
        ("(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1", [(1,), (2,)]),
        ("VALUES (1), (2)", [(1,), (2,)]),
        ("SELECT 1 WHERE 1 = 0", []),
    ],
)
def test_a_query_returns_its_rows(any_warehouse: Warehouse, text: str, rows: list[Any]) -> None:
    """Bare names are those of the dataset, views included."""
    assert rows_of(any_warehouse, text) == rows


def test_columns_have_different_names(any_warehouse: Warehouse) -> None:
    """Repeated names are numbered, so that rows can be objects."""
    with run_query(any_warehouse.target, "SELECT 1 AS a, 2 AS a, 3 AS a_2, 4 AS b") as result:
        assert result.columns == ("a", "a_2", "a_2_2", "b")


def test_rows_come_in_batches(any_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large result is never in memory as a whole."""
    monkeypatch.setattr(query, "BATCH_ROWS", 2)
    text = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"
    with run_query(any_warehouse.target, text) as result:
        assert [len(batch) for batch in result.batches] == [2, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("DELETE FROM submissions", "this is not a query"),
        ("COPY submissions TO 'somewhere'", "this is not a query"),
        ("", "this is not a query"),
        (";", "this is not a query"),
        ("SELECT 1; DELETE FROM submissions", "there are several statements"),
        ("SELECT 'Kim", "the query cannot be read"),
        ("SELECT nothing FROM submissions WHERE userid = 'Kim'", "nothing"),
        ("SELECT 'Kim' FROM nowhere", "nowhere"),
        ("SELECT CAST('Kim' AS INTEGER)", "the query failed: "),
    ],
)
def test_anything_else_is_refused(any_warehouse: Warehouse, text: str, message: str) -> None:
    """The message says why, and never repeats a literal of the query."""
    with pytest.raises(ConfigurationError) as raised:
        rows_of(any_warehouse, text)
    assert message in raised.value.message
    assert "Kim" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "WITH gone AS (DELETE FROM sync_runs RETURNING 1) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM sync_runs",
    ],
)
def test_a_query_changes_nothing(any_warehouse: Warehouse, january: Rows, text: str) -> None:
    """The database itself refuses what only looks like a query."""
    with Emulator(january[:1]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        refresh(context, submission_ids=[january[0]["submission_id"]])
    runs = any_warehouse.table("sync_runs")
    assert runs
    with pytest.raises(ConfigurationError):
        rows_of(any_warehouse, text)
    assert any_warehouse.table("sync_runs") == runs


def test_json_that_is_nested_too_deep(postgres_dataset: str, tmp_path: Path) -> None:
    """PostgreSQL's driver cannot parse it."""
    target = Target("postgres", postgres_dataset, str(tmp_path))
    deep = "(repeat('[', 3000) || repeat(']', 3000))::json"
    with (
        pytest.raises(ConfigurationError, match="nested too deep; cast it to text"),
        run_query(target, f"SELECT {deep} AS deep") as result,
    ):
        list(result.batches)
    with run_query(target, f"SELECT {deep}::text AS deep") as result:
        assert [len(value) for ((value,),) in result.batches] == [6_000]


def test_an_outage_is_not_the_query(postgres_dataset: str, tmp_path: Path) -> None:
    """A server that ends the session has failed: exit code 5."""
    target = Target("postgres", postgres_dataset, str(tmp_path))
    ended = "SELECT pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(DestinationError), run_query(target, ended) as result:
        list(result.batches)


@pytest.mark.parametrize("dialect", ["snowflake", "databricks"])
def test_a_query_of_another_destination_names_its_dataset(dialect: str) -> None:
    """Those have no search path, and no mode in which nothing can be written."""
    client = client_for(dialect)
    _, text = query._one_query(client, "SELECT k.result FROM kyc AS k JOIN x.y ON 1 = 1;")
    assert client.make_qualified_table_name("kyc").lower() in text.lower()
    assert "x.y" in text
    for statement in ("EXPLAIN SELECT 1", "WITH a AS (SELECT 1) DELETE FROM kyc WHERE 1 = 1"):
        with pytest.raises(ConfigurationError, match=r"not a query|cannot be read"):
            query._one_query(client, statement)
