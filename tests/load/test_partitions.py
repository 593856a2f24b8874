"""Partitions: backfills of disjoint days that load into one PostgreSQL at the same time."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from argos_sync.api.errors import ServerError
from argos_sync.commands.backfill import backfill
from argos_sync.commands.forget import forget
from argos_sync.commands.sync import sync
from argos_sync.emulator import Faults, generate
from argos_sync.fetch.windows import ALL_DAYS, DateRange
from argos_sync.load.errors import DestinationError
from argos_sync.load.partitions import partition_name, pipeline_name
from argos_sync.load.pipeline import Warehouse as OpenWarehouse
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
from whole_lists import Emulator

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
    """A list of processes to kill after the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_names_of_a_partition() -> None:
    """A bounded range of days has a pipeline of its own."""
    assert partition_name(JANUARY) == "20250101_20250131"
    assert pipeline_name("20250101_20250131") == "argos_sync_20250101_20250131"
    assert partition_name(ALL_DAYS) is None
    assert pipeline_name(None) == "argos_sync"


def start_backfill(
    warehouse: Warehouse, api: Emulator, folder: Path, quarter: tuple[date, date]
) -> subprocess.Popen[str]:
    """Start a command that backfills a quarter, with a working directory of its own."""
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


class WatchedEmulator(Emulator):
    """An API that notices requests for days of the third quarter."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Create the event that a request sets."""
        super().__init__(*arguments, **options)
        self.requested = threading.Event()

    def answer(self, query: str, body: bytes, api_key: str) -> Any:
        """Answer a request, and set the event for days of the third quarter."""
        answer = super().answer(query, body, api_key)
        if re.search("start_date=2024-0[789]", query):
            self.requested.set()
        return answer


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.postgres
def test_four_processes_load_a_year(
    warehouse: Warehouse,
    year: Rows,
    tmp_path: Path,
    processes: list[subprocess.Popen[str]],
) -> None:
    """The dataset is new, the API has faults, and one process is killed and started again."""
    with WatchedEmulator(year, faults=FAULTS) as api:
        folders = [tmp_path / f"machine {number}" / "pipelines" for number in range(4)]
        for folder, quarter in zip(folders, QUARTERS, strict=True):
            folder.mkdir(parents=True)
            processes.append(start_backfill(warehouse, api, folder, quarter))
        killed = processes.pop(2)
        assert api.requested.wait(120)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        processes.append(start_backfill(warehouse, api, folders[2], QUARTERS[2]))
        for process in processes:
            output, errors = process.communicate(timeout=300)
            assert process.returncode == 0, (output, errors)
    assert_equal(warehouse, year)
    assert warehouse.count("submission_status_history") == len(year)
    runs = warehouse.query("SELECT run_id FROM sync_runs WHERE exit_status = 0")
    windows = warehouse.query(
        "SELECT run_id, MIN(window_from) AS first, MAX(window_to) AS last, SUM(rows_loaded) AS rows"
        " FROM sync_windows WHERE state = 'done' GROUP BY run_id ORDER BY first"
    )
    assert len(runs) == 4
    # Windows have a day more at each end, because the server's time zone is unknown.
    day = timedelta(days=1)
    quarters = [(row["first"] + day, row["last"] - day) for row in windows]
    assert quarters == QUARTERS
    assert sum(row["rows"] for row in windows) >= len(year)
    with open_warehouse(warehouse.target):
        pass  # drops the staging dataset of the killed process
    dataset = warehouse.target.dataset
    staging = warehouse.query(
        "SELECT schema_name FROM information_schema.schemata"
        f" WHERE schema_name LIKE '{dataset}_staging%'"
    )
    assert staging == []


@pytest.mark.slow
@pytest.mark.postgres
def test_a_run_cannot_write_days_of_another_run(warehouse: Warehouse, january: Rows) -> None:
    """Overlapping days are refused, with the name of the process; other days are free."""
    with Emulator(january) as api:
        context = context_for(api.base_url, warehouse.target)
        elsewhere = str(Path(str(warehouse.target.pipelines_dir)).with_name("elsewhere"))
        other = replace(context, target=replace(warehouse.target, pipelines_dir=elsewhere))
        runs: list[Callable[[], object]] = [
            lambda: backfill(other, date(2025, 1, 31), date(2025, 2, 3)),
            lambda: backfill(other, date(2024, 12, 1), date(2025, 1, 1)),
            lambda: backfill(context, *_bounds(JANUARY)),
            lambda: sync(other),
            lambda: sync(context),
        ]
        with open_warehouse(warehouse.target, command="backfill", days=JANUARY):
            requests = api.request_count
            for run in runs:
                with pytest.raises(DestinationError, match=rf"locked by .*{os.getpid()}"):
                    run()
            assert api.request_count == requests
            backfill(other, date(2025, 2, 1), date(2025, 2, 3))
            backfill(context, date(2024, 12, 30), date(2024, 12, 31))
        backfill(other, *_bounds(JANUARY))
    assert_equal(warehouse, january)


def _bounds(days: DateRange) -> tuple[date, date]:
    assert days.first is not None
    assert days.last is not None
    return days.first, days.last


@pytest.mark.slow
@pytest.mark.postgres
def test_a_partition_has_its_own_state(warehouse: Warehouse, january: Rows) -> None:
    """It resumes when interrupted, fetches nothing when finished, and sets no high-water mark."""
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
        requests = api.request_count
        backfill(small, *halves[0])
        first_half = sum(len(page) for page in _pages(january, halves[0], 20))
        assert api.request_count - requests < first_half
        requests = api.request_count
        for half in halves:
            note = backfill(at(small, NOW + timedelta(days=1)), *half).note
            assert note
            assert "was finished before" in note
        assert api.request_count == requests
        sync(at(small, NOW + timedelta(days=1)))
    assert_equal(warehouse, january)
    assert len(warehouse.query("SELECT DISTINCT pipeline_name FROM _dlt_pipeline_state")) == 3


def _pages(submissions: Rows, days: tuple[date, date], size: int) -> Iterator[list[Any]]:
    first, last = (f"{day:%Y-%m-%d}" for day in days)
    selected = [s for s in submissions if first <= s["created_at"][:10] <= last]
    for start in range(0, len(selected), size):
        yield selected[start : start + size]


@pytest.mark.slow
@pytest.mark.postgres
def test_partitions_share_the_suppression_list(warehouse: Warehouse, january: Rows) -> None:
    """An erased person is not loaded again by any other partition, nor by a sync."""
    person = {"email": "person@example.com"}
    halves = (date(2025, 1, 1), date(2025, 1, 15)), (date(2025, 1, 16), date(2025, 1, 30))
    with Emulator(january[:60]) as api:
        context = context_for(api.base_url, warehouse.target)
        backfill(context, *halves[0])
        forget(context, [("email", person["email"])])
        api.store.add(january[100] | person)
        api.store.update(january[0]["submission_id"], person)
        # Another partition is loading on the same machine.
        with open_warehouse(
            warehouse.target, days=DateRange(date(2024, 12, 1), date(2024, 12, 31))
        ):
            for half in halves:
                backfill(context, *half, force=True)
        sync(at(context, NOW + timedelta(days=1)))
    assert_equal(warehouse, january[1:60])
    keys = warehouse.query("SELECT COUNT(DISTINCT key_id) AS n FROM sync_suppressions")
    assert keys == [{"n": 1}]


def test_the_protection_of_a_partition_is_that_of_all_rows() -> None:
    """Keys that other runs have added since are not hidden by the partition's older state."""
    own = {"privacy": "old", "suppression_secrets": {"a": "1"}, "plans": {"own": {}}}
    shared = {"privacy": "new", "suppression_secrets": {"a": "1", "b": "2"}, "plans": {}}
    pipeline: Any = SimpleNamespace(state={"sources": {"argos": own}})
    client: Any = None
    state = OpenWarehouse(pipeline, client, shared=shared).state
    assert state == shared | {"plans": {"own": {}}}
    assert OpenWarehouse(pipeline, client).state == own
