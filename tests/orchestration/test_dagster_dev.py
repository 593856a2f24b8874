"""`dagster dev` as docs/deployment.md starts it: a backfill, a night and a check, through its own API."""

from __future__ import annotations

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
from argos_sync.emulator import Behaviour, Emulator, Store, generate
from orchestration.conftest import KEY
from support import Warehouse, assert_equal, context_for, in_range

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"
SECONDS = 180
"""The longest anything may take on a busy machine before the test fails."""

FIRST, LAST = date(2025, 1, 6), date(2025, 1, 12)
LOCATION = "argos_sync.orchestration.dagster"
MADE_UP = "a-row-of-nobody"


def blocks(language: str) -> list[str]:
    """The code blocks of the section on Dagster."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Dagster\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def documented_command() -> list[str]:
    """The one command that starts it, with this environment's executables."""
    (commands,) = blocks("sh")
    (line,) = [line for line in commands.splitlines() if line.startswith("dagster ")]
    program, *arguments = shlex.split(line)
    return [str(Path(sys.executable).parent / program), *arguments]


@dataclass
class Dagster:
    """A running `dagster dev`.

    Attributes:
        port: Where its webserver listens.
        process: Itself.
        pause: Waited on between two looks.
    """

    port: int
    process: subprocess.Popen[bytes]
    pause: threading.Event = field(default_factory=threading.Event)

    def ask(self, query: str, **variables: Any) -> Any:
        """Sends a GraphQL query; what it answers."""
        url = f"http://127.0.0.1:{self.port}/graphql"
        answer = httpx.post(url, json={"query": query, "variables": variables}, timeout=SECONDS)
        body = answer.json()
        assert "errors" not in body, body
        (value,) = body["data"].values()
        return value

    def until(self, look: Callable[[], Any]) -> Any:
        """Looks again and again until it sees something."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "dagster dev has ended"
            if seen := look():
                return seen
            self.pause.wait(1.0)  # each look costs the webserver time that the runs need
        pytest.fail("it takes too long")

    def serves(self) -> bool:
        """Whether it answers; then it must have read the definitions."""
        query = "{repositoriesOrError {... on RepositoryConnection {nodes {name}}}}"
        try:
            found = self.ask(query)
        except httpx.TransportError:
            return False
        assert found == {"nodes": [{"name": "__repository__"}]}
        return True

    def runs_of(self, key: str, value: str) -> list[dict[str, Any]]:
        """Runs with a tag, oldest first, once there are some and all have ended; all are good."""
        runs = self.ask(
            """query($filter: RunsFilter) {runsOrError(filter: $filter) {... on Runs {results {
                 runId status jobName}}}}""",
            filter={"tags": [{"key": key, "value": value}]},
        )["results"]
        assert not [run for run in runs if run["status"] in {"FAILURE", "CANCELED"}]
        return runs[::-1] if all(run["status"] == "SUCCESS" for run in runs) else []

    def metadata(self, asset: str, run_id: str) -> dict[str, dict[str, Any]]:
        """What a run's materializations of an asset say, by partition."""
        found = self.ask(
            """query($key: AssetKeyInput!) {assetOrError(assetKey: $key) {... on Asset {
                 assetMaterializations {runId partition metadataEntries {label
                   ... on IntMetadataEntry {intValue} ... on FloatMetadataEntry {floatValue}
                   ... on TextMetadataEntry {text}}}}}}""",
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
    """All that runs with a Dagster home, whoever started it."""
    mark = f"DAGSTER_HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def end_all(process: subprocess.Popen[bytes], home: Path) -> None:
    """Ends `dagster dev` as Ctrl-C does, and whatever it leaves behind."""
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
    """Eighty submissions of January 2025."""
    return generate(80, seed=4, start=date(2025, 1, 1), end=date(2025, 1, 31))


@pytest.fixture
def dagster(warehouse: Warehouse, submissions: list[dict[str, Any]]) -> Iterator[Dagster]:
    """`dagster dev` with nights of a minute, over a warehouse with one row that nobody misses."""
    folder = Path(str(warehouse.target.file)).parent
    home = folder / "home"
    home.mkdir()
    (yaml,) = blocks("yaml")
    (home / "dagster.yaml").write_text(yaml, encoding="utf-8")
    with Emulator(Store(submissions), behaviour=Behaviour(api_key=KEY)) as api:
        day = date(2025, 1, 1)
        backfill(context_for(api.base_url, warehouse.target, api_key=KEY), day, day)
        with duckdb.connect(str(warehouse.target.file)) as connection:
            connection.execute(
                "INSERT INTO argos.attempts BY NAME"
                " (SELECT * REPLACE (? AS submission_id) FROM argos.attempts LIMIT 1)",
                [MADE_UP],
            )
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
                running.until(running.serves)
                yield running
            finally:
                end_all(process, home)


@pytest.mark.long
def test_days_and_nights(
    dagster: Dagster, submissions: list[dict[str, Any]], warehouse: Warehouse
) -> None:
    """Days are loaded, a night comes, a check fails; what is left is right and not private."""
    days = [FIRST.replace(day=day).isoformat() for day in range(FIRST.day, LAST.day + 1)]
    backfill = dagster.ask(
        """mutation($params: LaunchBackfillParams!) {launchPartitionBackfill(
             backfillParams: $params) {... on LaunchBackfillSuccess {backfillId}}}""",
        params={"assetSelection": [{"path": ["submissions_by_day"]}], "partitionNames": days},
    )["backfillId"]
    ticked(dagster)
    a_night_has_synced_everything(dagster, submissions)
    days_are_one_backfill(dagster, backfill, days, in_range(submissions, FIRST, LAST))
    a_check_has_failed(dagster)
    what_is_left_is_right(dagster, submissions, warehouse)


def ticked(dagster: Dagster) -> None:
    """Waits for the schedule's own tick, the daemon's, and stops it: one night is enough."""

    def state() -> dict[str, Any] | None:
        found = dagster.ask(
            """query($selector: ScheduleSelector!) {scheduleOrError(scheduleSelector: $selector) {
                 ... on Schedule {scheduleState {id status ticks {status runIds}}}}}""",
            selector={
                "repositoryName": "__repository__",
                "repositoryLocationName": LOCATION,
                "scheduleName": "nightly",
            },
        )["scheduleState"]
        assert found["status"] == "RUNNING"
        return found if any(tick["status"] == "SUCCESS" for tick in found["ticks"]) else None

    seen = dagster.until(state)
    assert [len(tick["runIds"]) for tick in seen["ticks"] if tick["status"] == "SUCCESS"] == [1]
    stopped = dagster.ask(
        """mutation($id: String!) {stopRunningSchedule(id: $id) {
             ... on ScheduleStateResult {scheduleState {status}}}}""",
        id=seen["id"],
    )
    assert stopped == {"scheduleState": {"status": "STOPPED"}}


def a_night_has_synced_everything(dagster: Dagster, submissions: list[dict[str, Any]]) -> None:
    """The run of the schedule is the sync of the command."""
    run = dagster.until(lambda: dagster.runs_of("dagster/schedule_name", "nightly"))[0]
    assert run["jobName"] == "sync"
    (numbers,) = dagster.metadata("submissions", run["runId"]).values()
    assert numbers["command"] == "sync"
    assert numbers["submissions_fetched"] == len(submissions)


def days_are_one_backfill(
    dagster: Dagster, backfill: str, days: list[str], wanted: list[dict[str, Any]]
) -> None:
    """Seven partitions are one run, whose numbers stand in every partition."""
    (run,) = dagster.until(lambda: dagster.runs_of("dagster/backfill", backfill))
    told = dagster.metadata("submissions_by_day", run["runId"])
    assert sorted(told) == days
    for numbers in told.values():
        assert numbers["days"] == f"{FIRST} to {LAST}"
        assert numbers["command"] == "backfill"
        assert numbers["submissions_fetched"] == len(wanted)
        # The night may have been faster and brought the rows already.
        assert {"rows", "submissions_new", "submissions_unchanged"} < set(numbers)
        assert numbers["requests"] > 0
        assert numbers["seconds"] > 0


def a_check_has_failed(dagster: Dagster) -> None:
    """One check of four has failed, for the row of nobody."""
    checks = dagster.ask(
        """query($key: AssetKeyInput!) {assetNodeOrError(assetKey: $key) {... on AssetNode {
             assetChecksOrError {... on AssetChecks {checks {name
               executionForLatestMaterialization {status evaluation {description}}}}}}}}""",
        key={"path": ["submissions"]},
    )["assetChecksOrError"]["checks"]
    found = {check["name"]: check["executionForLatestMaterialization"] for check in checks}
    assert {name: one["status"] for name, one in found.items()} == {
        "row_counts": "SUCCEEDED",
        "referential_integrity": "FAILED",
        "staleness": "SUCCEEDED",
        "last_run_age": "SUCCEEDED",
    }
    said = found["referential_integrity"]["evaluation"]["description"]
    assert said == "rows without what they belong to: 1 in attempts"


def what_is_left_is_right(
    dagster: Dagster, submissions: list[dict[str, Any]], warehouse: Warehouse
) -> None:
    """It ends with all it has started; the rows are right, and nothing private is in its home."""
    folder = Path(str(warehouse.target.file)).parent
    home = folder / "home"
    end_all(dagster.process, home)
    assert processes_of(home) == []
    with duckdb.connect(str(warehouse.target.file)) as connection:
        connection.execute("DELETE FROM argos.attempts WHERE submission_id = ?", [MADE_UP])
    assert_equal(warehouse, submissions)

    private = {KEY}
    for one in submissions:
        person = one | one.get("data", {})
        names = ("name", "full_name", "email", "documentNumber", "identityNumber")
        private |= {person[name] for name in names if person.get(name)}
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    kept += (folder / "printed").read_bytes()
    assert [text for text in private if text.encode() in kept] == []
    assert b"submissions_fetched" in kept
