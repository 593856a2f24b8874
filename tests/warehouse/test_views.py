"""Reading the views for analysts, translating them, and what `staleness` answers."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from argos_sync.load.dialects import expand_calls
from argos_sync.load.sql import SOURCE_DIALECT, Client, table_references, to_dialect
from argos_sync.shape.contract import HISTORY, SUBMISSIONS, load_contract
from argos_sync.warehouse.views import (
    View,
    _in_zone,
    duckdb_query,
    load_views,
    parse_header,
    view_query,
)
from load.dialect_client import client_for
from support import Warehouse
from warehouse.direct import CREATED_AT, connected, insert_submissions

pytestmark = pytest.mark.tables_made

CODES = {
    "reject": [
        *("id_image_invalidImage", "id_image_invalidId", "id_image_error", "id_image_badImage"),
        *("id_info_dataMismatch", "id_info_blacklist", "id_info_notOfAge", "duplicate_user"),
        *("duplicated_user_PII_exact", "duplicated_face", "too_many_retry", "blacklistCountry"),
        *("under_ageLimit", "invalid_acceptedID", "no-date-of-birth", "expired_id"),
        *("automatic_verification_fail", "address_image_invalidImage", "address_image_error"),
        *("address_image_badImage", "address_info_expiredDocument", "address_info_dataMismatch"),
        *("timeout", "other"),
    ],
    "retry": ["liveness_error", "face_compare_underscore"],
    "risk_icon": ["PEP", "PEP-FORMER", "PEP-LINKED", "SAN", "REL", "RRE", "POI", "INS", "DD"],
}
"""The codes on the API's pages, by kind."""

COMPARING = {
    "completeness": {"userid", "email", "document_number"},
    "duplicates": {"userid", "duplicated_information", "email", "document_number"},
    "fraud_signals": {"userid", "duplicated_information", "ip_address", "document_number"},
}
"""Views that compare or count direct identifiers without showing them, and some of those."""

STALENESS = "SELECT * FROM staleness ORDER BY age_days"


def set_column(client: Client, submission_id: str, column: str, value: Any) -> None:
    """Set a column of one submission."""
    table = client.make_qualified_table_name(SUBMISSIONS)
    update = f"UPDATE {table} SET {column} = %s WHERE submission_id = %s"
    client.execute_sql(update, value, submission_id)


def insert_of_age(warehouse: Warehouse, ages: list[timedelta]) -> datetime:
    """Insert a submission for each age, counted from the returned time."""
    now = datetime.now(UTC)
    with connected(warehouse) as client:
        ids = insert_submissions(client, len(ages))
        for submission_id, age in zip(ids, ages, strict=True):
            set_column(client, submission_id, "_synced_at", now - age)
    return now


def test_staleness_counts_by_whole_days(any_warehouse: Warehouse) -> None:
    """Submissions are counted by days since they were fetched; soft-deleted ones do not count."""
    minute, hours, day = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
    ages = [minute, 10 * day + minute, 10 * day + 7 * hours, 11 * day - minute, 45.25 * day]
    now = insert_of_age(any_warehouse, [*ages, 90 * day])
    with connected(any_warehouse) as client:
        set_column(client, "submission-5", "_deleted_at", now)
    rows = any_warehouse.query(STALENESS)
    assert [(row["age_days"], row["submissions"]) for row in rows] == [(0, 1), (10, 3), (45, 1)]
    oldest = [now - ages[0], now - ages[3], now - ages[4]]
    assert [row["oldest_synced_at"].astimezone(UTC) for row in rows] == oldest
    assert [row["max_age_days"] for row in rows] == pytest.approx([45.25] * 3, abs=0.001)
    types = {type(row[name]) for row in rows for name in ("age_days", "submissions")}
    assert (types, type(rows[0]["max_age_days"])) == ({int}, float)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Seoul"])
def test_staleness_is_the_same_in_every_time_zone(any_warehouse: Warehouse, zone: str) -> None:
    """A day has 24 hours, even across a clock change, and does not begin at midnight."""
    # Whenever the test runs, New York's clocks have changed since some of these days.
    days = (60, 120, 180, 240, 300)
    quarter = timedelta(minutes=15)
    insert_of_age(
        any_warehouse,
        [timedelta(days=day) + offset for day in days for offset in (quarter, -quarter)],
    )
    expected = sorted(age for day in days for age in (day - 1, day))
    assert [row["age_days"] for row in any_warehouse.query(STALENESS)] == expected
    with connected(any_warehouse) as client:
        client.execute_sql(f"SET TimeZone = '{zone}'")
        view = client.make_qualified_table_name("staleness")
        rows = client.execute_sql(f"SELECT age_days, submissions FROM {view} ORDER BY 1")
    assert rows == [(age, 1) for age in expected]


def test_staleness_is_never_negative(any_warehouse: Warehouse) -> None:
    """If another machine's clock is fast, a submission counts as fetched just now."""
    insert_of_age(any_warehouse, [timedelta(hours=-1)])
    (row,) = any_warehouse.query(STALENESS)
    assert (row["age_days"], row["max_age_days"]) == (0, 0.0)


def test_staleness_without_submissions_is_empty(any_warehouse: Warehouse) -> None:
    """Without submissions there are no rows."""
    assert any_warehouse.query(STALENESS) == []


def test_a_deletion_closes_no_alert(any_warehouse: Warehouse) -> None:
    """A submission that was deleted for some time and returns with its flag has one alert."""
    day, unflagged = timedelta(days=1), CREATED_AT + timedelta(days=5)
    periods = [
        (CREATED_AT, CREATED_AT + day, "Red Flag", "Low"),
        (CREATED_AT + 2 * day, unflagged, "Red Flag", "High"),
        (unflagged, None, "Not Screened", None),
    ]
    with connected(any_warehouse) as client:
        (key,) = insert_submissions(client, 1)
        history = client.make_qualified_table_name(HISTORY)
        for start, end, status, risk in periods:
            client.execute_sql(
                f"INSERT INTO {history} (submission_id, valid_from, valid_to, aml_current_status,"
                " aml_risk_level_summary, _dlt_id) VALUES (%s, %s, %s, %s, %s, %s)",
                *(key, start, end, status, risk, str(start)),
            )
    columns = "alert_number, opened_at, closed_at, hours_open, highest_risk"
    (alert,) = any_warehouse.query(f"SELECT {columns} FROM aml_alerts")
    times = [alert[name].astimezone(UTC) for name in ("opened_at", "closed_at")]
    assert times == [CREATED_AT, unflagged]
    assert (alert["alert_number"], alert["hours_open"], alert["highest_risk"]) == (1, 120, "high")


def test_a_query_names_its_dataset_except_in_duckdb(tmp_path: Path) -> None:
    """Only DuckDB's views find tables without it; columns may still name the bare table."""
    query = "SELECT kyc.result, a.score FROM kyc JOIN aml AS a USING (submission_id)"
    (tmp_path / "both.sql").write_text(query, encoding="utf-8")
    (view,) = load_views(tmp_path)
    assert view_query(client_for("duckdb"), view) == query
    assert view_query(client_for("postgres"), view) == (
        'SELECT kyc.result, a.score FROM "argos"."kyc" AS kyc'
        ' JOIN "argos"."aml" AS a USING (submission_id)'
    )


@pytest.mark.parametrize("view", load_views(), ids=lambda view: view.name)
def test_a_view_is_written_for_duckdb_without_parsing_it(view: View) -> None:
    """Its text and the names of what it reads are the same as by sqlglot."""
    text = duckdb_query(view, zone="Asia/Seoul")
    parsed = to_dialect(_in_zone(view.select.copy(), "Asia/Seoul"), SOURCE_DIALECT)
    assert sqlglot.parse_one(text, dialect=SOURCE_DIALECT) == sqlglot.parse_one(
        parsed, dialect=SOURCE_DIALECT
    )
    assert view.reads == tuple(sorted({table.name for table in table_references(view.select)}))


def test_calls_are_replaced_in_a_text() -> None:
    """Also nested ones, and those whose arguments have calls, commas or parentheses."""
    templates = {"DOUBLED": "({0} + {0})", "PAIR": "[{}, {}]"}
    text = "SELECT PAIR(DOUBLED(f(a, b)), 'x), (') AS MYPAIR, PAIR_OF(1), DOUBLED( c )"
    expected = "SELECT [(f(a, b) + f(a, b)), 'x), ('] AS MYPAIR, PAIR_OF(1), (c + c)"
    assert expand_calls(text, templates) == expected
    with pytest.raises(ValueError, match="DOUBLED"):
        expand_calls("DOUBLED(a", templates)


@pytest.mark.parametrize("view", load_views(), ids=lambda view: view.name)
def test_a_header_describes_every_column(view: View) -> None:
    """A file's header describes exactly the columns the view has, in order, each named."""
    assert view.description
    assert isinstance(view.select, exp.Query)
    assert list(view.columns) == view.select.named_selects
    counts = view.select.find_all(exp.Count)
    assert len(list(view.select.find_all(exp.Star))) == sum(
        isinstance(count.this, exp.Star) for count in counts
    )


@pytest.mark.parametrize("view", load_views(), ids=lambda view: view.name)
def test_truth_values_of_clickhouse_are_no_numbers(view: View) -> None:
    """Its comparisons return 1 and 0, so a column that has one is cast."""
    query = sqlglot.parse_one(view_query(client_for("clickhouse"), view), dialect="clickhouse")
    for select in query.find_all(exp.Select):
        values = [one.unalias() for one in select.expressions]
        values = [one for one in values if not isinstance(one, exp.Cast)]
        cases = [case for value in values for case in value.find_all(exp.Case)]
        values += [branch.args["true"] for case in cases for branch in case.args["ifs"]]
        values += [case.args["default"] for case in cases if case.args.get("default")]
        assert [v.sql() for v in values if isinstance(v, exp.Predicate | exp.Connector)] == []


def test_every_documented_code_has_a_meaning() -> None:
    """Codes are unique, also with other capitals, and meanings fit a chart and a list."""
    (view,) = (view for view in load_views() if view.name == "code_meanings")
    rows = duckdb.execute(duckdb_query(view)).fetchall()
    assert {kind: [code for of, code, _ in rows if of == kind] for kind in CODES} == CODES
    assert len({(kind, code.lower()) for kind, code, _ in rows}) == len(rows)
    meanings = [(kind, meaning) for kind, _, meaning in rows]
    assert len(set(meanings)) == len(rows) == sum(map(len, CODES.values()))
    assert all(2 < len(meaning) <= 40 and "," not in meaning for _, meaning in meanings)
    tables = load_contract()
    known = {
        "reject": tables["kyc_comments"].columns_by_name["comment_code"].known,
        "risk_icon": tables["match_risk_icons"].columns_by_name["risk_icon"].known,
    }
    assert {kind: sorted(codes) for kind, codes in known.items()} == {
        kind: sorted(CODES[kind]) for kind in known
    }


def test_a_header_may_have_several_lines() -> None:
    """Descriptions continue on the next line; comments after the header do not belong to it."""
    text = """-- How many
-- are there?
--
-- n     So many,
--       or more: a b
-- long  Other
WITH a AS (
-- x  Not this
SELECT 1)"""
    columns = {"n": "So many, or more: a b", "long": "Other"}
    assert parse_header(text) == ("How many are there?", columns)
    assert parse_header("SELECT 1 AS n") == ("", {})


def test_views_read_tables_of_the_contract() -> None:
    """No view is named like a table, and views read tables of the contract and each other."""
    views, tables = {view.name for view in load_views()}, set(load_contract().tables)
    assert "staleness" in views
    assert not views & tables
    assert {name for view in load_views() for name in view.reads} <= views | tables


@pytest.mark.parametrize("view", load_views(), ids=lambda view: view.name)
def test_views_show_no_direct_identifiers(view: View) -> None:
    """Except `submissions_wide` and `answers`; others only compare or count them."""
    direct = {
        column.name
        for name in set(view.reads) & set(load_contract().tables)
        for column in load_contract()[name].columns
        if column.privacy == "direct"
    }
    read = direct & {column.name for column in view.select.find_all(exp.Column)}
    if view.name in {"answers", "submissions_wide"}:
        assert read
    elif view.name in COMPARING:
        assert read >= COMPARING[view.name]
        assert isinstance(view.select, exp.Query)
        assert not read & set(view.select.named_selects)
    else:
        assert read == set()
