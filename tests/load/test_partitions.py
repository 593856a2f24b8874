"""Backfills of disjoint days, side by side into one PostgreSQL: each alone, the whole as one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from argos_sync.api.errors import ServerError
from argos_sync.commands.backfill import backfill
from argos_sync.commands.forget import forget
from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator, Faults, generate
from argos_sync.fetch.windows import DateRange
from argos_sync.load.errors import DestinationError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from support import (
    API_KEY,
    NOW,
    Rows,
    StopAfter,
    Warehouse,
    assert_equal,
    at,
    context_for,
    postgres_warehouse,
)

QUARTERS = [
    (date(2024, 1, 1), date(2024, 3, 31)),
    (date(2024, 4, 1), date(2024, 6, 30)),
    (date(2024, 7, 1), date(2024, 9, 30)),
    (date(2024, 10, 1), date(2024, 12, 31)),
]
JANUARY = DateRange(date(2025, 1, 1), date(2025, 1, 31))
FAULTS = Faults(rate_500=0.1, rate_429=0.05, rate_drop=0.05, rate_truncate=0.1)


@pytest.fixture
def warehouse(postgres_dataset: str, tmp_path: Path) -> Warehouse:
    """An empty dataset of the machine's PostgreSQL."""
    return postgres_warehouse(tmp_path, postgres_dataset)


@pytest.fixture(scope="module")
def year() -> Rows:
    """Twelve hundred submissions of 2024."""
    return generate(1_200, seed=5, start=date(2024, 1, 1), end=date(2024, 12, 31))


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that do not outlive the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def command(
    warehouse: Warehouse, api: Emulator, folder: Path, quarter: tuple[date, date]
) -> subprocess.Popen[str]:
    """Start the command that backfills a quarter, as on a machine of its own."""
    executable = Path(sys.executable).with_name("argos-sync")
    days = ("--from", str(quarter[0]), "--to", str(quarter[1]))
    target = ("--destination", "postgres", "--dataset", warehouse.target.dataset)
    return subprocess.Popen(
        [executable, "backfill", *days, *target, "--pipelines-dir", str(folder), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder.parent,
        env=os.environ
        | {
            "SOURCES__ARGOS__API_KEY": API_KEY,
            "SOURCES__ARGOS__BASE_URL": api.base_url,
            "SOURCES__ARGOS__PAGE_SIZE": "50",
            "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
        },
    )


class Telling(Emulator):
    """An API that tells when it was asked for days of the third quarter."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Wait to be asked."""
        super().__init__(*arguments, **options)
        self.asked = threading.Event()

    def answer(self, query: str, body: bytes, api_key: str) -> Any:
        """Answer, and tell."""
        answer = super().answer(query, body, api_key)
        if re.search("start_date=2024-0[789]", query):
            self.asked.set()
        return answer


def test_four_processes_make_what_one_would(
    warehouse: Warehouse,
    year: Rows,
    tmp_path: Path,
    processes: list[subprocess.Popen[str]],
) -> None:
    """Into a dataset that nobody has made yet, with faults, one of them killed and restarted."""
    with Telling(year, faults=FAULTS) as api:
        folders = [tmp_path / f"machine {number}" / "pipelines" for number in range(4)]
        for folder, quarter in zip(folders, QUARTERS, strict=True):
            folder.mkdir(parents=True)
            processes.append(command(warehouse, api, folder, quarter))
        killed = processes.pop(2)
        assert api.asked.wait(120)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        processes.append(command(warehouse, api, folders[2], QUARTERS[2]))
        for process in processes:
            told, errors = process.communicate(timeout=300)
            assert process.returncode == 0, (told, errors)
    assert_equal(warehouse, year)
    assert warehouse.count("submission_status_history") == len(year)
    runs = warehouse.query("SELECT run_id FROM sync_runs WHERE exit_status = 0")
    windows = warehouse.query(
        "SELECT run_id, MIN(window_from) AS first, MAX(window_to) AS last, SUM(rows_loaded) AS rows"
        " FROM sync_windows WHERE state = 'done' GROUP BY run_id ORDER BY first"
    )
    assert len(runs) == 4
    # A day of the server's may begin or end in another zone.
    day = timedelta(days=1)
    asked = [(row["first"] + day, row["last"] - day) for row in windows]
    assert asked == QUARTERS
    assert sum(row["rows"] for row in windows) >= len(year)
    dataset = warehouse.target.dataset
    left = warehouse.query(
        "SELECT schema_name FROM information_schema.schemata"
        f" WHERE schema_name LIKE '{dataset}_staging_2%'"
    )
    assert left == []


def test_days_of_another_run_are_left_to_it(warehouse: Warehouse, january: Rows) -> None:
    """Other days are free; some of them, or all, are not, and who has them is named."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target)
        elsewhere = str(Path(str(warehouse.target.pipelines_dir)).with_name("elsewhere"))
        other = replace(context, target=replace(warehouse.target, pipelines_dir=elsewhere))
        with open_warehouse(warehouse.target, command="backfill", days=JANUARY):
            before = api.request_count
            for run in (
                lambda: backfill(other, date(2025, 1, 31), date(2025, 2, 3)),
                lambda: backfill(other, date(2024, 12, 1), date(2025, 1, 1)),
                lambda: backfill(context, *_days(JANUARY)),
                lambda: sync(other),
                lambda: sync(context),
            ):
                with pytest.raises(DestinationError, match=rf"locked by .*{os.getpid()}"):
                    run()
            assert api.request_count == before
            backfill(other, date(2025, 2, 1), date(2025, 2, 3))
            backfill(context, date(2024, 12, 30), date(2024, 12, 31))
        backfill(other, *_days(JANUARY))
    assert_equal(warehouse, january)


def _days(wanted: DateRange) -> tuple[date, date]:
    assert wanted.first is not None
    assert wanted.last is not None
    return wanted.first, wanted.last


def test_a_partition_remembers_only_its_own(warehouse: Warehouse, january: Rows) -> None:
    """The nightly mark stays, an interrupted one goes on, a finished one fetches nothing."""
    halves = (date(2025, 1, 1), date(2025, 1, 15)), (date(2025, 1, 16), date(2025, 1, 30))
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target, page_size=20, max_concurrency=1)
        small = replace(context, chunk_size=60)
        with pytest.raises(ServerError):
            backfill(replace(small, progress=StopAfter(api, 1)), *halves[0])
        api.faults = Faults()
        with open_read_only(warehouse.target) as view:
            assert "plans" not in view.state
            assert "high_water_mark" not in view.state
        backfill(small, *halves[1])
        before = api.request_count
        backfill(small, *halves[0])
        first_half = sum(len(page) for page in _pages(january, halves[0], 20))
        assert api.request_count - before < first_half
        before = api.request_count
        for half in halves:
            note = backfill(at(small, NOW + timedelta(days=1)), *half).note
            assert note
            assert "was finished before" in note
        assert api.request_count == before
        sync(at(small, NOW + timedelta(days=1)))
    assert_equal(warehouse, january)
    assert len(warehouse.query("SELECT DISTINCT pipeline_name FROM _dlt_pipeline_state")) == 3


def _pages(submissions: Rows, days: tuple[date, date], size: int) -> Iterator[list[Any]]:
    first, last = (f"{day:%Y-%m-%d}" for day in days)
    found = [s for s in submissions if first <= s["created_at"][:10] <= last]
    for start in range(0, len(found), size):
        yield found[start : start + size]


def test_whoever_is_forgotten_stays_away_from_all(warehouse: Warehouse, january: Rows) -> None:
    """What a partition adds to the list of who must not come back, all others can read."""
    person = {"email": "person@example.com"}
    halves = (date(2025, 1, 1), date(2025, 1, 15)), (date(2025, 1, 16), date(2025, 1, 30))
    with Emulator(january[:60]) as api:
        context = context_for(api.base_url, warehouse.target)
        backfill(context, *halves[0])
        forget(context, [("email", person["email"])])
        api.store.add(january[100] | person)
        api.store.update(january[0]["submission_id"], person)
        # Another one is under way on the same machine.
        with open_warehouse(
            warehouse.target, days=DateRange(date(2024, 12, 1), date(2024, 12, 31))
        ):
            for half in halves:
                backfill(context, *half, force=True)
        sync(at(context, NOW + timedelta(days=1)))
    assert_equal(warehouse, january[1:60])
    listed = warehouse.query(
        "SELECT COUNT(*) AS n, COUNT(DISTINCT key_id) AS keys FROM sync_suppressions"
    )
    assert listed[0]["keys"] == 1
