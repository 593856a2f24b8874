"""How argos-sync behaves: workers, a large warehouse, a quiet night, privacy, long backfills.

    python tests/bench/scale.py [workers] [partitions] [room] [growth] [night] [privacy] [memory]

Without names it runs all but `memory`, which takes some minutes. `partitions` and `room` need a
PostgreSQL, that of DESTINATION__POSTGRES__CREDENTIALS or the one on 127.0.0.1. Every run is a fresh
process of the installed command. The figures that count are ratios within one run; targets are
shown beside them, and nothing fails for missing one.
"""

from __future__ import annotations

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
    ask_file,
    check_loaded,
    emulator,
    run_command,
)
from ways import API_KEY, PAGE_SIZE, pages

_YEAR = ("--from", "2025-01-01", "--to", "2025-12-31")
_BASE = 50_000
_DEFAULT = ("workers", "partitions", "room", "growth", "night", "privacy")
_COUNT = "SELECT COUNT(DISTINCT submission_id) FROM {}.submissions"
_SIZE = (
    "SELECT SUM(pg_total_relation_size(oid)) FROM pg_class"
    " WHERE relnamespace = '{}'::regnamespace AND relkind = 'r'"
)
_POSTGRES = "postgresql://postgres:postgres@127.0.0.1:5432/postgres"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the result.

    Attributes:
        name: What it says.
        value: The figure, with its unit.
        target: What is aimed at; "" for nothing.
    """

    name: str
    value: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with a warehouse, and an API to fill it from.

    Attributes:
        folder: Holds `loaded.duckdb` and the working directory.
        base_url: Of the emulator.
        settings: More environment variables.
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
        """Run a command of argos-sync, and return what it took and its summary."""
        options = ["--pipelines-dir", str(self.folder / "working"), "--json"]
        settings = {
            "SOURCES__ARGOS__API_KEY": API_KEY,
            "SOURCES__ARGOS__BASE_URL": self.base_url,
            "SOURCES__ARGOS__PAGE_SIZE": str(page_size),
            "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
            "SOURCES__ARGOS__PRIVACY__DIRECT": privacy,
            "SOURCES__ARGOS__PRIVACY__KEY": "a key of the benchmark's own",
            "DESTINATION__DUCKDB__CREDENTIALS": f"duckdb:///{self.file}",
            **self.settings,
        }
        self.folder.mkdir(exist_ok=True)
        return run_command([*arguments, *options], settings, self.folder, python)

    @property
    def file(self) -> Path:
        """The warehouse."""
        return self.folder / "loaded.duckdb"


def workers(_: argparse.Namespace) -> Iterator[Line]:
    """Yield how much faster eight workers are than one, when every answer takes 200 ms.

    Pages are small, so that there are many of them, and the waiting outweighs all else.
    """
    seconds = {}
    with emulator(20_000, "--latency-ms", "200") as base_url:
        for number in (1, 2, 4, 8):
            with _folder() as folder:
                arguments = ("backfill", *_YEAR, "--workers", str(number))
                cost, summary = Place(folder, base_url).run(*arguments, page_size=50)
                check_loaded(f"{number} workers", folder, 20_000)
            seconds[number] = cost.seconds
            requests = summary["requests"]
            yield Line(f"{number} workers, {requests:,} requests", f"{cost.seconds:.1f} s")
    yield Line("1 worker / 8 workers", f"{seconds[1] / seconds[8]:.1f}", "at least 6")


def growth(options: argparse.Namespace) -> Iterator[Line]:
    """Yield what 5,000 new submissions take in a large warehouse and in an empty one.

    The large one holds the year up to November, the new ones were created in December.
    """
    days = ("backfill", "--from", "2025-12-01", "--to", "2025-12-31")
    december = ("--seed", "1", "--start-date", "2025-12-01")
    with _folder() as base, _folder() as empty:
        with emulator(_BASE, "--end-date", "2025-11-30") as base_url:
            large = Place(base, base_url)
            large.run("backfill", *_YEAR)
        held, _ = ask_file("enlarge", large.file, str(options.large // _BASE))
        yield Line("submissions in the large one", f"{held:,}")
        costs: dict[Path, list[Cost]] = {base: [], empty: []}
        with emulator(5_000, *december) as base_url:
            for _ in range(options.repeat):
                for folder, found in costs.items():
                    with _copy_of(folder, base_url) as place:
                        found.append(_loading_new(place, days))
            in_large, in_empty = costs.values()
            yield from _compared(in_large, in_empty)
            yield from _by_table(base, empty, base_url, days)


def night(_: argparse.Namespace) -> Iterator[Line]:
    """Yield what a sync takes when nothing is new, and what it changes."""
    with _folder() as folder, emulator(_BASE) as base_url:
        place = Place(folder, base_url)
        place.run("sync")
        before = ask_file("contents", place.file)
        cost, summary = place.run("sync")
        after = ask_file("contents", place.file)
        alone = _alone(base_url, -(-summary["submissions_fetched"] // PAGE_SIZE))
    changed = [table for table, text in after.items() if before.get(table) != text]
    yield Line("fetched again in a quiet night", f"{summary['submissions_fetched']:,}")
    yield Line("requests of it", f"{summary['requests']:,}")
    yield Line("seconds of it", f"{cost.seconds:.1f} s")
    yield Line("seconds of as many submissions alone", f"{alone:.1f} s")
    yield Line("seconds beyond them", f"{cost.seconds - alone:.1f} s", "under 3")
    yield Line("tables that changed", ", ".join(changed), "sync_runs, sync_windows")


def privacy(options: argparse.Namespace) -> Iterator[Line]:
    """Yield what it costs to hash, encrypt or drop all columns of class `direct`."""
    costs: dict[str, list[float]] = {mode: [] for mode in ("plain", "hash", "encrypt", "drop")}
    with emulator(_BASE) as base_url:
        # Taking turns, so that a busy minute of the machine meets them all.
        for mode in list(costs) * options.repeat:
            with _folder() as folder:
                cost, _ = Place(folder, base_url).run("backfill", *_YEAR, privacy=mode)
                check_loaded(mode, folder, _BASE)
            costs[mode].append(cost.seconds)
    plain = median(costs["plain"])
    for mode, seconds in costs.items():
        target = "at most 1.35" if mode in ("hash", "encrypt") else ""
        taken = median(seconds)
        yield Line(f"{mode}: {taken:.1f} s, by plain", f"{taken / plain:.2f}", target)


def partitions(_: argparse.Namespace) -> Iterator[Line]:
    """Yield how much faster processes beside each other fill one PostgreSQL from a slow API."""
    server = os.environ.get("DESTINATION__POSTGRES__CREDENTIALS", _POSTGRES)
    seconds = {}
    with emulator(20_000, "--latency-ms", "200") as base_url:
        for number in (1, 2, 4):
            with _folder() as folder, _dataset(server) as (dataset, ask):
                settings = {
                    "DESTINATION__POSTGRES__CREDENTIALS": server,
                    "SOURCES__ARGOS__MAX_CONCURRENCY": "1",
                }
                to = ("--destination", "postgres", "--dataset", dataset)
                parts = list(_parts_of_the_year(number))
                places = [Place(folder / str(part), base_url, settings) for part in range(number)]
                began = time.perf_counter()
                with ThreadPoolExecutor(number) as threads:
                    runs = [
                        threads.submit(place.run, "backfill", *days, *to, page_size=50)
                        for place, days in zip(places, parts, strict=True)
                    ]
                    for run in runs:
                        run.result()
                seconds[number] = time.perf_counter() - began
                if (found := ask(_COUNT.format(dataset))) != 20_000:
                    raise BenchmarkError(f"{number} processes loaded {found:,}, not 20,000")
            yield Line(f"{number} processes", f"{seconds[number]:.1f} s")
    yield Line("1 process / 4 processes", f"{seconds[1] / seconds[4]:.1f}")


def room(_: argparse.Namespace) -> Iterator[Line]:
    """Yield how fast each destination takes submissions, and how much room they need there."""
    server = os.environ.get("DESTINATION__POSTGRES__CREDENTIALS", _POSTGRES)
    settings = {"DESTINATION__POSTGRES__CREDENTIALS": server}
    with emulator(_BASE) as base_url, _folder() as folder, _dataset(server) as (dataset, ask):
        place = Place(folder, base_url, settings)
        postgres = ("--destination", "postgres", "--dataset", dataset)
        for name, options in (("DuckDB", ()), ("PostgreSQL", postgres)):
            cost, summary = place.run("backfill", *_YEAR, *options, page_size=500)
            size = ask(_SIZE.format(dataset)) if options else place.file.stat().st_size
            yield Line(f"{name}: submissions a second", f"{_BASE / cost.seconds:,.0f}")
            yield Line(f"{name}: bytes a submission", f"{size / _BASE:,.0f}")
            yield Line(f"{name}: requests", f"{summary['requests']:,}")


def memory(_: argparse.Namespace) -> Iterator[Line]:
    """Yield the peak memory of a long backfill and of one ten times as long."""
    peaks = {}
    for number in (100_000, 1_000_000):
        with _folder() as folder, emulator(number) as base_url:
            cost, _ = Place(folder, base_url).run("backfill", *_YEAR)
            check_loaded("the backfill", folder, number)
        peaks[number] = cost.peak_mb
        yield Line(f"{number:,} submissions", f"{cost.peak_mb:,.0f} MB, {cost.seconds:.0f} s")
    yield Line("1,000,000 / 100,000", f"{peaks[1_000_000] / peaks[100_000]:.2f}", "at most 1.2")


FIGURES: dict[str, Callable[[argparse.Namespace], Iterator[Line]]] = {
    "workers": workers,
    "partitions": partitions,
    "room": room,
    "growth": growth,
    "night": night,
    "privacy": privacy,
    "memory": memory,
}


def _loading_new(place: Place, days: Sequence[str]) -> Cost:
    cost, summary = place.run(*days)
    if summary["submissions_new"] != 5_000:
        raise BenchmarkError(f"{summary['submissions_new']:,} submissions were new, not 5,000")
    return cost


def _alone(base_url: str, full_pages: int) -> float:
    """Return the seconds that so many pages take, one after the other and not looked into."""
    began, left = time.perf_counter(), full_pages
    with httpx.Client(base_url=base_url, headers={"x-api-key": API_KEY}) as client:
        while left:
            left -= sum(1 for _ in islice(pages(client), left))
    return time.perf_counter() - began


def _compared(large: Sequence[Cost], empty: Sequence[Cost]) -> Iterator[Line]:
    in_large, in_empty = (median(cost.seconds for cost in costs) for costs in (large, empty))
    yield Line("5,000 new into the large one", f"{in_large:.1f} s")
    yield Line("5,000 new into an empty one", f"{in_empty:.1f} s")
    yield Line("large / empty", f"{in_large / in_empty:.1f}", "at most 3")
    for name, costs in (("the large one", large), ("an empty one", empty)):
        yield Line(f"peak memory in {name}", f"{max(cost.peak_mb for cost in costs):,.0f} MB")


def _by_table(base: Path, empty: Path, base_url: str, days: Sequence[str]) -> Iterator[Line]:
    """Yield the seconds of SQL by table, the slowest first."""
    seconds = []
    for folder in (base, empty):
        with _copy_of(folder, base_url) as place:
            place.run(*days, python=(str(HERE / "statements.py"),))
            seconds.append(json.loads((place.folder / "statements.json").read_text()))
    in_large, in_empty = seconds
    yield Line("seconds of SQL by table", "large", "empty")
    for table, taken in sorted(in_large.items(), key=lambda pair: -pair[1]):
        yield Line(f"  {table}", f"{taken:.2f} s", f"{in_empty.get(table, 0):.2f} s")


@contextmanager
def _copy_of(folder: Path, base_url: str) -> Iterator[Place]:
    """Give a place with a copy of a folder's warehouse, if it has one, for as long as needed."""
    with _folder() as other:
        for file in folder.glob("loaded.duckdb"):
            shutil.copy(file, other)
        yield Place(other, base_url)


def _parts_of_the_year(number: int) -> Iterator[Sequence[str]]:
    """Yield the days of 2025 in so many parts, as options of backfill."""
    first, days = date(2025, 1, 1), 365
    starts = [first + timedelta(days=days * part // number) for part in range(number + 1)]
    for start, following in pairwise(starts):
        yield "--from", str(start), "--to", str(following - timedelta(days=1))


@contextmanager
def _dataset(server: str) -> Iterator[tuple[str, Callable[[str], int]]]:
    """Give the name of a dataset, and what asks its server; it is dropped afterwards."""
    name = f"argos_bench_{uuid.uuid4().hex[:8]}"
    with closing(psycopg2.connect(server)) as connection, connection.cursor() as cursor:
        connection.autocommit = True

        def ask(query: str) -> int:
            cursor.execute(query)
            return int(cursor.fetchone()[0])

        yield name, ask
        for schema in (name, f"{name}_staging"):
            cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="argos-sync-bench-") as name:
        yield Path(name)


def main() -> None:
    """Measure, and print a table on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"of {', '.join(FIGURES)}")
    parser.add_argument("--large", type=int, default=2_000_000, metavar="N")
    parser.add_argument("--repeat", type=int, default=3, metavar="TIMES", help="take the median")
    options = parser.parse_args()
    if unknown := ", ".join(name for name in options.figures if name not in FIGURES):
        parser.error(f"there is no figure {unknown}, but {', '.join(FIGURES)}")
    print(f"{os.cpu_count()} cores")  # noqa: T201
    try:
        for name in options.figures or _DEFAULT:
            print(f"\n{name}", flush=True)  # noqa: T201
            for line in FIGURES[name](options):
                print(f"{line.name:<44}{line.value:>24}{line.target:>32}", flush=True)  # noqa: T201
    except BenchmarkError as error:
        sys.exit(f"benchmark: {error}")


if __name__ == "__main__":
    main()
