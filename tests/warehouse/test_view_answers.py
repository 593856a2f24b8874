"""What each view answers about a small data set, in every kind of warehouse.

The data set, and the answers worked out by hand, are in `views/`. In the views' queries the data
set's "now" replaces the database's clock.
"""

import re
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.sync import sync
from argos_sync.load.dialects import DUCKDB_TYPES
from argos_sync.load.pipeline import open_warehouse
from argos_sync.run.history import history_rows
from argos_sync.shape.column_cipher import Keyring
from argos_sync.shape.contract import (
    CHANGES,
    HISTORY,
    RUNS,
    SUBMISSIONS,
    load_contract,
    schemas_folder,
)
from argos_sync.shape.pseudonyms import Pseudonymizer
from argos_sync.shape.tables import shape_submissions
from argos_sync.warehouse.views import duckdb_query, load_views
from published import copy_of
from support import (
    Rows,
    Warehouse,
    context_for,
    duckdb_warehouse,
    empty_warehouse,
    ordered,
)
from warehouse.direct import connected
from warehouse.view_data import (
    ANSWERS,
    BETWEEN,
    COMPUTED,
    DATA,
    FIRST,
    SECOND,
    THIRD,
    answer,
    assert_answers,
    completeness_answer,
    final_submissions,
    load_data_set,
    read_view,
    stop_the_clock,
    submissions_of,
    view_folder,
    wide_answer,
    wide_columns,
    wide_columns_of,
    without_own_columns,
)
from whole_lists import Emulator

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"
TIME_DEPENDENT = {
    "aml_alerts",
    "aml_open_alerts",
    "approved_with_red_flag",
    "document_expiry",
    "outcomes",
    "rescreening_due",
    "retries_before_leaving",
    "review_backlog",
    "staleness",
    "status_daily",
    "step_dropoff",
}


def make_file(warehouse: Warehouse, folder: Path) -> None:
    """Write a DuckDB file with the data set, its tables and views, without any run."""
    with duckdb.connect(str(warehouse.target.file)) as connection:
        connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA argos; USE argos")
        for table in load_contract().tables.values():
            columns = ", ".join(f"{c.name} {DUCKDB_TYPES[c.type]}" for c in table.columns)
            connection.execute(f"CREATE TABLE {table.name} ({columns})")
        history: dict[str, Rows] = {}
        steps = (("submissions", FIRST), ("between", BETWEEN), ("later", SECOND))
        for step, fetched_at in steps:
            submissions = submissions_of(step)
            tables = shape_submissions(submissions, [""] * len(submissions), fetched_at).tables
            ids = tables[SUBMISSIONS]["submission_id"].to_pylist()
            before = {one: history[one] for one in ids if one in history}
            tables[HISTORY] = history_rows(tables, before, ())
            for submission_id in ids:
                history[submission_id] = []
            for row in tables[HISTORY].to_pylist():
                history[row["submission_id"]].append(row)
            replace_rows(connection, tables, ids)
        deleted = DATA["gone"]["submission_id"]
        connection.execute(
            "UPDATE submissions SET _deleted_at = $1, _synced_at = $1 WHERE submission_id = $2",
            [THIRD, deleted],
        )
        connection.execute(
            f"UPDATE {HISTORY} SET valid_to = $1 WHERE valid_to IS NULL AND submission_id = $2",
            [THIRD, deleted],
        )
        stored = ("submission_id", "changed_at", "table_name", "column_name")
        for row in answer("changes"):
            change = [row[name] for name in stored]
            connection.execute(f"INSERT INTO {CHANGES} VALUES ($1, $2, $3, $4)", change)
        for run in DATA["runs"]:
            names, values = ", ".join(run), ", ".join("?" * len(run))
            connection.execute(f"INSERT INTO {RUNS} ({names}) VALUES ({values})", [*run.values()])
        for view in load_views(view_folder(folder)):
            connection.execute(f"CREATE VIEW {view.name} AS {duckdb_query(view)}")


def replace_rows(
    connection: duckdb.DuckDBPyConnection, tables: dict[str, pa.Table], ids: list[str]
) -> None:
    """Replace the rows of submissions, as a merge does."""
    for table in load_contract().tables.values():
        if table.name == SUBMISSIONS or table.belongs_to_submission:
            connection.execute(
                f"DELETE FROM {table.name} WHERE submission_id IN (SELECT unnest(?))", [ids]
            )
    for name, rows in tables.items():
        connection.register("new_rows", rows)
        connection.execute(f"INSERT INTO {name} BY NAME FROM new_rows")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A read-only DuckDB file with the data set, written without a run."""
    folder = tmp_path_factory.mktemp("prepared")
    warehouse = duckdb_warehouse(folder)
    make_file(warehouse, folder / "views")
    return warehouse


@pytest.fixture(
    scope="module", params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of warehouse."""
    return str(request.param)


@pytest.fixture(scope="module")
def loaded(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A read-only warehouse of that kind into which runs have loaded the data set."""
    folder = tmp_path_factory.mktemp("answers")
    with empty_warehouse(kind, folder) as warehouse:
        load_data_set(warehouse, folder / "views")
        yield warehouse


@pytest.fixture
def other(kind: str, tmp_path: Path) -> Iterator[Warehouse]:
    """Another warehouse of that kind, empty."""
    with empty_warehouse(kind, tmp_path) as warehouse:
        yield warehouse


def load_protected(warehouse: Warehouse, folder: Path, **privacy: str) -> None:
    """Load the final submissions with a privacy policy, and query every view."""
    with Emulator(final_submissions()) as api:
        sync(context_for(api.base_url, warehouse.target, SECOND, privacy=privacy))
    for view in load_views():
        warehouse.query(f"SELECT * FROM {view.name}")
    stop_the_clock(warehouse, folder, **privacy)


def column_types(warehouse: Warehouse) -> Rows:
    """Return the type of every column of every view; PostgreSQL has two types for text."""
    names = ", ".join(f"'{view.name}'" for view in load_views())
    return warehouse.query(f"""
        SELECT table_name, column_name, REPLACE(data_type, 'character varying', 'text') AS kind
        FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name IN ({names})
        ORDER BY table_name, ordinal_position""")


def test_every_view_has_an_answer() -> None:
    """A new view comes with its answer; `code_meanings` does not depend on data."""
    others = {"code_meanings", "completeness", "submissions_wide"}
    assert {*ANSWERS, *others} == {view.name for view in load_views()}


@pytest.mark.parametrize("view", ANSWERS)
def test_a_view_answers_exactly(prepared: Warehouse, view: str) -> None:
    """Every value is the one worked out by hand, and has the right type."""
    assert_answers(prepared, view)


def test_submissions_wide_has_one_row_per_submission(prepared: Warehouse) -> None:
    """It has every value of the tables that have no lists, but no JSON."""
    rows = read_view(prepared, "submissions_wide")
    assert ordered(without_own_columns(rows)) == ordered(wide_answer())
    assert {*rows[0]} == {*wide_columns(), *COMPUTED}
    assert {row["_synced_at"] for row in rows} == {FIRST, SECOND}


def test_completeness_counts_every_column(prepared: Warehouse) -> None:
    """It has a row for each week, table and column that the API fills."""
    assert ordered(read_view(prepared, "completeness")) == ordered(completeness_answer())


@pytest.mark.slow
def test_completeness_is_the_same_everywhere(loaded: Warehouse) -> None:
    """On every kind of warehouse."""
    assert ordered(read_view(loaded, "completeness")) == ordered(completeness_answer())


def test_columns_are_described_as_in_the_contract() -> None:
    """`submissions_wide` describes the contract's columns in the contract's words."""
    text = (schemas_folder() / "views" / "submissions_wide.sql").read_text(encoding="utf-8")
    descriptions = dict(re.findall(r"^-- (\w+)  +(\S.*)$", text, re.MULTILINE))
    for name in COMPUTED:
        del descriptions[name]
    assert descriptions == {name: column.meaning for name, (_, column) in wide_columns().items()}


@pytest.mark.slow
def test_sync_health_shows_real_runs(loaded: Warehouse) -> None:
    """The runs that loaded the data set are in it, with what they brought."""
    columns = "command, outcome, submissions_new AS new, submissions_deleted AS deleted"
    run_ids = ", ".join(f"'{run['run_id']}'" for run in DATA["runs"])
    where = f"WHERE run_id NOT IN ({run_ids}) ORDER BY 1, 3"
    rows = loaded.query(f"SELECT {columns} FROM sync_health {where}")
    assert [tuple(row.values()) for row in rows] == [
        ("reconcile", "ok", 0, 1),
        ("refresh", "ok", 0, 0),
        ("refresh", "ok", 1, 0),
        ("sync", "ok", 29, 0),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
def test_days_and_weeks_are_in_utc(loaded: Warehouse, zone: str) -> None:
    """They do not depend on the session's time zone."""
    with connected(loaded) as client:
        client.execute_sql(f"SET TimeZone = '{zone}'")
        for view in set(ANSWERS) - {"sync_health"}:
            columns = ANSWERS[view]["columns"]
            table = client.make_qualified_table_name(view)
            values = client.execute_sql(f"SELECT {', '.join(columns)} FROM {table}") or ()
            rows = [dict(zip(columns, row, strict=True)) for row in values]
            for row in rows:
                times = {n: v.astimezone(UTC) for n, v in row.items() if isinstance(v, datetime)}
                row.update(times)
            assert ordered(rows) == ordered(answer(view)), view


@pytest.mark.slow
def test_a_published_copy_answers_the_same(loaded: Warehouse, tmp_path: Path) -> None:
    """Only columns with direct identifiers are missing."""
    result = publish(loaded.target, tmp_path / "copy.duckdb")
    assert set(result.views) == {view.name for view in load_views()}
    copy = copy_of(result.file, loaded.target.dataset)
    for view in set(ANSWERS) - TIME_DEPENDENT - {"answers", "duplicates", "fraud_signals"}:
        assert ordered(read_view(copy, view)) == ordered(answer(view)), view
    nothing_to_compare = {"names_differ", "emails_differ", "documents_differ"}
    by_applicant = [
        without(row, nothing_to_compare)
        for row in answer("duplicates")
        if row["same"] == "applicant"
    ]
    assert ordered(read_view(copy, "duplicates")) == ordered(by_applicant)
    signals = {row["submission_id"]: row["signals"] for row in read_view(copy, "fraud_signals")}
    assert signals == {"a02": 1, "a12": 2, "c02": 3}  # those that compare no values
    without_answers = [without(row, {"answer"}) for row in answer("answers")]
    assert ordered(read_view(copy, "answers")) == ordered(without_answers)
    expected = [without(row, wide_columns_of("direct")) for row in wide_answer()]
    assert ordered(without_own_columns(read_view(copy, "submissions_wide"))) == ordered(expected)


@pytest.mark.slow
def test_a_copy_with_pseudonyms_answers_who_applied_twice(
    loaded: Warehouse, tmp_path: Path
) -> None:
    """The groups are those of the warehouse, also in a strict copy; names are not compared."""
    pseudonymizer = Pseudonymizer(Keyring.from_secret("a key for pseudonyms"))
    for strict in (False, True):
        file = tmp_path / f"copy{strict}.duckdb"
        publish(loaded.target, file, strict=strict, pseudonymizer=pseudonymizer)
        copy = copy_of(file, loaded.target.dataset)
        expected = [without(row, {"names_differ"}) for row in answer("duplicates")]
        assert ordered(read_view(copy, "duplicates")) == ordered(expected)
        wide = read_view(copy, "submissions_wide")
        assert {*wide[0]} >= {"user_key", "details_key", "email_key", "document_key"}
        assert not {*wide[0]} & wide_columns_of("direct")
        if not strict:
            assert ordered(read_view(copy, "fraud_signals")) == ordered(answer("fraud_signals"))


def without(row: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return a row without some columns."""
    return {name: value for name, value in row.items() if name not in names}


@pytest.mark.slow
def test_a_strict_copy_has_all_views(loaded: Warehouse, tmp_path: Path) -> None:
    """Columns with quasi-identifiers are missing, too."""
    result = publish(loaded.target, tmp_path / "copy.duckdb", strict=True)
    assert set(result.views) == {view.name for view in load_views()}
    copy = copy_of(result.file, loaded.target.dataset)
    assert ordered(read_view(copy, "kyc_funnel_daily")) == ordered(answer("kyc_funnel_daily"))
    assert read_view(copy, "duplicates") == read_view(copy, "document_expiry") == []
    assert all("country" not in row for row in read_view(copy, "kyc_time_to_decision"))


@pytest.mark.slow
def test_dropped_columns_are_empty(loaded: Warehouse, other: Warehouse, tmp_path: Path) -> None:
    """All views exist with their usual types, and answer without the dropped columns."""
    load_protected(other, tmp_path / "views", direct="drop", quasi="drop")
    assert column_types(other) == column_types(loaded)
    assert read_view(other, "duplicates") == read_view(other, "document_expiry") == []
    for view in (
        "aml_hit_rate",
        "attempt_failures",
        "bank_verification_rate",
        "kyc_funnel_daily",
        "rejection_reasons",
        "review_backlog",
    ):
        assert ordered(read_view(other, view)) == ordered(answer(view)), view
    times = {tuple(row.values()) for row in read_view(other, "kyc_time_to_decision")}
    assert times == {
        ("agent", None, date(2025, 1, 6), 2, 2.0, 3.0, 3.0),
        ("agent", None, date(2025, 1, 13), 2, 24.0, 48.0, 48.0),
        ("agent", None, date(2025, 2, 3), 10, 5.0, 9.0, 10.0),
        ("system", None, date(2025, 1, 6), 1, 1.5, 1.5, 1.5),
        ("system", None, date(2025, 1, 13), 1, 1.0, 1.0, 1.0),
        ("system", None, date(2025, 2, 10), 1, 0.25, 0.25, 0.25),
    }
    expected = wide_answer(null_columns=wide_columns_of("direct", "quasi"))
    assert ordered(without_own_columns(read_view(other, "submissions_wide"))) == ordered(expected)


@pytest.mark.slow
def test_dates_stored_as_text_are_empty(
    loaded: Warehouse, other: Warehouse, tmp_path: Path
) -> None:
    """Other hashed and encrypted values are shown, and equal people still have equal values."""
    key = "a secret that is long enough"
    load_protected(other, tmp_path / "views", direct="encrypt", quasi="hash", key=key)
    assert column_types(other) == column_types(loaded)
    assert read_view(other, "document_expiry") == []  # it needs a date, which is a hash here
    assert ordered(read_view(other, "duplicates")) == ordered(answer("duplicates"))
    rows, expected = read_view(other, "kyc_time_to_decision"), answer("kyc_time_to_decision")
    assert {str(row["country"])[:3] for row in rows} == {"h1.", "Non"}
    for row in (*rows, *expected):
        del row["country"]
    assert ordered(rows) == ordered(expected)
    for row in read_view(other, "submissions_wide"):
        assert row["date_of_birth"] is row["idcard_expire_date"] is None
        assert (row["userid"] or "e1.").startswith("e1.")


def assert_query_of_the_docs(warehouse: Warehouse) -> None:
    """Run the query as the page has it, as if on a Wednesday of the data set, and today."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition("\n## Views\n")
    query = section.partition("```sql\n")[2].partition("```")[0].replace("argos.", "")
    assert query.count("NOW()") == 1
    wednesday = "CAST('2025-01-15 12:00:00+00' AS TIMESTAMPTZ)"
    (row,) = warehouse.query(query.replace("NOW()", wednesday))
    assert row == {"submissions": 2, "median_hours": 13.0, "longest_hours": 24.0}  # a02 and a11
    (row,) = warehouse.query(query)
    assert row == {"submissions": 0, "median_hours": None, "longest_hours": None}


def test_the_query_in_the_docs_runs_unchanged(prepared: Warehouse) -> None:
    """Readers can copy it from the page."""
    assert_query_of_the_docs(prepared)


@pytest.mark.slow
def test_the_query_in_the_docs_runs_everywhere(loaded: Warehouse) -> None:
    """It works on every kind of warehouse."""
    assert_query_of_the_docs(loaded)


def test_the_docs_list_every_view() -> None:
    """Each view has its line in the table of views."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition("\n## Views\n")
    listed = re.findall(r"^\| `(\w+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert sorted(listed) == sorted(view.name for view in load_views())


@pytest.mark.slow
def test_views_over_sections_that_are_not_fetched_are_left_out(tmp_path: Path) -> None:
    """A view that reads a missing table does not exist; all others do."""
    warehouse = duckdb_warehouse(tmp_path)
    with Emulator(final_submissions()) as api:
        sync(context_for(api.base_url, warehouse.target, SECOND, request_types=["others", "kyc"]))
    query = "SELECT view_name FROM duckdb_views() WHERE NOT internal"
    left_out = {
        "aml_alerts",
        "aml_hit_rate",
        "aml_open_alerts",
        "approved_with_red_flag",
        "completeness",
        "decisions",
        "document_expiry",
        "duplicates",
        "fraud_signals",
        "kyc_time_to_decision",
        "pass_rates",
        "rescreening_due",
        "score_distributions",
        "submissions_wide",
    }
    views = {row["view_name"] for row in warehouse.query(query)}
    assert views == {view.name for view in load_views()} - left_out
    rows = read_view(warehouse, "kyc_funnel_daily")
    assert ordered(rows) == ordered(answer("kyc_funnel_daily"))


@pytest.mark.slow
def test_a_run_over_some_sections_keeps_all_views(
    other: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """It also creates views over tables that it does not fill, and whose columns are dropped."""
    privacy = {"direct": "drop"}
    with Emulator(final_submissions()) as api:
        sync(context_for(api.base_url, other.target, SECOND, privacy=privacy))
        two_sections = context_for(
            api.base_url, other.target, THIRD, request_types=["others", "kyc"], privacy=privacy
        )
        sync(two_sections)
        with connected(other) as client:
            view = client.make_qualified_table_name("staleness")
            client.execute_sql(f"DROP VIEW {view}")
        sync(two_sections)
    assert [one.message for one in caplog.records if "for analysts" in one.message] == []
    rows = read_view(other, "submissions_wide")
    assert {row["nationality"] for row in rows} > {"KOR"}
    assert {row["userid"] for row in rows} == {None}
    with open_warehouse(other.target) as opened:
        names = opened.state["views"].split()[1:]
    assert names == sorted(view.name for view in load_views())
