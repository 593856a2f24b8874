"""Every statement this package sends, in the words of every warehouse it says it works with."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlglot
from dlt.common.destination import Destination
from sqlglot import exp
from sqlglot.errors import ErrorLevel

from argos_sync.commands import publish as publishing
from argos_sync.commands.forget import forget
from argos_sync.commands.publish import publish
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.reveal import reveal
from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
from argos_sync.load import sql
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.report import make_report
from argos_sync.warehouse.overview import read_overview
from argos_sync.warehouse.rows import mark_fetched, stored_submissions
from argos_sync.warehouse.views import load_views, view_query
from support import NOW, Rows, Warehouse, at, context_for, duckdb_warehouse

COMMON = {
    *(
        "AVG",
        "CAST",
        "COALESCE",
        "COUNT",
        "FIRST_VALUE",
        "FLOOR",
        "GREATEST",
        "LOWER",
        "MAX",
        "MIN",
    ),
    *("NULLIF", "ROW_NUMBER", "SUM", "TRIM"),
}
"""Functions that every one of the databases has under this name."""

FUNCTIONS = {
    "duckdb": {"DATE_DIFF", "DATE_TRUNC", "EPOCH", "STRING_AGG", "UNNEST"},
    "postgres": {"DATE_PART", "DATE_TRUNC", "EXTRACT", "STRING_AGG"},
    "redshift": {"DATEDIFF", "DATE_PART", "DATE_TRUNC", "GETDATE", "JSON_SERIALIZE", "LISTAGG"},
    "snowflake": {
        *(
            "CONVERT_TIMEZONE",
            "CURRENT_TIMESTAMP",
            "DATEADD",
            "DATEDIFF",
            "DAYOFWEEKISO",
            "EXTRACT",
        ),
        *("GREATEST_IGNORE_NULLS", "LISTAGG"),
    },
    "bigquery": {
        *("CURRENT_TIMESTAMP", "DATE", "DATE_DIFF", "DATE_TRUNC", "STRING_AGG", "TO_JSON_STRING"),
        "UNIX_SECONDS",
    },
    "databricks": {
        *("CURRENT_TIMESTAMP", "CURRENT_TIMEZONE", "DATEDIFF", "DATE_TRUNC", "LISTAGG"),
        *("TO_UTC_TIMESTAMP", "UNIX_TIMESTAMP"),
    },
    "clickhouse": {
        *("ARRAYMAP", "ARRAYSORT", "ARRAYSTRINGCONCAT", "CURRENT_TIMESTAMP", "DATE_DIFF"),
        *("GROUPARRAY", "NULLABLE", "TODATE", "TOMONDAY", "TOTIMEZONE", "TOUNIXTIMESTAMP"),
    },
}
"""What each has beside them, from its manual."""

NOT_FUNCTIONS = {
    *("AND", "ANY", "AS", "FROM", "GROUP", "IN", "NOT", "ON", "OR", "OVER", "SELECT", "VALUES"),
    "WHERE",
}

MUTATION = re.compile(r"ALTER TABLE (\S+) UPDATE (.*) SETTINGS mutations_sync = 1")

MISSING = {
    "AT TIME ZONE": {"duckdb", "postgres", "redshift"},
    "= ANY(": {"postgres"},
    "::": set(),
    " USING ": set(),
    " RETURNING ": set(),
    " QUALIFY ": set(),
    " FILTER(": set(),
    "DISTINCT ON": set(),
}
"""What not every database has, and those whose statements may have it."""


def elsewhere(dialect: str) -> sql.Client:
    """Return what stands for dlt's client of a warehouse: its capabilities, and its names."""
    capabilities = Destination.from_reference(dialect).capabilities()

    def named(table: str) -> str:
        parts = map(capabilities.casefold_identifier, ("argos", table))
        return ".".join(map(capabilities.escape_identifier, parts))

    client = SimpleNamespace(capabilities=capabilities, make_qualified_table_name=named)
    return cast("sql.Client", client)


@pytest.fixture(scope="module")
def statements(
    tmp_path_factory: pytest.TempPathFactory, january: Rows
) -> dict[str, tuple[Any, ...]]:
    """What two nights, a reconcile, forget, reveal, publish, report and status send, as written."""
    found: dict[str, tuple[Any, ...]] = {}
    plain = sql.translate

    def noted(client: sql.Client, statement: str, parameters: Any = ()) -> tuple[str, list[Any]]:
        found.setdefault(statement, tuple(parameters))
        return plain(client, statement, parameters)

    folder = tmp_path_factory.mktemp("statements")
    warehouse = duckdb_warehouse(folder)
    privacy = {"columns": {"applicants.name": "encrypt"}, "key": "a secret that is long enough"}
    lost, changed, one = (january[i]["submission_id"] for i in (3, 90, 30))
    with pytest.MonkeyPatch.context() as patch, Emulator(january[:100]) as api:
        patch.setattr(sql, "translated", noted)
        patch.setattr(publishing, "translated", noted)
        context = context_for(api.base_url, warehouse.target, privacy=privacy)
        sync(context)
        api.store.delete(lost)
        api.store.update(changed, {"reviewer": "somebody else"})
        sync(at(context, NOW + timedelta(days=20)))
        later = at(context, NOW + timedelta(days=21))
        reconcile(later, date(2025, 1, 1), date(2025, 1, 31), deep=True)
        reveal(later, one)
        forget(later, [("submission_id", one), ("userid", "U"), ("email", "E")])
        publish(warehouse.target, folder / "copy.duckdb")
        make_report(warehouse.target, folder / "report.html", now=NOW, bound=30)
        with open_read_only(warehouse.target) as opened:
            read_overview(opened.client)
            sql.select(opened.client, sql_of_status())
    return found


def sql_of_status() -> str:
    """Return what `status` asks when there are no views yet."""
    (view,) = (view for view in load_views() if view.name == "staleness")
    return f"SELECT MAX(max_age_days) FROM ({view.select.sql(dialect=sql.SOURCE_DIALECT)}) AS found"


def wrong_with(text: str, dialect: str) -> list[str]:
    """Return what a statement has that the dialect lacks."""
    plain = text.replace("%s", "NULL")
    if mutation := MUTATION.fullmatch(plain):  # which sqlglot does not read
        plain = f"UPDATE {mutation[1]} SET {mutation[2]}"
    tree = sqlglot.parse_one(plain, dialect, error_level=ErrorLevel.RAISE)
    called = {name.upper() for name in re.findall(r"(?<![\w.\"`])([A-Za-z]\w*) ?\(", text)}
    wrong = sorted(called - COMMON - FUNCTIONS[dialect] - NOT_FUNCTIONS)
    wrong += [words for words, has in MISSING.items() if words in text and dialect not in has]
    if isinstance(tree, exp.Update | exp.Delete):
        wrong += [] if tree.args.get("where") else ["no WHERE"]
        wrong += ["an alias"] if tree.this.alias else []
        updates = dialect == "clickhouse" and isinstance(tree, exp.Update)
        wrong += ["UPDATE"] if updates and not mutation else []
    return wrong


@pytest.mark.parametrize("dialect", FUNCTIONS)
def test_every_statement_is_one_of_the_dialect(
    dialect: str, statements: dict[str, tuple[Any, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    """It parses there, calls what is there, and has a place for each parameter."""
    client = elsewhere(dialect)
    kinds = {statement.split()[0] for statement in statements}
    assert kinds == {"SELECT", "WITH", "UPDATE", "DELETE", "INSERT"}
    assert len(statements) > 60
    for statement, parameters in statements.items():
        text, values = sql.translate(client, statement, parameters)
        assert wrong_with(text, dialect) == [], text
        assert text.count("%s") == len(values), text
        assert None not in values, text
    assert caplog.messages == []  # sqlglot says so when it cannot say something


@pytest.mark.parametrize("dialect", FUNCTIONS)
@pytest.mark.parametrize("view", load_views(), ids=lambda view: view.name)
def test_every_view_is_one_of_the_dialect(
    dialect: str, view: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The same holds for the views, which may use more of SQL."""
    text = view_query(elsewhere(dialect), view)
    assert wrong_with(text, dialect) == [], text
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("dialect", "words"),
    {
        "duckdb": 'UPDATE "argos"."t" SET "a" = %s, "b" = NULL WHERE LOWER("c") IN'
        " (SELECT unnest(%s)) AND CAST(\"d\" AT TIME ZONE 'UTC' AS DATE) = %s",
        "postgres": 'UPDATE "argos"."t" SET "a" = %s, "b" = NULL WHERE LOWER("c") = ANY(%s)'
        " AND CAST(\"d\" AT TIME ZONE 'UTC' AS DATE) = %s",
        "redshift": 'UPDATE "argos"."t" SET "a" = %s, "b" = NULL WHERE LOWER("c") IN (%s, %s)'
        " AND CAST(\"d\" AT TIME ZONE 'UTC' AS DATE) = %s",
        "snowflake": 'UPDATE "ARGOS"."T" SET "A" = %s, "B" = NULL WHERE LOWER("C") IN (%s, %s)'
        " AND CAST(CONVERT_TIMEZONE('UTC', \"D\") AS DATE) = %s",
        "bigquery": "UPDATE `argos`.`t` SET `a` = %s, `b` = NULL WHERE LOWER(`c`) IN (%s, %s)"
        " AND DATE(`d`, 'UTC') = %s",
        "databricks": "UPDATE `argos`.`t` SET `a` = %s, `b` = NULL WHERE LOWER(`c`) IN (%s, %s)"
        " AND CAST(TO_UTC_TIMESTAMP(`d`, CURRENT_TIMEZONE()) AS DATE) = %s",
        "clickhouse": 'ALTER TABLE "argos"."t" UPDATE "a" = %s, "b" = NULL WHERE LOWER("c") IN'
        " (%s, %s) AND toDate(toTimeZone(\"d\", 'UTC')) = %s SETTINGS mutations_sync = 1",
    }.items(),
)
def test_the_words_of_each(dialect: str, words: str) -> None:
    """Names, parameters, lists, nulls and days, where dialects differ."""
    statement = "UPDATE t SET a = ?, b = ? WHERE LOWER(c) = ANY(?) AND UTC_DAY(d) = ?"
    text, values = sql.translate(elsewhere(dialect), statement, ("A", None, ["x", "y"], "D"))
    assert text.replace("UNNEST", "unnest") == words
    lists = dialect in {"duckdb", "postgres"}
    assert values == (["A", ["x", "y"], "D"] if lists else ["A", "x", "y", "D"])


@pytest.mark.parametrize(
    ("dialect", "words"),
    {
        "duckdb": 'CAST("a" AS TEXT)',
        "bigquery": "TO_JSON_STRING(`a`)",
        "redshift": 'JSON_SERIALIZE("a")',
        "databricks": "CAST(`a` AS STRING)",
    }.items(),
)
def test_json_is_read_as_text(dialect: str, words: str) -> None:
    """However the column keeps it."""
    text, _ = sql.translate(elsewhere(dialect), "SELECT JSON_TEXT(a) FROM t")
    assert text.startswith(f"SELECT {words} FROM ")


def test_long_lists_go_in_portions(
    warehouse: Warehouse, january: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a driver takes no lists, each value is a parameter, and there are only so many."""
    ids = [submission["submission_id"] for submission in january[:20]]
    with Emulator(january[:20]) as api:
        sync(context_for(api.base_url, warehouse.target))
    monkeypatch.setattr(sql, "_DIALECTS_WITH_LISTS", set())
    monkeypatch.setattr(sql, "_KEYS_PER_STATEMENT", 6)
    sql._translate_text.cache_clear()
    moment = datetime(2025, 3, 1, tzinfo=UTC)
    with open_warehouse(warehouse.target) as opened:
        assert [len(one) for one in sql.key_batches(opened.client, ids)] == [6, 6, 6, 2]
        assert set(stored_submissions(opened.client, [*ids, "nobody"])) == set(ids)
        mark_fetched(opened.client, ids[:15], moment)
        assert list(sql.key_batches(opened.client, [])) == []
    sql._translate_text.cache_clear()
    found = warehouse.query("SELECT submission_id, _synced_at FROM submissions")
    touched = {row["submission_id"] for row in found if row["_synced_at"] == moment}
    assert touched == set(ids[:15])


def test_dlt_brings_every_value_as_it_is(any_warehouse: Warehouse, january: Rows) -> None:
    """Parameters are in the order of the text, and none of them is code."""
    with Emulator(january[:1]) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    query = (
        "SELECT CAST(? AS TEXT), CAST(? AS BIGINT), submission_id FROM submissions"
        " WHERE submission_id = ANY(?) AND created_at < ? ORDER BY 1"
    )
    key = january[0]["submission_id"]
    with open_warehouse(any_warehouse.target) as opened:
        found = sql.execute(opened.client, query, "100 %s '; --", None, [key, "?"], NOW)
        assert not sql.tables_exist(opened.client, ["submissions", "no_such_table"])
        assert sql.select(opened.client, "SELECT 1 FROM no_such_table") == ()
    assert [tuple(row) for row in found] == [("100 %s '; --", None, key)]
