"""Every statement that this package sends, in the dialect of every supported warehouse."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel

from argos_sync.commands.forget import forget
from argos_sync.commands.publish import rows as published_rows
from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.reveal import reveal
from argos_sync.commands.sync import sync
from argos_sync.load import sql
from argos_sync.load.lease import LEASE_TABLE, hold_lease
from argos_sync.load.read_only import open_read_only
from argos_sync.load.target import make_pipeline
from argos_sync.report import make_report, scope_of
from argos_sync.warehouse import copied_views
from argos_sync.warehouse.overview import read_overview
from argos_sync.warehouse.rows import mark_fetched, stored_submissions
from argos_sync.warehouse.views import View, load_views, view_query
from load.dialect_client import client_for
from support import NOW, Rows, Warehouse, at, context_for, duckdb_warehouse
from warehouse.direct import connected, insert_submissions
from whole_lists import Emulator

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
"""Functions that every database has under this name."""

FUNCTIONS = {
    "duckdb": {"DATE_DIFF", "DATE_TRUNC", "EPOCH", "FROM_JSON", "STRING_AGG", "UNNEST"},
    "postgres": {"DATE_PART", "DATE_TRUNC", "EXTRACT", "STRING_AGG"},
    "redshift": {"DATEDIFF", "DATE_PART", "DATE_TRUNC", "GETDATE", "JSON_SERIALIZE", "LISTAGG"},
    "snowflake": {
        *(
            "CONVERT_TIMEZONE",
            "CURRENT_TIMESTAMP",
            "DATE_PART",
            "DATEADD",
            "DATEDIFF",
            "DAYOFWEEKISO",
            "EXTRACT",
        ),
        *("GREATEST_IGNORE_NULLS", "LISTAGG"),
    },
    "databricks": {
        *("CURRENT_TIMESTAMP", "CURRENT_TIMEZONE", "DATEDIFF", "DATE_TRUNC", "LISTAGG"),
        *("FROM_UTC_TIMESTAMP", "TO_UTC_TIMESTAMP", "UNIX_MICROS"),
    },
    "clickhouse": {
        *("ARRAYMAP", "ARRAYSORT", "ARRAYSTRINGCONCAT", "CURRENT_TIMESTAMP", "DATE_DIFF"),
        *(
            "GROUPARRAY",
            "NULLABLE",
            "TODATE",
            "TODATETIME64",
            "TOMONDAY",
            "TOTIMEZONE",
            "TOUNIXTIMESTAMP64MICRO",
        ),
    },
}
"""More functions of each database, from its manual."""

NOT_FUNCTIONS = {
    *("AND", "ANY", "AS", "FROM", "GROUP", "IN", "NOT", "ON", "OR", "OVER", "SELECT", "VALUES"),
    *("CASE", "ELSE", "THEN", "WHEN", "WHERE"),
}

MUTATION = re.compile(r"ALTER TABLE (\S+) UPDATE (.*) SETTINGS mutations_sync = 1")

LIMITED_SYNTAX = {
    "AT TIME ZONE": {"duckdb", "postgres", "redshift"},
    "= ANY(": {"postgres"},
    "::": set(),
    " USING ": set(),
    " RETURNING ": set(),
    " QUALIFY ": set(),
    " FILTER(": set(),
    "DISTINCT ON": set(),
}
"""Syntax that not every database has, and the dialects whose statements may contain it."""


@pytest.fixture(scope="module")
def statements(
    tmp_path_factory: pytest.TempPathFactory, january: Rows
) -> dict[str, tuple[Any, ...]]:
    """Statements, before translation, of two syncs and every other command, with parameters."""
    statements: dict[str, tuple[Any, ...]] = {}
    translate = sql.translate

    def record(client: sql.Client, statement: str, parameters: Any = ()) -> tuple[str, list[Any]]:
        statements.setdefault(statement, tuple(parameters))
        return translate(client, statement, parameters)

    folder = tmp_path_factory.mktemp("statements")
    warehouse = duckdb_warehouse(folder)
    privacy = {"columns": {"applicants.name": "encrypt"}, "key": "a secret that is long enough"}
    deleted, changed, forgotten = (january[i]["submission_id"] for i in (3, 90, 30))
    with pytest.MonkeyPatch.context() as patch, Emulator(january[:100]) as api:
        patch.setattr(sql, "translate", record)
        patch.setattr(published_rows, "translate", record)
        patch.setattr(copied_views, "translate", record)
        context = context_for(api.base_url, warehouse.target, privacy=privacy)
        sync(context)
        api.store.delete(deleted)
        api.store.update(changed, {"reviewer": "somebody else"})
        sync(at(context, NOW + timedelta(days=20)))
        later = at(context, NOW + timedelta(days=21))
        reconcile(later, date(2025, 1, 1), date(2025, 1, 31), deep=True)
        reveal(later, forgotten)
        forget(later, [("submission_id", forgotten), ("userid", "U"), ("email", "E")])
        publish(warehouse.target, folder / "copy.duckdb")
        make_report(warehouse.target, folder / "report.html", scope_of(NOW))
        with open_read_only(warehouse.target) as opened:
            read_overview(opened.client)
            sql.select(opened.client, staleness_query())
        client = make_pipeline(warehouse.target, folder).sql_client()
        with hold_lease(client, "argos", "token", "sync", folder / "lease") as lease:
            sql.execute(client, f"UPDATE {LEASE_TABLE} SET deadline = 0 WHERE token = 'token'")
            lease.check()
    return statements


def staleness_query() -> str:
    """Return the query of `status` while the view `staleness` does not exist."""
    (view,) = (view for view in load_views() if view.name == "staleness")
    return f"SELECT MAX(max_age_days) FROM ({view.select.sql(dialect=sql.SOURCE_DIALECT)}) AS ages"


def unsupported(text: str, dialect: str) -> list[str]:
    """Return the functions and syntax of a statement that the dialect lacks."""
    parsable = text.replace("%s", "NULL")
    if mutation := MUTATION.fullmatch(parsable):  # sqlglot cannot parse it
        parsable = f"UPDATE {mutation[1]} SET {mutation[2]}"
    tree = sqlglot.parse_one(parsable, dialect=dialect, error_level=ErrorLevel.RAISE)
    called = {name.upper() for name in re.findall(r"(?<![\w.\"`])([A-Za-z]\w*) ?\(", text)}
    missing = sorted(called - COMMON - FUNCTIONS[dialect] - NOT_FUNCTIONS)
    missing += [
        syntax
        for syntax, dialects in LIMITED_SYNTAX.items()
        if syntax in text and dialect not in dialects
    ]
    if isinstance(tree, exp.Update | exp.Delete):
        missing += [] if tree.args.get("where") else ["no WHERE"]
        missing += ["an alias"] if tree.this.alias else []
        updates = dialect == "clickhouse" and isinstance(tree, exp.Update)
        missing += ["UPDATE"] if updates and not mutation else []
    return missing


@pytest.mark.slow  # runs every command
@pytest.mark.parametrize("dialect", FUNCTIONS)
def test_every_statement_fits_the_dialect(
    dialect: str, statements: dict[str, tuple[Any, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    """It parses, calls only existing functions, and has a placeholder for each parameter."""
    client = client_for(dialect)
    kinds = {statement.split()[0] for statement in statements}
    assert kinds == {"SELECT", "WITH", "UPDATE", "DELETE", "INSERT"}
    assert len(statements) > 60
    for statement, parameters in statements.items():
        text, values = sql.translate(client, statement, parameters)
        assert unsupported(text, dialect) == [], text
        assert text.count("%s") == len(values), text
        assert None not in values, text
    assert caplog.messages == []  # sqlglot warns of syntax that it cannot translate


@pytest.mark.parametrize("dialect", FUNCTIONS)
@pytest.mark.parametrize("view", load_views(), ids=lambda view: view.name)
def test_every_view_fits_the_dialect(
    dialect: str, view: View, caplog: pytest.LogCaptureFixture
) -> None:
    """Views may use more of SQL than statements, but nothing a database lacks."""
    text = view_query(client_for(dialect), view)
    assert unsupported(text, dialect) == [], text
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("dialect", "expected"),
    {
        "duckdb": 'UPDATE "argos"."t" SET "a" = %s, "b" = NULL WHERE LOWER("c") IN'
        """ (SELECT unnest(from_json(%s, '["VARCHAR"]')))"""
        " AND CAST(\"d\" AT TIME ZONE 'UTC' AS DATE) = %s",
        "postgres": 'UPDATE "argos"."t" SET "a" = %s, "b" = NULL WHERE LOWER("c") = ANY(%s)'
        " AND CAST(\"d\" AT TIME ZONE 'UTC' AS DATE) = %s",
        "redshift": 'UPDATE "argos"."t" SET "a" = %s, "b" = NULL WHERE LOWER("c") IN (%s, %s)'
        " AND CAST(\"d\" AT TIME ZONE 'UTC' AS DATE) = %s",
        "snowflake": 'UPDATE "ARGOS"."T" SET "A" = %s, "B" = NULL WHERE LOWER("C") IN (%s, %s)'
        " AND CAST(CONVERT_TIMEZONE('UTC', \"D\") AS DATE) = %s",
        "databricks": "UPDATE `argos`.`t` SET `a` = %s, `b` = NULL WHERE LOWER(`c`) IN (%s, %s)"
        " AND CAST(FROM_UTC_TIMESTAMP(TO_UTC_TIMESTAMP(`d`, CURRENT_TIMEZONE()), 'UTC') AS DATE)"
        " = %s",
        "clickhouse": 'ALTER TABLE "argos"."t" UPDATE "a" = %s, "b" = NULL WHERE LOWER("c") IN'
        " (%s, %s) AND toDate(toTimeZone(\"d\", 'UTC')) = %s SETTINGS mutations_sync = 1",
    }.items(),
)
def test_a_statement_is_translated(dialect: str, expected: str) -> None:
    """Names, parameters, lists, NULL and days differ between dialects."""
    statement = "UPDATE t SET a = ?, b = ? WHERE LOWER(c) = ANY(?) AND DAY_IN(d, 'UTC') = ?"
    text, values = sql.translate(client_for(dialect), statement, ("A", None, ["x", "y"], "D"))
    assert text.replace("UNNEST", "unnest").replace("FROM_JSON", "from_json") == expected
    lists: dict[str, list[Any]] = {"duckdb": ['["x", "y"]'], "postgres": [["x", "y"]]}
    assert values == ["A", *lists.get(dialect, ["x", "y"]), "D"]


@pytest.mark.parametrize(
    ("dialect", "expected"),
    {
        "duckdb": 'CAST("a" AS TEXT)',
        "redshift": 'JSON_SERIALIZE("a")',
        "databricks": "CAST(`a` AS STRING)",
    }.items(),
)
def test_json_is_read_as_text(dialect: str, expected: str) -> None:
    """Whatever type the column has."""
    text, _ = sql.translate(client_for(dialect), "SELECT JSON_TEXT(a) FROM t")
    assert text.startswith(f"SELECT {expected} FROM ")


@pytest.mark.parametrize(
    ("dialect", "expected"),
    {
        "duckdb": 'EPOCH("a")',
        "postgres": "DATE_PART('epoch', \"a\")",
        "snowflake": '(CAST(DATE_PART(EPOCH_MICROSECOND, "A") AS DOUBLE) / 1000000)',
        "databricks": "(UNIX_MICROS(`a`) / 1000000)",
        "clickhouse": "(toUnixTimestamp64Micro(toDateTime64(\"a\", 6, 'UTC')) / 1000000)",
    }.items(),
)
def test_seconds_have_fractions(dialect: str, expected: str) -> None:
    """Durations are differences of such seconds."""
    text, _ = sql.translate(client_for(dialect), "SELECT EPOCH(a) FROM t")
    assert text.startswith(f"SELECT {expected} FROM ")


@pytest.mark.tables_made
def test_long_lists_are_split(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a driver takes no lists, each value is a parameter, and their number is limited."""
    with connected(warehouse) as client:
        ids = insert_submissions(client, 20)
    monkeypatch.setattr(sql, "_DIALECTS_WITH_LISTS", set())
    monkeypatch.setattr(sql, "_KEYS_PER_STATEMENT", 6)
    sql._translate_text.cache_clear()
    fetched_at = datetime(2025, 3, 1, tzinfo=UTC)
    with connected(warehouse) as client:
        assert [len(batch) for batch in sql.key_batches(client, ids)] == [6, 6, 6, 2]
        assert set(stored_submissions(client, [*ids, "nobody"])) == set(ids)
        mark_fetched(client, ids[:15], fetched_at)
        assert list(sql.key_batches(client, [])) == []
    sql._translate_text.cache_clear()
    rows = warehouse.query("SELECT submission_id, _synced_at FROM submissions")
    marked = {row["submission_id"] for row in rows if row["_synced_at"] == fetched_at}
    assert marked == set(ids[:15])


@pytest.mark.tables_made
def test_parameters_are_values(any_warehouse: Warehouse) -> None:
    """They are passed in the order of the text, and never as SQL."""
    query = (
        "SELECT CAST(? AS TEXT), CAST(? AS BIGINT), submission_id FROM submissions"
        " WHERE submission_id = ANY(?) AND created_at < ? ORDER BY 1"
    )
    with connected(any_warehouse) as client:
        (key,) = insert_submissions(client, 1)
        rows = sql.execute(client, query, "100 %s '; --", None, [key, "?"], NOW)
        assert not sql.tables_exist(client, ["submissions", "no_such_table"])
        assert sql.select(client, "SELECT 1 FROM no_such_table") == ()
    assert [tuple(row) for row in rows] == [("100 %s '; --", None, key)]
