"""What databases say of their tables, views and columns."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from argos_sync.emulator import Emulator
from argos_sync.load.commands import sync
from argos_sync.load.comments import TABLE, VIEW, comment_on, header
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.views import keep_views, load_views
from argos_sync.shape.contract import Column, Contract, Table, load_contract
from load.test_sql import elsewhere
from support import NOW, Rows, Warehouse, at, context_for

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


def meant(*without: str) -> dict[tuple[str, str | None], str]:
    """What contract and views have to say, without some columns."""
    tables, views = load_contract().tables.values(), load_views()
    return (
        {(table.name, None): table.comment for table in tables}
        | {(t.name, c.name): c.comment for t in tables for c in t.columns if c.name not in without}
        | {(view.name, None): view.description for view in views}
        | {(view.name, name): what for view in views for name, what in view.columns.items()}
    )


def test_a_warehouse_explains_itself(any_warehouse: Warehouse, january: Rows) -> None:
    """Every table, view and column has its comment; they are written once, and when one is new."""
    with Emulator(january[:5]) as api:
        context = context_for(api.base_url, any_warehouse.target)
        sync(context)
        assert said(any_warehouse) == meant()
        sync(at(context, NOW + timedelta(hours=1)))  # notes what was made
        change(any_warehouse, "COMMENT ON COLUMN {submissions}.reviewer IS 'ours'")
        sync(at(context, NOW + timedelta(hours=2)))
        assert said(any_warehouse) == meant() | {("submissions", "reviewer"): "ours"}
        change(any_warehouse, "DROP VIEW {staleness}")
        sync(at(context, NOW + timedelta(hours=3)))
    assert said(any_warehouse) == meant()


def test_what_is_not_there_is_not_explained(warehouse: Warehouse, january: Rows) -> None:
    """Neither a column that is dropped for privacy, nor a table somebody dropped."""
    with Emulator(january[:5]) as api:
        privacy: dict[str, Any] = {"columns": {"applicants.email": "drop"}}
        context = context_for(api.base_url, warehouse.target, privacy=privacy)
        sync(context)
        expected = meant("email")
        assert said(warehouse) == expected
        change(warehouse, "DROP VIEW {staleness}", "DROP TABLE {sync_reveals}")
        sync(at(context, NOW + timedelta(hours=1)))
    left = {key: text for key, text in expected.items() if key[0] != "sync_reveals"}
    assert said(warehouse) == left


def change(warehouse: Warehouse, *statements: str) -> None:
    """Changes the warehouse behind argos-sync's back; `{name}` is the table or view called so."""
    with open_warehouse(warehouse.target) as opened:
        client = opened.client
        named = ("submissions", "staleness", "sync_reveals")
        places = {name: client.make_qualified_table_name(name) for name in named}
        for statement in statements:
            client.execute_sql(statement.format(**places))


def test_a_comment_that_is_refused_costs_no_view(
    any_warehouse: Warehouse, january: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    """The views are there, the log says it, and the next run tries again."""
    with Emulator(january[:1]) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    change(any_warehouse, "DROP VIEW {staleness}")
    wrong = Table("kyc", "Results.", ("nowhere",), (Column("nowhere", "text", "none", "?"),))
    with open_warehouse(any_warehouse.target) as opened:
        assert keep_views(opened.client, "before", contract=Contract({"kyc": wrong})) == "before"
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
    assert header(text) == ("How many are there?", {"n": "So many, or more: a b", "long": "Other"})
    assert header("SELECT 1 AS n") == ("", {})
