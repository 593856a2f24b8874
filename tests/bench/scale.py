"""Measure how argos-sync scales: workers, large warehouses, quiet nights, privacy, memory.

    python tests/bench/scale.py [workers] [each] [partitions] [storage] [growth] [night] [privacy]
        [memory] [values]
    .venv/ducklake/bin/python tests/bench/scale.py ducklake

Without names it runs all but `memory` and `values`, which take several minutes, and `ducklake`.
`partitions`, `storage` and `ducklake` need a PostgreSQL: that of
DESTINATION__POSTGRES__CREDENTIALS, or the one on 127.0.0.1.
Every run is a fresh process of the installed command. Compare the ratios within one run; targets
are shown beside them, but a missed target is not a failure.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psycopg2
from processes import (
    HERE,
    BenchmarkError,
    Cost,
    check_loaded,
    emulator,
    query_file,
    run_command,
)
from ways import API_KEY, PAGE_SIZE, pages

_YEAR = ("--from", "2025-01-01", "--to", "2025-12-31")
_BASE = 50_000
_DEFAULT = ("workers", "each", "partitions", "storage", "growth", "night", "privacy")
_COUNT = "SELECT COUNT(DISTINCT submission_id) FROM {}.submissions"
_SIZE = (
    "SELECT SUM(pg_total_relation_size(oid)) FROM pg_class"
    " WHERE relnamespace = '{}'::regnamespace AND relkind = 'r'"
)
_CREDENTIALS = "DESTINATION__POSTGRES__CREDENTIALS"
_POSTGRES = "postgresql://postgres:postgres@127.0.0.1:5432/postgres"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the result.

    Attributes:
        name: What was measured.
        value: The measurement, with its unit.
        target: The target; "" if there is none.
    """

    name: str
    value: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Setup:
    """A warehouse in a folder, and the API to load from.

    Attributes:
        folder: Folder of `loaded.duckdb` and the working directory.
        base_url: Base URL of the emulator.
        settings: Additional environment variables.
    """

    folder: Path
    base_url: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def run(
        self,
        *arguments: str,
        page_size: int = 1000,
        python: Sequence[str] = (),
        privacy: str = "plain",
    ) -> tuple[Cost, dict[str, Any]]:
        """Run a command of argos-sync, and return its cost and its summary."""
        options = ["--pipelines-dir", str(self.folder / "working"), "--json"]
        settings = {
            "SOURCES__ARGOS__API_KEY": API_KEY,
            "SOURCES__ARGOS__BASE_URL": self.base_url,
            "SOURCES__ARGOS__PAGE_SIZE": str(page_size),
            "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
            "SOURCES__ARGOS__COMPLETENESS": "list",
            "SOURCES__ARGOS__PRIVACY__DIRECT": privacy,
            "SOURCES__ARGOS__PRIVACY__KEY": "a key of the benchmark's own",
            "DESTINATION__DUCKDB__CREDENTIALS": f"duckdb:///{self.file}",
            **self.settings,
        }
        self.folder.mkdir(exist_ok=True)
        return run_command([*arguments, *options], settings, self.folder, python)

    @property
    def file(self) -> Path:
        """Return the path of the warehouse."""
        return self.folder / "loaded.duckdb"


def workers(_: argparse.Namespace) -> Iterator[Line]:
    """Measure how much faster eight workers are than one, with responses that take 200 ms.

    Pages are small, so that waiting for responses takes most of the time.
    """
    seconds = {}
    with emulator(20_000, "--latency-ms", "200") as base_url:
        for number in (1, 2, 4, 8):
            with _folder() as folder:
                arguments = ("backfill", *_YEAR, "--workers", str(number))
                cost, summary = Setup(folder, base_url).run(*arguments, page_size=50)
                check_loaded(f"{number} workers", folder, 20_000)
            seconds[number] = cost.seconds
            requests = summary["requests"]
            yield Line(f"{number} workers, {requests:,} requests", f"{cost.seconds:.1f} s")
    yield Line("1 worker / 8 workers", f"{seconds[1] / seconds[8]:.1f}", "at least 6")


def each(_: argparse.Namespace) -> Iterator[Line]:
    """Measure backfills that fetch each submission by its id, with slow and slower responses."""
    settings = {"SOURCES__ARGOS__COMPLETENESS": "each"}
    for latency, count in ((20, 2_000), (200, 400)):
        seconds = {}
        with emulator(count, "--list", "summary", "--latency-ms", str(latency)) as base_url:
            for number in (1, 4, 16):
                with _folder() as folder:
                    arguments = ("backfill", *_YEAR, "--workers", str(number))
                    cost, summary = Setup(folder, base_url, settings).run(*arguments)
                    check_loaded(f"{number} workers", folder, count)
                seconds[number] = cost.seconds
                rate = summary["requests"] / cost.seconds
                name = f"{latency} ms, {number} workers, {summary['requests']:,} requests"
                yield Line(name, f"{cost.seconds:.1f} s, {rate:.0f} requests a second")
        yield Line(f"{latency} ms, 1 worker / 16 workers", f"{seconds[1] / seconds[16]:.1f}")


def growth(options: argparse.Namespace) -> Iterator[Line]:
    """Measure the load of 5,000 new submissions into a large warehouse and into an empty one.

    The large one has submissions up to November; the new ones are of December.
    """
    days = ("backfill", "--from", "2025-12-01", "--to", "2025-12-31")
    december = ("--seed", "1", "--start-date", "2025-12-01")
    with _folder() as base, _folder() as empty:
        with emulator(_BASE, "--end-date", "2025-11-30") as base_url:
            large = Setup(base, base_url)
            large.run("backfill", *_YEAR)
        rows, _ = query_file("enlarge", large.file, str(options.large // _BASE))
        yield Line("submissions in the large one", f"{rows:,}")
        costs: dict[Path, list[Cost]] = {base: [], empty: []}
        with emulator(5_000, *december) as base_url:
            for _ in range(options.repeat):
                for folder, folder_costs in costs.items():
                    with _copy_of(folder, base_url) as setup:
                        folder_costs.append(_load_new(setup, days))
            in_large, in_empty = costs.values()
            yield from _compare(in_large, in_empty)
            yield from _by_table(base, empty, base_url, days)


def night(_: argparse.Namespace) -> Iterator[Line]:
    """Measure a sync that finds nothing new, and list the tables that it changes."""
    with _folder() as folder, emulator(_BASE) as base_url:
        setup = Setup(folder, base_url)
        setup.run("sync")
        before = query_file("contents", setup.file)
        cost, summary = setup.run("sync")
        after = query_file("contents", setup.file)
        alone = _fetch_seconds(base_url, -(-summary["submissions_fetched"] // PAGE_SIZE))
    changed = [table for table, text in after.items() if before.get(table) != text]
    yield Line("submissions fetched in a quiet night", f"{summary['submissions_fetched']:,}")
    yield Line("requests", f"{summary['requests']:,}")
    yield Line("seconds", f"{cost.seconds:.1f} s")
    yield Line("seconds to fetch these pages only", f"{alone:.1f} s")
    yield Line("seconds for everything else", f"{cost.seconds - alone:.1f} s", "under 3")
    yield Line("tables that changed", ", ".join(changed), "sync_runs, sync_windows")


def privacy(options: argparse.Namespace) -> Iterator[Line]:
    """Measure the cost of hashing, encrypting or dropping all columns of class `direct`."""
    costs: dict[str, list[float]] = {mode: [] for mode in ("plain", "hash", "encrypt", "drop")}
    with emulator(_BASE) as base_url:
        # Take turns, so that a busy minute of the machine affects all modes.
        for mode in list(costs) * options.repeat:
            with _folder() as folder:
                cost, _ = Setup(folder, base_url).run("backfill", *_YEAR, privacy=mode)
                check_loaded(mode, folder, _BASE)
            costs[mode].append(cost.seconds)
    plain = median(costs["plain"])
    for mode, seconds in costs.items():
        target = "at most 1.35" if mode in ("hash", "encrypt") else ""
        mode_seconds = median(seconds)
        yield Line(f"{mode}: {mode_seconds:.1f} s, / plain", f"{mode_seconds / plain:.2f}", target)


def partitions(_: argparse.Namespace) -> Iterator[Line]:
    """Measure how much faster parallel processes load into one PostgreSQL from a slow API."""
    server = os.environ.get(_CREDENTIALS, _POSTGRES)
    seconds = {}
    with emulator(20_000, "--latency-ms", "200") as base_url:
        for number in (1, 2, 4):
            with _folder() as folder, _dataset(server) as (dataset, query):
                settings = {
                    _CREDENTIALS: server,
                    "SOURCES__ARGOS__MAX_CONCURRENCY": "1",
                }
                destination = ("--destination", "postgres", "--dataset", dataset)
                parts = list(_parts_of_the_year(number))
                setups = [Setup(folder / str(part), base_url, settings) for part in range(number)]
                started = time.perf_counter()
                with ThreadPoolExecutor(number) as threads:
                    runs = [
                        threads.submit(setup.run, "backfill", *days, *destination, page_size=50)
                        for setup, days in zip(setups, parts, strict=True)
                    ]
                    for run in runs:
                        run.result()
                seconds[number] = time.perf_counter() - started
                if (rows := query(_COUNT.format(dataset))) != 20_000:
                    raise BenchmarkError(f"{number} processes loaded {rows:,}, not 20,000")
            yield Line(f"{number} processes", f"{seconds[number]:.1f} s")
    yield Line("1 process / 4 processes", f"{seconds[1] / seconds[4]:.1f}")


def storage(_: argparse.Namespace) -> Iterator[Line]:
    """Measure how fast each destination loads, and how much storage a submission takes there."""
    server = os.environ.get(_CREDENTIALS, _POSTGRES)
    settings = {_CREDENTIALS: server}
    with emulator(_BASE) as base_url, _folder() as folder, _dataset(server) as (dataset, query):
        setup = Setup(folder, base_url, settings)
        postgres = ("--destination", "postgres", "--dataset", dataset)
        for name, destination in (("DuckDB", ()), ("PostgreSQL", postgres)):
            cost, summary = setup.run("backfill", *_YEAR, *destination, page_size=500)
            size = query(_SIZE.format(dataset)) if destination else setup.file.stat().st_size
            yield Line(f"{name}: submissions a second", f"{_BASE / cost.seconds:,.0f}")
            yield Line(f"{name}: bytes a submission", f"{size / _BASE:,.0f}")
            yield Line(f"{name}: requests", f"{summary['requests']:,}")


def ducklake(options: argparse.Namespace) -> Iterator[Line]:
    """Measure a DuckLake in a folder against DuckDB, and for a small backfill against PostgreSQL.

    It needs the environment of DuckLake, which `make test-ducklake` makes.
    """
    server = os.environ.get(_CREDENTIALS, _POSTGRES)
    for count, other, most in ((_BASE, "duckdb", 2), (600, "postgres", 3)):
        costs: dict[str, list[Cost]] = {"ducklake": [], other: []}
        with emulator(count) as base_url:
            for _ in range(options.repeat):
                for name, measured in costs.items():
                    with _folder() as folder, _dataset(server) as (dataset, _query):
                        setup = Setup(folder, base_url, {**_lake(folder), _CREDENTIALS: server})
                        destination = ("--destination", name, "--dataset", dataset)
                        cost, summary = setup.run("backfill", *_YEAR, *destination)
                        if summary["submissions_new"] != count:
                            raise BenchmarkError(f"{name}: {summary['submissions_new']:,} loaded")
                        measured.append(cost)
        seconds = {name: median(cost.seconds for cost in costs[name]) for name in costs}
        cpu = {name: median(cost.cpu for cost in costs[name]) for name in costs}
        for name in costs:
            yield Line(f"{name}: {count:,}", f"{seconds[name]:.1f} s, {cpu[name]:.1f} s of CPU")
        ratio = seconds["ducklake"] / seconds[other]
        yield Line(f"ducklake / {other}", f"{ratio:.2f}", f"at most {most}")


def memory(_: argparse.Namespace) -> Iterator[Line]:
    """Measure the peak memory of a long backfill and of one that is ten times as long."""
    peaks = {}
    for number in (100_000, 1_000_000):
        with _folder() as folder, emulator(number) as base_url:
            cost = Setup(folder, base_url).run("backfill", *_YEAR)[0]
            check_loaded("the backfill", folder, number)
        peaks[number] = cost.peak_mb
        yield Line(f"{number:,} submissions", f"{cost.peak_mb:,.0f} MB, {cost.seconds:.0f} s")
    yield Line("1,000,000 / 100,000", f"{peaks[1_000_000] / peaks[100_000]:.2f}", "at most 1.2")


def values(_: argparse.Namespace) -> Iterator[Line]:
    """Measure the peak memory of a backfill of submissions with 200 kB each, and without."""
    peaks = {}
    for size in (0, 200_000):
        with _folder() as folder, emulator(20_000, "--raw-data-bytes", str(size)) as base_url:
            cost = Setup(folder, base_url).run("backfill", *_YEAR)[0]
            check_loaded("the backfill", folder, 20_000)
        peaks[size] = cost.peak_mb
        yield Line(f"{size:,} bytes more", f"{cost.peak_mb:,.0f} MB, {cost.seconds:.0f} s")
    yield Line("200,000 / 0", f"{peaks[200_000] / peaks[0]:.2f}", "at most 1.5")


BENCHMARKS: dict[str, Callable[[argparse.Namespace], Iterator[Line]]] = {
    "workers": workers,
    "partitions": partitions,
    "storage": storage,
    "ducklake": ducklake,
    "growth": growth,
    "night": night,
    "privacy": privacy,
    "each": each,
    "memory": memory,
    "values": values,
}


def _load_new(setup: Setup, days: Sequence[str]) -> Cost:
    cost, summary = setup.run(*days)
    if summary["submissions_new"] != 5_000:
        raise BenchmarkError(f"{summary['submissions_new']:,} submissions were new, not 5,000")
    return cost


def _fetch_seconds(base_url: str, full_pages: int) -> float:
    """Return the seconds to fetch a number of pages one by one, without decoding them."""
    started, remaining = time.perf_counter(), full_pages
    with httpx.Client(base_url=base_url, headers={"x-api-key": API_KEY}) as client:
        while remaining:
            remaining -= sum(1 for _ in islice(pages(client), remaining))
    return time.perf_counter() - started


def _compare(large: Sequence[Cost], empty: Sequence[Cost]) -> Iterator[Line]:
    in_large, in_empty = (median(cost.seconds for cost in costs) for costs in (large, empty))
    yield Line("5,000 new into the large one", f"{in_large:.1f} s")
    yield Line("5,000 new into an empty one", f"{in_empty:.1f} s")
    yield Line("large / empty", f"{in_large / in_empty:.1f}", "at most 3")
    for name, costs in (("the large one", large), ("an empty one", empty)):
        yield Line(f"peak memory in {name}", f"{max(cost.peak_mb for cost in costs):,.0f} MB")


def _by_table(base: Path, empty: Path, base_url: str, days: Sequence[str]) -> Iterator[Line]:
    """Measure the seconds of SQL by table, the slowest first."""
    seconds = []
    for folder in (base, empty):
        with _copy_of(folder, base_url) as setup:
            setup.run(*days, python=(str(HERE / "statements.py"),))
            seconds.append(json.loads((setup.folder / "statements.json").read_text()))
    in_large, in_empty = seconds
    yield Line("seconds of SQL by table", "large", "empty")
    for table, table_seconds in sorted(in_large.items(), key=lambda pair: -pair[1]):
        yield Line(f"  {table}", f"{table_seconds:.2f} s", f"{in_empty.get(table, 0):.2f} s")


@contextmanager
def _copy_of(folder: Path, base_url: str) -> Iterator[Setup]:
    """Yield a copy of a folder's warehouse, if it has one."""
    with _folder() as other:
        for file in folder.glob("loaded.duckdb"):
            shutil.copy(file, other)
        yield Setup(other, base_url)


def _parts_of_the_year(number: int) -> Iterator[Sequence[str]]:
    """Yield the days of 2025 in a number of parts, as options of backfill."""
    first, days = date(2025, 1, 1), 365
    starts = [first + timedelta(days=days * part // number) for part in range(number + 1)]
    for start, following in pairwise(starts):
        yield "--from", str(start), "--to", str(following - timedelta(days=1))


def _lake(folder: Path) -> Mapping[str, str]:
    """Return what configures a DuckLake in a folder, with its catalog in an SQLite file."""
    prefix = "DESTINATION__DUCKLAKE__CREDENTIALS__"
    return {
        f"{prefix}CATALOG": f"sqlite:///{folder / 'catalog.sqlite'}",
        f"{prefix}STORAGE__BUCKET_URL": f"file://{folder / 'lake'}",
    }


@contextmanager
def _dataset(server: str) -> Iterator[tuple[str, Callable[[str], int]]]:
    """Yield the name of a dataset and a function that queries its server; drop the dataset."""
    name = f"argos_bench_{uuid.uuid4().hex[:8]}"
    with closing(psycopg2.connect(server)) as connection, connection.cursor() as cursor:
        connection.autocommit = True

        def query(sql: str) -> int:
            cursor.execute(sql)
            ((value,),) = cursor.fetchall()
            return int(value)

        yield name, query
        for schema in (name, f"{name}_staging"):
            cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="argos-sync-bench-") as name:
        yield Path(name)


def main() -> None:
    """Measure, and print a table on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--large", type=int, default=2_000_000, metavar="N")
    parser.add_argument("--repeat", type=int, default=3, metavar="TIMES", help="take the median")
    options = parser.parse_args()
    if unknown := ", ".join(name for name in options.names if name not in BENCHMARKS):
        parser.error(f"unknown benchmark {unknown}; use {', '.join(BENCHMARKS)}")
    print(f"{os.cpu_count()} cores")  # noqa: T201
    try:
        for name in options.names or _DEFAULT:
            print(f"\n{name}", flush=True)  # noqa: T201
            for line in BENCHMARKS[name](options):
                print(f"{line.name:<44}{line.value:>24}{line.target:>32}", flush=True)  # noqa: T201
    except BenchmarkError as error:
        sys.exit(f"benchmark: {error}")


if __name__ == "__main__":
    main()
