"""Comments on tables, views and columns."""

from dataclasses import replace
from pathlib import Path

import pytest

from argos_sync.commands.sync import sync
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.sql import Client
from argos_sync.shape.contract import Column, Contract, Table, load_contract
from argos_sync.warehouse.comments import TABLE, VIEW, comment_on
from argos_sync.warehouse.view_updates import update_views
from argos_sync.warehouse.views import load_views
from load.dialect_client import client_for
from support import Rows, Warehouse, context_for, duckdb_warehouse
from warehouse.direct import connected, insert_submissions
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made

COMMENTS = {
    "duckdb": """
        SELECT table_name AS name, NULL AS part, comment FROM duckdb_tables()
        WHERE schema_name = 'argos'
        UNION ALL SELECT view_name, NULL, comment FROM duckdb_views() WHERE schema_name = 'argos'
        UNION ALL SELECT table_name, column_name, comment FROM duckdb_columns()
        WHERE schema_name = 'argos'""",
    "postgres": """
        SELECT c.relname AS name, a.attname AS part, d.description AS comment
        FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid
        LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = NULLIF(d.objsubid, 0)
        WHERE c.relnamespace = current_schema()::regnamespace""",
}
"""Queries for the comments on tables and views, and on their columns."""

Comments = dict[tuple[str, str | None], str]


def comments_in(warehouse: Warehouse) -> Comments:
    """Return all comments in the warehouse, by table or view and column."""
    rows = warehouse.query(COMMENTS[warehouse.target.destination])
    return {(row["name"], row["part"]): row["comment"] for row in rows if row["comment"]}


def expected_comments() -> Comments:
    """Return the descriptions in the contract and in the views' files."""
    comments: Comments = {}
    for table in load_contract().tables.values():
        comments[table.name, None] = table.comment
        comments |= {(table.name, column.name): column.comment for column in table.columns}
    for view in load_views():
        comments[view.name, None] = view.describe()
        comments |= {(view.name, column): text for column, text in view.columns.items()}
    return comments


def execute(client: Client, statement: str, name: str) -> None:
    """Run a statement in which `{}` stands for a table or view."""
    client.execute_sql(statement.format(client.make_qualified_table_name(name)))


def test_every_table_view_and_column_has_a_comment(any_warehouse: Warehouse) -> None:
    """Comments are written with the views, and otherwise left as they are."""
    assert comments_in(any_warehouse) == expected_comments()
    with connected(any_warehouse) as client:
        version = update_views(client, None)
        execute(client, "COMMENT ON COLUMN {}.reviewer IS 'ours'", "submissions")
        assert update_views(client, version) == version
    changed = expected_comments() | {("submissions", "reviewer"): "ours"}
    assert comments_in(any_warehouse) == changed
    with connected(any_warehouse) as client:
        execute(client, "DROP VIEW {}", "staleness")
        assert update_views(client, version) == version
    assert comments_in(any_warehouse) == expected_comments()


@pytest.mark.slow  # makes the tables with a privacy policy
def test_a_dropped_column_has_no_comment(tmp_path: Path, january: Rows) -> None:
    """The first sync comments on the tables as they are, and so does each update of the views."""
    warehouse = duckdb_warehouse(tmp_path)
    privacy = {"columns": {"applicants.email": "drop"}}
    with Emulator(january[:5]) as api:
        sync(context_for(api.base_url, warehouse.target, privacy=privacy))
    expected = expected_comments()
    del expected["applicants", "email"]
    assert comments_in(warehouse) == expected
    with open_warehouse(warehouse.target, contract=contract_without_email()) as opened:
        execute(opened.client, "DROP VIEW {}", "staleness")
        update_views(opened.client, "an old version", contract=opened.existing)
    assert comments_in(warehouse) == expected


def test_a_dropped_table_is_skipped(warehouse: Warehouse) -> None:
    """All other tables and views still get their comments."""
    with connected(warehouse) as client:
        execute(client, "DROP VIEW {}", "staleness")
        execute(client, "DROP TABLE {}", "sync_reveals")
        update_views(client, "an old version")
    expected = expected_comments()
    remaining = {key: text for key, text in expected.items() if key[0] != "sync_reveals"}
    assert comments_in(warehouse) == remaining


def contract_without_email() -> Contract:
    """Return the contract of a warehouse that drops e-mail addresses."""
    table = load_contract()["applicants"]
    columns = tuple(column for column in table.columns if column.name != "email")
    return Contract(load_contract().tables | {"applicants": replace(table, columns=columns)})


def test_a_refused_comment_costs_no_view(
    any_warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """The views exist, the log has a warning, and the next run tries again."""
    wrong = Table("kyc", "Results.", ("nowhere",), (Column("nowhere", "text", "none", "?"),))
    contract = Contract({"kyc": wrong})
    with connected(any_warehouse) as client:
        insert_submissions(client, 1)
        execute(client, "DROP VIEW {}", "staleness")
        assert update_views(client, "old", contract=contract) == "old"
    assert any_warehouse.count("staleness") == 1
    (record,) = caplog.records
    assert "comments" in record.message


@pytest.mark.parametrize(
    ("dialect", "statements"),
    {
        "duckdb": [
            """COMMENT ON TABLE "argos"."t" IS 'it''s 9 %'""",
            """COMMENT ON COLUMN "argos"."t"."a" IS 'b; c'""",
            """COMMENT ON VIEW "argos"."t" IS 'it''s 9 %'""",
            """COMMENT ON COLUMN "argos"."t"."a" IS 'b; c'""",
        ],
        "snowflake": [
            """COMMENT ON TABLE "ARGOS"."T" IS 'it\\'s 9 %'""",
            """COMMENT ON VIEW "ARGOS"."T" IS 'it\\'s 9 %'""",
        ],
        "databricks": [
            r"""COMMENT ON TABLE `argos`.`t` IS 'it\'s 9 %'""",
            r"""COMMENT ON TABLE `argos`.`t` IS 'it\'s 9 %'""",
        ],
        "clickhouse": [
            "ALTER TABLE `argos`.`t` MODIFY COMMENT 'it''s 9 %'",
            r"ALTER TABLE `argos`.`t` COMMENT COLUMN `a` 'b\x3B c'",
        ],
    }.items(),
)
def test_statements_are_in_the_dialect(dialect: str, statements: list[str]) -> None:
    """Where columns are missing, dlt comments on those of tables, and views' have no comments."""
    client = client_for(dialect)
    assert statements == [
        statement
        for kind in (TABLE, VIEW)
        for statement in comment_on(client, kind, "t", "it's 9 %", {"a": "b; c"})
    ]
