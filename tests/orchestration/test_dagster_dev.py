"""Test `dagster dev` as in docs/deployment.md: a backfill, a sync and its checks, over GraphQL."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.emulator import Store, generate
from argos_sync.orchestration.checks import CHECKS
from argos_sync.shape.contract import load_contract
from argos_sync.warehouse.checks import CheckResult
from oracle import flatten
from orchestration.conftest import KEY, private_values
from support import Warehouse, assert_equal, context_for, created_at, in_range
from whole_lists import Behaviour, Emulator

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"
TIMEOUT = 180
"""Maximum seconds for anything on a busy machine."""

FIRST, LAST = date(2025, 1, 6), date(2025, 1, 12)
MODULE = "argos_sync.orchestration.dagster"
ORPHAN = "a-submission-that-does-not-exist"


def blocks(language: str) -> list[str]:
    """Return the code blocks of the page's section on Dagster."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Dagster")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def documented_command() -> list[str]:
    """Return the command that starts Dagster, from this environment."""
    (commands,) = blocks("sh")
    (line,) = [line for line in commands.splitlines() if line.startswith("dagster ")]
    program, *arguments = shlex.split(line)
    return [str(Path(sys.executable).parent / program), *arguments]


@dataclass
class Dagster:
    """Control a running `dagster dev`.

    Attributes:
        port: Port of the webserver.
        process: Process of `dagster dev`.
        pause: Event that is never set, to wait on between two polls.
    """

    port: int
    process: subprocess.Popen[bytes]
    pause: threading.Event = field(default_factory=threading.Event)

    def query(self, query: str, **variables: Any) -> Any:
        """Send a GraphQL query and return its only value."""
        url = f"http://127.0.0.1:{self.port}/graphql"
        answer = httpx.post(url, json={"query": query, "variables": variables}, timeout=TIMEOUT)
        body = answer.json()
        assert "errors" not in body, body
        (value,) = body["data"].values()
        return value

    def wait_for(self, poll: Callable[[], Any]) -> Any:
        """Poll until there is a result, and return it."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "dagster dev has ended"
            if result := poll():
                return result
            self.pause.wait(1.0)  # polling takes time from the runs
        pytest.fail(f"no result after {TIMEOUT} s")

    def serves(self) -> bool:
        """Return whether the webserver answers with the definitions loaded."""
        query = "{repositoriesOrError {... on RepositoryConnection {nodes {name}}}}"
        try:
            found = self.query(query)
        except httpx.TransportError:
            return False
        assert found == {"nodes": [{"name": "__repository__"}]}
        return True

    def runs_of(self, key: str, value: str) -> list[dict[str, Any]]:
        """Return runs with a tag, oldest first, once all of them have succeeded."""
        runs = self.query(
            """query($filter: RunsFilter) {runsOrError(filter: $filter) {... on Runs {results {
                 runId status jobName}}}}""",
            filter={"tags": [{"key": key, "value": value}]},
        )["results"]
        assert not [run for run in runs if run["status"] in {"FAILURE", "CANCELED"}]
        return runs[::-1] if all(run["status"] == "SUCCESS" for run in runs) else []

    def metadata(self, asset: str, run_id: str) -> dict[str, dict[str, Any]]:
        """Return the metadata of a run's materializations of an asset, by partition."""
        found = self.query(
            """query($key: AssetKeyInput!) {assetOrError(assetKey: $key) {... on Asset {
                 assetMaterializations {runId partition metadataEntries {label
                   ... on IntMetadataEntry {intValue} ... on FloatMetadataEntry {floatValue}
                   ... on TextMetadataEntry {text}
                   ... on TableSchemaMetadataEntry {schema {columns {name}}}}}}}}""",
            key={"path": [asset]},
        )["assetMaterializations"]
        return {
            one["partition"]: {
                entry.pop("label"): next(iter(entry.values())) for entry in one["metadataEntries"]
            }
            for one in found
            if one["runId"] == run_id
        }


def processes_of(home: Path) -> list[int]:
    """Return the ids of all processes with a Dagster home."""
    variable = f"DAGSTER_HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if variable in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def end_all(process: subprocess.Popen[bytes], home: Path) -> None:
    """Stop `dagster dev` as Ctrl-C does, then kill remaining processes."""
    with process:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
    while left := processes_of(home):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def submissions() -> list[dict[str, Any]]:
    """Return eighty submissions of January 2025."""
    return generate(80, seed=4, start=date(2025, 1, 1), end=date(2025, 1, 31))


@pytest.fixture
def dagster(warehouse: Warehouse, submissions: list[dict[str, Any]]) -> Iterator[Dagster]:
    """Return `dagster dev` with a sync every minute, over a warehouse with one orphaned row."""
    folder = Path(str(warehouse.target.file)).parent
    home = folder / "home"
    home.mkdir()
    (yaml,) = blocks("yaml")
    (home / "dagster.yaml").write_text(yaml, encoding="utf-8")
    with Emulator(Store(submissions), behaviour=Behaviour(api_key=KEY)) as api:
        day = next(created_at(s).date() for s in submissions if s["kyc"].get("attempts"))
        backfill(context_for(api.base_url, warehouse.target, api_key=KEY), day, day)
        with duckdb.connect(str(warehouse.target.file)) as connection:
            connection.execute(
                "INSERT INTO argos.attempts BY NAME"
                " (SELECT * REPLACE (? AS submission_id) FROM argos.attempts LIMIT 1)",
                [ORPHAN],
            )
            # Without an earlier run, the next one checks all rows, not only changed ones.
            connection.execute("DELETE FROM argos.sync_runs")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        kept = {k: v for k, v in os.environ.items() if k == "PATH" or k.startswith("COVERAGE_")}
        settings = {
            "HOME": str(folder),
            "DAGSTER_HOME": str(home),
            "SOURCES__ARGOS__API_KEY": KEY,
            "SOURCES__ARGOS__BASE_URL": api.base_url,
            "SOURCES__ARGOS__START_DATE": "2025-01-01",
            "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
            "SOURCES__ARGOS__ORCHESTRATION__NIGHTLY": "* * * * *",
            "SOURCES__ARGOS__ORCHESTRATION__PIPELINES_DIR": str(warehouse.target.pipelines_dir),
        }
        with (folder / "printed").open("wb") as printed:
            process = subprocess.Popen(
                [*documented_command(), "--host", "127.0.0.1", "--port", str(port)],
                cwd=folder,
                env=kept | settings,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
            try:
                running = Dagster(port, process)
                running.wait_for(running.serves)
                yield running
            finally:
                end_all(process, home)


@pytest.mark.slow
@pytest.mark.process
def test_backfill_schedule_and_checks(
    dagster: Dagster, submissions: list[dict[str, Any]], warehouse: Warehouse
) -> None:
    """Days are loaded, the schedule syncs, one check fails, and Dagster stores no private data."""
    days = [FIRST.replace(day=day).isoformat() for day in range(FIRST.day, LAST.day + 1)]
    backfill = dagster.query(
        """mutation($params: LaunchBackfillParams!) {launchPartitionBackfill(
             backfillParams: $params) {... on LaunchBackfillSuccess {backfillId}}}""",
        params={"assetSelection": [{"path": ["submissions_by_day"]}], "partitionNames": days},
    )["backfillId"]
    wait_for_tick(dagster)
    assert_schedule_synced(dagster, submissions)
    assert_one_backfill(dagster, backfill, days, in_range(submissions, FIRST, LAST))
    assert_one_check_failed(dagster)
    assert_no_private_data(dagster, submissions, warehouse)


def wait_for_tick(dagster: Dagster) -> None:
    """Wait for a tick of the schedule, then stop the schedule."""

    def state() -> dict[str, Any] | None:
        found = dagster.query(
            """query($selector: ScheduleSelector!) {scheduleOrError(scheduleSelector: $selector) {
                 ... on Schedule {scheduleState {id status ticks {status runIds}}}}}""",
            selector={
                "repositoryName": "__repository__",
                "repositoryLocationName": MODULE,
                "scheduleName": "nightly",
            },
        )["scheduleState"]
        assert found["status"] == "RUNNING"
        return found if any(tick["status"] == "SUCCESS" for tick in found["ticks"]) else None

    seen = dagster.wait_for(state)
    assert [len(tick["runIds"]) for tick in seen["ticks"] if tick["status"] == "SUCCESS"] == [1]
    stopped = dagster.query(
        """mutation($id: String!) {stopRunningSchedule(id: $id) {
             ... on ScheduleStateResult {scheduleState {status}}}}""",
        id=seen["id"],
    )
    assert stopped == {"scheduleState": {"status": "STOPPED"}}


def assert_schedule_synced(dagster: Dagster, submissions: list[dict[str, Any]]) -> None:
    """Assert that the scheduled run is a sync of all submissions."""
    run = dagster.wait_for(lambda: dagster.runs_of("dagster/schedule_name", "nightly"))[0]
    assert run["jobName"] == "sync"
    (numbers,) = dagster.metadata("submissions", run["runId"]).values()
    assert numbers["command"] == "sync"
    assert numbers["submissions_fetched"] == numbers["dagster/row_count"] == len(submissions)
    (table,) = dagster.metadata("applicants", run["runId"]).values()
    assert table["dagster/row_count"] == len(flatten(submissions)["applicants"])
    names = [column["name"] for column in table["dagster/column_schema"]["columns"]]
    assert names == [column.name for column in load_contract()["applicants"].columns]


def assert_one_backfill(
    dagster: Dagster, backfill: str, days: list[str], expected: list[dict[str, Any]]
) -> None:
    """Assert that seven partitions are one run, with its metadata in each partition."""
    (run,) = dagster.wait_for(lambda: dagster.runs_of("dagster/backfill", backfill))
    metadata = dagster.metadata("submissions_by_day", run["runId"])
    assert sorted(metadata) == days
    for numbers in metadata.values():
        assert numbers["days"] == f"{FIRST} to {LAST}"
        assert numbers["command"] == "backfill"
        assert numbers["submissions_fetched"] == len(expected)
        # The scheduled sync may have loaded the rows first.
        assert {"rows", "submissions_new", "submissions_unchanged"} < set(numbers)
        assert numbers["requests"] > 0
        assert numbers["seconds"] > 0


def assert_one_check_failed(dagster: Dagster) -> None:
    """Assert that only has_parent failed, for the orphaned row."""
    checks = dagster.query(
        """query($key: AssetKeyInput!) {assetNodeOrError(assetKey: $key) {... on AssetNode {
             assetChecksOrError {... on AssetChecks {checks {name
               executionForLatestMaterialization {status evaluation {description}}}}}}}}""",
        key={"path": ["submissions"]},
    )["assetChecksOrError"]["checks"]
    found = {check["name"]: check["executionForLatestMaterialization"] for check in checks}
    expected = dict.fromkeys(CHECKS, "SUCCEEDED") | {"has_parent": "FAILED"}
    assert {name: one["status"] for name, one in found.items()} == expected
    description = found["has_parent"]["evaluation"]["description"]
    assert description == str(CheckResult("has_parent", "attempts", 1))


def assert_no_private_data(
    dagster: Dagster, submissions: list[dict[str, Any]], warehouse: Warehouse
) -> None:
    """Assert that all processes end, the rows are right, and nothing private is stored."""
    folder = Path(str(warehouse.target.file)).parent
    home = folder / "home"
    end_all(dagster.process, home)
    assert processes_of(home) == []
    with duckdb.connect(str(warehouse.target.file)) as connection:
        connection.execute("DELETE FROM argos.attempts WHERE submission_id = ?", [ORPHAN])
    assert_equal(warehouse, submissions)

    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    kept += (folder / "printed").read_bytes()
    assert [text for text in private_values(submissions) if text.encode() in kept] == []
    assert b"submissions_fetched" in kept
