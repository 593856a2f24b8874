"""Dagster assets run in the test process: metadata, failures, retries and checks."""

import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import duckdb
import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.backfill import backfill
from argos_sync.load.locks import lock_file
from argos_sync.load.target import working_dir
from argos_sync.orchestration.checks import CHECKS
from argos_sync.orchestration.tables import ROW_COUNT
from argos_sync.orchestration.tasks import TaskLog
from argos_sync.run.context import Context
from argos_sync.run.summary import RunSummary
from argos_sync.shape.contract import load_contract
from orchestration.conftest import KEY, load_definitions
from support import Warehouse, assert_equal, context_for, created_at, in_range
from whole_lists import Emulator

Submissions = list[dict[str, Any]]

MATERIALIZED = dg.DagsterEventType.ASSET_MATERIALIZATION
SUBMISSIONS_KEY = dg.AssetKey("submissions")


def metadata(result: dg.ExecuteInProcessResult, asset: dg.AssetsDefinition) -> dict[str, Any]:
    """Return the metadata of an asset's only materialization."""
    found = result.asset_materializations_for_node(asset.op.name)
    (own,) = [one for one in found if one.asset_key == asset.key]
    return {name: value.value for name, value in own.metadata.items()}


def reported_rows(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    """Return the rows that a run reports, by table."""
    found: dict[str, object] = {}
    for event in result.all_events:
        key = event.asset_key.to_user_string() if event.asset_key else ""
        if event.is_step_materialization:
            metadata = event.step_materialization_data.materialization.metadata
        elif event.event_type is dg.DagsterEventType.ASSET_OBSERVATION:
            metadata = event.asset_observation_data.asset_observation.metadata
        else:
            continue
        if ROW_COUNT in metadata:
            found[key] = metadata[ROW_COUNT].value
    return found


def counted_rows(warehouse: Warehouse) -> dict[str, int]:
    """Return the rows of the tables that the warehouse has."""
    with duckdb.connect(str(warehouse.target.file), read_only=True) as connection:
        return {
            name: connection.execute(f"SELECT COUNT(*) FROM argos.{name}").fetchall()[0][0]
            for name in load_contract().tables
        }


def stored_events(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return everything Dagster stores about a run."""
    return "\n".join(str(entry) for entry in instance.all_logs(run_id))


def events(result: dg.ExecuteInProcessResult, kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
    """Return the events of a type."""
    return [event for event in result.all_events if event.event_type is kind]


def failure_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Return description and metadata of a run's failure."""
    (event,) = events(result, dg.DagsterEventType.STEP_FAILURE)
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    values = {name: value.value for name, value in failure.metadata.items()}
    return {"description": failure.description, **values}


def test_progress_is_one_line_for_each_chunk(caplog: pytest.LogCaptureFixture) -> None:
    """It reads well with one window as with several."""
    summary = RunSummary("r", "sync", datetime.now(UTC), windows=1)
    summary.submissions_fetched, summary.rows = 1, 1_234
    with caplog.at_level(logging.INFO):
        TaskLog(logging.getLogger("task")).chunk_loaded(summary)
    assert caplog.messages == ["sync so far: submissions 1, rows 1,234, windows 1"]


@pytest.mark.slow
def test_the_nightly_job_loads_and_checks(
    definitions: ModuleType, submissions: Submissions, warehouse: Warehouse, api: Emulator
) -> None:
    """The job `sync` loads all submissions, reports its counts, and all checks pass."""
    result = definitions.defs.resolve_job_def("sync").execute_in_process()
    loaded = metadata(result, definitions.submissions)
    assert loaded["submissions_fetched"] == loaded["submissions_new"] == len(submissions)
    assert loaded["requests"] == api.request_count
    assert loaded["rows"] > len(submissions)
    assert loaded["seconds"] > 0
    assert loaded["command"] == "sync"
    evaluations = result.get_asset_check_evaluations()
    passed = {check.check_name: check.passed for check in evaluations}
    assert passed == dict.fromkeys(CHECKS, True)
    assert_equal(warehouse, submissions)
    assert reported_rows(result) == counted_rows(warehouse)


@pytest.mark.slow
def test_a_partition_is_a_backfill_of_its_day(
    definitions: ModuleType, submissions: Submissions, warehouse: Warehouse
) -> None:
    """A second run fetches nothing and says so, unless it is forced; a new file is private."""
    file = Path(str(warehouse.target.file))
    file.unlink()
    day = created_at(submissions[0]).date()

    def load(**options: Any) -> dict[str, Any]:
        """Return the metadata of the run, which reports the rows of every table, too."""
        config = dg.RunConfig(ops={"submissions_by_day": {"config": options}})
        result = dg.materialize(
            [definitions.submissions_by_day], partition_key=day.isoformat(), run_config=config
        )
        assert reported_rows(result) == counted_rows(warehouse)
        # A materialization of `submissions` is a sync.
        assert not [e for e in events(result, MATERIALIZED) if e.asset_key == SUBMISSIONS_KEY]
        return metadata(result, definitions.submissions_by_day)

    expected = in_range(submissions, day, day)
    first = load()
    assert (first["days"], first["submissions_new"]) == (f"{day} to {day}", len(expected))
    assert file.stat().st_mode & 0o777 == 0o600
    assert_equal(warehouse, expected)
    again = load()
    assert again["submissions_fetched"] == 0
    assert again["note"].startswith(f"{day} to {day} was finished before")
    assert load(force=True)["submissions_unchanged"] == len(expected)


@pytest.mark.slow
def test_a_reconcile_repairs_the_last_days(
    definitions: ModuleType, submissions: Submissions, warehouse: Warehouse, api: Emulator
) -> None:
    """Missing submissions are fetched; the metadata counts the days that differed."""
    day = created_at(submissions[0]).date()
    backfill(context_for(api.base_url, warehouse.target, api_key=KEY), day, day)
    result = definitions.defs.resolve_job_def("reconcile").execute_in_process()
    loaded = metadata(result, definitions.reconciliation)
    held = len(in_range(submissions, day, day))
    assert loaded["submissions_new"] == len(submissions) - held
    assert loaded["submissions_held"] == held
    assert loaded["days_that_differed"] == len({created_at(s).date() for s in submissions}) - 1
    assert reported_rows(result) == counted_rows(warehouse)
    assert_equal(warehouse, submissions)


def test_a_refused_key_is_not_retried(
    definitions: ModuleType, api: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure has exit code 3; Dagster stores neither the valid nor the wrong key."""
    monkeypatch.setenv("SOURCES__ARGOS__API_KEY", "a-wrong-key-that-nobody-may-see-either")
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([definitions.submissions], instance=instance, raise_on_error=False)
        stored = stored_events(instance, result.run_id)
    failure = failure_of(result)
    description = failure.pop("description")
    assert description.endswith("check api_key against the key in the ARGOS dashboard")
    assert failure == {"exit_code": 3, "kind": "InvalidApiKey"}
    assert not events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY)
    assert "nobody-may-see" not in stored


def test_a_missing_setting_is_not_retried(
    definitions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configuration is read when a run starts, so the failure has exit code 2."""
    monkeypatch.delenv("SOURCES__ARGOS__API_KEY")
    result = dg.materialize([definitions.submissions], raise_on_error=False)
    failure = failure_of(result)
    assert failure["exit_code"] == 2
    assert failure["description"].startswith("no value for sources.argos.api_key; set ")
    assert not events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY)


@pytest.mark.slow  # five attempts, and a run
def test_a_locked_warehouse_is_retried(definitions: ModuleType, warehouse: Warehouse) -> None:
    """After four retries the failure names the command that holds the lock."""
    lock = working_dir(warehouse.target).with_suffix(".lock")
    with lock_file(lock, "something else"):
        result = dg.materialize([definitions.submissions], raise_on_error=False)
    failure = failure_of(result)
    assert failure["exit_code"] == 5
    assert "(argos-sync something else)" in failure["description"]
    assert len(events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY)) == 4
    assert dg.materialize([definitions.submissions]).success


def test_errors_of_other_packages_show_only_their_class(
    definitions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster stores neither the message of an error nor that of its cause."""

    def sync(_: object) -> None:
        try:
            int("Kim Minjun")
        except ValueError as error:
            raise LookupError("Hong Gildong") from error

    monkeypatch.setattr(definitions, "sync", sync)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([definitions.submissions], instance=instance, raise_on_error=False)
        stored = stored_events(instance, result.run_id)
    assert failure_of(result)["description"].startswith("unexpected LookupError; run ")
    assert "LookupError" in stored
    assert "Minjun" not in stored
    assert "Gildong" not in stored


def test_tables_that_cannot_be_read_fail_no_run(
    definitions: ModuleType, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is loaded stays loaded; the log says why there are no rows."""

    def sync(context: Context) -> RunSummary:
        Path(str(warehouse.target.file)).unlink()
        return RunSummary("r", "sync", context.clock(), exit_status=0)

    monkeypatch.setattr(definitions, "sync", sync)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([definitions.submissions], instance=instance)
        stored = stored_events(instance, result.run_id)
    assert metadata(result, definitions.submissions)["command"] == "sync"
    assert reported_rows(result) == {}
    assert "The rows of the tables are not reported: there is no DuckDB file" in stored


def test_schedules_are_configured_with_dlt(
    configured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times, first partition and executor come from dlt's configuration."""
    monkeypatch.setenv("SOURCES__ARGOS__START_DATE", "2024-Q2")
    monkeypatch.setenv("SOURCES__ARGOS__ORCHESTRATION__NIGHTLY", "30 1 * * *")
    monkeypatch.setenv("SOURCES__ARGOS__ORCHESTRATION__EXECUTOR", "dagster.in_process_executor")
    module = load_definitions()
    assert module.submissions_by_day.partitions_def.get_first_partition_key() == "2024-04-01"
    assert module.defs.executor is dg.in_process_executor
    assert {one.name: (one.job_name, one.cron_schedule) for one in module.defs.schedules} == {
        "nightly": ("sync", "30 1 * * *"),
        "weekly": ("reconcile", "0 5 * * 0"),
        "morning": ("check", "0 9 * * *"),
    }


@pytest.mark.parametrize("name", ["nothing", "dagster.asset", "no_such_module.executor"])
def test_an_unknown_executor_is_a_configuration_error(
    name: str, configured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the configuration key."""
    monkeypatch.setenv("SOURCES__ARGOS__ORCHESTRATION__EXECUTOR", name)
    with pytest.raises(ConfigurationError, match=r"orchestration\.executor is not the name"):
        load_definitions()


@pytest.mark.process
def test_extras_are_imported_only_where_they_are_used() -> None:
    """The package and its commands work without Dagster, and without the packages of formats."""
    script = (
        "import sys, argos_sync, argos_sync.cli.app, argos_sync.commands.sync,"
        " argos_sync.commands.reconcile, argos_sync.report, argos_sync.fetch.process.parent,"
        " argos_sync.commands.publish.duckdb_copy, argos_sync.commands.publish.parquet_folder;"
        " argos_sync.argos_source;"
        " sys.exit(bool({'dagster', 'deltalake', 'vl_convert'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
