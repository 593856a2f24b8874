"""`argos_source` in a dlt pipeline of somebody else's."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from argos_sync import argos_source
from argos_sync.api.errors import ConfigurationError, ServerError
from argos_sync.emulator import Behaviour, Emulator, Faults
from oracle import flatten
from support import API_KEY, in_range


@pytest.fixture
def pipeline(tmp_path: Path) -> dlt.Pipeline:
    """A pipeline that knows nothing of argos-sync."""
    return dlt.pipeline(
        "mine",
        destination=dlt.destinations.duckdb(str(tmp_path / "mine.duckdb")),
        dataset_name="kyc",
        pipelines_dir=str(tmp_path / "pipelines"),
    )


def ids(pipeline: dlt.Pipeline, table: str = "submissions") -> list[str]:
    """Return the submission ids of a table, in order."""
    with pipeline.sql_client() as client:
        rows = client.execute_sql(f"SELECT submission_id FROM kyc.{table} ORDER BY 1")
    return [row[0] for row in rows or ()]


def settings(api: Emulator, **more: Any) -> dict[str, Any]:
    """Return what the source needs."""
    fast = {"max_requests_per_second": 10_000.0, "page_size": 50}
    return {"api_key": API_KEY, "base_url": api.base_url, **fast, **more}


def test_a_range_is_loaded_exactly(pipeline: dlt.Pipeline, january: list[dict[str, Any]]) -> None:
    """All tables come in one run, and a second run changes nothing."""
    first, last = date(2025, 1, 5), date(2025, 1, 9)
    behaviour = Behaviour(order="shuffled", duplicate_rows=True, day_zone="Asia/Seoul")
    with Emulator(january, behaviour=behaviour) as api:
        for _ in range(2):
            pipeline.run(argos_source("2025-01-05", last, **settings(api)))
    expected = flatten(in_range(january, first, last))
    for table in ("submissions", "attempts", "matches", "kyc_comments"):
        assert ids(pipeline, table) == sorted(row["submission_id"] for row in expected[table])


def test_without_a_range_it_is_incremental(
    pipeline: dlt.Pipeline, january: list[dict[str, Any]]
) -> None:
    """The high-water mark lives in the pipeline's own state."""
    with Emulator(january[:300]) as api:
        pipeline.run(argos_source(**settings(api)))
        mark = pipeline.state["sources"]["argos"]["high_water_mark"]
        for submission in january[300:]:
            api.store.add(submission)
        before = api.request_count
        pipeline.run(argos_source(**settings(api)))
        asked = [request.parameters["start_date"] for request in list(api.requests)[before:]]
    assert ids(pipeline) == sorted(s["submission_id"] for s in january)
    reached = datetime.fromisoformat(mark)
    assert set(asked) >= {str((reached - timedelta(days=1)).date())}
    assert reached.tzinfo == UTC


def test_personal_values_are_protected(
    pipeline: dlt.Pipeline, january: list[dict[str, Any]]
) -> None:
    """As configured, and never differently in one pipeline; what cannot be is said at once."""
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


def test_children_that_are_gone_are_gone(
    pipeline: dlt.Pipeline, january: list[dict[str, Any]]
) -> None:
    """A merge replaces a submission with all its rows."""
    with Emulator(january[:50]) as api:
        pipeline.run(argos_source(**settings(api)))
        assert ids(pipeline, "attempts")
        for submission in january[:50]:
            api.store.replace({k: v for k, v in submission.items() if k != "kyc"})
        pipeline.run(argos_source("2025-01-01", "2025-01-31", **settings(api)))
    assert ids(pipeline, "attempts") == ids(pipeline, "kyc") == []
    assert len(ids(pipeline)) == 50


def test_a_failure_loads_nothing(pipeline: dlt.Pipeline, january: list[dict[str, Any]]) -> None:
    """Rows and state of the run are given up together."""
    faults = Faults(rate_500=1.0, max_consecutive=10**6, retry_after="0")
    with Emulator(january, faults=faults) as api, pytest.raises(Exception) as raised:  # noqa: PT011 dlt wraps it
        pipeline.run(argos_source(**settings(api)))
    causes = [raised.value]
    while causes[-1].__cause__ or causes[-1].__context__:
        causes.append(causes[-1].__cause__ or causes[-1].__context__)  # type: ignore[arg-type] # one of them is there
    assert any(isinstance(cause, ServerError) for cause in causes)
    assert "argos" not in pipeline.state.get("sources", {})
