"""`argos_source` in a dlt pipeline that is not argos-sync's own."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from argos_sync import argos_source
from argos_sync.api.errors import ConfigurationError, InvalidApiKey
from argos_sync.config import load_settings
from argos_sync.fetch.checkpoint import State, high_water_mark
from argos_sync.fetch.protection import Protection
from argos_sync.fetch.windows import ALL_DAYS, DateRange
from argos_sync.source import _day_range, _rows
from oracle import flatten
from support import API_KEY, Rows, Warehouse, created_at, in_range
from whole_lists import Behaviour, Emulator


def pipeline_into(file: Path, dataset: str) -> dlt.Pipeline:
    """Return a dlt pipeline of a user, with its folder beside the DuckDB file."""
    return dlt.pipeline(
        "mine",
        destination=dlt.destinations.duckdb(str(file)),
        dataset_name=dataset,
        pipelines_dir=str(file.parent / "pipelines of mine"),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The DuckDB file of a user."""
    return tmp_path / "mine.duckdb"


@pytest.fixture
def pipeline(file: Path) -> dlt.Pipeline:
    """A dlt pipeline that loads into it."""
    return pipeline_into(file, "kyc")


def ids(pipeline: dlt.Pipeline, table: str = "submissions") -> list[str]:
    """Return the submission ids of a table, in order."""
    with pipeline.sql_client() as client:
        rows = client.execute_sql(f"SELECT submission_id FROM kyc.{table} ORDER BY 1")
    return [row[0] for row in rows or ()]


def settings(api: Emulator, **more: Any) -> dict[str, Any]:
    """Return the arguments of the source."""
    fast = {"max_requests_per_second": 10_000.0, "page_size": 50}
    return {"api_key": API_KEY, "base_url": api.base_url, **fast, **more}


def fetch_ids(api: Emulator, state: State, days: DateRange = ALL_DAYS, **more: Any) -> list[str]:
    """Return the submission ids that the source yields, in order, without a pipeline."""
    configured = load_settings(settings(api, **more))
    packages = _rows(configured, Protection.configured(configured), days, state)
    return sorted(
        submission_id
        for tables in packages
        if "submissions" in tables
        for submission_id in tables["submissions"]["submission_id"].to_pylist()
    )


@pytest.mark.parametrize(
    ("arguments", "first", "last"),
    [
        (("2025-01", "2025-01"), date(2025, 1, 1), date(2025, 1, 31)),
        (("2025-Q1", date(2025, 2, 3)), date(2025, 1, 1), date(2025, 2, 3)),
        (("2d", "yesterday"), date(2026, 2, 27), date(2026, 2, 28)),
        (("2025-01-05",), date(2025, 1, 5), None),
        ((), None, None),
    ],
)
def test_days_are_those_of_the_command_line(
    arguments: tuple[str | date, ...], first: date | None, last: date | None
) -> None:
    """A period begins a range with its first day, and ends it with its last day."""
    assert _day_range(*arguments, today=date(2026, 3, 1)) == DateRange(first, last)


@pytest.mark.parametrize("name", ["start_date", "end_date"])
def test_an_argument_that_is_no_day(name: str) -> None:
    """The message names the argument and the forms of a day."""
    options: dict[str, Any] = {name: "May 2024"}
    with pytest.raises(ConfigurationError, match=f"^{name} of .* is not a day; .* 2026-Q1$"):
        argos_source(api_key="k", **options)


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (("2025-03", "2025-01"), "end_date 2025-01 of argos_source is before start_date 2025-03"),
        (("2999-01",), "start_date 2999-01 of argos_source is in the future"),
    ],
)
def test_a_range_without_days(days: tuple[str, ...], message: str) -> None:
    """The message has the days as they were given."""
    with pytest.raises(ConfigurationError, match=message):
        argos_source(*days, api_key="k")


def test_a_dataset_of_the_commands_is_refused(
    synced_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """The source would bring back forgotten people, whom only the commands know."""
    pipeline = pipeline_into(Path(str(synced_warehouse.target.file)), "argos")
    before = synced_warehouse.tables(["submissions", "applicants"])
    changed = [one | {"userid": "changed"} for one in synced_submissions]
    with Emulator(changed) as api, pytest.raises(PipelineStepFailed) as caught:
        pipeline.run(argos_source(**settings(api)))
    assert "the dataset argos is one that the commands of argos-sync keep" in str(caught.value)
    assert synced_warehouse.tables(["submissions", "applicants"]) == before


def test_extracting_needs_no_destination(
    pipeline: dlt.Pipeline, file: Path, synced_submissions: Rows
) -> None:
    """Another process may have the DuckDB file; whoever loads is told so by dlt."""
    held = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", held, str(file)]
    with (
        Emulator(synced_submissions) as api,
        subprocess.Popen(command, stdin=pipe, stdout=pipe) as holder,
    ):
        assert holder.stdout
        holder.stdout.readline()
        pipeline.extract(argos_source(**settings(api)))
        assert pipeline.list_extracted_load_packages() != []
        holder.communicate(b"\n")


def test_the_source_yields_exactly_a_range(january: list[dict[str, Any]]) -> None:
    """Each submission comes once, and the high-water mark stays where it was."""
    first, last = date(2025, 1, 5), date(2025, 1, 9)
    state: State = {}
    with Emulator(january, behaviour=Behaviour(order="shuffled", duplicate_rows=True)) as api:
        fetched = fetch_ids(api, state, DateRange(first, last))
    assert fetched == sorted(s["submission_id"] for s in in_range(january, first, last))
    assert high_water_mark(state) is None


def test_the_source_continues_at_the_high_water_mark(january: list[dict[str, Any]]) -> None:
    """Rows of another privacy policy are refused."""
    state: State = {}
    with Emulator(january[:60]) as api:
        assert fetch_ids(api, state) == sorted(s["submission_id"] for s in january[:60])
        mark = high_water_mark(state)
        assert mark == max(map(created_at, january[:60]))
        before = api.request_count
        fetch_ids(api, state)
        starts = {request.parameters["start_date"] for request in list(api.requests)[before:]}
        with pytest.raises(ConfigurationError, match="other privacy settings"):
            fetch_ids(api, state, privacy={"direct": "drop"})
    assert min(starts) == str((mark - timedelta(days=1)).date())


def test_the_source_yields_a_stub_as_deleted(january: list[dict[str, Any]]) -> None:
    """Its row has no personal values."""
    stub = january[0] | {"reviewer": "Deleted Submission"}
    with Emulator([stub]) as api:
        configured = load_settings(settings(api))
        (tables,) = _rows(configured, Protection.configured(configured), ALL_DAYS, {})
    (row,) = tables["submissions"].to_pylist()
    assert row["submission_id"] == stub["submission_id"]
    assert row["_deleted_at"] is not None
    assert (row["userid"], row["reviewer"], row["_extra"]) == (None, None, None)


@pytest.mark.slow
def test_a_range_is_loaded_exactly(pipeline: dlt.Pipeline, january: list[dict[str, Any]]) -> None:
    """All tables are loaded in one run, and a second run changes nothing."""
    first, last = date(2025, 1, 5), date(2025, 1, 9)
    behaviour = Behaviour(order="shuffled", duplicate_rows=True, day_zone="Asia/Seoul")
    with Emulator(january, behaviour=behaviour) as api:
        for _ in range(2):
            pipeline.run(argos_source("2025-01-05", last, **settings(api)))
    expected = flatten(in_range(january, first, last))
    for table in ("submissions", "attempts", "matches", "kyc_comments"):
        assert ids(pipeline, table) == sorted(row["submission_id"] for row in expected[table])


@pytest.mark.slow
def test_without_a_range_the_load_is_incremental(
    pipeline: dlt.Pipeline, january: list[dict[str, Any]]
) -> None:
    """The high-water mark is in the pipeline's own state."""
    with Emulator(january[:300]) as api:
        pipeline.run(argos_source(**settings(api)))
        mark = pipeline.state["sources"]["argos"]["high_water_mark"]
        for submission in january[300:]:
            api.store.add(submission)
        before = api.request_count
        pipeline.run(argos_source(**settings(api)))
        starts = [request.parameters["start_date"] for request in list(api.requests)[before:]]
    assert ids(pipeline) == sorted(s["submission_id"] for s in january)
    newest = datetime.fromisoformat(mark)
    assert set(starts) >= {str((newest - timedelta(days=1)).date())}
    assert newest.tzinfo == UTC


@pytest.mark.slow
def test_personal_values_are_protected(
    pipeline: dlt.Pipeline, january: list[dict[str, Any]]
) -> None:
    """A pipeline keeps its privacy policy, and an invalid policy is refused at once."""
    hashed = {"direct": "hash", "quasi": "drop", "key": "a secret that is long enough"}
    with Emulator(january[:30]) as api:
        with pytest.raises(ConfigurationError, match=r"privacy\.key"):
            argos_source(**settings(api, privacy={"direct": "hash"}))
        pipeline.run(argos_source(**settings(api, privacy=hashed)))
        pipeline.run(argos_source(**settings(api, privacy=hashed)))
        with pytest.raises(PipelineStepFailed, match="other privacy settings"):
            pipeline.run(argos_source(**settings(api)))
    with pipeline.sql_client() as client:
        emails = client.execute_sql("SELECT email FROM kyc.applicants WHERE email IS NOT NULL")
        columns = client.execute_sql("DESCRIBE kyc.applicants")
    assert emails
    assert all(email.startswith("h1.") for (email,) in emails)
    assert "nationality" not in {row[0] for row in columns or ()}


@pytest.mark.slow
def test_removed_child_rows_are_deleted(
    pipeline: dlt.Pipeline, january: list[dict[str, Any]]
) -> None:
    """A merge replaces a submission with all its child rows."""
    with Emulator(january[:50]) as api:
        pipeline.run(argos_source(**settings(api)))
        assert ids(pipeline, "attempts")
        for submission in january[:50]:
            api.store.replace({k: v for k, v in submission.items() if k != "kyc"})
        pipeline.run(argos_source("2025-01-01", "2025-01-31", **settings(api)))
    assert ids(pipeline, "attempts") == ids(pipeline, "kyc") == []
    assert len(ids(pipeline)) == 50


@pytest.mark.slow
def test_projects_are_not_mixed(pipeline: dlt.Pipeline, january: list[dict[str, Any]]) -> None:
    """Another key ends the run before a request, unless it is said to be of the same project."""
    with Emulator(january[:3]) as own, Emulator(january[3:]) as other:
        pipeline.run(argos_source(**settings(own)))
        for days in ((), ("2025-01", "2025-01")):
            with pytest.raises(PipelineStepFailed, match="new_key=True"):
                pipeline.run(argos_source(*days, **settings(other, api_key="another")))
        assert other.request_count == 0
        pipeline.run(argos_source(**settings(own)))
        own.store.add(january[3])
        pipeline.run(argos_source(new_key=True, **settings(own, api_key="new")))
        pipeline.run(argos_source(**settings(own, api_key="new")))
    assert ids(pipeline) == sorted(row["submission_id"] for row in january[:4])


def test_a_failed_run_loads_nothing(pipeline: dlt.Pipeline) -> None:
    """Neither rows nor state are committed."""
    with (
        Emulator([], behaviour=Behaviour(api_key="another")) as api,
        pytest.raises(PipelineStepFailed) as raised,
    ):
        pipeline.run(argos_source(**settings(api)))
    causes: list[BaseException | None] = [raised.value]
    while causes[-1] is not None:
        causes.append(causes[-1].__cause__ or causes[-1].__context__)
    assert any(isinstance(cause, InvalidApiKey) for cause in causes)
    assert "argos" not in pipeline.state.get("sources", {})
