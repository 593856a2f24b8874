"""What Dagster runs, in this process: numbers, failures, retries, checks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import duckdb
import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands import sync as commands
from argos_sync.emulator import Emulator
from argos_sync.load.locks import lock_file
from argos_sync.load.pipeline import working_dir
from argos_sync.orchestration.health import CHECKS, look
from orchestration.conftest import KEY, load_definitions
from support import Warehouse, assert_equal, context_for, created_at, in_range

Submissions = list[dict[str, Any]]


def metadata(result: dg.ExecuteInProcessResult, asset: dg.AssetsDefinition) -> dict[str, Any]:
    """What the only materialization of an asset says."""
    (found,) = result.asset_materializations_for_node(asset.op.name)
    return {name: value.value for name, value in found.metadata.items()}


def everything_stored(instance: dg.DagsterInstance, run_id: str) -> str:
    """All that Dagster keeps of a run."""
    return "\n".join(str(entry) for entry in instance.all_logs(run_id))


def events(result: dg.ExecuteInProcessResult, kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
    """The events of one kind."""
    return [event for event in result.all_events if event.event_type is kind]


def failure_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Description and metadata of the failure a run ended with."""
    (event,) = events(result, dg.DagsterEventType.STEP_FAILURE)
    failed = event.step_failure_data.user_failure_data
    assert failed is not None
    return {"said": failed.description, **{k: v.value for k, v in failed.metadata.items()}}


def test_a_nightly_run_loads_and_tells_its_numbers(
    definitions: ModuleType, submissions: Submissions, warehouse: Warehouse, api: Emulator
) -> None:
    """The job `sync` loads what the command loads, and all checks pass."""
    result = definitions.defs.resolve_job_def("sync").execute_in_process()
    told = metadata(result, definitions.submissions)
    assert told["submissions_fetched"] == told["submissions_new"] == len(submissions)
    assert told["requests"] == api.request_count
    assert told["rows"] > len(submissions)
    assert told["seconds"] > 0
    assert told["command"] == "sync"
    passed = {found.check_name: found.passed for found in result.get_asset_check_evaluations()}
    assert passed == dict.fromkeys(CHECKS, True)
    assert_equal(warehouse, submissions)
    assert Path(str(warehouse.target.file)).stat().st_mode & 0o777 == 0o600


def test_a_partition_is_a_backfill_of_its_day(
    definitions: ModuleType, submissions: Submissions, warehouse: Warehouse
) -> None:
    """Exactly the day; again it fetches nothing and says so, unless it is told to."""
    day = created_at(submissions[0]).date()

    def load(**options: Any) -> dict[str, Any]:
        config = dg.RunConfig(ops={"submissions_by_day": {"config": options}})
        result = dg.materialize(
            [definitions.submissions_by_day], partition_key=day.isoformat(), run_config=config
        )
        return metadata(result, definitions.submissions_by_day)

    wanted = in_range(submissions, day, day)
    first = load()
    assert (first["days"], first["submissions_new"]) == (f"{day} to {day}", len(wanted))
    assert_equal(warehouse, wanted)
    again = load()
    assert again["submissions_fetched"] == 0
    assert again["note"].startswith(f"{day} to {day} was finished before")
    assert load(force=True)["submissions_unchanged"] == len(wanted)


def test_a_reconcile_repairs_the_last_days(
    definitions: ModuleType, submissions: Submissions, warehouse: Warehouse, api: Emulator
) -> None:
    """What is missing is fetched; the numbers tell on how many days."""
    day = created_at(submissions[0]).date()
    commands.backfill(context_for(api.base_url, warehouse.target, api_key=KEY), day, day)
    result = definitions.defs.resolve_job_def("reconcile").execute_in_process()
    told = metadata(result, definitions.reconciliation)
    held = len(in_range(submissions, day, day))
    assert told["submissions_new"] == len(submissions) - held
    assert told["submissions_held"] == held
    assert told["days_that_differed"] == len({created_at(s).date() for s in submissions}) - 1
    assert_equal(warehouse, submissions)


def test_a_refused_key_is_told_once(
    definitions: ModuleType, api: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What repeating cannot mend is not repeated; neither key is anywhere in what is stored."""
    monkeypatch.setenv("SOURCES__ARGOS__API_KEY", "a-wrong-key-that-nobody-may-see-either")
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([definitions.submissions], instance=instance, raise_on_error=False)
        stored = everything_stored(instance, result.run_id)
    said = failure_of(result)
    assert said.pop("said").endswith("check api_key against the key in the ARGOS dashboard")
    assert said == {"exit_code": 3, "kind": "InvalidApiKey"}
    assert not events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY)
    assert "nobody-may-see" not in stored


def test_a_missing_setting_is_told_once(
    definitions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configuration is read when a run starts."""
    monkeypatch.delenv("SOURCES__ARGOS__API_KEY")
    result = dg.materialize([definitions.submissions], raise_on_error=False)
    said = failure_of(result)
    assert said["exit_code"] == 2
    assert said["said"].startswith("no value for sources.argos.api_key; set ")
    assert not events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY)


def test_a_locked_warehouse_is_tried_again(definitions: ModuleType, warehouse: Warehouse) -> None:
    """Four more times; who holds it is told."""
    lock = working_dir(warehouse.target).with_suffix(".lock")
    with lock_file(lock, "something else"):
        result = dg.materialize([definitions.submissions], raise_on_error=False)
    said = failure_of(result)
    assert said["exit_code"] == 5
    assert "(argos-sync something else)" in said["said"]
    assert len(events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY)) == 4
    assert dg.materialize([definitions.submissions]).success


def test_foreign_errors_are_told_by_their_kind(
    definitions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the text of an error nor that of its causes is stored."""

    def sync(_: object) -> None:
        try:
            int("Kim Minjun")
        except ValueError as error:
            raise LookupError("Hong Gildong") from error

    monkeypatch.setattr(commands, "sync", sync)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([definitions.submissions], instance=instance, raise_on_error=False)
        stored = everything_stored(instance, result.run_id)
    assert failure_of(result)["said"].startswith("unexpected LookupError; run ")
    assert "LookupError" in stored
    assert "Minjun" not in stored
    assert "Gildong" not in stored


DAMAGE: dict[str, Callable[[duckdb.DuckDBPyConnection], object]] = {
    "row_counts": lambda db: db.execute("INSERT INTO kyc SELECT * FROM kyc"),
    "referential_integrity": lambda db: db.execute("UPDATE matches SET match_index = 99"),
    "staleness": lambda db: db.execute(
        "UPDATE submissions SET _synced_at = _synced_at - INTERVAL 40 DAYS"
    ),
    "last_run_age": lambda db: db.execute("UPDATE sync_runs SET exit_status = 4"),
}


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_can_fail(
    check: str, configured: None, warehouse: Warehouse, api: Emulator
) -> None:
    """One kind of damage, one check that finds it."""
    now = datetime.now(UTC)
    commands.sync(context_for(api.base_url, warehouse.target, now, api_key=KEY))
    assert [found.name for found in look(warehouse.target, now, 26.0)] == list(CHECKS)
    with duckdb.connect(str(warehouse.target.file)) as connection:
        connection.execute("USE argos.argos")
        DAMAGE[check](connection)
    found = {found.name: found.passed for found in look(warehouse.target, now, 26.0)}
    assert found == {name: name != check for name in CHECKS}


def test_an_old_run_is_too_old(configured: None, warehouse: Warehouse, api: Emulator) -> None:
    """The age counts from the beginning of the last good run."""
    now = datetime.now(UTC)
    commands.sync(context_for(api.base_url, warehouse.target, now, api_key=KEY))
    *_, age = look(warehouse.target, now + timedelta(hours=27), 26.0)
    assert (age.passed, age.figures) == (False, {"hours": 27.0})


def test_the_configuration_is_that_of_dlt(
    configured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times, first partition and executor come from the section orchestration."""
    monkeypatch.setenv("SOURCES__ARGOS__START_DATE", "2024-05-01")
    monkeypatch.setenv("SOURCES__ARGOS__ORCHESTRATION__NIGHTLY", "30 1 * * *")
    monkeypatch.setenv("SOURCES__ARGOS__ORCHESTRATION__EXECUTOR", "dagster.in_process_executor")
    module = load_definitions()
    assert module.submissions_by_day.partitions_def.get_first_partition_key() == "2024-05-01"
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
    """The message names the key and an example."""
    monkeypatch.setenv("SOURCES__ARGOS__ORCHESTRATION__EXECUTOR", name)
    with pytest.raises(ConfigurationError, match=r"orchestration\.executor names no executor"):
        load_definitions()


def test_everything_waits_in_the_pool(definitions: ModuleType) -> None:
    """The definitions fit together, and one limit covers all that opens the warehouse."""
    dg.Definitions.validate_loadable(definitions.defs)
    graph = definitions.defs.resolve_asset_graph()
    assets = [node.pools for node in graph.asset_nodes]
    assert assets == [{"argos_api"}] * 3
    assert definitions.health.op.pool == "argos_api"


def test_nothing_else_imports_dagster() -> None:
    """It is an extra: the package and the command do without."""
    script = (
        "import sys, argos_sync; from argos_sync.cli import app, loading, looking, common;"
        " import argos_sync.commands.sync, argos_sync.fetch.process.parent, argos_sync.commands.reconcile;"
        " argos_sync.argos_source; sys.exit('dagster' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
