"""What databases say of their tables, views and columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.sql import Client
from argos_sync.shape.contract import Column, Contract, Table, load_contract
from argos_sync.warehouse.comments import TABLE, VIEW, comment_on
from argos_sync.warehouse.view_updates import update_views
from argos_sync.warehouse.views import load_views, parse_header
from load.test_sql import elsewhere
from support import Rows, Warehouse, context_for

SAID = {
    "duckdb": """
        SELECT table_name AS name, NULL AS part, comment AS said FROM duckdb_tables()
        WHERE schema_name = 'argos'
        UNION ALL SELECT view_name, NULL, comment FROM duckdb_views() WHERE schema_name = 'argos'
        UNION ALL SELECT table_name, column_name, comment FROM duckdb_columns()
        WHERE schema_name = 'argos'""",
    "postgres": """
        SELECT c.relname AS name, a.attname AS part, d.description AS said
        FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid
        LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = NULLIF(d.objsubid, 0)
        WHERE c.relnamespace = current_schema()::regnamespace""",
}
"""What is said of tables and views, and of their columns."""


def said(warehouse: Warehouse) -> dict[tuple[str, str | None], str]:
    """All comments of the warehouse, by name and column."""
    found = warehouse.query(SAID[warehouse.target.destination])
    return {(row["name"], row["part"]): row["said"] for row in found if row["said"]}


def meant() -> dict[tuple[str, str | None], str]:
    """What contract and views have to say."""
    tables, views = load_contract().tables.values(), load_views()
    return (
        {(table.name, None): table.comment for table in tables}
        | {(t.name, c.name): c.comment for t in tables for c in t.columns}
        | {(view.name, None): view.description for view in views}
        | {(view.name, name): what for view in views for name, what in view.columns.items()}
    )


def begin(warehouse: Warehouse, submissions: Rows, **settings: Any) -> None:
    """Has a first sync, which makes the comments."""
    with Emulator(submissions[:5]) as api:
        sync(context_for(api.base_url, warehouse.target, **settings))


def change(client: Client, statement: str, name: str) -> None:
    """Changes the warehouse behind argos-sync's back; `{}` is the table or view called so."""
    client.execute_sql(statement.format(client.make_qualified_table_name(name)))


def test_a_warehouse_explains_itself(any_warehouse: Warehouse, january: Rows) -> None:
    """Every table, view and column has its comment; they are written once, and with the views."""
    begin(any_warehouse, january)
    assert said(any_warehouse) == meant()
    with open_warehouse(any_warehouse.target) as opened:
        remembered = update_views(opened.client, None, contract=opened.existing)
        change(opened.client, "COMMENT ON COLUMN {}.reviewer IS 'ours'", "submissions")
        assert update_views(opened.client, remembered, contract=opened.existing) == remembered
    assert said(any_warehouse) == meant() | {("submissions", "reviewer"): "ours"}
    with open_warehouse(any_warehouse.target) as opened:
        change(opened.client, "DROP VIEW {}", "staleness")
        assert update_views(opened.client, remembered, contract=opened.existing) == remembered
    assert said(any_warehouse) == meant()


def test_what_is_not_there_is_not_explained(warehouse: Warehouse, january: Rows) -> None:
    """Neither a column that is dropped for privacy, nor a table somebody dropped."""
    begin(warehouse, january, privacy={"columns": {"applicants.email": "drop"}})
    expected = meant()
    del expected["applicants", "email"]
    assert said(warehouse) == expected
    with open_warehouse(warehouse.target, contract=without_email()) as opened:
        change(opened.client, "DROP VIEW {}", "staleness")
        change(opened.client, "DROP TABLE {}", "sync_reveals")
        update_views(opened.client, "before", contract=opened.existing)
    left = {key: text for key, text in expected.items() if key[0] != "sync_reveals"}
    assert said(warehouse) == left


def without_email() -> Contract:
    """What the tables are like where e-mail addresses are dropped."""
    table = load_contract()["applicants"]
    columns = tuple(column for column in table.columns if column.name != "email")
    return Contract(load_contract().tables | {"applicants": replace(table, columns=columns)})


def test_a_comment_that_is_refused_costs_no_view(
    any_warehouse: Warehouse, january: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    """The views are there, the log says it, and the next run tries again."""
    begin(any_warehouse, january)
    wrong = Table("kyc", "Results.", ("nowhere",), (Column("nowhere", "text", "none", "?"),))
    with open_warehouse(any_warehouse.target) as opened:
        change(opened.client, "DROP VIEW {}", "staleness")
        assert update_views(opened.client, "before", contract=Contract({"kyc": wrong})) == "before"
    assert any_warehouse.count("staleness") == 1
    (record,) = caplog.records
    assert "comments" in record.message


@pytest.mark.parametrize(
    ("dialect", "words"),
    {
        "duckdb": [
            """COMMENT ON TABLE "argos"."t" IS 'it''s 9 %'""",
            """COMMENT ON COLUMN "argos"."t"."a" IS 'b'""",
            """COMMENT ON VIEW "argos"."t" IS 'it''s 9 %'""",
            """COMMENT ON COLUMN "argos"."t"."a" IS 'b'""",
        ],
        "snowflake": [
            """COMMENT ON TABLE "ARGOS"."T" IS 'it\\'s 9 %'""",
            """COMMENT ON VIEW "ARGOS"."T" IS 'it\\'s 9 %'""",
        ],
        "databricks": [
            r"""COMMENT ON TABLE `argos`.`t` IS 'it\'s 9 %'""",
            r"""COMMENT ON TABLE `argos`.`t` IS 'it\'s 9 %'""",
        ],
        "bigquery": [
            r"""ALTER TABLE `argos`.`t` SET OPTIONS (description = 'it\'s 9 %')""",
            r"""ALTER VIEW `argos`.`t` SET OPTIONS (description = 'it\'s 9 %')""",
        ],
        "clickhouse": [
            "ALTER TABLE `argos`.`t` MODIFY COMMENT 'it''s 9 %'",
            "ALTER TABLE `argos`.`t` COMMENT COLUMN `a` 'b'",
        ],
    }.items(),
)
def test_the_words_of_each(dialect: str, words: list[str]) -> None:
    """Where columns are missing, dlt comments on those of tables, and nobody on those of views."""
    client = elsewhere(dialect)
    found = [
        text
        for kind in (TABLE, VIEW)
        for text in comment_on(client, kind, "t", "it's 9 %", {"a": "b"})
    ]
    assert found == words


def test_a_header_may_be_long() -> None:
    """Lines go on in the next, and what follows the header is no part of it."""
    text = """-- How many
-- are there?
--
-- n     So many,
--       or more: a b
-- long  Other
WITH a AS (
-- x  Not this
SELECT 1)"""
    assert parse_header(text) == (
        "How many are there?",
        {"n": "So many, or more: a b", "long": "Other"},
    )
    assert parse_header("SELECT 1 AS n") == ("", {})
