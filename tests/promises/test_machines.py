"""Promises about runs that are killed, and about runs on several machines."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import pytest

from argos_sync.api.errors import ServerError
from argos_sync.commands.backfill import backfill
from argos_sync.commands.sync import sync
from argos_sync.emulator import Faults
from argos_sync.load.errors import DestinationError
from cli.command import Command
from cli.events import HeldEmulator, first_to_end
from load.test_lease import assert_one_wins
from oracle import flatten
from promises.clickhouse import clickhouse_place
from promises.place import Place, on_machine
from support import API_KEY, LATER, Rows, StopAfter, assert_equal, at, ordered
from whole_lists import Emulator

pytestmark = [pytest.mark.slow, pytest.mark.process, pytest.mark.tables_made]

KILLED_RUN = Path(__file__).with_name("killed_run.py")
SECONDS_UNTIL_FREE = 60
"""The longest that the lock of a killed run may last."""
JANUARY = date(2025, 1, 1), date(2025, 1, 31)
HALVES = (JANUARY[0], date(2025, 1, 15)), (date(2025, 1, 16), JANUARY[1])

_T = TypeVar("_T")


@pytest.fixture
def january(january: Rows) -> Rows:
    """Return a few chunks of submissions."""
    return [submission for submission in january[::6] if submission["kyc"]]


def changed(submission: dict[str, Any]) -> dict[str, Any]:
    """Return the submission with another user, fewer attempts, and more comments."""
    kyc = submission["kyc"] | {"comment": ["one", "two", "three"], "commentCode": []}
    attempts = kyc.get("attempts") or []
    return submission | {"userid": "changed", "kyc": kyc | {"attempts": attempts[:1]}}


def run_when_free(run: Callable[[], _T]) -> _T:
    """Run a command as soon as the lock of a killed run is over."""
    deadline = monotonic() + SECONDS_UNTIL_FREE
    while True:
        try:
            return run()
        except DestinationError:
            if monotonic() > deadline:
                raise


def kill_run(place: Place, api: Emulator, machine: str) -> None:
    """Start a backfill on another machine, which is killed in the middle of a merge."""
    target = asdict(on_machine(place.context(api), machine).target)
    tests = str(Path(__file__).parents[1])
    process = subprocess.run(
        [sys.executable, KILLED_RUN, api.base_url, json.dumps(target)],
        env=os.environ | {"PYTHONPATH": tests},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr


def rows_by_submission(tables: dict[str, Rows]) -> dict[str, dict[str, Rows]]:
    """Return the rows of each submission by table, in a stable order."""
    submissions: dict[str, dict[str, Rows]] = {}
    for name, rows in tables.items():
        for row in rows:
            own = submissions.setdefault(row["submission_id"], {key: [] for key in tables})
            own[name].append(row)
    return {
        key: {name: ordered(rows) for name, rows in own.items()} for key, own in submissions.items()
    }


def test_whole(place: Place, january: Rows) -> None:
    """Before any other run, each submission is as it was, or as it is at the source."""
    later = [changed(submission) for submission in january]
    with Emulator(january) as api:
        sync(place.context(api))
        for submission in later:
            api.store.replace(submission)
        kill_run(place, api, "killed")
    before, after = (rows_by_submission(flatten(rows)) for rows in (january, later))
    stored = rows_by_submission(place.warehouse.tables(flatten([])))
    assert stored.keys() == before.keys()
    assert [key for key, rows in stored.items() if rows not in (before[key], after[key])] == []
    loaded = [key for key, rows in stored.items() if rows == after[key]]
    assert 0 < len(loaded) < len(stored)


def test_crash(place: Place, january: Rows) -> None:
    """A run with an empty working directory loads what the killed one has not committed."""
    later = [changed(submission) for submission in january]
    with Emulator(january) as api:
        sync(place.context(api))
        for submission in later:
            api.store.replace(submission)
        kill_run(place, api, "killed")
        context = on_machine(place.context(api, LATER), "another")
        run_when_free(lambda: backfill(context, *JANUARY))
    assert_equal(place.warehouse, later)
    assert place.warehouse.query("SELECT COUNT(DISTINCT submission_id) AS n FROM submissions") == [
        {"n": len(later)}
    ]


def test_partitions(place: Place, january: Rows) -> None:
    """One half is interrupted and resumed after the other; then a sync finds all there."""
    with Emulator(january) as api:
        context = place.context(api, page_size=10, max_concurrency=1)
        first, second, third = (
            replace(on_machine(context, name), chunk_size=20) for name in ("a", "b", "c")
        )
        with pytest.raises(ServerError):
            backfill(replace(first, progress=StopAfter(api, 1)), *HALVES[0])
        api.faults = Faults()
        committed = place.warehouse.count("submissions")
        assert 0 < committed < len(january) / 2
        assert backfill(second, *HALVES[1]).submissions_new > 0
        resumed = backfill(third, *HALVES[0])
        assert committed + place.warehouse.count("submissions") > len(january)
        assert_equal(place.warehouse, january)
        assert resumed.submissions_fetched <= len(january) - committed
        assert sync(at(second, LATER)).submissions_new == 0
    assert_equal(place.warehouse, january)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux can wait for any process")
def test_one_writer(place: Place, january: Rows, tmp_path: Path) -> None:
    """The second one exits with code 5, names the first one, and loads nothing twice later."""
    target = place.warehouse.target
    machines = [str(tmp_path / name) for name in ("one", "other")]
    with HeldEmulator(january) as api:
        settings: dict[str, Any] = {
            "SOURCES__ARGOS__API_KEY": API_KEY,
            "SOURCES__ARGOS__BASE_URL": api.base_url,
            **place.environment,
            # Longer than a busy computer may pause a run.
            "SOURCES__ARGOS__LEASE_SECONDS": "120",
        }
        if target.file:
            settings["DESTINATION__DUCKDB__CREDENTIALS"] = f"duckdb:///{target.file}"
        command = Command(tmp_path, settings)
        arguments = ["sync", "--destination", target.destination, "--dataset", target.dataset]
        if target.allow_untried:
            arguments.append("--allow-untried")
        arguments.append("--pipelines-dir")
        processes = [command.start(*arguments, machine) for machine in machines]
        try:
            loser = first_to_end(processes)
        except AssertionError:
            for process in processes:
                process.kill()
                process.communicate()
            raise
        (winner,) = (process for process in processes if process is not loser)
        refused = command.finish(loser)
        assert refused.returncode == 5, refused.stderr
        assert "locked by" in refused.stderr
        assert str(winner.pid) in refused.stderr
        api.released.set()
        assert command.finish(winner).returncode == 0
        command(*arguments, machines[processes.index(loser)])
    assert_equal(place.warehouse, january)


@pytest.mark.standins
def test_contenders_on_clickhouse(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Its UPDATEs do not fail or wait for each other like those of other databases."""
    with clickhouse_place(tmp_path, request) as place:
        assert_one_wins(place.warehouse.target, tmp_path)
