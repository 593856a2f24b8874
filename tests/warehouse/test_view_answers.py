"""What each view answers about a small fixed data set, on every kind of warehouse.

The data set and the answers, worked out by hand, are in `views/`. The views look at a clock that
stands still: the data set's "now" is written in the place of the database's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml

from argos_sync.commands.publish import publish
from argos_sync.commands.reconcile import reconcile
from argos_sync.commands.refresh import refresh
from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
from argos_sync.load.pipeline import open_warehouse
from argos_sync.shape.contract import RUNS, SUBMISSIONS, Column, load_contract, schemas_folder
from argos_sync.shape.privacy import PrivacyPolicy
from argos_sync.warehouse.view_updates import update_views
from argos_sync.warehouse.views import load_views
from oracle import flatten
from published import copy_of
from support import (
    MADE_HERE,
    Rows,
    Warehouse,
    at,
    context_for,
    duckdb_warehouse,
    empty_warehouse,
    ordered,
)

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"
FOLDER = Path(__file__).parent / "views"
DATA = yaml.safe_load((FOLDER / "data.yaml").read_text(encoding="utf-8"))
ANSWERS = yaml.safe_load((FOLDER / "answers.yaml").read_text(encoding="utf-8"))

FIRST = datetime(2025, 2, 28, 3, tzinfo=UTC)
BETWEEN = datetime(2025, 2, 28, 15, tzinfo=UTC)
SECOND = datetime(2025, 3, 1, 11, tzinfo=UTC)
THIRD = datetime(2025, 3, 1, 11, 30, tzinfo=UTC)

WIDE = {
    SUBMISSIONS: "",
    "applicants": "",
    "kyc": "kyc_",
    "aml": "aml_",
    "bank_verification": "bank_",
}
"""Tables that `submissions_wide` puts side by side, and what comes before their columns' names."""

LOOK_AT_THE_CLOCK = {"aml_open_alerts", "document_expiry", "review_backlog", "staleness"}


def api_has(name: str) -> Rows:
    """Submissions of the data set as JSON has them."""
    found: Rows = json.loads(json.dumps(DATA[name], default=str))
    return found


def in_the_end() -> Rows:
    """What the API has at last."""
    changed = {submission["submission_id"]: submission for submission in api_has("later")}
    found = {one["submission_id"]: one for one in api_has("submissions")} | changed
    del found[DATA["gone"]["submission_id"]]
    return list(found.values())


def answer(name: str) -> Rows:
    """What a view answers, worked out by hand."""
    expected = ANSWERS[name]
    return [dict(zip(expected["columns"], row, strict=True)) for row in expected["rows"]]


def asked(warehouse: Warehouse, name: str) -> Rows:
    """What a view answers, with moments in UTC; of runs, about those of the data set."""
    rows = [
        {
            column: value.astimezone(UTC) if isinstance(value, datetime) else value
            for column, value in row.items()
        }
        for row in warehouse.query(f"SELECT * FROM {name}")
    ]
    known = {run["run_id"] for run in DATA["runs"]}
    return [row for row in rows if name != "sync_health" or row["run_id"] in known]


def columns_of_wide() -> dict[str, tuple[str, Column]]:
    """Table and column of the contract behind those of `submissions_wide`, by its names."""
    return {
        column.name if column.name.startswith(prefix) else prefix + column.name: (table, column)
        for table, prefix in WIDE.items()
        for column in load_contract()[table].columns
        if column.type != "json" and column.name != "_deleted_at"
        if table == SUBMISSIONS or column.name != "submission_id"
    }


def names_of_wide(*classes: str) -> set[str]:
    """Columns of `submissions_wide` of some privacy classes."""
    return {name for name, (_, one) in columns_of_wide().items() if one.privacy in classes}


def wide(empty: Collection[str] = ()) -> Rows:
    """What `submissions_wide` answers, by an independent flattening; without our own columns.

    Args:
        empty: Names of columns that are.
    """
    flat = flatten(in_the_end())
    values = {(table, row["submission_id"]): row for table in WIDE for row in flat[table]}
    found = []
    for submission in flat[SUBMISSIONS]:
        key, until = submission["submission_id"], submission["kyc_result_at"]
        row = {
            name: None if name in empty else values.get((table, key), {}).get(column.name)
            for name, (table, column) in columns_of_wide().items()
            if name not in MADE_HERE
        }
        hours = until and (until - submission["created_at"]).total_seconds() / 3600
        found.append(row | {"hours_to_decision": hours})
    return found


def without_ours(rows: Rows) -> Rows:
    """Rows of `submissions_wide` without the columns that only this package fills."""
    return [{name: row[name] for name in row if name not in MADE_HERE} for row in rows]


def stop_the_clock(warehouse: Warehouse, folder: Path, **privacy: str) -> None:
    """Makes the views with the data set's "now" in the place of the clock."""
    folder.mkdir()
    moment = f"CAST('{DATA['now']:%Y-%m-%d %H:%M:%S}+00' AS TIMESTAMPTZ)"
    for file in (schemas_folder() / "views").glob("*.sql"):
        text = file.read_text(encoding="utf-8").replace("CURRENT_TIMESTAMP", moment)
        (folder / file.name).write_text(text, encoding="utf-8")
    with open_warehouse(warehouse.target) as opened:
        assert update_views(
            opened.client, None, folder, PrivacyPolicy.from_settings(**privacy).contract
        )


def fill(warehouse: Warehouse, folder: Path) -> None:
    """Brings the data set in as the days went by."""
    with Emulator(api_has("submissions")) as api:
        context = context_for(api.base_url, warehouse.target, FIRST)
        sync(context)
        for name, moment in (("between", BETWEEN), ("later", SECOND)):
            changed = {submission["submission_id"]: submission for submission in api_has(name)}
            for key, submission in changed.items():
                known = key in api.store.ids()
                (api.store.replace if known else api.store.add)(submission)
            refresh(at(context, moment), submission_ids=list(changed))
        api.store.delete(DATA["gone"]["submission_id"])
        day = DATA["gone"]["day"]
        reconcile(at(context, THIRD), day, day, max_deleted=1)
    with open_warehouse(warehouse.target) as opened:
        table = opened.client.make_qualified_table_name(RUNS)
        for run in DATA["runs"]:
            names, values = ", ".join(run), ", ".join(["%s"] * len(run))
            insert = f"INSERT INTO {table} ({names}) VALUES ({values})"
            opened.client.execute_sql(insert, *run.values())
    stop_the_clock(warehouse, folder)


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of warehouse that is tested."""
    return str(request.param)


@pytest.fixture(scope="module")
def loaded(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The data set in a warehouse of that kind, which nobody changes."""
    folder = tmp_path_factory.mktemp("answers")
    with empty_warehouse(kind, folder) as warehouse:
        fill(warehouse, folder / "views")
        yield warehouse


@pytest.fixture
def other(kind: str, tmp_path: Path) -> Iterator[Warehouse]:
    """Another warehouse of that kind, empty."""
    with empty_warehouse(kind, tmp_path) as warehouse:
        yield warehouse


def load_protected(warehouse: Warehouse, folder: Path, **privacy: str) -> None:
    """Brings in what the API has at last, with a privacy policy."""
    with Emulator(in_the_end()) as api:
        sync(context_for(api.base_url, warehouse.target, SECOND, privacy=privacy))
    every = {view.name for view in load_views()}
    assert {name for name in every if warehouse.query(f"SELECT * FROM {name}") is not None} == every
    stop_the_clock(warehouse, folder, **privacy)


def types(warehouse: Warehouse) -> Rows:
    """The type of every column of every view; PostgreSQL has two for texts."""
    names = ", ".join(f"'{view.name}'" for view in load_views())
    return warehouse.query(f"""
        SELECT table_name, column_name, REPLACE(data_type, 'character varying', 'text') AS kind
        FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name IN ({names})
        ORDER BY table_name, ordinal_position""")


def test_every_view_has_its_answer() -> None:
    """A new view comes with what it answers."""
    assert {*ANSWERS, "submissions_wide"} == {view.name for view in load_views()}


@pytest.mark.parametrize("view", ANSWERS)
def test_a_view_answers_exactly(loaded: Warehouse, view: str) -> None:
    """Every value is what was worked out by hand, and of the type it should have."""
    found, expected = asked(loaded, view), answer(view)
    assert ordered(found) == ordered(expected)
    assert {tuple(row) for row in found} == {tuple(row) for row in expected}
    kinds = [{name: type(value) for name, value in row.items()} for row in ordered(expected)]
    assert [{name: type(value) for name, value in row.items()} for row in ordered(found)] == kinds


def test_a_submission_is_one_row(loaded: Warehouse) -> None:
    """`submissions_wide` has every value of the tables that are not lists, but no JSON."""
    found = asked(loaded, "submissions_wide")
    assert ordered(without_ours(found)) == ordered(wide())
    assert {*found[0]} == {*columns_of_wide(), "hours_to_decision"}
    assert {row["_synced_at"] for row in found} == {FIRST, SECOND}


def test_columns_mean_what_the_contract_says() -> None:
    """`submissions_wide` describes those it has of the contract in the same words."""
    text = (schemas_folder() / "views" / "submissions_wide.sql").read_text(encoding="utf-8")
    said = dict(re.findall(r"^-- (\w+)  +(\S.*)$", text, re.MULTILINE))
    said.pop("hours_to_decision")
    assert said == {name: column.meaning for name, (_, column) in columns_of_wide().items()}


def test_the_runs_are_in_sync_health(loaded: Warehouse) -> None:
    """Also those that were not written by hand."""
    query = "SELECT command, outcome, submissions_new AS new, submissions_deleted AS gone"
    known = ", ".join(f"'{run['run_id']}'" for run in DATA["runs"])
    found = loaded.query(f"{query} FROM sync_health WHERE run_id NOT IN ({known}) ORDER BY 1, 3")
    assert [tuple(row.values()) for row in found] == [
        ("reconcile", "ok", 0, 1),
        ("refresh", "ok", 0, 0),
        ("refresh", "ok", 1, 0),
        ("sync", "ok", 26, 0),
    ]


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
def test_days_and_weeks_are_those_of_utc(loaded: Warehouse, zone: str) -> None:
    """Whatever the session's time zone is."""
    with open_warehouse(loaded.target) as opened:
        client = opened.client
        client.execute_sql(f"SET TimeZone = '{zone}'")
        for view in set(ANSWERS) - {"sync_health"}:
            names = ", ".join(ANSWERS[view]["columns"])
            place = client.make_qualified_table_name(view)
            rows = client.execute_sql(f"SELECT {names} FROM {place}") or ()
            found = [dict(zip(ANSWERS[view]["columns"], row, strict=True)) for row in rows]
            for row in found:
                moments = {n: v.astimezone(UTC) for n, v in row.items() if isinstance(v, datetime)}
                row.update(moments)
            assert ordered(found) == ordered(answer(view)), view


def test_the_published_copy_answers_the_same(loaded: Warehouse, tmp_path: Path) -> None:
    """But for what identifies people, which is empty there."""
    done = publish(loaded.target, tmp_path / "copy.duckdb")
    assert set(done.views) == {view.name for view in load_views()}
    copy = copy_of(done.file, loaded.target.dataset)
    for view in set(ANSWERS) - LOOK_AT_THE_CLOCK - {"duplicates"}:
        assert ordered(asked(copy, view)) == ordered(answer(view)), view
    known = [row for row in answer("duplicates") if row["same"] == "applicant"]
    assert ordered(asked(copy, "duplicates")) == ordered(known)
    expected = wide(empty=names_of_wide("direct"))
    assert ordered(without_ours(asked(copy, "submissions_wide"))) == ordered(expected)


def test_a_strict_copy_has_all_views_too(loaded: Warehouse, tmp_path: Path) -> None:
    """What tells people together is empty there as well."""
    done = publish(loaded.target, tmp_path / "copy.duckdb", strict=True)
    assert set(done.views) == {view.name for view in load_views()}
    copy = copy_of(done.file, loaded.target.dataset)
    assert ordered(asked(copy, "kyc_funnel_daily")) == ordered(answer("kyc_funnel_daily"))
    assert asked(copy, "duplicates") == asked(copy, "document_expiry") == []
    assert {row["country"] for row in asked(copy, "kyc_time_to_decision")} == {None}


def test_what_is_dropped_is_empty(loaded: Warehouse, other: Warehouse, tmp_path: Path) -> None:
    """All views are there, with the types they always have, and answer without it."""
    load_protected(other, tmp_path / "views", direct="drop", quasi="drop")
    assert types(other) == types(loaded)
    assert asked(other, "duplicates") == asked(other, "document_expiry") == []
    for view in ("aml_hit_rate", "attempt_failures", "bank_verification_rate", "kyc_funnel_daily"):
        assert ordered(asked(other, view)) == ordered(answer(view)), view
    for view in ("rejection_reasons", "review_backlog"):
        assert ordered(asked(other, view)) == ordered(answer(view)), view
    times = {tuple(row.values()) for row in asked(other, "kyc_time_to_decision")}
    assert times == {
        ("agent", None, date(2025, 1, 6), 2, 2.0, 3.0, 3.0),
        ("agent", None, date(2025, 1, 13), 2, 24.0, 48.0, 48.0),
        ("agent", None, date(2025, 2, 3), 10, 5.0, 9.0, 10.0),
        ("system", None, date(2025, 1, 6), 1, 1.5, 1.5, 1.5),
        ("system", None, date(2025, 1, 13), 1, 1.0, 1.0, 1.0),
        ("system", None, date(2025, 2, 10), 1, 0.25, 0.25, 0.25),
    }
    expected = wide(empty=names_of_wide("direct", "quasi"))
    assert ordered(without_ours(asked(other, "submissions_wide"))) == ordered(expected)


def test_what_became_a_text_is_empty(loaded: Warehouse, other: Warehouse, tmp_path: Path) -> None:
    """Other hashed and encrypted values are there, and still tell who is the same."""
    key = "a secret that is long enough"
    load_protected(other, tmp_path / "views", direct="encrypt", quasi="hash", key=key)
    assert types(other) == types(loaded)
    assert asked(other, "document_expiry") == []  # a date that is a hash now
    assert ordered(asked(other, "duplicates")) == ordered(answer("duplicates"))
    found, expected = asked(other, "kyc_time_to_decision"), answer("kyc_time_to_decision")
    assert {str(row["country"])[:3] for row in found} == {"h1.", "Non"}
    for row in (*found, *expected):
        del row["country"]
    assert ordered(found) == ordered(expected)
    for row in asked(other, "submissions_wide"):
        assert row["date_of_birth"] is row["idcard_expire_date"] is None
        assert (row["userid"] or "e1.").startswith("e1.")


def test_the_query_of_the_docs(loaded: Warehouse) -> None:
    """The query is answered as it stands there, asked on a Wednesday."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition("\n## Views\n")
    query = section.partition("```sql\n")[2].partition("```")[0].replace("argos.", "")
    assert query.count("NOW()") == 1
    moment = "CAST('2025-01-15 12:00:00+00' AS TIMESTAMPTZ)"
    (row,) = loaded.query(query.replace("NOW()", moment))
    assert row == {"submissions": 2, "median_hours": 13.0, "longest_hours": 24.0}  # a02 and a11
    (row,) = loaded.query(query)
    assert row == {"submissions": 0, "median_hours": None, "longest_hours": None}


def test_the_docs_name_every_view() -> None:
    """Each has its line there."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition("\n## Views\n")
    named = re.findall(r"^\| `(\w+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert sorted(named) == sorted(view.name for view in load_views())


def test_what_is_not_fetched_has_no_views(tmp_path: Path) -> None:
    """A view that reads a table which is not there is left out; all others are."""
    warehouse = duckdb_warehouse(tmp_path)
    with Emulator(in_the_end()) as api:
        sync(context_for(api.base_url, warehouse.target, SECOND, request_types=["others", "kyc"]))
    views = "SELECT view_name FROM duckdb_views() WHERE NOT internal"
    lost = {"aml_hit_rate", "aml_open_alerts", "document_expiry", "kyc_time_to_decision"}
    found = {row["view_name"] for row in warehouse.query(views)}
    assert found == {view.name for view in load_views()} - lost - {"submissions_wide"}
    assert ordered(asked(warehouse, "kyc_funnel_daily")) == ordered(answer("kyc_funnel_daily"))


def test_a_run_over_sections_leaves_the_views_of_others(
    other: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """It makes views over tables that it does not fill, also where columns of them are dropped."""
    privacy = {"direct": "drop"}
    with Emulator(in_the_end()) as api:
        sync(context_for(api.base_url, other.target, SECOND, privacy=privacy))
        some = context_for(
            api.base_url, other.target, THIRD, request_types=["others", "kyc"], privacy=privacy
        )
        sync(some)
        with open_warehouse(other.target) as opened:
            place = opened.client.make_qualified_table_name("staleness")
            opened.client.execute_sql(f"DROP VIEW {place}")
        sync(some)
    assert [one.message for one in caplog.records if "for analysts" in one.message] == []
    found = asked(other, "submissions_wide")
    assert {row["nationality"] for row in found} > {"KOR"}
    assert {row["userid"] for row in found} == {None}
    with open_warehouse(other.target) as opened:
        names = opened.state["views"].split()[1:]
    assert names == sorted(view.name for view in load_views())
